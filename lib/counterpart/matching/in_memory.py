"""Matching a pandas table, without Spark."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from counterpart.matching.cost import Search, choose_search
from counterpart.matching.result import REASONS, Matched, summarise, told_of_search
from counterpart.matching.solve import Reach, Solution, count_compared, measure_metric, measure_reach, solve
from counterpart.matching.spread import FIXED_ONE
from counterpart.matching.units import Units, read_units

if TYPE_CHECKING:
    from counterpart.protocol import Matching


def match_pandas(units: pd.DataFrame, matching: Matching, seed: int) -> Matched[pd.DataFrame]:
    """As `match` says."""
    start = perf_counter()
    read = read_units(units, matching, seed)
    reach = measure_reach(read, matching)
    is_read = perf_counter()
    search = choose_search(matching, count_compared(read, matching))
    solution = solve(read, matching, reach, measure_metric(read, matching), search)
    is_solved = perf_counter()
    pairs = _pairs(units, read, matching, solution)
    unmatched = _unmatched(units, matching, solution)
    weights = _weights(units, matching, solution)
    seconds = {"read": is_read - start, "solve": is_solved - is_read, "write": perf_counter() - is_solved}
    return Matched(pairs, unmatched, weights, _summary(read, matching, reach, search, solution, seconds), matching)


def _pairs(table: pd.DataFrame, units: Units, matching: Matching, solution: Solution) -> pd.DataFrame:
    treated, control = solution.focal, solution.partner
    if matching.direction == "control_to_treated":
        treated, control = control, treated
    ids = table[matching.id]
    columns: dict[str, Any] = {
        "set_id": ids.take(solution.focal).array,
        "treated_id": ids.take(treated).array,
        "control_id": ids.take(control).array,
        "distance": solution.distance / FIXED_ONE,
    }
    if units.logit is not None:
        columns["score_difference"] = (units.logit[treated] - units.logit[control]) / FIXED_ONE
    columns |= {name: table[name].take(solution.focal).array for name in matching.exact}
    return pd.DataFrame(columns)


def _unmatched(table: pd.DataFrame, matching: Matching, solution: Solution) -> pd.DataFrame:
    name = "control_id" if matching.direction == "control_to_treated" else "treated_id"
    reason = np.array(REASONS, dtype=object)[solution.reason]
    return pd.DataFrame({name: table[matching.id].take(solution.alone).array, "reason": reason})


def _weights(table: pd.DataFrame, matching: Matching, solution: Solution) -> pd.DataFrame:
    sets, first, size = np.unique(solution.focal, return_index=True, return_counts=True)
    rows = np.r_[sets, solution.partner]
    weight = np.r_[np.ones(len(sets)), 1 / np.repeat(size, size)]
    ids, of_set = table[matching.id], np.r_[sets, solution.focal]
    # Each set together, the unit that was given counterparts before them.
    order = np.argsort(np.r_[2 * first, 2 * np.arange(len(solution.partner)) + 1], kind="stable")
    return pd.DataFrame(
        {
            "id": ids.take(rows[order]).array,
            "weight": weight[order],
            "set_id": ids.take(of_set[order]).array,
        }
    )


def _summary(
    units: Units, matching: Matching, reach: Reach, search: Search, solution: Solution, seconds: dict[str, float]
) -> dict[str, Any]:
    distance = solution.distance
    by_reason = np.bincount(solution.reason, minlength=len(REASONS))
    counts = {
        "n_treated": int(units.is_treated.sum()),
        "n_controls": int(units.is_control.sum()),
        "n_sets": len(np.unique(solution.focal)),
        "n_pairs": len(solution.focal),
        **{f"n_{reason}": int(n) for reason, n in zip(REASONS, by_reason, strict=True)},
    }
    largest = int(distance.max()) if len(distance) else None
    total = int(distance.sum())
    found = told_of_search(search, solution.n_unproven, solution.audit)
    return summarise(matching, reach, counts, largest, total) | found | {"seconds": seconds}
