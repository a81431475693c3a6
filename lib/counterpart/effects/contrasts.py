"""Crude and matched rate contrasts of every outcome: Spark adds up integers, `numerics.rates` does the mathematics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from pyspark.sql import functions as F

from counterpart.effects.units import is_matched, label_sets
from counterpart.numerics.moments import COMPONENTS, PRODUCTS, ClusterMoments, Clusters
from counterpart.numerics.rates import Estimate, RateContrast, Tally, contrast_rates
from counterpart.small_frames import small_frame
from counterpart.tables import COMPARATOR, EFFECTS, TREATED, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from counterpart.protocol import Outcomes

CRUDE = "crude"
MATCHED = "matched"
CONTRAST = ("outcome", "horizon", "phase")
# The clusterings of a unit, by position: a unit that is not matched has the first only.
CLUSTERINGS = ((CRUDE, "member"), (MATCHED, "member"), (MATCHED, "set"), (MATCHED, "set_and_member"))
COUNTS = tuple(f"{count}_{arm}" for count in ("n", "n_complete", "n_with_event") for arm in (TREATED, COMPARATOR))
SUMS = (*COUNTS, *COMPONENTS)
MEMBERS = tuple(f"n_members_with_event_{arm}" for arm in (TREATED, COMPARATOR))
MOMENTS = tuple(f"{COMPONENTS[i]}_x_{COMPONENTS[j]}" for i, j in PRODUCTS)


def estimate_effects(cohort: DataFrame, matches: DataFrame, outcomes: DataFrame, study_outcomes: Outcomes) -> DataFrame:
    """Cohort (unit), matches (pair), outcomes (unit x outcome x horizon) -> effects (outcome x horizon x phase).

    `outcomes` has a row per eligible unit, events or not. Crude compares all eligible units and clusters by member;
    matched compares the pairs and clusters by set and by member. A contrast nobody is in has counts of 0 and nulls.

    Cost: `outcomes` is joined to its units by unit_id and shuffled once by cluster (a matched unit belongs to four, any
    other to one); what is left are 4 rows an outcome and horizon, which are finished on the driver: some dozen rows
    are not worth the start of a Python worker.
    """
    plan = _plan(cohort.sparkSession, study_outcomes)
    observed = _observe(label_sets(cohort, matches), outcomes, plan)
    moments = _sum_over_clusters(_sum_by_cluster(observed))
    clusterings = plan.join(moments, ["contrast", "clustering"], how="left").na.fill(0)
    contrasts = clusterings.toArrow().to_pandas().groupby(list(CONTRAST), sort=False)
    rows = [_finish(contrast, study_outcomes.confidence) for _, contrast in contrasts]
    return conform(small_frame(cohort.sparkSession, rows, EFFECTS.ddl), EFFECTS)


def _plan(spark: SparkSession, study_outcomes: Outcomes) -> DataFrame:
    """What the study asks for: outcome x horizon (numbered: `contrast`) x clustering, and the days of each window."""
    asked = [(outcome, horizon) for outcome in study_outcomes.outcomes for horizon in outcome.horizons]
    rows = [
        (contrast, clustering, outcome.name, horizon, phase, by, outcome.role, horizon - outcome.start_day + 1)
        for contrast, (outcome, horizon) in enumerate(asked)
        for clustering, (phase, by) in enumerate(CLUSTERINGS)
    ]
    columns = "contrast int, clustering int, outcome string, horizon int, phase string, clustered_by string"
    return small_frame(spark, rows, f"{columns}, role string, window_days int")


def _observe(units: DataFrame, outcomes: DataFrame, plan: DataFrame) -> DataFrame:
    """Unit x contrast: the three counts and the events and days, each in the columns of the unit's arm."""
    asked = plan.where(F.col("clustering") == 0).select("contrast", "outcome", "horizon", "window_days")
    rows = outcomes.join(F.broadcast(asked), ["outcome", "horizon"], how="inner").join(units, "unit_id", how="inner")
    values = {
        "n": F.lit(1),
        "n_complete": (F.col("days_at_risk") >= F.col("window_days")).cast("int"),
        "n_with_event": (F.col("n_events") > 0).cast("int"),
        "events": F.col("n_events"),
        "days": F.col("days_at_risk"),
    }
    in_arm = [
        F.when(F.col("arm") == arm, value).otherwise(0).alias(f"{name}_{arm}")
        for name, value in values.items()
        for arm in (TREATED, COMPARATOR)
    ]
    return rows.select("contrast", "set_id", "member_key", *in_arm)


