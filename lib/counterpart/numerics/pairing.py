"""Nearest pairs on one score, globally closest first, by following chains of nearest neighbours.

Pairs are ranked by (distance, treated key, comparator key). With distinct keys the ranking is strict, so taking the
closest possible pair again and again has exactly one outcome. That outcome is also the one stable matching between
treated units and persons, hence it does not depend on the order in which we look (Manne & Halappanavar 2014).

The way there: from a treated unit step to its nearest free comparator, from that comparator's person to the nearest
free treated unit over all of the person's dates, and so on. Each step leads to a closer pair, so a chain ends in two
that are nearest to each other; that pair belongs to the outcome, is taken, and the chain goes on from where it stood
(the nearest-neighbour chain of Benzecri 1982). A pair costs at most two steps, whatever the scores and however many of
them tie: a taken unit is skipped through a union-find pointer to the next free one, never walked over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Longs = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]

ANY_DISTANCE = np.int64(2**63 - 1)
SCORE_LIMIT = 2**62


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile on first use; keep the machine code where Numba finds a folder of the user's own, else not at all.

    Numba looks in NUMBA_CACHE_DIR, beside this file, then in the user's cache folder. A folder that others can write
    to would let them plant code, so there is no fallback to the temporary directory.
    """
    try:
        return njit(cache=True)(function)
    except RuntimeError:  # "no locator available": an account without a home, an installation that cannot be written
        return njit(function)


class Side(NamedTuple):
    """One arm of a matching problem; all arrays have one element per unit, all BIGINT.

    Only units of equal `stratum` may pair. `score` is a fixed-point number below 2^62 in size; `key` is distinct within
    the arm and breaks ties; `member` is the person.
    """

    stratum: Longs
    score: Longs
    key: Longs
    member: Longs


@dataclass(frozen=True)
class Pairing:
    """The outcome, one element per treated unit in the order they were given.

    `partner` is the position of its comparator unit, or -1; `distance` the score difference (0 without a partner);
    `in_reach` whether any comparator of another person is in its stratum within the caliper, taken or not.
    `n_steps` counts the units looked at.
    """

    partner: Longs
    distance: Longs
    in_reach: npt.NDArray[np.bool_]
    n_steps: int


class _Line(NamedTuple):
    """The units of an arm sorted by (stratum, score, key), and which of them are free.

    `tie_start[i]` is the first unit with i's stratum and score. `right[i]` and `left[i + 1]` lead, in hops, to the
    first free unit at or after i and at or before i (-1: none).
    """

    stratum: Longs
    score: Longs
    key: Longs
    member: Longs
    tie_start: Indices
    right: Indices
    left: Indices


def pair_nearest(treated: Side, comparators: Side, caliper: int | None) -> Pairing:
    """Pair one to one without replacement, closest first; a person serves once as comparator and never for itself.

    `caliper` is the largest distance allowed, in the unit of the scores (None: any). A person may bring several
    comparator units, in any strata. Time: two sorts, then linear. Memory: about 100 bytes a unit beside the input.
    """
    _check_range(treated, "treated")
    _check_range(comparators, "comparator")
    treated_order, comparator_order = _line_order(treated), _line_order(comparators)
    treated_line, comparator_line = _line_up(treated, treated_order), _line_up(comparators, comparator_order)
    reach = ANY_DISTANCE if caliper is None else np.int64(caliper)
    siblings = _ring_of_siblings(comparator_line.member)
    partner, in_reach, n_steps = _follow_chains(treated_line, comparator_line, siblings, reach)
    return _in_given_order(treated, comparators, treated_order, comparator_order, partner, in_reach, int(n_steps))


def _check_range(side: Side, arm: str) -> None:
    if len(side.score) >= 2**31 - 1:
        raise ValueError(f"{len(side.score):,} {arm} units in one problem; at most 2^31 - 2 fit")
    if len(side.score) and (side.score.max() >= SCORE_LIMIT or side.score.min() <= -SCORE_LIMIT):
        raise ValueError(f"a {arm} score is 2^62 or more in size; differences would overflow")


