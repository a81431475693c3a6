"""The best pairs in several dimensions, one after the other, from short lists that are made longer on demand.

A queue holds, for each distinct treated row, the best pair it may still make, or a lower bound of it; the first in the
queue is the best of all, so what is taken stays taken. A row whose list does not prove its next pair is searched again
when its turn comes, among those still free: no list starves, whatever its length.

Units that nothing but their keys tells apart are one row: its controls serve in the order of their keys, its treated
units choose in theirs. So identical vectors cost one search, not one each.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from counterpart.numerics.approximate import BELIEVED, find_doubtful, list_approximately
from counterpart.numerics.compiled import compiled
from counterpart.numerics.line import lay_out, sort_along, sort_runs
from counterpart.numerics.neighbours import (
    NOTHING_MORE,
    Floats,
    Lists,
    Rough,
    Rows,
    Space,
    list_exactly,
    list_nearest,
    open_space,
    round_points,
)
from counterpart.numerics.pairs import (
    LOWEST_KEY,
    NO_AUDIT,
    NOBODY,
    Flags,
    Indices,
    Longs,
    Pairs,
    People,
    Rules,
    collect_pairs,
    name_people,
)

# Without a caliper a row that is searched again looks at everybody, and a longer list is the cheaper way.
LIST_LENGTH, UNBOUNDED_LIST_LENGTH = 8, 16
_FIRST_COME = Rules()
_UNPROVEN, _NOBODY_LEFT = -1, -2


class Cloud(NamedTuple):
    """One arm in several dimensions; one element or row per unit.

    `point` (n, d) are coordinates whose straight distance counts, finite. `key`, `stratum` and `person` as in
    `pairing.Side`; `score` (BIGINT) is what the caliper bounds (None: nothing), `box` (n, b) what further calipers
    bound.
    """

    point: Floats
    key: Longs
    score: Longs | None = None
    stratum: Longs | None = None
    person: Longs | None = None
    box: Floats | None = None


class Groups(NamedTuple):
    """Units of an arm in distinct rows: `units[start[g]:start[g + 1]]` are the units of row g, by key."""

    units: Indices
    start: Indices


class Field(NamedTuple):
    """What stays as it is while pairs are taken: the rows of both arms, their units, and what ranks units.

    `rank` is by treated unit (its key, or its turn), `control_key` by control unit; `rough` are the points of both
    arms as float32.
    """

    space: Space
    rough: Rough
    treated: Groups
    controls: Groups
    rank: Longs
    control_key: Longs


class Supply(NamedTuple):
    """What controls still have to give.

    `owner[g]` is whom row g's services count for (a row, or a person with several rows); `served` and `capacity` are
    by owner, `is_open` where served is below it. `head[g]` is the key of the unit of row g that serves next, each
    `reuse` times.
    """

    owner: Indices
    served: Longs
    capacity: Longs
    is_open: Flags
    head: Longs
    reuse: int


def pair_in_space(
    treated: Cloud,
    controls: Cloud,
    caliper: int | None,
    widths: Floats | None = None,
    rules: Rules = _FIRST_COME,
    list_length: int | None = None,
    recall: float | None = None,
) -> Pairs:
    """Pair on the distance between points, in 2^-31; the result does not depend on `list_length`.

    With `recall` first lists are believed that an approximate search makes, which finds that share of nearest controls.

    `caliper` bounds the difference of scores (None: unbounded), `widths` (b,) those of the boxes' columns. Time: one
    multiplication for each coordinate of each pair of distinct rows inside the caliper. Memory: some 12 bytes for each
    coordinate of a unit.
    """
    n_treated, n_controls = len(treated.key), len(controls.key)
    people = name_people(treated.person, controls.person, n_treated, n_controls).written_out()
    is_single = rules.reuse != 1 and rules.ratio > 1
    positions = _positions(treated, controls, caliper)
    alone_treated = np.full(n_treated, not is_single) & (people.of_treated == NOBODY)
    n_units = np.bincount(people.of_controls, minlength=people.n_people)
    has_treated = np.zeros(people.n_people, dtype=bool)
    has_treated[people.of_treated[people.of_treated != NOBODY]] = True
    alone_controls = (n_units == 1)[people.of_controls] & ~has_treated[people.of_controls] & (not is_single)
    turn = treated.key if rules.turn is None else rules.turn
    rows_t, groups_t = _group(treated, positions.treated, turn, people.of_treated, alone_treated)
    rows_c, groups_c = _group(controls, positions.controls, controls.key, people.of_controls, alone_controls)
    space = open_space(rows_t, rows_c, positions.reach, np.zeros(0) if widths is None else widths)
    rough = round_points(space)
    supply = _open_supply(groups_c, people, controls.key, rules, n_treated)
    audit = NO_AUDIT
    if recall is None:
        usual = UNBOUNDED_LIST_LENGTH if caliper is None else LIST_LENGTH
        lists = list_nearest(space, rough, list_length or usual)
    else:
        lists, audit = list_approximately(space, rough, recall, supply.head)
    in_reach = np.empty(n_treated, dtype=bool)
    in_reach[groups_t.units] = np.repeat(lists.length > 0, np.diff(groups_t.start))
    # What is not proven is not listed: the next search proves it.
    _cut_unproven(lists)
    field = Field(space, rough, groups_t, groups_c, turn, controls.key)
    # Before any list is made again.
    is_doubtful = np.zeros(n_treated, dtype=bool)
    is_doubtful[groups_t.units] = np.repeat(find_doubtful(space, lists, supply.owner), np.diff(groups_t.start))
    pairs = _take_all(field, lists, supply, rules, in_reach, people.of_controls)
    return replace(pairs, is_doubtful=is_doubtful, audit=audit)


def _positions(treated: Cloud, controls: Cloud, caliper: int | None) -> Any:
    """On the line: by stratum, and by score where a caliper bounds it."""
    n_treated, n_controls = len(treated.key), len(controls.key)
    has_strata = treated.stratum is not None and controls.stratum is not None
    strata: Any = (treated.stratum, controls.stratum) if has_strata else None
    scores: Any = (treated.score, controls.score)
    if caliper is None or treated.score is None:
        scores = (np.zeros(n_treated, dtype=np.int64), np.zeros(n_controls, dtype=np.int64))
    return lay_out(scores[0], scores[1], strata, caliper)


def _group(arm: Cloud, position: Longs, rank: Longs, person: Indices, may_join: Flags) -> tuple[Rows, Groups]:
    """Distinct rows in the order of their positions; units that may not join stand alone."""
    box = np.zeros((len(position), 0)) if arm.box is None else np.ascontiguousarray(arm.box)
    hashes = _hash_rows(arm.point, box)
    order, placed = sort_along(np.arange(len(position), dtype=np.int32), position)
    if len(order):
        sort_runs(order, np.r_[True, placed[1:] != placed[:-1]], hashes)
    is_new = _starts(order, position, hashes, arm.point, box, may_join)
    start = np.r_[np.flatnonzero(is_new), len(order)].astype(np.int32)
    sort_runs(order, is_new, rank)
    first = order[start[:-1]]
    of_whom = np.where(may_join[first], NOBODY, person[first]).astype(np.int32)
    return Rows(position[first], arm.point[first], box[first], of_whom), Groups(order, start)


@compiled
def _hash_rows(point: Floats, box: Floats) -> Longs:
    """Equal rows have equal hashes; the converse is checked."""
    bits, more = point.view(np.int64), box.view(np.int64)
    hashes = np.empty(len(point), dtype=np.int64)
    for i in range(len(point)):
        total = np.uint64(0x9E3779B97F4A7C15)
        for k in range(bits.shape[1]):
            total = (total ^ np.uint64(bits[i, k])) * np.uint64(0xFF51AFD7ED558CCD)
            total ^= total >> np.uint64(32)
        for k in range(more.shape[1]):
            total = (total ^ np.uint64(more[i, k])) * np.uint64(0xC4CEB9FE1A85EC53)
            total ^= total >> np.uint64(29)
        hashes[i] = np.int64(total)
    return hashes


@compiled
def _starts(order: Indices, position: Longs, hashes: Longs, point: Floats, box: Floats, may_join: Flags) -> Flags:
    starts = np.ones(len(order), dtype=np.bool_)
    for e in range(1, len(order)):
        a, b = order[e - 1], order[e]
        if position[a] == position[b] and hashes[a] == hashes[b] and may_join[a] and may_join[b]:
            is_same = True
            for k in range(point.shape[1]):
                is_same &= point[a, k] == point[b, k]
            for k in range(box.shape[1]):
                is_same &= box[a, k] == box[b, k]
            starts[e] = not is_same
    return starts


@compiled
def _cut_unproven(lists: Lists) -> None:
    for i in range(len(lists.length)):
        n = lists.length[i]
        is_whole = lists.bound[i] == NOTHING_MORE or lists.bound_key[i] == BELIEVED
        while n > 0 and not is_whole and lists.distance[i, n - 1] >= lists.bound[i]:
            n -= 1
        lists.length[i] = n


def _open_supply(groups: Groups, people: People, key: Longs, rules: Rules, n_treated: int) -> Supply:
    first = groups.units[groups.start[:-1]]
    owner = people.of_controls[first]
    reuse = n_treated * rules.ratio + 1 if rules.reuse is None else rules.reuse
    capacity = np.full(people.n_people, reuse, dtype=np.int64)
    sizes = np.diff(groups.start).astype(np.int64)
    capacity[owner] = np.maximum(capacity[owner], sizes * reuse)
    return Supply(owner, np.zeros_like(capacity), capacity, np.ones(len(capacity), dtype=bool), key[first], reuse)


def _take_all(field: Field, lists: Lists, supply: Supply, rules: Rules, in_reach: Flags, persons: Indices) -> Pairs:
    """All passes: everybody the first control before anybody the second."""
    n_treated = len(field.rank)
    partner = np.full((n_treated, rules.ratio), NOBODY, dtype=np.int32)
    distance = np.zeros((n_treated, rules.ratio), dtype=np.int64)
    won = np.empty((n_treated if rules.reuse != 1 else 0, 0), dtype=np.int32)
    is_waiting, n_searches = np.ones(n_treated, dtype=bool), 0
    for j in range(rules.ratio):
        pass_partner, pass_distance = np.full(n_treated, NOBODY, dtype=np.int32), np.zeros(n_treated, dtype=np.int64)
        by_turn = rules.turn is not None
        n_searches += _one_pass(field, lists, supply, by_turn, is_waiting, won, pass_partner, pass_distance)
        partner[:, j], distance[:, j] = pass_partner, pass_distance
        is_waiting = pass_partner != NOBODY
        if won.shape[0]:
            now = np.full(n_treated, NOBODY - 1, dtype=np.int32)
            now[is_waiting] = persons[pass_partner[is_waiting]]
            won = np.column_stack([won, now])
    return collect_pairs(partner, distance, in_reach, int(n_searches))


@compiled
def _one_pass(
    field: Field, lists: Lists, supply: Supply, by_turn: bool, is_waiting: Flags, won: Indices, partner: Any, far: Any
) -> int:
    """One control for each unit that waits, best first; how often a row was searched again."""
    n_searches, treated = 0, field.treated
    place, nobody = treated.start[:-1].copy(), np.empty(0, dtype=np.int32)
    queue = [(np.int64(0), np.int64(0), np.int64(0), np.int64(0))]
    queue.pop()
    for g in range(len(place)):
        place[g] = _next_waiting(treated, is_waiting, g, place[g])
        if place[g] < treated.start[g + 1]:
            rank = field.rank[treated.units[place[g]]]
            heappush(queue, (rank if by_turn else np.int64(0), rank, LOWEST_KEY, np.int64(g)))
    while len(queue) > 0:
        first = heappop(queue)
        g = first[3]
        unit = treated.units[place[g]]
        best = _best_listed(lists, supply, g, won, unit)
        if best == _UNPROVEN and not by_turn and first[:3] < (lists.bound[g], field.rank[unit], lists.bound_key[g]):
            # Not its turn yet: what it may still make is no better than this.
            heappush(queue, (lists.bound[g], field.rank[unit], lists.bound_key[g], g))
            continue
        if best == _UNPROVEN:
            n_searches += 1
            barred = won[unit] if won.shape[1] else nobody
            list_exactly(field.space, field.rough, g, lists, supply.is_open, supply.owner, supply.head, barred)
            best = _best_listed(lists, supply, g, won, unit)
        if best == _NOBODY_LEFT:
            # With a person won before barred, the next of the row may have somebody still; else nobody of it has.
            if won.shape[1] == 0:
                continue
        else:
            row = lists.row[g, best]
            here = (lists.distance[g, best], field.rank[unit], supply.head[row], g)
            if not by_turn and first < here:
                heappush(queue, here)
                continue
            partner[unit], far[unit] = _serve(field, supply, row), lists.distance[g, best]
        place[g] = _next_waiting(treated, is_waiting, g, place[g] + 1)
        if place[g] < treated.start[g + 1]:
            rank = field.rank[treated.units[place[g]]]
            heappush(queue, (rank, rank, first[2], g) if by_turn else (first[0], rank, LOWEST_KEY, g))
    return n_searches


@compiled
def _next_waiting(groups: Groups, is_waiting: Flags, g: int, place: int) -> int:
    while place < groups.start[g + 1] and not is_waiting[groups.units[place]]:
        place += 1
    return place


@compiled
def _best_listed(lists: Lists, supply: Supply, g: int, won: Indices, unit: int) -> int:
    """The entry of the row's list that is nearest and still open, by (distance, key of who serves next).

    _UNPROVEN if somebody unlisted could come before it, _NOBODY_LEFT if nobody is left at all.
    """
    best = -1
    for e in range(lists.length[g]):
        row = lists.row[g, e]
        if best >= 0 and lists.distance[g, e] > lists.distance[g, best]:
            break
        is_open = supply.is_open[supply.owner[row]]
        for k in range(won.shape[1]):
            is_open &= won[unit, k] != supply.owner[row]
        if is_open and (best < 0 or supply.head[row] < supply.head[lists.row[g, best]]):
            best = e
    if lists.bound[g] == NOTHING_MORE:
        return best if best >= 0 else _NOBODY_LEFT
    if best < 0:
        return _UNPROVEN
    entry = (lists.distance[g, best], supply.head[lists.row[g, best]])
    return best if entry <= (lists.bound[g], lists.bound_key[g]) else _UNPROVEN


@compiled
def _serve(field: Field, supply: Supply, row: int) -> int:
    """The unit of the control row that serves now; the next one, or nobody, stands at its head then."""
    owner, start = supply.owner[row], field.controls.start[row]
    n_units = field.controls.start[row + 1] - start
    place = min(supply.served[owner] // supply.reuse, n_units - 1) if n_units > 1 else 0
    supply.served[owner] += 1
    supply.is_open[owner] = supply.served[owner] < supply.capacity[owner]
    if n_units > 1:
        ahead = min(supply.served[owner] // supply.reuse, n_units - 1)
        supply.head[row] = field.control_key[field.controls.units[start + ahead]]
    return field.controls.units[start + place]
