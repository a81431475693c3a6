"""Candidate units: every person-date at which somebody could enter an arm, before any criterion."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.events import EventPlan
from counterpart.protocol import ClaimsIndex, RosterIndex, Study

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def index_events(study: Study) -> tuple[str, ...]:
    """The events that index dates are read from."""
    treated = study.cohort.treated.index
    own = (treated.event,) if isinstance(treated, ClaimsIndex) else ()
    return (*own, study.cohort.comparator.index.event)


def index_scan(study: Study) -> tuple[date, date]:
    """First and last service date in which index events must be looked for.

    Treatment that shows in claims is looked for from the start of the data: whoever was treated before an index
    date is no comparator on it.
    """
    is_roster = isinstance(study.cohort.treated.index, RosterIndex)
    return (study.cohort.index_start if is_roster else study.data.start), study.cohort.index_end


def treatment_dates(study: Study, program: DataFrame, index_days: DataFrame, plan: EventPlan) -> DataFrame:
    """(member_key, treated_on): every date that counts as being treated; one row a member for a roster."""
    treated = study.cohort.treated.index
    if isinstance(treated, RosterIndex):
        return program.filter(F.col("program") == treated.program).select(
            "member_key", F.col("enrolled_on").alias("treated_on")
        )
    return _days_of(index_days, plan, treated.event).withColumnRenamed("event_date", "treated_on")


def build_candidates(study: Study, program: DataFrame, index_days: DataFrame, plan: EventPlan) -> DataFrame:
    """Roster and member-days of the index events -> unit: unit_id, member_key, arm, index_date, first_treated_on.

    Treated: the roster's enrolment whatever its date, or the first index day inside the window. Comparators: index days
    inside the window. `first_treated_on` is the first treatment at any date up to the end of the index window.
    """
    treatments = treatment_dates(study, program, index_days, plan)
    first_treated = treatments.groupBy("member_key").agg(F.min("treated_on").alias("first_treated_on"))
    treated = _treated_dates(study, treatments).withColumn("arm", F.lit("treated"))
    visits = _days_of(index_days, plan, study.cohort.comparator.index.event)
    comparators = _take(visits.filter(_in_window(study, F.col("event_date"))), study.cohort.comparator.index)
    units = treated.unionByName(comparators.withColumn("arm", F.lit("comparator")))
    return units.join(first_treated, "member_key", "left").select(
        F.xxhash64("member_key", "index_date", "arm").alias("unit_id"),
        "member_key",
        "arm",
        "index_date",
        "first_treated_on",
    )


def _treated_dates(study: Study, treatments: DataFrame) -> DataFrame:
    index = study.cohort.treated.index
    if isinstance(index, RosterIndex):
        return treatments.withColumnRenamed("treated_on", "index_date")
    inside = treatments.filter(_in_window(study, F.col("treated_on"))).withColumnRenamed("treated_on", "event_date")
    return _take(inside, index)


def _take(days: DataFrame, index: ClaimsIndex) -> DataFrame:
    if index.take == "first":
        return days.groupBy("member_key").agg(F.min("event_date").alias("index_date"))
    return days.withColumnRenamed("event_date", "index_date")


def _in_window(study: Study, day: Column) -> Column:
    return day.between(F.lit(study.cohort.index_start), F.lit(study.cohort.index_end))


def _days_of(index_days: DataFrame, plan: EventPlan, event: str) -> DataFrame:
    return index_days.filter(F.col("event_id") == plan.event_id(event)).select("member_key", "event_date")
