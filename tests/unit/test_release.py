"""What leaves the site: nothing small is shown, and nothing small can be had by adding and subtracting what is."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.studies import small_study

from counterpart.disclosure import StudyResults, release_intake
from counterpart.disclosure import release as release_study
from counterpart.disclosure.cells import may_show
from counterpart.disclosure.profiles import release_balance
from counterpart.disclosure.results import Sizes
from counterpart.errors import DataError
from counterpart.protocol import Study
from counterpart.tables import (
    ATTRITION,
    BALANCE,
    COVARIATE_DICTIONARY,
    EFFECTS,
    EVENT_TIME,
    INTAKE,
    SCORE_HISTOGRAM,
    Table,
)

ARMS = ("treated", "comparator")
STUDY = small_study(
    outcomes={
        "outcomes": [
            {"name": "all", "label": "All", "role": "primary", "events": ["a", "b", "c"], "horizons": [90, 180]},
            {"name": "only_a", "label": "A", "events": ["a"], "horizons": [90]},
            {"name": "only_b", "label": "B", "events": ["b"], "horizons": [90]},
            {"name": "late_a", "label": "Late A", "events": ["a"], "horizons": [90], "start_day": 31},
        ]
    }
)


def release(found: StudyResults, study: Study, *shared: frozenset[str]) -> dict[str, Any]:
    return release_study(found, study, shared)


def table(contract: Table, *rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(contract.columns))


def chain(arm: str, *steps: tuple[str, int, int]) -> list[dict[str, Any]]:
    before = steps[0][1]
    rows = []
    for number, (criterion, units, members) in enumerate(steps):
        rows.append(
            {
                "arm": arm,
                "step": number,
                "criterion": criterion,
                "n_excluded": before - units,
                "n_remaining": units,
                "n_members_remaining": members,
            }
        )
        before = units
    return rows


def effect(outcome: str, horizon: int, phase: str, events: tuple[int, int], **changes: Any) -> dict[str, Any]:
    estimates = {name: 1.0 for name in EFFECTS.columns if name.startswith(("rate", "se_"))}
    n = (200, 400) if phase == "crude" else (150, 150)
    row: dict[str, Any] = {"outcome": outcome, "horizon": horizon, "phase": phase, "role": "", "clustered_by": "member"}
    for position, arm in enumerate(ARMS):
        row |= {
            f"n_{arm}": n[position],
            f"n_complete_{arm}": n[position] - 3,
            f"n_with_event_{arm}": events[position],
            f"events_{arm}": events[position],
            f"days_{arm}": 90 * n[position],
        }
    return row | estimates | changes


def results(**tables: Any) -> StudyResults:
    steps = [
        *chain("treated", ("candidates", 300, 300), ("age", 260, 260), ("cover", 200, 200)),
        *chain("comparator", ("candidates", 900, 500), ("age", 880, 490), ("cover", 400, 300)),
    ]
    empty = {
        "dictionary": table(COVARIATE_DICTIONARY),
        "balance": table(BALANCE),
        "score_histogram": table(SCORE_HISTOGRAM),
        "effects": table(EFFECTS),
        "event_time": table(EVENT_TIME),
        "intake": table(INTAKE),
    }
    matching = {"n_pairs": 150, "n_no_exact_stratum": 20, "n_outside_caliper": 30, "n_pool_exhausted": 0}
    return StudyResults(**{"attrition": table(ATTRITION, *steps), "matching": matching, **empty, **tables})


def shown_rows(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["criteria"], row["n_excluded"], row["n_remaining"]) for row in rows]


def test_attrition_reconciles_from_the_raw_count_to_the_pairs():
    released = release(results(), STUDY)["attrition"]
    assert shown_rows(released["treated"]) == [
        (["candidates"], 0, 300),
        (["age"], 40, 260),
        (["cover"], 60, 200),
        (["no_exact_stratum"], 20, 180),
        (["outside_caliper"], 30, 150),
        (["pool_exhausted"], 0, 150),
    ]
    assert shown_rows(released["comparator"])[-1] == (["eligible_not_chosen"], 250, 150)


def test_a_criterion_that_removes_few_is_merged_with_its_neighbour():
    steps = [
        *chain("treated", ("candidates", 300, 300), ("age", 297, 297), ("cover", 200, 200)),
        *chain("comparator", ("candidates", 900, 500), ("cover", 400, 300)),
    ]
    released = release(results(attrition=table(ATTRITION, *steps)), STUDY)["attrition"]
    assert shown_rows(released["treated"])[:2] == [(["candidates"], 0, 300), (["age", "cover"], 100, 200)]


def test_members_in_pairs_are_not_told_where_treated_members_have_several_dates():
    """300 dates of 100 members, 250 pairs: how many members these are of, nobody has counted."""
    steps = [
        *chain("treated", ("candidates", 600, 200), ("cover", 300, 100)),
        *chain("comparator", ("candidates", 900, 500), ("cover", 400, 300)),
    ]
    matching = {"n_pairs": 250, "n_no_exact_stratum": 20, "n_outside_caliper": 30, "n_pool_exhausted": 0}
    released = release(results(attrition=table(ATTRITION, *steps), matching=matching), STUDY)["attrition"]
    told = [(row["n_remaining"], row["n_members_remaining"]) for row in released["treated"]]
    assert told == [(600, 200), (300, 100), (280, None), (250, None), (250, None)]
    assert released["comparator"][-1]["n_members_remaining"] == 250  # a comparator serves once


def test_attrition_that_does_not_reconcile_is_refused():
    matching = {"n_pairs": 150, "n_no_exact_stratum": 20, "n_outside_caliper": 29, "n_pool_exhausted": 0}
    with pytest.raises(DataError, match="does not reconcile"):
        release(results(matching=matching), STUDY)


@pytest.mark.parametrize("phase", ["crude", "matched"])
def test_a_unit_lost_before_the_effects_is_refused(phase):
    n_treated = {"crude": 199, "matched": 149}[phase]
    effects = table(EFFECTS, effect("all", 90, phase, (30, 60), n_treated=n_treated))
    with pytest.raises(DataError, match="effects of the treated arm do not count"):
        release(results(effects=effects), STUDY)


counts_of_levels = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=6)


@settings(max_examples=80, derandomize=True, deadline=None)
@example([(3, 5), (0, 30), (0, 25)])
@given(counts_of_levels)
def test_no_small_level_is_what_the_others_leave_of_the_arm(levels):
    """Whoever knows the shown levels to the unit, as a difference with three digits nearly tells, learns none."""
    n = [max(1, sum(level[arm] for level in levels)) for arm in range(2)]
    rows = [
        balance_row(number, "after", level, (level[0] / n[0], level[1] / n[1]))
        | {"name": f"region={number}", "n_treated": n[0], "n_comparator": n[1]}
        for number, level in enumerate(levels)
    ]
    dictionary = table(COVARIATE_DICTIONARY, *(about(number, "category") for number in range(len(levels))))
    released = release_balance(table(BALANCE, *rows), dictionary, Sizes({"treated": 99, "comparator": 99}, 99))
    hidden = [level for level, row in zip(levels, released, strict=True) if row["is_withheld"]]
    shown = [level for level, row in zip(levels, released, strict=True) if not row["is_withheld"]]
    for arm in range(2):
        assert all(may_show(level[arm]) for level in shown)
        # Nothing is left to show where the whole arm is small.
        assert may_show(sum(level[arm] for level in hidden)) or not any(level[arm] for level in shown)


def test_the_largest_difference_does_not_tell_a_withheld_one():
    """0.26 of a covariate that three have: told as 0.3, as in its row."""
    dictionary = table(COVARIATE_DICTIONARY, about(1, "flag"), about(2, "flag"))
    shown = balance_row(1, "after", (30, 60), (0.2, 0.4), smd=-0.21)
    withheld = balance_row(2, "after", (3, 60), (0.02, 0.4), smd=0.26)
    document = release(results(balance=table(BALANCE, shown, withheld), dictionary=dictionary), STUDY)
    assert (document["largest_smd"]["after"], document["largest_smd"]["after_is_bound"]) == (0.3, True)
    smaller = balance_row(2, "after", (3, 60), (0.02, 0.4), smd=0.19)
    document = release(results(balance=table(BALANCE, shown, smaller), dictionary=dictionary), STUDY)
    assert (document["largest_smd"]["after"], document["largest_smd"]["after_is_bound"]) == (0.21, False)


def test_a_difference_without_spread_is_named():
    """Everybody of one arm and nobody of the other: no number is large enough, and none is told as the largest."""
    dictionary = table(COVARIATE_DICTIONARY, about(1, "flag"), about(2, "flag"))
    usual = balance_row(1, "after", (30, 60), (0.2, 0.4), smd=-0.05)
    without_spread = balance_row(2, "after", (150, 0), (1.0, 0.0), smd=float("nan"))
    document = release(results(balance=table(BALANCE, usual, without_spread), dictionary=dictionary), STUDY)
    assert document["largest_smd"]["after_undefined"] == ["covariate_2"]


def test_few_pairs_withhold_everything_matched():
    matching = {"n_pairs": 7, "n_no_exact_stratum": 163, "n_outside_caliper": 30, "n_pool_exhausted": 0}
    matched = effect("all", 90, "matched", (30, 60), n_treated=7, n_comparator=7)
    effects = table(EFFECTS, matched, effect("all", 90, "crude", (30, 60)))
    document = release(results(matching=matching, effects=effects), STUDY)
    assert document["matching"]["n_pairs"] is None
    assert (document["largest_smd"]["before"], document["largest_smd"]["after"]) == (None, None)
    crude, matched = document["effects"]
    assert matched["is_withheld"]
    assert matched["n_treated"] is None
    assert matched["rate_ratio"] is None
    assert not crude["is_withheld"]
    assert crude["n_treated"] == 200


def test_crude_counts_and_rates_are_of_multiples_of_eleven():
    row = effect("all", 90, "crude", (94, 205), rate_ratio=0.9171, rate_ratio_lower=0.7, rate_ratio_upper=1.2)
    (released,) = release(results(effects=table(EFFECTS, row)), STUDY)["effects"]
    assert (released["events_treated"], released["events_comparator"]) == (99, 209)
    # 99 events in 200 * 90 days against 209 in 400 * 90, per 1,000 person-years of 365.25 days; ratio 99 / 209 * 2.
    assert released["rate_treated"] == pytest.approx(2000, rel=0.03)
    assert released["rate_ratio"] == 0.95
    assert released["rate_ratio_lower"] == pytest.approx(0.7 * 0.9474 / 0.9171, abs=0.01)


def test_matched_rates_are_of_the_time_that_is_shown_and_the_ratio_is_exact():
    """One of 150 left after 45 of 90 days; 20 comparators left at once, told as 22."""
    exact = {"days_treated": 149 * 90 + 45, "days_comparator": 130 * 90}
    year = 365_250
    rates = [30 / exact["days_treated"] * year, 60 / exact["days_comparator"] * year]
    estimates = {"rate_ratio": 0.43478, "rate_ratio_lower": 0.2, "rate_ratio_upper": 0.9}
    for arm, rate in zip(ARMS, rates, strict=True):
        estimates |= {f"rate_{arm}": rate, f"rate_{arm}_lower": 0.8 * rate, f"rate_{arm}_upper": 1.25 * rate}
    difference = rates[0] - rates[1]
    limits = {"rate_difference_lower": difference - 500, "rate_difference_upper": difference + 500}
    row = effect("all", 90, "matched", (30, 60), **exact, **estimates, rate_difference=difference, **limits)
    (released,) = release(results(effects=table(EFFECTS, row)), STUDY)["effects"]
    told = [150 * 90, 128 * 90]
    shown = [30 / told[0] * year, 60 / told[1] * year]
    for arm, days, rate in zip(ARMS, told, shown, strict=True):
        assert released[f"person_years_{arm}"] == pytest.approx(days / 365.25, rel=1e-3)
        assert released[f"rate_{arm}"] == pytest.approx(rate, rel=5e-3)
        assert released[f"rate_{arm}_upper"] == pytest.approx(1.25 * rate, rel=5e-3)
    assert released["rate_difference"] == pytest.approx(shown[0] - shown[1], rel=5e-3)
    assert released["rate_difference_lower"] == pytest.approx(shown[0] - shown[1] - 500, rel=5e-3)
    assert [released[f"rate_ratio{end}"] for end in ("", "_lower", "_upper")] == [0.435, 0.2, 0.9]


def test_the_limit_of_a_rate_without_events_does_not_tell_the_days():
    """3.689 events in the exact days; the limit that is shown is of those that are shown."""
    row = effect("only_a", 90, "matched", (0, 50), rate_ratio=None, days_treated=149 * 90, rate_treated=0.0)
    row |= {"rate_treated_lower": 0.0, "rate_treated_upper": 3.689 / (149 * 90) * 365_250}
    (released,) = release(results(effects=table(EFFECTS, row)), STUDY)["effects"]
    assert released["rate_treated_upper"] == float(f"{3.689 / (150 * 90) * 365_250:.3g}")


def test_the_time_of_few_withholds_the_contrast():
    row = effect("all", 90, "matched", (30, 60), days_treated=12 * 90)
    (released,) = release(results(effects=table(EFFECTS, row)), STUDY)["effects"]
    assert (released["is_withheld"], released["person_years_treated"], released["rate_ratio"]) == (True, None, None)


@pytest.mark.parametrize(
    ("events", "with_event"), [((10, 50), (10, 50)), ((50, 1), (50, 1)), ((50, 50), (50, 4))], ids=str
)
def test_a_small_count_in_either_arm_withholds_the_contrast(events, with_event):
    changes = dict(zip(("n_with_event_treated", "n_with_event_comparator"), with_event, strict=True))
    rows = [effect("only_a", 90, phase, events, **changes) for phase in ("crude", "matched")]
    for released in release(results(effects=table(EFFECTS, *rows)), STUDY)["effects"]:
        assert released["is_withheld"]
        assert released["rate_treated"] is None
        assert released["rate_comparator"] is None
        assert released["rate_ratio_upper"] is None
        assert released["events_comparator"] is None


def test_no_events_may_be_shown():
    rows = [effect("only_a", 90, "matched", (0, 50), rate_ratio=None)]
    (released,) = release(results(effects=table(EFFECTS, *rows)), STUDY)["effects"]
    assert (released["events_treated"], released["rate_ratio"], released["is_withheld"]) == (0, None, False)


ATOMS = [(event, piece) for event in "abc" for piece in ("1-30", "31-90", "91-180")]
WINDOWS = {
    ("all", 90): [atom for atom in ATOMS if atom[1] != "91-180"],
    ("all", 180): ATOMS,
    ("only_a", 90): [("a", "1-30"), ("a", "31-90")],
    ("only_b", 90): [("b", "1-30"), ("b", "31-90")],
    ("late_a", 90): [("a", "31-90")],
}
counts = st.integers(0, 40) | st.integers(0, 12)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.tuples(counts, counts), min_size=len(ATOMS), max_size=len(ATOMS)))
def test_no_sum_or_difference_of_shown_events_is_small(events):
    by_atom = dict(zip(ATOMS, events, strict=True))
    rows = []
    for (outcome, horizon), atoms in WINDOWS.items():
        n_events = tuple(sum(by_atom[atom][arm] for atom in atoms) for arm in range(2))
        rows.append(effect(outcome, horizon, "matched", n_events))
    released = release(results(effects=table(EFFECTS, *rows)), STUDY)["effects"]
    shown = [row for row in released if not row["is_withheld"]]
    for signs in product((-1, 0, 1), repeat=len(shown)):
        covered = dict.fromkeys(ATOMS, 0)
        for sign, row in zip(signs, shown, strict=True):
            for atom in WINDOWS[row["outcome"], row["horizon"]]:
                covered[atom] += sign
        if set(covered.values()) <= {0, 1}:  # whole pieces, each once: the number is a count of somebody's events
            for arm in ARMS:
                total = sum(sign * row[f"events_{arm}"] for sign, row in zip(signs, shown, strict=True))
                assert may_show(total), (signs, arm)


def balance_row(number: int, phase: str, n_nonzero: tuple[int, int], means: tuple[float, float], smd: float = 0.26):
    n = (200, 400) if phase == "before" else (150, 150)
    return {
        "covariate_id": number,
        "name": f"covariate_{number}",
        "phase": phase,
        "n_treated": n[0],
        "n_comparator": n[1],
        "n_nonzero_treated": n_nonzero[0],
        "n_nonzero_comparator": n_nonzero[1],
        "mean_treated": means[0],
        "mean_comparator": means[1],
        "smd": smd,
        "variance_ratio": 1.234,
    }


def about(number: int, kind: str) -> dict[str, Any]:
    return {
        "covariate_id": number,
        "name": f"covariate_{number}",
        "label": f"Covariate {number}",
        "kind": kind,
        "window_start": -365,
        "window_end": -1,
    }


def test_means_of_rare_covariates_are_withheld_and_their_difference_bounded():
    rows = [
        balance_row(1, "after", (30, 60), (0.2, 0.4)),
        balance_row(2, "after", (3, 60), (0.02, 0.4)),
        balance_row(3, "after", (147, 60), (0.98, 0.4)),  # three lack it
        balance_row(4, "after", (147, 60), (2.5, 0.8)),  # a count of days: who has none cannot be told from its mean
        balance_row(5, "after", (150, 150), (45.123456, 44.0)),
        balance_row(6, "after", (150, 60), (1.0, 0.4)),  # nobody lacks it
    ]
    kinds = ("flag", "flag", "category", "count", "years", "flag")
    dictionary = table(COVARIATE_DICTIONARY, *(about(number, kind) for number, kind in enumerate(kinds, start=1)))
    released = release(results(balance=table(BALANCE, *rows), dictionary=dictionary), STUDY)["balance"]
    told = [(row["mean_treated"], row["mean_comparator"], row["smd"], row["smd_at_most"]) for row in released]
    assert told == [
        (pytest.approx(33 / 150), pytest.approx(55 / 150, abs=1e-3), 0.26, None),
        (None, None, None, 0.3),
        (None, None, None, 0.3),
        (pytest.approx(374 / 150, abs=0.01), pytest.approx(121 / 150, abs=1e-3), 0.26, None),
        (45.1, 44.0, 0.26, None),
        (1.0, pytest.approx(55 / 150, abs=1e-3), 0.26, None),
    ]


@pytest.mark.parametrize(
    ("shared", "events_a", "events_b", "is_shown"),
    [
        ([], (45, 60), (42, 45), True),  # other codes: 3 of one are not of the other
        (["ab"], (45, 60), (42, 45), False),  # 3 days had only the wider codes
        (["ab"], (45, 60), (45, 49), True),
        (["bc"], (45, 60), (42, 45), True),
    ],
)
def test_events_that_share_codes_are_compared_whatever_their_names(shared, events_a, events_b, is_shown):
    rows = [effect("only_a", 90, "matched", events_a), effect("only_b", 90, "matched", events_b)]
    document = release(results(effects=table(EFFECTS, *rows)), STUDY, *map(frozenset, shared))
    assert [row["is_withheld"] for row in document["effects"]] == [False, not is_shown]


def test_an_event_that_is_two_others_at_once_is_compared_with_both():
    """X-ray and MRI, 40 and 50, beside one event that unites them: the 85 days of it leave 5 with both."""
    rows = [
        effect("all", 90, "matched", (85, 85)),
        effect("only_a", 90, "matched", (40, 40)),
        effect("only_b", 90, "matched", (50, 50)),
    ]
    first, *others = STUDY.outcomes.outcomes
    outcomes = (first.model_copy(update={"events": ("c",)}), *others)
    study = STUDY.model_copy(update={"outcomes": STUDY.outcomes.model_copy(update={"outcomes": outcomes})})
    document = release(results(effects=table(EFFECTS, *rows)), study, frozenset("abc"))
    assert [row["is_withheld"] for row in document["effects"]] == [False, False, True]


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
    weeks = [
        {"arm": "treated", "week": week, "n_events": int(count), "days_at_risk": 1050}
        for week, count in enumerate(weekly, start=-26)
    ]
    weeks += [week | {"arm": "comparator", "n_events": 0} for week in weeks]
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


@pytest.mark.parametrize(
    ("min_units", "told"),
    [
        (2, {"sex=U": "rare_or_constant", "hiv": "rare_or_constant", "sex=F": "collinear"}),
        (11, {"sex=U": "rare_or_constant", "hiv": "rare_or_constant", "sex=F": "collinear"}),
        (12, {"sex=U": "rare", "hiv": "constant", "sex=F": "collinear"}),  # from 1 to 11: may be 11
    ],
)
def test_a_reason_that_counts_from_1_to_10_units_is_told_with_none(min_units, told):
    study = STUDY.model_copy(update={"scoring": STUDY.scoring.model_copy(update={"min_units": min_units})})
    score = {"left_out": {"sex=U": "rare", "hiv": "constant", "sex=F": "collinear"}}
    assert release(results(score=score), study)["score"]["left_out"] == told


@pytest.mark.parametrize(("sampled", "told"), [(200, 200), (189, 189), (195, None), (7, None)])
def test_units_that_were_not_sampled_are_no_small_remainder(sampled, told):
    score = release(results(score={"n_sampled_treated": sampled}), STUDY)["score"]
    assert score["n_sampled_treated"] == told


def test_bins_of_the_score_are_rounded_and_small_ones_withheld():
    bins = [
        {"phase": "after", "arm": "treated", "bin": number, "n_units": count}
        for number, count in enumerate((0, 1, 10, 11, 16, 17, 95))
    ]
    released = release(results(score_histogram=table(SCORE_HISTOGRAM, *bins)), STUDY)["score_histogram"]
    assert [row["n_units"] for row in released] == [0, None, None, 11, 11, 22, 99]


def test_a_week_does_not_tell_how_many_left():
    """Of 150 pairs 3 have left before the last week; 847 days would be 121 of 124."""
    weeks = [
        {"arm": arm, "week": week, "n_events": 20, "days_at_risk": 7 * (150 if week < 25 else 147)}
        for arm in ARMS
        for week in range(-26, 26)
    ]
    released = release(results(event_time=table(EVENT_TIME, *weeks)), STUDY)["event_time"]
    assert {row["person_years"] for row in released} == {float(f"{7 * 150 / 365.25:.4g}")}
    assert {row["rate"] for row in released} == {float(f"{20 / (7 * 150) * 365_250:.3g}")}


def test_intake_pools_small_fates_so_that_sums_do_not_tell():
    fates = [("kept", "as_sent", 1000), ("merged", "duplicate", 40), ("quarantined", "denied", 3)]
    rows = [
        {"delivery": "d", "source": "medical_claim", "fate": fate, "rule": rule, "n_rows": count}
        for fate, rule, count in fates
    ]
    released = release_intake(table(INTAKE, *rows))
    assert [(row["fates"], row["n_rows"]) for row in released["rows"]] == [
        (["kept: as_sent"], 1000),
        (["merged: duplicate", "quarantined: denied"], 43),
        (["in"], 1043),
    ]
    assert released["lines"][2].split()[1:] == ["43", "merged:", "duplicate", "+", "quarantined:", "denied"]


def test_names_that_look_like_ids_stop_the_release():
    dictionary = table(COVARIATE_DICTIONARY, about(1, "flag"))
    row = balance_row(1, "after", (30, 60), (0.2, 0.4)) | {"name": "member 20023344"}
    with pytest.raises(DataError, match="look like an id") as told:
        release(results(balance=table(BALANCE, row), dictionary=dictionary), STUDY)
    assert "20023344" not in str(told.value)


def test_a_study_that_found_nothing_is_a_document():
    steps = [*chain("treated", ("candidates", 0, 0)), *chain("comparator", ("candidates", 0, 0))]
    matching = {"n_pairs": 0, "n_no_exact_stratum": 0, "n_outside_caliper": 0, "n_pool_exhausted": 0}
    document = release(results(attrition=table(ATTRITION, *steps), matching=matching), STUDY)
    assert json.loads(json.dumps(document))["matching"]["n_pairs"] == 0
