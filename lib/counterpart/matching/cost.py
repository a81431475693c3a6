"""What matching costs, and the search that follows from it. The constants were measured; see docs/decisions.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpart.protocol import Matching

# Seconds of one core: moving a unit to a task, seeing it there, pairing it on one score, and one coordinate of one
# distance.
MOVE, SEE, PAIR, COORDINATE = 1.5e-6, 2e-8, 5e-7, 3e-11
# Coordinates' worth of the steps that every distance takes.
_EVERY_DISTANCE = 4
# Seconds of one core that a look at a control takes where a list of nearest has run dry and is made again.
LOOK_AGAIN = 7e-9
# Of the controls wanted the share for which that happens where as many are wanted as are there, and how it grows with
# the share that is wanted; both measured with treated that lie among the controls, in 2 to 50 dimensions.
_AGAIN_AT_FULL, _AGAIN_POWER = 0.25, 6
TASK_BYTES = 2**30
"""What a task of a match on Spark may take, as predicted, unless the caller says otherwise."""
# Bytes of a unit in a task: moved and laid out (103 measured at 100 million units whose ids are whole numbers; texts
# add their length); for each number it is compared by (48 with 20 covariates at a million units), and
# what an index of it takes more (32 with 50 covariates at half a million).
ROW_BYTES, NUMBER_BYTES, INDEX_BYTES = 110, 48, 32
# What fits one task and takes so few seconds is matched where the driver is: to plan tasks and fill them takes longer.
FEW_SECONDS = 5.0
# What comes along there: exact columns, and texts (ids, persons, ties), whose length nobody has looked at.
EXACT_BYTES, TEXT_BYTES = 32, 256
LONGEST_EXACT = 600.0
"""Seconds of one core that `auto` gives to the exact search before it prefers the approximate one."""


@dataclass(frozen=True)
class Search:
    """The search to use, and why. `recall` is the share of nearest controls to find; None: the exact search."""

    recall: float | None
    because: str

    @property
    def name(self) -> str:
        """As in the settings."""
        return "exact" if self.recall is None else "ann"


def is_in_space(matching: Matching) -> bool:
    """Whether pairs are found in several dimensions, and not on one score."""
    return matching.distance != "score" or bool(matching.calipers)


def may_be_approximate(matching: Matching) -> bool:
    """Whether `choose_search` could answer with an approximate search."""
    return matching.search == "ann" or (
        matching.search == "auto" and is_in_space(matching) and matching.caliper is None
    )


def seconds_of_distance(matching: Matching) -> float:
    """Seconds that one distance takes."""
    return (len(matching.covariates) + len(matching.calipers) + _EVERY_DISTANCE) * COORDINATE


def share_searched_again(load: Any) -> Any:
    """Of wanted controls, those for which a list has run dry; `load`: how many are wanted for each that can serve.

    A number or a column; from a load of 1.3 on more than 1, which stands for all.
    """
    return load**_AGAIN_POWER * _AGAIN_AT_FULL


def bytes_of_unit(matching: Matching, search: Search) -> int:
    """What a unit takes in a task."""
    number = NUMBER_BYTES + (INDEX_BYTES if search.recall is not None else 0)
    return ROW_BYTES + number * (len(matching.covariates) + len(matching.calipers))


def are_few(n_treated: int, n_controls: int, n_texts: int, matching: Matching, task_bytes: int) -> bool:
    """Whether so many units are matched where the driver is; `n_texts` of their id, person and tie are text."""
    # Strata and calipers leave less to compare; that they do is not known yet.
    n_compared = n_treated * n_controls if is_in_space(matching) else 0
    seconds = n_compared * seconds_of_distance(matching)
    seconds += _count_looks_again(n_treated, n_controls, matching) * LOOK_AGAIN if n_compared else 0.0
    of_unit = bytes_of_unit(matching, choose_search(matching, n_compared))
    of_unit += EXACT_BYTES * len(matching.exact) + TEXT_BYTES * n_texts
    return (n_treated + n_controls) * of_unit <= task_bytes and seconds <= FEW_SECONDS


def _count_looks_again(n_treated: int, n_controls: int, matching: Matching) -> float:
    n_focal, n_pool = n_treated, n_controls
    if matching.direction == "control_to_treated":
        n_focal, n_pool = n_pool, n_focal
    wanted = n_focal * matching.ratio
    load = wanted * per_service(matching) / n_pool
    return wanted * min(share_searched_again(load), 1.0) * n_pool


def per_service(matching: Matching) -> float:
    """What of a control one service takes: 1 where each serves once, 0 where nobody competes."""
    if not matching.replace:
        return 1.0
    return 0.0 if matching.reuse is None else 1 / matching.reuse


def room_at_driver(task_bytes: int, max_result_size: str) -> int:
    """What may be collected: what a task may take, and what `spark.driver.maxResultSize` allows (0: anything)."""
    number, unit = re.findall(r"(\d+)([kmgtp]?)", max_result_size.lower())[0]
    allowed = int(number) << (10 * " kmgtp".index(unit or " "))
    return min(task_bytes, allowed) if allowed else task_bytes


def choose_search(matching: Matching, n_compared: int) -> Search:
    """The search for so many pairs of units inside strata and caliper windows."""
    if matching.search != "auto":
        return Search(matching.recall if matching.search == "ann" else None, "asked for")
    if not is_in_space(matching):
        return Search(None, "auto: on one score the exact search is the fastest")
    if matching.caliper is not None:
        # They overlap, and most of what an index finds lies outside them.
        return Search(None, "auto: the caliper's windows leave little for an index to find")
    seconds = n_compared * seconds_of_distance(matching)
    said = f"{n_compared:,} distances take some {seconds:,.1f} s of one core"
    if seconds <= LONGEST_EXACT:
        return Search(None, f"auto: {said}, at most {LONGEST_EXACT:,.0f}")
    return Search(matching.recall, f"auto: {said}, more than {LONGEST_EXACT:,.0f}")
