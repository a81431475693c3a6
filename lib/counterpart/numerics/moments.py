"""Cluster-robust variances from integer sums: exact, and blind to the order in which rows arrived.

A rate contrast depends on the data only through v = (events treated, days treated, events comparator, days
comparator). The variance of any smooth function f of the total of v is g'Mg, where g is the gradient of f and M the sum
over clusters of v v' (the linearised, or delta-method, sandwich). M is ten integers. Spark adds them up; what is here
is rational arithmetic, rounded once, when the result becomes a float.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Gradient = tuple[Fraction, Fraction, Fraction, Fraction]

COMPONENTS = ("events_treated", "days_treated", "events_comparator", "days_comparator")
# The upper triangle of the symmetric 4 x 4 matrix M, row by row: the order of `ClusterMoments.products`.
PRODUCTS = tuple(combinations_with_replacement(range(len(COMPONENTS)), 2))


@dataclass(frozen=True)
class ClusterMoments:
    """Number of clusters, and the sums over them of the products of v, in the order of `PRODUCTS`."""

    n_clusters: int
    products: tuple[int, ...]


@dataclass(frozen=True)
class Clusters:
    """The moments of one contrast by member, and for matched units also by set and by set x member."""

    member: ClusterMoments
    matched_set: ClusterMoments | None = None
    set_and_member: ClusterMoments | None = None


@dataclass(frozen=True)
class RobustVariance:
    """A positive variance and the clustering it comes from: 'member', 'set' or 'set_and_member' (both ways)."""

    value: float
    clustered_by: str


def sum_products(v: ArrayLike, clusters: ArrayLike) -> ClusterMoments:
    """Integer v (units x `COMPONENTS`) and the cluster of each unit -> moments. What Spark computes, on arrays."""
    keys, member_of = np.unique(np.asarray(clusters), return_inverse=True)
    totals = np.zeros((len(keys), len(COMPONENTS)), dtype=np.int64)
    np.add.at(totals, member_of, np.asarray(v, dtype=np.int64))
    return ClusterMoments(len(keys), tuple(int(totals[:, i] @ totals[:, j]) for i, j in PRODUCTS))


def cluster_variance(moments: ClusterMoments, gradient: Gradient) -> Fraction | None:
    """One-way cluster-robust variance G/(G-1) g'Mg (Liang & Zeger 1986). None with fewer than two clusters."""
    if moments.n_clusters < 2:
        return None
    form = sum(
        (1 if i == j else 2) * gradient[i] * gradient[j] * product
        for (i, j), product in zip(PRODUCTS, moments.products, strict=True)
    )
    return Fraction(moments.n_clusters, moments.n_clusters - 1) * form


def robust_variance(clusters: Clusters, gradient: Gradient) -> RobustVariance | None:
    """The variance to build an interval on; None where the data show no spread between clusters at all.

    Crude: one way, by member. Matched: two ways, V(set) + V(member) - V(set x member) (Cameron, Gelbach & Miller 2011),
    which also covers a member who is the comparator of one set and the treated of another. That difference can be zero
    or negative in small samples; then the larger of the two one-way variances stands in, and `clustered_by` says so.
    """
    by_member = cluster_variance(clusters.member, gradient)
    if clusters.matched_set is None or clusters.set_and_member is None:
        return _first_positive([(by_member, "member")])
    by_set = cluster_variance(clusters.matched_set, gradient)
    by_both = cluster_variance(clusters.set_and_member, gradient)
    if by_member is None or by_set is None or by_both is None:
        return None
    one_way = sorted([(by_set, "set"), (by_member, "member")], reverse=True)
    return _first_positive([(by_set + by_member - by_both, "set_and_member"), *one_way])


def _first_positive(candidates: Sequence[tuple[Fraction | None, str]]) -> RobustVariance | None:
    for variance, clustered_by in candidates:
        if variance is not None and variance > 0:
            return RobustVariance(float(variance), clustered_by)
    return None
