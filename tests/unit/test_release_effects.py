"""Effects that leave the site: which contrasts, how exactly, and no small count by adding and subtracting them."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.results import ARMS, STUDY, chain, effect, estimated, release, results, table

from counterpart.disclosure.cells import may_show
from counterpart.errors import DataError
from counterpart.tables import ATTRITION, EFFECTS


@pytest.mark.parametrize("phase", ["crude", "matched"])
def test_a_unit_lost_before_the_effects_is_refused(phase):
    n_treated = {"crude": 199, "matched": 149}[phase]
    effects = table(EFFECTS, effect("all", 90, phase, (30, 60), n_treated=n_treated))
    with pytest.raises(DataError, match="effects of the treated arm do not count"):
        release(results(effects=effects), STUDY)


Events = tuple[np.ndarray, np.ndarray]


def in_pairs(n: int, treated: tuple[int, int], comparator: tuple[int, int], n_both: int) -> Events:
    """Events of n pairs: of each arm (all events, members with two), and the pairs in which both have one."""
    arms = (np.zeros(n, int), np.zeros(n, int))
    end = treated[0] - treated[1]
    arms[0][:end] += 1
    arms[0][: treated[1]] += 1
    first = end - n_both
    arms[1][first : first + comparator[0] - comparator[1]] += 1
    arms[1][end : end + comparator[1]] += 1
    assert [int(arm.sum()) for arm in arms] == [treated[0], comparator[0]]
    assert (arms[0] * arms[1]).sum() == n_both
    return arms


def test_crude_counts_and_rates_are_of_multiples_of_eleven():
    row = effect("all", 90, "crude", (94, 205), rate_ratio=0.9171, rate_ratio_lower=0.7, rate_ratio_upper=1.2)
    (released,) = release(results(effects=table(EFFECTS, row)), STUDY)["effects"]
    assert (released["events_treated"], released["events_comparator"]) == (99, 209)
    # 99 events in 200 * 90 days against 209 in 400 * 90, per 1,000 person-years of 365.25 days; ratio 99 / 209 * 2.
    assert released["rate_treated"] == pytest.approx(2000, rel=0.03)
    assert released["rate_ratio"] == 0.95


def test_matched_rates_are_of_the_time_that_is_shown_and_the_ratio_is_exact():
    """One of 150 left after 45 of 90 days; 20 comparators left at once, told as 22. Nobody has two events.

    The variance of a log rate of E events is told as 1/E - 1/150 and 11 members with two; the six pairs in which both
    have one are told as none, so that the covariance is -1/150.
    """
    days = [np.full(150, 90), np.full(150, 90)]
    days[0][149], days[1][130:] = 45, 0
    row = estimated("all", "matched", in_pairs(150, (30, 0), (60, 0), 6), (days[0], days[1]))
    (released,) = release(results(effects=table(EFFECTS, row)), STUDY)["effects"]
    shown = [30 / (150 * 90) * 365_250, 60 / (128 * 90) * 365_250]
    variances = [1 / n_events - 1 / 150 + 22 / n_events**2 for n_events in (30, 60)]
    for arm, told, rate, variance in zip(ARMS, (150, 128), shown, variances, strict=True):
        assert released[f"person_years_{arm}"] == pytest.approx(told * 90 / 365.25, rel=1e-3)
        assert released[f"rate_{arm}"] == pytest.approx(rate, rel=5e-3)
        assert released[f"rate_{arm}_upper"] == pytest.approx(rate * math.exp(1.96 * variance**0.5), rel=5e-3)
    ratio = 30 / (149.5 * 90) / (60 / (130 * 90))
    reach = 1.96 * (sum(variances) + 2 / 150) ** 0.5
    expected = [ratio, ratio / math.exp(reach), ratio * math.exp(reach)]
    assert [released[f"rate_ratio{end}"] for end in ("", "_lower", "_upper")] == pytest.approx(expected, rel=5e-3)
    difference = shown[0] - shown[1]
    parts = [variance * rate**2 for variance, rate in zip(variances, shown, strict=True)]
    reach = 1.96 * (sum(parts) + 2 / 150 * shown[0] * shown[1]) ** 0.5
    expected = [difference, difference - reach, difference + reach]
    assert [released[f"rate_difference{end}"] for end in ("", "_lower", "_upper")] == pytest.approx(expected, rel=5e-3)


def released_pairs(events: Events, days: Events | None = None) -> dict[str, Any]:
    followed = np.full(len(events[0]), 90)
    row = estimated("all", "matched", events, days or (followed, followed))
    n = len(events[0])
    steps = [*chain("treated", ("candidates", n + 50, n + 50)), *chain("comparator", ("candidates", 2000, 2000))]
    matching = {"n_pairs": n, "n_no_exact_stratum": 50, "n_outside_caliper": 0, "n_pool_exhausted": 0}
    document = release(
        results(effects=table(EFFECTS, row), attrition=table(ATTRITION, *steps), matching=matching), STUDY
    )
    return document["effects"][0] | {"exact": row}


def told(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "exact"}


@pytest.mark.parametrize(("n", "treated", "comparator"), [(300, 40, 60), (932, 137, 376), (150, 44, 90)])
def test_limits_do_not_tell_how_few_have_two_events_or_share_a_pair(n, treated, comparator):
    """From exact limits both numbers follow, to the unit: the events are shown."""
    alike = [
        released_pairs(in_pairs(n, (treated, twice), (comparator, others), both))
        for twice, others, both in product((0, 1, 11), (0, 5, 11), (0, 1, 7, 10))
    ]
    assert all(told(row) == told(alike[0]) for row in alike)
    wider = released_pairs(in_pairs(n, (treated, 12), (comparator, 0), 0))
    assert wider["rate_ratio_upper"] > alike[0]["rate_ratio_upper"]
    narrower = released_pairs(in_pairs(n, (treated, 0), (comparator, 0), 11))
    assert narrower["rate_ratio_upper"] < alike[0]["rate_ratio_upper"]


def test_of_hardly_more_than_eleven_events_few_can_be_repeated():
    """12 events of eleven members or more: one has two at most, and the limits are not those of eleven with two."""
    shown = [released_pairs(in_pairs(200, (12, twice), (60, 0), 0)) for twice in (0, 1)]
    assert told(shown[0]) == told(shown[1])
    most = math.exp(1.96 * (1 / 12 - 1 / 200 + 2 / 144) ** 0.5)
    assert shown[0]["rate_treated_upper"] == pytest.approx(shown[0]["rate_treated"] * most, rel=5e-3)


def test_limits_do_not_tell_that_somebody_left():
    """Four of 150 left at once: told as none, in every rate, difference and limit. The ratio is exact."""
    events = in_pairs(150, (30, 2), (60, 5), 3)
    days = np.full(150, 90)
    days[-4:] = 0
    stayed, left = released_pairs(events), released_pairs(events, (days, np.full(150, 90)))
    for name in ("rate_treated", "rate_comparator", "rate_difference"):
        for end in ("", "_lower", "_upper"):
            assert stayed[f"{name}{end}"] == left[f"{name}{end}"]
    assert stayed["rate_ratio_upper"] / stayed["rate_ratio"] == pytest.approx(
        left["rate_ratio_upper"] / left["rate_ratio"], rel=5e-3
    )


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.integers(60, 400),
    st.lists(st.floats(0.1, 2), min_size=2, max_size=2),
    st.floats(0, 0.5),
    st.integers(0, 2**32 - 1),
)
def test_matched_intervals_are_no_narrower_than_the_exact_ones(n, rates, leaving, seed):
    random = np.random.default_rng(seed)
    frailty = random.gamma(1, 1, n)
    events = tuple(random.poisson(rate * frailty) for rate in rates)
    days = tuple(np.where(random.random(n) < leaving, random.integers(30, 90, n), 90) for _ in range(2))
    row = released_pairs(events, days)
    if row["is_withheld"] or row["exact"]["rate_ratio_upper"] is None:
        return
    for name in ("rate_treated", "rate_comparator", "rate_ratio"):
        exact = row["exact"][f"{name}_upper"] / row["exact"][name]
        assert row[f"{name}_upper"] / row[name] >= exact * 0.99  # three digits


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


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("phase", ["crude", "matched"])
def test_events_of_few_members_are_withheld_however_many_index_dates_have_one(phase, arm):
    """A visit inside the windows of four index dates of each of three members: 12 units with an event."""
    row = effect("only_a", 90, phase, (12, 12), **{f"n_members_with_event_{arm}": 3})
    (released,) = release(results(effects=table(EFFECTS, row)), STUDY)["effects"]
    assert (released["is_withheld"], released[f"events_{arm}"]) == (True, None)


@pytest.mark.parametrize(
    ("events", "with_event"), [((10, 50), (10, 50)), ((50, 1), (50, 1)), ((50, 50), (50, 4))], ids=str
)
def test_a_small_count_in_either_arm_withholds_the_contrast(events, with_event):
    changes = dict(zip(("n_with_event_treated", "n_with_event_comparator"), with_event, strict=True))
    rows = [effect("only_a", 90, phase, events, **changes) for phase in ("crude", "matched")]
    effects = release(results(effects=table(EFFECTS, *rows)), STUDY)["effects"]
    assert [row["phase"] for row in effects] == ["crude", "matched"]
    for released in effects:
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
