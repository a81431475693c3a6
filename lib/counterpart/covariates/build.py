"""Covariates from demographics and from member-days: windows are cut around every index date in one aggregation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Column
from pyspark.sql import functions as F

from counterpart.covariates.dictionary import CHARLSON_INDEX, Covariate
from counterpart.events import EventPlan
from counterpart.numerics.comorbidity import CONDITIONS, HIERARCHY, WEIGHTS
from counterpart.small_frames import small_frame
from counterpart.tables import COVARIATES, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def covariate_events(covariates: tuple[Covariate, ...]) -> tuple[str, ...]:
    """The events the covariates are read from."""
    return tuple(covariate.event for covariate in covariates if covariate.event)


def covariate_reach(covariates: tuple[Covariate, ...]) -> tuple[int, int]:
    """First and last day relative to the index date that any covariate looks at."""
    windows = [covariate.window for covariate in covariates if covariate.event]
    return min((w[0] for w in windows), default=0), max((w[1] for w in windows), default=0)


def build_covariates(
    units: DataFrame, member_days: DataFrame, plan: EventPlan, covariates: tuple[Covariate, ...]
) -> DataFrame:
    """Eligible units -> one row per unit and covariate that is not zero."""
    from_claims = _from_claims(units, member_days, plan, covariates)
    return conform(_from_demographics(units, covariates).unionByName(from_claims), COVARIATES)


def _from_demographics(units: DataFrame, covariates: tuple[Covariate, ...]) -> DataFrame:
    values = [
        F.struct(F.lit(c.covariate_id).alias("covariate_id"), _demographic_value(c).alias("value"))
        for c in covariates
        if c.column
    ]
    year = F.year("index_date")
    dated = units.withColumns({"index_year": year, "index_decade": year - F.pmod(year, F.lit(10))})
    rows = dated.select("unit_id", F.inline(F.array(*values)))
    return rows.filter(F.col("value") != 0)


def _demographic_value(covariate: Covariate) -> Column:
    column = F.col(str(covariate.column))
    if covariate.kind == "years":
        return column.cast("bigint")
    return (column.cast("string") == F.lit(covariate.level)).cast("bigint")


def _from_claims(
    units: DataFrame, member_days: DataFrame, plan: EventPlan, covariates: tuple[Covariate, ...]
) -> DataFrame:
    """Flags, counts and amounts, and the Charlson index: the conditions of a unit are folded into 17 bits, and weighed.

    All in one aggregation, so that the lines are read once and their events kept nowhere.
    """
    spark = units.sparkSession
    kinds = small_frame(spark, [(c.covariate_id, c.kind) for c in covariates], "covariate_id int, kind string")
    windows = small_frame(spark, [row for c in covariates for row in _asked(c, plan)], _ASKED_DDL)
    near = units.select("unit_id", "member_key", "index_date").join(member_days, "member_key", "inner")
    inside = F.datediff("event_date", "index_date").between(F.col("first_day"), F.col("last_day"))
    value = (
        F.when(F.col("conditions") != 0, weigh_conditions(F.col("conditions")).cast("bigint"))
        .when(F.col("kind") == "flag", F.lit(1).cast("bigint"))
        .when(F.col("kind") == "count", F.col("n_days"))
        .otherwise(F.greatest("cents", F.lit(0)))
    )
    return (
        near.join(F.broadcast(windows), "event_id", "inner")
        .filter(inside)
        .groupBy("unit_id", "covariate_id")
        .agg(
            F.count("*").alias("n_days"),
            F.sum("allowed_cents").alias("cents"),
            F.bit_or("condition").alias("conditions"),
        )
        .join(F.broadcast(kinds), "covariate_id", "inner")
        .select("unit_id", "covariate_id", value.alias("value"))
        .filter(F.col("value") != 0)
    )


_ASKED_DDL = "covariate_id int, event_id int, condition int, first_day int, last_day int"


def _asked(covariate: Covariate, plan: EventPlan) -> Iterator[tuple[int, int, int, int, int]]:
    """The event of a covariate and its window; of the index those of every condition, each with a bit."""
    if covariate.event:
        yield covariate.covariate_id, plan.event_id(covariate.event), 0, *covariate.window
    elif covariate.name == CHARLSON_INDEX:
        for number, condition in enumerate(CONDITIONS):
            yield covariate.covariate_id, plan.event_id(f"charlson_{condition}"), 1 << number, *covariate.window


def weigh_conditions(conditions: Column) -> Column:
    """The Charlson index of 17 bits in the order of CONDITIONS, as in `numerics.comorbidity` (Quan 2011, hierarchy)."""
    graver_of = dict(HIERARCHY)
    points = []
    for number, (condition, weight) in enumerate(zip(CONDITIONS, WEIGHTS["quan2011"], strict=True)):
        outranked_by = graver_of.get(condition)
        excluded = 1 << CONDITIONS.index(outranked_by) if outranked_by else 0
        counts = (conditions.bitwiseAND(F.lit(1 << number)) != 0) & (conditions.bitwiseAND(F.lit(excluded)) == 0)
        points.append(F.when(counts, F.lit(weight)).otherwise(F.lit(0)))
    return reduce(Column.__add__, points)
