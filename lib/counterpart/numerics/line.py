"""Arms on a line: strata laid end to end, units sorted, and controls that no treated unit can want left out.

A stratum is a stretch of the line, further from the next than any pair may be apart: a kernel that knows positions
only cannot pair across strata.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from counterpart.numerics.compiled import compiled
from counterpart.numerics.pairs import Flags, Indices, Longs

LONGEST_LINE = 2**62
MOST_CELLS = 2**25
_OFF_THE_LINE = np.int64(-(2**62))


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

    ValueError when the strata together are longer than the line: 2^62, as 100,000 strata of 2,000 logits are.
    """
    low = int(min((side.min() for side in (treated, controls) if len(side)), default=0))
    high = int(max((side.max() for side in (treated, controls) if len(side)), default=0))
    if low <= -LONGEST_LINE or high >= LONGEST_LINE or high - low >= LONGEST_LINE:
        raise ValueError("a score is 2^62 or more in size; differences would overflow")
    reach = high - low if caliper is None else min(caliper, high - low)
    if strata is None:
        return Positions(treated, controls, reach)
    codes = np.unique(strata[0])
    lowest, highest = np.full(len(codes), high, dtype=np.int64), np.full(len(codes), low, dtype=np.int64)
    code_of_treated, code_of_controls = _codes(codes, strata[0]), _codes(codes, strata[1])
    _measure_strata(code_of_treated, treated, lowest, highest)
    if len(codes) * (2 * reach + 2) + sum(int(h) - int(w) for h, w in zip(highest, lowest, strict=True)) > LONGEST_LINE:
        raise ValueError(f"{len(codes):,} strata of such scores do not fit on a line of 2^62")
    start = np.cumsum(np.r_[0, (highest - lowest) + 2 * reach + 2])[:-1] + reach + 1
    placed = (_place(code_of_treated, treated, lowest, highest, start, reach), code_of_controls)
    return Positions(placed[0], _place(placed[1], controls, lowest, highest, start, reach), reach)


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


def sort_units(positions: Longs, keys: Longs | None) -> Indices:
    """The units by (position, key); keys None: ties stay as they are.

    Position and number are packed into one long where they fit: sorting longs is far cheaper than sorting by them.
    """
    n_units = len(positions)
    if n_units == 0:
        return np.empty(0, dtype=np.int32)
    low, bits = int(positions.min()), n_units.bit_length()
    if int(positions.max()) - low < 2 ** (63 - bits):
        order = _unpack(np.sort(_pack(positions, low, bits)), bits)
    else:
        order = np.argsort(positions, kind="stable").astype(np.int32)
    if keys is not None:
        placed = positions[order]
        sort_runs(order, np.r_[True, placed[1:] != placed[:-1]], keys)
    return order


@compiled
def _pack(positions: Longs, low: int, bits: int) -> Longs:
    packed = np.empty(len(positions), dtype=np.int64)
    for i in range(len(positions)):
        packed[i] = ((positions[i] - low) << bits) | i
    return packed


@compiled
def _unpack(packed: Longs, bits: int) -> Indices:
    order, mask = np.empty(len(packed), dtype=np.int32), (np.int64(1) << bits) - 1
    for i in range(len(packed)):
        order[i] = packed[i] & mask
    return order


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


@compiled
def select_marked(marks: Marks, positions: Longs, people: Indices, spare: Any) -> Indices:
    """The units in marked cells whose person may still serve (`spare` empty: all may)."""
    bits, origin, shift, n_cells = marks.bits, marks.origin, marks.shift, marks.n_cells
    found, n_found = np.empty(65_536, dtype=np.int32), 0
    for start in range(0, len(positions), 32_768):
        end = min(start + 32_768, len(positions))
        if n_found + 32_768 > len(found):
            longer = np.empty(2 * len(found), dtype=np.int32)
            for j in range(n_found):
                longer[j] = found[j]
            found = longer
        for i in range(start, end):
            cell = (positions[i] - origin) >> shift
            is_inside = (cell >= 0) & (cell < n_cells)
            cell = cell if is_inside else 0
            # Written always, kept where marked: no branch for the processor to guess.
            found[n_found] = i
            n_found += is_inside & ((bits[cell >> 3] >> (cell & 7)) & 1)
    if len(spare):
        n_left = 0
        for j in range(n_found):
            found[n_left] = found[j]
            n_left += spare[people[found[j]]] > 0
        n_found = n_left
    return found[:n_found].copy()


def choose_radius(treated: Longs, controls: Longs, n_wanted: float) -> int:
    """A radius inside which a treated unit has about so many controls, from samples. It decides speed, nothing else."""
    sample = np.sort(controls[:: max(1, len(controls) // 16_384)])
    if len(sample) < 64:
        return LONGEST_LINE
    place = np.searchsorted(sample, treated[:: max(1, len(treated) // 1_024)])
    below, above = np.maximum(place - 8, 0), np.minimum(place + 8, len(sample) - 1)
    width = np.maximum(sample[above] - sample[below], 1).astype(np.float64)
    density = float(np.mean((above - below) / width)) * len(controls) / len(sample)
    return int(min(n_wanted / (2 * density), LONGEST_LINE)) + 1
