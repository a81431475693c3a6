"""`match` on a table of one's own: the pairs of the slow way for every setting, and plain words for what is wrong."""

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
from tests.oracles.matching import Candidate, pair_by_the_rules

from counterpart import Matched, Matching, match
from counterpart.errors import ContractError, DataError
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

    turn = None
    if matching.order != "closest":
        sign = {"largest": -1, "smallest": 1, "data": 0}[matching.order]
        places = sorted((c for c in candidates if c.is_treated), key=lambda c: (sign * c.score, c.key))
        turns = {c.unit: i for i, c in enumerate(places)}
        turn = lambda c: turns[c.unit]  # noqa: E731  a name would not say more
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


@pytest.mark.parametrize("covariance", ["controls", "pooled", "treated"])
@pytest.mark.parametrize("distance", ["mahalanobis", "euclidean"])
def test_distances_are_those_of_the_textbook(distance: str, covariance: str):
    generator = np.random.default_rng(2)
    x = generator.standard_normal((300, 3)) @ np.array([[1, 0.5, 0], [0, 2, 0.3], [0, 0, 50]]) + [0, 10, 1000]
    table = pd.DataFrame(x, columns=["a", "b", "c"]).assign(id=np.arange(300), treated=np.arange(300) < 60)
    matching = Matching(caliper=None, distance=distance, covariance=covariance, covariates=("a", "b", "c"))
    arms = [np.cov(x[:60].T), np.cov(x[60:].T)]
    pooled = (59 * arms[0] + 239 * arms[1]) / 298
    matrix = {"treated": arms[0], "controls": arms[1], "pooled": pooled}[covariance]
    inverse = np.linalg.inv(np.diag(np.diag(matrix)) if distance == "euclidean" else matrix)
    result = match(table, matching)
    apart = x[result.pairs.treated_id] - x[result.pairs.control_id]
    assert len(result.pairs) == 60
    measured = np.sqrt(np.einsum("ij,jk,ik->i", apart, inverse, apart))
    assert result.pairs.distance.to_numpy() == pytest.approx(measured, abs=1e-6)
    every = (x[:60, None] - x[None, 60:]).reshape(-1, 3)
    nearest = np.sqrt(np.einsum("ij,jk,ik->i", every, inverse, every)).min()
    assert result.pairs.distance.min() == pytest.approx(nearest, abs=1e-6)


def measured_table() -> pd.DataFrame:
    """400 treated of 2,000."""
    x = np.random.default_rng(0).normal(size=(2_000, 2)) * [0.5, 1] + [5.5, 0]
    return pd.DataFrame(x, columns=["hba1c", "z"]).assign(id=np.arange(2_000), treated=np.arange(2_000) < 400)


@pytest.mark.parametrize("distance", ["mahalanobis", "euclidean"])
@pytest.mark.parametrize(("measured", "stray"), [("controls", 0), ("treated", 1_999)])
def test_an_arm_that_is_not_measured_changes_no_distance_of_others(measured: str, stray: int, distance: str):
    table = measured_table()
    settings = Matching(distance=distance, covariance=measured, covariates=("hba1c", "z"), caliper=None, replace=True)
    moved = table.assign(hba1c=table.hba1c.where(table.id != stray, 9.0 + 2**28))
    pairs = [match(units, settings).pairs for units in (table.drop(index=stray), moved)]
    assert len(pairs[0]) >= 399
    assert set(pairs[0].itertuples(index=False)) <= set(pairs[1].itertuples(index=False))


@pytest.mark.parametrize("power", [-700, -520, 520, 700])
@pytest.mark.parametrize("settings", [{"distance": "euclidean"}, {}, {"pseudo_inverse": True}], ids=str)
def test_the_unit_of_a_covariate_changes_no_distance(settings: dict[str, Any], power: int):
    """Powers of two, so that nothing is rounded; the squares of such numbers there are not."""
    table = measured_table()
    matching = Matching(**{"distance": "mahalanobis"} | settings, covariates=("hba1c", "z"), caliper=None)
    pairs = [match(units, matching).pairs for units in (table, table.assign(hba1c=table.hba1c * 2.0**power))]
    pd.testing.assert_frame_equal(*pairs)


