"""Effects: which contrasts may be shown beside each other, and how exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterpart.disclosure.cells import Sum, gives_away, may_show, rounded, shown_complete, shown_days
from counterpart.disclosure.counted import Counted
from counterpart.disclosure.crude import crude_measures
from counterpart.disclosure.results import Sizes, plain
from counterpart.disclosure.variances import EventCount, Limits, Variances, apart, shown_variances
from counterpart.numerics.rates import DAYS_PER_YEAR, SCALE, normal_quantile
from counterpart.tables import ARMS

if TYPE_CHECKING:
    import pandas as pd

    from counterpart.protocol import Outcome

CRUDE, MATCHED = "crude", "matched"

_DIGITS = 3
_MEASURES = ("rate_treated", "rate_comparator", "rate_ratio", "rate_difference")


def release_effects(effects: pd.DataFrame, counted: Counted, sizes: Sizes, confidence: float) -> list[dict[str, Any]]:
    """EFFECTS -> a row per outcome, horizon and phase in the study's order; withheld rows have no counts and estimates.

    Matched counts are exact; a contrast with a small count, or one that would give a small count away beside those
    shown before it, is withheld whole. Crude counts are multiples of 11, and crude intervals allow for that.
    Person-time is rounded, and rates come from the counts and the time that are shown: exact ones would tell how few
    left before the horizon. Intervals, of level `confidence`, are wider than the exact ones: see `shown_variances`.
    """
    z = normal_quantile(confidence)
    found = {(row["outcome"], row["horizon"], row["phase"]): row for row in effects.to_dict("records")}
    shown_sums: dict[str, list[Sum]] = {arm: [] for arm in ARMS}
    released = {}
    for outcome in sorted(counted.outcomes, key=lambda one: one.role != "primary"):
        for horizon in sorted(outcome.horizons):
            for phase in (MATCHED, CRUDE):
                row = found.get((outcome.name, horizon, phase))
                if row is not None:
                    is_shown = _is_shown(row, outcome, counted, sizes, shown_sums)
                    released[outcome.name, horizon, phase] = _row(row, outcome, sizes, is_shown, z)
    order = [
        (one.name, horizon, phase) for one in counted.outcomes for horizon in one.horizons for phase in (CRUDE, MATCHED)
    ]
    return [released[key] for key in order if key in released]


def _is_shown(
    row: Mapping[str, Any],
    outcome: Outcome,
    counted: Counted,
    sizes: Sizes,
    shown_sums: dict[str, list[Sum]],
) -> bool:
    """May the counts of the row leave? If they do and are exact, they are remembered in `shown_sums`."""
    phase = str(row["phase"])
    counts = {arm: int(row[f"events_{arm}"]) for arm in ARMS}
    if any(sizes.of(arm, phase) is None for arm in ARMS):
        return False
    with_event = [int(row[f"{name}_{arm}"]) for name in ("n_with_event", "n_members_with_event") for arm in ARMS]
    if not all(may_show(count) for count in (*counts.values(), *with_event)):
        return False
    if any(_days(row, arm, outcome, sizes) is None for arm in ARMS):
        return False
    if phase == CRUDE:
        return True
    sums = {arm: counted.of_outcome(outcome, int(row["horizon"]), counts[arm]) for arm in ARMS}
    if any(gives_away(sums[arm], shown_sums[arm]) for arm in ARMS):
        return False
    for arm in ARMS:
        shown_sums[arm].append(sums[arm])
    return True


def _row(row: Mapping[str, Any], outcome: Outcome, sizes: Sizes, is_shown: bool, z: float) -> dict[str, Any]:
    phase = str(row["phase"])
    released: dict[str, Any] = {
        "outcome": outcome.name,
        "label": outcome.label,
        "role": outcome.role,
        "horizon": int(row["horizon"]),
        "start_day": outcome.start_day,
        "phase": phase,
        "is_withheld": not is_shown,
        "is_rounded": phase == CRUDE,
    }
    days = {arm: _days(row, arm, outcome, sizes) for arm in ARMS}
    for arm in ARMS:
        size, told = sizes.of(arm, phase), days[arm]
        released[f"n_{arm}"] = size
        released[f"n_complete_{arm}"] = None if size is None else shown_complete(size, int(row[f"n_complete_{arm}"]))
        released[f"person_years_{arm}"] = None if told is None else plain(told / float(DAYS_PER_YEAR), 4)
        released[f"events_{arm}"] = _events(row, arm) if is_shown else None
    released["clustered_by"] = row["clustered_by"] if is_shown else None
    if not is_shown:
        return released | dict.fromkeys(_names_of_measures())
    if phase == CRUDE:
        return released | crude_measures(row, days, sizes.eligible, _window(row, outcome), z)
    return released | _measures(row, days, sizes.pairs or 0, z)


def _days(row: Mapping[str, Any], arm: str, outcome: Outcome, sizes: Sizes) -> int | None:
    """Person-time that may be shown."""
    size = sizes.of(arm, str(row["phase"]))
    return None if size is None else shown_days(size, _window(row, outcome), int(row[f"days_{arm}"]))


def _window(row: Mapping[str, Any], outcome: Outcome) -> int:
    """The days in which events count, of a unit that is followed to the horizon."""
    return int(row["horizon"]) - outcome.start_day + 1


def _names_of_measures() -> list[str]:
    return [f"{name}{end}" for name in _MEASURES for end in ("", "_lower", "_upper")]


def _events(row: Mapping[str, Any], arm: str) -> int:
    exact = int(row[f"events_{arm}"])
    return rounded(exact) if row["phase"] == CRUDE else exact


def _measures(row: Mapping[str, Any], days: Mapping[str, int | None], n_pairs: int, z: float) -> dict[str, Any]:
    """Matched rates and difference of the events and days that are shown; the ratio as it is. All to three digits.

    Limits are those of the shown values and variances: one that kept its distance from an exact value would tell this.
    """
    exact = {arm: int(row[f"events_{arm}"]) for arm in ARMS}
    events = {arm: EventCount(exact[arm], exact[arm], exact[arm]) for arm in ARMS}
    variances = shown_variances(row, events, dict.fromkeys(ARMS, n_pairs), is_paired=True, z=z)
    values: dict[str, Any] = {}
    for arm in ARMS:
        values |= _rate(row, arm, days[arm], variances.of_rate[arm], z)
    ratio = plain(row["rate_ratio"])
    limits = apart(ratio, ratio, variances.of_difference(1.0, 1.0), z) if ratio else (None, None)
    values |= _named("rate_ratio", ratio, limits)
    values |= _difference(values["rate_treated"], values["rate_comparator"], variances, z)
    return {name: plain(value, _DIGITS) for name, value in values.items()}


def _rate(
    row: Mapping[str, Any], arm: str, days: int | None, variance: float | None, z: float
) -> dict[str, float | None]:
    """The rate of the shown days and its limits, also where there are no events."""
    name, events = f"rate_{arm}", int(row[f"events_{arm}"])
    if not days:
        return _named(name, None, (None, None))
    rate = events / days * float(SCALE)
    if events:
        return _named(name, rate, apart(rate, rate, variance, z))
    upper = plain(row[f"{name}_upper"])
    return _named(name, rate, (None, None) if upper is None else (0.0, upper * int(row[f"days_{arm}"]) / days))


def _difference(
    treated: float | None, comparator: float | None, variances: Variances, z: float
) -> dict[str, float | None]:
    if treated is None or comparator is None:
        return _named("rate_difference", None, (None, None))
    difference, variance = treated - comparator, variances.of_difference(treated, comparator)
    if variance is None:
        return _named("rate_difference", difference, (None, None))
    reach = z * math.sqrt(variance)
    return _named("rate_difference", difference, (difference - reach, difference + reach))


def _named(name: str, value: float | None, limits: Limits) -> dict[str, float | None]:
    return {name: value, f"{name}_lower": limits[0], f"{name}_upper": limits[1]}
