"""The spread of the logit, from which the caliper is taken: exact sums of fixed-point numbers, so order is nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

LARGEST_LOGIT = 2_048
_ROWS_AT_ONCE = 2**16


@dataclass(frozen=True)
class LogitSums:
    """Count, sum and sum of squares of fixed-point logits."""

    n_units: int = 0
    total: int = 0
    squares: int = 0

    def __add__(self, other: LogitSums) -> LogitSums:
        return LogitSums(self.n_units + other.n_units, self.total + other.total, self.squares + other.squares)

    @property
    def variance(self) -> Fraction:
        """With n - 1; 0 with fewer than two units."""
        n = self.n_units
        return Fraction(n * self.squares - self.total**2, n * (n - 1)) if n > 1 else Fraction(0)


def sum_logits(logits: Any) -> LogitSums:
    """Exact sums of an array of fixed-point logits below LARGEST_LOGIT in size."""
    total = squares = 0
    for start in range(0, len(logits), _ROWS_AT_ONCE):
        part = logits[start : start + _ROWS_AT_ONCE]
        # Halves of 16 and 26 bits: no sum of 2^16 products of them passes 2^63.
        high, low = part >> 26, part & (2**26 - 1)
        low_squares = low * low
        low_total = (int((low_squares >> 26).sum()) << 26) + int((low_squares & (2**26 - 1)).sum())
        squares += (int((high * high).sum()) << 52) + (int((high * low).sum()) << 27) + low_total
        total += int(part.sum())
    return LogitSums(len(logits), total, squares)


def standard_deviation(treated: LogitSums, controls: LogitSums, scale: str) -> float:
    """In fixed-point units. `pooled`: root of the mean of both variances (Austin 2011); else that of everybody.

    Division and root of a float are correctly rounded: the same on every machine.
    """
    variance = (treated + controls).variance if scale == "overall" else (treated.variance + controls.variance) / 2
    return math.sqrt(variance)
