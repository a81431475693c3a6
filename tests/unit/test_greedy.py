"""The kernel for several dimensions against the slow and obvious way, and where lists of neighbours starve."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.oracles.matching import Candidate, pair_by_the_rules

from counterpart.numerics import neighbours
from counterpart.numerics.greedy import Cloud, pair_in_space
from counterpart.numerics.pairs import Pairs, Rules

ONE = 2**31


class Problem:
    """A small problem of lattice points: many equal distances, identical vectors, persons with several dates."""

    def __init__(self, generator: np.random.Generator) -> None:
        n_treated, n_controls = generator.integers(0, 14), generator.integers(0, 24)
        n = int(n_treated + n_controls)
        n_levels = int(generator.choice([1, 2, 5, 1000]))
        d = int(generator.integers(1, 4))
        self.point = generator.integers(0, n_levels, (n, d)).astype(float)
        self.box = generator.integers(0, 3, (n, 1)).astype(float)
        self.score = generator.integers(-n_levels, n_levels + 1, n)
        self.key = generator.permutation(n) - 5
        self.stratum = generator.integers(0, generator.choice([1, 3]), n)
        self.person = generator.integers(0, generator.choice([4, 12, 500]), n)
        self.is_treated = np.arange(n) < n_treated
        self.turn = generator.permutation(n)
        self.caliper = (None, 0, n_levels // 2)[generator.integers(3)]
        self.width = (None, 0.0, 1.0)[generator.integers(3)]

    def solve(self, rules: Rules, list_length: int = 4, order: Any = None) -> tuple[Pairs, dict[int, list[int]]]:
        rows = np.arange(len(self.key)) if order is None else order
        treated, controls = rows[self.is_treated[rows]], rows[~self.is_treated[rows]]
        clouds = [
            Cloud(self.point[r], self.key[r], self.score[r], self.stratum[r], self.person[r], self.box[r])
            for r in (treated, controls)
        ]
        if rules.turn is not None:
            rules = rules._replace(turn=self.turn[treated])
        widths = np.array([math.inf if self.width is None else self.width])
        pairs = pair_in_space(*clouds, self.caliper, widths, rules, list_length)
        won: dict[int, list[int]] = {}
        for i, j in zip(pairs.treated, pairs.control, strict=True):
            won.setdefault(int(treated[i]), []).append(int(controls[j]))
        return pairs, won

    def distance(self, t: Candidate, c: Candidate) -> int | None:
        is_far = self.caliper is not None and abs(t.score - c.score) > self.caliper
        if is_far or (self.width is not None and abs(self.box[t.unit, 0] - self.box[c.unit, 0]) > self.width):
            return None
        return round(math.sqrt(float(np.square(self.point[t.unit] - self.point[c.unit]).sum())) * ONE)

    def by_the_rules(self, rules: Rules) -> dict[int, list[int]]:
        columns = (self.person, self.stratum, self.score, self.key)
        candidates = [
            Candidate(i, *[int(column[i]) for column in columns], bool(self.is_treated[i]))
            for i in range(len(self.key))
        ]
        turn = None if rules.turn is None else (lambda unit: int(self.turn[unit.unit]))
        return pair_by_the_rules(candidates, self.distance, rules.ratio, rules.reuse, turn)


TURNS = np.zeros(0, dtype=np.int64)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        Rules(ratio=3),
        Rules(turn=TURNS),
        Rules(2, turn=TURNS),
        Rules(reuse=None),
        Rules(3, None),
        Rules(1, 2),
        Rules(3, 2),
        Rules(2, 2, TURNS),
    ],
    ids=str,
)
def test_every_rule_equals_the_slow_way(rules: Rules):
    generator = np.random.default_rng(5)
    n_pairs = 0
    for _ in range(300):
        problem = Problem(generator)
        pairs, won = problem.solve(rules, int(generator.choice([1, 2, 8])))
        assert won == problem.by_the_rules(rules)
        n_pairs += len(pairs.treated)
    assert n_pairs > 300


def test_row_order_and_list_length_do_not_matter():
    generator = np.random.default_rng(6)
    for _ in range(100):
        problem = Problem(generator)
        _, expected = problem.solve(Rules(2), 4)
        for length in (1, 8, 32):
            assert problem.solve(Rules(2), length, generator.permutation(len(problem.key)))[1] == expected


def cloud(point: Any, first_key: int = 0) -> Cloud:
    keys = np.random.default_rng(first_key).permutation(len(point)).astype(np.int64)
    return Cloud(np.ascontiguousarray(point, dtype=float), keys)


def test_identical_vectors_do_not_starve():
    """A Spark matcher with a fixed list of neighbours matched 156 of these 1,376."""
    ones = np.ones((1_376, 5))
    pairs = pair_in_space(cloud(ones), cloud(ones), None)
    assert sorted(pairs.control) == list(range(1_376))
    assert not pairs.distance.any()


def test_200_000_equal_covariates_are_one_row():
    pairs = pair_in_space(cloud(np.zeros((200_000, 3))), cloud(np.zeros((200_000, 3)), 1), None)
    assert len(pairs.treated) == 200_000
    assert pairs.n_steps <= 1


def test_a_crowd_of_equals_among_distinct_controls_gets_all_it_can():
    controls = np.random.default_rng(3).standard_normal((3_000, 4))
    pairs = pair_in_space(cloud(np.zeros((2_000, 4))), cloud(controls), None)
    assert len(pairs.treated) == 2_000
    farthest = np.sort(np.rint(np.sqrt((controls**2).sum(axis=1)) * ONE))[1_999]
    assert pairs.distance.max() == farthest


@pytest.mark.parametrize("list_length", [4, 16, 32])
def test_distances_that_round_to_the_same_are_tied_whatever_they_were_before(list_length: int):
    """Lattice points 2^-17 apart, wider one way by less than distances keep: (a, b) and (b, a) are as far."""
    generator = np.random.default_rng(18)
    lattice = np.array([(a, b) for a in range(-8, 9) for b in range(-8, 9)]) * [7.06e-6, 7.06002e-6]
    for _ in range(20):
        controls = cloud(generator.permutation(lattice)[:200], first_key=int(generator.integers(99)))
        pairs = pair_in_space(cloud(np.zeros((40, 2))), controls, None, list_length=list_length)
        distance = np.rint(np.sqrt((controls.point**2).sum(axis=1)) * ONE)
        assert sorted(pairs.control) == sorted(np.lexsort([controls.key, distance])[:40])


def by_all_pairs(treated: Any, controls: Any) -> list[tuple[int, int]]:
    """Closest first among all pairs, ties by row."""
    apart = np.sqrt(np.square(treated[:, None] - controls[None]).sum(axis=2))
    left: dict[str, set[int]] = {"treated": set(range(len(treated))), "controls": set(range(len(controls)))}
    pairs = []
    for place in np.argsort(np.rint(apart * ONE).ravel(), kind="stable"):
        i, j = divmod(int(place), len(controls))
        if i in left["treated"] and j in left["controls"]:
            pairs.append((i, j))
            left["treated"].remove(i)
            left["controls"].remove(j)
    return sorted(pairs)


@pytest.mark.parametrize(
    ("d", "far", "spread"), [(3, 0.0, 1.0), (200, 0.0, 1.0), (3, 600.0, 1.0), (3, 2e3, 1.0), (3, 3e4, 0.01)]
)
@pytest.mark.parametrize("list_length", [2, 8])
def test_what_float32_cannot_tell_apart_is_told_apart(d: int, far: float, spread: float, list_length: int):
    """Two clusters `far` from their middle, where float32 squares are off by more than whole distances."""
    generator = np.random.default_rng(23)
    treated, controls = (
        generator.choice([-far, far], (n, 1)) + spread * generator.standard_normal((n, d)) for n in (60, 150)
    )
    clouds = [Cloud(point, np.arange(len(point))) for point in (treated, controls)]
    pairs = pair_in_space(*clouds, None, list_length=list_length)
    assert list(zip(pairs.treated, pairs.control, strict=True)) == by_all_pairs(treated, controls)


def sums_in_another_order(left: Any, right: Any, out: Any) -> None:
    """A product of matrices as another machine, or another number of threads, may round it."""
    exactly = np.dot(left, right)
    terms = np.dot(np.abs(left), np.abs(right))
    out[:] = exactly + terms * np.random.default_rng(2).uniform(-2, 2, exactly.shape).astype(np.float32) * 2.0**-24


def test_tiles_and_scores_decide_nothing(monkeypatch: pytest.MonkeyPatch):
    generator = np.random.default_rng(9)
    treated = Cloud(generator.standard_normal((700, 6)) + 0.4, np.arange(700), generator.integers(0, 1000, 700))
    controls = Cloud(generator.standard_normal((5_000, 6)), np.arange(5_000), generator.integers(0, 1000, 5_000))
    outcomes = []
    for rows, columns, product in ((256, 2_048, np.matmul), (7, 64, np.matmul), (256, 2_048, sums_in_another_order)):
        monkeypatch.setattr(neighbours, "ROWS", rows)
        monkeypatch.setattr(neighbours, "COLUMNS", columns)
        monkeypatch.setattr(np, "matmul", product)
        outcomes += [pair_in_space(treated, controls, 200, None, Rules(), length) for length in (4, 8, 32)]
    for other in outcomes[1:]:
        assert np.array_equal(other.control, outcomes[0].control)
        assert np.array_equal(other.distance, outcomes[0].distance)


@pytest.mark.parametrize(("n_treated", "n_controls"), [(0, 0), (0, 3), (3, 0)])
def test_an_arm_without_units(n_treated: int, n_controls: int):
    pairs = pair_in_space(cloud(np.zeros((n_treated, 2))), cloud(np.zeros((n_controls, 2))), None)
    assert not len(pairs.treated)
    assert list(pairs.in_reach) == [False] * n_treated


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("n_treated", "n_controls", "n_pairs", "total"),
    [(2_000, 20_000, 1_949, 6_847.97), (10_000, 200_000, 9_941, 30_206.51)],
)
def test_published_pairs(
    public_claims: Path, tmp_path: Path, n_treated: int, n_controls: int, n_pairs: int, total: float
):
    """Seeded problems of another author in 20 dimensions, solved with other matchers."""
    generator = public_claims.parent / "bench" / "matching_data.py"
    subprocess.run([sys.executable, generator, str(n_treated), str(n_controls), "20", tmp_path], check=True)
    caliper = int(json.loads((tmp_path / "meta.json").read_text())["caliper"] * ONE)
    logit = np.rint(np.fromfile(tmp_path / "lps.f64") * ONE).astype(np.int64)
    point = np.fromfile(tmp_path / "Z.f64").reshape(-1, 20)
    units = np.arange(len(logit), dtype=np.int64)
    arms = [Cloud(point[arm], units[arm], logit[arm]) for arm in (slice(n_treated), slice(n_treated, None))]
    pairs = pair_in_space(*arms, caliper)
    assert (len(pairs.treated), round(pairs.distance.sum() / ONE, 2)) == (n_pairs, total)
