"""Weighted samples: mean, variance, and the largest gap between two distributions, whatever the order of the rows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


Counts = npt.NDArray[np.int64]


class Sample(NamedTuple):
    """Units that weigh: one element per value and weight, ascending, with the number of its units."""

    values: Floats
    weights: Floats
    counts: Counts


def sample_of(values: Floats, weights: Floats, counts: Counts | None = None) -> Sample:
    """One element per unit (or per `counts` units), in any order -> the sample. Weights are not negative."""
    counted = np.ones(len(values), dtype=np.int64) if counts is None else counts
    if not weights.all():
        weighs = weights > 0
        values, weights, counted = values[weighs], weights[weighs], counted[weighs]
    order = np.lexsort((weights, values))
    values, weights = values[order], weights[order]
    first = np.flatnonzero(np.append(True, (np.diff(values) != 0) | (np.diff(weights) != 0))[: len(values)])
    return Sample(values[first], weights[first], np.add.reduceat(counted[order], first) if len(first) else counted[:0])


def mean_of(sample: Sample) -> float:
    """NaN where nothing weighs."""
    values, weights, counts = sample
    if not len(values):
        return math.nan
    # Thirds and sevenths of a constant would not quite add up to it.
    if values[0] == values[-1]:
        return float(values[0])
    return _sum(weights * values, counts) / _sum(weights, counts)


def variance_of(sample: Sample, is_flag: bool) -> float:
    """p(1 - p) of a flag; else, for weights all 1, the one with n - 1, and in general with reliability weights.

    sum(w) / (sum(w)^2 - sum(w^2)) * sum(w (x - mean)^2), as MatchIt and cobalt have it: the scale of the weights is of
    no consequence. NaN with fewer than two units that weigh.
    """
    mean = mean_of(sample)
    if is_flag:
        return mean * (1 - mean)
    values, weights, counts = sample
    total, squares = _sum(weights, counts), _sum(weights**2, counts)
    freedom = total**2 - squares
    if counts.sum() < 2 or freedom <= 0:
        return math.nan
    return total / freedom * _sum(weights * (values - mean) ** 2, counts)


def largest_gap(one: Sample, other: Sample) -> float:
    """The largest distance between two weighted distribution functions (Kolmogorov-Smirnov); NaN if either is empty."""
    totals = [_sum(sample.weights, sample.counts) for sample in (one, other)]
    if min(totals) <= 0:
        return math.nan
    values = np.concatenate([one.values, other.values])
    steps = np.concatenate([one.counts * one.weights / totals[0], -(other.counts * other.weights) / totals[1]])
    # By value, then step: the sums are the same to the bit in whatever order the rows came.
    order = np.lexsort((steps, values))
    gaps = np.cumsum(steps[order])
    is_last_of_value = np.append(np.diff(values[order]) != 0, True)
    return float(np.abs(gaps[is_last_of_value][:-1]).max(initial=0.0))


def _sum(terms: Floats, counts: Counts) -> float:
    """Each term as often as it counts. Rounded once, so that neither order nor what was counted together shows."""
    if counts.max(initial=1) == 1:
        return math.fsum(terms)
    mantissa, exponent = np.frexp(terms)
    # Halves of 26 bits, of terms and of counts, have products without an error.
    high = np.round(mantissa * _HALF) / _HALF
    low_counts = counts % int(_HALF)
    products = [part * n for part in (high, mantissa - high) for n in (low_counts, counts - low_counts)]
    return math.fsum(np.ldexp(np.concatenate(products), np.tile(exponent, len(products))))


_HALF = 2.0**26
