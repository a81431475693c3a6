"""Cluster-robust variances against statsmodels, closed forms and hand-made cases."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpart.numerics.moments import (
    COMPONENTS,
    ClusterMoments,
    Clusters,
    RobustVariance,
    cluster_variance,
    robust_variance,
    sum_products,
)

ONE = (Fraction(1), Fraction(0), Fraction(0), Fraction(0))
LOG_RATIO = (Fraction(1, 2), Fraction(-1, 60), Fraction(-1, 4), Fraction(1, 90))

vectors = st.lists(st.tuples(*[st.integers(0, 10**6)] * 4), min_size=2, max_size=12)


def test_moments_of_three_units_in_two_clusters():
    v = [(1, 10, 0, 0), (0, 0, 2, 20), (3, 30, 0, 0)]
    moments = sum_products(v, ["a", "a", "b"])
    # a = (1, 10, 2, 20), b = (3, 30, 0, 0)
    assert moments == ClusterMoments(2, (1 + 9, 10 + 90, 2, 20, 100 + 900, 20, 200, 4, 40, 400))


def test_the_form_is_the_sum_of_squared_cluster_influences():
    v = np.array([(1, 30, 0, 0), (1, 30, 0, 0), (0, 0, 3, 45), (0, 0, 1, 45)])
    clusters = np.array([1, 2, 1, 3])
    influence = v @ [float(g) for g in LOG_RATIO]
    by_cluster = [influence[clusters == cluster].sum() for cluster in (1, 2, 3)]
    variance = cluster_variance(sum_products(v, clusters), LOG_RATIO)
    assert float(variance) == pytest.approx(3 / 2 * np.square(by_cluster).sum(), rel=1e-14)


@settings(derandomize=True, max_examples=10)
@given(vectors, st.randoms(use_true_random=False))
def test_the_order_of_units_and_the_names_of_clusters_do_not_matter(v, random):
    clusters = [index % 3 for index in range(len(v))]
    rows = list(zip(v, clusters, strict=True))
    random.shuffle(rows)
    shuffled = sum_products([row for row, _ in rows], [f"cluster {7 - cluster}" for _, cluster in rows])
    assert shuffled == sum_products(v, clusters)


@settings(derandomize=True, max_examples=10)
@given(vectors)
def test_a_variance_is_never_negative_and_scales_with_the_square(v):
    moments = sum_products(v, range(len(v)))
    doubled = tuple(2 * part for part in LOG_RATIO)
    variance = cluster_variance(moments, LOG_RATIO)
    assert variance >= 0
    assert cluster_variance(moments, doubled) == 4 * variance


@pytest.mark.parametrize("n_clusters", [0, 1])
def test_one_cluster_has_no_variance(n_clusters):
    moments = ClusterMoments(n_clusters, (1,) * 10)
    assert cluster_variance(moments, ONE) is None
    assert robust_variance(Clusters(moments), ONE) is None
    assert robust_variance(Clusters(ClusterMoments(2, (1,) * 10), moments, moments), ONE) is None


def of_form(form: int) -> ClusterMoments:
    """Moments whose variance for the gradient `ONE` is 2 x form: two clusters, so G/(G-1) = 2."""
    return ClusterMoments(2, (form,) + (0,) * 9)


@pytest.mark.parametrize(
    ("by_member", "by_set", "by_both", "expected"),
    [
        (5, 4, 3, RobustVariance(12.0, "set_and_member")),
        (5, 4, 9, RobustVariance(10.0, "member")),  # two ways: 0
        (4, 5, 10, RobustVariance(10.0, "set")),  # two ways: negative
        (4, 4, 9, RobustVariance(8.0, "set")),  # a tie is decided by name
        (0, 0, 0, None),
    ],
)
def test_two_ways_and_what_stands_in_when_they_fail(by_member, by_set, by_both, expected):
    assert robust_variance(Clusters(of_form(by_member), of_form(by_set), of_form(by_both)), ONE) == expected


def test_components_are_in_the_order_of_the_gradient():
    assert COMPONENTS == ("events_treated", "days_treated", "events_comparator", "days_comparator")
