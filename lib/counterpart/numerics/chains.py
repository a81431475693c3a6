"""Chains of nearest neighbours on a line: closest pairs first, in two looks a pair.

From a treated unit step to its nearest free control, from that control's person to the nearest free treated unit over
all of the person's units, and so on. Each step leads to a better pair, so a chain ends in two that are nearest to each
other; that pair belongs to the outcome, is taken, and the chain goes on from where it stood (the nearest-neighbour
chain of Benzecri 1982). A taken unit is skipped through a union-find pointer to the next free one, never walked over,
so ties cost nothing.

Places that come out of an array are widened before they are handed on: a step is compiled once a type it is given.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from counterpart.numerics.compiled import compiled, compiled_in_place
from counterpart.numerics.line import sort_units
from counterpart.numerics.pairs import Indices, Longs

FAR = np.int64(2**63 - 1)


class Line(NamedTuple):
    """Units of one arm by (position, key), and which of them are free.

    `unit` are numbers in the arm, `person` codes (NOBODY: no control). `seat[i]` is the first place of the other arm's
    line at or after i's position, `tie_start[i]` the first place with i's position. `right[i]` and `left[i + 1]` lead,
    in hops, to the first free place at or after i, and at or before i (-1: none).
    """

    position: Longs
    key: Longs
    unit: Indices
    person: Indices
    seat: Indices
    tie_start: Indices
    right: Indices
    left: Indices


def line_up(units: Indices, positions: Longs, keys: Longs | None, people: Indices) -> Line:
    """The given units of an arm on a line; `seat` is still empty."""
    position = positions[units]
    order = sort_units(position, None if keys is None else keys[units])
    unit, position = units[order], position[order]
    key = unit.astype(np.int64) if keys is None else keys[unit]
    right = np.arange(len(unit) + 1, dtype=np.int32)
    left = np.arange(-1, len(unit), dtype=np.int32)
    return Line(position, key, unit, people[unit], np.empty(0, np.int32), _tie_starts(position), right, left)


def face(one: Line, other: Line) -> tuple[Line, Line]:
    """Both lines with their seats in each other."""
    return one._replace(seat=_seats(one.position, other.position)), other._replace(
        seat=_seats(other.position, one.position)
    )


@compiled
def _tie_starts(position: Longs) -> Indices:
    starts = np.zeros(len(position), dtype=np.int32)
    for i in range(1, len(position)):
        starts[i] = starts[i - 1] if position[i] == position[i - 1] else i
    return starts


@compiled
def _seats(asking: Longs, asked: Longs) -> Indices:
    seats, j = np.empty(len(asking), dtype=np.int32), 0
    for i in range(len(asking)):
        while j < len(asked) and asked[j] < asking[i]:
            j += 1
        seats[i] = j
    return seats


def ring_of_siblings(person: Indices) -> Indices:
    """For each place the next place of the same person, the last one leading back to the first."""
    by_person = np.argsort(person, kind="stable").astype(np.int32)
    ring = np.empty(len(person), dtype=np.int32)
    if len(person):
        grouped = person[by_person]
        starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
        ring[by_person[:-1]] = by_person[1:]
        ring[by_person[np.r_[starts[1:], len(person)] - 1]] = by_person[starts]
    return ring


@compiled_in_place
def _free_at_or_after(right: Indices, i: int) -> int:
    while right[i] != i:
        right[i] = right[right[i]]
        i = right[i]
    return i


@compiled_in_place
def _free_at_or_before(left: Indices, i: int) -> int:
    while left[i + 1] != i:
        left[i + 1] = left[left[i + 1] + 1]
        i = left[i + 1]
    return i


@compiled_in_place
def _take(line: Line, i: int) -> None:
    line.right[i] = i + 1
    line.left[i + 1] = i - 1


@compiled_in_place
def _is_barred(asking: Line, i: int, asked: Line, j: int, won: Indices, treated_asks: bool) -> bool:
    """Are the two one person, or did the treated one win the control's person before? (`won`: treated unit x pass)"""
    person = asked.person[j]
    if asking.person[i] == person:
        return True
    if won.shape[1] == 0:
        return False
    treated, control_person = (asking.unit[i], person) if treated_asks else (asked.unit[j], asking.person[i])
    is_won = False
    for k in range(won.shape[1]):
        is_won |= won[treated, k] == control_person
    return is_won


