"""Claim lines, fills and procedures of facilities -> the days on which members show events."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import match_codes
from counterpart.events.lines import days_of_lines, listed
from counterpart.events.operations import days_of_operations, price_once
from counterpart.events.plan import DRUG_SYSTEMS, EventPlan, Signal, is_of_code_alone, signals_by_code
from counterpart.protocol import ALL_CLAIMS, Clause
from counterpart.small_frames import small_frame
from counterpart.spans import label_runs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def build_member_days(
    medical: DataFrame, pharmacy: DataFrame, plan: EventPlan, people: DataFrame | None, *, is_priced: bool = True
) -> DataFrame:
    """Claim lines and fills -> (member_key, event_date, event_id), with what those that showed it add up to.

    That is `supplied_days` of fills, 0 where none are told, and `allowed_cents` of claims and fills if `is_priced`:
    else lines whose codes show nothing are gone at once. Of events that are stays the first day of each stay is a row,
    and no other: lines from `plan.days_before` before the first day that matters must be among those given.

    `people` (member_key, from_date, to_date; one row a member) limits members and dates and should be small enough
    to broadcast; None takes everybody. Dates must already be pruned to the months that matter.
    """
    added_up = ("allowed_cents", "supplied_days") if is_priced else ("supplied_days",)
    parts = [_days_of_claims(medical, plan, people, is_priced)]
    if plan.uses(*DRUG_SYSTEMS):
        fills = _days_of_fills(pharmacy, plan, people)
        parts.append(fills.withColumn("end_date", F.col("event_date")) if plan.stays else fills)
    keys, ends = ("member_key", "event_date", "event_id"), ("end_date",) if plan.stays else ()
    sums = [F.sum(name).alias(name) for name in added_up]
    days = (
        reduce(lambda left, right: left.unionByName(right), (part.select(*keys, *added_up, *ends) for part in parts))
        .groupBy(*keys)
        .agg(*sums, *(F.max(name).alias(name) for name in ends))
    )
    if not plan.stays:
        return days
    return (
        _label_stays(days, plan)
        .groupBy("member_key", F.col("run_start_date").alias("event_date"), "event_id")
        .agg(*sums)
    )


def _label_stays(days: DataFrame, plan: EventPlan) -> DataFrame:
    """Days with `end_date` -> the same with `run_start_date`: the first day of a stay, of other events the day itself.

    Days that overlap or abut are of one stay. What comes later never moves its first day.
    """
    own_day = F.when(~F.col("event_id").isin(*plan.stays), F.col("event_date"))
    spans = days.withColumns({"own_day": own_day, "start_date": F.col("event_date")})
    return label_runs(spans, ("member_key", "event_id", "own_day"))


def _days_of_claims(medical: DataFrame, plan: EventPlan, people: DataFrame | None, is_priced: bool) -> DataFrame:
    """Claim line -> (claim, day, event), with the amounts and no supply."""
    lines = medical.withColumnRenamed("service_date", "event_date")
    if people is not None:
        lines = _restrict(lines, people)
    days = days_of_lines(lines, plan, is_priced or ALL_CLAIMS in plan.names)
    if plan.has_operations:
        operations = days_of_operations(medical, plan, people)
        days = price_once(days, operations, plan) if is_priced else days.unionByName(operations.drop("until_cents"))
    return days.withColumn("supplied_days", F.lit(0).cast("bigint"))


def _days_of_fills(pharmacy: DataFrame, plan: EventPlan, people: DataFrame | None) -> DataFrame:
    supplied = F.coalesce("days_supply", F.lit(0)).cast("bigint")
    fills = pharmacy.withColumnRenamed("dispensing_date", "event_date").withColumn("supplied_days", supplied)
    if people is not None:
        fills = _restrict(fills, people)
    on, shown_by = F.col("event_date"), signals_by_code(fills, plan)
    events_of = {
        signal: [i for i, clauses in enumerate(plan.clauses) if any(map(partial(_fill_shows, signal), clauses))]
        for signal in plan.signals
    }
    if plan.uses("omop"):
        codes = F.concat(F.array("ndc"), listed("concepts"))
        matched = match_codes(fills.withColumn("code", F.explode(codes)), F.col("code"), on, shown_by)
    else:
        matched = match_codes(fills, F.col("ndc"), on, shown_by)
    pairs = [(number, event) for number, signal in enumerate(plan.signals) for event in events_of[signal]]
    names = small_frame(matched.sparkSession, pairs, "signal int, event_id int")
    shown = matched.join(F.broadcast(names), "signal", "inner")
    events = [event for _, event in pairs]
    if plan.uses("omop") or len(set(events)) < len(events):
        # A fill may show an event by several codes, or one code by several code sets: it is to count once.
        shown = shown.dropDuplicates(["member_key", "claim_id", "line_number", "event_date", "event_id"])
    return shown.select("member_key", "event_date", "event_id", "allowed_cents", "supplied_days")


def _fill_shows(signal: Signal, clause: Clause) -> bool:
    return is_of_code_alone(clause) and Signal(clause.codes) == signal


def _restrict(rows: DataFrame, people: DataFrame) -> DataFrame:
    inside = F.col("event_date").between(F.col("from_date"), F.col("to_date"))
    return rows.join(people.select("member_key", "from_date", "to_date"), "member_key", "inner").filter(inside)
