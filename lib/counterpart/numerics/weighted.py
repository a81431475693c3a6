"""Weighted samples: mean, variance, and the largest gap between two distributions, whatever the order of the rows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Sample(NamedTuple):
    """Values and their weights (not negative), one element per unit."""

    values: Floats
    weights: Floats


def mean_of(sample: Sample) -> float:
    """NaN where nothing weighs."""
    total = _sum(sample.weights)
    if total <= 0:
        return math.nan
    lowest, highest = sample.values.min(), sample.values.max()
    # Thirds and sevenths of a constant would not quite add up to it.
    return float(lowest) if lowest == highest else _sum(sample.weights * sample.values) / total


def variance_of(sample: Sample, is_flag: bool) -> float:
    """p(1 - p) of a flag; else, for weights all 1, the one with n - 1, and in general with reliability weights.

    sum(w) / (sum(w)^2 - sum(w^2)) * sum(w (x - mean)^2), as MatchIt and cobalt have it: the scale of the weights is of
    no consequence. NaN with fewer than two units that weigh.
    """
    mean = mean_of(sample)
    if is_flag:
        return mean * (1 - mean)
    total, squares = _sum(sample.weights), _sum(sample.weights**2)
    freedom = total**2 - squares
    if np.count_nonzero(sample.weights) < 2 or freedom <= 0:
        return math.nan
    return total / freedom * _sum(sample.weights * (sample.values - mean) ** 2)


def largest_gap(one: Sample, other: Sample) -> float:
    """The largest distance between two weighted distribution functions (Kolmogorov-Smirnov); NaN if either is empty."""
    totals = [_sum(sample.weights) for sample in (one, other)]
    if min(totals) <= 0:
        return math.nan
    values = np.concatenate([one.values, other.values])
    steps = np.concatenate([one.weights / totals[0], -other.weights / totals[1]])
    # By value, then step: the sums are the same to the bit in whatever order the rows came.
    order = np.lexsort((steps, values))
    gaps = np.cumsum(steps[order])
    is_last_of_value = np.append(np.diff(values[order]) != 0, True)
    return float(np.abs(gaps[is_last_of_value][:-1]).max(initial=0.0))


def _sum(values: Floats) -> float:
    """Rounded once, so that order is nothing."""
    return math.fsum(values)
