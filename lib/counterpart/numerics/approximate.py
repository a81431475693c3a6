"""Lists of nearest controls that are believed, not proven: an inverted file proposes, exact distances decide.

For windows so long that comparing everybody with everybody is the whole cost: controls are put into cells around
centroids, a treated row looks into the nearest cells only (Jegou, Douze & Schmid 2011, doi:10.1109/TPAMI.2010.57;
FAISS does it). How many cells is found by trial on rows that are searched exactly as well. What a list holds is
measured exactly, and a list that runs dry is made again exactly, so nobody is lost: only somebody nearer may be missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from counterpart.errors import EnvironmentProblem
from counterpart.numerics.compiled import compiled
from counterpart.numerics.neighbours import (
    NOTHING_MORE,
    Lists,
    Rough,
    Rows,
    Space,
    distance_between,
    insert,
    list_exactly,
    list_nearest,
    may_pair,
)
from counterpart.numerics.pairs import LOWEST_KEY, NO_AUDIT, NOBODY, Audit, Indices, Longs, sum_exactly

LIST_LENGTH = 32
# Fewer comparisons in a stretch than this take less time than an index of its controls.
FEW_COMPARISONS = 2e8
MOST_AUDITED = 400
_FIRST_PROBES = 8
BELIEVED = np.int64(2**63 - 1)
"""`bound_key` of a list that may lack somebody nearer than its bound."""


class Stretch(NamedTuple):
    """Treated rows `rows` whose windows together are the control rows `columns`, apart from all others."""

    rows: slice
    columns: slice


def list_approximately(space: Space, rough: Rough, wanted: float, key: Longs) -> tuple[Lists, Audit]:
    """Lists of length LIST_LENGTH, and what an exact search of some rows says of them.

    `wanted` is the share of rows whose nearest control must be found, `key` (by control row) decides ties. Stretches
    of few comparisons are listed exactly.
    """
    n = len(space.treated.position)
    lists = Lists(
        np.full((n, LIST_LENGTH), NOBODY, dtype=np.int32),
        np.zeros((n, LIST_LENGTH), dtype=np.int64),
        np.zeros(n, dtype=np.int32),
        np.full(n, NOTHING_MORE, dtype=np.int64),
        np.full(n, LOWEST_KEY, dtype=np.int64),
    )
    audit = NO_AUDIT
    for stretch in _stretches(space):
        part, part_rough = _part(space, rough, stretch)
        n_rows, n_columns = len(part.treated.position), len(part.controls.position)
        if float(n_rows) * n_columns <= FEW_COMPARISONS:
            _put(lists, list_nearest(part, part_rough, LIST_LENGTH), stretch)
        else:
            audit += _list_believed(part, part_rough, wanted, lists, stretch)
    _list_the_empty(space, rough, lists, key)
    return lists, audit


def find_doubtful(space: Space, lists: Lists, owner: Indices) -> Any:
    """The treated rows, one flag each, whose pairs nothing proves: those of stretches with a list that is believed.

    Whoever is missing in it may be whom somebody else of the stretch was given, however that was searched; a person
    (`owner`, by control row) with units in two stretches makes both doubtful.
    """
    is_doubtful = lists.bound_key == BELIEVED
    stretches = list(_stretches(space)) if is_doubtful.any() else []
    is_in_doubt = np.zeros(int(owner.max(initial=-1)) + 1, dtype=bool)
    n_before = -1
    while n_before < is_in_doubt.sum():
        n_before = is_in_doubt.sum()
        for rows, columns in stretches:
            if is_doubtful[rows].any() or is_in_doubt[owner[columns]].any():
                is_doubtful[rows], is_in_doubt[owner[columns]] = True, True
    return is_doubtful


def _stretches(space: Space) -> Iterator[Stretch]:
    """Rows whose windows overlap, one way or another; both arms are in the order of the line."""
    if not len(space.first):
        return
    is_new = np.r_[True, space.first[1:] >= np.maximum.accumulate(space.last)[:-1]]
    starts = np.r_[np.flatnonzero(is_new), len(space.first)]
    for begin, end in pairwise(starts):
        yield Stretch(slice(begin, end), slice(int(space.first[begin]), int(space.last[begin:end].max())))


def _part(space: Space, rough: Rough, stretch: Stretch) -> tuple[Space, Rough]:
    ours, theirs = stretch
    treated, controls = _rows(space.treated, ours), _rows(space.controls, theirs)
    first, last = space.first[ours] - theirs.start, space.last[ours] - theirs.start
    return Space(treated, controls, first, last, space.widths), Rough(rough.treated[ours], rough.controls[theirs])


def _rows(rows: Rows, chosen: Any) -> Rows:
    return Rows(*[np.ascontiguousarray(column[chosen]) for column in rows])


def _put(lists: Lists, found: Lists, stretch: Stretch) -> None:
    rows, column = stretch.rows, stretch.columns.start
    lists.row[rows] = np.where(found.row == NOBODY, NOBODY, found.row + column)
    lists.distance[rows], lists.length[rows] = found.distance, found.length
    lists.bound[rows], lists.bound_key[rows] = found.bound, found.bound_key


def _list_believed(part: Space, rough: Rough, wanted: float, lists: Lists, stretch: Stretch) -> Audit:
    """Lists of one stretch, from as few cells as find the share wanted of the audited rows' nearest."""
    n_rows = len(part.treated.position)
    index = _build_index(np.ascontiguousarray(rough.controls))
    audited = np.unique(np.linspace(0, n_rows - 1, min(MOST_AUDITED, n_rows)).astype(np.int64))
    true = _nearest_exactly(part, rough, audited)
    index.nprobe = min(_FIRST_PROBES, index.nlist)
    while True:
        audit = _compare(part, rough, index, audited, true)
        if audit.n_found >= wanted * audit.n_audited or index.nprobe == index.nlist:
            break
        index.nprobe = min(2 * index.nprobe, index.nlist)
    found = _search(index, rough.treated)
    rows = np.arange(stretch.rows.start, stretch.rows.stop)
    _believe(part, lists, found, rows, stretch.columns.start)
    return audit


