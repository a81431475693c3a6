"""Nearest pairs on one score: every option of `Rules`, in time that is linear after sorting.

Controls that no treated unit can want are left out before anything is sorted. Closest-first makes that cheap: all
pairs up to some radius are decided before any pair beyond it, so a first round looks only at controls inside a small
radius around treated units, and later rounds, with larger ones, only around those still waiting. Every round ends in
exactly the state that taking all pairs up to its radius one by one would leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from counterpart.numerics.chains import (
    Line,
    face,
    follow_chains,
    in_reach_of,
    line_up,
    ring_of_siblings,
    take_turns,
)
from counterpart.numerics.line import Positions, choose_radius, lay_out, mark_around, select_marked
from counterpart.numerics.pairs import (
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

MOST_UNITS = 2**31 - 2
# So many controls a treated unit are enough for nearly all in the first round; fewer controls than FEW need no rounds.
WANTED = 10.0
FEW = 20_000
_FIRST_COME = Rules()


class Side(NamedTuple):
    """One arm of a matching problem; all arrays have one element per unit, all BIGINT.

    `score` is a fixed-point number below 2^62 in size. `key` is distinct within the arm and breaks ties (None: the
    unit's number). Only units of equal `stratum` pair (None in both arms: all may). `member` is the person (None:
    every unit is somebody else).
    """

    score: Longs
    key: Longs | None = None
    stratum: Longs | None = None
    member: Longs | None = None


@dataclass
class _Board:
    """Where everything lies and who may still serve. `won` holds the persons each treated unit has won."""

    positions: Positions
    people: People
    treated_key: Longs | None
    control_key: Longs | None
    rules: Rules
    spare: Any
    won: Indices
    n_steps: int = 0


def pair_nearest(treated: Side, controls: Side, caliper: int | None, rules: Rules = _FIRST_COME) -> Pairs:
    """Pair on the score; `caliper` is the largest distance allowed, in the unit of the scores (None: any).

    A person may bring several control units, in any strata, serves as often as the rules say over all of them, and
    never for itself. Time: linear after sorting those in reach. Memory: the input, a byte for each control person, and
    some 50 bytes for each unit looked at. ValueError for scores or strata that do not fit (see `line.lay_out`).
    """
    for side, arm in ((treated, "treated"), (controls, "control")):
        if len(side.score) > MOST_UNITS:
            raise ValueError(f"{len(side.score):,} {arm} units in one problem; at most 2^31 - 2 fit")
    board = _set_up(treated, controls, caliper, rules)
    n_treated = len(treated.score)
    partner = np.full((n_treated, rules.ratio), NOBODY, dtype=np.int32)
    waiting = np.arange(n_treated, dtype=np.int32)
    for j in range(rules.ratio):
        partner[:, j] = _serve_once(board, waiting)
        waiting = np.flatnonzero(partner[:, j] != NOBODY).astype(np.int32)
        if board.won.shape[0] and j + 1 < rules.ratio:
            won = np.full(n_treated, NOBODY - 1, dtype=np.int32)
            won[waiting] = board.people.of_controls[partner[waiting, j]]
            board.won = np.column_stack([board.won, won])
    in_reach = partner[:, 0] != NOBODY
    alone = np.flatnonzero(~in_reach).astype(np.int32)
    in_reach[alone] = _in_reach(board, alone)
    distance = np.abs(controls.score[partner] - treated.score[:, None]) if len(controls.score) else partner.astype(int)
    return collect_pairs(partner, distance, in_reach, board.n_steps)


def _set_up(treated: Side, controls: Side, caliper: int | None, rules: Rules) -> _Board:
    n_treated, n_controls = len(treated.score), len(controls.score)
    has_strata = treated.stratum is not None and controls.stratum is not None
    strata: Any = (treated.stratum, controls.stratum) if has_strata else None
    people = name_people(treated.member, controls.member, n_treated, n_controls)
    if rules.reuse == 1:
        spare: Any = np.ones(people.n_people, dtype=np.uint8)
    else:
        most = n_treated * rules.ratio if rules.reuse is None else rules.reuse
        spare = np.full(people.n_people, most, dtype=np.int64)
    # Who serves once cannot be won twice: nothing to remember.
    won = np.empty((n_treated if rules.reuse != 1 else 0, 0), dtype=np.int32)
    positions = lay_out(treated.score, controls.score, strata, caliper)
    return _Board(positions, people, treated.key, controls.key, rules, spare, won)


def _serve_once(board: _Board, waiting: Indices) -> Indices:
    """One control for each who waits, where there is one: its number by treated unit, or NOBODY."""
    partner = np.full(len(board.positions.treated), NOBODY, dtype=np.int32)
    wanted = WANTED
    while len(waiting):
        reach = _radius(board, waiting, wanted)
        found = _round(board, waiting, reach)
        partner[waiting] = found
        if reach == board.positions.reach:
            break
        waiting, wanted = waiting[found == NOBODY], 4 * wanted
    return partner


def _radius(board: _Board, waiting: Indices, wanted: float) -> int:
    positions = board.positions
    if board.rules.turn is not None or board.rules.reuse is None or len(positions.controls) < FEW:
        return positions.reach
    enough = max(wanted, FEW / len(waiting))
    radius = choose_radius(positions.treated[waiting], positions.controls, enough)
    return positions.reach if radius > positions.reach // 4 else radius


def _round(board: _Board, waiting: Indices, reach: int) -> Indices:
    """Partners (control numbers, or NOBODY) of the waiting units, from all pairs up to the reach."""
    treated, controls = _lines(board, waiting, reach, board.spare)
    siblings = ring_of_siblings(controls.person) if board.people.is_shared else np.empty(0, dtype=np.int32)
    if board.rules.turn is not None or board.rules.reuse is None:
        # Where anybody serves any number of times nobody is in another's way: any turn gives the same.
        turn = treated.key if board.rules.turn is None else board.rules.turn[treated.unit]
        turns = np.argsort(turn).astype(np.int32)
        places, steps = take_turns(treated, turns, controls, siblings, board.spare, board.won, reach)
    else:
        places, steps = follow_chains(treated, controls, siblings, board.spare, board.won, reach)
    board.n_steps += int(steps)
    by_unit = np.full(len(board.positions.treated), NOBODY, dtype=np.int32)
    has_partner = places >= 0
    by_unit[treated.unit[has_partner]] = controls.unit[places[has_partner]]
    return by_unit[waiting]


def _lines(board: _Board, waiting: Indices, reach: int, spare: Any) -> tuple[Line, Line]:
    positions, people = board.positions, board.people
    treated = line_up(waiting, positions.treated, board.treated_key, people.of_treated)
    marks = mark_around(treated.position, reach)
    near = select_marked(marks, positions.controls, people.of_controls, spare)
    return face(treated, line_up(near, positions.controls, board.control_key, people.of_controls))


def _in_reach(board: _Board, alone: Indices) -> Flags:
    """Has each of these treated units any control within the caliper, free or not?"""
    if not len(alone):
        return np.empty(0, dtype=bool)
    treated, controls = _lines(board, alone, board.positions.reach, board.spare[:0])
    no_one_won = np.empty((0, 0), dtype=np.int32)
    found = np.empty(len(board.positions.treated), dtype=bool)
    found[treated.unit] = in_reach_of(treated, controls, no_one_won, board.positions.reach)
    return found[alone]
