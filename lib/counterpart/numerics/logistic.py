"""Logistic regression on a sparse design that names what stands in its way instead of hiding it.

The optimum is scikit-learn's (Newton steps with a Cholesky solver, one thread, so that the last bit does not depend on
the number of cores). Around it: columns that cannot carry a coefficient are left out with a reason, separation is
reported.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# On standardised columns: nobody's odds change e^15-fold per standard deviation, save where the maximum is at infinity.
SEPARATED_COEFFICIENT = 15.0
# Fitted probabilities this near to 0 or 1 are numerically 0 or 1 (the bound of R's glm.fit).
EXTREME_PROBABILITY = 10 * np.finfo(float).eps
# Share of a column's variance that earlier columns must leave unexplained.
COLLINEAR_TOLERANCE = 1e-8
TOLERANCE = 1e-10


@dataclass(frozen=True)
class LogisticFit:
    """A fitted model; arrays have one element per column of the design.

    `coefficients` apply to the columns as given and are 0 where left out; `standardised` are the same per weighted
    standard deviation. `left_out` maps a column to 'constant', 'rare', 'collinear' or 'separated'; `separated` are the
    columns that point to a maximum at infinity, fitted (under a ridge) or not. `is_separated`: every positive has a
    larger fitted logit than every negative, whichever columns do it. `n_extreme` counts fitted probabilities of 0 or 1.
    """

    intercept: float
    coefficients: Floats
    standardised: Floats
    left_out: dict[int, str]
    separated: tuple[int, ...]
    is_separated: bool
    converged: bool
    n_iterations: int
    n_extreme: int
    c_statistic: float


def fit_logistic(
    design: sparse.csc_array,
    is_positive: Flags,
    weights: Floats,
    *,
    ridge: float,
    min_units: int,
    max_iterations: int,
) -> LogisticFit:
    """Weighted logistic regression with intercept; `ridge` is the L2 penalty on standardised coefficients (0: none).

    `design` is units x columns, `weights` one per unit. Both outcomes must occur. Columns are left out where they are
    constant, where (as 0/1 columns: they or their complement) fewer than `min_units` units differ from zero, where
    earlier columns determine them, and, without a ridge, where they separate the outcomes on their own.
    """
    spread = _standard_deviations(design, weights)
    alone = _separating_columns(design, is_positive)
    left_out = _unusable_columns(design, spread, min_units)
    if ridge == 0:
        left_out |= {column: "separated" for column in alone if column not in left_out}
    kept = [column for column in range(design.shape[1]) if column not in left_out]
    left_out |= dict.fromkeys(_collinear_columns(design, kept, min_units), "collinear")
    kept = [column for column in kept if column not in left_out]
    scaled = sparse.csr_array(design[:, kept] @ sparse.diags_array(1 / spread[kept]))
    slopes, intercept, n_iterations, converged = _maximise(scaled, is_positive, weights, ridge, max_iterations)
    standardised = np.zeros(design.shape[1])
    standardised[kept] = slopes
    logits = scaled @ slopes + intercept
    fitted = expit(logits)
    extreme = np.flatnonzero(np.abs(standardised) > SEPARATED_COEFFICIENT)
    is_usable = {column for column in alone if left_out.get(column, "separated") == "separated"}
    return LogisticFit(
        intercept=intercept,
        coefficients=np.divide(standardised, spread, out=np.zeros_like(spread), where=spread > 0),
        standardised=standardised,
        left_out=dict(sorted(left_out.items())),
        separated=tuple(sorted(is_usable | {int(column) for column in extreme})),
        # On logits: probabilities near 0 and 1 are equal before these are. A ridge keeps all coefficients small.
        is_separated=bool(logits[is_positive].min() > logits[~is_positive].max()),
        converged=converged,
        n_iterations=n_iterations,
        n_extreme=int(np.sum((fitted < EXTREME_PROBABILITY) | (fitted > 1 - EXTREME_PROBABILITY))),
        c_statistic=float(roc_auc_score(is_positive, fitted, sample_weight=weights)),
    )


def _maximise(
    scaled: sparse.csr_array, is_positive: Flags, weights: Floats, ridge: float, max_iterations: int
) -> tuple[Floats, float, int, bool]:
    """Slopes, intercept, iterations and whether the maximum was reached."""
    if scaled.shape[1] == 0:
        share = float(weights[is_positive].sum() / weights.sum())
        return np.zeros(0), float(np.log(share / (1 - share))), 0, True
    penalty = np.inf if ridge == 0 else 1 / ridge
    model = LogisticRegression(C=penalty, solver="newton-cholesky", tol=TOLERANCE, max_iter=max_iterations)
    with warnings.catch_warnings(record=True) as told, threadpool_limits(limits=1):
        warnings.simplefilter("always")
        model.fit(scaled, is_positive, sample_weight=weights)
    # Numerical trouble is told as ConvergenceWarning, LinAlgWarning or RuntimeWarning: none of them is convergence.
    converged = not any(issubclass(warning.category, (ConvergenceWarning, RuntimeWarning)) for warning in told)
    return model.coef_[0], float(model.intercept_[0]), int(model.n_iter_[0]), converged


def _weighted_moments(design: sparse.csc_array, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and mean square of each column."""
    total = weights.sum()
    return np.asarray(weights @ design) / total, np.asarray(weights @ design.power(2)) / total


