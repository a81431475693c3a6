"""The caliper: how far apart on the logit two units may be, from exact sums, as an integer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

    from counterpart.protocol import Matching

FIXED_ONE = 2**31


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


@dataclass(frozen=True)
class _Sums:
    """Count, sum and sum of squares of fixed-point logits: exact integers, so their order is of no consequence."""

    n_units: int = 0
    total: int = 0
    squares: int = 0

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(self.n_units + other.n_units, self.total + other.total, self.squares + other.squares)

    @property
    def variance(self) -> Fraction:
        """With n - 1; 0 with fewer than two units."""
        n = self.n_units
        return Fraction(n * self.squares - self.total**2, n * (n - 1)) if n > 1 else Fraction(0)


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
    sd_fixed = _standard_deviation(treated, comparators, matching.caliper_scale)
    return Caliper(
        width_fixed=None if matching.caliper is None else math.floor(matching.caliper * sd_fixed),
        logit_sd=sd_fixed / FIXED_ONE if treated.n_units + comparators.n_units > 1 else None,
        n_treated=treated.n_units,
        n_comparators=comparators.n_units,
    )


def _sums_of(row: Row | None) -> _Sums:
    return _Sums() if row is None else _Sums(row.n_units, int(row.total), int(row.squares))


def _standard_deviation(treated: _Sums, comparators: _Sums, scale: str) -> float:
    """In fixed-point units. Division and root of a float are correctly rounded: the same on every machine."""
    variance = (treated + comparators).variance if scale == "overall" else (treated.variance + comparators.variance) / 2
    return math.sqrt(variance)
