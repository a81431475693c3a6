"""Attrition: how many units and members each criterion removed, by arm, from the raw count to the eligible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.cohort.criteria import criteria_names
from counterpart.protocol import Study
from counterpart.small_frames import small_frame
from counterpart.tables import ATTRITION, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

RAW = "candidates"


def summarise_attrition(cohort: DataFrame, study: Study) -> DataFrame:
    """Cohort -> one row per arm and criterion in order; step 0 is the raw count, criteria that remove nobody are kept.

    `n_members_remaining` counts members with at least one unit left.
    """
    names = (RAW, *criteria_names(study))
    last = len(names)
    rows = [(arm, step, name) for arm in ("treated", "comparator") for step, name in enumerate(names)]
    steps = small_frame(cohort.sparkSession, rows, "arm string, step int, criterion string")
    failed_at = cohort.join(
        F.broadcast(steps.select("arm", F.col("criterion").alias("excluded_by"), "step")),
        ["arm", "excluded_by"],
        "left",
    ).select("arm", "member_key", F.coalesce("step", F.lit(last)).alias("step"))
    # One row per arm, member and step: `n` units end there; the member's best unit gets as far as `furthest`.
    by_member = failed_at.groupBy("arm", "member_key").agg(F.max("step").alias("step"))
    members = by_member.groupBy("arm", "step").agg(F.count("*").alias("n_members"))
    units = failed_at.groupBy("arm", "step").agg(F.count("*").alias("n_units"))
    ends = steps.unionByName(_final_step(steps, last)).join(units, ["arm", "step"], "left")
    ends = ends.join(members, ["arm", "step"], "left").na.fill(0, ["n_units", "n_members"])
    later = W.partitionBy("arm").orderBy("step").rowsBetween(1, W.unboundedFollowing)
    counted = ends.select(
        "arm",
        "step",
        "criterion",
        F.col("n_units").alias("n_excluded"),
        F.coalesce(F.sum("n_units").over(later), F.lit(0)).alias("n_remaining"),
        F.coalesce(F.sum("n_members").over(later), F.lit(0)).alias("n_members_remaining"),
    )
    return conform(counted.filter(F.col("step") < last), ATTRITION)


def _final_step(steps: DataFrame, last: int) -> DataFrame:
    return steps.filter("step = 0").select("arm", F.lit(last).alias("step"), F.lit("eligible").alias("criterion"))