def _line_order(side: Side) -> Longs:
    return np.lexsort((side.key, side.score, side.stratum))


def _line_up(side: Side, order: Longs) -> _Line:
    stratum, score = side.stratum[order], side.score[order]
    n_units = len(order)
    is_new = np.ones(n_units, dtype=bool)
    is_new[1:] = (stratum[1:] != stratum[:-1]) | (score[1:] != score[:-1])
    tie_start = np.maximum.accumulate(np.where(is_new, np.arange(n_units, dtype=np.int32), np.int32(0)))
    right = np.arange(n_units + 1, dtype=np.int32)
    left = np.arange(-1, n_units, dtype=np.int32)
    return _Line(stratum, score, side.key[order], side.member[order], tie_start, right, left)


def _ring_of_siblings(member: Longs) -> Indices:
    """For each unit the next unit of the same person, the last one leading back to the first."""
    by_member = np.argsort(member, kind="stable").astype(np.int32)
    ring = np.empty(len(member), dtype=np.int32)
    if len(member):
        grouped = member[by_member]
        starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
        ring[by_member[:-1]] = by_member[1:]
        ring[by_member[np.r_[starts[1:], len(member)] - 1]] = by_member[starts]
    return ring


def _in_given_order(
    treated: Side,
    comparators: Side,
    treated_order: Longs,
    comparator_order: Longs,
    partner_on_line: Indices,
    in_reach_on_line: npt.NDArray[np.bool_],
    n_steps: int,
) -> Pairing:
    has_partner = partner_on_line >= 0
    pairs_treated, pairs_comparator = treated_order[has_partner], comparator_order[partner_on_line[has_partner]]
    partner = np.full(len(treated.score), -1, dtype=np.int64)
    partner[pairs_treated] = pairs_comparator
    distance = np.zeros(len(treated.score), dtype=np.int64)
    distance[pairs_treated] = np.abs(treated.score[pairs_treated] - comparators.score[pairs_comparator])
    in_reach = np.empty(len(treated.score), dtype=bool)
    in_reach[treated_order] = in_reach_on_line
    return Pairing(partner, distance, in_reach, n_steps)


@_compiled
def _free_at_or_after(right: Indices, i: int) -> int:
    while right[i] != i:
        right[i] = right[right[i]]
        i = right[i]
    return i


@_compiled
def _free_at_or_before(left: Indices, i: int) -> int:
    while left[i + 1] != i:
        left[i + 1] = left[left[i + 1] + 1]
        i = left[i + 1]
    return i


@_compiled
def _take(line: _Line, i: int) -> None:
    line.right[i] = i + 1
    line.left[i + 1] = i - 1


@_compiled
def _place_of(line: _Line, stratum: int, score: int) -> int:
    """The first unit of the line at or after (stratum, score)."""
    low, high = 0, len(line.score)
    while low < high:
        middle = (low + high) // 2
        if line.stratum[middle] < stratum or (line.stratum[middle] == stratum and line.score[middle] < score):
            low = middle + 1
        else:
            high = middle
    return low


@_compiled
def _nearest_free(line: _Line, stratum: int, score: int, member: int) -> tuple[int, int]:
    """The nearest free unit of the line that is not the member's own: (its place or -1, units seen).

    Equal distances go to the smaller key. Of tied units only the first free one can be nearest, so the units skipped
    are the member's own.
    """
    place = _place_of(line, stratum, score)
    n_units, n_seen = len(line.score), 2
    after = _free_at_or_after(line.right, place)
    while after < n_units and line.stratum[after] == stratum and line.member[after] == member:
        after = _free_at_or_after(line.right, after + 1)
        n_seen += 1
    if after == n_units or line.stratum[after] != stratum:
        after = -1
    before = -1
    last = _free_at_or_before(line.left, place - 1)
    while before < 0 <= last and line.stratum[last] == stratum:
        tied = _free_at_or_after(line.right, line.tie_start[last])
        while tied <= last and line.member[tied] == member:
            tied = _free_at_or_after(line.right, tied + 1)
            n_seen += 1
        if tied <= last:
            before = tied
        else:
            last = _free_at_or_before(line.left, line.tie_start[last] - 1)
    if before < 0 or after < 0:
        return max(before, after), n_seen
    excess = (score - line.score[before]) - (line.score[after] - score)
    is_before = excess < 0 or (excess == 0 and line.key[before] < line.key[after])
    return (before if is_before else after), n_seen


