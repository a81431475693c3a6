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
from counterpart.numerics.line import (
    Positions,
    PositionSample,
    choose_radius,
    gaps_to,
    lay_out,
    mark_around,
    sample_units,
    select_marked,
)
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
# So many controls a treated unit are enough for nearly all in the first round. Looking at all controls costs about as
# much as sorting a SHARE of them, so no round takes fewer; fewer controls than FEW need no rounds.
WANTED = 4
SHARE = 20
FEW = 20_000
_FIRST_COME = Rules()


class Side(NamedTuple):
    """One arm of a matching problem; all arrays have one element per unit, all BIGINT.

    `score` is a fixed-point number below 2^62 in size. `key` is distinct within the arm and breaks ties (None: the
    unit's number). Only units of equal `stratum` pair (None in both arms: all may). `person` says whose unit it is
    (None: every unit is somebody else's).
    """

    score: Longs
    key: Longs | None = None
    stratum: Longs | None = None
    person: Longs | None = None


@dataclass
class _Board:
    """Where everything lies and who may still serve.

    `keys` of both arms are empty where the unit's number decides; `won` holds the persons each treated unit has won.
    """

    positions: Positions
    people: People
    keys: tuple[Longs, Longs]
    sample: PositionSample
    rules: Rules
    spare: Any
    won: Indices
    n_steps: int = 0


def pair_nearest(treated: Side, controls: Side, caliper: int | None, rules: Rules = _FIRST_COME) -> Pairs:
    """Pair on the score; `caliper` is the largest distance allowed, in the unit of the scores (None: any).

    A person may bring several control units, in any strata, serves as often as the rules say over all of them, and
    never for itself. Time: linear after sorting those in reach. Memory: the input, a byte for each control person, and
    some 60 bytes for each unit looked at.

    ValueError for scores, DataError for strata that do not fit (see `line.lay_out`).
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
            won[waiting] = _persons(board, partner[waiting, j])
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
    people = name_people(treated.person, controls.person, n_treated, n_controls)
    if rules.reuse == 1:
        spare: Any = np.ones(people.n_people, dtype=np.uint8)
    else:
        most = n_treated * rules.ratio if rules.reuse is None else rules.reuse
        spare = np.full(people.n_people, most, dtype=np.int64)
    # Who serves once cannot be won twice: nothing to remember.
    won = np.empty((n_treated if rules.reuse != 1 else 0, 0), dtype=np.int32)
    positions = lay_out(treated.score, controls.score, strata, caliper)
    no_keys = np.empty(0, dtype=np.int64)
    keys = (no_keys if treated.key is None else treated.key, no_keys if controls.key is None else controls.key)
    return _Board(positions, people, keys, sample_units(positions.controls), rules, spare, won)


def _persons(board: _Board, controls: Indices) -> Indices:
    codes = board.people.of_controls
    return codes[controls] if len(codes) else controls


def _serve_once(board: _Board, waiting: Indices) -> Indices:
    """One control for each who waits, where there is one: its number by treated unit, or NOBODY."""
    partner = np.full(len(board.positions.treated), NOBODY, dtype=np.int32)
    reach = -1
    while len(waiting) and reach < board.positions.reach:
        treated = _line_up_treated(board, waiting)
        reach = _next_reach(board, treated, reach)
        controls = _line_up_controls(board, treated, reach, board.spare)
        places = _pair(board, treated, controls, reach)
        has_partner = np.flatnonzero(places)
        partner[treated["unit"][has_partner]] = controls["unit"][places[has_partner]]
        waiting = waiting[partner[waiting] == NOBODY]
    return partner


def _still_free(board: _Board) -> PositionSample:
    is_free = board.spare[_persons(board, board.sample.unit)] > 0
    return PositionSample(board.sample.unit[is_free], board.sample.position[is_free], board.sample.rate)


def _next_reach(board: _Board, waiting: Line, last: int) -> int:
    reach, n_controls = board.positions.reach, len(board.positions.controls)
    if board.rules.turn is not None or board.rules.reuse is None or n_controls < FEW:
        return reach
    wanted = max(WANTED * len(waiting), n_controls // SHARE, FEW)
    gaps = gaps_to(waiting["position"][1:-1].copy(), _still_free(board))
    radius = max(choose_radius(gaps, int(wanted * board.sample.rate)), 4 * last)
    return reach if radius > reach // 4 else radius


def _line_up_treated(board: _Board, units: Indices) -> Line:
    return line_up(units, board.positions.treated[units], board.keys[0], board.people.of_treated)


def _line_up_controls(board: _Board, treated: Line, reach: int, spare: Any) -> Line:
    """The controls about within reach whose persons may still serve (`spare` empty: all), facing the treated."""
    marks = mark_around(treated["position"][1:-1].copy(), reach)
    near, positions = select_marked(marks, board.positions.controls)
    if len(spare):
        may_serve = spare[_persons(board, near)] > 0
        near, positions = near[may_serve], positions[may_serve]
    controls = line_up(near, positions, board.keys[1], board.people.of_controls)
    face(treated, controls)
    return controls


def _pair(board: _Board, treated: Line, controls: Line, reach: int) -> Indices:
    """The control place of each treated place (0: none), from all pairs up to the reach."""
    siblings = ring_of_siblings(controls) if board.people.is_shared else np.empty(0, dtype=np.int32)
    keys, rules = board.keys, board.rules
    if rules.turn is not None or rules.reuse is None:
        # Where anybody serves any number of times nobody is in another's way: any turn gives the same.
        turn = np.arange(len(treated) - 2) if rules.turn is None else rules.turn[treated["unit"][1:-1]]
        turns = (np.argsort(turn) + 1).astype(np.int32)
        places, steps = take_turns(treated, turns, controls, keys[1], siblings, board.spare, board.won, reach)
    else:
        places, steps = follow_chains(treated, controls, keys, siblings, board.spare, board.won, reach)
    board.n_steps += int(steps)
    return places


def _in_reach(board: _Board, alone: Indices) -> Flags:
    """Has each of these treated units any control within the caliper, free or not?"""
    if not len(alone):
        return np.empty(0, dtype=bool)
    reach = board.positions.reach
    treated = _line_up_treated(board, alone)
    controls = _line_up_controls(board, treated, reach, board.spare[:0])
    no_one_won = np.empty((0, 0), dtype=np.int32)
    found = np.empty(len(board.positions.treated), dtype=bool)
    is_near = in_reach_of(treated, controls, board.keys[1], no_one_won, reach)
    found[treated["unit"][1:-1]] = is_near[1:-1]
    return found[alone]
