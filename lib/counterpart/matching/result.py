"""What a match returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from counterpart.numerics.pairs import FIXED_ONE

if TYPE_CHECKING:
    from counterpart.matching.cost import Search
    from counterpart.matching.planning import Plan
    from counterpart.matching.solve import Reach
    from counterpart.numerics.pairs import Audit
    from counterpart.protocol import Matching

Frame = TypeVar("Frame")

REASONS = ("no_exact_stratum", "outside_caliper", "pool_exhausted")


@dataclass(frozen=True)
class Matched(Generic[Frame]):
    """The match of a table; its frames are of the table's kind, pandas or Spark.

    `pairs`: one row per pair, with set_id (the id of the unit that was given counterparts), treated_id, control_id,
    distance (logits for the distance score), score_difference (treated minus control, in logits; only with a score)
    and the exact columns. `unmatched`: one row per treated unit without a set (control_id where direction is
    control_to_treated), with its reason:

    - no_exact_stratum: no other person has a unit of the other arm in its stratum;
    - outside_caliper: some have, none of them inside the calipers;
    - pool_exhausted: some are inside, but serve in better pairs (or fewer than `min_ratio` do not).

    `weights`: one row per unit and set, with id, weight and set_id. Treated weigh 1, the controls of a set 1 / their
    number, so that weighted means estimate the effect in the matched treated (with control_to_treated it is the other
    way round). A control of several sets has several rows.

    `summary`: counts, distances, the caliper, the search used and why, and seconds by step. `matching`: the settings.
    `plan`: how a Spark table was cut into tasks (None: so few units are not cut); its frames are lazy over one cached
    solution, which `release` frees.
    """

    pairs: Frame
    unmatched: Frame
    weights: Frame
    summary: dict[str, Any]
    matching: Matching
    plan: Plan | None = None
    _release: Callable[[], None] = field(default=lambda: None, repr=False)

    def release(self) -> None:
        """Free what the frames are computed from, once they are written. Nothing to do for pandas."""
        self._release()


def summarise_match(
    matching: Matching, reach: Reach, counts: Mapping[str, int], largest: int | None, total: int
) -> dict[str, Any]:
    """The summary, from counts by name and fixed-point distances (largest of all pairs, and their sum)."""
    n_pairs = counts["n_pairs"]
    return {
        **counts,
        "caliper": matching.caliper,
        "caliper_scale": matching.caliper_scale,
        "caliper_width": None if reach.width_fixed is None else reach.width_fixed / FIXED_ONE,
        "logit_sd": reach.logit_sd,
        "largest_distance": None if largest is None else largest / FIXED_ONE,
        "mean_distance": total / n_pairs / FIXED_ONE if n_pairs else None,
        "total_distance": total / FIXED_ONE,
        "passes": matching.ratio,
    }


def describe_search(search: Search, n_unproven: int, audit: Audit) -> dict[str, Any]:
    """The search, why, and what is known of its pairs.

    `uncertified` pairs are those that nothing proves to be the best; in a stratum that was cut, who is told
    pool_exhausted counts too. Of an approximate search: `recall`, the share of `n_audited` units whose nearest control
    it found, with Wilson's 95 % interval (1927, JASA 22:209), and how much further away what it found was
    (`distance_inflation`, 0.01: one percent).
    """
    told: dict[str, Any] = {
        "search": search.name,
        "search_because": search.because,
        "uncertified": n_unproven,
    }
    if search.recall is None:
        return told
    n, n_found = audit.n_audited, audit.n_found
    return told | {
        "recall_wanted": search.recall,
        "recall": n_found / n if n else 1.0,
        "recall_interval": _wilson(n_found, n) if n else (0.0, 1.0),
        "n_audited": n,
        "distance_inflation": audit.listed / audit.true - 1 if audit.true else 0.0,
    }


def describe_lists(n_searched_again: int | None) -> dict[str, int]:
    """How many lists of nearest controls ran dry and were made again (`searched_again`); None: there were no lists.

    It says where the seconds went, not what was found: other cuts and other machines have other such numbers, and a
    task of Spark that is run again counts again.
    """
    return {} if n_searched_again is None else {"searched_again": n_searched_again}


def _wilson(n_found: int, n: int) -> tuple[float, float]:
    z = 1.959963984540054
    middle, half = n_found + z * z / 2, z * math.sqrt(n_found * (n - n_found) / n + z * z / 4)
    return (middle - half) / (n + z * z), min((middle + half) / (n + z * z), 1.0)
