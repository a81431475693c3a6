"""Nearest controls in several dimensions: short lists that are proven, from float32 tiles and exact distances.

Everybody lies on a line (strata, and the score where there is a caliper), so the candidates of a treated row are a
window of control rows. A tile of float32 distances, block of treated rows by stretch of controls, only proposes: what
it proposes is measured again in float64 and rounded to a whole number, and a list ends where the float32 error could
hide somebody better (`_certain_below`). What lies beyond is asked for exactly when it is needed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from counterpart.numerics.compiled import compiled, compiled_in_place, compiled_inexact
from counterpart.numerics.pairs import FIXED_ONE, LOWEST_KEY, NOBODY, Indices, Longs

Floats = npt.NDArray[np.float64]


NOTHING_MORE = np.int64(2**63 - 1)
ROWS, COLUMNS = 256, 2_048
_CHUNK = 64


class Rows(NamedTuple):
    """Distinct rows of an arm in the order of their positions on the line.

    `point` (n, d) are coordinates, `box` (n, b) the values that further calipers bound, `person` a code (NOBODY: none
    that the other arm has).
    """

    position: Longs
    point: Floats
    box: Floats
    person: Indices


class Space(NamedTuple):
    """Both arms, the window [first, last) of control rows of each treated row, and the widths of the box (b,)."""

    treated: Rows
    controls: Rows
    first: Longs
    last: Longs
    widths: Floats


class Lists(NamedTuple):
    """For each treated row the nearest control rows, ascending by (distance, key): shape (n, list length).

    Everybody not listed comes at or after (`bound`, `bound_key`); NOTHING_MORE: nobody else is there.
    """

    row: Indices
    distance: Longs
    length: Indices
    bound: Longs
    bound_key: Longs


def open_space(treated: Rows, controls: Rows, reach: int, widths: Floats) -> Space:
    """The windows: controls at most `reach` away on the line."""
    first = np.searchsorted(controls.position, treated.position - reach)
    last = np.searchsorted(controls.position, treated.position + reach, side="right")
    return Space(treated, controls, first, last, widths)


@compiled_in_place
def distance_between(a: Floats, b: Floats) -> int:
    """The distance that decides: float64, summed in the order of the coordinates, to the nearest 2^-31."""
    total = 0.0
    for k in range(len(a)):
        total += (a[k] - b[k]) * (a[k] - b[k])
    return np.int64(np.rint(math.sqrt(total) * FIXED_ONE))


@compiled_in_place
def may_pair(space: Space, i: int, j: int) -> bool:
    """Two persons, and inside every further caliper."""
    if space.treated.person[i] != NOBODY and space.treated.person[i] == space.controls.person[j]:
        return False
    is_inside = True
    for k in range(len(space.widths)):
        is_inside &= abs(space.treated.box[i, k] - space.controls.box[j, k]) <= space.widths[k]
    return is_inside


class Rough(NamedTuple):
    """The points of both arms as float32, less the middle of the controls: good for ranking only."""

    treated: Any
    controls: Any


def round_points(space: Space) -> Rough:
    """Points as float32. Their middle may differ with the order of rows: other proposals, the same findings."""
    points = (space.treated.point, space.controls.point)
    middle = points[1].mean(axis=0) if len(points[1]) else np.zeros(points[0].shape[1])
    return Rough(*[(arm - middle).astype(np.float32) for arm in points])


def list_nearest(space: Space, rough: Rough, length: int) -> Lists:
    """First lists of everybody, of the length given; what of them is proven lies before `bound`."""
    n, d = space.treated.point.shape
    ours, theirs = rough
    # With a column of ones against their squares, one matrix product gives |c|^2 - 2 t.c.
    left, right = np.hstack([ours, np.ones((n, 1), dtype=np.float32)]), _cut_columns(theirs)
    value = np.full((n, length), np.inf, dtype=np.float32)
    row = np.full((n, length), NOBODY, dtype=np.int32)
    room = np.empty((ROWS, right.shape[2]), dtype=np.float32)
    for top in range(0, n, ROWS):
        block = left[top : top + ROWS]
        begin, end = int(space.first[top : top + ROWS].min()), int(space.last[top : top + ROWS].max())
        for stretch in range(begin // COLUMNS, -(-end // COLUMNS)):
            tile = room[: len(block)]
            np.matmul(block, right[stretch], out=tile)
            _keep_smallest(space, tile, top, stretch * COLUMNS, value, row)
    squares = np.square(ours.astype(np.float64)).sum(axis=1)
    lists = Lists(row, np.zeros((n, length), np.int64), np.zeros(n, np.int32), np.zeros(n, np.int64), _lowest_keys(n))
    _measure(space, lists, value, squares, certainty(d))
    return lists


def _cut_columns(points: Any) -> Any:
    """-2 c and |c|^2 as columns, in stretches that lie together in memory: (stretch, d + 1, COLUMNS)."""
    n, d = points.shape
    cut = np.zeros((-(-n // COLUMNS), d + 1, COLUMNS), dtype=np.float32)
    for stretch in range(len(cut)):
        part = points[stretch * COLUMNS : (stretch + 1) * COLUMNS]
        cut[stretch, :d, : len(part)] = -2 * part.T
        cut[stretch, d, : len(part)] = np.square(part).sum(axis=1)
    return cut


def _lowest_keys(n: int) -> Longs:
    return np.full(n, LOWEST_KEY, dtype=np.int64)


def certainty(d: int) -> float:
    """C such that a float32 square is off by at most c (2|t| + distance)^2: rounding of d + 4 terms, twice over."""
    return 2 * (d + 4) * 2.0**-23


@compiled
def _keep_smallest(space: Space, tile: Any, top: int, start: int, value: Any, row: Indices) -> None:
    """The smallest of each treated row's window so far, from the tile of rows from `top` and columns from `start`."""
    length = value.shape[1]
    for b in range(tile.shape[0]):
        i = top + b
        end = min(space.last[i] - start, tile.shape[1])
        worst = value[i, length - 1]
        for first in range(max(space.first[i] - start, 0), end, _CHUNK):
            chunk = tile[b, first : min(first + _CHUNK, end)]
            # Nearly always nobody: a loop of comparisons alone runs sixteen at once.
            is_any = False
            for j in range(len(chunk)):
                is_any |= chunk[j] < worst
            if not is_any:
                continue
            for j in range(len(chunk)):
                if chunk[j] < worst and may_pair(space, i, start + first + j):
                    place = length - 1
                    while place > 0 and value[i, place - 1] > chunk[j]:
                        value[i, place], row[i, place] = value[i, place - 1], row[i, place - 1]
                        place -= 1
                    value[i, place], row[i, place] = chunk[j], start + first + j
                    worst = value[i, length - 1]


