"""Balance of covariates between arms: means, standardised differences, variance ratios, and the worst of them.

All from exact integer sums, so that a covariate has the same balance whatever the order of its rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# The same denominator before and after matching, so that a difference can shrink only because the means come closer,
# never because matching changed the spread (Stuart 2010; Austin 2009).
SMD_DENOMINATOR = "pooled standard deviation of the two arms before matching"
# Above this a covariate counts as imbalanced (Austin 2009).
IMBALANCE = 0.1
FLAG_KINDS = ("flag", "category")


@dataclass(frozen=True)
class ArmSums:
    """One covariate in one arm: number of units (zeros included), and the sums of its values and of their squares."""

    n: int
    total: int
    squares: int

    @property
    def mean(self) -> Fraction | None:
        """None where the arm is empty."""
        return Fraction(self.total, self.n) if self.n else None

    def variance(self, is_flag: bool) -> Fraction | None:
        """p(1 - p) of a flag, else the sample variance (n - 1), as Austin (2009) has them. None where undetermined."""
        if is_flag and self.n:
            share = Fraction(self.total, self.n)
            return share * (1 - share)
        if self.n < 2:
            return None
        return Fraction(self.n * self.squares - self.total**2, self.n * (self.n - 1))


@dataclass(frozen=True)
class CovariateBalance:
    """One covariate in one phase. None where undetermined."""

    mean_treated: float | None
    mean_comparator: float | None
    smd: float | None
    variance_ratio: float | None


@dataclass(frozen=True)
class Imbalance:
    """The largest absolute standardised difference, whose it is, and how many exceed `IMBALANCE`.

    `smd` is absolute. `undefined` names covariates whose means differ although their spread before matching is zero or
    unknown: no finite number says how far apart the arms are, so they count as imbalanced, and as worse than `smd`.
    """

    name: str | None
    smd: float | None
    n_covariates: int
    n_imbalanced: int
    undefined: tuple[str, ...]


def compare_arms(
    treated: ArmSums, comparator: ArmSums, before: tuple[ArmSums, ArmSums], is_flag: bool
) -> CovariateBalance:
    """Sums of a phase, and those of before matching (treated, comparator) -> the balance of the covariate.

    The standardised difference is (mean treated - mean comparator) / `SMD_DENOMINATOR`, with the mean of the two arms'
    variances under the root. Equal means are 0 apart, also where nothing varies; different means without any
    variance have no standardised difference. The variance ratio (treated over comparator) is of counts and amounts
    only: a flag's variance says nothing its mean does not.
    """
    return CovariateBalance(
        mean_treated=_rounded(treated.mean),
        mean_comparator=_rounded(comparator.mean),
        smd=_standardised_difference(treated.mean, comparator.mean, _pooled_variance(before, is_flag)),
        variance_ratio=None if is_flag else _ratio(treated.variance(False), comparator.variance(False)),
    )


def find_imbalance(balance: pd.DataFrame, phase: str = "after") -> Imbalance:
    """Rows of the table balance -> the worst of a phase. Ties go to the first name in the alphabet."""
    rows = balance[balance["phase"] == phase].sort_values("name", kind="stable")
    has_means = rows["mean_treated"].notna() & rows["mean_comparator"].notna()
    undefined = rows.loc[has_means & rows["smd"].isna() & (rows["mean_treated"] != rows["mean_comparator"]), "name"]
    distances = rows.set_index("name")["smd"].dropna().astype(float).abs()
    worst = distances.idxmax() if len(distances) else None
    return Imbalance(
        name=worst,
        smd=None if worst is None else float(distances[worst]),
        n_covariates=len(rows),
        n_imbalanced=int((distances > IMBALANCE).sum()) + len(undefined),
        undefined=tuple(undefined),
    )


def pooled_spread(before: tuple[ArmSums, ArmSums], is_flag: bool) -> float | None:
    """`SMD_DENOMINATOR`, of the sums before matching (treated, comparator)."""
    variance = _pooled_variance(before, is_flag)
    return None if variance is None else math.sqrt(variance)


def fewest_members(n_units: int, most_units: int) -> int:
    """So many members have so many units at least, where nobody has more than `most_units`."""
    return -(-n_units // most_units) if most_units else 0


def _pooled_variance(before: tuple[ArmSums, ArmSums], is_flag: bool) -> Fraction | None:
    variances = [arm.variance(is_flag) for arm in before]
    known = [variance for variance in variances if variance is not None]
    return sum(known, Fraction(0)) / 2 if len(known) == len(variances) else None


def _standardised_difference(
    treated: Fraction | None, comparator: Fraction | None, variance: Fraction | None
) -> float | None:
    if treated is None or comparator is None:
        return None
    if treated == comparator:
        return 0.0
    return float(treated - comparator) / math.sqrt(variance) if variance else None


def _ratio(numerator: Fraction | None, denominator: Fraction | None) -> float | None:
    return float(numerator / denominator) if numerator is not None and denominator else None


def _rounded(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
