"""From the day after the index date to the first of treatment (comparators), death, end of cover, end of data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.protocol import Study
from counterpart.tables import FOLLOW_UP, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def build_follow_up(
    units: DataFrame, treatments: DataFrame, members: DataFrame, enrollment: DataFrame, study: Study
) -> DataFrame:
    """Eligible units -> one row each: last day observed, why it is the last, days observed after the index date.

    A comparator who starts the treatment is followed to the day before. Cover ends with the span that holds the
    index date: of the benefits the study asks for, the one that ends first. Ties are settled in the order of the
    reasons above.
    """
    benefits = study.cohort.enrollment.benefits
    later_treatment = (
        units.filter(F.col("arm") == "comparator")
        .select("unit_id", "member_key", "index_date")
        .join(treatments, "member_key", "inner")
        .filter(F.col("treated_on") > F.col("index_date"))
        .groupBy("unit_id")
        .agg(F.date_sub(F.min("treated_on"), 1).alias("treatment"))
    )
    cover = (
        units.select("unit_id", "member_key", "index_date")
        .join(enrollment.filter(F.col("benefit").isin(*benefits)), "member_key", "inner")
        .filter(F.col("index_date").between(F.col("start_date"), F.col("end_date")))
        .groupBy("unit_id")
        .agg(F.min("end_date").alias("coverage_end"))
    )
    observed = (
        units.select("unit_id", "member_key", "index_date")
        .join(members.select("member_key", F.col("death_date").alias("death")), "member_key", "left")
        .join(later_treatment, "unit_id", "left")
        .join(cover, "unit_id", "left")
        .withColumn("data_end", F.lit(study.data.end))
    )
    return conform(_first_reason(observed), FOLLOW_UP)


def _first_reason(observed: DataFrame) -> DataFrame:
    reasons = ("treatment", "death", "coverage_end", "data_end")
    end = F.least(*reasons)
    why = F.coalesce(*[F.when(F.col(reason) == end, F.lit(reason)) for reason in reasons])
    days = F.greatest(F.datediff(end, "index_date"), F.lit(0))
    return observed.select("unit_id", end.alias("end_date"), why.alias("censored_by"), days.alias("days"))
