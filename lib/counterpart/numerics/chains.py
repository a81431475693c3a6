"""Chains of nearest neighbours on a line: closest pairs first, in two looks a pair.

From a treated unit step to its nearest free control, from that control's person to the nearest free treated unit over
all of the person's units, and so on. Each step leads to a better pair, so a chain ends in two that are nearest to each
other; that pair belongs to the outcome, is taken, and the chain goes on from where it stood (the nearest-neighbour
chain of Benzecri 1982). A taken unit is skipped through a union-find pointer to the next free one, never walked over,
so ties cost nothing.

A line is one array of records and not a tuple of arrays: machine code counts who holds an array each time it takes one
out of a tuple, which took two thirds of the time, and what is asked of a place lies side by side in memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpart.numerics.compiled import compiled, compiled_in_place
from counterpart.numerics.line import sort_along, sort_runs
from counterpart.numerics.pairs import Indices, Longs

FAR = np.int64(2**63 - 1)

# One arm on a line, in the order of (position, key). Nobody stands at the first and the last place, which are never
# taken. `unit` is the number in the arm, `person` a code (NOBODY: no control). `seat` is the first place of the other
# arm's line at or after the position, `tie_start` the first place with the same position. `right` and `left` lead, in
# hops, to the first free place at or after this one, and at or before it.
PLACE = np.dtype(
    [
        ("position", np.int64),
        ("unit", np.int32),
        ("person", np.int32),
        ("seat", np.int32),
        ("tie_start", np.int32),
        ("right", np.int32),
        ("left", np.int32),
    ]
)
# Numba's records have fields as attributes; NumPy's types do not know them.
Line = Any
Place = Any


def line_up(units: Indices, positions: Longs, keys: Longs, people: Indices) -> Line:
    """The given units of an arm (ascending), at these positions, on a line; `seat` is still empty.

    `keys` and `people` are those of the whole arm (empty: the unit's number).
    """
    # Memory comes from NumPy, which asks for large pages: small ones took longer than what is done with them.
    line = np.empty(len(units) + 2, dtype=PLACE)
    _fill(line, *sort_along(units, positions))
    if len(keys):
        is_first = line["tie_start"][1:-1] == np.arange(1, len(units) + 1, dtype=np.int32)
        if not is_first.all():
            by_key = line["unit"][1:-1].copy()
            sort_runs(by_key, is_first, keys)
            line["unit"][1:-1] = by_key
    _name(line, people)
    return line


@compiled
def _fill(line: Line, units: Indices, positions: Longs) -> None:
    for i in range(len(line)):
        line[i].right = line[i].left = line[i].tie_start = i
    for i in range(1, len(line) - 1):
        line[i].unit, line[i].position = units[i - 1], positions[i - 1]
        if i > 1 and line[i].position == line[i - 1].position:
            line[i].tie_start = line[i - 1].tie_start


@compiled
def _name(line: Line, people: Indices) -> None:
    for i in range(1, len(line) - 1):
        line[i].person = people[line[i].unit] if len(people) else line[i].unit


def face(one: Line, other: Line) -> None:
    """Give both lines their seats in each other."""
    _seat(one, other)
    _seat(other, one)


@compiled
def _seat(asking: Line, asked: Line) -> None:
    j, end = 1, len(asked) - 1
    for i in range(1, len(asking) - 1):
        while j < end and asked[j].position < asking[i].position:
            j += 1
        asking[i].seat = j


def ring_of_siblings(line: Line) -> Indices:
    """For each place the next place of the same person, the last one leading back to the first."""
    person = line["person"].copy()
    ring = np.empty(len(line), dtype=np.int32)
    if len(line) > 2:
        by_person = np.argsort(person[1:-1], kind="stable").astype(np.int32) + np.int32(1)
        grouped = person[by_person]
        starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
        ring[by_person[:-1]] = by_person[1:]
        ring[by_person[np.r_[starts[1:], len(by_person)] - 1]] = by_person[starts]
    return ring


@compiled_in_place
def _free_at_or_after(line: Line, i: int) -> int:
    while line[i].right != i:
        line[i].right = line[line[i].right].right
        i = np.int64(line[i].right)
    return i


@compiled_in_place
def _free_at_or_before(line: Line, i: int) -> int:
    while line[i].left != i:
        line[i].left = line[line[i].left].left
        i = np.int64(line[i].left)
    return i


@compiled_in_place
def _take(line: Line, i: int) -> None:
    line[i].right = i + 1
    line[i].left = i - 1


@compiled_in_place
def _key(keys: Longs, place: Place) -> int:
    return keys[place.unit] if len(keys) else np.int64(place.unit)


@compiled_in_place
def _is_barred(asking: Place, asked: Place, won: Indices, treated_asks: bool) -> bool:
    """Are the two one person, or did the treated one win the control's person before? (`won`: treated unit x pass)"""
    if asking.person == asked.person:
        return True
    if won.shape[1] == 0:
        return False
    treated, control_person = (asking.unit, asked.person) if treated_asks else (asked.unit, asking.person)
    is_won = False
    for k in range(won.shape[1]):
        is_won |= won[treated, k] == control_person
    return is_won


@compiled_in_place
def _nearest_free(asking: Place, asked: Line, keys: Longs, won: Indices, treated_asks: bool) -> tuple[int, int]:
    """The nearest free place of the other line that is not barred: (place or 0, looks).

    Equal distances go to the smaller key. Of tied places only the first free one can be nearest, so those skipped are
    the barred ones.
    """
    end, n_steps = len(asked) - 1, 2
    after = _free_at_or_after(asked, np.int64(asking.seat))
    while after < end and _is_barred(asking, asked[after], won, treated_asks):
        after = _free_at_or_after(asked, after + 1)
        n_steps += 1
    before = 0
    last = _free_at_or_before(asked, np.int64(asking.seat) - 1)
    while before == 0 and last > 0:
        tied = _free_at_or_after(asked, np.int64(asked[last].tie_start))
        while tied <= last and _is_barred(asking, asked[tied], won, treated_asks):
            tied = _free_at_or_after(asked, tied + 1)
            n_steps += 1
        if tied <= last:
            before = tied
        else:
            last = _free_at_or_before(asked, np.int64(asked[last].tie_start) - 1)
    if after == end:
        return before, n_steps
    if before == 0:
        return after, n_steps
    excess = (asking.position - asked[before].position) - (asked[after].position - asking.position)
    is_before = excess < 0 or (excess == 0 and _key(keys, asked[before]) < _key(keys, asked[after]))
    return (before if is_before else after), n_steps


@compiled_in_place
def _nearest_within(treated: Place, controls: Line, keys: Longs, won: Indices, reach: int) -> tuple[int, int]:
    found, n_steps = _nearest_free(treated, controls, keys, won, True)
    if found > 0 and abs(controls[found].position - treated.position) > reach:
        found = 0
    return found, n_steps


@compiled_in_place
def _nearest_to_person(
    treated: Line, controls: Line, keys: tuple[Longs, Longs], siblings: Indices, place: int, won: Indices
) -> tuple[int, int, int]:
    """The best pair that the person of a control can make: (treated place, control place, looks)."""
    best, own, best_distance, n_steps = 0, 0, FAR, 0
    sibling = place
    while True:
        found, steps = _nearest_free(controls[sibling], treated, keys[0], won, False)
        n_steps += steps
        if found > 0:
            distance = abs(treated[found].position - controls[sibling].position)
            is_better = best == 0 or distance < best_distance
            if not is_better and distance == best_distance:
                is_same = found == best
                is_better = (is_same and _key(keys[1], controls[sibling]) < _key(keys[1], controls[own])) or (
                    not is_same and _key(keys[0], treated[found]) < _key(keys[0], treated[best])
                )
            if is_better:
                best, own, best_distance = found, sibling, distance
        if len(siblings) == 0:
            return best, own, n_steps
        sibling = np.int64(siblings[sibling])
        if sibling == place:
            return best, own, n_steps


@compiled_in_place
def _serve(controls: Line, siblings: Indices, place: int, spare: Any) -> None:
    """The control's person serves once more; after the last time all its units leave the line."""
    person = controls[place].person
    spare[person] -= 1
    if spare[person] > 0:
        return
    if len(siblings):
        sibling = np.int64(siblings[place])
        while sibling != place:
            _take(controls, sibling)
            sibling = np.int64(siblings[sibling])
    _take(controls, place)


@compiled
def follow_chains(
    treated: Line, controls: Line, keys: tuple[Longs, Longs], siblings: Indices, spare: Any, won: Indices, reach: int
) -> tuple[Indices, int]:
    """Closest pairs first: the control place of each treated place (0: none), and the looks. Uses up `spare`.

    `keys` are those of both whole arms (empty: the unit's number), `siblings` a ring by place (empty: nobody has any).
    """
    partner, n_steps = np.zeros(len(treated), dtype=np.int32), 0
    chain = np.empty(len(treated), dtype=np.int32)
    for start in range(1, len(treated) - 1):
        chain[0] = start
        length = 1 if treated[start].right == start else 0
        while length > 0:
            end = np.int64(chain[length - 1])
            control, steps = _nearest_within(treated[end], controls, keys[1], won, reach)
            n_steps += steps
            if control == 0:
                # Better pairs took all in reach. Only the start of a chain ends so: later links have a free person.
                _take(treated, end)
                length -= 1
                continue
            closest, own, steps = _nearest_to_person(treated, controls, keys, siblings, control, won)
            n_steps += steps
            if closest != end:
                chain[length] = closest
                length += 1
                continue
            partner[end] = own
            _take(treated, end)
            _serve(controls, siblings, own, spare)
            length -= 1
    return partner, n_steps


@compiled
def take_turns(
    treated: Line, turns: Indices, controls: Line, keys: Longs, siblings: Indices, spare: Any, won: Indices, reach: int
) -> tuple[Indices, int]:
    """Each treated place in turn its nearest free control; `keys` are the controls', the rest as `follow_chains`."""
    partner, n_steps = np.zeros(len(treated), dtype=np.int32), 0
    for turn in turns:
        i = np.int64(turn)
        control, steps = _nearest_within(treated[i], controls, keys, won, reach)
        n_steps += steps
        partner[i] = control
        if control > 0:
            _serve(controls, siblings, control, spare)
    return partner, n_steps


@compiled
def in_reach_of(treated: Line, controls: Line, keys: Longs, won: Indices, reach: int) -> Any:
    """Has each treated place any control of another person within reach? On lines where everybody is free."""
    found = np.zeros(len(treated), dtype=np.bool_)
    for i in range(1, len(treated) - 1):
        control, _ = _nearest_within(treated[i], controls, keys, won, reach)
        found[i] = control > 0
    return found
