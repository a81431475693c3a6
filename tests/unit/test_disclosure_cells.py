"""Counts that leave: no shown number from 1 to 10, none by subtraction, and as much shown as that allows."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counterpart.disclosure.cells import (
    SMALLEST_SHOWN,
    Sum,
    choose_states,
    gives_away,
    may_show,
    merge_neighbours,
    pool_small,
    rounded,
    shown,
    shown_complete,
    shown_days,
    shown_rounded,
)

DERANDOMISED = settings(max_examples=50, derandomize=True, deadline=None)

# Small numbers and their neighbours are where it goes wrong.
counts = st.one_of(st.integers(0, 14), st.integers(0, 40), st.integers(0, 100_000))
steps = st.one_of(st.integers(0, 12), st.integers(0, 60))


def is_small(count: int) -> bool:
    return 1 <= count <= 10


@pytest.mark.parametrize(("count", "leaves"), [(0, True), (1, False), (10, False), (11, True), (12, True)])
def test_what_may_leave(count: int, leaves: bool) -> None:
    assert may_show(count) is leaves
    assert shown(count) == (count if leaves else None)


@pytest.mark.parametrize(
    ("count", "multiple"), [(0, 0), (5, 0), (6, 11), (11, 11), (16, 11), (17, 22), (27, 22), (28, 33), (1_000, 1_001)]
)
def test_rounding(count: int, multiple: int) -> None:
    assert rounded(count) == multiple
    assert shown_rounded(count) == (multiple if may_show(count) else None)


def test_no_difference_from_a_rounded_count_is_known_to_be_small() -> None:
    """Of every count with this rounding that has the exact part, take what is left: not all from 1 to 10."""
    for multiple in range(0, 100, 11):
        alike = [count for count in range(multiple + 11) if shown_rounded(count) == multiple]
        for part in range(max(alike) + 1):
            left = [count - part for count in alike if count >= part]
            assert not may_show(part) or not all(is_small(one) for one in left), (multiple, part)


@pytest.mark.parametrize("n", [11, 16, 17, 21, 22, 28, 127, 128, 150])
def test_those_who_left_are_never_known_to_be_from_one_to_ten(n: int) -> None:
    """By what is told of the complete, and by what is told of 90 days of each, counted back from all of them."""
    complete: dict[int | None, set[int]] = {}
    time: dict[int | None, set[int]] = {}
    for left in range(n + 1):
        complete.setdefault(shown_complete(n, n - left), set()).add(left)
    for lost in range(n * 90 + 1):
        time.setdefault(shown_days(n, 90, n * 90 - lost), set()).add(lost)
    for alike in complete.values():
        assert not all(is_small(left) for left in alike), alike
    for told, alike in time.items():
        assert told == 0 or not 0 < min(alike) <= max(alike) <= 10 * 90, (told, min(alike), max(alike))
        assert told in (None, 0) or told >= 11 * 90


@pytest.mark.parametrize(
    ("n", "n_complete", "told"),
    [(200, 200, 200), (200, 195, 200), (200, 194, 189), (200, 184, 189), (200, 16, None), (200, 0, 0), (17, 11, None)],
)
def test_complete_follow_up_is_told_by_elevens_of_those_who_left(n: int, n_complete: int, told: int | None) -> None:
    assert shown_complete(n, n_complete) == told


# Chains of states.


@pytest.mark.parametrize(
    ("states", "weights", "chosen"),
    [
        ([], [], []),
        ([(5,)], [1], []),
        ([(0,)], [1], [0]),
        ([(100,), (90,), (50,)], [1, 1, 1], [0, 2]),  # a step of 10 hides one of the two; the first is as good
        ([(100,), (90,), (50,)], [1, 2, 1], [1, 2]),
        ([(100,), (89,), (50,)], [1, 1, 1], [0, 1, 2]),
        ([(100,), (100,), (50,)], [1, 1, 1], [0, 1, 2]),  # nobody excluded is no small number
        ([(100,), (60,), (7,)], [1, 1, 100], [0, 1]),  # a small state is not shown, however much it weighs
        ([(100, 50), (80, 48)], [1, 3], [1]),  # each number of a state counts
        ([(100,), (80,)], [0, 1], [1]),
        ([(100,), (80,)], [-1, 0], []),
        ([(0,), (4,), (30,)], [1, 1, 1], [0, 2]),  # rising chains
    ],
)
def test_chosen_states(states: list[tuple[int, ...]], weights: list[int], chosen: list[int]) -> None:
    assert choose_states(states, weights) == chosen


@st.composite
def chains(draw: st.DrawFn, longest: int = 8) -> list[tuple[int, ...]]:
    """States of one or two numbers, falling or rising."""
    width = draw(st.integers(1, 2))
    state = tuple(draw(counts) for _ in range(width))
    chain = [state]
    for _ in range(draw(st.integers(0, longest - 1))):
        state = tuple(number + draw(steps) for number in state)
        chain.append(state)
    return chain[::-1] if draw(st.booleans()) else chain


def is_safe(states: list[tuple[int, ...]], chosen: tuple[int, ...]) -> bool:
    """No small number in a shown state, nor in the difference of any two."""
    numbers = [number for i in chosen for number in states[i]]
    numbers += [abs(a - b) for i, j in combinations(chosen, 2) for a, b in zip(states[i], states[j], strict=True)]
    return not any(map(is_small, numbers))


@given(chains(), st.data())
@DERANDOMISED
def test_choices_are_safe_and_nothing_safe_weighs_more(states: list[tuple[int, ...]], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(-2, 20), min_size=len(states), max_size=len(states)))
    chosen = choose_states(states, weights)
    assert chosen == sorted(set(chosen))
    assert all(weights[i] > 0 for i in chosen)
    assert is_safe(states, tuple(chosen))
    sets = [c for size in range(len(states) + 1) for c in combinations(range(len(states)), size)]
    best = max(sum(weights[i] for i in one) for one in sets if is_safe(states, one))
    assert sum(weights[i] for i in chosen) == best


# Bins in a row.


@pytest.mark.parametrize(
    ("bins", "runs"),
    [
        ([], []),
        ([20, 30], [(0, 0, 20), (1, 1, 30)]),
        ([20, 5, 30], [(0, 0, 20), (1, 2, 35)]),
        ([5, 5, 5], [(0, 2, 15)]),
        ([4, 20, 6], [(0, 2, 30)]),
        ([0, 0, 20], [(0, 0, 0), (1, 1, 0), (2, 2, 20)]),
        ([3, 4], [(0, 1, None)]),
        ([0, 3], [(0, 0, 0), (1, 1, None)]),
    ],
)
def test_merged_bins(bins: list[int], runs: list[tuple[int, int, int | None]]) -> None:
    assert merge_neighbours(bins) == runs


def test_runs_end_only_where_they_may() -> None:
    assert merge_neighbours([20, 20, 20, 20], [True, False, True, False, True]) == [(0, 1, 40), (2, 3, 40)]
    assert merge_neighbours([20, 20], [True, True, False]) == [(0, 0, 20), (1, 1, None)]
    assert merge_neighbours([20, 20], [False, False, False]) == [(0, 1, None)]


@given(st.lists(steps, max_size=7))
@example([1, 10, 1])
@example([10, 1, 10, 1])
@DERANDOMISED
def test_merged_bins_are_safe_complete_and_as_fine_as_can_be(bins: list[int]) -> None:
    runs = merge_neighbours(bins)
    assert [i for first, last, _ in runs for i in range(first, last + 1)] == list(range(len(bins)))
    assert all(count is None or count == sum(bins[first : last + 1]) for first, last, count in runs)
    assert not any(is_small(count) for _, _, count in runs if count is not None)
    total = sum(bins)
    if is_small(total):
        return
    assert all(count is not None for _, _, count in runs)
    cuts = [c for size in range(len(bins)) for c in combinations(range(1, len(bins)), size)]
    safe = [c for c in cuts if all(may_show(sum(bins[i:j])) for i, j in pairwise((0, *c, len(bins))))]
    assert not bins or len(runs) == 1 + max(map(len, safe))


# Parts of a total.


@pytest.mark.parametrize(
    ("parts", "groups"),
    [
        ({}, []),
        ({"a": 20, "b": 30}, [(("b",), 30), (("a",), 20)]),
        ({"a": 5, "b": 30, "c": 20}, [(("b",), 30), (("a", "c"), 25)]),  # alone, 5 were the total less the others
        ({"a": 5, "b": 7, "c": 20}, [(("c",), 20), (("a", "b"), 12)]),
        ({"a": 2, "b": 3, "c": 20}, [(("a", "b", "c"), 25)]),
        ({"a": 5, "b": 0}, [(("a",), None), (("b",), 0)]),
        ({f"r{i:02d}": 1 for i in range(12)} | {"z": 50}, [((*[f"r{i:02d}" for i in range(12)], "z"), 62)]),
        ({"a": 10, "b": 10, "c": 11}, [(("a", "b", "c"), 31)]),
    ],
)
def test_pooled_parts(parts: dict[str, int], groups: list[tuple[tuple[str, ...], int | None]]) -> None:
    assert pool_small(parts) == groups


@given(st.dictionaries(st.sampled_from("abcdefghijklmno"), counts, max_size=15))
@DERANDOMISED
def test_pools_are_safe_and_complete(parts: dict[str, int]) -> None:
    groups = pool_small(parts)
    assert sorted(name for names, _ in groups for name in names) == sorted(parts)
    assert all(count is None or count == sum(parts[name] for name in names) for names, count in groups)
    assert not any(is_small(count) for _, count in groups if count is not None)
    pooled = [[parts[name] for name in names] for names, count in groups if len(names) > 1 and count is not None]
    assert len(pooled) <= 1
    # From a shown total, what is left of it is no small part alone either.
    if may_show(sum(parts.values())) and sum(parts.values()) > len([one for one in parts.values() if one]):
        hidden = [names for names, count in groups if count is None]
        assert not hidden or set(parts.values()) <= {0, 10}
    for pool in pooled:
        assert set(pool) not in ({1}, {10})


# Counts that overlap.


def atoms(*names: str) -> frozenset[tuple[str, int]]:
    return frozenset((name, 1) for name in names)


@pytest.mark.parametrize(
    ("candidate", "already", "gives"),
    [
        (("a", 5), [], True),
        (("a", 0), [], False),
        (("ab", 30), [], False),
        (("ab", 30), [("a", 25)], True),
        (("ab", 30), [("a", 15)], False),
        (("ab", 30), [("a", 30)], False),
        (("a", 25), [("ab", 30)], True),
        (("ab", 30), [("c", 25)], False),
        # all = X-ray + CT + MRI + other: the fourth of the parts gives the last away
        (("d", 40), [("abcde", 200), ("a", 50), ("b", 60), ("c", 44)], True),
        (("d", 34), [("abcde", 200), ("a", 50), ("b", 60), ("c", 44)], False),
        # horizons: the days between them are an atom
        (("ab", 36), [("a", 30)], True),
        # a chain of overlaps, three steps away: a+b - (b+c) + (c+d) - d = a
        (("ab", 40), [("bc", 60), ("cd", 70), ("d", 45)], True),
        # half of a combination: (a+b) + (a+c) - (b+c) = 2a
        (("ab", 20), [("ac", 21), ("bc", 31)], True),
        (("ab", 30), [("ac", 31), ("bc", 31)], False),
        # zeros are known of all their atoms: a+c+d - (b+c) = d when a+b is 0
        (("ab", 0), [("acd", 20), ("bc", 12)], True),
        (("acd", 20), [("ab", 0), ("bc", 12)], True),
        (("acd", 20), [("bc", 12)], False),
    ],
)
def test_what_gives_a_small_count_away(candidate: tuple[str, int], already: list[tuple[str, int]], gives: bool) -> None:
    assert gives_away(Sum(atoms(*candidate[0]), candidate[1]), [Sum(atoms(*n), c) for n, c in already]) is gives


NAMES = "abcd"
SETS = [frozenset(one) for size in range(1, 5) for one in combinations(NAMES, size)]


def small_by_brute_force(sums: list[tuple[frozenset[str], int]]) -> bool:
    """Does any combination (-1, 0, 1 times each) leave a multiple of a set of atoms with a small count?"""
    zero = {name for names, count in sums if count == 0 for name in names}
    for factors in product((-1, 0, 1), repeat=len(sums)):
        count = sum(factor * total for factor, (_, total) in zip(factors, sums, strict=True))
        often = {
            name: sum(factor for factor, (names, _) in zip(factors, sums, strict=True) if name in names)
            for name in NAMES
            if name not in zero
        }
        times = set(often.values()) - {0}
        if len(times) == 1 and is_small(abs(count // times.pop())):
            return True
    return False


@given(st.tuples(*[counts] * 4), st.lists(st.sampled_from(SETS), min_size=1, max_size=5, unique=True))
@DERANDOMISED
def test_what_is_shown_step_by_step_never_adds_up_to_a_small_count(
    events: tuple[int, ...], wanted: list[frozenset[str]]
) -> None:
    """Each set is shown unless it gives something away; whatever is refused would have."""
    count_of = dict(zip(NAMES, events, strict=True))
    shown_sums: list[Sum] = []
    told: list[tuple[frozenset[str], int]] = []
    for names in wanted:
        total = sum(count_of[name] for name in names)
        refused = gives_away(Sum(atoms(*names), total), shown_sums)
        assert refused is small_by_brute_force([*told, (names, total)])
        if not refused:
            shown_sums.append(Sum(atoms(*names), total))
            told.append((names, total))


def test_the_smallest_shown_count_is_that_of_the_policy() -> None:
    assert SMALLEST_SHOWN == 11
