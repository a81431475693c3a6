"""Matching a Spark table: look at all units, cut them into tasks, pair each task's, and account for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.matching import refusals
from counterpart.matching.columns import (
    Survey,
    add_task_columns,
    count_arms,
    count_texts,
    select_columns,
    survey,
    total_arms,
)
from counterpart.matching.cost import TASK_BYTES, are_few, is_in_space, room_at_driver
from counterpart.matching.few import match_few
from counterpart.matching.laps import Laps
from counterpart.matching.placing import spread_over_tasks
from counterpart.matching.planning import Cut, Plan, cut
from counterpart.matching.result import REASONS, Matched, describe_lists, describe_search, summarise_match
from counterpart.matching.task import PARCELS, TALLY_CODES, Work, pack_parcels, reducer, solution_schema, solver
from counterpart.matching.task_errors import as_raised, telling
from counterpart.numerics.pairs import FIXED_ONE, Audit

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

    from counterpart.protocol import Matching


_PLAIN = (T.BooleanType, T.NumericType, T.BinaryType, T.DateType, T.TimestampType, T.TimestampNTZType)


def plan_frame(units: DataFrame, matching: Matching, task_bytes: int = TASK_BYTES) -> Plan:
    """What `match_frame` would do, without doing it: two looks at the units (three with covariates)."""
    selected = select_columns(units, matching)
    is_few = _are_few(units, selected, matching, task_bytes)
    selected = add_task_columns(selected, matching)
    surveyed = survey(selected, total_arms(selected, matching), matching)
    prepared = cut(selected, surveyed, matching, task_bytes)
    prepared.release()
    return replace(prepared.plan, is_few=is_few)


def match_frame(units: DataFrame, matching: Matching, seed: int, task_bytes: int = TASK_BYTES) -> Matched[DataFrame]:
    """Match a Spark table as `match` says. The result's frames are lazy over one solution, cached until `release`.

    All units are counted, and few of them matched where the driver is. Of others a few rows reach the driver, however
    many there are: they are looked at two times (three with covariates), and those that somebody could reach are
    shuffled once, to the tasks of the plan.

    RuntimeError if units were lost or a pair lies outside the caliper: then the matching itself is wrong.
    """
    laps = Laps()
    selected = select_columns(units, matching)
    if _are_few(units, selected, matching, task_bytes):
        return match_few(units, selected, matching, seed)
    selected = add_task_columns(selected, matching)
    surveyed = survey(selected, total_arms(selected, matching), matching)
    laps.end("survey")
    prepared = cut(selected, surveyed, matching, task_bytes)
    laps.end("plan")
    searched_again = units.sparkSession.sparkContext.accumulator(0)
    work = Work(matching, surveyed.reach, surveyed.metric, prepared.plan.search, seed, searched_again.add)
    solution = _solve(prepared, work, selected.schema["unit"].dataType.simpleString()).persist()

    def release() -> None:
        solution.unpersist()
        prepared.release()

    try:
        with as_raised():
            counted = _count(solution, matching, surveyed)
    except Exception:
        # Nobody gets a result to release.
        release()
        raise
    laps.end("solve")
    own_type = units.schema[matching.id].dataType.simpleString()
    pairs, unmatched, weights = _frames(solution, prepared.strata, matching, own_type)
    counts = {"n_treated": surveyed.n_treated, "n_controls": surveyed.n_controls}
    counts |= {name: counted[name] for name in ("n_sets", "n_pairs", *[f"n_{reason}" for reason in REASONS])}
    total = int(counted.total_distance or 0)
    summary = summarise_match(matching, surveyed.reach, counts, counted.largest_distance, total)
    told = {name: int(counted[name] or 0) for name in TALLY_CODES}
    audit = Audit(*[told[name] for name in Audit._fields])
    summary |= describe_search(prepared.plan.search, told["n_unproven"], audit)
    summary |= describe_lists(searched_again.value if is_in_space(matching) else None) | {"seconds": laps.seconds}
    return Matched(pairs, unmatched, weights, summary, matching, prepared.plan, release)


def _are_few(units: DataFrame, selected: DataFrame, matching: Matching, task_bytes: int) -> bool:
    """Whether the units are matched where the driver is; `match` and `plan` ask the same."""
    if not _are_plain(units, matching.exact):
        return False
    room = room_at_driver(task_bytes, units.sparkSession.conf.get("spark.driver.maxResultSize", "1g") or "1g")
    return are_few(*count_arms(selected), count_texts(selected), matching, room)


def _are_plain(units: DataFrame, names: Sequence[str]) -> bool:
    """No columns of which only Spark knows what is equal: arrays, structures, text that is compared without case."""
    kinds = [units.schema[name].dataType for name in names]
    return all(isinstance(kind, _PLAIN) or kind.simpleString() == "string" for kind in kinds)


def _solve(prepared: Cut, work: Work, unit_type: str) -> DataFrame:
    """Units -> the solution, through the parts of components that are cut."""
    n_tasks = max(prepared.plan.n_tasks, 1)
    parcels, rounds = prepared.whole.mapInArrow(pack_parcels, PARCELS), prepared.rounds
    if prepared.parted is not None and rounds is not None:
        parts, n_slots = prepared.parted.mapInArrow(pack_parcels, PARCELS), prepared.plan.n_cut * rounds.width
        for merge_round in range(rounds.n_rounds):
            step = telling(reducer(work, rounds.n_together, is_merge=merge_round > 0))
            parts = spread_over_tasks(parts, n_slots, "slot").mapInArrow(step, PARCELS)
            n_slots //= rounds.n_together
        parcels = parts if prepared.plan.n_cut == prepared.plan.n_tasks else parcels.unionAll(parts)
    return spread_over_tasks(parcels, n_tasks, "task").mapInArrow(telling(solver(work)), solution_schema(unit_type))


def _count(solution: DataFrame, matching: Matching, surveyed: Survey) -> Row:
    """Totals of the solution, one row. RuntimeError if units were lost, are there twice, or pairs too far apart."""
    is_pair = F.col("partner").isNotNull()
    # Distances of up to 2^62: a long does not hold the sum of two.
    exact = F.col("distance_fixed").cast("decimal(19,0)")
    found = solution.agg(
        F.count_if(is_pair).alias("n_pairs"),
        *[F.count_if(F.col("reason") == i).alias(f"n_{reason}") for i, reason in enumerate(REASONS)],
        F.count_distinct(F.when(is_pair, F.col("focal"))).alias("n_sets"),
        F.count_distinct("focal").alias("n_focal"),
        F.count_distinct("partner").alias("n_partners"),
        F.count_distinct(F.when(is_pair, F.struct("partner", "stratum"))).alias("n_partner_units"),
        *[F.sum(F.when(F.col("reason") == i, exact)).alias(name) for name, i in TALLY_CODES.items()],
        F.max(F.when(is_pair, F.col("distance_fixed"))).alias("largest_distance"),
        F.max(F.abs("difference_fixed")).alias("largest_difference"),
        F.sum(F.when(is_pair, exact)).alias("total_distance"),
    ).collect()[0]
    n_alone = sum(found[f"n_{reason}"] for reason in REASONS)
    n_focal = surveyed.n_controls if matching.direction == "control_to_treated" else surveyed.n_treated
    # An id in two strata is seen where it was used: of focal units all are.
    n_again = int(found.n_repeated or 0) + found.n_sets + n_alone - found.n_focal
    n_again += found.n_partner_units - found.n_partners
    refusals.refuse_repeated(matching.id, n_again, surveyed.n_treated + surveyed.n_controls)
    if found.n_sets + n_alone != n_focal:
        raise RuntimeError("matching does not reconcile: units were lost or doubled")
    width = surveyed.reach.width_fixed
    if None not in (width, found.largest_difference) and found.largest_difference > width:
        raise RuntimeError("matching returned a pair outside the caliper")
    return found


def _frames(
    solution: DataFrame, strata: DataFrame, matching: Matching, unit_type: str
) -> tuple[DataFrame, DataFrame, DataFrame]:
    is_reversed = matching.direction == "control_to_treated"
    focal, partner = (F.col(name).cast(unit_type) for name in ("focal", "partner"))
    treated, control = (partner, focal) if is_reversed else (focal, partner)
    paired = solution.filter(F.col("partner").isNotNull())
    columns = {
        "set_id": focal,
        "treated_id": treated,
        "control_id": control,
        "distance": F.col("distance_fixed") / F.lit(float(FIXED_ONE)),
    }
    if matching.score is not None:
        columns["score_difference"] = F.col("difference_fixed") / F.lit(float(FIXED_ONE))
    columns |= {name: F.col(f"exact_{i}") for i, name in enumerate(matching.exact)}
    pairs = paired.join(strata, "stratum").select(*_named(columns))
    reason = F.element_at(F.array(*[F.lit(name) for name in REASONS]), F.col("reason") + 1)
    alone = solution.filter("reason >= 0")
    unmatched = alone.select(focal.alias("control_id" if is_reversed else "treated_id"), reason.alias("reason"))
    sets = paired.select(focal.alias("id"), F.lit(1.0).alias("weight"), focal.alias("set_id")).distinct()
    weights = sets.unionByName(
        paired.select(partner.alias("id"), (F.lit(1.0) / F.col("set_size")).alias("weight"), focal.alias("set_id"))
    )
    return pairs, unmatched, weights


def _named(columns: dict[str, Column]) -> list[Column]:
    return [column.alias(name) for name, column in columns.items()]
