"""Who is insured: birth, sex, residence, conditions, and the spans of cover with their gaps and switches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from counterpart.synthetic import catalogue as codes
from counterpart.synthetic.clock import Bools, Calendar, Floats, Ints
from counterpart.synthetic.events import STRIDE

NEVER = np.int32(2**30)
DAYS_PER_YEAR = 365.25
# Years of age on 2020-01-01: band, share of members.
AGES = ((0, 18, 0.17), (18, 35, 0.22), (35, 45, 0.15), (45, 55, 0.16), (55, 65, 0.16), (65, 80, 0.11), (80, 92, 0.03))
# Deaths per year, by the age from which the rate holds.
DEATHS = ((0, 0.0004), (40, 0.002), (65, 0.013), (75, 0.035), (85, 0.10))
MEDICARE_AGE = 65
COVERED_FROM_THE_START = 0.64
COVERED_TO_THE_END = 0.70
MEAN_DAYS_TO_LEAVING = 900.0
PLAN_SWITCHES, GAPS, SHORT_GAPS, MOVES = 0.18, 0.04, 0.6, 0.12
CONDITION_SLOTS = 4
# One member in 40,000 is in daily care and has some 50,000 lines.
DAILY_CARE_EVERY, DAILY_CARE_PLACE = 40_000, 1_311
UNKNOWN_SEX = 0.001


@dataclass(frozen=True)
class Members:
    """A block of members, one value each, shape (n,). Days count from the start of the data.

    `conditions` holds up to four conditions of `catalogue.CONDITIONS`, -1 where none, shape (n, 4). `frailty`
    multiplies the use of care, `back` the episodes of low back pain. `is_hidden` is the cause that no claim shows.
    """

    number: Ints
    birth_day: Ints
    death_day: Ints
    is_female: Bools
    is_sex_unknown: Bools
    state: Ints
    payer: Ints
    frailty: Floats
    back: Floats
    conditions: Ints
    in_daily_care: Bools
    is_hidden: Bools

    def __len__(self) -> int:
        return len(self.number)

    def age(self, member: Ints, day: Ints) -> Floats:
        """Years of age of `member` on `day`."""
        return (day - self.birth_day[member]) / DAYS_PER_YEAR

    @property
    def n_conditions(self) -> Ints:
        """Conditions of each member, shape (n,)."""
        return (self.conditions != codes.NONE).sum(axis=1)


@dataclass(frozen=True)
class Spans:
    """Rows of eligibility: one per member and stretch of one plan; `end` is inclusive."""

    member: Ints
    start: Ints
    end: Ints
    plan: Ints
    state: Ints

    def row_on(self, member: Ints, day: Ints) -> Ints:
        """The last row that begins on or before a day, by its place; rows are sorted by member and start."""
        starts = self.member.astype(np.int64) * STRIDE + self.start
        return np.searchsorted(starts, member.astype(np.int64) * STRIDE + day, side="right") - 1

    def covers(self, n_members: int, days: int) -> Bools:
        """Whether a member is covered on a day, shape (n_members, days)."""
        steps = np.zeros((n_members, days + 1), dtype=np.int8)
        np.add.at(steps, (self.member, self.start), 1)
        np.add.at(steps, (self.member, self.end + 1), -1)
        return np.cumsum(steps, axis=1, dtype=np.int8)[:, :days].astype(bool)


def draw_members(rng: np.random.Generator, numbers: range, calendar: Calendar) -> Members:
    """The members of one block; the same generator gives the same members."""
    n = len(numbers)
    number = np.arange(numbers.start, numbers.stop, dtype=np.int64)
    in_daily_care = number % DAILY_CARE_EVERY == DAILY_CARE_PLACE
    age = np.where(in_daily_care, 58.0, _draw_ages(rng, n))
    death_day = np.where(in_daily_care, NEVER, _draw_deaths(rng, age, calendar))
    adult = np.clip((age - 10) / 35, 0.15, 1.5)
    return Members(
        number=number,
        birth_day=(calendar.day(date(2020, 1, 1)) - np.floor(age * DAYS_PER_YEAR)).astype(np.int32),
        death_day=death_day.astype(np.int32),
        is_female=rng.random(n) < 0.52,
        is_sex_unknown=rng.random(n) < UNKNOWN_SEX,
        state=codes.state_of_residence.draw(rng, n),
        payer=np.where(age >= MEDICARE_AGE, 2, rng.random(n) < 0.35).astype(np.int8),
        frailty=np.minimum(rng.lognormal(-0.28, 0.75, n), 12.0) * (0.55 + 0.45 * adult),
        back=rng.gamma(0.8, 1 / 0.8, n) * np.where(age < 16, 0.03, np.clip(0.80 + age / 200, 0.0, 1.2)),
        conditions=_draw_conditions(rng, age),
        in_daily_care=in_daily_care,
        is_hidden=rng.random(n) < 0.5,
    )


def _draw_ages(rng: np.random.Generator, n: int) -> Floats:
    low, high, share = (np.array(column) for column in zip(*AGES, strict=True))
    band = np.searchsorted(np.cumsum(share)[:-1], rng.random(n), side="right")
    return low[band] + rng.random(n) * (high - low)[band]


def _draw_deaths(rng: np.random.Generator, age: Floats, calendar: Calendar) -> Ints:
    """Day of death, `NEVER` when after the data."""
    from_age, per_year = (np.array(column) for column in zip(*DEATHS, strict=True))
    rate = per_year[np.searchsorted(from_age, age, side="right") - 1]
    day = rng.exponential(1.0, len(age)) / rate * DAYS_PER_YEAR
    return np.where(day < calendar.days - 1, day, NEVER).astype(np.int32)


def _draw_conditions(rng: np.random.Generator, age: Floats) -> Ints:
    """Up to four conditions a member, shape (n, 4). Nobody has diabetes both with and without complications."""
    prevalence, growth = (np.array(column) for column in list(zip(*codes.CONDITIONS.values(), strict=True))[:2])
    risk = prevalence * growth ** ((age[:, None] - 50) / 10) * (age[:, None] > 15)
    has = rng.random(risk.shape) < np.minimum(risk, 0.45)
    has[:, codes.CONDITION_NAMES.index("diabetes")] &= ~has[:, codes.CONDITION_NAMES.index("diabetes_complicated")]
    first = np.argsort(~has, axis=1, kind="stable")[:, :CONDITION_SLOTS]
    return np.where(np.take_along_axis(has, first, axis=1), first, codes.NONE).astype(np.int16)


def draw_spans(rng: np.random.Generator, members: Members, calendar: Calendar) -> tuple[Members, Spans]:
    """Cover of every member, at least one span each; deaths that nobody could see (before cover) are taken back."""
    begin, finish = _draw_cover(rng, members, calendar)
    is_seen = (members.death_day >= begin + 30) & (members.death_day <= finish)
    death_day = np.where(is_seen, members.death_day, NEVER)
    finish = np.minimum(finish, death_day)
    seen = Members(**{**vars(members), "death_day": death_day.astype(np.int32)})
    return seen, _draw_segments(rng, seen, begin, finish, calendar)


def _draw_cover(rng: np.random.Generator, members: Members, calendar: Calendar) -> tuple[Ints, Ints]:
    """First and last day of cover, before deaths; a child born in the period is covered from birth."""
    n, last = len(members), calendar.days - 1
    late = np.floor(rng.random(n) * (last - 60))
    begin = np.where(members.in_daily_care | (rng.random(n) < COVERED_FROM_THE_START), 0, late)
    begin = np.minimum(np.maximum(begin, members.birth_day), last)
    stay = np.floor(rng.exponential(MEAN_DAYS_TO_LEAVING, n)) + 30
    stays = members.in_daily_care | (rng.random(n) < COVERED_TO_THE_END)
    finish = np.where(stays, last, np.minimum(begin + stay, last))
    return begin.astype(np.int32), finish.astype(np.int32)


def _draw_segments(rng: np.random.Generator, members: Members, begin: Ints, finish: Ints, calendar: Calendar) -> Spans:
    """Cut the cover at the turns of years: a switch of plan without a gap, or a gap of days to months."""
    n = len(members)
    is_medicare = members.payer == 2
    current, state = begin.copy(), members.state.copy()
    plan = np.where(is_medicare, 4, rng.integers(0, 4, n)).astype(np.int8)
    rows: list[tuple[Ints, ...]] = []
    for turn in calendar.january_firsts():
        chance = rng.random(n)
        gap = np.where(rng.random(n) < SHORT_GAPS, rng.integers(5, 45, n), rng.integers(46, 240, n))
        gap = np.where(chance < GAPS, gap, 0)
        cut = (chance < GAPS + PLAN_SWITCHES) & (current < turn) & (turn + gap <= finish) & ~members.in_daily_care
        who = np.flatnonzero(cut)
        rows.append((who, current[who], np.full(len(who), turn - 1), plan[who], state[who]))
        current[who] = turn + gap[who]
        plan[who] = np.where(is_medicare[who], 4, rng.integers(0, 4, len(who)))
        moved = who[rng.random(len(who)) < MOVES]
        state[moved] = codes.state_of_residence.draw(rng, len(moved))
    rows.append((np.arange(n), current, finish, plan, state))
    member, start, end, plans, states = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((start, member))
    return Spans(
        member[order].astype(np.int32), start[order].astype(np.int32), end[order].astype(np.int32),
        plans[order].astype(np.int8), states[order].astype(np.int16),
    )  # fmt: skip