def _sum_by_cluster(observed: DataFrame) -> DataFrame:
    """Unit x contrast -> contrast x clustering x cluster: `SUMS`.

    A cluster is named by its set, its member or both; the key that does not define it is null.
    """
    everyone, *of_pairs = [
        F.struct(
            F.lit(position).alias("clustering"),
            F.when(F.lit("set" in by), F.col("set_id")).alias("set_id"),
            F.when(F.lit("member" in by), F.col("member_key")).alias("member_key"),
        )
        for position, (_, by) in enumerate(CLUSTERINGS)
    ]
    memberships = F.when(is_matched(), F.array(everyone, *of_pairs)).otherwise(F.array(everyone))
    rows = observed.select("contrast", *SUMS, F.inline(memberships))
    return rows.groupBy("contrast", "clustering", "set_id", "member_key").agg(*[F.sum(n).alias(n) for n in SUMS])


def _sum_over_clusters(clusters: DataFrame) -> DataFrame:
    """Contrast x clustering x cluster -> contrast x clustering: totals, number of clusters, `MOMENTS`.

    `MEMBERS` are the clusters with an event in an arm: members where the clustering is by member.

    BIGINT is enough, and ANSI mode would refuse to overflow: a member has at most one unit a month, so in six years of
    data fewer than 160,000 days at risk; their squares over 100 million members stay below a third of 2^63.
    """
    moments = [
        F.sum(F.col(COMPONENTS[i]) * F.col(COMPONENTS[j])).alias(name)
        for (i, j), name in zip(PRODUCTS, MOMENTS, strict=True)
    ]
    totals = [F.sum(name).alias(name) for name in SUMS]
    totals += [
        F.count_if(F.col(f"n_with_event_{arm}") > 0).alias(name)
        for arm, name in zip((TREATED, COMPARATOR), MEMBERS, strict=True)
    ]
    return clusters.groupBy("contrast", "clustering").agg(F.count("*").alias("n_clusters"), *totals, *moments)


def _finish(clusterings: pd.DataFrame, confidence: float) -> list[Any]:
    """The clusterings of one contrast (at most three rows) -> its row of EFFECTS."""
    first = clusterings.to_dict("records")[0]
    sums = {name: int(first[name]) for name in SUMS}  # the same in every clustering: each holds every unit once
    contrast = contrast_rates(
        Tally(sums["events_treated"], sums["days_treated"]),
        Tally(sums["events_comparator"], sums["days_comparator"]),
        _clusters(clusterings),
        confidence,
    )
    by_member = clusterings[clusterings["clustered_by"] == "member"].to_dict("records")[0]
    members = {name: int(by_member[name]) for name in MEMBERS}
    row = {name: first[name] for name in (*CONTRAST, "role")} | sums | members | _columns(contrast)
    return [row[name] for name in EFFECTS.columns]


def _clusters(clusterings: pd.DataFrame) -> Clusters:
    found = {
        row["clustered_by"]: ClusterMoments(int(row["n_clusters"]), tuple(int(row[moment]) for moment in MOMENTS))
        for row in clusterings.to_dict("records")
    }
    return Clusters(found["member"], found.get("set"), found.get("set_and_member"))


def _columns(contrast: RateContrast) -> dict[str, Any]:
    return {
        **_limits("rate_treated", contrast.treated),
        **_limits("rate_comparator", contrast.comparator),
        **_limits("rate_ratio", contrast.ratio),
        "se_log_rate_ratio": contrast.ratio.standard_error,
        "clustered_by": contrast.ratio.clustered_by,
        **_limits("rate_difference", contrast.difference),
    }


def _limits(name: str, estimate: Estimate) -> dict[str, float | None]:
    return {name: estimate.value, f"{name}_lower": estimate.lower, f"{name}_upper": estimate.upper}