@pytest.mark.parametrize("distance", ["mahalanobis", "euclidean"])
@pytest.mark.parametrize(
    ("hba1c", "covariance", "message"),
    [
        (2.0**40, "controls", "values of hba1c are 2^31 standard deviations of the controls or more apart"),
        (1.7e308, "controls", "values of hba1c are 2^31 standard deviations of the controls or more apart"),
        (-1e12, "controls", "values of hba1c are 2^31 standard deviations of the controls or more apart"),
        (1e300, "pooled", "the range of hba1c is too large or too small to compute with"),
    ],
)
def test_values_too_far_away_for_any_distance_are_told(hba1c: float, covariance: str, distance: str, message: str):
    """A whole number of 2^-31 would have turned negative, and been the nearest."""
    table = measured_table()
    table.loc[0, "hba1c"] = hba1c
    matching = Matching(distance=distance, covariance=covariance, covariates=("z", "hba1c"), caliper=None)
    with pytest.raises(DataError) as problem:
        match(table, matching)
    assert message in str(problem.value)


def test_a_range_below_all_numbers_is_told():
    table = measured_table().assign(z=lambda t: t.z * 1e-300)
    with pytest.raises(DataError, match="the range of z is too large or too small"):
        match(table, Matching(distance="euclidean", covariates=("hba1c", "z"), caliper=None))


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


def table_of(n_treated: int, n_controls: int) -> pd.DataFrame:
    n = n_treated + n_controls
    ids = [f"unit {i}" for i in range(n)]
    return pd.DataFrame({"id": ids, "treated": np.arange(n) < n_treated, "ps": 0.5, "x": 1.0})


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


EUCLIDEAN = {"distance": "euclidean", "covariates": ("x",)}


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({"ps": [0.5, None, 0.5, 0.5]}, {}, "ps is missing in 1 to 10 of 1 to 10 units"),
        ({"ps": [0.5, 1.0, 0.0, 0.5]}, {}, "ps is not strictly between 0 and 1 in 1 to 10 of 1 to 10 units"),
        ({"ps": [0.5, math.inf, 0.0, 0.5]}, {"score_scale": "logit"}, "ps is not finite in 1 to 10 of 1 to 10 units"),
        ({"id": ["a", "b", "b", "b"]}, {}, "1 to 10 of 1 to 10 units have a value of id that another unit already has"),
        ({"id": [0.5, 1.5, 2.5, 3.5]}, {}, "id must be text or whole numbers"),
        ({"treated": [0, 1, 2, 1]}, {}, "treated must be true and false"),
        ({"x": ["a", "b", "c", "d"]}, {"calipers": {"x": 1.0}}, "x must hold numbers"),
        (
            {"x": [2**53, 2**53 - 1, 1, -(2**63)]},
            {"calipers": {"x": 0.0}},
            "(2^53) or more in size in 1 to 10 of 1 to 10 units",
        ),
        (
            {"x": pd.array([1, 2**60, 3, 5], "Int64")},
            EUCLIDEAN,
            "x is 9,007,199,254,740,992 (2^53) or more in size in 1",
        ),
        ({}, {"distance": "mahalanobis", "covariates": ("x",)}, "singular: x is constant"),
        (
            {"x": [1, 2, 3, 5], "y": [2, 4, 6, 10]},
            {"distance": "mahalanobis", "covariates": ("x", "y")},
            "singular: y is constant, or a combination of covariates before it",
        ),
    ],
)
def test_values_that_no_match_can_use_are_told_by_name_and_count(
    change: dict[str, Any], settings: dict[str, Any], message: str
):
    table = table_of(2, 2).assign(**change)
    with pytest.raises(DataError) as problem:
        match(table, Matching(score="ps", **settings))
    assert message in str(problem.value)
    assert "unit 1" not in str(problem.value)


def test_whole_numbers_up_to_what_floats_tell_apart_keep_a_caliper():
    table = table_of(1, 2).assign(x=[2**53 - 1, 2**53 - 3, 2**53 - 2])
    pairs = match(table, Matching(score="ps", calipers={"x": 1.0}, ratio=2)).pairs
    assert list(pairs.control_id) == ["unit 2"]
    assert len(match(table.assign(x=[1e300, 1e300, 2e300]), Matching(score="ps", calipers={"x": 1.0})).pairs) == 1


