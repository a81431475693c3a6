"""Covariates that leave the site: neither means nor differences tell how few have one."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.results import STUDY, about, balance_row, release, results, table

from counterpart.disclosure.balance import release_balance
from counterpart.disclosure.cells import may_show
from counterpart.disclosure.results import Sizes
from counterpart.numerics.balance import ArmSums, compare_arms, pooled_spread
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


def far(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["smd"], row["smd_at_most"], row["smd_more_than"]


def test_a_bound_ends_at_one():
    """In small arms every step above it is made by a count or two."""
    dictionary = table(COVARIATE_DICTIONARY, about(1, "flag"), about(2, "flag"))
    rows = [
        balance_row(1, "after", (3, 60), (0.02, 0.4), smd=-1.0),
        balance_row(2, "after", (150, 3), (1.0, 0.02), 6.9),
    ]
    document = release(results(balance=table(BALANCE, *rows), dictionary=dictionary), STUDY)
    assert [far(row) for row in document["balance"]] == [(None, 1.0, None), (None, None, 1.0)]
    largest = document["largest_smd"]
    assert [largest[f"after{what}"] for what in ("", "_is_bound", "_is_exceeded")] == [1.0, False, True]


def test_means_of_few_members_are_withheld_however_many_index_dates_have_it():
    few = {"most_units_comparator": 4}
    rows = [
        balance_row(1, "before", (60, 12), (0.3, 0.03)) | few | {"n_members_nonzero_comparator": 3},
        balance_row(2, "before", (60, 12), (0.3, 0.03)) | few | {"n_members_nonzero_comparator": 12},
        balance_row(3, "before", (60, 388), (0.3, 0.97)) | few | {"n_members_nonzero_comparator": 97},  # three lack it
        balance_row(4, "before", (60, 356), (0.3, 0.89)) | few | {"n_members_nonzero_comparator": 89},
    ]
    dictionary = table(COVARIATE_DICTIONARY, *(about(number, "flag") for number in range(1, 5)))
    released = release(results(balance=table(BALANCE, *rows), dictionary=dictionary), STUDY)["balance"]
    assert [row["is_withheld"] for row in released] == [True, False, True, False]


N_ARMS, N_PAIRS = (150, 3000), 120


def flag_rows(number: int, before: tuple[int, int], after: tuple[int, int]) -> list[dict[str, Any]]:
    """A flag that so many have before and after matching, with the differences of the numerics."""
    arms = [ArmSums(n, count, count) for n, count in zip(N_ARMS, before, strict=True)]
    pairs = [ArmSums(N_PAIRS, count, count) for count in after]
    rows = []
    for phase, counts, (treated, comparator) in (("before", before, arms), ("after", after, pairs)):
        found = compare_arms(treated, comparator, (arms[0], arms[1]), is_flag=True)
        means = (found.mean_treated, found.mean_comparator)
        row = balance_row(number, phase, counts, means, found.smd)
        n = {"n_treated": treated.n, "n_comparator": comparator.n}
        rows.append(row | n | {"spread": pooled_spread((arms[0], arms[1]), is_flag=True)})
    return rows


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((44, 957), (33, 33)),
        ((44, 957), (44, 33)),
        ((33, 957), (33, 44)),
        ((77, 1485), (66, 55)),
        ((22, 220), (22, 22)),
    ],
)
def test_what_is_told_before_and_after_does_not_count_the_unmatched(before, after):
    """Every four counts behind the same rounded means: those that are told alike never all leave 1 to 10 unmatched."""
    steps = (1, 5, 1, 1)  # of many comparators five more or less change nothing that is told
    windows = [range(max(11, n - 5), n + 6, step) for n, step in zip((*before, *after), steps, strict=True)]
    n_unmatched = N_ARMS[0] - N_PAIRS
    possible = [four for four in product(*windows) if 0 <= four[0] - four[2] <= n_unmatched and four[3] <= four[1]]
    rows = [row for at, four in enumerate(possible) for row in flag_rows(at, four[:2], four[2:])]
    dictionary = table(COVARIATE_DICTIONARY, *(about(at, "flag") for at in range(len(possible))))
    sizes = Sizes({"treated": N_ARMS[0], "comparator": N_ARMS[1]}, N_PAIRS)
    released = release_balance(table(BALANCE, *rows), dictionary, sizes)
    unmatched: dict[tuple[Any, ...], set[int]] = {}
    for at, four in enumerate(possible):
        told = [(row["mean_treated"], row["mean_comparator"], row["smd"]) for row in released[2 * at : 2 * at + 2]]
        assert all(None not in one for one in told)
        unmatched.setdefault(tuple(told), set()).add(four[0] - four[2])
    for numbers in unmatched.values():
        assert any(may_show(number) for number in numbers)
        assert any(may_show(n_unmatched - number) for number in numbers)


def test_a_difference_over_few_is_withheld_after_matching_too():
    """Before matching seven have it: the spread that the difference after it is over is made of them."""
    dictionary = table(COVARIATE_DICTIONARY, about(1, "flag"), about(2, "flag"))
    rows = [
        balance_row(1, "before", (7, 60), (0.035, 0.15)),
        balance_row(1, "after", (0, 22), (0.0, 0.147)),
        balance_row(2, "before", (7, 60), (0.035, 0.15)),
        balance_row(2, "after", (0, 0), (0.0, 0.0), smd=0.0),  # nobody in either arm: over whatever spread
    ]
    released = release(results(balance=table(BALANCE, *rows), dictionary=dictionary), STUDY)["balance"]
    assert [row["is_withheld"] for row in released] == [True, True, True, False]
