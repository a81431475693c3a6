"""What a pair is, and what decides between pairs: the words that both matching kernels share.

A pair is a treated unit and a control unit of its stratum, of another person, inside every caliper. Pairs are ranked
by (distance, treated key, control key), all integers; keys are distinct within an arm, so the ranking is strict and
"take the best pair that is still possible, again and again" has exactly one outcome. It is also the one stable
matching between treated units and control persons (Manne & Halappanavar 2014), so neither the order in which a kernel
looks nor how the work is cut can change it. With `Rules.turn` the treated choose in that order instead, each its best
remaining control.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

NOBODY = -1
FIXED_ONE = 2**31
"""One, in the fixed point of logits and distances."""
LOWEST_KEY = np.int64(-(2**63))
"""No key comes before it."""


class Rules(NamedTuple):
    """How often units serve, and whose turn it is.

    Each treated unit gets up to `ratio` controls, all the j-th before any the next. A control person serves at most
    `reuse` times (None: any number), never twice for one treated unit. `turn` (one element per treated unit, distinct)
    says in which order treated units choose; None: the closest pair of all comes first.
    """

    ratio: int = 1
    reuse: int | None = 1
    turn: Longs | None = None


class Audit(NamedTuple):
    """Rows searched exactly beside an approximate search: how many, whose nearest control it found, and distances.

    `true` and `listed` are summed over the rows of which it found somebody, in 2^-31.
    """

    n_audited: int = 0
    n_found: int = 0
    true: int = 0
    listed: int = 0

    def __add__(self, other: Any) -> Audit:
        return Audit(*[ours + theirs for ours, theirs in zip(self, other, strict=True)])


NO_AUDIT = Audit()


def sum_exactly(numbers: Longs) -> int:
    """Of up to 2^31 whole numbers; two distances of 2^62 have no sum in 64 bits."""
    low = 2**32 - 1
    return (int((numbers >> 32).sum()) << 32) + int((numbers & low).sum())


@dataclass(frozen=True)
class Pairs:
    """The outcome. One element per pair, by treated unit and then in the order its controls were won.

    `treated` and `control` are positions in the arms as they were given, `distance` is an integer in the kernel's
    unit. `in_reach` (one element per treated unit) says whether any control of another person lies inside the
    calipers, taken or not; `is_doubtful` (likewise; None: nobody) whose pairs nothing proves, because an approximate
    search listed whom it could have, or others. `n_steps` counts looks at a unit, `audit` tells what such lists hold.
    """

    treated: Longs
    control: Longs
    distance: Longs
    in_reach: Flags
    n_steps: int
    is_doubtful: Flags | None = None
    audit: Audit = NO_AUDIT


def collect_pairs(partner: Indices, distance: Longs, in_reach: Flags, n_steps: int) -> Pairs:
    """Pairs from matrices (treated, ratio) of partners, NOBODY where there is none, and of distances."""
    treated, j = np.nonzero(partner != NOBODY)
    return Pairs(treated, partner[treated, j].astype(np.int64), distance[treated, j], in_reach, n_steps)


class People(NamedTuple):
    """Who the units are. Codes 0 .. n_people - 1 name the control persons.

    `of_controls` has one code per control unit (empty where every unit is somebody else: its number is its code),
    `of_treated` one per treated unit, NOBODY where the person has no control unit. `is_shared` says that somebody has
    two units, so that being a unit and being a person differ.
    """

    of_treated: Indices
    of_controls: Indices
    n_people: int
    is_shared: bool

    def written_out(self) -> People:
        """The same with a code for each control unit."""
        return self if len(self.of_controls) else self._replace(of_controls=np.arange(self.n_people, dtype=np.int32))


def name_people(treated: Any, controls: Any, n_treated: int, n_controls: int) -> People:
    """Codes from the persons' numbers of both arms (BIGINT); None in both: every unit is somebody else."""
    alone = People(np.full(n_treated, NOBODY, dtype=np.int32), np.empty(0, dtype=np.int32), n_controls, False)
    if treated is None or controls is None:
        return alone
    known, of_controls = np.unique(controls, return_inverse=True)
    place = np.searchsorted(known, treated)
    is_known = place < len(known)
    is_known[is_known] = known[place[is_known]] == treated[is_known]
    if len(known) == n_controls and not is_known.any():
        return alone
    of_treated = np.where(is_known, place, NOBODY).astype(np.int32)
    return People(of_treated, of_controls.astype(np.int32), len(known), len(known) < n_controls)
