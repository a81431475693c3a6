"""Events of a unit from the start day to each horizon, inside its follow-up; and by week around the index date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.events import EventPlan
from counterpart.protocol import ClaimsIndex, Study
from counterpart.tables import FIRST_WEEK, LAST_WEEK, OUTCOME_WEEKS, OUTCOMES, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def outcome_events(study: Study) -> tuple[str, ...]:
    """The events that outcomes count, and the treatment where claims show it (comparators are censored there)."""
    counted = tuple(event for outcome in study.outcomes.outcomes for event in outcome.events)
    treated = study.cohort.treated.index
    return (*counted, treated.event) if isinstance(treated, ClaimsIndex) else counted


def reach_of(study: Study) -> tuple[int, int]:
    """First and last day relative to the index date that outcomes look at."""
    horizons = [horizon for outcome in study.outcomes.outcomes for horizon in outcome.horizons]
    return FIRST_WEEK * 7 + 1, max(*horizons, (LAST_WEEK + 1) * 7)


def build_outcomes(
    units: DataFrame, follow_up: DataFrame, member_days: DataFrame, plan: EventPlan, study: Study
) -> DataFrame:
    """Eligible units -> one row per unit, outcome and horizon: events, day of the first, days at risk.

    An event is a distinct date and event name; several events of an outcome on one date add up.
    """
    spark = units.sparkSession
    asked = [
        (outcome.name, horizon, outcome.start_day)
        for outcome in study.outcomes.outcomes
        for horizon in outcome.horizons
    ]
    horizons = spark.createDataFrame(asked, "outcome string, horizon int, start_day int")
    at_risk = F.greatest(F.least("horizon", "days") - F.col("start_day") + 1, F.lit(0)).alias("days_at_risk")
    grid = follow_up.crossJoin(F.broadcast(horizons)).select("unit_id", "outcome", "horizon", at_risk)
    counted = (
        _outcome_days(units, follow_up, member_days, plan, study)
        .join(F.broadcast(horizons), "outcome", "inner")
        .filter(F.col("day").between(F.col("start_day"), F.least("horizon", "days")))
        .groupBy("unit_id", "outcome", "horizon")
        .agg(F.count("*").cast("int").alias("n_events"), F.min("day").alias("first_event_day"))
    )
    outcomes = grid.join(counted, ["unit_id", "outcome", "horizon"], "left").na.fill(0, ["n_events"])
    return conform(outcomes, OUTCOMES)


def build_weeks(
    units: DataFrame, follow_up: DataFrame, member_days: DataFrame, plan: EventPlan, study: Study
) -> DataFrame:
    """Eligible units -> events of the primary outcome by week: week w is days 7w + 1 to 7w + 7; day 0 is in -1.

    Weeks without events have no row.
    """
    week = F.floor((F.col("day") - 1) / 7).cast("int")
    days = _outcome_days(units, follow_up, member_days, plan, study)
    weeks = (
        days.filter((F.col("outcome") == study.outcomes.primary.name) & (F.col("day") <= F.col("days")))
        .withColumn("week", week)
        .filter(F.col("week").between(FIRST_WEEK, LAST_WEEK))
        .groupBy("unit_id", "week")
        .agg(F.count("*").cast("int").alias("n_events"))
    )
    return conform(weeks, OUTCOME_WEEKS)


def _outcome_days(
    units: DataFrame, follow_up: DataFrame, member_days: DataFrame, plan: EventPlan, study: Study
) -> DataFrame:
    """(unit_id, days, outcome, day): every event of an outcome near a unit, before and after its index date."""
    names = [(plan.event_id(event), outcome.name) for outcome in study.outcomes.outcomes for event in outcome.events]
    outcome_of = units.sparkSession.createDataFrame(names, "event_id int, outcome string")
    return (
        units.select("unit_id", "member_key", "index_date")
        .join(follow_up.select("unit_id", "days"), "unit_id", "inner")
        .join(member_days, "member_key", "inner")
        .join(F.broadcast(outcome_of), "event_id", "inner")
        .select("unit_id", "days", "outcome", F.datediff("event_date", "index_date").alias("day"))
    )
