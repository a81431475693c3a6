"""Covariates that leave the site: neither means nor differences tell how few have one."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.results import STUDY, about, balance_row, release, results, table

from counterpart.disclosure.cells import may_show
from counterpart.disclosure.profiles import release_balance
from counterpart.disclosure.results import Sizes
from counterpart.tables import BALANCE, COVARIATE_DICTIONARY

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
