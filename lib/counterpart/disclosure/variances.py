"""Variances of log rates as their intervals may show them: the width of an exact interval counts people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterpart.disclosure.results import plain
from counterpart.tables import ARMS, SMALLEST_SHOWN

Limits = tuple[float | None, float | None]


@dataclass(frozen=True)
class EventCount:
    """The events of an arm: as they are, and the fewest and the most that the shown number may stand for."""

    exact: int
    fewest: int
    most: int


@dataclass(frozen=True)
class Variances:
    """Of the log rates of both arms, by arm, and their covariance. None where there is no interval."""

    of_rate: Mapping[str, float | None]
    covariance: float | None

    def of_difference(self, treated: float, comparator: float) -> float | None:
        """Of the difference of these rates; of 1 and 1 it is the variance of the log ratio."""
        of_treated, of_comparator = (self.of_rate[arm] for arm in ARMS)
        if of_treated is None or of_comparator is None or self.covariance is None:
            return None
        return of_treated * treated**2 + of_comparator * comparator**2 - 2 * self.covariance * treated * comparator


def shown_variances(
    row: Mapping[str, Any], events: Mapping[str, EventCount], n: Mapping[str, int], is_paired: bool, z: float
) -> Variances:
    """A row of EFFECTS, its events and units by arm -> variances that are at least the exact ones.

    With E events, of members who have one each, the variance of a log rate is 1/E - 1/n; every member with two adds
    2/E^2 (with three three times that). In pairs the covariance is -1/n, and every pair in which both have one adds the
    product of 1/E of both arms. From exact limits both numbers can be had, however few. They are rounded to multiples
    of 11 so that intervals become wider: repeated events up, and never to none, pairs in which both have one down.
    Units that left early move the exact variance a little; that is rounded with the rest.

    Limits at distance `z` times the standard error. Crude arms share no pairs: a covariance that would make intervals
    narrower, that of members who are in both, is left out.
    """
    exact = {arm: _exact(row, f"rate_{arm}", z) for arm in ARMS}
    of_rate = {arm: _shown(exact[arm], events[arm], n[arm]) for arm in ARMS}
    treated, comparator = (exact[arm] for arm in ARMS)
    of_ratio = _exact(row, "rate_ratio", z)
    product = math.prod(events[arm].exact for arm in ARMS)
    if treated is None or comparator is None or of_ratio is None or not product:
        return Variances(of_rate, None)
    by_chance = product / n[ARMS[0]] if is_paired else 0.0
    in_both = round((treated + comparator - of_ratio) / 2 * product + by_chance)
    told = SMALLEST_SHOWN * (in_both // SMALLEST_SHOWN)
    if not is_paired:
        told, product = min(told, 0), math.prod(events[arm].fewest for arm in ARMS)
    return Variances(of_rate, (told - by_chance) / product)


def apart(least: float, most: float, variance: float | None, z: float) -> Limits:
    """Limits on the log scale around one value, or the least and the most of several."""
    if variance is None:
        return None, None
    factor = math.exp(z * math.sqrt(variance))
    return least / factor, most * factor


def _exact(row: Mapping[str, Any], name: str, z: float) -> float | None:
    """The variance behind an interval on the log scale."""
    value, upper = plain(row[name]), plain(row[f"{name}_upper"])
    return (math.log(upper / value) / z) ** 2 if value and upper else None


def _shown(exact: float | None, events: EventCount, n: int) -> float | None:
    if exact is None or not events.exact:
        return None
    repeats = round((exact - _of_once(events.exact, n)) * events.exact**2 / 2)
    told = SMALLEST_SHOWN * max(1, math.ceil(repeats / SMALLEST_SHOWN))
    if told == SMALLEST_SHOWN:
        told = min(told, _most_repeats(events.most))
    return _of_once(events.fewest, n) + 2 * told / events.fewest**2


def _of_once(events: int, n: int) -> float:
    return max(0.0, 1 / events - 1 / n)


def _most_repeats(events: int) -> int:
    """Where 11 have an event, as they do where it is shown, the others can be one member's at most."""
    of_one = max(1, events - SMALLEST_SHOWN + 1)
    return of_one * (of_one - 1) // 2
