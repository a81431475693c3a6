"""Events of a unit from the start day to each horizon, inside its follow-up; and by week around the index date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.events import EventPlan
from counterpart.protocol import ClaimsIndex, Study
from counterpart.small_frames import small_frame
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


def find_outcome_days(
    units: DataFrame, follow_up: DataFrame, member_days: DataFrame, plan: EventPlan, study: Study
) -> DataFrame:
    """(unit_id, outcome_id, day): events of an outcome near a unit, before its index date and in its follow-up.

    One row per unit, outcome, date and event; several events of an outcome on one date add up. `outcome_id` is the
    position in the study.
    """
    names = [
        (plan.event_id(event), outcome_id)
        for outcome_id, outcome in enumerate(study.outcomes.outcomes)
        for event in outcome.events
    ]
    outcome_of = small_frame(units.sparkSession, names, "event_id int, outcome_id int")
    first, last = reach_of(study)
    return (
        units.select("unit_id", "member_key", "index_date")
        .join(follow_up.select("unit_id", "days"), "unit_id", "inner")
        .join(member_days, "member_key", "inner")
        .withColumn("day", F.datediff("event_date", "index_date"))
        .filter(F.col("day").between(F.lit(first), F.least("days", F.lit(last))))
        .join(F.broadcast(outcome_of), "event_id", "inner")
        .select("unit_id", "outcome_id", "day")
    )


def build_outcomes(follow_up: DataFrame, outcome_days: DataFrame, study: Study) -> DataFrame:
    """Units followed -> one row per unit, outcome and horizon: events, day of the first, days at risk."""
    asked = [
        (outcome_id, outcome.name, horizon, outcome.start_day)
        for outcome_id, outcome in enumerate(study.outcomes.outcomes)
        for horizon in outcome.horizons
    ]
    # Numbers to join by: names would be half of what is moved.
    numbered = [(number, *row) for number, row in enumerate(asked)]
    horizons = F.broadcast(small_frame(follow_up.sparkSession, numbered, _HORIZONS_DDL))
    at_risk = F.greatest(F.least("horizon", "days") - F.col("start_day") + 1, F.lit(0)).alias("days_at_risk")
    grid = follow_up.crossJoin(horizons).select("unit_id", "number", "outcome", "horizon", at_risk)
    counted = (
        outcome_days.join(horizons, "outcome_id", "inner")
        .filter(F.col("day").between(F.col("start_day"), F.col("horizon")))
        .groupBy("unit_id", "number")
        .agg(F.count("*").cast("int").alias("n_events"), F.min("day").alias("first_event_day"))
    )
    return conform(grid.join(counted, ["unit_id", "number"], "left").na.fill(0, ["n_events"]), OUTCOMES)


_HORIZONS_DDL = "number int, outcome_id int, outcome string, horizon int, start_day int"


def build_weeks(outcome_days: DataFrame, study: Study) -> DataFrame:
    """Events of the primary outcome by unit and week: week w is days 7w + 1 to 7w + 7; day 0 is in -1.

    Weeks without events have no row.
    """
    primary = study.outcomes.outcomes.index(study.outcomes.primary)
    weeks = (
        outcome_days.filter(F.col("outcome_id") == primary)
        .withColumn("week", F.floor((F.col("day") - 1) / 7).cast("int"))
        .filter(F.col("week").between(FIRST_WEEK, LAST_WEEK))
        .groupBy("unit_id", "week")
        .agg(F.count("*").cast("int").alias("n_events"))
    )
    return conform(weeks, OUTCOME_WEEKS)
