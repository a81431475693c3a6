"""Scoring everyone in Spark: contributions as integers, so that their sum does not depend on its order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.scores.transforms import TRANSFORMS
from counterpart.small_frames import small_frame
from counterpart.tables import SCORES, conform

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from counterpart.scores.model import ScoreModel

# A contribution is rounded to 2^-40 logit (1e-12); logits up to 8 million still fit a BIGINT. `logit_fixed` has 31
# bits.
CONTRIBUTION_BITS = 40
LOGIT_BITS = 31


def score_units(cohort: DataFrame, covariates: DataFrame, model: ScoreModel) -> DataFrame:
    """Score each eligible unit, whether or not it has covariates. Unit -> unit (contract SCORES).

    `propensity` = 1 / (1 + exp(-logit)); `logit_fixed` = the logit in units of 2^-31; `preference` is the propensity
    as it would be were the arms of one size: logit(preference) = logit - logit(treated share) (Walker 2013,
    doi:10.2147/CER.S40357). Cost: one pass over the covariates, one shuffle of a BIGINT per unit; the model is
    broadcast.
    """
    everyone = cohort.filter(F.col("excluded_by").isNull()).select(
        "unit_id",
        F.lit(round(math.ldexp(model.intercept, CONTRIBUTION_BITS))).alias("fixed"),
        F.lit(1).alias("eligible"),
    )
    contributions = covariates.join(F.broadcast(_term_frame(covariates, model)), on="covariate_id", how="inner").select(
        "unit_id", _contribution().alias("fixed"), F.lit(0).alias("eligible")
    )
    sums = (
        everyone.unionByName(contributions)
        .groupBy("unit_id")
        .agg(F.sum("fixed").alias("fixed"), F.max("eligible").alias("eligible"))
        .filter("eligible = 1")
    )
    logit = F.col("fixed") / F.lit(2.0**CONTRIBUTION_BITS)
    excess_bits = CONTRIBUTION_BITS - LOGIT_BITS
    share_logit = math.log(model.treated_share / (1 - model.treated_share))
    scores = sums.select(
        "unit_id",
        _expit(logit).alias("propensity"),
        # Adding half before the shift rounds to nearest; the shift itself rounds down, also below zero.
        F.shiftright(F.col("fixed") + 2 ** (excess_bits - 1), excess_bits).alias("logit_fixed"),
        _expit(logit - F.lit(share_logit)).alias("preference"),
    )
    return conform(scores, SCORES)


def _term_frame(covariates: DataFrame, model: ScoreModel) -> DataFrame:
    """One row per covariate of the model, one coefficient per transform (0: not in the model)."""
    rows: dict[int, dict[str, float]] = {}
    for term in model.terms:
        rows.setdefault(term.covariate_id, dict.fromkeys(TRANSFORMS, 0.0))[term.transform] = term.coefficient
    schema = "covariate_id int, " + ", ".join(f"{name} double" for name in TRANSFORMS)
    return small_frame(covariates.sparkSession, [(number, *row.values()) for number, row in rows.items()], schema)


def _contribution() -> Column:
    value = F.col("value").cast("double")
    parts = [F.col(name) * transform.on_column(value) for name, transform in TRANSFORMS.items()]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return F.rint(total * F.lit(2.0**CONTRIBUTION_BITS)).cast("bigint")


def _expit(logit: Column) -> Column:
    return F.lit(1.0) / (F.lit(1.0) + F.exp(-logit))