@_compiled
def _nearest_to_person(treated: _Line, comparators: _Line, siblings: Indices, unit: int) -> tuple[int, int, int]:
    """The closest pair that the person of a comparator unit can make: (treated place, comparator place, units seen)."""
    best, best_date, best_distance, n_seen = -1, -1, ANY_DISTANCE, 0
    date = unit
    while True:
        found, seen = _nearest_free(
            treated, comparators.stratum[date], comparators.score[date], comparators.member[date]
        )
        n_seen += seen
        if found >= 0:
            distance = abs(treated.score[found] - comparators.score[date])
            is_closer = best < 0 or distance < best_distance
            if not is_closer and distance == best_distance:
                is_same_treated = found == best
                is_closer = (is_same_treated and comparators.key[date] < comparators.key[best_date]) or (
                    not is_same_treated and treated.key[found] < treated.key[best]
                )
            if is_closer:
                best, best_date, best_distance = found, date, distance
        date = siblings[date]
        if date == unit:
            return best, best_date, n_seen


@_compiled
def _nearest_within(treated: _Line, comparators: _Line, i: int, caliper: int) -> tuple[int, int]:
    """The free comparator nearest to a treated unit inside the caliper: (its place or -1, units seen)."""
    unit, n_seen = _nearest_free(comparators, treated.stratum[i], treated.score[i], treated.member[i])
    if unit >= 0 and abs(comparators.score[unit] - treated.score[i]) > caliper:
        unit = -1
    return unit, n_seen


@_compiled
def _take_person(comparators: _Line, siblings: Indices, unit: int) -> None:
    sibling = siblings[unit]
    while sibling != unit:
        _take(comparators, sibling)
        sibling = siblings[sibling]
    _take(comparators, unit)


@_compiled
def _set_aside_out_of_reach(treated: _Line, comparators: _Line, caliper: int) -> tuple[npt.NDArray[np.bool_], int]:
    """Before anybody is taken: who has a comparator in reach. The others leave the line."""
    in_reach, n_seen = np.zeros(len(treated.score), dtype=np.bool_), 0
    for i in range(len(treated.score)):
        unit, seen = _nearest_within(treated, comparators, i, caliper)
        n_seen += seen
        in_reach[i] = unit >= 0
        if unit < 0:
            _take(treated, i)
    return in_reach, n_seen


@_compiled
def _follow_chains(
    treated: _Line, comparators: _Line, siblings: Indices, caliper: int
) -> tuple[Indices, npt.NDArray[np.bool_], int]:
    """Partner of each treated place (or -1), whether it ever had one in reach, and the number of units looked at."""
    n_treated = len(treated.score)
    in_reach, n_seen = _set_aside_out_of_reach(treated, comparators, caliper)
    partner = np.full(n_treated, -1, dtype=np.int32)
    chain = np.empty(n_treated, dtype=np.int32)
    for start in range(n_treated):
        chain[0] = start
        length = 1 if treated.right[start] == start else 0
        while length > 0:
            end = chain[length - 1]
            unit, seen = _nearest_within(treated, comparators, end, caliper)
            n_seen += seen
            if unit < 0:
                # Closer pairs took all in reach. Only the start of a chain ends so: later links have a free person.
                _take(treated, end)
                length -= 1
                continue
            closest, date, seen = _nearest_to_person(treated, comparators, siblings, unit)
            n_seen += seen
            if closest != end:
                chain[length] = closest
                length += 1
                continue
            partner[end] = date
            _take(treated, end)
            _take_person(comparators, siblings, date)
            length -= 1
    return partner, in_reach, n_seen
