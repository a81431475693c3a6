"""Effects: which contrasts may be shown beside each other, and how exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterpart.disclosure.cells import Sum, gives_away, may_show, rounded, shown_complete, shown_days
from counterpart.disclosure.counted import Counted
from counterpart.disclosure.crude import crude_measures
from counterpart.disclosure.results import Sizes, plain
from counterpart.numerics.rates import DAYS_PER_YEAR, SCALE
from counterpart.tables import ARMS

if TYPE_CHECKING:
    import pandas as pd

    from counterpart.protocol import Outcome

CRUDE, MATCHED = "crude", "matched"

# Intervals carry the number of people with repeated events; at three digits they do not give it away.
_DIGITS = 3
_MEASURES = ("rate_treated", "rate_comparator", "rate_ratio", "rate_difference")


def release_effects(effects: pd.DataFrame, counted: Counted, sizes: Sizes) -> list[dict[str, Any]]:
    """EFFECTS -> a row per outcome, horizon and phase in the study's order; withheld rows have no counts and estimates.

    Matched counts are exact; a contrast with a small count, or one that would give a small count away beside those
    shown before it, is withheld whole. Crude counts are multiples of 11, and crude intervals allow for that.
    Person-time is rounded, and rates come from the counts and the time that are shown: exact ones would tell how few
    left before the horizon.
    """
    found = {(row["outcome"], row["horizon"], row["phase"]): row for row in effects.to_dict("records")}
    shown_sums: dict[str, list[Sum]] = {arm: [] for arm in ARMS}
    released = {}
    for outcome in sorted(counted.outcomes, key=lambda one: one.role != "primary"):
        for horizon in sorted(outcome.horizons):
            for phase in (MATCHED, CRUDE):
                row = found.get((outcome.name, horizon, phase))
                if row is not None:
                    is_shown = _is_shown(row, outcome, counted, sizes, shown_sums)
                    released[outcome.name, horizon, phase] = _row(row, outcome, sizes, is_shown)
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


def _row(row: Mapping[str, Any], outcome: Outcome, sizes: Sizes, is_shown: bool) -> dict[str, Any]:
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
        return released | crude_measures(row, days, sizes.eligible, _window(row, outcome))
    return released | _measures(row, days)


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


def _measures(row: Mapping[str, Any], days: Mapping[str, int | None]) -> dict[str, Any]:
    """Matched rates and difference of the events and days that are shown; the ratio as it is. All to three digits.

    Intervals are as wide as those of the exact numbers.
    """
    rates = {arm: _rate(row, arm, days[arm]) for arm in ARMS}
    treated, comparator = (rates[arm][f"rate_{arm}"] for arm in ARMS)
    difference = treated - comparator if treated is not None and comparator is not None else None
    values = {name: row[name] for name in _names_of_measures()} | rates["treated"] | rates["comparator"]
    values |= _moved_difference(row, difference)
    return {name: plain(value, _DIGITS) for name, value in values.items()}


def _rate(row: Mapping[str, Any], arm: str, days: int | None) -> dict[str, float | None]:
    """The rate of the shown days; its limits change by the same factor, also where there are no events."""
    name = f"rate_{arm}"
    if not days:
        return dict.fromkeys((name, f"{name}_lower", f"{name}_upper"))
    factor = int(row[f"days_{arm}"]) / days
    limits = {f"{name}{end}": plain(row[f"{name}{end}"]) for end in ("_lower", "_upper")}
    moved = {end: None if limit is None else limit * factor for end, limit in limits.items()}
    return {name: int(row[f"events_{arm}"]) / days * float(SCALE)} | moved


def _moved_difference(row: Mapping[str, Any], value: float | None) -> dict[str, float | None]:
    """The difference at another value; its limits keep their distance."""
    exact = plain(row["rate_difference"])
    shift = None if value is None or exact is None else value - exact
    limits = {f"rate_difference{end}": plain(row[f"rate_difference{end}"]) for end in ("_lower", "_upper")}
    moved = {end: None if limit is None or shift is None else limit + shift for end, limit in limits.items()}
    return {"rate_difference": value} | moved
