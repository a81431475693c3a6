"""Episodes of low back pain: visits, imaging, drugs, injections, surgery, and the point where treatment is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterpart.synthetic import catalogue as codes
from counterpart.synthetic.clock import Bools, Calendar, Ints
from counterpart.synthetic.events import Events, expand, join_events, occur
from counterpart.synthetic.members import Members

EPISODES = 0.39  # per covered year of a member with usual proneness
ACTS = 0.62  # share of the episodes that lead to therapy or to the program
EARLIER_VISITS, LATER_VISITS = 0.75, 0.35
IMAGING, OPIOIDS, EMERGENCIES, INJECTIONS, SURGERIES = 0.36, 0.16, 0.07, 0.05, 0.012
IMAGING_WITHIN = 21
COURSE_WEEKS = (3, 8)
MOST_VISITS = 16
# After a point of choice nothing else is decided for this long, so that 90 days of follow-up know one decision.
QUIET_DAYS = 91
LATER_WITHIN = 120
FOR_ANOTHER_REASON = 0.04  # of the images of the lumbar spine: no low back pain on the claim


@dataclass(frozen=True)
class Choices:
    """Points of choice between therapy and program by member and day, at least `QUIET_DAYS` apart; shape (n,)."""

    member: Ints
    day: Ints
    diagnosis: Ints

    def __len__(self) -> int:
        return len(self.member)

    def where(self, keep: Bools) -> Choices:
        """The points for which `keep` is true."""
        return Choices(self.member[keep], self.day[keep], self.diagnosis[keep])


@dataclass(frozen=True)
class BackPain:
    """Office visits for low back pain (code: diagnosis), outcome streams of the episodes, points of choice."""

    office: Events
    outcomes: dict[str, Events]
    choices: Choices


def draw_back_pain(rng: np.random.Generator, members: Members, cover: Bools, calendar: Calendar) -> BackPain:
    """The episodes of a block of members."""
    member, begins = occur(rng, members.back * EPISODES, calendar.elective)
    begins = calendar.to_workday(begins)
    episodes = Events.of(member, begins, codes.back_diagnosis.draw(rng, len(member))).covered(cover)
    n = len(episodes)
    delay = 5 + np.minimum(rng.exponential(13.0, n), 55.0)
    chosen_on = calendar.to_workday((episodes.day + delay).astype(np.int32))
    acts = rng.random(n) < ACTS
    office = _draw_visits(rng, episodes, chosen_on, calendar).covered(cover)
    choices = _spaced(Events.of(episodes.member, chosen_on, episodes.code).where(acts).covered(cover))
    outcomes = {name: events.covered(cover) for name, events in _draw_outcomes(rng, episodes, calendar).items()}
    return BackPain(office, outcomes, choices)


def _draw_visits(rng: np.random.Generator, episodes: Events, chosen_on: Ints, calendar: Calendar) -> Events:
    """The first visit, some before the choice, some after it: about as many as leave the look-back in that time."""
    which, _ = expand(rng.poisson(EARLIER_VISITS, len(episodes)))
    room = (chosen_on - episodes.day)[which]
    early = calendar.to_workday((episodes.day[which] + 1 + rng.random(len(which)) * (room - 1)).astype(np.int32))
    before = early < chosen_on[which]
    early_visits = Events.of(episodes.member[which], early, episodes.code[which]).where(before)
    which, _ = expand(rng.poisson(LATER_VISITS, len(episodes)))
    late = calendar.to_workday(chosen_on[which] + rng.integers(1, LATER_WITHIN, len(which)))
    late_visits = Events.of(episodes.member[which], late, episodes.code[which])
    return join_events(episodes, early_visits, late_visits).one_a_day()


def _draw_outcomes(rng: np.random.Generator, episodes: Events, calendar: Calendar) -> dict[str, Events]:
    """Imaging, opioids, emergency visits, injections and surgery around the first visits."""
    imaged = _after(rng, episodes, IMAGING, 0, IMAGING_WITHIN, calendar)
    treated = _after(rng, episodes, OPIOIDS, 0, 20, calendar)
    injected = _after(rng, episodes, INJECTIONS, 10, 80, calendar)
    operated = _after(rng, episodes, SURGERIES, 20, 150, calendar)
    return {
        "imaging": dress(rng, "imaging", imaged.member, imaged.day),
        "opioid": dress(rng, "opioid", treated.member, treated.day),
        "emergency": _after(rng, episodes, EMERGENCIES, -3, 10, calendar),
        "injection": dress(rng, "injection", injected.member, injected.day),
        "surgery": dress(rng, "surgery", operated.member, operated.day),
    }


def _after(
    rng: np.random.Generator, episodes: Events, mean: float, first: int, last: int, calendar: Calendar
) -> Events:
    """Events `first` to `last` days after the beginning of episodes, `mean` of them each; at most one a day."""
    which, _ = expand(rng.poisson(mean, len(episodes)))
    day = calendar.to_workday(episodes.day[which] + rng.integers(first, last + 1, len(which)))
    return Events.of(episodes.member[which], day, episodes.code[which]).one_a_day()


def dress(rng: np.random.Generator, outcome: str, member: Ints, day: Ints) -> Events:
    """Give bare outcome events their codes: what was done (`code`) and, where it varies, the diagnosis (`other`)."""
    n = len(member)
    if outcome == "opioid":
        return Events.of(member, day, codes.opioid_product.draw(rng, n)).one_a_day()
    if outcome == "emergency":
        return Events.of(member, day, codes.emergency_diagnosis.draw(rng, n)).one_a_day()
    if outcome in codes.NEGATIVE_CONTROLS:
        return Events.of(member, day, np.full(n, codes.DIAGNOSES[codes.NEGATIVE_CONTROLS[outcome]])).one_a_day()
    diagnosis = codes.back_diagnosis.draw(rng, n)
    if outcome == "imaging":
        is_for_another_reason = rng.random(n) < FOR_ANOTHER_REASON
        diagnosis = np.where(is_for_another_reason, codes.other_diagnosis.draw(rng, n), diagnosis)
    done = {"imaging": codes.back_study, "injection": codes.injection_procedure, "surgery": codes.surgery_procedure}
    return Events.of(member, day, done[outcome].draw(rng, n), diagnosis).one_a_day()


def _spaced(points: Events) -> Choices:
    """Drop points that follow a kept one of the same member too soon."""
    order = np.lexsort((points.day, points.member))
    member, day, code = points.member[order], points.day[order], points.code[order]
    first = np.searchsorted(member, member, side="left")
    rank = np.arange(len(member)) - first
    keep = np.zeros(len(member), dtype=bool)
    last_kept = np.full(int(member.max(initial=0)) + 1, -QUIET_DAYS, dtype=np.int64)
    for turn in range(int(rank.max(initial=-1)) + 1):
        here = np.flatnonzero(rank == turn)
        here = here[day[here] - last_kept[member[here]] >= QUIET_DAYS]
        keep[here] = True
        last_kept[member[here]] = day[here]
    return Choices(member[keep], day[keep], code[keep])


def plan_course(rng: np.random.Generator, choices: Choices, calendar: Calendar) -> tuple[Events, Ints]:
    """The visits of a course of therapy from each point of choice, over 3 to 8 weeks, some days apart.

    Gives the visits (code: the diagnosis), sorted by point and day, and the place of each one's point.
    """
    n = len(choices)
    weeks = rng.integers(COURSE_WEEKS[0], COURSE_WEEKS[1] + 1, n)
    gaps = rng.integers(2, 8, (n, MOST_VISITS))
    gaps[:, 0] = 0
    offset = np.cumsum(gaps, axis=1)
    day = calendar.to_workday(choices.day[:, None] + offset)
    is_planned = offset <= 7 * weeks[:, None]
    is_planned[:, 1:] &= day[:, 1:] > day[:, :-1]
    which, visit = np.nonzero(is_planned)
    return Events.of(choices.member[which], day[which, visit], choices.diagnosis[which]), which
