"""Logistic regression against published coefficients, and the obstacles it must name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from counterpart.numerics.logistic import LogisticFit, fit_logistic

# The published coefficients have nine digits; the optimum is found to more than that.
PUBLISHED_DIGITS = 1e-8


def fit(columns: dict[str, np.ndarray], is_positive: np.ndarray, weights: np.ndarray | None = None, **settings):
    design = sparse.csc_array(np.column_stack(list(columns.values())).astype(float))
    defaults = {"ridge": 0.0, "min_units": 1, "max_iterations": 100}
    weights = np.ones(len(is_positive)) if weights is None else weights
    return fit_logistic(design, is_positive.astype(bool), weights, **(defaults | settings))


def named(columns: dict[str, np.ndarray], result: LogisticFit) -> dict[str, str]:
    return {list(columns)[column]: reason for column, reason in result.left_out.items()}


@pytest.fixture
def units() -> dict[str, np.ndarray]:
    """400 units with two covariates that matter and an outcome they do not determine."""
    generator = np.random.default_rng(11)
    age, visits = generator.integers(20, 80, 400), generator.poisson(2.0, 400)
    logit = 0.03 * (age - 50) + 0.4 * (visits - 2)
    return {"age": age, "visits": visits, "positive": generator.random(400) < 1 / (1 + np.exp(-logit))}


@pytest.mark.realdata
def test_lalonde_coefficients(public_claims: Path):
    """R: treat ~ age + educ + race + married + nodegree + re74 + re75, the baseline race being black."""
    lalonde = pd.read_csv(public_claims / "causal" / "lalonde.csv")
    races = {race: (lalonde.race == race).to_numpy() for race in ("hispan", "white")}
    rest = ("married", "nodegree", "re74", "re75")
    columns = {name: lalonde[name].to_numpy() for name in ("age", "educ")} | races
    columns |= {name: lalonde[name].to_numpy() for name in rest}
    found = fit(columns, lalonde.treat.to_numpy())
    expected = [0.0157770710, 0.161306877, -2.08173412, -3.06536773, -0.832113271, 0.707296881, -7.17766857e-05]
    assert found.intercept == pytest.approx(-1.66328159, rel=PUBLISHED_DIGITS)
    assert found.coefficients == pytest.approx([*expected, 5.34464464e-05], rel=PUBLISHED_DIGITS)
    assert found.converged
    assert (found.left_out, found.separated, found.n_extreme) == ({}, (), 0)


def test_two_by_two_table_has_the_log_odds_in_closed_form():
    exposed = np.repeat([1, 1, 0, 0], [30, 10, 20, 60])
    positive = np.repeat([1, 0, 1, 0], [30, 10, 20, 60])
    found = fit({"exposed": exposed}, positive)
    assert found.intercept == pytest.approx(np.log(20 / 60), abs=1e-9)
    assert found.coefficients == pytest.approx([np.log(30 / 10) - np.log(20 / 60)], abs=1e-9)
    # 30 x 60 pairs are ordered, 30 x 10 + 20 x 60 tied.
    assert found.c_statistic == pytest.approx((30 * 60 + (30 * 10 + 20 * 60) / 2) / (50 * 70))


def test_a_weight_is_a_number_of_copies(units):
    columns = {"age": units["age"], "visits": units["visits"]}
    copies = np.where(units["positive"], 1, 3)
    weighted = fit(columns, units["positive"], copies.astype(float), ridge=1.0)
    repeated = {name: np.repeat(values, copies) for name, values in columns.items()}
    spelled_out = fit(repeated, np.repeat(units["positive"], copies), ridge=1.0)
    assert weighted.coefficients == pytest.approx(spelled_out.coefficients, rel=1e-7)
    assert weighted.intercept == pytest.approx(spelled_out.intercept, rel=1e-7)


def test_the_ridge_shrinks_and_leaves_the_intercept_alone(units):
    columns = {"age": units["age"], "visits": units["visits"]}
    free, ridged, tied = (fit(columns, units["positive"], ridge=ridge) for ridge in (0.0, 100.0, 1e9))
    assert (np.abs(ridged.standardised) < np.abs(free.standardised)).all()
    assert tied.intercept == pytest.approx(np.log(units["positive"].mean() / (1 - units["positive"].mean())), abs=1e-4)


def test_columns_that_carry_nothing_are_left_out_by_name(units):
    n = len(units["age"])
    columns = {
        "nothing": np.zeros(n),
        "always_seven": np.full(n, 7),
        "age": units["age"],
        "seldom": np.arange(n) < 4,
        "nearly_all": np.arange(n) >= 4,
        "visits": units["visits"],
        "age_in_months": 12 * units["age"],
        "sum": units["age"] + units["visits"],
    }
    found = fit(columns, units["positive"], min_units=5)
    assert named(columns, found) == {
        "nothing": "constant",
        "always_seven": "constant",
        "seldom": "rare",
        "nearly_all": "rare",
        "age_in_months": "collinear",
        "sum": "collinear",
    }
    alone = fit({"age": units["age"], "visits": units["visits"]}, units["positive"])
    assert found.coefficients[[2, 5]] == pytest.approx(alone.coefficients, rel=1e-8)
    assert not found.coefficients[[0, 1, 3, 4, 6, 7]].any()


def test_the_last_level_of_a_category_is_the_reference(units):
    region = np.arange(400) % 3
    columns = {f"region={level}": region == level for level in range(3)}
    assert named(columns, fit(columns, units["positive"])) == {"region=2": "collinear"}


def test_a_rare_level_does_not_become_the_reference(units):
    """3 of 400 are neither F nor M. Left out as rare, they would otherwise be what F and M are both compared with."""
    sex = np.where(np.arange(400) < 3, "U", np.where(np.arange(400) % 2, "F", "M"))
    columns = {f"sex={level}": sex == level for level in "FMU"}
    assert named(columns, fit(columns, units["positive"], min_units=20)) == {"sex=M": "collinear", "sex=U": "rare"}


@pytest.mark.parametrize(("with_flag", "separated"), [(2, ()), (0, (1,))])
def test_what_treated_have_and_hardly_a_comparator_is_no_combination_of_the_others(with_flag, separated):
    """However much a sampled comparator weighs: by weight, the flag is one of the rarest things there are."""
    age = np.random.default_rng(3).normal(50, 10, 44_300)
    positive = np.arange(44_300) < 4_300
    flag = (np.arange(44_300) < 100) | (np.arange(44_300) >= 44_300 - with_flag)
    weights = np.where(positive, 1.0, 25.0)
    found = fit({"age": age, "flag": flag}, positive, weights, ridge=1.0, min_units=20)
    assert found.left_out == {}
    assert found.coefficients[1] > 2
    assert found.separated == separated


def test_separation_is_named_and_without_a_ridge_left_out(units):
    positive = units["positive"]
    columns = {
        "age": units["age"],
        "only_positive": positive & (np.arange(400) % 5 == 0),
        "all_positive": positive | (np.arange(400) % 3 == 0),
    }
    free, ridged = fit(columns, positive), fit(columns, positive, ridge=1.0)
    assert named(columns, free) == {"only_positive": "separated", "all_positive": "separated"}
    assert ridged.left_out == {}
    assert free.separated == ridged.separated == (1, 2)
    assert np.isfinite(ridged.coefficients).all()


@pytest.mark.parametrize(("ridge", "separated"), [(0.0, (0, 1)), (1.0, ())])
def test_separation_by_two_columns_together_shows_in_the_fit(ridge, separated):
    """No column separates alone: the outcome is whether a exceeds b. A ridge keeps the coefficients small."""
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=(2, 300))
    found = fit({"a": a, "b": b}, a > b, ridge=ridge, max_iterations=200)
    assert found.separated == separated
    assert found.is_separated
    assert (found.n_extreme > 0) == (ridge == 0)
    assert found.c_statistic == 1.0


@pytest.mark.parametrize("ridge", [0.0, 1.0])
@pytest.mark.parametrize("fewest", [2, 3], ids=["touching", "apart"])
def test_a_number_that_ends_in_one_arm_where_it_begins_in_the_other_separates(ridge, fewest):
    """3 to 8 (or 2 to 8) visits in all 1,000 treated, 1 to 2 in 20,000 comparators."""
    generator = np.random.default_rng(8)
    positive = np.arange(21_000) < 1_000
    visits = np.where(positive, generator.integers(fewest, 9, 21_000), generator.integers(1, 3, 21_000))
    weights = np.where(positive, 1.0, 5.0)
    found = fit({"age": generator.normal(50, 10, 21_000), "visits": visits}, positive, weights, ridge=ridge)
    assert found.separated == (1,)
    assert found.left_out == ({1: "separated"} if ridge == 0 else {})
    assert found.is_separated == (ridge > 0 and fewest == 3)


def test_negative_numbers_beside_zeros_do_not_separate(units):
    """Zero all through one outcome, below and above it in the other: the best coefficient is finite."""
    change = np.where(units["positive"], 0, np.where(np.arange(400) % 2, 3, -3))
    found = fit({"change": change}, units["positive"])
    assert (found.separated, found.is_separated, found.left_out) == ((), False, {})


def test_separation_is_not_made_of_equal_logits(units):
    found = fit({"nothing": np.zeros(400)}, units["positive"])
    assert not found.is_separated


def test_too_few_iterations_are_told(units):
    found = fit({"age": units["age"], "visits": units["visits"]}, units["positive"], max_iterations=1)
    assert not found.converged


def test_no_column_leaves_the_share(units):
    found = fit({"nothing": np.zeros(400)}, units["positive"])
    share = units["positive"].mean()
    assert found.intercept == pytest.approx(np.log(share / (1 - share)), rel=1e-12)
    assert found.converged
    assert found.c_statistic == 0.5
