"""From units to pairs: the caliper, the distance, the kernel that answers. Arrays in, arrays out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from counterpart.errors import DataError
from counterpart.matching.cost import Search, choose_search, is_in_space, may_be_approximate
from counterpart.matching.spread import LogitSums, standard_deviation, sum_logits
from counterpart.numerics.pairs import FIXED_ONE

if TYPE_CHECKING:
    from counterpart.matching.units import Floats, Longs, Units
    from counterpart.numerics import whitening
    from counterpart.numerics.pairs import Audit, Pairs, Rules
    from counterpart.protocol import Matching

Ends = dict[str, npt.NDArray[np.float64]]
# A distance of fewer standard deviations is a whole number of 2^-31 below 2^62.
_FARTHEST = 2.0**31
# Steps of a grid, and whatever is divided by them, stay well inside the numbers there are.
_WIDEST = 2.0**900


@dataclass(frozen=True)
class Reach:
    """How far apart the logits of a pair may be (2^-31; None: any), and the standard deviation that came of."""

    width_fixed: int | None
    logit_sd: float | None


@dataclass(frozen=True)
class Solution:
    """Sets of the units that were given counterparts (`focal`, treated unless the direction is reversed).

    `focal` and `partner` are rows of the table, one element per pair, by focal row and in the order won; `distance`
    in 2^-31. `alone` are the focal rows without a set, `reason` theirs as positions in `result.REASONS`.
    `n_unproven` counts the pairs that an approximate search leaves unproven, `audit` says how well it found them;
    `n_searched_again` the lists of nearest controls that ran dry (None: on one score there are no lists).
    """

    focal: Longs
    partner: Longs
    distance: Longs
    alone: Longs
    reason: Longs
    n_unproven: int
    audit: Audit
    n_searched_again: int | None


@dataclass(frozen=True)
class Metric:
    """Coordinates whose straight distance is the one asked for: `matrix` (r, d) times covariates less `centre` (d,)."""

    centre: Floats
    matrix: Floats


def measure_reach(units: Units, matching: Matching) -> Reach:
    """The caliper in fixed-point logits."""
    if units.logit is None:
        return Reach(None, None)
    return reach_of(sum_logits(units.logit[units.is_treated]), sum_logits(units.logit[units.is_control]), matching)


def reach_of(treated: LogitSums, controls: LogitSums, matching: Matching) -> Reach:
    """The caliper from exact sums over both arms.

    `pooled`: root of the mean of the two arms' variances (Austin 2011, doi:10.1002/pst.433). `overall`: the standard
    deviation of all units, whatever their arm (MatchIt's).
    """
    scale = "overall" if matching.caliper_scale == "overall" else "pooled"
    sd_fixed = standard_deviation(treated, controls, scale)
    # Rounded down: what was asked for is never exceeded.
    unit = FIXED_ONE if matching.caliper_scale == "raw" else sd_fixed
    width = None if matching.caliper is None else math.floor(matching.caliper * unit)
    return Reach(width, sd_fixed / FIXED_ONE if treated.n_units + controls.n_units > 1 else None)


def measure_metric(units: Units, matching: Matching) -> Metric | None:
    """The metric of the covariates; None where the distance is that of the score, or an arm has nobody."""
    arms = {"treated": units.is_treated, "controls": units.is_control}
    if matching.distance == "score" or not all(arm.any() for arm in arms.values()):
        return None
    from counterpart.numerics import whitening

    values = {name: units.covariates[arm] for name, arm in arms.items()}
    ends = {name: np.stack([rows.min(axis=0), rows.max(axis=0)]) for name, rows in values.items()}
    grid = grid_of_ends(ends, matching)
    return metric_of(
        [whitening.sum_products(values[name], grid) for name in measured_arms(matching)], grid, ends, matching
    )


def measured_arms(matching: Matching) -> tuple[str, ...]:
    """The arms within which the covariance is taken."""
    return ("treated", "controls") if matching.covariance == "pooled" else (matching.covariance,)


def grid_of_ends(ends: Ends, matching: Matching) -> whitening.Grid:
    """The grid over the arms that are measured: values of another would make it coarse. DataError if it has no steps.

    `ends` are the lowest and the highest values of each covariate, (2, d), by arm.
    """
    from counterpart.numerics import whitening

    lowest, highest = _ends_of([ends[name] for name in measured_arms(matching)])
    width = _apart(lowest, highest)
    is_lost = (width > 0) & ((width < 1 / _WIDEST) | (width > _WIDEST))
    if is_lost.any():
        names = _named(matching, is_lost)
        raise DataError(f"matching: the range of {names} is too large or too small to compute with; give another unit")
    return whitening.lay_grid(lowest, highest)


def metric_of(sums: list[whitening.ProductSums], grid: whitening.Grid, ends: Ends, matching: Matching) -> Metric:
    """The metric from exact sums over the arms that are measured, and the `ends` of both.

    DataError for a covariance that has no inverse, and for values so far away that a distance would be too long.
    """
    from counterpart.numerics import whitening

    covariance = whitening.covariance_of(sums)
    lowest, highest = _ends_of(list(ends.values()))
    try:
        if matching.distance == "euclidean":
            numbers = whitening.euclidean_map(covariance, lowest == highest)
        else:
            numbers = whitening.mahalanobis_map(covariance, matching.pseudo_inverse)
    except whitening.SingularCovariance as problem:
        raise DataError(_singular(matching, problem.covariate)) from None
    matrix = numbers / grid.step
    _refuse_far(matrix, _apart(lowest, highest), matching)
    return Metric(grid.centre, matrix)


def _ends_of(arms: list[Floats]) -> tuple[Floats, Floats]:
    return np.min([lowest for lowest, _ in arms], axis=0), np.max([highest for _, highest in arms], axis=0)


def _apart(lowest: Floats, highest: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.minimum(highest - lowest, np.finfo(np.float64).max)


def _refuse_far(matrix: Floats, width: Floats, matching: Matching) -> None:
    with np.errstate(over="ignore"):
        share = np.abs(matrix) * width
        if math.hypot(*share.sum(axis=1)) < _FARTHEST:
            return
    arms = "the units" if matching.covariance == "pooled" else f"the {matching.covariance}"
    names = _named(matching, np.hypot.reduce(share, axis=0) >= _FARTHEST / len(width))
    raise DataError(
        f"matching: values of {names} are 2^31 standard deviations of {arms} or more apart, too far for distances that "
        "are kept to 2^-31; correct what is not a value (a 999999999), bound the others, or leave the covariate out"
    )


def _named(matching: Matching, is_meant: npt.NDArray[np.bool_]) -> str:
    return ", ".join(name for name, is_one in zip(matching.covariates, is_meant, strict=True) if is_one)


def coordinates_of(units: Units, metric: Metric | None) -> Floats:
    """The coordinates of each unit, one row per unit; without a metric, the logit alone, and without both nothing."""
    if metric is not None:
        from counterpart.numerics.whitening import transform

        return np.asarray(transform(units.covariates, metric.centre, metric.matrix))
    return np.zeros((len(units.key), 1)) if units.logit is None else (units.logit / FIXED_ONE)[:, None]


def count_compared(units: Units, matching: Matching) -> int:
    """Pairs of a unit that looks for counterparts and one of its stratum, whatever the caliper."""
    focal, pool = units.arms(matching.direction)
    n_strata = int(units.stratum.max(initial=-1)) + 1
    arms = [np.bincount(units.stratum[rows], minlength=n_strata).astype(np.float64) for rows in (focal, pool)]
    return int(arms[0] @ arms[1])


@dataclass(frozen=True)
class Solved:
    """The pairs, and how they were looked for."""

    reach: Reach
    search: Search
    solution: Solution


def solve_units(units: Units, matching: Matching) -> Solved:
    """Units that are here, all of them -> their pairs: the reach, the search and the metric are theirs. As `solve`."""
    reach = measure_reach(units, matching)
    search = choose_search(matching, count_compared(units, matching) if may_be_approximate(matching) else 0)
    return Solved(reach, search, solve(units, matching, reach, measure_metric(units, matching), search))


def solve(units: Units, matching: Matching, reach: Reach, metric: Metric | None, search: Search) -> Solution:
    """The pairs and the reasons of who has none."""
    focal, pool = units.arms(matching.direction)
    pairs = _pair(units, matching, reach, metric, search, focal, pool)
    n_won = np.bincount(pairs.treated, minlength=len(focal))
    has_set = n_won >= matching.min_ratio
    is_kept = has_set[pairs.treated]
    reason = np.where(pairs.in_reach, 2, np.where(units.has_counterpart[focal], 1, 0))
    solution = Solution(
        focal=focal[pairs.treated[is_kept]],
        partner=pool[pairs.control[is_kept]],
        distance=pairs.distance[is_kept],
        alone=focal[~has_set],
        reason=reason[~has_set],
        n_unproven=0 if pairs.is_doubtful is None else int(pairs.is_doubtful[pairs.treated[is_kept]].sum()),
        audit=pairs.audit,
        n_searched_again=pairs.n_steps if is_in_space(matching) else None,
    )
    _hold_to_calipers(units, solution, reach, np.array(list(matching.calipers.values())))
    return solution


def _pair(
    units: Units,
    matching: Matching,
    reach: Reach,
    metric: Metric | None,
    search: Search,
    focal: Longs,
    pool: Longs,
) -> Pairs:
    # All in one stratum need not be told apart.
    stratum = units.stratum if matching.exact else None
    if not is_in_space(matching):
        from counterpart.numerics.pairing import Side, pair_nearest

        sides = [
            Side(*[_part(column, rows) for column in (units.logit, units.key, stratum, units.person)])
            for rows in (focal, pool)
        ]
        return pair_nearest(sides[0], sides[1], reach.width_fixed, _rules(units, matching, focal))
    from counterpart.numerics.greedy import Cloud, pair_in_space

    point = coordinates_of(units, metric)
    columns = (point, units.key, units.logit, stratum, units.person, units.box)
    clouds = [Cloud(*[_part(column, rows) for column in columns]) for rows in (focal, pool)]
    widths = np.array(list(matching.calipers.values()), dtype=np.float64)
    rules = _rules(units, matching, focal)
    return pair_in_space(clouds[0], clouds[1], reach.width_fixed, widths, rules, recall=search.recall)


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


def _singular(matching: Matching, covariate: int) -> str:
    name, arms = matching.covariates[covariate], matching.covariance
    where = "the units" if arms == "pooled" else f"the {arms}"
    if matching.distance == "euclidean":
        return f"matching: the covariate {name} has no spread in {where}, so it cannot be standardised; leave it out"
    return (
        f"matching: the covariance of {where} is singular: {name} is constant, or a combination of covariates before "
        "it; leave it out, or write pseudo_inverse: true"
    )


def _hold_to_calipers(units: Units, solution: Solution, reach: Reach, widths: npt.NDArray[np.float64]) -> None:
    """RuntimeError if a pair lies outside a caliper: then the matching itself is wrong."""
    focal, partner = solution.focal, solution.partner
    is_outside = (np.abs(units.box[focal] - units.box[partner]) > widths).any(axis=1)
    if units.logit is not None and reach.width_fixed is not None:
        is_outside |= np.abs(units.logit[focal] - units.logit[partner]) > reach.width_fixed
    if is_outside.any():
        raise RuntimeError("matching returned a pair outside a caliper")
