"""The pairing kernel against the slow and obvious way, and in the corners where matchers go wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.oracles.matching import Candidate, assert_good_match, pair_by_the_rules, pair_slowly

from counterpart.numerics import pairing as kernel
from counterpart.numerics.pairing import Side, pair_nearest
from counterpart.numerics.pairs import Pairs, Rules

N_PROBLEMS = 3_000


def side(candidates: list[Candidate]) -> Side:
    columns = ("score", "key", "stratum", "person")
    return Side(*[np.array([getattr(unit, name) for unit in candidates], dtype=np.int64) for name in columns])


def arms(candidates: list[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    return [unit for unit in candidates if unit.is_treated], [unit for unit in candidates if not unit.is_treated]


def solve(candidates: list[Candidate], caliper: int | None) -> tuple[Pairs, dict[int, int]]:
    treated, comparators = arms(candidates)
    pairs = pair_nearest(side(treated), side(comparators), caliper)
    return pairs, {treated[i].unit: comparators[j].unit for i, j in zip(pairs.treated, pairs.control, strict=True)}


def problem(generator: np.random.Generator) -> tuple[list[Candidate], int | None]:
    """A small problem with many ties: few scores, few strata, persons with several dates and in both arms."""
    n_treated, n_comparators = generator.integers(0, 12), generator.integers(0, 16)
    n_units = n_treated + n_comparators
    n_levels = int(generator.choice([1, 3, 20, 10**6]))
    n_strata, n_people = generator.choice([1, 2, 4]), generator.choice([3, 8, 40])
    keys = generator.permutation(n_units) - 5
    candidates = [
        Candidate(
            unit=100 + i,
            person=int(generator.integers(n_people)),
            stratum=int(generator.integers(n_strata)),
            score=int(generator.integers(-n_levels, n_levels + 1)),
            key=int(keys[i]),
            is_treated=bool(i < n_treated),
        )
        for i in range(n_units)
    ]
    return candidates, (None, 0, 1, n_levels // 3)[generator.integers(4)]


def equal_scores(n_units: int, first_person: int) -> Side:
    keys = np.random.default_rng(first_person).permutation(n_units).astype(np.int64)
    zeros = np.zeros(n_units, dtype=np.int64)
    return Side(zeros, keys, zeros, np.arange(first_person, first_person + n_units, dtype=np.int64))


def test_thousands_of_small_problems_equal_the_slow_way():
    generator = np.random.default_rng(20240817)
    n_pairs = 0
    for _ in range(N_PROBLEMS):
        candidates, caliper = problem(generator)
        pairing, pairs = solve(candidates, caliper)
        expected, reasons = pair_slowly(candidates, caliper)
        assert pairs == expected
        treated, _ = arms(candidates)
        exhausted = {unit for unit, reason in reasons.items() if reason == "pool_exhausted"}
        assert {treated[i].unit for i in np.flatnonzero(pairing.in_reach)} == set(pairs) | exhausted
        distances = {treated[i].unit: int(d) for i, d in zip(pairing.treated, pairing.distance, strict=True)}
        assert_good_match(candidates, [(t, c, distances[t]) for t, c in pairs.items()], reasons, caliper)
        n_pairs += len(pairs)
    assert n_pairs > N_PROBLEMS, "the problems are not trivial"


@pytest.mark.parametrize(
    ("ratio", "reuse", "has_turns"),
    [
        (3, 1, False),
        (1, 1, True),
        (2, 1, True),
        (1, None, False),
        (3, None, False),
        (1, 2, False),
        (3, 2, False),
        (2, 2, True),
    ],
)
def test_every_rule_equals_the_slow_way(ratio: int, reuse: int | None, has_turns: bool):
    generator = np.random.default_rng(31 * ratio + (reuse or 0))
    n_pairs = 0
    for _ in range(400):
        candidates, caliper = problem(generator)
        treated, comparators = arms(candidates)
        turn = {unit.unit: int(place) for unit, place in zip(treated, generator.permutation(len(treated)), strict=True)}
        rules = Rules(ratio, reuse, np.array([turn[u.unit] for u in treated], dtype=np.int64) if has_turns else None)
        pairs = pair_nearest(side(treated), side(comparators), caliper, rules)
        expected = pair_by_the_rules(
            candidates,
            lambda t, c, caliper=caliper: (
                d if (d := abs(t.score - c.score)) <= (caliper or 0) or caliper is None else None
            ),
            ratio,
            reuse,
            (lambda unit, turn=turn: turn[unit.unit]) if has_turns else None,
        )
        assert by_treated(pairs, treated, comparators) == expected
        n_pairs += len(pairs.treated)
    assert n_pairs > 400


def score_distance(t: Candidate, c: Candidate, caliper: int | None) -> int | None:
    distance = abs(t.score - c.score)
    return distance if caliper is None or distance <= caliper else None


def by_treated(pairs: Pairs, treated: list[Candidate], comparators: list[Candidate]) -> dict[int, list[int]]:
    won: dict[int, list[int]] = {}
    for i, j in zip(pairs.treated, pairs.control, strict=True):
        won.setdefault(treated[i].unit, []).append(comparators[j].unit)
    return won


def test_rounds_of_growing_radius_change_nothing(monkeypatch: pytest.MonkeyPatch):
    """With few controls wanted at first there are many rounds; with all wanted there is one."""
    generator = np.random.default_rng(12)
    n_treated, n_controls = 3_000, 40_000
    score = np.rint(generator.standard_normal(n_treated + n_controls) * 2**20).astype(np.int64)
    score[:n_treated] += 2**20
    member = generator.integers(0, 30_000, n_treated + n_controls)
    stratum = generator.integers(0, 3, n_treated + n_controls)
    treated, controls = (
        Side(score[arm], None, stratum[arm], member[arm]) for arm in (slice(n_treated), slice(n_treated, None))
    )
    outcomes = []
    for wanted, few in ((0.5, 1), (10.0, 1), (10.0, 10**9)):
        monkeypatch.setattr(kernel, "WANTED", wanted)
        monkeypatch.setattr(kernel, "FEW", few)
        outcomes.append([pair_nearest(treated, controls, caliper, Rules(2)) for caliper in (None, 2**18)])
    for other in outcomes[1:]:
        for one, same in zip(outcomes[0], other, strict=True):
            assert np.array_equal(one.treated, same.treated)
            assert np.array_equal(one.control, same.control)
            assert np.array_equal(one.in_reach, same.in_reach)


def test_neither_row_order_nor_labels_matter():
    generator = np.random.default_rng(7)
    for _ in range(200):
        candidates, caliper = problem(generator)
        _, pairs = solve(candidates, caliper)
        _, shuffled = solve([candidates[i] for i in generator.permutation(len(candidates))], caliper)
        assert shuffled == pairs
        relabelled = [
            Candidate(u.unit, 1_000_003 * (u.person + 1) % 999_983, -u.stratum, u.score + 10**9, u.key, u.is_treated)
            for u in candidates
        ]
        assert solve(relabelled, caliper)[1] == pairs


def test_a_person_serves_once_over_all_strata_and_never_itself():
    candidates = [
        #         unit person stratum score key is_treated
        Candidate(1, 10, 0, 100, 1, True),
        Candidate(2, 20, 1, 205, 2, True),
        Candidate(3, 30, 1, 300, 3, True),
        Candidate(4, 77, 0, 101, 1, False),  # 77 is nearest to unit 1, so it is lost to unit 2 in the other stratum
        Candidate(5, 77, 1, 205, 2, False),  # ... unless that pair is closer: it is, at distance 0
        Candidate(6, 30, 1, 300, 3, False),  # 30 before its own treatment: not for itself
    ]
    pairing, pairs = solve(candidates, caliper=50)
    assert pairs == {2: 5}
    # Unit 1 had 77 in reach; unit 3 had nobody but itself within 50.
    assert list(pairing.in_reach) == [True, True, False]


def test_ratio_1_of_cohortmethod():
    """CohortMethod's own test of matchOnPs, no caliper: strata 0, 0, 1, 1 and the last treated left over."""
    scores = [0, 0.1, 0.3, 0.4, 1]
    candidates = [
        Candidate(i, i, 0, round(score * 2**31), i, bool(flag))
        for i, (flag, score) in enumerate(zip([1, 0, 1, 0, 1], scores, strict=True))
    ]
    assert solve(candidates, None)[1] == {0: 1, 2: 3}


