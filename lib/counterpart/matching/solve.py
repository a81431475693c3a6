"""From units to pairs: the caliper, the distance, the kernel that answers. Arrays in, arrays out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from counterpart.errors import DataError
from counterpart.matching.spread import FIXED_ONE, standard_deviation, sum_logits

if TYPE_CHECKING:
    from counterpart.matching.units import Longs, Units
    from counterpart.numerics.pairs import Pairs, Rules
    from counterpart.protocol import Matching


@dataclass(frozen=True)
class Reach:
    """How far apart the logits of a pair may be (2^-31; None: any), and the standard deviation that came of."""

    width_fixed: int | None
    logit_sd: float | None


@dataclass(frozen=True)
class Solution:
    """Sets of the units that were given counterparts (`focal`, treated unless the direction is reversed).

    `focal` and `partner` are rows of the table, one element per pair, by focal row and in the order won; `distance`
    in 2^-31. `alone` are the focal rows without a set, `reason` theirs as positions in `result.REASONS`. `n_looks`
    counts the kernel's steps.
    """

    focal: Longs
    partner: Longs
    distance: Longs
    alone: Longs
    reason: Longs
    n_looks: int


def measure_reach(units: Units, matching: Matching) -> Reach:
    """The caliper in fixed-point logits."""
    if units.logit is None:
        return Reach(None, None)
    treated, controls = sum_logits(units.logit[units.is_treated]), sum_logits(units.logit[units.is_control])
    scale = "overall" if matching.caliper_scale == "overall" else "pooled"
    sd_fixed = standard_deviation(treated, controls, scale)
    unit = FIXED_ONE if matching.caliper_scale == "raw" else sd_fixed
    width = None if matching.caliper is None else math.floor(matching.caliper * unit)
    return Reach(width, sd_fixed / FIXED_ONE if treated.n_units + controls.n_units > 1 else None)


def solve(units: Units, matching: Matching, reach: Reach) -> Solution:
    """The pairs and the reasons of who has none."""
    focal, pool = np.flatnonzero(units.is_treated), np.flatnonzero(units.is_control)
    if matching.direction == "control_to_treated":
        focal, pool = pool, focal
    pairs = _pair(units, matching, reach, focal, pool)
    n_won = np.bincount(pairs.treated, minlength=len(focal))
    has_set = n_won >= matching.min_ratio
    is_kept = has_set[pairs.treated]
    reason = np.where(pairs.in_reach, 2, np.where(_has_stratum(units, focal, pool), 1, 0))
    solution = Solution(
        focal=focal[pairs.treated[is_kept]],
        partner=pool[pairs.control[is_kept]],
        distance=pairs.distance[is_kept],
        alone=focal[~has_set],
        reason=reason[~has_set],
        n_looks=pairs.n_steps,
    )
    _hold_to_calipers(units, solution, reach, np.array(list(matching.calipers.values())))
    return solution


def _pair(units: Units, matching: Matching, reach: Reach, focal: Longs, pool: Longs) -> Pairs:
    if matching.distance == "score" and not matching.calipers:
        from counterpart.numerics.pairing import Side, pair_nearest

        sides = [
            Side(*[_part(column, rows) for column in (units.logit, units.key, units.stratum, units.person)])
            for rows in (focal, pool)
        ]
        return pair_nearest(sides[0], sides[1], reach.width_fixed, _rules(units, matching, focal))
    from counterpart.numerics.greedy import Cloud, pair_in_space

    point = _points(units, matching)
    columns = (point, units.key, units.logit, units.stratum, units.person, units.box)
    clouds = [Cloud(*[_part(column, rows) for column in columns]) for rows in (focal, pool)]
    widths = np.array(list(matching.calipers.values()), dtype=np.float64)
    return pair_in_space(clouds[0], clouds[1], reach.width_fixed, widths, _rules(units, matching, focal))


def _part(column: Any, rows: Longs) -> Any:
    return None if column is None else np.ascontiguousarray(column[rows])


def _rules(units: Units, matching: Matching, focal: Longs) -> Rules:
    from counterpart.numerics.pairs import Rules

    reuse = matching.reuse if matching.replace else 1
    if matching.order == "closest":
        return Rules(matching.ratio, reuse)
    key = units.key[focal]
    if matching.order == "data":
        by: tuple[Any, ...] = (key,)
    else:
        assert units.logit is not None, "the settings refuse this order without a score"
        by = (key, units.logit[focal] * (-1 if matching.order == "largest" else 1))
    turn = np.empty(len(focal), dtype=np.int64)
    turn[np.lexsort(by)] = np.arange(len(focal))
    return Rules(matching.ratio, reuse, turn)


def _points(units: Units, matching: Matching) -> npt.NDArray[np.float64]:
    """Coordinates whose straight distance is the one asked for, one row per unit."""
    if matching.distance == "score":
        assert units.logit is not None, "the settings refuse the distance score without a score"
        return (units.logit / FIXED_ONE)[:, None]
    from counterpart.numerics import whitening

    values, used = units.covariates, units.is_treated | units.is_control
    if not used.any():
        return values
    lowest, highest = values[used].min(axis=0), values[used].max(axis=0)
    grid = whitening.lay_grid(lowest, highest)
    arms = {"treated": [units.is_treated], "controls": [units.is_control]}
    chosen = arms.get(matching.covariance, [units.is_treated, units.is_control])
    covariance = whitening.covariance_of([whitening.sum_products(values[arm], grid) for arm in chosen], grid)
    try:
        if matching.distance == "euclidean":
            matrix = whitening.euclidean_map(covariance, lowest == highest)
        else:
            matrix = whitening.mahalanobis_map(covariance, matching.pseudo_inverse)
    except whitening.SingularCovariance as problem:
        raise DataError(_singular(matching, problem.covariate)) from None
    return np.asarray(whitening.transform(values, grid.centre, matrix))


def _singular(matching: Matching, covariate: int) -> str:
    name, arms = matching.covariates[covariate], matching.covariance
    where = "the units" if arms == "pooled" else f"the {arms}"
    if matching.distance == "euclidean":
        return f"matching: the covariate {name} has no spread in {where}, so it cannot be standardised; leave it out"
    return (
        f"matching: the covariance of {where} is singular: {name} is constant, or a combination of covariates before "
        "it; leave it out, or write pseudo_inverse: true"
    )


def _has_stratum(units: Units, focal: Longs, pool: Longs) -> npt.NDArray[np.bool_]:
    """Has the stratum of each focal unit a unit of another person in the pool?"""
    n_strata = int(units.stratum.max(initial=-1)) + 1
    person = units.person if units.person is not None else np.arange(len(units.stratum))
    first = np.full(n_strata, np.iinfo(np.int64).max)
    last = np.full(n_strata, -1)
    np.minimum.at(first, units.stratum[pool], person[pool])
    np.maximum.at(last, units.stratum[pool], person[pool])
    own, stratum = person[focal], units.stratum[focal]
    return np.asarray((last[stratum] >= 0) & ((first[stratum] != own) | (last[stratum] != own)))


def _hold_to_calipers(units: Units, solution: Solution, reach: Reach, widths: npt.NDArray[np.float64]) -> None:
    """RuntimeError if a pair lies outside a caliper: then the matching itself is wrong."""
    focal, partner = solution.focal, solution.partner
    is_outside = (np.abs(units.box[focal] - units.box[partner]) > widths).any(axis=1)
    if units.logit is not None and reach.width_fixed is not None:
        is_outside |= np.abs(units.logit[focal] - units.logit[partner]) > reach.width_fixed
    if is_outside.any():
        raise RuntimeError("matching returned a pair outside a caliper")
