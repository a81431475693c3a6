"""Crude intervals that leave the site: they hold the exact ones, and tell no more of the counts than these do."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.results import chain, estimated, release, results, table
from tests.studies import small_study

from counterpart.disclosure.cells import behind_days, behind_rounded, rounded, shown_days
from counterpart.disclosure.results import outward
from counterpart.report.answer import crude_controls_off
from counterpart.tables import ATTRITION, EFFECTS

DAYS = 90
MEASURES = ("rate_treated", "rate_comparator", "rate_ratio", "rate_difference")
STUDY = small_study(
    outcomes={
        "outcomes": [
            {"name": "all", "label": "All", "role": "primary", "events": ["a"], "horizons": [DAYS]},
            {"name": "control", "label": "Control", "role": "negative_control", "events": ["b"], "horizons": [DAYS]},
        ]
    }
)


def crude_row(events: tuple[np.ndarray, np.ndarray], days: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Events and days of every unit, by arm, each of another member -> the exact row of EFFECTS."""
    return estimated("control", "crude", events, days)


def once(n: int, n_events: int) -> np.ndarray:
    """So many units, of whom so many have one event."""
    return (np.arange(n) < n_events).astype(int)


def release_row(row: dict[str, Any]) -> dict[str, Any]:
    steps = [*chain("treated", ("candidates", row["n_treated"], row["n_treated"]))]
    steps += chain("comparator", ("candidates", row["n_comparator"], row["n_comparator"]))
    matching = {"n_pairs": 0, "n_no_exact_stratum": row["n_treated"], "n_outside_caliper": 0, "n_pool_exhausted": 0}
    found = results(effects=table(EFFECTS, row), attrition=table(ATTRITION, *steps), matching=matching)
    return release(found, STUDY)


def of_once(treated: tuple[int, int], comparator: tuple[int, int]) -> dict[str, Any]:
    """(events, units) of each arm, all followed to the horizon -> the released document."""
    events = (once(treated[1], treated[0]), once(comparator[1], comparator[0]))
    return release_row(crude_row(events, (np.full(treated[1], DAYS), np.full(comparator[1], DAYS))))


def test_an_interval_that_holds_one_does_so_when_the_counts_are_rounded():
    """17 of 500 against 250 of 10,000: 1.36 (0.83 to 2.22). Shown as 22 and 253, the ratio is 1.7."""
    document = of_once((17, 500), (250, 10_000))
    (row,) = document["effects"]
    assert (row["events_treated"], row["events_comparator"], row["rate_ratio"]) == (22, 253, 1.7)
    assert row["rate_ratio_lower"] <= 0.832
    assert row["rate_ratio_upper"] >= 2.22
    assert crude_controls_off(document) == []


def test_an_interval_that_is_far_from_one_still_is():
    (row,) = of_once((170, 500), (1_000, 10_000))["effects"]
    assert 1 < row["rate_ratio_lower"] < row["rate_ratio"] < row["rate_ratio_upper"]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.lists(st.integers(60, 300), min_size=2, max_size=2),
    st.lists(st.floats(0.05, 0.8), min_size=2, max_size=2),
    st.floats(0, 0.5),
    st.integers(0, 2**32 - 1),
)
def test_released_intervals_hold_the_exact_ones(sizes, rates, leaving, seed):
    random = np.random.default_rng(seed)
    days = tuple(np.where(random.random(n) < leaving, random.integers(30, DAYS, n), DAYS) for n in sizes)
    events = tuple(random.poisson(rate, n) for rate, n in zip(rates, sizes, strict=True))
    exact = crude_row(events, days)
    (row,) = release_row(exact)["effects"]
    if row["is_withheld"]:
        assert row["rate_ratio_lower"] is None
        return
    for name in MEASURES:
        assert (row[name] is None) == (exact[name] is None)
        for end, sign in (("_lower", 1), ("_upper", -1)):
            if exact[f"{name}{end}"] is None:
                assert row[f"{name}{end}"] is None
            else:
                assert sign * row[f"{name}{end}"] <= sign * exact[f"{name}{end}"], (name, end)


def test_limits_do_not_tell_which_of_the_counts_behind_a_multiple_it_is():
    """Where nobody has two events the width of an exact interval is the count."""
    for first, n in ((17, 50_000), (39, 250)):
        shown = [of_once((n_events, n), (110, 100_000))["effects"][0] for n_events in range(first, first + 11)]
        assert all(row == shown[0] for row in shown)


def test_limits_do_not_tell_how_few_have_two_events():
    days = (np.full(250, DAYS), np.full(6474, DAYS))
    shown = []
    for n_events, n_twice in product(range(39, 50), range(12)):
        events = once(250, n_events - n_twice) + once(250, n_twice)
        shown += release_row(crude_row((events, once(6474, 900)), days))["effects"]
    assert all(row == shown[0] for row in shown)


@pytest.mark.parametrize(("treated", "comparator"), [((0, 200), (40, 400)), ((40, 200), (0, 400))])
def test_an_arm_without_events_has_no_ratio(treated, comparator):
    (row,) = of_once(treated, comparator)["effects"]
    assert [row[f"rate_ratio{end}"] for end in ("", "_lower", "_upper")] == [None, None, None]
    assert row["rate_difference"] is not None
    assert row["rate_difference_lower"] is None
    empty = "treated" if treated[0] == 0 else "comparator"
    assert (row[f"rate_{empty}"], row[f"rate_{empty}_lower"]) == (0.0, 0.0)
    assert row[f"rate_{empty}_upper"] > 0


def test_what_may_be_behind_a_rounded_number():
    for count in (0, *range(11, 200)):
        fewest, most = behind_rounded(rounded(count))
        assert fewest <= count <= most
    assert [behind_rounded(told) for told in (0, 11, 22)] == [(0, 0), (11, 16), (17, 27)]
    for lost in range(0, 40 * DAYS, 7):
        days = 100 * DAYS - lost
        fewest, most = behind_days(100, DAYS, shown_days(100, DAYS, days) or 0)
        assert fewest <= days <= most <= 100 * DAYS


def test_limits_are_rounded_outward():
    assert [outward(value, 2, -1) for value in (0.8319, -0.8319, 1234.0, 2.0, 0.0)] == [0.83, -0.84, 1200.0, 2.0, 0.0]
    assert [outward(value, 2, 1) for value in (0.8301, -0.8399, 1234.0, 2.00000000000001)] == [0.84, -0.83, 1300.0, 2.0]
    assert [outward(9.96, 2, 1), outward(99.6, 2, 1)] == [10.0, 100.0]
