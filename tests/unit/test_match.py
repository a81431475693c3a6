"""`match` on a table of one's own gives the pairs of the slow way for every setting."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.matched_units import table_of
from tests.oracles.matching import Candidate, pair_by_the_rules

from counterpart import Matched, Matching, match
from counterpart.matching.units import hash_ids
from counterpart.numerics.hashing import _hash_texts

ONE = 2**31
LIB = Path(__file__).resolve().parents[2] / "lib"


def small_table(generator: np.random.Generator) -> pd.DataFrame:
    """Few values everywhere, so that much ties; persons with several dates, some in both arms; missing strata."""
    n = int(generator.integers(2, 40))
    return pd.DataFrame(
        {
            "id": generator.permutation(n) * 104_729 - 10**6,
            "treated": generator.random(n) < 0.4,
            "person": generator.integers(0, generator.choice([5, 60]), n),
            "sex": np.array(["F", "M", None], dtype=object)[generator.integers(0, 3, n)],
            "logit": generator.integers(-4, 5, n) / 4,
            "age": generator.integers(0, 4, n).astype(float),
            "cost": generator.integers(0, 9, n).astype(float),
            "visit": generator.integers(0, 3, n),
        }
    )


def width_of(table: pd.DataFrame, matching: Matching) -> float:
    """The caliper in logits."""
    if matching.caliper is None:
        return math.inf
    arms = [table.logit[table.treated], table.logit[~table.treated]]
    treated, controls = (arm.var() if len(arm) > 1 else 0.0 for arm in arms)
    overall = table.logit.std() if len(table) > 1 else 0.0
    spread = {"raw": 1.0, "overall": overall, "pooled": math.sqrt((treated + controls) / 2)}
    return matching.caliper * spread[matching.caliper_scale]


def turns_of(candidates: list[Candidate], order: str) -> dict[int, int] | None:
    """The place of each treated unit where the settings give them an order."""
    if order == "closest":
        return None
    sign = {"largest": -1, "smallest": 1, "data": 0}[order]
    places = sorted((c for c in candidates if c.is_treated), key=lambda c: (sign * c.score, c.key))
    return {c.unit: i for i, c in enumerate(places)}


def by_the_rules(table: pd.DataFrame, matching: Matching, seed: int) -> dict[int, list[int]]:
    """The same by the slow way, with an inverse covariance instead of whitened values."""
    key = hash_ids(table.id, seed)
    if matching.tie_order:
        key = pd.Series(list(zip(table[matching.tie_order], key, strict=True))).rank().to_numpy(dtype=int)
    person = table.person if matching.person else table.index
    is_barred = ~table.treated & person.isin(person[table.treated]) if matching.one_role else np.zeros(len(table), bool)
    is_focal = table.treated if matching.direction == "treated_to_control" else ~table.treated
    candidates = [
        Candidate(
            int(i),
            person[i],
            tuple(str(table[name][i]) for name in matching.exact),
            round(table.logit[i] * ONE),
            key[i],
            bool(is_focal[i]),
        )
        for i in np.flatnonzero(~is_barred)
    ]
    width = width_of(table[~is_barred], matching)

    def distance(t: Candidate, c: Candidate) -> int | None:
        if abs(t.score - c.score) > width * ONE or any(
            abs(table[name][t.unit] - table[name][c.unit]) > most for name, most in matching.calipers.items()
        ):
            return None
        return abs(t.score - c.score)

    turns = turns_of(candidates, matching.order)
    turn = None if turns is None else lambda c: turns[c.unit]
    reuse = matching.reuse if matching.replace else 1
    won = pair_by_the_rules(candidates, distance, matching.ratio, reuse, turn)
    return {
        int(table.id[t]): [int(table.id[c]) for c in partners]
        for t, partners in won.items()
        if len(partners) >= matching.min_ratio
    }


def sets_of(result: Matched[pd.DataFrame]) -> dict[int, list[int]]:
    sets: dict[int, list[int]] = {}
    for row in result.pairs.itertuples():
        partner = row.control_id if row.set_id == row.treated_id else row.treated_id
        sets.setdefault(int(row.set_id), []).append(int(partner))
    return sets


@pytest.mark.parametrize(
    "settings",
    [
        {"exact": ("sex",)},
        {"exact": ("sex",), "caliper_scale": "overall", "ratio": 3},
        {"caliper": None, "person": None, "order": "largest"},
        {"order": "smallest", "ratio": 2, "min_ratio": 2},
        {"tie_order": "visit", "order": "data", "caliper": 0.5, "caliper_scale": "raw"},
        {"tie_order": "visit", "exact": ("sex", "age")},
        {"replace": True, "ratio": 2, "direction": "control_to_treated"},
        {"replace": True, "reuse": 2, "ratio": 2, "caliper": 1.0},
        {"one_role": True, "caliper": 0.26, "caliper_scale": "raw"},
        {"calipers": {"age": 1.0, "cost": 2.0}, "caliper": None, "exact": ("sex",)},
        {"calipers": {"cost": 3.0}, "caliper": 1.0, "ratio": 2, "order": "largest"},
    ],
    ids=str,
)
def test_many_tables_equal_the_slow_way(settings: dict[str, Any]):
    generator = np.random.default_rng(11)
    matching = Matching(**{"score": "logit", "score_scale": "logit", "person": "person"} | settings)
    n_pairs = 0
    for seed in range(120):
        table = small_table(generator)
        result = match(table, matching, seed)
        expected = by_the_rules(table, matching, seed)
        assert sets_of(result) == expected
        focal = table.id[table.treated == (matching.direction == "treated_to_control")]
        if not matching.one_role or matching.direction == "treated_to_control":
            assert set(expected) | set(result.unmatched.iloc[:, 0]) == set(focal)
        assert not set(expected) & set(result.unmatched.iloc[:, 0])
        shuffled = match(table.sample(frac=1, random_state=seed), matching, seed)
        assert sets_of(shuffled) == expected
        assert dict(shuffled.unmatched.itertuples(index=False)) == dict(result.unmatched.itertuples(index=False))
        n_pairs += len(result.pairs)
    assert n_pairs > 60


def test_a_worked_example():
    table = pd.DataFrame(
        {
            "id": ["t1", "t2", "t3", "t4", "c1", "c2", "c3"],
            "treated": [1, 1, 1, 1, 0, 0, 0],
            "sex": ["F", "F", "M", "F", "F", "F", "F"],
            "lp": [0.0, 1.0, 0.0, 9.0, 0.25, 0.5, 1.0],
        }
    )
    matching = Matching(score="lp", score_scale="logit", exact=("sex",), caliper=0.5, caliper_scale="raw", ratio=2)
    result = match(table, matching)
    # The first round gives t2 its twin c3 and t1 the nearest left, c1; in the second only c2 is left, as near to both.
    assert set(result.pairs.control_id) == {"c1", "c2", "c3"}
    assert result.unmatched.to_dict("list") == {
        "treated_id": ["t3", "t4"],
        "reason": ["no_exact_stratum", "outside_caliper"],
    }
    assert list(result.pairs.columns) == ["set_id", "treated_id", "control_id", "distance", "score_difference", "sex"]
    with_two = result.pairs.groupby("set_id").control_id.count().idxmax()
    weights = result.weights.groupby("set_id").weight.apply(list).to_dict()
    assert weights == {name: [1.0, 0.5, 0.5] if name == with_two else [1.0, 1.0] for name in ("t1", "t2")}
    assert result.summary["n_pairs"] == 3


def test_ties_fall_by_the_values_of_a_category_or_by_its_own_order():
    """Whatever the order of rows, from which pandas and Arrow take the order of categories that have none."""
    table = pd.DataFrame({"id": range(8), "treated": [1, 1, *[0] * 6], "ps": 0.5, "tie": list("edfabcgh")})
    by_value, by_category = {(1, 3), (0, 4)}, {(0, 7), (1, 6)}
    reverse = pd.CategoricalDtype(list("hgfedcba"), ordered=True)
    for seed in range(3):
        rows = table.sample(frac=1, random_state=seed, ignore_index=True)
        encoded = pa.array(rows.tie).dictionary_encode()
        kinds = [
            (rows.tie.astype(pd.CategoricalDtype(rows.tie.tolist())), by_value),
            (encoded.to_pandas(), by_value),
            (pd.Series(pd.arrays.ArrowExtensionArray(encoded)), by_value),
            (rows.tie.astype(reverse), by_category),
        ]
        for ties, expected in kinds:
            pairs = match(rows.assign(tie=ties), Matching(score="ps", tie_order="tie", caliper=None)).pairs
            assert set(zip(pairs.treated_id, pairs.control_id, strict=True)) == expected


def test_a_caliper_is_rounded_down_to_what_logits_keep():
    """0.4 and 0.7 are 0.3 and a unit apart once they are whole numbers of 2^-31."""
    table = pd.DataFrame({"id": [1, 2], "treated": [True, False], "lp": [0.4, 0.7]})
    settings = {"score": "lp", "score_scale": "logit", "caliper_scale": "raw"}
    assert [len(match(table, Matching(**settings, caliper=width)).pairs) for width in (0.3, 0.3000001)] == [0, 1]


@pytest.mark.parametrize(("n_treated", "n_controls"), [(0, 0), (0, 3), (3, 0), (5, 2)])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"calipers": {"x": 1.0}},
        {"distance": "euclidean", "covariates": ("x",)},
        {"distance": "euclidean", "covariates": ("x",), "covariance": "controls"},
        {"distance": "euclidean", "covariates": ("x",), "covariance": "treated", "score": None, "caliper": None},
    ],
    ids=str,
)
def test_arms_of_any_size(n_treated: int, n_controls: int, settings: dict[str, Any]):
    result = match(table_of(n_treated, n_controls), Matching(**{"score": "ps"} | settings))
    assert len(result.pairs) == min(n_treated, n_controls)
    assert len(result.unmatched) == max(n_treated - n_controls, 0)
    assert set(result.unmatched.reason) <= {"pool_exhausted" if n_controls else "no_exact_stratum"}


def test_hashes_are_xxhash64():
    """Published values of XXH64 with seed 0, from 0 to 39 bytes."""
    published = {
        "": 0xEF46DB3751D8E999,
        "a": 0xD24EC4F1A98C6E5B,
        "abc": 0x44BC2CF5AD770999,
        "Nobody inspects the spammish repetition": 0xFBCEA83C8A378BF1,
    }
    lengths = np.cumsum([0, *map(len, published)])
    content = np.frombuffer("".join(published).encode(), dtype=np.uint8)
    assert list(_hash_texts(lengths, content, np.uint64(0))) == list(published.values())


def test_neither_spark_nor_a_session_is_needed():
    script = (
        "import sys; sys.modules['pyspark'] = None\n"
        "import pandas as pd; from counterpart import Matching, match\n"
        "units = pd.DataFrame({'id': [1, 2], 'treated': [1, 0], 'ps': [.4, .41]})\n"
        "print(len(match(units, Matching(score='ps', caliper=None)).pairs))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=LIB, check=True)
    assert told.stdout.strip() == "1"


def test_100_000_tiny_strata():
    """Of three units each: every treated unit has the nearer of its two controls."""
    number = np.arange(100_000)
    arms = [
        pd.DataFrame({"id": 3 * number + i, "treated": i == 0, "stratum": number, "score": (number + i) * 0.001})
        for i in (0, 1, 2)
    ]
    matching = Matching(score="score", score_scale="logit", exact=("stratum",), caliper=1.0, caliper_scale="raw")
    pairs = match(pd.concat(arms, ignore_index=True), matching).pairs
    assert len(pairs) == 100_000
    assert (pairs.control_id == pairs.treated_id + 1).all()


@pytest.mark.parametrize("column", ["score", "age"])
def test_a_pair_outside_a_caliper_never_leaves(monkeypatch: pytest.MonkeyPatch, column: str):
    """A kernel that forgot a caliper would be found out."""
    from counterpart.matching import solve

    honest = solve._pair
    units = pd.DataFrame({"id": [1, 2], "treated": [True, False], "score": [0.0, 3.0], "age": [30.0, 70.0]})
    tight = {"score": {"caliper": 1.0}, "age": {"caliper": None, "calipers": {"age": 5.0}}}[column]
    settings = Matching(score="score", score_scale="logit", caliper_scale="raw", **tight)
    loose = Matching(score="score", score_scale="logit", caliper=None)
    assert match(units, settings).pairs.empty
    monkeypatch.setattr(
        solve, "_pair", lambda units, matching, reach, *rest: honest(units, loose, solve.Reach(None, None), *rest)
    )
    with pytest.raises(RuntimeError, match="outside a caliper"):
        match(units, settings)