def test_identical_scores_with_a_twin_each_are_all_matched():
    """A Spark matcher with a fixed list of neighbours matched 156 of these 1,376."""
    pairing = pair_nearest(equal_scores(1_376, 0), equal_scores(1_376, 10_000), caliper=0)
    assert sorted(pairing.control) == list(range(1_376))


@pytest.mark.parametrize(
    "first_comparator",
    [pytest.param(10**8, id="other persons"), pytest.param(0, id="the same persons, twins of themselves")],
)
def test_a_million_equal_scores_take_linear_steps(first_comparator: int):
    n_units = 1_000_000
    pairing = pair_nearest(equal_scores(n_units, 0), equal_scores(n_units, first_comparator), caliper=5)
    assert len(pairing.treated) >= n_units - 1
    assert pairing.n_steps < 10 * n_units


def test_a_crowd_that_wants_the_same_comparators_takes_linear_steps():
    """All want the first comparator, then the second, ...: quadratic for who rescans lists."""
    n_units = 100_000
    treated = equal_scores(n_units, 0)._replace(score=-np.arange(n_units))
    comparators = equal_scores(n_units, 10**7)._replace(score=10**6 + 1_000 * np.arange(n_units))
    pairing = pair_nearest(treated, comparators, caliper=None)
    assert list(pairing.control) == list(range(n_units))
    assert pairing.n_steps < 40 * n_units


