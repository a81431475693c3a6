"""The eligible units, each with its arm and, where it was matched, its set: what every summary starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def label_sets(cohort: DataFrame, matches: DataFrame) -> DataFrame:
    """Cohort (unit) + matches (pair, 1:1) -> eligible unit: unit_id, member_key, arm, set_id (null: not matched).

    A unit is in at most one pair, so the join keeps the grain. It costs one shuffle of the cohort's narrow columns by
    unit; outcomes, covariates and scores are joined on the same key afterwards.
    """
    in_pairs = matches.select("set_id", F.explode(F.array("treated_unit", "comparator_unit")).alias("unit_id"))
    eligible = cohort.where(F.col("excluded_by").isNull()).select("unit_id", "member_key", "arm")
    return eligible.join(in_pairs, "unit_id", how="left")


def is_matched() -> Column:
    """Whether a unit of `label_sets` is in a pair."""
    return F.col("set_id").isNotNull()
