"""Distances in several dimensions are those of the textbook, in any unit; values too far away for any are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.matched_units import table_of

from counterpart import Matching, match
from counterpart.errors import DataError


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


def test_a_pseudo_inverse_on_request():
    table = table_of(2, 4).assign(x=[1.0, 2, 1, 2, 3, 5], y=[2.0, 4, 2, 4, 6, 10])
    matching = Matching(distance="mahalanobis", covariates=("x", "y"), caliper=None, pseudo_inverse=True)
    result = match(table, matching)
    assert list(result.pairs.control_id) == ["unit 2", "unit 3"]
    assert not result.pairs.distance.any()
