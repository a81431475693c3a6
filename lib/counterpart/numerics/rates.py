"""Event rates, their ratio and their difference, with intervals that hold when members and matched sets repeat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from counterpart.numerics.moments import Clusters, Gradient, RobustVariance, robust_variance

DAYS_PER_YEAR = Fraction(36525, 100)
PERSON_YEARS = 1000
# A rate in events per day, times this, is a rate in events per 1,000 person-years.
SCALE = PERSON_YEARS * DAYS_PER_YEAR
ZERO = Fraction(0)


@dataclass(frozen=True)
class Tally:
    """Events and days at risk of one arm."""

    events: int
    days: int

    @property
    def has_rate(self) -> bool:
        """Whether anybody was at risk."""
        return self.days > 0

    @property
    def has_log_rate(self) -> bool:
        """Whether the logarithm of the rate is finite."""
        return self.days > 0 and self.events > 0

    @property
    def daily_rate(self) -> Fraction:
        """Events per day at risk; only where `has_rate`."""
        return Fraction(self.events, self.days)


@dataclass(frozen=True)
class Estimate:
    """A value and its limits; None where the data do not determine it.

    `standard_error` is on the scale of the interval: the logarithm for rates and ratios, the value itself for
    differences. `clustered_by` tells which variance it is (see `moments.robust_variance`).
    """

    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    standard_error: float | None = None
    clustered_by: str | None = None


@dataclass(frozen=True)
class RateContrast:
    """Rates per 1,000 person-years of both arms, their ratio and their difference (treated against comparator)."""

    treated: Estimate
    comparator: Estimate
    ratio: Estimate
    difference: Estimate


def contrast_rates(treated: Tally, comparator: Tally, clusters: Clusters, confidence: float) -> RateContrast:
    """Both arms' tallies and cluster moments -> the contrast, with normal limits at `confidence` (0..1).

    The ratio and its variance are those of a Poisson regression on the arm with offset log(days) and a cluster-robust
    sandwich, in closed form. Where an arm has no events the ratio is undetermined and the difference has no interval:
    an arm without events has a robust variance of zero, which would make the interval too narrow.
    """
    return RateContrast(
        treated=_estimate_rate(treated, clusters, _in_treated(_log_gradient(treated)), confidence),
        comparator=_estimate_rate(comparator, clusters, _in_comparator(_log_gradient(comparator)), confidence),
        ratio=_estimate_ratio(treated, comparator, clusters, confidence),
        difference=_estimate_difference(treated, comparator, clusters, confidence),
    )


def no_event_limit(days: int, confidence: float) -> float:
    """Exact upper limit (Garwood 1936) per 1,000 person-years of a rate with no events in `days` > 0.

    Garwood's upper limit is half the chi-square quantile with 2 (events + 1) degrees of freedom; with two degrees of
    freedom that quantile is -2 log(tail).
    """
    return -math.log((1 - confidence) / 2) * float(SCALE / days)


def _estimate_rate(arm: Tally, clusters: Clusters, gradient: Gradient, confidence: float) -> Estimate:
    if not arm.has_rate:
        return Estimate()
    if arm.events == 0:
        return Estimate(0.0, 0.0, no_event_limit(arm.days, confidence))
    return _log_interval(float(arm.daily_rate * SCALE), robust_variance(clusters, gradient), confidence)


def _estimate_ratio(treated: Tally, comparator: Tally, clusters: Clusters, confidence: float) -> Estimate:
    if not (treated.has_log_rate and comparator.has_log_rate):
        return Estimate()
    gradient = _minus(_in_treated(_log_gradient(treated)), _in_comparator(_log_gradient(comparator)))
    ratio = float(treated.daily_rate / comparator.daily_rate)
    return _log_interval(ratio, robust_variance(clusters, gradient), confidence)


def _estimate_difference(treated: Tally, comparator: Tally, clusters: Clusters, confidence: float) -> Estimate:
    if not (treated.has_rate and comparator.has_rate):
        return Estimate()
    difference = float((treated.daily_rate - comparator.daily_rate) * SCALE)
    gradient = _minus(_in_treated(_rate_gradient(treated)), _in_comparator(_rate_gradient(comparator)))
    variance = robust_variance(clusters, gradient)
    if variance is None or not (treated.has_log_rate and comparator.has_log_rate):
        return Estimate(difference)
    error = math.sqrt(variance.value) * float(SCALE)
    reach = normal_quantile(confidence) * error
    return Estimate(difference, difference - reach, difference + reach, error, variance.clustered_by)


def _log_interval(value: float, variance: RobustVariance | None, confidence: float) -> Estimate:
    if variance is None:
        return Estimate(value)
    error = math.sqrt(variance.value)
    factor = math.exp(normal_quantile(confidence) * error)
    return Estimate(value, value / factor, value * factor, error, variance.clustered_by)


def normal_quantile(confidence: float) -> float:
    """How many standard errors the limits of an interval of this level are away."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _log_gradient(arm: Tally) -> tuple[Fraction, Fraction]:
    """Of log(events / days), by events and by days."""
    return (Fraction(1, arm.events), Fraction(-1, arm.days)) if arm.has_log_rate else (ZERO, ZERO)


def _rate_gradient(arm: Tally) -> tuple[Fraction, Fraction]:
    """Of events / days, by events and by days."""
    return Fraction(1, arm.days), Fraction(-arm.events, arm.days**2)


def _in_treated(gradient: tuple[Fraction, Fraction]) -> Gradient:
    return (*gradient, ZERO, ZERO)


def _in_comparator(gradient: tuple[Fraction, Fraction]) -> Gradient:
    return (ZERO, ZERO, *gradient)


def _minus(left: Gradient, right: Gradient) -> Gradient:
    return (left[0] - right[0], left[1] - right[1], left[2] - right[2], left[3] - right[3])
