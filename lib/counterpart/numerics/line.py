"""Arms on a line: strata laid end to end, units sorted, and controls that no treated unit can want left out.

A stratum is a stretch of the line, further from the next than any pair may be apart: a kernel that knows positions
only cannot pair across strata.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from counterpart.errors import DataError
from counterpart.numerics.compiled import compiled
from counterpart.numerics.pairs import Flags, Indices, Longs

LONGEST_LINE = 2**62
MOST_CELLS = 2**25
_OFF_THE_LINE = np.int64(-(2**62))
_BLOCK = 2**20


class Positions(NamedTuple):
    """Where the units of both arms lie, and how far apart a pair may be at most. All BIGINT."""

    treated: Longs
    controls: Longs
    reach: int


class Marks(NamedTuple):
    """Cells of the line, 2^shift wide from `origin` on, one bit each: set where somebody near is wanted."""

    origin: int
    shift: int
    n_cells: int
    bits: npt.NDArray[np.uint8]


def lay_out(treated: Longs, controls: Longs, strata: tuple[Longs, Longs] | None, caliper: int | None) -> Positions:
    """Positions of scores (in their own unit, below 2^62 in size). `strata` are codes of both arms, None: one stratum.

    DataError when the strata together are longer than the line: 2^62, as 300,000 strata that 2,000 logits apart may
    pair in are, for each is taken to be as long as the caliper, or without one as all scores are apart.
    """
    low = int(min((side.min() for side in (treated, controls) if len(side)), default=0))
    high = int(max((side.max() for side in (treated, controls) if len(side)), default=0))
    if low <= -LONGEST_LINE or high >= LONGEST_LINE or high - low >= LONGEST_LINE:
        raise ValueError("a score is 2^62 or more in size; differences would overflow")
    reach = high - low if caliper is None else min(caliper, high - low)
    if strata is None:
        return Positions(treated, controls, reach)
    codes = distinct(strata[0])
    lowest, highest = np.full(len(codes), high, dtype=np.int64), np.full(len(codes), low, dtype=np.int64)
    code_of_treated, code_of_controls = _codes(codes, strata[0]), _codes(codes, strata[1])
    _measure_strata(code_of_treated, treated, lowest, highest)
    if len(codes) * (2 * reach + 2) + sum(int(h) - int(w) for h, w in zip(highest, lowest, strict=True)) > LONGEST_LINE:
        raise DataError(
            f"matching: {len(codes):,} strata are too many for scores that are so far apart and may be paired; set a "
            "caliper, or a narrower one, or bound the scores"
        )
    start = np.cumsum(np.r_[0, (highest - lowest) + 2 * reach + 2])[:-1] + reach + 1
    placed = (_place(code_of_treated, treated, lowest, highest, start, reach), code_of_controls)
    return Positions(placed[0], _place(placed[1], controls, lowest, highest, start, reach), reach)


def distinct(values: Longs) -> Longs:
    """Ascending; sorted, because NumPy's own way, which hashes, takes ten times as long where many are equal."""
    in_order = np.sort(values)
    return in_order[np.r_[True, in_order[1:] != in_order[:-1]]] if len(values) else in_order


def _codes(known: Longs, strata: Longs) -> Indices:
    """Positions among the known strata, -1 for others."""
    if not len(known):
        return np.full(len(strata), -1, dtype=np.int32)
    place = np.minimum(np.searchsorted(known, strata), len(known) - 1)
    return np.where(known[place] == strata, place, -1).astype(np.int32)


@compiled
def _measure_strata(codes: Indices, scores: Longs, lowest: Longs, highest: Longs) -> None:
    for i in range(len(codes)):
        lowest[codes[i]] = min(lowest[codes[i]], scores[i])
        highest[codes[i]] = max(highest[codes[i]], scores[i])


@compiled
def _place(codes: Indices, scores: Longs, lowest: Longs, highest: Longs, start: Longs, reach: int) -> Longs:
    placed = np.empty(len(codes), dtype=np.int64)
    for i in range(len(codes)):
        code = codes[i]
        if code < 0 or scores[i] < lowest[code] - reach or scores[i] > highest[code] + reach:
            placed[i] = _OFF_THE_LINE
        else:
            placed[i] = start[code] + (scores[i] - lowest[code])
    return placed


def sort_along(units: Indices, positions: Longs) -> tuple[Indices, Longs]:
    """Units, given in the order of their numbers, by (position, number), and their positions.

    Both are packed into one long where they fit: sorting longs is far cheaper than sorting by them.
    """
    if len(units) == 0:
        return units, positions
    low, bits = int(positions.min()), int(units[-1]).bit_length()
    if int(positions.max()) - low >= 2 ** (63 - bits):
        order = np.argsort(positions, kind="stable")
        return units[order], positions[order]
    packed = positions - low
    packed <<= bits
    packed |= units
    packed.sort()
    sorted_units = np.empty(len(units), dtype=np.int32)
    np.bitwise_and(packed, 2**bits - 1, out=sorted_units, casting="unsafe")
    packed >>= bits
    packed += low
    return sorted_units, packed