def _load() -> Any:
    try:
        import faiss
    except ImportError:
        message = "matching: the approximate search needs FAISS: pip install 'counterpart[ann]', or take search: exact"
        raise EnvironmentProblem(message) from None
    return faiss


def _build_index(points: Any) -> Any:
    faiss = _load()
    n, d = points.shape
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, max(1, int(2 * math.sqrt(n))))
    # A sample that rows in another order would not change, whose size says what FAISS would otherwise warn of.
    index.cp.min_points_per_centroid = 1
    index.train(points[:: max(1, n // (64 * index.nlist))])
    index.add(points)
    return index


def _search(index: Any, points: Any) -> Any:
    return index.search(np.ascontiguousarray(points), LIST_LENGTH)[1]


def _nearest_exactly(part: Space, rough: Rough, audited: Longs) -> Longs:
    """The distance to the nearest control of each audited row; NOTHING_MORE where there is none."""
    some = Space(_rows(part.treated, audited), part.controls, part.first[audited], part.last[audited], part.widths)
    lists = list_nearest(some, Rough(rough.treated[audited], rough.controls), LIST_LENGTH)
    return np.where(lists.length > 0, lists.distance[:, 0], NOTHING_MORE)


def _compare(part: Space, rough: Rough, index: Any, audited: Longs, true: Longs) -> Audit:
    n = len(audited)
    own = Space(_rows(part.treated, audited), part.controls, part.first[audited], part.last[audited], part.widths)
    shape = (n, LIST_LENGTH)
    rows, distance = np.full(shape, NOBODY, dtype=np.int32), np.zeros(shape, dtype=np.int64)
    nothing = np.zeros(n, dtype=np.int64)
    lists = Lists(rows, distance, np.zeros(n, dtype=np.int32), nothing, nothing.copy())
    _believe(own, lists, _search(index, rough.treated[audited]), np.arange(n), 0)
    is_there = true != NOTHING_MORE
    is_listed = is_there & (lists.length > 0)
    # Of whom nobody is listed the nearest is found all the same: exactly, later.
    is_found = is_there & ((lists.length == 0) | (distance[:, 0] <= true))
    far = [sum_exactly(distances) for distances in (true[is_listed], distance[is_listed, 0])]
    return Audit(int(is_there.sum()), int(is_found.sum()), *far)


@compiled
def _believe(part: Space, lists: Lists, found: Any, rows: Longs, column: int) -> None:
    """Measure what was found and may pair; nearest first, and nobody unlisted is expected before the last."""
    for i in range(len(found)):
        g, n = rows[i], 0
        for e in range(found.shape[1]):
            j = found[i, e]
            if j < part.first[i] or j >= part.last[i] or not may_pair(part, i, j):
                continue
            distance = distance_between(part.treated.point[i], part.controls.point[j])
            insert(lists, g, n, distance, j + column)
            n += 1
        lists.length[g] = n
        lists.bound[g] = lists.distance[g, n - 1] if n > 0 else 0
        lists.bound_key[g] = BELIEVED if n > 0 else LOWEST_KEY


def _list_the_empty(space: Space, rough: Rough, lists: Lists, key: Longs) -> None:
    """Whether a row of which nobody was found has anybody is not a matter of belief."""
    n_controls = len(space.controls.position)
    is_open, owner = np.ones(n_controls, dtype=bool), np.arange(n_controls, dtype=np.int32)
    nobody: Indices = np.empty(0, dtype=np.int32)
    for i in np.flatnonzero((lists.length == 0) & (lists.bound != NOTHING_MORE)):
        list_exactly(space, rough, i, lists, is_open, owner, key, nobody)
