"""Event time that leaves the site: no week is small, nor what weeks and effects leave of each other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from tests.results import ARMS, STUDY, effect, release, results, table, week

from counterpart.disclosure.cells import may_show
from counterpart.tables import EFFECTS, EVENT_TIME

FIRST_DAY, N_DAYS = -181, 364
Shown = tuple[np.ndarray, int]  # events x days that a number counts, and the number


def days_from(events: str, first: int, last: int) -> np.ndarray:
    """Events x days: 1 where it is one of the events and a day from first to last."""
    covered = np.zeros((3, N_DAYS), int)
    covered[["abc".index(event) for event in events], first - FIRST_DAY : last - FIRST_DAY + 1] = 1
    return covered


def released_days(daily: np.ndarray) -> tuple[list[Shown], list[tuple[int, int, int | None]]]:
    """Events x days of an arm -> what the effects show, and runs of weeks (first, last, count)."""
    rows = []
    outcomes = {one.name: one for one in STUDY.outcomes.outcomes}
    for name, outcome in outcomes.items():
        for horizon in outcome.horizons:
            n_events = int((daily * days_from("".join(outcome.events), outcome.start_day, horizon)).sum())
            rows.append(effect(name, horizon, "matched", (n_events, n_events)))
    weekly = daily.sum(axis=0).reshape(52, 7).sum(axis=1)
    weeks = [week("treated", number, int(count)) for number, count in enumerate(weekly, start=-26)]
    weeks += [week("comparator", number, 0) for number in range(-26, 26)]
    document = release(results(event_time=table(EVENT_TIME, *weeks), effects=table(EFFECTS, *rows)), STUDY)
    shown = [
        (days_from("".join(outcome.events), outcome.start_day, row["horizon"]), row["events_treated"])
        for row in document["effects"]
        if (outcome := outcomes[row["outcome"]]) and not row["is_withheld"]
    ]
    runs = [row for row in document["event_time"] if row["arm"] == "treated"]
    return shown, [(row["first_week"], row["last_week"], row["n_events"]) for row in runs]


def small_remainders(shown: list[Shown], runs: list[tuple[int, int, int | None]]) -> list[tuple[int, int, int]]:
    """Neighbouring runs whose sum, less and plus what the effects show, is a small count of somebody's events."""
    found = []
    signed = [
        (sum(sign * count for sign, (_, count) in zip(signs, shown, strict=True)), signs)
        for signs in product((-1, 0, 1), repeat=len(shown))
    ]
    for position, (first, _, _) in enumerate(runs):
        total = 0
        for _, last, count in runs[position:]:
            if count is None:
                break
            total += count
            for value, signs in signed:
                if not may_show(abs(total + value)):
                    covered = days_from("abc", 7 * first + 1, 7 * last + 7)
                    covered = covered + sum(sign * days for sign, (days, _) in zip(signs, shown, strict=True))
                    if set(np.unique(covered)) in ({0, 1}, {-1, 0}, {1}, {-1}):
                        found.append((first, last, total + value))
    return found


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_weeks_are_merged_until_none_is_small_and_no_sum_tells_beside_what_is_shown(rate, seed):
    daily = np.random.default_rng(seed).poisson(rate * np.array([[1.0], [0.6], [0.1]]), (3, N_DAYS))
    shown, runs = released_days(daily)
    weekly = daily.sum(axis=0).reshape(52, 7).sum(axis=1)
    assert [first for first, _, _ in runs[1:]] == [last + 1 for _, last, _ in runs[:-1]]
    assert (runs[0][0], runs[-1][1]) == (-26, 25)
    assert all(count is None or may_show(count) for _, _, count in runs)
    assert all(count in (None, weekly[first + 26 : last + 27].sum()) for first, last, count in runs)
    assert not small_remainders(shown, runs)


def on_days(*counts: tuple[int, int]) -> np.ndarray:
    """Three events of `a` on every day before, and so many on the days given."""
    daily = np.zeros((3, N_DAYS), int)
    daily[0, : 1 - FIRST_DAY] = 3
    for day, count in counts:
        daily[0, day - FIRST_DAY] = count
    return daily


@pytest.mark.parametrize(
    ("daily", "is_late_shown", "withheld"),
    [
        # 3 events on day 181: all weeks less the 180 days.
        (on_days((20, 50), (150, 52), (181, 3)), True, [(25, 25)]),
        # The 180 days are withheld, for 5 events came after the 90th: all weeks less the 90 days.
        (on_days((20, 50), (179, 5)), False, [(25, 25)]),
        (on_days((20, 50), (150, 52)), True, []),
    ],
)
def test_weeks_that_would_tell_what_came_after_a_horizon_are_withheld(daily, is_late_shown, withheld):
    shown, runs = released_days(daily)
    assert any((days == days_from("abc", 1, 180)).all() for days, _ in shown) is is_late_shown
    assert [(first, last) for first, last, count in runs if count is None] == withheld
    assert not small_remainders(shown, runs)


def test_a_week_does_not_tell_how_many_left():
    """Of 150 pairs 3 have left before the last week; 847 days would be 121 of 124."""
    weeks = [week(arm, number, 20, 7 * (150 if number < 25 else 147)) for arm in ARMS for number in range(-26, 26)]
    released = release(results(event_time=table(EVENT_TIME, *weeks)), STUDY)["event_time"]
    assert {row["person_years"] for row in released} == {float(f"{7 * 150 / 365.25:.4g}")}
    assert {row["rate"] for row in released} == {float(f"{20 / (7 * 150) * 365_250:.3g}")}


def runs_of(*weeks: tuple[int, list[tuple[int, int]]]) -> list[tuple[int, int, int | None]]:
    """Weeks from the first on, as (events, members by the week before in which they had one) -> runs of the treated."""
    told = [week(arm, number, 0) for arm in ARMS for number in range(-26, 26)]
    for row, (n_events, members) in zip(told[52:], weeks, strict=False):
        told_by_week = [{"last_week": last, "n_members": n} for last, n in members]
        row |= {"arm": "treated", "n_events": n_events, "members": told_by_week}
    rows = [row | {"arm": "comparator"} for row in told[:52]] + told[52:]
    released = release(results(event_time=table(EVENT_TIME, *rows)), STUDY)["event_time"]
    return [(row["first_week"], row["last_week"], row["n_events"]) for row in released if row["arm"] == "treated"]


def test_weeks_of_few_members_are_merged_however_many_events_they_have():
    """12 events of three index dates each of four members, then 11 of others."""
    assert runs_of((12, [(-27, 12)]), (11, [(-27, 11)]))[:2] == [(-26, -26, 12), (-25, -25, 11)]
    assert runs_of((12, [(-27, 4)]), (11, [(-27, 11)]))[0][1:] == (-25, 23)
    # The four again, and seven others: eleven together. The four and six others are ten, and nothing else is there.
    assert runs_of((12, [(-27, 4)]), (11, [(-27, 7), (-26, 4)]))[0][1:] == (-25, 23)
    assert [count for *_, count in runs_of((12, [(-27, 4)]), (11, [(-27, 6), (-26, 4)]))] == [None]
