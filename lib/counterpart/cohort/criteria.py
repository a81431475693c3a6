"""Eligibility: each criterion is a named Column that must hold; `excluded_by` is the first that does not."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Column
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.cohort.demographics import age_band_of, age_on, region_of, state_on
from counterpart.errors import CodeSetError
from counterpart.events import DRUG_SYSTEMS, EventPlan
from counterpart.masks import fold_numbers, has_number
from counterpart.protocol import Cohort, EnrollmentRule, Exclusion, History, Study
from counterpart.small_frames import small_frame
from counterpart.spans import bridge_spans, longest_supply
from counterpart.tables import COHORT, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ONE_DATE_PER_MONTH = "one_date_per_month"


def clinical_events(study: Study) -> tuple[str, ...]:
    """The events that history and exclusions ask for."""
    return tuple(rule.event for rule in _clinical_rules(study.cohort))


def lookback_of(study: Study) -> int:
    """Days before the index date that the clinical criteria reach back."""
    return -min((rule.window[0] for rule in _clinical_rules(study.cohort)), default=0)


def criteria_names(study: Study) -> tuple[str, ...]:
    """The criteria in the order they are judged."""
    return (*_criteria(study), ONE_DATE_PER_MONTH)


def require_drugs(study: Study, plan: EventPlan) -> None:
    """CodeSetError if days of supply are asked for of an event that no fill can show."""
    for rule in study.cohort.exclusions:
        if rule.supplied_days and not plan.can_be_filled(rule.event):
            raise CodeSetError(
                f"cohort.exclusions {rule.name}: supplied_days are days of supply of a drug, and {rule.event} has no "
                f"codes of drugs ({' or '.join(sorted(DRUG_SYSTEMS))})"
            )


def label_candidates(
    candidates: DataFrame,
    members: DataFrame,
    enrollment: DataFrame,
    member_days: DataFrame,
    plan: EventPlan,
    study: Study,
) -> DataFrame:
    """Candidates -> the cohort table: the same units, none lost, each with strata and the first criterion it fails.

    Everything is joined and counted by member, or by member and unit, so that each table is moved once at most.
    """
    units = (
        candidates.join(members, "member_key", "left")
        .join(_count_cover(candidates, enrollment, study.cohort.enrollment), ["member_key", "unit_id"], "left")
        .join(_find_shown(candidates, member_days, plan, study.cohort), ["member_key", "unit_id"], "left")
    )
    units = _add_demographics(units, study.cohort)
    failed = [F.when(~F.coalesce(rule, F.lit(False)), F.lit(name)) for name, rule in _criteria(study).items()]
    labelled = units.withColumn("excluded_by", F.coalesce(*failed))
    return conform(_keep_one_date_per_month(labelled), COHORT)


def _clinical_rules(cohort: Cohort) -> tuple[History | Exclusion, ...]:
    return (*cohort.history, *cohort.exclusions)


def _criteria(study: Study) -> dict[str, Column]:
    cohort = study.cohort
    n_benefits = len(cohort.enrollment.benefits)
    in_window = F.col("index_date").between(F.lit(cohort.index_start), F.lit(cohort.index_end))
    is_treated = F.col("arm") == "treated"
    treated_before = F.coalesce(F.col("first_treated_on") <= F.col("index_date"), F.lit(False))
    rules = {
        "index_date_in_window": in_window,
        "not_treated_by_index_date": is_treated | ~treated_before,
        "known_member": F.col("birth_date").isNotNull(),
        "alive_on_index_date": F.col("death_date").isNull() | (F.col("death_date") >= F.col("index_date")),
        "age": F.col("age").between(cohort.age.min, cohort.age.max),
        "enrolled_on_index_date": F.col("n_covering") >= n_benefits,
        "enrolled_in_lookback": F.col("n_reaching_back") >= n_benefits,
    }
    for number, rule in enumerate(_clinical_rules(cohort)):
        is_shown = F.coalesce(has_number(_SHOWN, number), F.lit(False))
        rules[rule.name] = is_shown if isinstance(rule, History) else ~is_shown
    return rules


def _count_cover(candidates: DataFrame, enrollment: DataFrame, rule: EnrollmentRule) -> DataFrame:
    """(member_key, unit_id, n_covering, n_reaching_back): benefits in force on the index date, and since the look-back.

    Only a span that is running on the index date counts, and only gaps before it are bridged.
    """
    people = candidates.select("member_key").distinct()
    spans = enrollment.filter(F.col("benefit").isin(*rule.benefits)).join(people, "member_key", "inner")
    # By member and nothing more, as candidates lie: the join that follows then moves neither.
    spans = spans.repartition("member_key")
    bridged = bridge_spans(spans, ["member_key", "benefit"], rule.allowed_gap_days)
    is_running = F.col("index_date").between(F.col("start_date"), F.col("end_date"))
    reaches_back = F.col("bridged_start_date") <= F.date_sub("index_date", rule.lookback_days)
    return (
        candidates.select("unit_id", "member_key", "index_date")
        .join(bridged, "member_key", "inner")
        .filter(is_running)
        .groupBy("member_key", "unit_id")
        .agg(
            _count_benefits(rule, F.lit(True)).alias("n_covering"),
            _count_benefits(rule, reaches_back).alias("n_reaching_back"),
        )
    )


def _count_benefits(rule: EnrollmentRule, holds: Column) -> Column:
    """Of how many benefits a span of the group holds. Counting distinct ones would double every row."""
    found = [F.max((F.col("benefit") == benefit) & holds).cast("int") for benefit in rule.benefits]
    return reduce(Column.__add__, found)


def _find_shown(candidates: DataFrame, member_days: DataFrame, plan: EventPlan, cohort: Cohort) -> DataFrame:
    """(member_key, unit_id, shown_0..): the clinical rules whose event is in their window as often as they ask for.

    Days that no rule looks at are gone before anything is counted, and the rules are rows, not columns: some dozens of
    counts beside one another are too much code for Java to compile.
    """
    rules = [_asked(rule) for rule in _clinical_rules(cohort)]
    asked = small_frame(
        candidates.sparkSession,
        [(number, plan.event_id(event), *rest) for number, (event, *rest) in enumerate(rules)],
        _ASKED_DDL,
    )
    near = candidates.select("unit_id", "member_key", "index_date").join(member_days, "member_key", "inner")
    near = near.withColumn("day", F.datediff("event_date", "index_date").cast("bigint"))
    near = near.join(F.broadcast(asked), "event_id", "inner").filter("day between first_day and last_day")
    shown = _shown_often(near)
    if any(rule.supplied_days for rule in cohort.exclusions):
        shown = shown.unionByName(_shown_by_supply(near))
    return shown.groupBy("member_key", "unit_id").agg(*fold_numbers("number", len(rules), _SHOWN))


def _shown_often(near: DataFrame) -> DataFrame:
    """(member_key, unit_id, number) of the rules that ask for days."""
    counted = (
        near.filter("min_supply is null")
        .groupBy("member_key", "unit_id", "number", "min_days", "min_span_days")
        .agg(F.count("*").alias("n_days"), (F.max("day") - F.min("day")).alias("span_days"))
    )
    return counted.filter("n_days >= min_days and span_days >= min_span_days").select("member_key", "unit_id", "number")


def _shown_by_supply(near: DataFrame) -> DataFrame:
    """(member_key, unit_id, number) of the rules that ask for days of supply: apart, for they hold a list a unit."""
    # At most one fill a day of the window.
    fills = F.collect_list(F.struct("day", "supplied_days")).alias("fills")
    supplied = (
        near.filter("min_supply is not null")
        .groupBy("member_key", "unit_id", "number", "last_day", "min_supply")
        .agg(fills)
    )
    is_long = longest_supply(F.col("fills"), F.col("last_day")) >= F.col("min_supply")
    return supplied.filter(is_long).select("member_key", "unit_id", "number")


_SHOWN = "shown"
_ASKED_DDL = (
    "number int, event_id int, first_day bigint, last_day bigint, min_days int, min_span_days int, min_supply int"
)


def _asked(rule: History | Exclusion) -> tuple[str, int, int, int, int, int | None]:
    """Event, window, and how much of it is asked for: days, from the first to the last, days of supply in a row."""
    if isinstance(rule, History):
        return rule.event, *rule.window, rule.min_days, rule.min_span_days, None
    return rule.event, *rule.window, 1, 0, rule.supplied_days


def _add_demographics(units: DataFrame, cohort: Cohort) -> DataFrame:
    index_date = F.col("index_date")
    units = units.withColumn("age", age_on(F.col("birth_date"), index_date))
    units = units.withColumn("state", state_on(F.col("residences"), index_date))
    region = region_of(F.col("state")) if cohort.region == "census_region" else F.col("state")
    return units.withColumns(
        {
            "region": region,
            "age_band": age_band_of(F.col("age"), cohort.age.bands),
            "index_month": F.year(index_date) * 100 + F.month(index_date),
        }
    )


def _keep_one_date_per_month(units: DataFrame) -> DataFrame:
    """Of a member's eligible candidate dates in a calendar month, the earliest stays.

    A choice by hash among the month's dates would read the future: a visit on 20 May would decide about 3 May.
    """
    is_eligible = F.col("excluded_by").isNull()
    earliest_first = W.partitionBy("arm", "member_key", "index_month", is_eligible).orderBy("index_date", "unit_id")
    is_later = is_eligible & (F.row_number().over(earliest_first) > 1)
    return units.withColumn("excluded_by", F.when(is_later, F.lit(ONE_DATE_PER_MONTH)).otherwise(F.col("excluded_by")))
