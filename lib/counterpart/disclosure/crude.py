"""Crude estimates: of rounded counts and time, with limits that allow for every number these may stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterpart.disclosure.cells import behind_days, behind_rounded, rounded
from counterpart.disclosure.results import outward, plain
from counterpart.disclosure.variances import EventCount, Limits, Variances, apart, shown_variances
from counterpart.numerics.rates import SCALE
from counterpart.tables import ARMS

# With more digits their difference from the matched ones would count the events of the unmatched.
_DIGITS = 2
_NONE: Limits = (None, None)


@dataclass(frozen=True)
class CrudeRate:
    """An arm's rate per 1,000 person-years: `shown`, of rounded events and time, which may stand for `least` to `most`.

    `shortest` is the least time behind the shown one.
    """

    least: float
    shown: float
    most: float
    shortest: float


def crude_measures(
    row: Mapping[str, Any], days: Mapping[str, int | None], n: Mapping[str, int | None], window: int, z: float
) -> dict[str, Any]:
    """A crude row of EFFECTS -> rates, ratio and difference with their limits, to two digits.

    `days` is the shown person-time and `n` the units of each arm, `window` the days of one, `z` the quantile of the
    limits. Estimates are those of the shown numbers. An interval begins at the least estimate that these allow, less
    the distance that the `shown_variances` have, and ends likewise; with limits rounded outward it holds the exact one,
    and tells no more than the shown numbers.
    """
    rates = {arm: _rate(row, arm, days[arm], n[arm], window) for arm in ARMS}
    exact = {arm: int(row[f"events_{arm}"]) for arm in ARMS}
    events = {arm: EventCount(exact[arm], *behind_rounded(rounded(exact[arm]))) for arm in ARMS}
    variances = shown_variances(row, events, {arm: n[arm] or 0 for arm in ARMS}, is_paired=False, z=z)
    released: dict[str, Any] = {}
    for arm, rate in rates.items():
        limits = _NONE if rate is None else _limits(row, arm, rate, variances.of_rate[arm], z)
        released |= _rounded(f"rate_{arm}", None if rate is None else rate.shown, limits)
    treated, comparator = (rates[arm] for arm in ARMS)
    if treated is None or comparator is None:
        return released | _rounded("rate_ratio", None, _NONE) | _rounded("rate_difference", None, _NONE)
    released |= _rounded("rate_ratio", *_ratio(row, treated, comparator, variances, z))
    return released | _rounded("rate_difference", *_difference(row, treated, comparator, variances, z))


def _rate(row: Mapping[str, Any], arm: str, days: int | None, n: int | None, window: int) -> CrudeRate | None:
    """None where nobody was at risk."""
    if not days or not n:
        return None
    told, scale = rounded(int(row[f"events_{arm}"])), float(SCALE)
    (fewest, most), (shortest, longest) = behind_rounded(told), behind_days(n, window, days)
    return CrudeRate(fewest / longest * scale, told / days * scale, most / shortest * scale, shortest)


def _limits(row: Mapping[str, Any], arm: str, rate: CrudeRate, variance: float | None, z: float) -> Limits:
    upper = plain(row[f"rate_{arm}_upper"])
    if not rate.shown:  # the limit of no events is a constant over the time
        return (None, None) if upper is None else (0.0, upper * int(row[f"days_{arm}"]) / rate.shortest)
    return apart(rate.least, rate.most, variance, z)


def _ratio(
    row: Mapping[str, Any], treated: CrudeRate, comparator: CrudeRate, variances: Variances, z: float
) -> tuple[float | None, Limits]:
    """None where an arm has no events."""
    if plain(row["rate_ratio"]) is None or not comparator.shown:
        return None, _NONE
    variance = variances.of_difference(1.0, 1.0)
    limits = apart(treated.least / comparator.most, treated.most / comparator.least, variance, z)
    return treated.shown / comparator.shown, limits


def _difference(
    row: Mapping[str, Any], treated: CrudeRate, comparator: CrudeRate, variances: Variances, z: float
) -> tuple[float | None, Limits]:
    if plain(row["rate_difference"]) is None:
        return None, _NONE
    shown, variance = treated.shown - comparator.shown, variances.of_difference(treated.most, comparator.most)
    if variance is None:
        return shown, _NONE
    reach = z * math.sqrt(variance)
    return shown, (treated.least - comparator.most - reach, treated.most - comparator.least + reach)


def _rounded(name: str, value: float | None, limits: Limits) -> dict[str, float | None]:
    lower, upper = limits
    return {
        name: plain(value, _DIGITS),
        f"{name}_lower": None if lower is None else outward(lower, _DIGITS, -1),
        f"{name}_upper": None if upper is None else outward(upper, _DIGITS, 1),
    }
