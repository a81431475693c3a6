"""Weighted samples: mean, variance, and the largest gap between two distributions, whatever the order of the rows."""

from __future__ import annotations

import math
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class WeightedSample(NamedTuple):
    """Units that weigh: one element per value and weight, ascending, with the number of its units."""

    values: Floats
    weights: Floats
    counts: Counts


def sample_of(values: Floats, weights: Floats, counts: Counts | None = None) -> WeightedSample:
    """One element per unit (or per `counts` units), in any order -> the sample. Weights are not negative."""
    counted = _all_ones(len(values)) if counts is None else counts
    if not weights.all():
        weighs = weights > 0
        values, weights, counted = values[weighs], weights[weighs], counted[weighs]
    if not len(values):
        return WeightedSample(values, weights, counted)
    if weights.min() == weights.max() and counted.max() == 1:
        # An arm before matching may be all there is: nothing is held that needs not be.
        values = np.sort(values)
        first = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
        if len(first) == len(values):
            return WeightedSample(values, np.broadcast_to(weights[0], len(values)), _all_ones(len(values)))
        n_each = np.diff(np.append(first, len(values)))
        return WeightedSample(values[first], np.broadcast_to(weights[0], len(first)), n_each)
    order = np.lexsort((weights, values))
    values, weights = values[order], weights[order]
    first = np.flatnonzero(np.append(True, (values[1:] != values[:-1]) | (weights[1:] != weights[:-1])))
    return WeightedSample(values[first], weights[first], np.add.reduceat(counted[order], first))


def _all_ones(n: int) -> Counts:
    """Of no size, however many."""
    return np.broadcast_to(np.int64(1), n)


def mean_of(sample: WeightedSample) -> float:
    """NaN where nothing weighs."""
    values, weights, counts = sample
    if not len(values):
        return math.nan
    # Thirds and sevenths of a constant would not quite add up to it.
    if values[0] == values[-1]:
        return float(values[0])
    return _sum(weights * values, counts) / _sum(weights, counts)


def variance_of(sample: WeightedSample, is_flag: bool) -> float:
    """p(1 - p) of a flag; else, for weights all 1, the one with n - 1, and in general with reliability weights.

    sum(w) / (sum(w)^2 - sum(w^2)) * sum(w (x - mean)^2), as MatchIt and cobalt have it: the scale of the weights is of
    no consequence. NaN with fewer than two units that weigh, and for values whose squares are no numbers any more.
    """
    mean = mean_of(sample)
    if is_flag:
        return mean * (1 - mean)
    values, weights, counts = sample
    total, squares = _sum(weights, counts), _sum(weights**2, counts)
    freedom = total**2 - squares
    if counts.sum() < 2 or freedom <= 0 or max(values[-1] - mean, mean - values[0]) > _LARGEST:
        return math.nan
    return total / freedom * _sum(weights * (values - mean) ** 2, counts)


# A sum of so many squares as there are units stays below 2^1024.
_LARGEST = 2.0**480


def largest_gap(one: WeightedSample, other: WeightedSample) -> float:
    """The largest distance between two weighted distribution functions (Kolmogorov-Smirnov); NaN if either is empty.

    Between two values of one sample only the other's function moves, and only upwards: the largest distance is at such
    a value, or just before it.
    """
    fewer, more = sorted((one, other), key=lambda sample: len(sample.values))
    if not len(fewer.values):
        return math.nan
    largest = 0.0
    for side in _SIDES:
        gaps = _shares(fewer, fewer.values, side) - _shares(more, fewer.values, side)
        largest = max(largest, float(np.abs(gaps).max()))
    return largest


_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


def _shares(sample: WeightedSample, values: Floats, side: Literal["left", "right"]) -> Floats:
    """The distribution function at each value (right), or just before it (left)."""
    reached = np.append(0.0, np.cumsum(sample.weights * sample.counts))
    shares: Floats = reached[np.searchsorted(sample.values, values, side)] / reached[-1]
    return shares


def _sum(terms: Floats, counts: Counts) -> float:
    """Each term as often as it counts. Rounded once, so that neither order nor what was counted together shows."""
    is_several = counts > 1
    if not is_several.any():
        return math.fsum(terms)
    n_each = counts[is_several]
    mantissa, exponent = np.frexp(terms[is_several])
    # Halves of 26 bits, of terms and of counts, have products without an error.
    high = np.round(mantissa * _HALF) / _HALF
    few = n_each % int(_HALF)
    products = (np.ldexp(part * n, exponent) for part in (high, mantissa - high) for n in (few, n_each - few))
    return math.fsum(chain(terms[~is_several], *products))


_HALF = 2.0**26
