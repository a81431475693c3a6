"""What everybody's claims show: visits, tests, stays, births, drugs, and the outcomes at their usual pace.

Every function draws the events of one block of members over the whole period and gives them back as far as covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from counterpart.synthetic import catalogue as codes
from counterpart.synthetic.clock import Bools, Calendar, Floats
from counterpart.synthetic.events import Events, expand, join_events, occur
from counterpart.synthetic.members import Members

# Events per covered year of a member with frailty 1.
OFFICE_VISITS, OFFICE_VISITS_PER_CONDITION = 1.25, 0.95
ABOUT_A_CONDITION = 0.6
PROCEDURES, STAYS, EMERGENCIES, TRAUMAS = 0.45, 0.022, 0.20, 0.003
ACUTE_FILLS, MAINTENANCE_FILLS, MAINTENANCE_PER_CONDITION = 0.65, 0.65, 2.2
STEROID_BURSTS, DAILY_STEROID_FILLS = 0.06, 8.0
OPIOID_FILLS, OPIOID_USERS, OPIOID_FILLS_OF_USERS = 0.07, 0.015, 7.0
UNRELATED_IMAGES = 0.02
PREGNANCIES, FERTILE = 0.055, (18, 43)
JOINT_COURSES, JOINT_VISITS = 0.04, 6
CHIROPRACTIC_USERS, CHIROPRACTIC_COURSES, CHIROPRACTIC_VISITS = 0.035, 0.7, 6
CONTROLS_PER_YEAR = {"impacted_cerumen": 0.045, "ingrowing_nail": 0.035, "contact_dermatitis": 0.045}


@dataclass(frozen=True)
class History:
    """Events by kind. The outcome streams are usual care, which index dates later replace."""

    office: Events  # code and other: diagnoses
    procedures: Events  # code: diagnosis
    stays: Events  # code and other: diagnoses
    pregnancy: Events  # code: diagnosis of the visit, or of the delivery
    joint_therapy: Events  # code: diagnosis
    chiropractic: Events  # code: diagnosis
    daily_care: Events
    fills: Events  # code: product
    outcomes: dict[str, Events]

    @property
    def visits(self) -> tuple[Events, ...]:
        """All office visits but those for low back pain and for negative controls."""
        return self.office, self.pregnancy.where(self.pregnancy.code != codes.DIAGNOSES[codes.DELIVERY])


def draw_history(rng: np.random.Generator, members: Members, cover: Bools, calendar: Calendar) -> History:
    """The usual care of a block of members."""
    outcomes = {
        "emergency": _draw_emergencies(rng, members, calendar),
        "opioid": _draw_opioids(rng, members, calendar),
        "imaging": _draw_unrelated_images(rng, members, calendar),
        **{name: _draw_control(rng, members, name, calendar) for name in CONTROLS_PER_YEAR},
    }
    return History(
        office=_draw_office(rng, members, calendar).covered(cover),
        procedures=_draw_simple(rng, members.frailty * PROCEDURES, calendar).covered(cover),
        stays=_draw_stays(rng, members, calendar).covered(cover),
        pregnancy=_draw_pregnancies(rng, members, calendar).covered(cover),
        joint_therapy=_draw_courses(
            rng, members.frailty * JOINT_COURSES, JOINT_VISITS, codes.joint_diagnosis, calendar
        ).covered(cover),
        chiropractic=_draw_chiropractic(rng, members, calendar).covered(cover),
        daily_care=_draw_daily_care(members, calendar).covered(cover),
        fills=_draw_fills(rng, members, calendar).covered(cover),
        outcomes={name: events.covered(cover) for name, events in outcomes.items()},
    )


def _draw_simple(rng: np.random.Generator, per_year: Floats, calendar: Calendar) -> Events:
    member, day = occur(rng, per_year, calendar.elective)
    return Events.of(member, day, codes.common_diagnosis.draw(rng, len(member)))


def _draw_office(rng: np.random.Generator, members: Members, calendar: Calendar) -> Events:
    """Visits for a condition of the member, or for one of the common diagnoses; sometimes both."""
    per_year = members.frailty * OFFICE_VISITS + members.n_conditions * OFFICE_VISITS_PER_CONDITION
    member, day = occur(rng, per_year, calendar.elective)
    n = len(member)
    slot = (rng.random(n) * members.n_conditions[member]).astype(np.int64)
    condition = members.conditions[member, slot]
    about_condition = (condition != codes.NONE) & (rng.random(n) < ABOUT_A_CONDITION)
    usual = codes.common_diagnosis.draw(rng, n)
    also = np.where(rng.random(n) < 0.35, codes.common_diagnosis.draw(rng, n), codes.NONE)
    principal = np.where(about_condition, codes.CONDITION_DIAGNOSES[condition], usual)
    return Events.of(member, day, principal, np.where(also == principal, codes.NONE, also))


def _draw_stays(rng: np.random.Generator, members: Members, calendar: Calendar) -> Events:
    member, day = occur(rng, members.frailty * STAYS * (1 + 0.6 * members.n_conditions), calendar.acute)
    diagnosis = codes.emergency_diagnosis.draw(rng, len(member))
    first = members.conditions[member, 0]
    return Events.of(member, day, diagnosis, np.where(first >= 0, codes.CONDITION_DIAGNOSES[first], codes.NONE))


def _draw_emergencies(rng: np.random.Generator, members: Members, calendar: Calendar) -> Events:
    member, day = occur(rng, members.frailty * EMERGENCIES, calendar.acute)
    visits = Events.of(member, day, codes.emergency_diagnosis.draw(rng, len(member)))
    hurt, hurt_on = occur(rng, np.full(len(members), TRAUMAS), calendar.acute)
    return join_events(visits, Events.of(hurt, hurt_on, np.full(len(hurt), codes.DIAGNOSES[codes.TRAUMA])))


def _draw_opioids(rng: np.random.Generator, members: Members, calendar: Calendar) -> Events:
    is_adult = members.birth_day < calendar.day(date(2002, 1, 1))
    is_user = is_adult & (rng.random(len(members)) < OPIOID_USERS)
    per_year = members.frailty * OPIOID_FILLS * is_adult + OPIOID_FILLS_OF_USERS * is_user
    member, day = occur(rng, per_year, calendar.acute)
    return Events.of(member, day, codes.opioid_product.draw(rng, len(member))).one_a_day()


def _draw_unrelated_images(rng: np.random.Generator, members: Members, calendar: Calendar) -> Events:
    """Images of the lumbar spine that no episode of low back pain explains."""
    member, day = occur(rng, members.frailty * UNRELATED_IMAGES, calendar.elective)
    studies = codes.back_study.draw(rng, len(member))
    return Events.of(member, day, studies, codes.other_diagnosis.draw(rng, len(member))).one_a_day()


def _draw_control(rng: np.random.Generator, members: Members, name: str, calendar: Calendar) -> Events:
    member, day = occur(rng, members.frailty * CONTROLS_PER_YEAR[name], calendar.elective)
    return Events.of(member, day, np.full(len(member), codes.DIAGNOSES[codes.NEGATIVE_CONTROLS[name]])).one_a_day()


def _draw_pregnancies(rng: np.random.Generator, members: Members, calendar: Calendar) -> Events:
    """Nine visits, four weeks apart, and a delivery."""
    mother, begins = occur(rng, np.where(members.is_female, PREGNANCIES, 0.0), calendar.acute)
    age = members.age(mother, begins)
    is_fertile = (age >= FERTILE[0]) & (age < FERTILE[1])
    mother, begins = mother[is_fertile], begins[is_fertile]
    which, visit = expand(np.full(len(mother), 10))
    is_delivery = visit == 9
    day = begins[which] + 40 + 25 * visit
    day = np.where(is_delivery, day, calendar.to_workday(day))
    diagnosis = np.where(is_delivery, codes.DIAGNOSES[codes.DELIVERY], codes.DIAGNOSES[codes.PREGNANCY_VISIT])
    return Events.of(mother[which], day, diagnosis)


def _draw_courses(
    rng: np.random.Generator, per_year: Floats, visits: int, mix: codes.Mix, calendar: Calendar
) -> Events:
    """Courses of visits some days apart, all for one diagnosis."""
    member, begins = occur(rng, per_year, calendar.elective)
    diagnosis = mix.draw(rng, len(member))
    which, visit = expand(rng.integers(1, 2 * visits, len(member)))
    day = calendar.to_workday(begins[which] + 5 * visit)
    return Events.of(member[which], day, diagnosis[which]).one_a_day()


def _draw_chiropractic(rng: np.random.Generator, members: Members, calendar: Calendar) -> Events:
    is_user = rng.random(len(members)) < CHIROPRACTIC_USERS
    per_year = np.where(is_user, CHIROPRACTIC_COURSES, 0.0) * members.back
    return _draw_courses(rng, per_year, CHIROPRACTIC_VISITS, codes.chiropractic_diagnosis, calendar)


def _draw_daily_care(members: Members, calendar: Calendar) -> Events:
    who = np.flatnonzero(members.in_daily_care)
    return Events.of(np.repeat(who, calendar.days), np.tile(np.arange(calendar.days), len(who)))


def _draw_fills(rng: np.random.Generator, members: Members, calendar: Calendar) -> Events:
    """Fills of everything but opioids."""
    on_steroids = (members.conditions == codes.CONDITION_NAMES.index("steroid_user")).any(axis=1)
    maintenance = members.frailty * MAINTENANCE_FILLS + members.n_conditions * MAINTENANCE_PER_CONDITION
    kinds = (
        (maintenance, codes.maintenance_product),
        (members.frailty * ACUTE_FILLS, codes.acute_product),
        (members.frailty * STEROID_BURSTS, codes.steroid_product),
        (on_steroids * DAILY_STEROID_FILLS, codes.daily_steroid_product),
    )
    parts = []
    for per_year, product in kinds:
        member, day = occur(rng, per_year, calendar.acute)
        parts.append(Events.of(member, day, product.draw(rng, len(member))))
    return join_events(*parts)
