"""Crude estimates: of rounded counts and time, with limits that allow for every number these may stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterpart.disclosure.cells import behind_days, behind_rounded, rounded
from counterpart.disclosure.results import outward, plain
from counterpart.numerics.rates import SCALE
from counterpart.tables import ARMS

Limits = tuple[float | None, float | None]

# With more digits their difference from the matched ones would count the events of the unmatched.
_DIGITS = 2
_NONE: Limits = (None, None)


@dataclass(frozen=True)
class CrudeRate:
    """An arm's rate per 1,000 person-years: `shown`, of rounded events and time, which may stand for `least` to `most`.

    `spread` is the squared distance of the exact limits from the `exact` rate on the log scale; None without an
    interval. `wider` is the same for the fewest events that may be behind the shown ones: as it is, it would tell how
    many there are, where hardly a member has two.
    """

    exact: float
    least: float
    shown: float
    most: float
    limits: Limits
    spread: float | None
    wider: float | None


def crude_measures(
    row: Mapping[str, Any], days: Mapping[str, int | None], n: Mapping[str, int | None], window: int
) -> dict[str, Any]:
    """A crude row of EFFECTS -> rates, ratio and difference with their limits, to two digits.

    `days` is the shown person-time and `n` the units of each arm, `window` the days of one. Estimates are those of the
    shown numbers. An interval begins at the least estimate that these allow, less at least the distance of the exact
    limit from the exact estimate, and ends likewise; with limits rounded outward it holds the exact one.
    """
    treated, comparator = rates = [_rate(row, arm, days[arm], n[arm], window) for arm in ARMS]
    released: dict[str, Any] = {}
    for arm, rate in zip(ARMS, rates, strict=True):
        released |= _rounded(f"rate_{arm}", *((rate.shown, rate.limits) if rate else (None, _NONE)))
    if treated is None or comparator is None:
        return released | _rounded("rate_ratio", None, _NONE) | _rounded("rate_difference", None, _NONE)
    released |= _rounded("rate_ratio", *_ratio(row, treated, comparator))
    return released | _rounded("rate_difference", *_difference(row, treated, comparator))


def _rate(row: Mapping[str, Any], arm: str, days: int | None, n: int | None, window: int) -> CrudeRate | None:
    """None where nobody was at risk."""
    if not days or not n:
        return None
    events, exact_days = int(row[f"events_{arm}"]), int(row[f"days_{arm}"])
    told, scale = rounded(events), float(SCALE)
    (fewest, most), (shortest, longest) = behind_rounded(told), behind_days(n, window, days)
    least, greatest = fewest / longest * scale, most / shortest * scale
    spread, wider, limits = _squared_distance(row, f"rate_{arm}"), None, _NONE
    upper = plain(row[f"rate_{arm}_upper"])
    if events == 0 and upper is not None:
        limits = (0.0, upper * exact_days / shortest)
    elif spread is not None:
        wider = spread * events / fewest
        limits = _apart(least, greatest, wider)
    return CrudeRate(events / exact_days * scale, least, told / days * scale, greatest, limits, spread, wider)


def _ratio(row: Mapping[str, Any], treated: CrudeRate, comparator: CrudeRate) -> tuple[float | None, Limits]:
    """None where an arm has no events."""
    if plain(row["rate_ratio"]) is None or not comparator.shown:
        return None, _NONE
    shown, spread = treated.shown / comparator.shown, _squared_distance(row, "rate_ratio")
    for rate in (treated, comparator):
        if spread is None or rate.spread is None or rate.wider is None:
            return shown, _NONE
        spread += rate.wider - rate.spread
    return shown, _apart(treated.least / comparator.most, treated.most / comparator.least, spread or 0.0)


def _difference(row: Mapping[str, Any], treated: CrudeRate, comparator: CrudeRate) -> tuple[float | None, Limits]:
    exact, upper = plain(row["rate_difference"]), plain(row["rate_difference_upper"])
    if exact is None:
        return None, _NONE
    shown, spread = treated.shown - comparator.shown, None if upper is None else (upper - exact) ** 2
    for rate in (treated, comparator):
        if spread is None or rate.spread is None or rate.wider is None:
            return shown, _NONE
        # A distance on the log scale, times the rate, is one on the scale of the rate.
        spread += rate.wider * rate.most**2 - rate.spread * rate.exact**2
    reach = math.sqrt(spread or 0.0)
    return shown, (treated.least - comparator.most - reach, treated.most - comparator.least + reach)


def _squared_distance(row: Mapping[str, Any], name: str) -> float | None:
    """Of the upper limit from the estimate, on the log scale."""
    exact, upper = plain(row[name]), plain(row[f"{name}_upper"])
    return math.log(upper / exact) ** 2 if exact and upper else None


def _apart(least: float, most: float, squared_distance: float) -> Limits:
    factor = math.exp(math.sqrt(squared_distance))
    return least / factor, most * factor


def _rounded(name: str, value: float | None, limits: Limits) -> dict[str, float | None]:
    lower, upper = limits
    return {
        name: plain(value, _DIGITS),
        f"{name}_lower": None if lower is None else outward(lower, _DIGITS, -1),
        f"{name}_upper": None if upper is None else outward(upper, _DIGITS, 1),
    }