def test_an_index_may_be_called_as_a_column_and_name_no_row():
    table = table_of(2, 4).assign(sex=list("FMFMFM"), half=[0.5, None] * 3)
    matching = Matching(score="ps", exact=("sex", "half"), person="id", tie_order="x")
    expected = match(table, matching)
    for names in ("sex", "id", ["sex", "half"]):
        pd.testing.assert_frame_equal(match(table.set_index(names, drop=False), matching).pairs, expected.pairs)
    pd.testing.assert_frame_equal(match(table.set_axis([7] * 6), matching).pairs, expected.pairs)


@pytest.mark.parametrize("name", ["sex", "ps", "id", "treated", "x"])
def test_a_column_that_is_there_twice_is_refused(name: str):
    table = table_of(1, 1).assign(sex="F", other=1)
    matching = Matching(score="ps", exact=("sex",), calipers={"x": 1.0})
    with pytest.raises(ContractError, match=f"more than one column {name}$"):
        match(pd.concat([table, table[[name]]], axis=1), matching)
    assert len(match(pd.concat([table, table[["other"]]], axis=1), matching).pairs) == 1


@pytest.mark.parametrize("role", ["exact", "person", "tie_order"])
def test_lists_are_not_compared(role: str):
    table = table_of(1, 1).assign(x=[[1, 2], [1, 3]])
    with pytest.raises(DataError, match="x must hold values that can be compared, not lists"):
        match(table, Matching.model_validate({"score": "ps", role: ("x",) if role == "exact" else "x"}))


def test_a_float_is_missing_in_one_way():
    """What pandas lets be missing, and what is not a number, are one stratum, as on Spark."""
    both = pd.arrays.FloatingArray(np.array([1.0, np.nan, 1.0, 0.0]), np.array([False, False, False, True]))
    table = table_of(2, 2).assign(x=both)
    pairs = match(table, Matching(score="ps", exact=("x",))).pairs
    assert set(zip(pairs.treated_id, pairs.control_id, strict=True)) == {("unit 0", "unit 2"), ("unit 1", "unit 3")}


def test_ids_of_any_type_are_the_same_ids():
    """Whole numbers are, as objects and categories too: the same hashes, the same pairs."""
    table = table_of(4, 6).assign(id=np.arange(10) * 7)
    encoded = pa.array(table.id).dictionary_encode()
    kinds = [
        *[table.id.astype(kind) for kind in ("int16", "Int64", "int64[pyarrow]", object, "category")],
        pd.Series(pd.arrays.ArrowExtensionArray(encoded)),
    ]
    expected = match(table, Matching(score="ps")).pairs.control_id.tolist()
    for ids in kinds:
        assert match(table.assign(id=ids), Matching(score="ps")).pairs.control_id.tolist() == expected


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2**70], "id must be text or whole numbers"),
        ([1, "a"], "id must be text or whole numbers"),
        ([True, False], "id must be text or whole numbers"),
        (["a", "\ud800"], "id holds text that is not valid Unicode"),
    ],
)
def test_objects_that_are_no_ids(ids: list[Any], message: str):
    with pytest.raises(DataError, match=message):
        match(table_of(1, 1).assign(id=pd.Series(ids, dtype=object)), Matching(score="ps"))


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 1.9, "1", True, None])
def test_a_seed_is_a_whole_number_of_64_bits(seed: Any):
    with pytest.raises(ContractError, match=r"the seed must be a whole number from -2\^63 to 2\^63 - 1; it is "):
        match(table_of(1, 1), Matching(score="ps"), seed)


@pytest.mark.parametrize("seed", [2**63 - 1, -(2**63), np.int64(5), np.uint8(5)])
def test_the_largest_seeds_and_those_of_numpy(seed: Any):
    matching = Matching(score="ps", replace=True, reuse=10**9, ratio=2)
    assert len(match(table_of(2, 2), matching, seed).pairs) == 4


def test_a_pseudo_inverse_on_request():
    table = table_of(2, 4).assign(x=[1.0, 2, 1, 2, 3, 5], y=[2.0, 4, 2, 4, 6, 10])
    matching = Matching(distance="mahalanobis", covariates=("x", "y"), caliper=None, pseudo_inverse=True)
    result = match(table, matching)
    assert list(result.pairs.control_id) == ["unit 2", "unit 3"]
    assert not result.pairs.distance.any()


def test_missing_columns_are_told_at_once():
    with pytest.raises(ContractError, match="no column score, region"):
        match(table_of(1, 1), Matching(score="score", exact=("region",)))


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
