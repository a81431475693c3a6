"""From a solution to what a match returns: the columns of its tables, of whatever kind these are, and the summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpart.matching.result import REASONS, describe_lists, describe_search, summarise_match
from counterpart.numerics.pairs import FIXED_ONE

if TYPE_CHECKING:
    from counterpart.matching.solve import Solution, Solved
    from counterpart.matching.units import Longs, Units
    from counterpart.protocol import Matching

Take = Callable[[str, "Longs"], Any]
"""Values of a column of the table, by its name in the settings, in these rows of it."""
Columns = dict[str, Any]


def columns_of_pairs(take: Take, units: Units, matching: Matching, solution: Solution) -> Columns:
    """One row per pair, by the unit that was given counterparts and then in the order won."""
    treated, control = solution.focal, solution.partner
    if matching.direction == "control_to_treated":
        treated, control = control, treated
    columns: Columns = {
        "set_id": take(matching.id, solution.focal),
        "treated_id": take(matching.id, treated),
        "control_id": take(matching.id, control),
        "distance": solution.distance / FIXED_ONE,
    }
    if units.logit is not None:
        columns["score_difference"] = (units.logit[treated] - units.logit[control]) / FIXED_ONE
    return columns | {name: take(name, solution.focal) for name in matching.exact}


def columns_of_unmatched(take: Take, matching: Matching, solution: Solution) -> Columns:
    """One row per unit without a set."""
    name = "control_id" if matching.direction == "control_to_treated" else "treated_id"
    return {name: take(matching.id, solution.alone), "reason": np.array(REASONS, dtype=object)[solution.reason]}


def columns_of_weights(take: Take, matching: Matching, solution: Solution) -> Columns:
    """One row per unit and set; each set together, the unit that was given counterparts before them."""
    sets, first, size = np.unique(solution.focal, return_index=True, return_counts=True)
    rows = np.r_[sets, solution.partner]
    weight = np.r_[np.ones(len(sets)), 1 / np.repeat(size, size)]
    of_set = np.r_[sets, solution.focal]
    order = np.argsort(np.r_[2 * first, 2 * np.arange(len(solution.partner)) + 1], kind="stable")
    return {
        "id": take(matching.id, rows[order]),
        "weight": weight[order],
        "set_id": take(matching.id, of_set[order]),
    }


def summary_of(units: Units, matching: Matching, solved: Solved) -> dict[str, Any]:
    """The summary, but for the seconds."""
    # Numba loads when there is something to match.
    from counterpart.numerics.line import distinct
    from counterpart.numerics.pairs import sum_exactly

    solution = solved.solution
    distance = solution.distance
    by_reason = np.bincount(solution.reason, minlength=len(REASONS))
    counts = {
        "n_treated": int(units.is_treated.sum()),
        "n_controls": int(units.is_control.sum()),
        "n_sets": len(distinct(solution.focal)),
        "n_pairs": len(solution.focal),
        **{f"n_{reason}": int(n) for reason, n in zip(REASONS, by_reason, strict=True)},
    }
    largest = int(distance.max()) if len(distance) else None
    found = describe_search(solved.search, solution.n_unproven, solution.audit)
    found |= describe_lists(solution.n_searched_again)
    return summarise_match(matching, solved.reach, counts, largest, sum_exactly(distance)) | found
