"""The caliper: how far apart on the logit two units may be, from exact sums, as an integer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.errors import DataError
from counterpart.matching.spread import FIXED_ONE, Sums, standard_deviation

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

    from counterpart.protocol import Matching


@dataclass(frozen=True)
class Caliper:
    """What the scores allow.

    `width_fixed` is the largest distance of a pair in units of 2^-31 logits (None: any), `logit_sd` the standard
    deviation it was taken from (None with fewer than two units), `n_treated` and `n_comparators` the units it was
    measured on.
    """

    width_fixed: int | None
    logit_sd: float | None
    n_treated: int
    n_comparators: int


def measure_caliper(units: DataFrame, matching: Matching) -> Caliper:
    """The caliper in fixed-point logits, from all units of both arms. One aggregation; two rows reach the driver.

    `pooled`: root of the mean of the two arms' variances (Austin 2011, doi:10.1002/pst.433). `overall`: the standard
    deviation of all units, whatever their arm (MatchIt's). DataError when a unit has no score.
    """
    logit = F.col("logit_fixed").cast("decimal(19,0)")
    arms = units.groupBy((F.col("arm") == "treated").alias("is_treated")).agg(
        F.count("logit_fixed").alias("n_units"),
        F.count_if(F.col("logit_fixed").isNull()).alias("n_unscored"),
        F.sum(logit).alias("total"),
        F.sum(logit * logit).alias("squares"),
    )
    rows = {row.is_treated: row for row in arms.collect()}
    if any(row.n_unscored for row in rows.values()):
        raise DataError("matching: some units have no score (logit_fixed is null); every eligible unit must be scored")
    treated, comparators = _sums_of(rows.get(True)), _sums_of(rows.get(False))
    sd_fixed = standard_deviation(treated, comparators, matching.caliper_scale)
    return Caliper(
        width_fixed=None if matching.caliper is None else math.floor(matching.caliper * sd_fixed),
        logit_sd=sd_fixed / FIXED_ONE if treated.n_units + comparators.n_units > 1 else None,
        n_treated=treated.n_units,
        n_comparators=comparators.n_units,
    )


def _sums_of(row: Row | None) -> Sums:
    return Sums() if row is None else Sums(row.n_units, int(row.total), int(row.squares))