@compiled_in_place
def _nearest_free(asking: Line, i: int, asked: Line, won: Indices, treated_asks: bool) -> tuple[int, int]:
    """The nearest free place of the other line that is not barred: (place or -1, looks).

    Equal distances go to the smaller key. Of tied places only the first free one can be nearest, so those skipped are
    the barred ones.
    """
    position, n_asked, n_steps = asking.position[i], len(asked.position), 2
    after = _free_at_or_after(asked.right, np.int64(asking.seat[i]))
    while after < n_asked and _is_barred(asking, i, asked, after, won, treated_asks):
        after = _free_at_or_after(asked.right, after + 1)
        n_steps += 1
    if after == n_asked:
        after = -1
    before = -1
    last = _free_at_or_before(asked.left, asking.seat[i] - 1)
    while before < 0 <= last:
        tied = _free_at_or_after(asked.right, np.int64(asked.tie_start[last]))
        while tied <= last and _is_barred(asking, i, asked, tied, won, treated_asks):
            tied = _free_at_or_after(asked.right, tied + 1)
            n_steps += 1
        if tied <= last:
            before = tied
        else:
            last = _free_at_or_before(asked.left, asked.tie_start[last] - 1)
    if before < 0 or after < 0:
        return max(before, after), n_steps
    excess = (position - asked.position[before]) - (asked.position[after] - position)
    is_before = excess < 0 or (excess == 0 and asked.key[before] < asked.key[after])
    return (before if is_before else after), n_steps


@compiled_in_place
def _nearest_within(treated: Line, i: int, controls: Line, won: Indices, reach: int) -> tuple[int, int]:
    unit, n_steps = _nearest_free(treated, i, controls, won, True)
    if unit >= 0 and abs(controls.position[unit] - treated.position[i]) > reach:
        unit = -1
    return unit, n_steps


@compiled_in_place
def _nearest_to_person(
    treated: Line, controls: Line, siblings: Indices, unit: int, won: Indices
) -> tuple[int, int, int]:
    """The best pair that the person of a control can make: (treated place, control place, looks)."""
    best, best_unit, best_distance, n_steps = -1, -1, FAR, 0
    sibling = unit
    while True:
        found, steps = _nearest_free(controls, sibling, treated, won, False)
        n_steps += steps
        if found >= 0:
            distance = abs(treated.position[found] - controls.position[sibling])
            is_better = best < 0 or distance < best_distance
            if not is_better and distance == best_distance:
                is_same = found == best
                is_better = (is_same and controls.key[sibling] < controls.key[best_unit]) or (
                    not is_same and treated.key[found] < treated.key[best]
                )
            if is_better:
                best, best_unit, best_distance = found, sibling, distance
        if len(siblings) == 0:
            return best, best_unit, n_steps
        sibling = np.int64(siblings[sibling])
        if sibling == unit:
            return best, best_unit, n_steps


@compiled_in_place
def _serve(controls: Line, siblings: Indices, unit: int, spare: Any) -> None:
    """The control's person serves once more; after the last time all its units leave the line."""
    spare[controls.person[unit]] -= 1
    if spare[controls.person[unit]] > 0:
        return
    if len(siblings):
        sibling = np.int64(siblings[unit])
        while sibling != unit:
            _take(controls, sibling)
            sibling = np.int64(siblings[sibling])
    _take(controls, unit)


@compiled
def follow_chains(
    treated: Line, controls: Line, siblings: Indices, spare: Any, won: Indices, reach: int
) -> tuple[Indices, int]:
    """Closest pairs first: the control place of each treated place (or -1), and the looks. Uses up `spare`."""
    n_treated, n_steps = len(treated.position), 0
    partner = np.full(n_treated, -1, dtype=np.int32)
    chain = np.empty(n_treated, dtype=np.int32)
    for start in range(n_treated):
        chain[0] = start
        length = 1 if treated.right[start] == start else 0
        while length > 0:
            end = np.int64(chain[length - 1])
            unit, steps = _nearest_within(treated, end, controls, won, reach)
            n_steps += steps
            if unit < 0:
                # Better pairs took all in reach. Only the start of a chain ends so: later links have a free person.
                _take(treated, end)
                length -= 1
                continue
            closest, own, steps = _nearest_to_person(treated, controls, siblings, unit, won)
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
    treated: Line, turns: Indices, controls: Line, siblings: Indices, spare: Any, won: Indices, reach: int
) -> tuple[Indices, int]:
    """Each treated place in turn its nearest free control; the rest as for `follow_chains`."""
    partner, n_steps = np.full(len(treated.position), -1, dtype=np.int32), 0
    for turn in turns:
        i = np.int64(turn)
        unit, steps = _nearest_within(treated, i, controls, won, reach)
        n_steps += steps
        partner[i] = unit
        if unit >= 0:
            _serve(controls, siblings, unit, spare)
    return partner, n_steps


@compiled
def in_reach_of(treated: Line, controls: Line, won: Indices, reach: int) -> Any:
    """Has each treated place any control of another person within reach? On lines where everybody is free."""
    found = np.zeros(len(treated.position), dtype=np.bool_)
    for i in range(len(treated.position)):
        unit, _ = _nearest_within(treated, i, controls, won, reach)
        found[i] = unit >= 0
    return found
