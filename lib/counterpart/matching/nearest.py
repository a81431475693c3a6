"""Nearest-neighbour matching in Spark: prune in the plan, solve in executor tasks, one row per treated unit out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from counterpart.errors import ContractError
from counterpart.matching.caliper import Caliper, measure_caliper
from counterpart.matching.spread import FIXED_ONE
from counterpart.matching.strata import add_stratum, is_treated, select_in_reach
from counterpart.ordering import stable_order
from counterpart.tables import MATCHES, UNMATCHED, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from counterpart.protocol import Matching

# A person with candidate dates in several strata couples them. Only these columns are the same at all dates of a
# person, so only along these can the problem be cut into tasks.
CONSTANT_PER_PERSON = ("sex",)

SOLUTION = (
    "treated_unit bigint, comparator_unit bigint, distance_fixed bigint, in_reach boolean, has_counterpart boolean"
)
_SOLUTION_ARROW = pa.schema(
    [
        ("treated_unit", pa.int64()),
        ("comparator_unit", pa.int64()),
        ("distance_fixed", pa.int64()),
        ("in_reach", pa.bool_()),
        ("has_counterpart", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class StudyMatches:
    """The match. `pairs` has the contract MATCHES, `unmatched` UNMATCHED; `summary` is what may be logged of it.

    Both frames read one solved frame that stays cached until `release`.
    """

    pairs: DataFrame
    unmatched: DataFrame
    summary: dict[str, int | float | str | None]
    _solution: DataFrame

    def release(self) -> None:
        """Free the cached solution, once pairs and unmatched are written."""
        self._solution.unpersist()


def match_nearest(units: DataFrame, matching: Matching, seed: int) -> StudyMatches:
    """Pair treated units with comparators one to one, globally closest first, inside strata and caliper.

    unit -> pair, and unit -> unmatched treated unit. `units` has unit_id, member_key, arm, logit_fixed and the columns
    of `matching.exact`. Pairs are taken in the order (distance, treated key, comparator key), where the key is the
    stable order of the unit under the seed (a one-to-one function of the unit id: keys never tie). A person serves at
    most once as comparator, over all its candidate dates, and never for itself; its treated dates are not restricted.

    Why a treated unit stays unmatched, first that holds:
    - no_exact_stratum: no other person has a comparator unit in its stratum;
    - outside_caliper: some have, none of them within the caliper;
    - pool_exhausted: some are within the caliper, and each of these persons serves in a closer pair.

    Cost: the units are read three times; 42 bytes a unit in reach are shuffled to one task per sex, which holds about
    250 bytes for each of its units. Two rows, then one, reach the driver.
    """
    _check_columns(units, matching)
    caliper = measure_caliper(units, matching)
    solution = _solve(units, matching, caliper, seed).persist()
    is_paired = F.col("comparator_unit").isNotNull()
    pairs = solution.filter(is_paired).withColumn("set_id", F.col("treated_unit"))
    reason = (
        F.when(F.col("in_reach"), "pool_exhausted")
        .when(F.col("has_counterpart"), "outside_caliper")
        .otherwise("no_exact_stratum")
    )
    unmatched = solution.filter(~is_paired).select(F.col("treated_unit").alias("unit_id"), reason.alias("reason"))
    summary = summarise_matches(pairs, unmatched, matching, caliper)
    return StudyMatches(conform(pairs, MATCHES), conform(unmatched, UNMATCHED), summary, solution)


def summarise_matches(
    pairs: DataFrame, unmatched: DataFrame, matching: Matching, caliper: Caliper
) -> dict[str, int | float | str | None]:
    """Counts, distances in logits and the caliper that applied. One row reaches the driver.

    RuntimeError if treated units were lost or a pair lies outside the caliper: then the matching itself is wrong.
    """
    outcome = pairs.select(F.lit("paired").alias("outcome"), "distance_fixed").unionByName(
        unmatched.select(F.col("reason").alias("outcome"), F.lit(None).cast("bigint").alias("distance_fixed"))
    )
    reasons = ("no_exact_stratum", "outside_caliper", "pool_exhausted")
    found = outcome.agg(
        F.count_if(F.col("outcome") == "paired").alias("n_pairs"),
        *[F.count_if(F.col("outcome") == reason).alias(f"n_{reason}") for reason in reasons],
        F.max("distance_fixed").alias("largest_distance"),
        F.sum(F.col("distance_fixed").cast("decimal(19,0)")).alias("total_distance"),
    ).collect()[0]
    counts = {name: int(found[name]) for name in ("n_pairs", *[f"n_{reason}" for reason in reasons])}
    if sum(counts.values()) != caliper.n_treated:
        raise RuntimeError("matching does not reconcile: treated units were lost or doubled")
    if None not in (caliper.width_fixed, found.largest_distance) and found.largest_distance > caliper.width_fixed:
        raise RuntimeError("matching returned a pair outside the caliper")
    n_pairs = counts["n_pairs"]
    return {
        "n_treated": caliper.n_treated,
        "n_comparators": caliper.n_comparators,
        **counts,
        "caliper": matching.caliper,
        "caliper_scale": matching.caliper_scale,
        "logit_sd": caliper.logit_sd,
        "caliper_width": None if caliper.width_fixed is None else caliper.width_fixed / FIXED_ONE,
        "largest_distance": found.largest_distance / FIXED_ONE if n_pairs else None,
        "mean_distance": int(found.total_distance) / n_pairs / FIXED_ONE if n_pairs else None,
    }


def _check_columns(units: DataFrame, matching: Matching) -> None:
    needed = ("unit_id", "member_key", "arm", "logit_fixed", *matching.exact)
    missing = [name for name in needed if name not in units.columns]
    if missing:
        raise ContractError(f"matching: the units have no column {', '.join(missing)}; needed are {', '.join(needed)}")


def _solve(units: DataFrame, matching: Matching, caliper: Caliper, seed: int) -> DataFrame:
    """Unit -> treated unit, with its comparator unit or null (schema SOLUTION)."""
    candidates = select_in_reach(add_stratum(units, matching.exact), caliper.width_fixed)
    task: list[str] = [name for name in CONSTANT_PER_PERSON if name in matching.exact]
    longs = candidates.select(
        *([F.col(name) for name in task] or [F.lit(0).alias("task")]),
        "unit_id",
        "member_key",
        "stratum",
        "logit_fixed",
        stable_order(seed, "unit_id").alias("tie_key"),
        is_treated().alias("is_treated"),
        "has_counterpart",
    )
    return longs.groupBy(*(task or ["task"])).applyInArrow(_solver(caliper.width_fixed), schema=SOLUTION)


def _solver(width_fixed: int | None) -> Callable[[pa.Table], pa.Table]:
    def solve(units: pa.Table) -> pa.Table:
        return pair_units(units, width_fixed)

    return solve


def pair_units(units: pa.Table, width_fixed: int | None) -> pa.Table:
    """The solution of one task: a table of longs in, one row per treated unit out. Runs in an executor's Python."""
    # Numba loads in the worker, when there is something to solve: drivers and other stages never pay for it.
    from counterpart.numerics.pairing import Side, pair_nearest

    is_treated_unit = _numbers(units, "is_treated")
    treated, comparators = np.flatnonzero(is_treated_unit), np.flatnonzero(~is_treated_unit)
    columns = [_numbers(units, name) for name in ("logit_fixed", "tie_key", "stratum", "member_key")]
    found = pair_nearest(
        Side(*[column[treated] for column in columns]), Side(*[column[comparators] for column in columns]), width_fixed
    )
    unit_ids, is_paired = _numbers(units, "unit_id"), np.zeros(len(treated), dtype=bool)
    is_paired[found.treated] = True
    partner_ids, distance = np.zeros(len(treated), dtype=np.int64), np.zeros(len(treated), dtype=np.int64)
    partner_ids[found.treated], distance[found.treated] = unit_ids[comparators[found.control]], found.distance
    arrays = [
        pa.array(unit_ids[treated]),
        pa.array(partner_ids, mask=~is_paired),
        pa.array(distance, mask=~is_paired),
        pa.array(found.in_reach),
        pa.array(_numbers(units, "has_counterpart")[treated]),
    ]
    return pa.Table.from_arrays(arrays, schema=_SOLUTION_ARROW)


def _numbers(units: pa.Table, name: str) -> Any:
    return units.column(name).to_numpy()
