"""A match whose larger arm is cut into parts, each solved by itself and merged, is the match of all in one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.oracles.matching import Candidate, pair_by_the_rules

from counterpart import Matching
from counterpart.matching.cost import Search
from counterpart.matching.parts import choose_rounds
from counterpart.matching.solve import measure_metric, measure_reach
from counterpart.matching.task import TALLY_CODES, Work, _tally_rows, pack_parcels, reducer, solver
from counterpart.matching.units import Units, read_units

EXACTLY = Search(None, "asked for")


def some_table(generator: np.random.Generator) -> pd.DataFrame:
    """Few values, so that much ties; persons with several units in several strata; either arm may be the larger."""
    n = int(generator.integers(6, 60))
    return pd.DataFrame(
        {
            "id": generator.permutation(n) * 7,
            "treated": generator.random(n) < generator.choice([0.2, 0.4, 0.8]),
            "person": generator.integers(0, generator.choice([5, 60]), n),
            "sex": generator.integers(0, 2, n),
            "logit": generator.integers(-4, 5, n) / 4,
            "age": generator.integers(0, 4, n).astype(float),
            "cost": generator.integers(0, 9, n).astype(float),
            "visit": generator.integers(0, 3, n),
        }
    )


def in_arrow(table: pd.DataFrame, units: Units, matching: Matching) -> pa.Table:
    """The units as tasks get them."""
    columns: dict[str, Any] = {
        "unit": table["id"].to_numpy(),
        "is_treated": units.is_treated,
        "stratum": units.stratum,
        "has_counterpart": units.has_counterpart,
    }
    if matching.person:
        columns["person"] = table[matching.person].to_numpy()
    if matching.tie_order:
        columns["tie"] = table[matching.tie_order].to_numpy()
    if units.logit is not None:
        columns["logit"] = units.logit
    columns |= {f"covariate_{i}": units.covariates[:, i] for i in range(len(matching.covariates))}
    columns |= {f"caliper_{i}": units.box[:, i] for i in range(len(matching.calipers))}
    return pa.table(columns)


def run_tasks(parcels: list[pa.RecordBatch], by: str, function: Any) -> list[pa.RecordBatch]:
    """As Spark does: parcels that are equal on `by` come together, each as a batch of its own, with those of others."""
    together: dict[int, list[pa.RecordBatch]] = defaultdict(list)
    for batch in parcels:
        for i, place in enumerate(batch.column(by).to_pylist()):
            together[place % 3].append(batch.slice(i, 1))
    return [made for place in sorted(together) for made in function(iter(together[place]))]


def content_of(solution: list[pa.RecordBatch]) -> list[tuple[Any, ...]]:
    rows = [tuple(row.values()) for batch in solution for row in batch.to_pylist()]
    return sorted((row for row in rows if row[-1] not in TALLY_CODES.values()), key=str)


def tally_of(solution: list[pa.RecordBatch], name: str) -> int:
    rows = [row for batch in solution for row in batch.to_pylist()]
    return sum(row["distance_fixed"] for row in rows if row["reason"] == TALLY_CODES[name])


def in_parts(*of_parts: Any, **cut: Any) -> list[tuple[Any, ...]]:
    return content_of(run_parts(*of_parts, **cut))


def run_parts(
    work: Work, units: pa.Table, cut_side: np.ndarray, part: np.ndarray, n_parts: int, most_together: int
) -> list[pa.RecordBatch]:
    """The larger arm by part, the other in every part; one component."""
    rounds = choose_rounds(n_parts, most_together)
    parcels = []
    for slot in range(n_parts):
        here = units.filter(pa.array(~cut_side | (part == slot)))
        numbers = pa.array(np.full(here.num_rows, slot, dtype=np.int32))
        here = here.append_column("task", pa.array(np.zeros(here.num_rows, dtype=np.int32)))
        parcels += pack_parcels(iter(here.append_column("slot", numbers).to_batches()))
    for merge_round in range(rounds.n_rounds):
        parcels = run_tasks(parcels, "slot", reducer(work, rounds.n_together, is_merge=merge_round > 0))
    return run_tasks(parcels, "task", solver(work))


SETTINGS: list[dict[str, Any]] = [
    {"caliper": 0.5, "caliper_scale": "raw"},
    {"caliper": None, "person": "person"},
    {"person": "person", "exact": ("sex",), "ratio": 3, "caliper": 1.0},
    {"person": "person", "one_role": True, "order": "largest", "ratio": 2, "min_ratio": 2},
    {"tie_order": "visit", "order": "data", "caliper": 0.5, "caliper_scale": "raw"},
    {"replace": True, "reuse": 2, "ratio": 2, "person": "person"},
    {"replace": True, "ratio": 2, "exact": ("sex",)},
    {"calipers": {"age": 1.0, "cost": 3.0}, "person": "person", "ratio": 2},
    {"distance": "euclidean", "covariates": ("age", "cost"), "caliper": None, "person": "person", "tie_order": "visit"},
]


@pytest.mark.parametrize("direction", ["treated_to_control", "control_to_treated"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_parts_give_what_the_whole_gives(settings: dict[str, Any], direction: str):
    """20 problems a setting: the pool cut by person or the units that look cut by unit, in 2 to 7 parts."""
    matching = Matching(**{"score": "logit", "score_scale": "logit", "direction": direction} | settings)
    generator = np.random.default_rng(len(str(settings)))
    for _ in range(20):
        table = some_table(generator)
        if table[["age", "cost"]].nunique().min() < 2:
            continue
        units = read_units(table, matching, seed=1)
        work = Work(matching, measure_reach(units, matching), measure_metric(units, matching), EXACTLY, 1)
        arrow = in_arrow(table, units, matching).filter(pa.array(units.is_treated | units.is_control))
        whole = arrow.append_column("task", pa.array([0] * arrow.num_rows, pa.int32()))
        whole = whole.append_column("slot", pa.array([0] * arrow.num_rows, pa.int32()))
        expected = content_of(list(solver(work)(pack_parcels(iter(whole.to_batches())))))
        is_pool = arrow.column("is_treated").to_numpy() == (direction == "control_to_treated")
        who = np.asarray(table.person if matching.person else table.id)[units.is_treated | units.is_control]
        n_parts, together = int(generator.integers(2, 8)), int(generator.integers(2, 5))
        for is_pool_cut in (True, False):
            side, named = (is_pool, who) if is_pool_cut else (~is_pool, arrow.column("unit").to_numpy())
            marked = arrow.append_column("is_pool_cut", pa.array([is_pool_cut] * arrow.num_rows))
            assert in_parts(work, marked, side, (named * 31 + 7) % 11 % n_parts, n_parts, together) == expected


@pytest.mark.parametrize("is_merge", [False, True])
def test_a_task_that_is_run_again_gives_the_same_bytes_in_whatever_order_parcels_come(is_merge: bool):
    """Spark takes a stage for indeterminate where they differ, and after the loss of an executor gives up the match."""
    matching = Matching(score="logit", score_scale="logit", person="person", caliper=1.0)
    table = pd.concat([some_table(np.random.default_rng(seed)) for seed in range(9)], ignore_index=True)
    table["id"] = np.random.default_rng(1).permutation(len(table))
    units = read_units(table, matching, seed=1)
    work = Work(matching, measure_reach(units, matching), measure_metric(units, matching), EXACTLY, 1)
    arrow = in_arrow(table, units, matching).append_column("is_pool_cut", pa.array([True] * len(table)))
    for name in ("task", "slot"):
        arrow = arrow.append_column(name, pa.array([0] * len(table), pa.int32()))
    parcels = [made for batch in arrow.to_batches(max_chunksize=40) for made in pack_parcels(iter([batch]))]
    assert len(parcels) > 5
    step = reducer(work, 2, is_merge)
    made = [step(iter(parcels[start:] + parcels[:start])) for start in range(3)]
    first, *others = (sorted(parcel for batch in batches for parcel in batch["parcel"].to_pylist()) for batches in made)
    assert len(first) > 1
    assert others == [first, first]


@pytest.mark.parametrize("is_pool_cut", [True, False])
def test_losers_of_a_part_change_nothing_by_the_slow_way(is_pool_cut: bool):
    """What the cut rests on, without any of our kernels: 1,000 problems with persons, ratios, reuse and turns."""
    random = Random(7)
    for _ in range(1_000):
        n, n_persons = random.randint(2, 26), random.choice([4, 8, 60])
        keys = random.sample(range(n), n)
        units = [
            Candidate(i, random.randrange(n_persons), i % 2, random.randint(-4, 4), keys[i], random.random() < 0.5)
            for i in range(n)
        ]
        width, ratio, reuse = random.choice([0, 1, 2, 9]), random.choice([1, 1, 2, 3]), random.choice([1, 1, 2, None])
        turn = random.choice([None, lambda unit: 100 * unit.score + unit.key])

        def distance(t: Candidate, c: Candidate, width: int = width) -> int | None:
            return abs(t.score - c.score) if abs(t.score - c.score) <= width else None

        whole = pair_by_the_rules(units, distance, ratio, reuse, turn)
        cut = [unit for unit in units if unit.is_treated != is_pool_cut]
        stays = [unit for unit in units if unit.is_treated == is_pool_cut]
        kept = []
        for number in range(3):
            part = [unit for unit in cut if (unit.person if is_pool_cut else unit.unit) % 3 == number]
            won = pair_by_the_rules(stays + part, distance, ratio, reuse, turn)
            served = {units[unit].person for found in won.values() for unit in found}
            kept += [unit for unit in part if (unit.person in served if is_pool_cut else unit.unit in won)]
        assert pair_by_the_rules(stays + kept, distance, ratio, reuse, turn) == whole


@pytest.mark.parametrize("merged", ["exactly", "approximately"])
def test_parts_that_are_searched_approximately(monkeypatch: pytest.MonkeyPatch, merged: str):
    """Nobody is lost, nearly nothing of the distances is, no pair is called proven and none told twice."""
    monkeypatch.setattr("counterpart.matching.task.LONGEST_EXACT", 600 if merged == "exactly" else 0)
    monkeypatch.setattr("counterpart.numerics.approximate.FEW_COMPARISONS", 0)
    generator = np.random.default_rng(5)
    n_treated, n = 150, 4_000
    names = tuple(f"x{k}" for k in range(6))
    table = pd.DataFrame(generator.normal(size=(n, 6)), columns=names)
    table = table.assign(id=np.arange(n), treated=np.arange(n) < n_treated)
    matching = Matching(distance="mahalanobis", covariates=names, caliper=None, search="ann", recall=0.9)
    units = read_units(table, matching, seed=0)
    exact = Work(matching, measure_reach(units, matching), measure_metric(units, matching), EXACTLY, 0)
    arrow = in_arrow(table, units, matching).append_column("is_pool_cut", pa.array([True] * n))
    part = table.id.to_numpy() % 3
    rows = [
        run_parts(work, arrow, ~units.is_treated, part, n_parts=3, most_together=2)
        for work in (exact, replace(exact, search=Search(0.9, "asked for")))
    ]
    best, found = (content_of(some) for some in rows)
    assert [row[1] for row in found] == [row[1] for row in best]
    assert len({row[2] for row in found}) == n_treated
    assert sum(row[3] for row in best) <= sum(row[3] for row in found) < 1.02 * sum(row[3] for row in best)
    told = {name: tally_of(rows[1], name) for name in ("n_unproven", "n_audited", "n_found")}
    assert told["n_unproven"] == n_treated
    assert 0.9 * told["n_audited"] <= told["n_found"] <= told["n_audited"]
    # Three parts, their two merges and the last.
    assert told["n_audited"] == (3 if merged == "exactly" else 6) * n_treated


def test_a_unit_of_a_person_that_serves_is_kept_though_another_served():
    """The person of c1 and c2 serves t1 with c1 in its part; of all, t1 has c3, and c2 serves t2."""
    table = pd.DataFrame(
        {
            "id": [1, 2, 11, 12, 13],
            "treated": [True, True, False, False, False],
            "person": [1, 2, 7, 7, 8],
            "logit": [0.0, 3.0, 0.5, 4.0, 0.25],
        }
    )
    matching = Matching(score="logit", score_scale="logit", caliper=1.0, caliper_scale="raw", person="person")
    units = read_units(table, matching, seed=0)
    work = Work(matching, measure_reach(units, matching), None, EXACTLY, 0)
    arrow = in_arrow(table, units, matching).append_column("is_pool_cut", pa.array([True] * 5))
    part = np.array([0, 0, 0, 0, 1])
    found = in_parts(work, arrow, ~units.is_treated, part, n_parts=2, most_together=2)
    assert {row[1:3] for row in found} == {(1, 13), (2, 12)}


def test_an_id_that_is_there_twice_is_counted_through_all_rounds():
    matching = Matching(score="logit", score_scale="logit", caliper=None)
    table = pd.DataFrame({"id": [1, 11, 12, 13], "treated": [True, False, False, False], "logit": [0.0, 1.0, 2.0, 3.0]})
    units = read_units(table, matching, seed=0)
    work = Work(matching, measure_reach(units, matching), None, EXACTLY, 0)
    arrow = in_arrow(table.assign(id=[1, 11, 11, 13]), units, matching)
    parcels = []
    for slot, rows in enumerate(([0, 1, 2], [0, 3])):
        here = arrow.take(rows).append_column("is_pool_cut", pa.array([True] * len(rows)))
        for name, value in (("task", 0), ("slot", slot)):
            here = here.append_column(name, pa.array([value] * len(rows), pa.int32()))
        parcels += pack_parcels(iter(here.to_batches()))
    merged = run_tasks(parcels, "slot", reducer(work, 2, is_merge=False))
    assert tally_of(run_tasks(merged, "task", solver(work)), "n_repeated") == 1


def test_what_no_row_can_count_is_told_in_several():
    told = {"true": 5 * 2**62 + 1, "listed": 2**62, "n_found": 0}
    rows = _tally_rows(pa.int64(), told).to_batches()
    assert {name: tally_of(rows, name) for name in told} == told


@pytest.mark.parametrize(
    ("n_parts", "most_together", "rounds"), [(2, 2, (2, 1)), (15, 7, (4, 2)), (8, 2, (2, 3)), (5, 5, (5, 1))]
)
def test_rounds_are_few_and_merges_small(n_parts: int, most_together: int, rounds: tuple[int, int]):
    chosen = choose_rounds(n_parts, most_together)
    assert (chosen.n_together, chosen.n_rounds) == rounds
