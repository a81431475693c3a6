"""Two profiles for the eye: events by week around the index date, and the overlap of the preference scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.effects.units import is_matched, label_sets
from counterpart.small_frames import small_frame
from counterpart.tables import ARMS, EVENT_TIME, FIRST_WEEK, LAST_WEEK, SCORE_HISTOGRAM, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

N_BINS = 20


def summarise_event_time(
    cohort: DataFrame, matches: DataFrame, follow_up: DataFrame, outcome_weeks: DataFrame
) -> DataFrame:
    """Matched units' events of the primary outcome and days at risk -> event_time (arm x week, all 52 weeks).

    Week w is days 7w + 1 to 7w + 7 after the index date. Before it every unit counts 7 days a week; after it the days
    of the week that its follow-up reaches.
    """
    units = label_sets(cohort, matches).where(is_matched())
    events = outcome_weeks.join(units, "unit_id", how="inner")
    by_week = events.groupBy("arm", "week").agg(F.sum(F.col("n_events").cast("bigint")).alias("n_events"))
    days = _sum_days_by_week(units.join(follow_up, "unit_id", how="inner"))
    grid = _grid(cohort.sparkSession, "week", FIRST_WEEK, LAST_WEEK)
    profile = grid
    for part in (by_week, _members_by_week(events), days):
        profile = profile.join(part, ["arm", "week"], how="left")
    nobody = F.coalesce("members", F.array().cast(EVENT_TIME.columns["members"]))
    return conform(profile.na.fill(0, ["n_events", "days_at_risk"]).withColumn("members", nobody), EVENT_TIME)


def _members_by_week(events: DataFrame) -> DataFrame:
    """Matched unit x week with events -> arm x week: `members`, by the week in which they had one before.

    With them the members of every run of weeks can be counted, each once, from at most 53 numbers a week.
    """
    by_member = W.partitionBy("arm", "member_key").orderBy("week")
    last_week = F.coalesce(F.lag("week").over(by_member), F.lit(FIRST_WEEK - 1))
    weeks = events.where("n_events > 0").select("arm", "member_key", "week").distinct()
    alike = weeks.withColumn("last_week", last_week).groupBy("arm", "week", "last_week")
    counted = alike.agg(F.count("*").alias("n_members"))
    pairs = F.sort_array(F.collect_list(F.struct("last_week", "n_members")))
    return counted.groupBy("arm", "week").agg(pairs.alias("members"))


def _sum_days_by_week(followed: DataFrame) -> DataFrame:
    """Matched unit with days followed -> arm x week: days_at_risk.

    Units with the same number of days have the same weeks, so units are counted first and only the counts (at most one
    row an arm and day) are spread over the weeks.
    """
    last_day = 7 * (LAST_WEEK + 1)
    alike = followed.groupBy("arm", F.least("days", F.lit(last_day)).alias("days")).agg(F.count("*").alias("n_units"))
    by_week = alike.withColumn("week", F.explode(F.sequence(F.lit(FIRST_WEEK), F.lit(LAST_WEEK))))
    days_followed = F.greatest(F.lit(0), F.least(F.lit(7), F.col("days") - 7 * F.col("week")))
    days_in_week = F.when(F.col("week") < 0, 7).otherwise(days_followed)
    return by_week.groupBy("arm", "week").agg(F.sum(F.col("n_units") * days_in_week).alias("days_at_risk"))


def summarise_scores(cohort: DataFrame, matches: DataFrame, scores: DataFrame) -> DataFrame:
    """Preference scores of eligible units -> score_histogram (phase x arm x bin, all 20 bins, empty ones as 0).

    Bin b holds scores from b / 20 up to, not including, (b + 1) / 20; the last one includes 1.
    """
    bins = F.least(F.floor(F.col("preference") * N_BINS), F.lit(N_BINS - 1)).cast("int")
    own = (
        label_sets(cohort, matches)
        .join(scores, "unit_id", how="inner")
        .groupBy("arm", bins.alias("bin"), "member_key")
        .agg(F.count("*").alias("before"), F.count_if(is_matched()).alias("after"))
    )
    of_phase = F.explode(F.create_map(F.lit("before"), F.col("before"), F.lit("after"), F.col("after")))
    counts = (
        own.select("arm", "bin", of_phase.alias("phase", "n_units"))
        .groupBy("phase", "arm", "bin")
        .agg(F.sum("n_units").alias("n_units"), F.count_if(F.col("n_units") > 0).alias("n_members"))
    )
    phases = F.array(F.lit("before"), F.lit("after"))
    grid = _grid(cohort.sparkSession, "bin", 0, N_BINS - 1).withColumn("phase", F.explode(phases))
    return conform(grid.join(counts, ["phase", "arm", "bin"], how="left").na.fill(0), SCORE_HISTOGRAM)


def _grid(spark: SparkSession, column: str, first: int, last: int) -> DataFrame:
    """Every arm x every integer from first to last: a profile shows its zeros."""
    rows = [(arm, value) for arm in ARMS for value in range(first, last + 1)]
    return small_frame(spark, rows, f"arm string, {column} int")
