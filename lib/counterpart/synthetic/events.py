"""Things that happen to members: who, on which day, with which code. Claims are made and counts taken from them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from counterpart.synthetic.catalogue import NONE
from counterpart.synthetic.clock import Bools, Clock, Floats, Ints

# Days of a member lie inside a stretch this wide of one line of integers, so that a count in a window is two searches.
STRIDE = 1 << 14


@dataclass(frozen=True)
class Events:
    """Events of a block, in any order, shape (n,). `member` is the place in the block, `code` and `other` are codes."""

    member: Ints
    day: Ints
    code: Ints
    other: Ints

    @classmethod
    def of(
        cls,
        member: Ints,
        day: Ints,
        code: Ints | None = None,
        other: Ints | None = None,
    ) -> Events:
        """Events with the codes given, or none."""
        nothing = np.full(len(member), NONE, dtype=np.int16)
        return cls(
            member.astype(np.int32),
            day.astype(np.int32),
            nothing if code is None else code.astype(np.int16),
            nothing if other is None else other.astype(np.int16),
        )

    def __len__(self) -> int:
        return len(self.member)

    def where(self, keep: Bools) -> Events:
        """The events for which `keep` is true."""
        return Events(self.member[keep], self.day[keep], self.code[keep], self.other[keep])

    def covered(self, cover: Bools) -> Events:
        """The events that an insurer gets to see: inside the period, and the member covered on the day."""
        inside = self.where((self.day >= 0) & (self.day < cover.shape[1]))
        return inside.where(cover[inside.member, inside.day])

    def until(self, last_day: Ints) -> Events:
        """The events up to and including the last day of each member, shape (members,)."""
        return self.where(self.day <= last_day[self.member])

    @property
    def key(self) -> Ints:
        """Member and day as one integer."""
        return self.member.astype(np.int64) * STRIDE + self.day

    def one_a_day(self) -> Events:
        """At most one event for a member and day: the first given."""
        _, first = np.unique(self.key, return_index=True)
        return Events(self.member[first], self.day[first], self.code[first], self.other[first])


def join_events(*parts: Events) -> Events:
    """All events of the parts, one part after the other."""
    return Events(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Events)))


def days_of(*parts: Events) -> Ints:
    """The distinct member-days of all parts, sorted, as keys."""
    return np.unique(np.concatenate([part.key for part in parts]))


def new_days(keys: Ints, known: Ints) -> Ints:
    """The `keys` that are not among the sorted `known`."""
    place = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
    return keys[known[place] != keys] if len(known) else keys


def count_before(keys: Ints, member: Ints, day: Ints, window: int) -> Ints:
    """How many of the sorted `keys` lie in the days day-window .. day-1 of `member`; shape as `member`."""
    here = member.astype(np.int64) * STRIDE + day
    return np.searchsorted(keys, here, side="left") - np.searchsorted(keys, here - window, side="left")


def occur(rng: np.random.Generator, per_year: Floats, clock: Clock) -> tuple[Ints, Ints]:
    """Members and days of independent events over the whole period at a yearly rate, shape (members,)."""
    n = rng.poisson(per_year * (clock.total / 365.25))
    member = np.repeat(np.arange(len(n), dtype=np.int32), n)
    return member, clock.draw_anywhere(rng, len(member))


def expand(counts: Ints) -> tuple[Ints, Ints]:
    """For each of sum(counts) children: the parent's place, and the place among its siblings from 0."""
    parent = np.repeat(np.arange(len(counts)), counts)
    return parent, np.arange(len(parent)) - np.repeat(np.cumsum(counts) - counts, counts)
