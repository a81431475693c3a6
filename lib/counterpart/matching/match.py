"""`match`: a table of units in, pairs, weights and reasons out."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from counterpart.errors import ContractError
from counterpart.matching.result import REASONS, Matched, summarise
from counterpart.matching.solve import Reach, Solution, measure_metric, measure_reach, solve
from counterpart.matching.spread import FIXED_ONE
from counterpart.matching.units import Units, read_units

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from counterpart.matching.plan import Plan
    from counterpart.protocol import Matching


def match(units: pd.DataFrame | DataFrame, matching: Matching, seed: int = 0) -> Matched[Any]:
    """Match a table of units, one row each, as the settings say; see `Matching` for its columns.

    The pairs are those that taking the best possible pair again and again would find, ranked by (distance, treated
    key, control key), where a key is tie_order and then a stable hash of the id under the seed. They depend on nothing
    else: not on the order of rows, on partitions and cores, on pandas or Spark, or on how candidates are searched.

    A pandas table is matched here, a Spark table by Spark; the result is of the same kind.

    ContractError for missing columns, DataError for values that no match can use.
    """
    if isinstance(units, pd.DataFrame):
        return _match_pandas(units, matching, seed)
    if not _is_spark(units):
        kind = type(units).__name__
        raise ContractError(f"matching: units must be a pandas or a Spark DataFrame; they are of type {kind}")
    from counterpart.matching.distributed import match_frame

    return match_frame(units, matching, seed)


def plan(units: DataFrame, matching: Matching, seed: int = 0) -> Plan:
    """How `match` would cut a Spark table into tasks, and what they will take: print it. Nothing is paired.

    ContractError and DataError as `match`.
    """
    from counterpart.matching.distributed import plan_frame

    return plan_frame(units, matching, seed)


def _is_spark(units: object) -> bool:
    """Without importing Spark, which pandas tables do not need."""
    return any(kind.__module__.startswith("pyspark.sql") for kind in type(units).__mro__)


def _match_pandas(units: pd.DataFrame, matching: Matching, seed: int) -> Matched[pd.DataFrame]:
    start = perf_counter()
    read = read_units(units, matching, seed)
    reach = measure_reach(read, matching)
    is_read = perf_counter()
    solution = solve(read, matching, reach, measure_metric(read, matching))
    is_solved = perf_counter()
    pairs = _pairs(units, read, matching, solution)
    unmatched = _unmatched(units, matching, solution)
    weights = _weights(units, matching, solution)
    seconds = {"read": is_read - start, "solve": is_solved - is_read, "write": perf_counter() - is_solved}
    return Matched(pairs, unmatched, weights, _summary(read, matching, reach, solution, seconds), matching)


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
    units: Units, matching: Matching, reach: Reach, solution: Solution, seconds: dict[str, float]
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
    return summarise(matching, reach, counts, largest, int(distance.sum()), seconds)