def _standard_deviations(design: sparse.csc_array, weights: Floats) -> Floats:
    """Weighted, of each column; exactly 0 for a constant one, which rounding would otherwise leave at 1e-9."""
    mean, square = _weighted_moments(design, weights)
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    spread[[_is_constant(design, column) for column in range(design.shape[1])]] = 0
    return spread


def _values(design: sparse.csc_array, column: int) -> Floats:
    return design.data[design.indptr[column] : design.indptr[column + 1]]


def _is_constant(design: sparse.csc_array, column: int) -> bool:
    values = _values(design, column)
    return len(values) == 0 or (len(values) == design.shape[0] and bool((values == values[0]).all()))


def _is_flag(design: sparse.csc_array, column: int) -> bool:
    return bool((_values(design, column) == 1).all())


def _unusable_columns(design: sparse.csc_array, spread: Floats, min_units: int) -> dict[int, str]:
    n_units, found = design.shape[0], {}
    for column in range(design.shape[1]):
        n_nonzero = len(_values(design, column))
        n_rarer = min(n_nonzero, n_units - n_nonzero) if _is_flag(design, column) else n_nonzero
        if spread[column] == 0:
            found[column] = "constant"
        elif n_rarer < min_units:
            found[column] = "rare"
    return found


def _separating_columns(design: sparse.csc_array, is_positive: Flags) -> list[int]:
    """Columns whose values in one outcome end where those of the other begin, or before: no finite coefficient is best.

    A 0/1 column does so where it is zero, or one, all through an outcome.
    """
    n_units, n_positive = len(is_positive), int(is_positive.sum())
    found = []
    for column in range(design.shape[1]):
        values = _values(design, column)
        is_of_positive = is_positive[design.indices[design.indptr[column] : design.indptr[column + 1]]]
        positive = _range(values[is_of_positive], n_positive)
        negative = _range(values[~is_of_positive], n_units - n_positive)
        is_apart = positive[1] <= negative[0] or negative[1] <= positive[0]
        if is_apart and not _is_constant(design, column):
            found.append(column)
    return found


def _range(stored: Floats, n: int) -> tuple[float, float]:
    """Least and largest of n values, of which those that are not stored are zero."""
    zeros = np.zeros(1 if len(stored) < n else 0)
    values = np.concatenate([stored, zeros])
    return float(values.min()), float(values.max())


def _collinear_columns(design: sparse.csc_array, kept: list[int], min_units: int) -> list[int]:
    """Columns that earlier ones and the intercept determine: the last level of a category, a copy, a sum.

    A Cholesky factorisation of the correlation matrix, column by column. A 0/1 column also goes when it differs from
    a combination of the others in a handful of units: once the rare third sex is left out, the second mirrors the
    first. Every unit counts once: by weight, what many treated and hardly a comparator have would be such a handful.
    """
    if not kept:
        return []
    spread = _standard_deviations(design, np.ones(design.shape[0]))
    correlation = _correlations(design, spread, kept)
    n_units, factor, found = design.shape[0], np.zeros((len(kept), len(kept))), []
    for i, column in enumerate(kept):
        row = np.zeros(len(kept))
        for j in range(i):
            if factor[j, j] > 0:
                row[j] = (correlation[i, j] - row[:j] @ factor[j, :j]) / factor[j, j]
        unexplained = correlation[i, i] - row @ row
        n_different = unexplained * spread[column] ** 2 * n_units if _is_flag(design, column) else np.inf
        if unexplained < COLLINEAR_TOLERANCE or n_different < min_units / 2:
            found.append(column)
        else:
            row[i] = np.sqrt(unexplained)
            factor[i] = row
    return found


def _correlations(design: sparse.csc_array, spread: Floats, kept: list[int]) -> Any:
    columns, n_units = design[:, kept], design.shape[0]
    mean = np.asarray(columns.sum(axis=0)) / n_units
    return ((columns.T @ columns).toarray() / n_units - np.outer(mean, mean)) / np.outer(spread[kept], spread[kept])
