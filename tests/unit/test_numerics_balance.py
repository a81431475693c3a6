"""Standardised differences, variance ratios and the worst covariate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from counterpart.numerics.balance import ArmSums, CovariateBalance, Imbalance, compare_arms, find_imbalance


def sums(*values: int) -> ArmSums:
    return ArmSums(len(values), sum(values), sum(value * value for value in values))


def test_amounts_use_the_sample_variance_of_before():
    """Before: means 3 and 6, variances 1 and 4, so the denominator is sqrt(2.5); after: means 3 and 4."""
    before = (sums(2, 3, 4), sums(4, 6, 8))
    assert compare_arms(*before, before, is_flag=False) == CovariateBalance(3.0, 6.0, -3 / 2.5**0.5, 0.25)
    after = (sums(2, 4), sums(4, 4))
    assert compare_arms(*after, before, is_flag=False) == CovariateBalance(3.0, 4.0, -1 / 2.5**0.5, None)


def test_flags_use_the_binomial_variance():
    """Shares 1/2 and 1/4: (0.25 + 0.1875) / 2 under the root."""
    before = (sums(1, 0), sums(1, 0, 0, 0))
    assert compare_arms(*before, before, is_flag=True) == CovariateBalance(0.5, 0.25, 0.25 / 0.21875**0.5, None)


@pytest.mark.parametrize("is_flag", [True, False])
def test_constant_covariates(is_flag):
    same, other = sums(1, 1, 1), sums(0, 0)
    assert compare_arms(same, same, (same, same), is_flag).smd == 0.0
    assert compare_arms(same, other, (same, other), is_flag).smd is None


@pytest.mark.parametrize("is_flag", [True, False])
def test_empty_arms(is_flag):
    some, nobody = sums(0, 1, 1), sums()
    assert compare_arms(nobody, nobody, (nobody, nobody), is_flag) == CovariateBalance(None, None, None, None)
    assert compare_arms(some, nobody, (some, nobody), is_flag) == CovariateBalance(2 / 3, None, None, None)


def test_large_amounts_lose_nothing():
    """Ten units around a billion cents that differ by single cents: doubles would find a variance of nonsense."""
    values = [10**12 + cent for cent in range(10)]
    treated = sums(*values)
    comparator = sums(*[value + 1 for value in values])
    balance = compare_arms(treated, comparator, (treated, comparator), is_flag=False)
    assert balance.smd == pytest.approx(-1 / np.arange(10).std(ddof=1), rel=1e-15)
    assert balance.variance_ratio == 1.0


def table(*rows: tuple[str, str, float | None, float | None, float | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["name", "phase", "mean_treated", "mean_comparator", "smd"])


def test_the_worst_covariate():
    balance = table(
        ("age", "before", 1, 2, -3.0),
        ("age", "after", 1, 2, 0.05),
        ("sex", "after", 1, 2, -0.2),
        ("cost", "after", 1, 2, 0.2),
        ("none", "after", 0, 0, 0.0),
    )
    assert find_imbalance(balance) == Imbalance("cost", 0.2, n_covariates=4, n_imbalanced=2, undefined=())
    assert find_imbalance(balance, "before") == Imbalance("age", 3.0, 1, 1, ())


def test_a_difference_without_a_number_is_named():
    balance = table(("only_treated", "after", 1.0, 0.0, None), ("age", "after", 1.0, 2.0, 0.05))
    assert find_imbalance(balance) == Imbalance("age", 0.05, 2, 1, ("only_treated",))


@pytest.mark.parametrize("balance", [table(), table(("age", "after", None, None, None))])
def test_nothing_to_compare(balance):
    assert find_imbalance(balance) == Imbalance(None, None, len(balance), 0, ())