def sort_runs(order: Indices, is_first: Flags, keys: Longs) -> None:
    """Units of each run by key, in place; a run begins where `is_first`."""
    # Sorted by NumPy and dealt: a sort and slices inside the kernel took a third of the time in which all compile.
    is_among_others = ~is_first
    is_among_others[:-1] |= is_among_others[1:]
    units = order[is_among_others]
    if len(units):
        run = (np.cumsum(is_first) - 1)[is_among_others]
        _deal(order, np.flatnonzero(is_first), units, run, np.argsort(keys[units], kind="stable"))


@compiled
def _deal(order: Indices, next_place: Longs, units: Indices, run: Longs, by_key: Longs) -> None:
    for i in by_key:
        order[next_place[run[i]]] = units[i]
        next_place[run[i]] += 1


def mark_around(sorted_positions: Longs, radius: int) -> Marks:
    """Cells within the radius of the positions given (at least one, ascending), and a little more."""
    first, last = int(sorted_positions[0]) - radius, int(sorted_positions[-1]) + radius
    narrowest = max(radius // 4, (last - first) // MOST_CELLS, 1)
    shift = math.floor(math.log2(narrowest)) if narrowest > 1 else 0
    while ((last - first) >> shift) + 1 > 2 * MOST_CELLS:
        shift += 1
    n_cells = ((last - first) >> shift) + 1
    bits = np.zeros(n_cells // 8 + 1, dtype=np.uint8)
    _set_bits(bits, sorted_positions, radius, first, shift)
    return Marks(first, shift, n_cells, bits)


@compiled
def _set_bits(bits: Any, positions: Longs, radius: int, origin: int, shift: int) -> None:
    done = np.int64(-1)
    for position in positions:
        last = (position + radius - origin) >> shift
        for cell in range(max((position - radius - origin) >> shift, done + 1), last + 1):
            bits[cell >> 3] |= np.uint8(1 << (cell & 7))
        done = last


def select_marked(marks: Marks, positions: Longs) -> tuple[Indices, Longs]:
    """The units in marked cells, and their positions."""
    # Memory comes from NumPy, a block at a time: fresh pages cost more than the search, and NumPy asks for large ones.
    length = min(len(positions), _BLOCK)
    units, places = np.empty(length, dtype=np.int32), np.empty(length, dtype=np.int64)
    found = [(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64))]
    for start in range(0, len(positions), _BLOCK):
        block = positions[start : start + _BLOCK]
        n = _select(marks.bits, marks.origin, marks.shift, marks.n_cells, block, start, units, places)
        found.append((units[:n].copy(), places[:n].copy()))
    return np.concatenate([units for units, _ in found]), np.concatenate([places for _, places in found])


@compiled
def _select(
    bits: Any, origin: int, shift: int, n_cells: int, positions: Longs, first: int, units: Indices, places: Longs
) -> int:
    # All without a sign: a cell below the first is one far beyond the last, whose bit is never set.
    n_found, outside = np.uint64(0), np.uint64(n_cells)
    for i in range(len(positions)):
        cell = min(np.uint64(positions[i] - origin) >> np.uint64(shift), outside)
        # Written always, kept where marked: no branch for the processor to guess.
        units[n_found] = first + i
        places[n_found] = positions[i]
        n_found += np.uint64((bits[cell >> np.uint64(3)] >> (cell & np.uint64(7))) & np.uint64(1))
    return n_found


class PositionSample(NamedTuple):
    """Evenly spaced units of an arm by position, `rate` of all. From it speed is decided, nothing else."""

    unit: Indices
    position: Longs
    rate: float


def sample_units(positions: Longs) -> PositionSample:
    """Some 16,000 units, or all where they are fewer."""
    units = np.arange(0, len(positions), max(1, len(positions) // 16_384), dtype=np.int32)
    order = np.argsort(positions[units], kind="stable")
    return PositionSample(units[order], positions[units[order]], len(units) / len(positions) if len(positions) else 1.0)


def gaps_to(sorted_positions: Longs, sample: PositionSample) -> Longs:
    """How far each sampled unit is from the nearest of the positions given (at least one, ascending)."""
    place = np.searchsorted(sorted_positions, sample.position)
    below = sorted_positions[np.maximum(place - 1, 0)]
    above = sorted_positions[np.minimum(place, len(sorted_positions) - 1)]
    return np.minimum(np.abs(sample.position - below), np.abs(above - sample.position))


def choose_radius(gaps: Longs, n_sampled: int) -> int:
    """The radius inside which so many sampled units lie; 2^62 where there are not so many."""
    return LONGEST_LINE if n_sampled >= len(gaps) else int(np.partition(gaps, n_sampled)[n_sampled]) + 1
