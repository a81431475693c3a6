"""Covariates in which the straight distance is Mahalanobis' or the standardised Euclidean one, the same bits always.

Sums of floats depend on their order, and rows have none. So covariances come from exact integers: each covariate is
put on a grid of 2^30 steps over its range, products of the two 15-bit halves are summed by matrix products that no
float rounds, and only the final ratios are floats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from counterpart.numerics.compiled import compiled

Floats = npt.NDArray[np.float64]

HALF = 2**15
_ROWS_AT_ONCE = 2**16
# A covariate whose variance, given the covariates before it, is a smaller part of its own is a combination of them.
TOLERANCE = 1e-10


class SingularCovariance(ValueError):
    """The covariance has no inverse; `covariate` is the position of the first that others determine."""

    def __init__(self, covariate: int) -> None:
        super().__init__(f"covariate {covariate} is constant or a combination of those before it")
        self.covariate = covariate


@dataclass(frozen=True)
class Grid:
    """Steps of each covariate: value = centre + step x whole number, shape (d,) each; steps are powers of two.

    So a matrix for grid numbers, divided by the steps, is to the bit the one for values, however large they are.
    """

    centre: Floats
    step: Floats


@dataclass(frozen=True)
class ProductSums:
    """Units, sums (d,) and sums of products (d, d) of grid numbers: exact, as Python's whole numbers."""

    n_units: int
    totals: Any
    products: Any


def lay_grid(lowest: Floats, highest: Floats) -> Grid:
    """The grid over the range of each covariate."""
    width = np.where(highest > lowest, highest - lowest, 1.0)
    return Grid(lowest / 2 + highest / 2, np.exp2(np.ceil(np.log2(width)) - 30))


def sum_products(values: Floats, grid: Grid) -> ProductSums:
    """Exact sums over the rows of values (n, d)."""
    d = values.shape[1]
    totals, products = np.zeros(d, dtype=object), np.zeros((d, d), dtype=object)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        numbers = np.rint((values[start : start + _ROWS_AT_ONCE] - grid.centre) / grid.step)
        high = np.floor(numbers / HALF)
        halves = np.hstack([high, numbers - HALF * high])
        # Of 2^16 products below 2^31 no sum passes 2^53: exact, in whatever order they are added.
        blocks = (halves.T @ halves).astype(np.int64).astype(object)
        hh, hl, lh, ll = blocks[:d, :d], blocks[:d, d:], blocks[d:, :d], blocks[d:, d:]
        products += hh * HALF**2 + (hl + lh) * HALF + ll
        totals += numbers.sum(axis=0).astype(np.int64).astype(object)
    return ProductSums(len(values), totals, products)


def covariance_of(arms: list[ProductSums]) -> Floats:
    """Covariance of grid numbers within the arms (at least one), (d, d), pooled with n - 1 each.

    Zeros with too few units.
    """
    d = len(arms[0].totals)
    n_free = sum(max(arm.n_units - 1, 0) for arm in arms)
    covariance = np.zeros((d, d))
    for i in range(d):
        for j in range(i + 1):
            scatter = sum(
                Fraction(arm.n_units * arm.products[i, j] - arm.totals[i] * arm.totals[j], arm.n_units)
                for arm in arms
                if arm.n_units
            )
            covariance[i, j] = covariance[j, i] = float(scatter / n_free) if n_free else 0.0
    return covariance


def mahalanobis_map(covariance: Floats, pseudo_inverse: bool = False) -> Floats:
    """A (r, d) matrix A such that |A x|^2 = x' S^-1 x; r < d only for a pseudo-inverse.

    SingularCovariance where there is no inverse and no pseudo-inverse is asked for. The pseudo-inverse is that of the
    correlations, so that the units of a covariate do not decide what counts as singular.
    """
    spread = np.sqrt(np.diag(covariance))
    if pseudo_inverse:
        scale = np.where(spread > 0, spread, 1.0)
        values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
        # Of a covariate without spread eigenvectors hold what rounding left, in no unit at all.
        vectors[spread == 0] = 0.0
        is_kept = values > TOLERANCE * max(values.max(initial=0.0), 0.0)
        return np.asarray((vectors[:, is_kept] / np.sqrt(values[is_kept])).T / scale)
    factor, singular = _factor(covariance)
    if singular >= 0:
        raise SingularCovariance(int(singular))
    return np.asarray(_invert(factor))


def euclidean_map(covariance: Floats, is_constant: npt.NDArray[np.bool_]) -> Floats:
    """Each covariate by its standard deviation; one that is the same for all units counts nothing.

    SingularCovariance for one without spread in the arms measured that differs elsewhere.
    """
    spread = np.sqrt(np.diag(covariance))
    lost = np.flatnonzero((spread == 0) & ~is_constant)
    if len(lost):
        raise SingularCovariance(int(lost[0]))
    return np.diag(np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0))


@compiled
def _factor(covariance: Floats) -> tuple[Floats, int]:
    """Cholesky's lower factor, and the first covariate without variance of its own (-1: none)."""
    d = len(covariance)
    factor = np.zeros((d, d))
    for i in range(d):
        for j in range(i + 1):
            rest = covariance[i, j]
            for k in range(j):
                rest -= factor[i, k] * factor[j, k]
            if i > j:
                factor[i, j] = rest / factor[j, j]
            elif rest <= TOLERANCE * covariance[i, i] or rest <= 0:
                return factor, i
            else:
                factor[i, i] = math.sqrt(rest)
    return factor, -1


@compiled
def _invert(factor: Floats) -> Floats:
    d = len(factor)
    inverse = np.zeros((d, d))
    for j in range(d):
        inverse[j, j] = 1 / factor[j, j]
        for i in range(j + 1, d):
            total = 0.0
            for k in range(j, i):
                total += factor[i, k] * inverse[k, j]
            inverse[i, j] = -total / factor[i, i]
    return inverse


@compiled
def transform(values: Floats, centre: Floats, matrix: Floats) -> Floats:
    """Rows A (x - centre), shape (n, r); each sum in the order of the covariates."""
    n, d = values.shape
    r = len(matrix)
    out = np.empty((n, r))
    for i in range(n):
        for a in range(r):
            total = 0.0
            for k in range(d):
                total += matrix[a, k] * (values[i, k] - centre[k])
            out[i, a] = total
    return out
