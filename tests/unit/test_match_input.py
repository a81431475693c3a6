"""What a table, its ids and a seed may be like, and plain words for those that no match can use."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.matched_units import table_of

from counterpart import Matching, match
from counterpart.errors import ContractError, DataError

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


def test_missing_columns_are_told_at_once():
    with pytest.raises(ContractError, match="no column score, region"):
        match(table_of(1, 1), Matching(score="score", exact=("region",)))