@compiled_in_place
def insert(lists: Lists, i: int, n: int, distance: int, j: int) -> None:
    """Control row j into the list of treated row i, which has n entries, by distance; behind those as far."""
    place = n
    while place > 0 and lists.distance[i, place - 1] > distance:
        lists.distance[i, place], lists.row[i, place] = lists.distance[i, place - 1], lists.row[i, place - 1]
        place -= 1
    lists.distance[i, place], lists.row[i, place] = distance, j


@compiled
def _measure(space: Space, lists: Lists, value: Any, squares: Floats, c: float) -> None:
    """Exact distances, sorted; the list cut where somebody unlisted could be as near. `length` 0: nobody proven."""
    width = value.shape[1]
    for i in range(len(squares)):
        n = 0
        for e in range(width):
            j = lists.row[i, e]
            if j == NOBODY:
                break
            distance = distance_between(space.treated.point[i], space.controls.point[j])
            insert(lists, i, n, distance, j)
            n += 1
        lists.bound[i] = NOTHING_MORE
        if n == width:
            lists.bound[i] = _certain_below(np.float64(value[i, width - 1]), squares[i], c)
        lists.length[i] = n


@compiled_in_place
def _certain_below(worst: float, square: float, c: float) -> int:
    """All unlisted are at least so far: their float32 square was at least `worst` + |t|^2, up to its error."""
    seen = max(worst + square, 0.0)
    margin = 2 * math.sqrt(square) + math.sqrt(seen)
    return np.int64(np.floor(math.sqrt(max(seen - c * margin * margin, 0.0)) * FIXED_ONE * (1 - 1e-12)))


@compiled_inexact
def _roughly(a: Any, b: Any) -> float:
    total = np.float32(0)
    for k in range(len(a)):
        total += (a[k] - b[k]) * (a[k] - b[k])
    return total


@compiled
def list_exactly(
    space: Space,
    rough: Rough,
    i: int,
    lists: Lists,
    is_open: Any,
    owner: Indices,
    key: Longs,
    barred: Indices,
) -> None:
    """A new list for one treated row, of control rows whose owner `is_open` and not `barred`, exact whatever ties."""
    width, n = lists.row.shape[1], 0
    keys = np.empty(width, dtype=np.int64)
    limit = np.inf
    for j in range(space.first[i], space.last[i]):
        if not is_open[owner[j]] or _roughly(rough.treated[i], rough.controls[j]) > limit:
            continue
        is_barred = False
        for k in range(len(barred)):
            is_barred |= barred[k] == owner[j]
        if is_barred or not may_pair(space, i, j):
            continue
        distance = distance_between(space.treated.point[i], space.controls.point[j])
        if n == width and (distance, key[j]) > (lists.distance[i, n - 1], keys[n - 1]):
            continue
        place = n if n < width else width - 1
        while place > 0 and (lists.distance[i, place - 1], keys[place - 1]) > (distance, key[j]):
            lists.distance[i, place], lists.row[i, place] = lists.distance[i, place - 1], lists.row[i, place - 1]
            keys[place] = keys[place - 1]
            place -= 1
        lists.distance[i, place], lists.row[i, place], keys[place] = distance, j, key[j]
        n = min(n + 1, width)
        if n == width:
            # Whoever is half a unit further is as far, once rounded, and may have the smaller key.
            farthest = (lists.distance[i, n - 1] + 0.5) / FIXED_ONE
            # Float32 coordinates, differences and sums: never off by more than this.
            limit = _limit_of(farthest, rough.treated[i], len(rough.treated[i]))
    lists.length[i] = n
    is_all = n < width
    lists.bound[i] = NOTHING_MORE if is_all else lists.distance[i, n - 1]
    lists.bound_key[i] = LOWEST_KEY if is_all else keys[n - 1]


@compiled_in_place
def _limit_of(farthest: float, point: Any, d: int) -> float:
    size = 0.0
    for k in range(d):
        size += abs(np.float64(point[k]))
    # |difference of coordinates| is off by at most 2^-23 (|t_k| + distance); squared and summed, with room.
    error = 2.0**-22 * (size + farthest * math.sqrt(d))
    return (farthest + error) * (farthest + error) * (1 + (d + 4) * 2.0**-22)
