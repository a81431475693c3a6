"""Who enrols and who goes to therapy, and what follows: the causal core of the made-up claims.

At a point of choice a member with low back pain takes up the program or a course of physical therapy, and decides again
at each month's first visit of the course: these are the candidate dates of the study. The odds of every decision depend
only on what the claims of the year before show (`planted.DRIVERS`), and so do the rates of all outcomes from the next
day on: they stay constant until the member's next decision, times the calendar's rhythm, times the planted ratio after
enrolment. A new image ends the course: otherwise the image, an outcome of one candidate date, would raise the rates
from the next one on, and the comparators would be imaged more than their own past explains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace

import numpy as np

from counterpart.synthetic import catalogue as codes
from counterpart.synthetic import planted
from counterpart.synthetic.backpain import BackPain, Choices, dress, plan_course
from counterpart.synthetic.clock import Bools, Calendar, Clock, Floats, Ints
from counterpart.synthetic.events import STRIDE, Events, days_of, expand, join_events
from counterpart.synthetic.history import History
from counterpart.synthetic.members import NEVER, Members, Spans
from counterpart.synthetic.recorded import Recorded
from counterpart.synthetic.settings import FIRST_ENROLMENT, LAST_ENROLMENT, SynthSettings

# Courses begun this long before the first enrolment may still run into the months of the study.
WARM_UP_DAYS = 92
ADULT = 18
WITHOUT_BACK_PAIN = 0.0012  # enrolments of members whose claims show no low back pain
COURSE_STOPS = 0.08  # chance to end a course at a visit, outside the months of the study
TELEHEALTH_SHARE = 0.03
MONTHS = 100_000  # more than the months since year 0
TELEHEALTH = 1  # the mark of a visit that was not in person


@dataclass(frozen=True)
class PathwayUnits:
    """Planted person-dates: enrolments, and each month's first visit of therapy in person. Shape (n,).

    `log_odds` of enrolment against therapy (NaN where the model decided nothing: enrolments at a flat chance), and
    imaging visits expected in days 1 to 90 without the program.
    """

    member: Ints
    day: Ints
    is_treated: Bools
    log_odds: Floats
    expected: Floats


@dataclass(frozen=True)
class Pathways:
    """Visits of therapy (code: diagnosis, other: telehealth or none), outcome streams, first enrolments, units."""

    therapy: Events
    outcomes: dict[str, Events]
    enrolments: Events
    units: PathwayUnits


@dataclass
class Walk:
    """Walks the members of a block through their decisions, in order of time, and keeps what has happened so far."""

    rng: np.random.Generator
    settings: SynthSettings
    members: Members
    cover: Bools
    calendar: Calendar
    recorded: Recorded
    outcomes: dict[str, Events]
    enrolled_on: Ints
    therapy: list[Events] = field(default_factory=list)
    units: list[PathwayUnits] = field(default_factory=list)

    @property
    def window(self) -> tuple[int, int]:
        """First and last day of enrolment."""
        return self.calendar.day(FIRST_ENROLMENT), self.calendar.day(LAST_ENROLMENT)

    def choose(self, choices: Choices) -> None:
        """One point of choice each of some members: program or therapy, and what follows."""
        choices = choices.where(self.enrolled_on[choices.member] == NEVER)
        enrols = self._decide(choices.member, choices.day)
        self._treat(choices.where(~enrols))

    def _decide(self, member: Ints, day: Ints) -> Bools:
        """Who enrols, one decision a member; from the next day on the outcomes follow from the past as recorded now."""
        drivers = self.recorded.drivers(self.outcomes, member, day)
        log_odds = self._log_odds(member, drivers)
        enrols = self.rng.random(len(member)) < 1 / (1 + np.exp(-log_odds))
        enrols &= self._may_enrol(member, day)
        self._follow(member, day, drivers, enrols)
        self._enrol(member[enrols], day[enrols], drivers[enrols], log_odds[enrols])
        return enrols

    def enrol_without_back_pain(self, has_back_pain: Bools) -> None:
        """Some members enrol whose claims never showed low back pain."""
        joins = (self.rng.random(len(self.members)) < WITHOUT_BACK_PAIN) & ~has_back_pain
        member = np.flatnonzero(joins & (self.enrolled_on == NEVER)).astype(np.int32)
        day = self.rng.integers(self.window[0], self.window[1] + 1, len(member)).astype(np.int32)
        keep = self._may_enrol(member, day)
        self._begin_program(member[keep], day[keep])

    def _may_enrol(self, member: Ints, day: Ints) -> Bools:
        is_in_window = (day >= self.window[0]) & (day <= self.window[1])
        is_covered = self.cover[member, np.clip(day, 0, self.calendar.days - 1)]
        return is_in_window & is_covered & (self.members.age(member, day) >= ADULT)

    def _log_odds(self, member: Ints, drivers: Floats) -> Floats:
        hidden = self.settings.hidden_confounding * self.members.is_hidden[member]
        return planted.ENROLMENT_INTERCEPT + drivers @ planted.ENROLMENT_COEFFICIENTS + hidden

    def _rate(self, outcome: str, member: Ints, drivers: Floats) -> Floats:
        """Events per 90 days without the program."""
        rate = planted.OUTCOMES[outcome].rate(drivers)
        if outcome == "imaging":
            rate = rate * np.exp(-self.settings.hidden_confounding * self.members.is_hidden[member])
        return rate

    def _clock(self, outcome: str) -> Clock:
        return self.calendar.acute if outcome in ("emergency", "opioid") else self.calendar.elective

    def _follow(self, member: Ints, day: Ints, drivers: Floats, enrols: Bools) -> None:
        """From the day after `day` on, replace the outcomes of these members by streams of the planted rates."""
        until = np.full(len(self.members), NEVER, dtype=np.int32)
        until[member] = day
        for outcome, events in self.outcomes.items():
            ratio = np.where(enrols, planted.rate_ratio_of(outcome, self.settings.rate_ratio), 1.0)
            per_90_days = self._rate(outcome, member, drivers) * ratio
            fresh = self._draw_stream(outcome, member, day, per_90_days)
            self.outcomes[outcome] = join_events(events.until(until), fresh)

    def _draw_stream(self, outcome: str, member: Ints, day: Ints, per_90_days: Floats) -> Events:
        clock, last = self._clock(outcome), np.full(len(day), self.calendar.days - 1)
        n = self.rng.poisson(per_90_days / planted.RATE_DAYS * clock.between(day, last))
        which, _ = expand(n)
        on = clock.draw(self.rng, day[which], last[which])
        return dress(self.rng, outcome, member[which], on).covered(self.cover)

    def _enrol(self, member: Ints, day: Ints, drivers: Floats, log_odds: Floats) -> None:
        self.enrolled_on[member] = day
        self.units.append(self._units(member, day, True, drivers, log_odds))

    def _begin_program(self, member: Ints, day: Ints) -> None:
        """Enrol outside a point of choice: there were no odds that the past decided."""
        drivers = self.recorded.drivers(self.outcomes, member, day)
        self._follow(member, day, drivers, np.ones(len(member), dtype=bool))
        self._enrol(member, day, drivers, np.full(len(member), np.nan))

    def _treat(self, choices: Choices) -> None:
        """A course of therapy from each point of choice, up to the next image.

        Each month's first visit in person is a candidate date of the study, and a new decision.
        """
        visits, which = plan_course(self.rng, choices, self.calendar)
        is_seen = self.cover[visits.member, np.minimum(visits.day, self.calendar.days - 1)]
        is_seen &= visits.day < self.calendar.days
        visits, which = _mark_telehealth(self.rng, visits.where(is_seen), self.calendar), which[is_seen]
        for candidates, course in _candidates(visits, which, self.calendar):
            goes_on = self._next_image(candidates.member, choices.day[course]) >= candidates.day
            goes_on &= self.enrolled_on[candidates.member] == NEVER
            self._offer(candidates.where(goes_on), choices.day[course[goes_on]])
        ends = self._next_image(visits.member, choices.day[which])
        self.therapy.append(visits.where(visits.day <= ends))

    def _offer(self, candidates: Events, chosen_on: Ints) -> None:
        """Candidate dates, one a member: a decision if none was made that day, and a unit of those who stay."""
        later = candidates.where(candidates.day > chosen_on)
        self._decide(later.member, later.day)
        candidates = candidates.where(self.enrolled_on[candidates.member] == NEVER)
        member, day = candidates.member, candidates.day
        is_unit = (day >= self.window[0]) & (day <= self.window[1]) & (self.members.age(member, day) >= ADULT)
        member, day = member[is_unit], day[is_unit]
        drivers = self.recorded.drivers(self.outcomes, member, day)
        self.units.append(self._units(member, day, False, drivers, self._log_odds(member, drivers)))

    def _next_image(self, member: Ints, day: Ints) -> Ints:
        """The day of the first image of each member after `day`, `NEVER` without one."""
        keys = np.append(days_of(self.outcomes["imaging"]), np.iinfo(np.int64).max)
        here = member.astype(np.int64) * STRIDE + day
        following = keys[np.searchsorted(keys, here, side="right")]
        return np.where(following // STRIDE == member, following % STRIDE, NEVER)

    def _units(self, member: Ints, day: Ints, is_treated: bool, drivers: Floats, log_odds: Floats) -> PathwayUnits:
        rate = self._rate("imaging", member, drivers) / planted.RATE_DAYS
        expected = rate * self.calendar.elective.between(day, day + planted.RATE_DAYS)
        return PathwayUnits(member, day, np.full(len(member), is_treated), log_odds, expected)


def _candidates(visits: Events, which: Ints, calendar: Calendar) -> Iterator[tuple[Events, Ints]]:
    """Each course's first visit in person in its first such month, then in its second, ...; and the course's place."""
    in_person = np.flatnonzero(visits.other != TELEHEALTH)
    months = which[in_person] * MONTHS + calendar.month[visits.day[in_person]]
    _, first = np.unique(months, return_index=True)
    place = in_person[first]
    course = which[place]
    rank = np.arange(len(course)) - np.searchsorted(course, course, side="left")
    for turn in range(int(rank.max(initial=-1)) + 1):
        here = np.zeros(len(visits), dtype=bool)
        here[place[rank == turn]] = True
        yield visits.where(here), course[rank == turn]


def _ever_so_far(flag: Bools, group: Ints) -> Bools:
    """Whether the flag was true in this or an earlier row of the group; rows are sorted by group."""
    total = np.cumsum(flag)
    before = np.searchsorted(group, group, side="left")
    return total - total[before] + flag[before] > 0


def _mark_telehealth(rng: np.random.Generator, visits: Events, calendar: Calendar) -> Events:
    """Since the spring of 2020 some visits are not in person."""
    is_remote = (rng.random(len(visits)) < TELEHEALTH_SHARE) & (visits.day >= calendar.day(FIRST_ENROLMENT) + 75)
    return replace(visits, other=np.where(is_remote, TELEHEALTH, codes.NONE).astype(np.int16))


def _plain_courses(rng: np.random.Generator, choices: Choices, cover: Bools, calendar: Calendar) -> Events:
    """Courses of therapy outside the months of the study: they stop at random."""
    visits, which = plan_course(rng, choices, calendar)
    stops = _ever_so_far(rng.random(len(visits)) < COURSE_STOPS, which)
    is_first = np.searchsorted(which, which, side="left") == np.arange(len(which))
    return _mark_telehealth(rng, visits.where(is_first | ~stops).covered(cover), calendar)


def walk_pathways(
    rng: np.random.Generator,
    settings: SynthSettings,
    members: Members,
    spans: Spans,
    cover: Bools,
    calendar: Calendar,
    history: History,
    back: BackPain,
) -> Pathways:
    """All decisions of a block of members, and the outcomes that follow from them."""
    outcomes = {
        name: join_events(*(part[name] for part in (history.outcomes, back.outcomes) if name in part)).one_a_day()
        for name in planted.OUTCOMES
    }
    recorded = Recorded.of(members, spans, history, back)
    nobody = np.full(len(members), NEVER, dtype=np.int32)
    walk = Walk(rng, settings, members, cover, calendar, recorded, outcomes, nobody)
    warm_up, last = walk.window[0] - WARM_UP_DAYS, walk.window[1]
    in_study = (back.choices.day >= warm_up) & (back.choices.day <= last)
    for turn in _turns(back.choices.where(in_study)):
        walk.choose(turn)
    has_back_pain = np.zeros(len(members), dtype=bool)
    has_back_pain[back.office.member] = True
    walk.enrol_without_back_pain(has_back_pain)
    outside = back.choices.where(~in_study)
    outside = outside.where(walk.enrolled_on[outside.member] > outside.day)
    therapy = join_events(*walk.therapy, _plain_courses(rng, outside, cover, calendar))
    return _finish(walk, therapy)


def _turns(choices: Choices) -> list[Choices]:
    """The first point of every member, then the second, ..."""
    rank = np.arange(len(choices)) - np.searchsorted(choices.member, choices.member, side="left")
    return [choices.where(rank == turn) for turn in range(int(rank.max(initial=-1)) + 1)]


def _finish(walk: Walk, therapy: Events) -> Pathways:
    """Drop therapy and candidate dates from enrolment on: a member in the program is no comparator."""
    therapy = therapy.where(therapy.day < walk.enrolled_on[therapy.member]).one_a_day()
    enrolled = np.flatnonzero(walk.enrolled_on < NEVER)
    units = PathwayUnits(
        *(np.concatenate([getattr(part, column.name) for part in walk.units]) for column in fields(PathwayUnits))
    )
    keep = units.is_treated | (units.day < walk.enrolled_on[units.member])
    order = np.lexsort((units.is_treated, units.day, units.member))
    order = order[keep[order]]
    kept = PathwayUnits(*(getattr(units, column.name)[order] for column in fields(PathwayUnits)))
    return Pathways(therapy, walk.outcomes, Events.of(enrolled, walk.enrolled_on[enrolled]), kept)
