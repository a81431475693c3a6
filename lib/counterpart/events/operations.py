"""Procedures of facilities: events on the day of the procedure, wherever the lines of its claim lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.codes import match_codes
from counterpart.events.lines import SIGNALS, condition_holds, conditions_of_line, explode_events, listed, shows
from counterpart.events.plan import ICD_PROCEDURES, EventPlan, Signal, signals_by_code
from counterpart.masks import fold_numbers
from counterpart.protocol import Clause

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_CLAIM_DAY = ("member_key", "event_date", "claim_key")


def days_of_operations(medical: DataFrame, plan: EventPlan, people: DataFrame | None) -> DataFrame:
    """Claim lines -> (claim, day of a procedure, event), as `days_of_lines` has them, and `until_cents`.

    Every line of a claim has all its procedures: a day is one however many lines repeat it. `allowed_cents` are those
    of the claim's lines of the day, `until_cents` of its lines up to it. `people` are as in `build_member_days`.
    """
    found = _match_procedures(medical, plan, people)
    beside = {plan.signals.index(Signal(clause.diagnosis)) for clause in _clauses(plan) if clause.diagnosis}
    if beside:
        found = _add_diagnoses(found, plan, sorted(beside))
    by_line = found.groupBy(*_CLAIM_DAY, "line_number").agg(
        # The same on all rows of a line.
        F.max("service_date").alias("service_date"),
        F.max("allowed_cents").alias("cents"),
        *fold_numbers("signal", 2 * len(plan.signals), SIGNALS),
    )
    masks = [name for name in by_line.columns if name.startswith(SIGNALS)]
    days = by_line.groupBy(*_CLAIM_DAY).agg(
        _cents_where(F.col("service_date") == F.col("event_date")).alias("allowed_cents"),
        _cents_where(F.col("service_date") <= F.col("event_date")).alias("until_cents"),
        *(F.bit_or(name).alias(name) for name in masks),
    )
    shown = [
        F.when(shows(clauses, plan, len(plan.signals)), F.lit(event_id))
        for event_id, clauses in _operations(plan).items()
    ]
    amounts = ("allowed_cents", "until_cents")
    if not plan.stays:
        return explode_events(days, shown, *amounts)
    return explode_events(days.withColumn("end_date", F.col("event_date")), shown, *amounts, "end_date")


def price_once(days: DataFrame, operations: DataFrame, plan: EventPlan) -> DataFrame:
    """Days that lines show and days that procedures show -> both, of a claim and event each amount once.

    A facility is paid by claim, most often on its first line, and operates on a later day. So the first day of an
    operation has what the claim's lines cost up to it, and what earlier lines show of the same event is among that.
    Later days have their own lines, as everywhere. No amount of a later line moves to an earlier day.
    """
    is_operation = F.col("event_id").isin(*_operations(plan))
    ends = [F.max("end_date").alias("end_date")] if plan.stays else []
    by_day = (
        days.filter(is_operation)
        .unionByName(operations, allowMissingColumns=True)
        .groupBy(*_CLAIM_DAY, "event_id")
        .agg(F.max("allowed_cents").alias("own_cents"), F.max("until_cents").alias("until_cents"), *ends)
    )
    of_claim = W.partitionBy("member_key", "claim_key", "event_id")
    first = F.min(F.when(F.col("until_cents").isNotNull(), F.col("event_date"))).over(of_claim)
    is_before, is_first = (
        F.coalesce(one, F.lit(False)) for one in (F.col("event_date") < first, F.col("event_date") == first)
    )
    cents = F.when(is_before, 0).when(is_first, F.col("until_cents")).otherwise(F.col("own_cents"))
    priced = by_day.withColumn("allowed_cents", cents).drop("own_cents", "until_cents")
    return days.filter(~is_operation).unionByName(priced)


def _operations(plan: EventPlan) -> dict[int, list[Clause]]:
    """Events that a facility's procedure can show, with the clauses by which it can."""
    found = {
        event_id: [clause for clause in clauses if plan.systems_of(clause.codes) & ICD_PROCEDURES]
        for event_id, clauses in enumerate(plan.clauses)
    }
    return {event_id: clauses for event_id, clauses in found.items() if clauses}


def _clauses(plan: EventPlan) -> list[Clause]:
    return [clause for clauses in _operations(plan).values() for clause in clauses]


def _match_procedures(medical: DataFrame, plan: EventPlan, people: DataFrame | None) -> DataFrame:
    """Claim line -> a row for each of its procedures and each signal that this shows, on the procedure's day."""
    # Most lines have none, and are gone before anything else is looked at.
    lines = medical.filter(F.size("facility_procedures") > 0)
    if people is not None:
        lines = lines.join(people.select("member_key", "from_date", "to_date"), "member_key", "inner")
    limits = [] if people is None else ["from_date", "to_date"]
    kept = ("member_key", "claim_key", "line_number", "service_date", "allowed_cents", "diagnoses")
    procedures = lines.select(
        *kept, *limits, *conditions_of_line(), F.inline("facility_procedures").alias("code", "event_date")
    )
    if people is not None:
        procedures = procedures.filter(F.col("event_date").between(F.col("from_date"), F.col("to_date")))
    matched = match_codes(procedures, F.col("code"), F.col("event_date"), signals_by_code(medical, plan))
    return matched.filter(condition_holds(plan)).select(*kept, "event_date", "signal")


def _add_diagnoses(found: DataFrame, plan: EventPlan, beside: list[int]) -> DataFrame:
    """Rows of procedures -> the same, and those of the diagnoses beside them, whose signals have numbers of their own.

    A code set may hold both: what is beside a procedure shows no event by itself.
    """
    codes = F.explode(F.concat(F.array(F.lit(0).cast("bigint")), listed("diagnoses")))
    told = found.withColumnRenamed("signal", "shown").withColumn("code", codes)
    matched = match_codes(told, F.col("code"), F.col("event_date"), signals_by_code(found, plan))
    number = F.when(F.col("code") == 0, F.col("shown")).when(
        F.col("signal").isin(*beside), F.col("signal") + len(plan.signals)
    )
    return matched.withColumn("signal", number)


def _cents_where(is_counted: Column) -> Column:
    return F.coalesce(F.sum(F.when(is_counted, F.col("cents"))), F.lit(0))
