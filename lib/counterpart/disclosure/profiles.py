"""Score overlap and event time: bins and weeks that may be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from counterpart.disclosure.cells import (
    Sum,
    gives_away,
    may_show,
    merge_neighbours,
    shown_days,
    shown_rounded,
)
from counterpart.disclosure.counted import Counted
from counterpart.disclosure.results import Sizes, plain
from counterpart.numerics.rates import DAYS_PER_YEAR, SCALE
from counterpart.tables import ARMS

if TYPE_CHECKING:
    import pandas as pd


# A sum of runs is compared with sums of up to three shown counts: there are a thousand sums of runs.
_MAX_TERMS = 4


def release_histogram(histogram: pd.DataFrame, sizes: Sizes) -> list[dict[str, Any]]:
    """SCORE_HISTOGRAM with units rounded to multiples of 11; bins with 1 to 10, or of 1 to 10 members, have None."""
    released = []
    for row in histogram.to_dict("records"):
        is_shown = sizes.of(row["arm"], row["phase"]) is not None and may_show(int(row["n_members"]))
        n_units = shown_rounded(int(row["n_units"])) if is_shown else None
        released.append({"phase": row["phase"], "arm": row["arm"], "bin": int(row["bin"]), "n_units": n_units})
    return released


def release_event_time(
    event_time: pd.DataFrame, effects: Sequence[Mapping[str, Any]], counted: Counted, sizes: Sizes
) -> list[dict[str, Any]]:
    """EVENT_TIME -> runs of weeks with more than ten events and members each, and their rates per 1,000 person-years.

    No run, nor several neighbouring ones, leaves a small count beside the shown matched counts of any outcome. For that
    edges are given up; runs do not cross the index date if that can be had. A run at either end may be withheld.
    """
    if sizes.pairs is None or event_time.empty:
        return []
    released = []
    for arm in ARMS:
        weeks = event_time[event_time["arm"] == arm].sort_values("week")
        counts, days = weeks["n_events"].astype(int).tolist(), weeks["days_at_risk"].astype(int).tolist()
        first = int(weeks["week"].iloc[0])
        tells = _run_that_tells(counts, weeks["members"].tolist(), first, _shown_sums(effects, counted, arm), counted)
        for start, end, count in _safe_runs(counts, tells, index_date=-first):
            at_risk = shown_days(sizes.pairs, 7 * (end + 1 - start), sum(days[start : end + 1]))
            rate = count / at_risk * float(SCALE) if count is not None and at_risk else None
            released.append(
                {
                    "arm": arm,
                    "first_week": first + start,
                    "last_week": first + end,
                    "n_events": count,
                    "person_years": None if at_risk is None else plain(at_risk / float(DAYS_PER_YEAR), 4),
                    "rate": plain(rate, 3),
                }
            )
    return released


def _shown_sums(effects: Sequence[Mapping[str, Any]], counted: Counted, arm: str) -> list[Sum]:
    """What the arm's matched counts of all outcomes add up."""
    outcomes = {one.name: one for one in counted.outcomes}
    return [
        counted.of_outcome(outcomes[row["outcome"]], row["horizon"], row[f"events_{arm}"])
        for row in effects
        if row["phase"] == "matched" and row[f"events_{arm}"] is not None
    ]


def _run_that_tells(
    counts: list[int],
    members: Sequence[Sequence[Mapping[str, int]]],
    first_week: int,
    shown: list[Sum],
    counted: Counted,
) -> Callable[[int, int], bool]:
    """Is the count from one week's edge to another of few members, or does it give a small one away beside others?"""
    events = next(one.events for one in counted.outcomes if one.role == "primary")

    @cache
    def tells(start: int, end: int) -> bool:
        if not may_show(count_members(members[start:end], first_week + start)):
            return True
        first, last = 7 * (first_week + start) + 1, 7 * (first_week + end)
        return gives_away(counted.of_days(events, first, last, sum(counts[start:end])), shown, _MAX_TERMS)

    return tells


def count_members(weeks: Sequence[Sequence[Mapping[str, int]]], first_week: int) -> int:
    """Members with an event in a run of weeks, each where they have their first one in it."""
    return sum(int(one["n_members"]) for week in weeks for one in week if int(one["last_week"]) < first_week)


def _safe_runs(
    counts: list[int], tells: Callable[[int, int], bool], index_date: int
) -> list[tuple[int, int, int | None]]:
    """Runs of weeks (first, last, count) of which no neighbouring ones together tell; the outer ones may have None."""
    may_cut = [True] * (len(counts) + 1)
    worth = {0: 1, len(counts): 1, index_date: 2}
    while True:
        runs = merge_neighbours(counts, may_cut)
        shown = [(start, end + 1) for start, end, count in runs if count is not None]
        telling = [(start, end) for at, (start, _) in enumerate(shown) for _, end in shown[at:] if tells(start, end)]
        if not telling:
            return runs
        # An edge inside before one at either end, and the index date last of all.
        start, end = telling[0]
        may_cut[min((end, start), key=lambda edge: worth.get(edge, 0))] = False
