"""Sorting units along the line, and finding those near others."""

from __future__ import annotations

import numpy as np
import pytest

from counterpart.errors import DataError
from counterpart.numerics.line import (
    LONGEST_LINE,
    choose_radius,
    gaps_to,
    lay_out,
    mark_around,
    sample_units,
    select_marked,
    sort_along,
)


@pytest.mark.parametrize(
    "width", [1, 50, 2**40, LONGEST_LINE - 1], ids=["all tied", "ties", "packed", "too wide to pack"]
)
def test_units_lie_by_position_then_number(width: int):
    dice = np.random.default_rng(1)
    positions = dice.integers(-width // 2, width // 2, 3_000)
    units = np.flatnonzero(dice.random(9_000) < 1 / 3)[: len(positions)].astype(np.int32)
    positions = positions[: len(units)]
    order = np.lexsort((units, positions))
    ours = sort_along(units, positions)
    assert ours[0].tolist() == units[order].tolist()
    assert ours[1].tolist() == positions[order].tolist()


@pytest.mark.parametrize("radius", [0, 7, 1_000, 2**60])
@pytest.mark.parametrize("width", [200, 2**50, 2**61])
def test_all_within_the_radius_are_found_and_few_others(radius: int, width: int):
    dice = np.random.default_rng(2)
    around = np.sort(dice.integers(-width, width, 20))
    # Off the line at the end: as units of a stratum that nobody looks in.
    positions = np.r_[dice.integers(-width, width, 2_000), around + radius, around - radius, [-(2**62)] * 3]
    marks = mark_around(around, radius)
    units, found = select_marked(marks, positions)
    near = np.abs(positions[:, None] - around[None, :]).min(axis=1)
    assert found.tolist() == positions[units].tolist()
    assert set(np.flatnonzero(near <= radius)) <= set(units)
    assert near[units].max() <= radius + (1 << marks.shift)
    assert (np.diff(units) > 0).all()


def test_more_units_than_a_block():
    positions = np.arange(3 * 2**20) % 1_000
    units, found = select_marked(mark_around(np.array([500]), 0), positions)
    assert units.tolist() == np.flatnonzero(positions == 500).tolist()
    assert set(found) == {500}


def test_a_radius_has_as_many_sampled_units_as_wanted():
    positions = np.arange(0, 1_000, 10)
    gaps = gaps_to(np.array([100, 500]), sample_units(positions))
    assert sorted(gaps)[:6] == [0, 0, 10, 10, 10, 10]
    radius = choose_radius(gaps, 6)
    assert np.count_nonzero(gaps < radius) >= 6
    assert radius == 21
    assert choose_radius(gaps, len(gaps)) == LONGEST_LINE
    assert choose_radius(gaps[:0], 0) == LONGEST_LINE


def test_more_strata_than_fit_on_the_line_are_told():
    strata = np.arange(300_000)
    scores = np.where(strata == 7, 2_000, 0) << 31
    assert lay_out(scores, -scores, (strata, strata), caliper=1 << 31).reach == 1 << 31
    with pytest.raises(DataError, match="300,000 strata are too many for scores that are so far apart"):
        lay_out(scores, -scores, (strata, strata), caliper=None)