@pytest.mark.parametrize(("n_treated", "n_comparators"), [(0, 0), (0, 3), (3, 0)])
def test_an_arm_without_units(n_treated: int, n_comparators: int):
    pairing = pair_nearest(equal_scores(n_treated, 0), equal_scores(n_comparators, 100), caliper=1)
    assert not len(pairing.treated)
    assert len(pairing.in_reach) == n_treated
    assert not pairing.in_reach.any()


def test_scores_that_would_overflow_are_refused():
    too_far = equal_scores(1, 0)._replace(score=np.array([2**62]))
    with pytest.raises(ValueError, match="2\\^62"):
        pair_nearest(too_far, equal_scores(1, 5), caliper=None)


@pytest.mark.realdata
@pytest.mark.parametrize(("n_treated", "n_comparators", "n_pairs"), [(2_000, 20_000, 1_940), (10_000, 200_000, 9_919)])
def test_published_pair_counts(public_claims: Path, tmp_path: Path, n_treated: int, n_comparators: int, n_pairs: int):
    """Seeded problems of another author, solved with other matchers.

    They belong to the logit scores of the 20-dimensional problem (the generator's one-dimensional draw is another
    sample).
    """
    generator = public_claims.parent / "bench" / "matching_data.py"
    subprocess.run([sys.executable, generator, str(n_treated), str(n_comparators), "20", tmp_path], check=True)
    caliper = int(json.loads((tmp_path / "meta.json").read_text())["caliper"] * 2**31)
    logit = np.rint(np.fromfile(tmp_path / "lps.f64") * 2**31).astype(np.int64)
    units = np.arange(len(logit), dtype=np.int64)
    everybody = Side(logit, units, np.zeros_like(units), units)
    treated, comparators = (
        Side(*[column[arm] for column in everybody]) for arm in (slice(n_treated), slice(n_treated, None))
    )
    assert len(pair_nearest(treated, comparators, caliper).treated) == n_pairs
