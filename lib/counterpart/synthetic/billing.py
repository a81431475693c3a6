"""From events to claims: which claims an event is billed on, with which lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from counterpart.synthetic import catalogue as codes
from counterpart.synthetic.catalogue import NONE
from counterpart.synthetic.clock import Calendar, Ints
from counterpart.synthetic.events import Events, expand
from counterpart.synthetic.pathways import TELEHEALTH

# Where care happens: claim type, place of service, bill type.
SETTINGS = (
    ("professional", "11", None),
    ("professional", "02", None),
    ("professional", "22", None),
    ("professional", "23", None),
    ("professional", "21", None),
    ("professional", "24", None),
    ("institutional", None, "131"),
    ("institutional", None, "111"),
    ("dme", "12", None),
    ("institutional", None, "721"),
)
OFFICE, REMOTE, OUTPATIENT, EMERGENCY, INPATIENT, SURGERY_CENTER, FACILITY, WARD, HOME, DIALYSIS = range(len(SETTINGS))
DIAGNOSIS_SLOTS = 3
HOSPITAL_IMAGING = 0.38  # imaging billed twice: the reading (26) and the hospital's technical part (TC)
ALSO_NOTED, ALSO_NOTED_IN_HOSPITAL = 0.12, 0.7
TESTED, TESTS = 0.30, 6
MEAN_DAYS_OF_STAY, LINES_A_DAY = 3.5, 4.0
DAILY_LINES = 24


@dataclass(frozen=True)
class Claims:
    """Claims and their lines. Claim columns have shape (n,), `diagnoses` (n, 3), line columns (sum of n_lines,).

    Lines lie claim by claim, in the claims' order. All codes are positions in a vocabulary of `catalogue`.
    """

    member: Ints
    day: Ints
    end_day: Ints
    setting: Ints
    drg: Ints
    surgical: Ints
    diagnoses: Ints
    n_lines: Ints
    procedure: Ints
    modifier_1: Ints
    modifier_2: Ints
    revenue: Ints
    units: Ints

    def __len__(self) -> int:
        return len(self.member)

    def dated(self, calendar: Calendar) -> Claims:
        """Codes that were split are written as of the day of the claim."""
        diagnoses = self.diagnoses.copy()
        for before, first_day, after in codes.SPLIT_CODES:
            is_later = (self.day >= calendar.day(first_day))[:, None]
            diagnoses[is_later & (diagnoses == codes.DIAGNOSES[before])] = codes.DIAGNOSES[after]
        return replace(self, diagnoses=diagnoses)

    def in_order(self) -> Claims:
        """The same claims by member and day, their lines with them."""
        order = np.lexsort((self.day, self.member))
        starts = np.cumsum(self.n_lines) - self.n_lines
        which, place = expand(self.n_lines[order])
        lines = starts[order][which] + place
        of_line = {"procedure", "modifier_1", "modifier_2", "revenue", "units"}
        return Claims(*(getattr(self, f.name)[lines if f.name in of_line else order] for f in fields(self)))


def join_claims(parts: list[Claims]) -> Claims:
    """All claims of the parts."""
    return Claims(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Claims)))


def _claims(
    events: Events,
    setting: int | Ints,
    diagnoses: Sequence[Ints],
    n_lines: Ints,
    procedure: Ints | int,
    *,
    modifier_1: Ints | int = NONE,
    modifier_2: Ints | int = NONE,
    revenue: Ints | int = NONE,
    units: Ints | int = 1,
    end_day: Ints | None = None,
    drg: Ints | int = NONE,
    surgical: Ints | int = NONE,
) -> Claims:
    """One claim per event; scalars stand for every claim or line."""
    n, total = len(events), int(n_lines.sum())
    listed = np.full((n, DIAGNOSIS_SLOTS), NONE, dtype=np.int16)
    for slot, diagnosis in enumerate(diagnoses):
        listed[:, slot] = diagnosis

    def spread(values: Ints | int, length: int, kind: type) -> Ints:
        return np.broadcast_to(np.asarray(values, dtype=kind), (length,))

    return Claims(
        member=events.member,
        day=events.day,
        end_day=events.day if end_day is None else end_day.astype(np.int32),
        setting=spread(setting, n, np.int8),
        drg=spread(drg, n, np.int16),
        surgical=spread(surgical, n, np.int16),
        diagnoses=listed,
        n_lines=n_lines.astype(np.int32),
        procedure=spread(procedure, total, np.int16),
        modifier_1=spread(modifier_1, total, np.int16),
        modifier_2=spread(modifier_2, total, np.int16),
        revenue=spread(revenue, total, np.int16),
        units=spread(units, total, np.int16),
    )


def _ones(events: Events) -> Ints:
    return np.ones(len(events), dtype=np.int32)


def bill_office(rng: np.random.Generator, visits: Events, calendar: Calendar) -> Claims:
    """A visit at a level of the office codes, on some with minor procedures; since the spring of 2020 some remote."""
    n = len(visits)
    which, place = expand(1 + np.minimum(rng.poisson(0.55, n), 6))
    is_visit = place == 0
    procedure = codes.minor_procedure.draw(rng, len(which))
    procedure[is_visit] = codes.office_level.draw(rng, n)
    share = np.interp(visits.day - calendar.elective_dip, [0, 15, 60, 120, 300], [0.0, 0.45, 0.35, 0.15, 0.08])
    remote = rng.random(n) < share
    modifier = np.where(is_visit & remote[which], codes.MODIFIERS["95"], NONE)
    modifier = np.where(is_visit & ~remote[which] & (rng.random(len(which)) < 0.08), codes.MODIFIERS["25"], modifier)
    diagnoses = [visits.code, visits.other, _sometimes(rng, ALSO_NOTED, n)]
    n_lines = np.bincount(which, minlength=n)
    return _claims(visits, np.where(remote, REMOTE, OFFICE), diagnoses, n_lines, procedure, modifier_1=modifier)


def _sometimes(rng: np.random.Generator, share: float, n: int) -> Ints:
    """A common diagnosis on a share of n claims, none on the others."""
    return np.where(rng.random(n) < share, codes.common_diagnosis.draw(rng, n), NONE)


def bill_tests(rng: np.random.Generator, visits: Events) -> Claims:
    """Laboratory claims that follow some of the visits."""
    tested = visits.where(rng.random(len(visits)) < TESTED)
    n_lines = rng.integers(1, TESTS + 1, len(tested))
    return _claims(tested, OFFICE, [tested.code], n_lines, codes.laboratory_test.draw(rng, int(n_lines.sum())))


def bill_procedures(rng: np.random.Generator, events: Events) -> Claims:
    """Outpatient procedures of one to three lines."""
    n_lines = rng.integers(1, 4, len(events))
    in_hospital = rng.random(len(events)) < 0.25
    procedure = codes.minor_procedure.draw(rng, int(n_lines.sum()))
    return _claims(events, np.where(in_hospital, OUTPATIENT, OFFICE), [events.code], n_lines, procedure)


def bill_imaging(rng: np.random.Generator, studies: Events) -> list[Claims]:
    """One study: either one claim, or the radiologist's reading and the hospital's part, of one day and one code."""
    in_hospital = rng.random(len(studies)) < HOSPITAL_IMAGING
    whole, split = studies.where(~in_hospital), studies.where(in_hospital)
    revenue_of = np.full(len(codes.PROCEDURES), NONE, dtype=np.int16)
    for code, (modality, _) in codes.STUDIES.items():
        revenue_of[codes.PROCEDURES[code]] = codes.REVENUES[codes.REVENUE_OF_MODALITY[modality]]
    reading, technical = codes.MODIFIERS["26"], codes.MODIFIERS["TC"]
    return [
        _claims(whole, OFFICE, [whole.other], _ones(whole), whole.code),
        _claims(split, OUTPATIENT, [split.other], _ones(split), split.code, modifier_1=reading),
        _claims(
            split, FACILITY, [split.other], _ones(split), split.code, modifier_1=technical,
            revenue=revenue_of[split.code],
        ),
    ]  # fmt: skip


def bill_therapy(rng: np.random.Generator, visits: Events) -> Claims:
    """Physical therapy: an evaluation or exercise, then one or two more procedures, all under modifier GP."""
    n = len(visits)
    which, place = expand(1 + rng.integers(1, 3, n))
    procedure = codes.therapy_procedure.draw(rng, len(which))
    main = np.full(n, codes.PROCEDURES["97110"], dtype=np.int16)
    evaluated = rng.random(n) < 0.16
    main[evaluated] = codes.therapy_evaluation.draw(rng, int(evaluated.sum()))
    procedure[place == 0] = main
    remote = visits.other == TELEHEALTH
    return _claims(
        visits, np.where(remote, REMOTE, OFFICE), [visits.code], np.bincount(which, minlength=n), procedure,
        modifier_1=codes.MODIFIERS["GP"], modifier_2=np.where(remote[which], codes.MODIFIERS["95"], NONE),
        units=1 + (rng.random(len(which)) < 0.4),
    )  # fmt: skip


def bill_chiropractic(rng: np.random.Generator, visits: Events) -> Claims:
    """A manipulation, sometimes with manual therapy that carries no modifier GP: not physical therapy."""
    n = len(visits)
    which, place = expand(1 + (rng.random(n) < 0.4))
    procedure = np.where(place == 0, codes.chiropractic_procedure.draw(rng, len(which)), codes.PROCEDURES["97140"])
    modifier = np.where(place == 0, codes.MODIFIERS["AT"], codes.MODIFIERS["59"])
    return _claims(visits, OFFICE, [visits.code], np.bincount(which, minlength=n), procedure, modifier_1=modifier)


def bill_emergencies(rng: np.random.Generator, visits: Events) -> list[Claims]:
    """The emergency room's claim and the physician's, of one day."""
    n = len(visits)
    level = codes.emergency_level.draw(rng, n)
    which, place = expand(1 + np.minimum(rng.poisson(1.6, n), 10))
    is_room = place == 0
    revenue = np.where(is_room, codes.REVENUES["0450"], codes.emergency_revenue.draw(rng, len(which)))
    procedure = np.where(is_room, level[which], NONE)
    n_lines = np.bincount(which, minlength=n)
    return [
        _claims(visits, FACILITY, [visits.code], n_lines, procedure, revenue=revenue),
        _claims(visits, EMERGENCY, [visits.code], _ones(visits), level),
    ]


def bill_stays(rng: np.random.Generator, stays: Events, calendar: Calendar) -> list[Claims]:
    """Inpatient stays: the hospital's claim by revenue center, and a physician's visit for each day."""
    n = len(stays)
    length = np.minimum(rng.geometric(1 / MEAN_DAYS_OF_STAY, n), 40)
    end_day = np.minimum(stays.day + length, calendar.days - 1)
    n_lines = 2 + np.minimum(rng.poisson(LINES_A_DAY * length), 200)
    which, place = expand(n_lines)
    revenue = np.where(place == 0, codes.REVENUES["0120"], codes.ward_revenue.draw(rng, len(which)))
    units = np.where(place == 0, length[which], 1)
    diagnoses = [stays.code, stays.other, _sometimes(rng, ALSO_NOTED_IN_HOSPITAL, n)]
    return [
        _claims(
            stays, WARD, diagnoses, n_lines, NONE, revenue=revenue, units=units, end_day=end_day,
            drg=codes.ward_drg.draw(rng, n),
        ),
        _claims(stays, INPATIENT, diagnoses, length, codes.PROCEDURES["99232"], end_day=end_day),
    ]  # fmt: skip


def bill_births(rng: np.random.Generator, deliveries: Events, calendar: Calendar) -> list[Claims]:
    """A delivery: the hospital's claim and the obstetrician's."""
    end_day = np.minimum(deliveries.day + 2, calendar.days - 1)
    n_lines = rng.integers(5, 12, len(deliveries))
    revenue = codes.ward_revenue.draw(rng, int(n_lines.sum()))
    return [
        _claims(
            deliveries, WARD, [deliveries.code], n_lines, NONE, revenue=revenue, end_day=end_day,
            drg=codes.DRGS["807"], surgical=codes.INPATIENT_PROCEDURES["10E0XZZ"],
        ),
        _claims(deliveries, INPATIENT, [deliveries.code], _ones(deliveries), codes.PROCEDURES["59400"]),
    ]  # fmt: skip


def bill_injections(rng: np.random.Generator, injections: Events) -> Claims:
    """Spinal injections, in the office or a surgery center."""
    setting = np.where(rng.random(len(injections)) < 0.45, SURGERY_CENTER, OFFICE)
    return _claims(injections, setting, [injections.other], _ones(injections), injections.code)


def bill_surgery(rng: np.random.Generator, operations: Events, calendar: Calendar) -> list[Claims]:
    """Lumbar surgery: the surgeon's claim and the hospital's, fusions with their own group and procedure code."""
    is_fusion = np.isin(operations.code, [codes.PROCEDURES[code] for code in ("22612", "22630", "22633", "22558")])
    end_day = np.minimum(operations.day + rng.integers(1, 4, len(operations)), calendar.days - 1)
    which, place = expand(rng.integers(8, 20, len(operations)))
    revenue = codes.ward_revenue.draw(rng, len(which))
    revenue = np.where(place == 0, codes.REVENUES["0360"], np.where(place == 1, codes.REVENUES["0278"], revenue))
    n_lines = np.bincount(which, minlength=len(operations))
    surgical = np.where(is_fusion, codes.INPATIENT_PROCEDURES["0SG00AJ"], codes.INPATIENT_PROCEDURES["01NB0ZZ"])
    drg = np.where(is_fusion, codes.DRGS["460"], codes.DRGS["519"])
    return [
        _claims(operations, INPATIENT, [operations.other], _ones(operations), operations.code),
        _claims(
            operations, WARD, [operations.other], n_lines, NONE, revenue=revenue, end_day=end_day, drg=drg,
            surgical=surgical,
        ),
    ]  # fmt: skip


def bill_daily_care(rng: np.random.Generator, days: Events) -> Claims:
    """Care on every day with many lines: the few members with tens of thousands of lines."""
    n_lines = np.full(len(days), DAILY_LINES)
    procedure = codes.daily_service.draw(rng, int(n_lines.sum()))
    diagnosis = np.full(len(days), codes.DIAGNOSES["I2510"])
    return _claims(days, DIALYSIS, [diagnosis], n_lines, procedure, revenue=codes.REVENUES["0821"])
