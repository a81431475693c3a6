"""Effects that leave the site: which contrasts, how exactly, and no small count by adding and subtracting them."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.results import ARMS, STUDY, effect, release, results, table

from counterpart.disclosure.cells import may_show
from counterpart.errors import DataError
from counterpart.tables import EFFECTS


@pytest.mark.parametrize("phase", ["crude", "matched"])
def test_a_unit_lost_before_the_effects_is_refused(phase):
    n_treated = {"crude": 199, "matched": 149}[phase]
    effects = table(EFFECTS, effect("all", 90, phase, (30, 60), n_treated=n_treated))
    with pytest.raises(DataError, match="effects of the treated arm do not count"):
        release(results(effects=effects), STUDY)


def test_crude_counts_and_rates_are_of_multiples_of_eleven():
    row = effect("all", 90, "crude", (94, 205), rate_ratio=0.9171, rate_ratio_lower=0.7, rate_ratio_upper=1.2)
    (released,) = release(results(effects=table(EFFECTS, row)), STUDY)["effects"]
    assert (released["events_treated"], released["events_comparator"]) == (99, 209)
    # 99 events in 200 * 90 days against 209 in 400 * 90, per 1,000 person-years of 365.25 days; ratio 99 / 209 * 2.
    assert released["rate_treated"] == pytest.approx(2000, rel=0.03)
    assert released["rate_ratio"] == 0.95
    # Behind 99 are 94 to 104, behind 209 are 204 to 214, and 5 units' time more or less each. Limits as far as before.
    least, most = 94 / 205.5 * 400 / 214, 104 / 194.5 * 400 / 204
    assert released["rate_ratio_lower"] == pytest.approx(least * 0.9171 / 1.2, abs=0.01)
    assert released["rate_ratio_upper"] == pytest.approx(most * 1.2 / 0.9171, abs=0.1)


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
