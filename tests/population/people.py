"""One made-up population, told apart from any layout: people, cover, claims, fills and a roster, under a seed.

It holds what every layout can say and no more: cover is whole months of medical and pharmacy benefits together, nobody
moves, a line has at most one modifier, a facility is paid by claim (the amount stands on the first line), the lines of
an emergency room's claim lie on one day, and what a facility bills for imaging has a procedure code. What a facility
does, by ICD, is done on a day of one of its claim's lines: a CDM has it as a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

FIRST_COVERED, LAST_COVERED = date(2018, 1, 1), date(2021, 12, 31)
FIRST_CLAIM, LAST_CLAIM = date(2018, 11, 1), date(2021, 9, 30)
INDEX_START, INDEX_END = date(2020, 1, 1), date(2020, 10, 31)
PROGRAM, ANOTHER_PROGRAM = "digital_msk", "digital_knee"
STATES = ("TX", "TX", "CA", "NY", "PA", "IL", "FL", "PR", "AK", None)

Fate = Literal["final", "denied", "voided", "adjusted", "sent_twice"]
Status = Literal["paid", "denied", "void"]


@dataclass(frozen=True)
class Person:
    """Somebody, and the spans of cover: from the first of a month to the last of one."""

    person_id: int
    birth: date
    sex: str
    state: str | None
    death: date | None
    cover: tuple[tuple[date, date], ...]


@dataclass(frozen=True)
class Line:
    """A line of a claim as it holds in the end; amounts in cents. `fate` is what else was said of it."""

    number: int
    day: date
    procedure: str | None = None
    modifier: str | None = None
    revenue: str | None = None
    allowed: int = 0
    paid: int = 0
    fate: Fate = "final"


@dataclass(frozen=True)
class Operation:
    """A procedure of ICD; without a day of its own it was done on the first of its claim."""

    code: str
    day: date | None


@dataclass(frozen=True)
class Claim:
    """A claim; `kind` is professional, outpatient or inpatient. Facilities have no place and no specialty.

    Only facilities have `operations` and a `drg`.
    """

    claim_id: int
    person_id: int
    kind: str
    diagnoses: tuple[str, ...]
    lines: tuple[Line, ...]
    processed: date
    place: str | None = None
    specialty: str | None = None
    operations: tuple[Operation, ...] = ()
    drg: str | None = None

    @property
    def first_day(self) -> date:
        return min(line.day for line in self.lines)

    @property
    def last_day(self) -> date:
        return max(line.day for line in self.lines)

    def versions(self) -> Iterator[tuple[Line, date, Status]]:
        """What an insurer sends of the claim: line, day of processing, and what the row says of the line."""
        return (version for line in self.lines for version in _versions(line, self.processed, self.kind))

    def final_lines(self) -> tuple[Line, ...]:
        """The lines that hold in the end."""
        return tuple(line for line in self.lines if line.fate not in ("denied", "voided"))


@dataclass(frozen=True)
class Fill:
    """A fill as it holds in the end; amounts in cents."""

    fill_id: int
    person_id: int
    day: date
    ndc: str
    days_supply: int
    quantity: int
    allowed: int
    by_patient: int
    processed: date
    fate: Fate = "final"

    def versions(self) -> Iterator[tuple[Fill, date, Status]]:
        """As a claim's."""
        return _versions(self, self.processed, "fill")


@dataclass(frozen=True)
class Enrolment:
    """A row of the program's roster."""

    person_id: int
    program: str
    enrolled_on: date
    left_on: date | None


@dataclass
class Population:
    """All of them. Ids are numbers, which every layout can write."""

    people: list[Person] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    roster: list[Enrolment] = field(default_factory=list)

    def renumbered(self, more: int) -> Population:
        """The same with `more` added to every person's id."""
        parts = (self.people, self.claims, self.fills, self.roster)
        return Population(*([replace(row, person_id=row.person_id + more) for row in part] for part in parts))


def _versions(row: Any, processed: date, kind: str) -> Iterator[tuple[Any, date, Status]]:
    later = processed + timedelta(days=20)
    if row.fate == "denied":
        yield row, processed, "denied"
        return
    if row.fate == "adjusted":
        # What was billed at first was another, dearer image; a facility's claim was paid more.
        at_first = {"procedure": "72158"} if kind == "professional" else {}
        dearer = {"allowed": row.allowed + 1_000} if row.allowed else {}
        yield replace(row, **at_first, **dearer), processed, "paid"
        yield row, later, "paid"
        return
    yield row, processed, "paid"
    if row.fate == "sent_twice":
        yield row, processed, "paid"
    if row.fate == "voided":
        yield row, later, "void"


def make_population(n_people: int, seed: int) -> Population:
    """People 1 to n, and what happened to them around a day of their own."""
    random = np.random.default_rng(seed)
    made = Population()
    stories = [_Story(random, made, person_id) for person_id in range(1, n_people + 1)]
    for story in stories:
        story.tell()
    for story in stories:
        story.take_steroids()
    return made


BACK_PAIN = ("M545", "M545", "M545", "M5416", "M5441", "M47816", "M5126", "S39012A")
# What people have for life or at times, most of it of the Charlson index.
CARRIED = (
    "E119 E1122 J449 M069 I509 I252 I739 I639 N184 K760 K7290 K259 G8190 F0390 F329 F411 E669 Z6830 F17210 Z720"
).split()
# What excludes them.
EXCLUDED = "C50911 C7951 B20 Z21 F1120 Z940 M459 R262 M4646 G834 Z7952 O0993 S32010A".split()
UNRELATED = ("H6123", "L600", "L259")
COMMON = ("Z0000", "I10", "J069", "R51", "M542")
OPIOIDS = ("99001010110", "99001010210", "99001010530")
STEROID = "99002020330"
OTHER_DRUGS = ("99003010090", "99003010190", "99003070310")
# Procedure and revenue centre.
IMAGES = (
    *(("72100", "0320"), ("72110", "0320"), ("72131", "0352"), ("72148", "0612"), ("72148", "0612"), ("62304", "0320")),
)
# What is done in each of the weeks of therapy in a hospital, and in an operation, with the DRG of the stay.
REHABILITATION = (
    *((("F07Z9ZZ", 1),), (("F07Z9ZZ", 0), ("F07Z9ZZ", 2)), (("F07Z9ZZ", 2), ("F07Z9ZZ", 2), ("4A11X4G", 1)), ()),
)
OPERATIONS = (("0SG0071", "460"), ("0SB20ZZ", "520"), (None, "39"), ("0SG1071", "459"))
# Days from the index date: on the edges of the study's windows, and around them.
EDGES = (0, 0, -1, 1, -364, -365, -366, -90, -91, -45, -46, -180, -182, -183, 89, 90, 91, 179, 180, 181, 182, 7, 30, 60)


@dataclass
class _Story:
    """One person, told into the population."""

    random: np.random.Generator
    made: Population
    person_id: int
    n_claims: int = 0
    index: date = date.max

    def tell(self) -> None:
        index = INDEX_START + timedelta(days=int(self.random.integers(0, (INDEX_END - INDEX_START).days + 1)))
        if self._happens(0.1):
            index = self._one_of((INDEX_START, INDEX_END, date(2020, 2, 29)))
        self._be_somebody(index)
        if self._happens(0.45):
            self._enrol(index)
        for _ in range(self._number(0, 3)):
            self._be_treated(self._near(index, (0, 1, 7, 14, 31, 45, -60)))
        for _ in range(self._number(1, 4)):
            self._see_doctor(index, (self._one_of(BACK_PAIN),))
        for _ in range(self._number(0, 3)):
            self._see_doctor(
                index, (self._one_of((*COMMON, *UNRELATED)), self._one_of((*CARRIED, *CARRIED, *EXCLUDED, *UNRELATED)))
            )
        for chance, happen in self._chances():
            if self._happens(chance):
                happen(self._near(index, EDGES))
        for _ in range(self._number(0, 3)):
            self._fill(self._near(index, EDGES))
        self.index = index

    def take_steroids(self) -> None:
        """Of some, fills that follow each other in time, or nearly: about 90 days in a row."""
        if self._happens(0.88):
            return
        day = self.index - timedelta(days=self._number(60, 370))
        for _ in range(self._number(2, 5)):
            self._fill(day, STEROID, self._one_of((30, 30, 15, 60)))
            day += timedelta(days=self._one_of((25, 29, 30, 30, 30, 31)))

    def _chances(self) -> Iterator[tuple[float, Callable[[date], None]]]:
        yield from ((0.6, self._be_imaged), (0.3, self._be_imaged), (0.3, self._have_emergency))
        yield from ((0.3, self._see_chiropractor), (0.15, self._be_treated_in_hospital), (0.3, self._have_tests))
        yield from ((0.15, self._be_injected), (0.08, self._be_operated))

    def _be_somebody(self, index: date) -> None:
        age = int(self._one_of((17, 18, 18, 25, 30, 34, 35, 45, 50, 55, 60, 65, 70)))
        birth = date(1960, 2, 29) if age == 60 else index.replace(year=index.year - age, day=28)
        birth += timedelta(days=int(self._one_of((0, -1, 1, 100, -200))))
        death = index + timedelta(days=int(self._one_of((0, 1, 30, 90, 200)))) if self._happens(0.04) else None
        sex = self._one_of(("F", "F", "F", "M", "M", "M", "U"))
        state = self._one_of(STATES)
        self.made.people.append(Person(self.person_id, birth, sex, state, death, self._cover(index, death)))

    def _cover(self, index: date, death: date | None) -> tuple[tuple[date, date], ...]:
        """Most for years; some begin late, end early, or have a month or more between."""
        first = _month(index, int(self._one_of((-99, -99, -99, -99, -99, -99, -13, -12, -11))))
        last = _month(index, int(self._one_of((99, 99, 99, 99, 99, 99, 0, 1, 3, 6))))
        last = last if death is None else min(last, _month(death, 0))
        first, last = max(first, FIRST_COVERED), min(last, _month(LAST_COVERED, 0))
        gap = _month(index, int(self._one_of((-5, -2, 2, 4))))
        if self._happens(0.2) and first < gap < last:
            n_months = int(self._one_of((1, 1, 2)))
            again = _month(gap, n_months)
            return ((first, gap - timedelta(days=1)), *([(again, _end(last))] if again <= last else []))
        return ((first, _end(last)),)

    def _enrol(self, index: date) -> None:
        day = index + timedelta(days=int(self._one_of((0, 0, 0, 0, 20, 60, -30, 400))))
        left = day + timedelta(days=90) if self._happens(0.5) else None
        self.made.roster.append(Enrolment(self.person_id, PROGRAM, day, left))
        if self._happens(0.1):
            self.made.roster.append(Enrolment(self.person_id, PROGRAM, day + timedelta(days=200), None))
        if self._happens(0.1):
            self.made.roster.append(Enrolment(self.person_id, ANOTHER_PROGRAM, day - timedelta(days=10), None))

    def _be_treated(self, day: date) -> None:
        """Therapy: some of it by telehealth, some of it only known by who gave it."""
        diagnoses = (self._one_of((*BACK_PAIN, "M25561")), "R51")
        place, modifier = self._one_of((("11", None), ("11", "GP"), ("02", None), ("11", "95"), ("12", None)))
        exercise = self._one_of(("97110", "97161", "97530", "97140", "97140"))
        days = (day, day + timedelta(days=2)) if self._happens(0.2) else (day,)
        specialty = self._one_of(("65", "35", "11"))
        self._bill(diagnoses, [(one, exercise, modifier) for one in days], place, specialty)

    def _be_treated_in_hospital(self, day: date) -> None:
        """A hospital bills the therapy of some weeks in one claim."""
        days = [day + timedelta(days=7 * week) for week in range(3)]
        lines = [(one, code, "GP", "0420") for one in days for code in ("97110", "97140")]
        # Told without the dice: whoever was there before stays who they were.
        done = [Operation(code, days[week]) for code, week in REHABILITATION[self.person_id % len(REHABILITATION)]]
        self._bill_facility("outpatient", (self._one_of(BACK_PAIN),), lines, tuple(done))

    def _see_doctor(self, index: date, diagnoses: tuple[str, ...]) -> None:
        day = self._near(index, EDGES)
        more = [(day, "80053", None)] if self._happens(0.2) else []
        more += [(day, self._one_of(("J3301", "L0625", "72100")), None)] if self._happens(0.2) else []
        self._bill(diagnoses, [(day, self._one_of(("99213", "99214", "99203")), None), *more], "11", "08")

    def _be_imaged(self, day: date) -> None:
        """The picture and its reading, of which one may come without the other."""
        image, room = self._one_of(IMAGES)
        diagnoses = (self._one_of((*BACK_PAIN, "M542")),)
        if self._happens(0.8):
            self._bill(diagnoses, [(day, image, "26")], self._one_of(("11", "22")), "30")
        if self._happens(0.6):
            self._bill_facility("outpatient", diagnoses, [(day, image, None, room)])

    def _have_emergency(self, day: date) -> None:
        diagnoses = (self._one_of(("R079", "R51", "M545", "S93401A")),)
        if self._happens(0.7):
            self._bill(diagnoses, [(day, self._one_of(("99283", "99284", "93010")), None)], "23", "93")
        if self._happens(0.7):
            room = (day, self._one_of(("99284", None)), None, "0450")
            self._bill_facility("outpatient", diagnoses, [room, (day, "80053", None, "0300")])

    def _see_chiropractor(self, day: date) -> None:
        self._bill(("M9903", "M545"), [(day, "98941", "AT"), (day, "97140", "59")], "11", "35")

    def _be_injected(self, day: date) -> None:
        self._bill(("M5416",), [(day, self._one_of(("62323", "64483", "64493")), None)], "24", "72")

    def _be_operated(self, day: date) -> None:
        lines = [(day, None, None, "0120"), (day, None, None, "0250")]
        code, drg = OPERATIONS[self.person_id % len(OPERATIONS)]
        done = (Operation(code, day if self.person_id % 2 else None),) if code else ()
        self._bill_facility("inpatient", ("M5126", "I10"), lines, done, drg)
        self._bill(("M5126",), [(day, self._one_of(("63030", "22612")), None)], "21", "14")

    def _have_tests(self, day: date) -> None:
        self._bill((self._one_of((*COMMON, *CARRIED)),), [(day, "80053", None), (day, "36415", None)], "81", "69")

    def _fill(self, day: date, ndc: str | None = None, days_supply: int | None = None) -> None:
        if self._is_told(day):
            ndc = ndc or self._one_of((*OPIOIDS, *OTHER_DRUGS))
            allowed = self._number(500, 9_000)
            days_supply = days_supply or self._number(1, 90)
            of_all = (self._claim_id(), self.person_id, day, ndc, days_supply, self._number(1, 120), allowed)
            self.made.fills.append(Fill(*of_all, allowed // 5, self._processed(day), self._fate()))

    def _bill(
        self, diagnoses: tuple[str, ...], lines: list[tuple[date, str, str | None]], place: str, specialty: str
    ) -> None:
        """A professional claim; each line has a fate of its own."""
        if not all(self._is_told(line[0]) for line in lines):
            return
        numbered = []
        for number, (day, procedure, modifier) in enumerate(lines, start=1):
            allowed = self._number(1_000, 60_000)
            amounts = {"allowed": allowed, "paid": allowed * 8 // 10}
            numbered.append(Line(number, day, procedure, modifier, fate=self._fate(), **amounts))
        processed = self._processed(lines[-1][0])
        of_claim = (self._claim_id(), self.person_id, "professional", diagnoses, tuple(numbered), processed)
        self.made.claims.append(Claim(*of_claim, place, specialty))

    def _bill_facility(
        self,
        kind: str,
        diagnoses: tuple[str, ...],
        lines: list[tuple[date, str | None, str | None, str]],
        operations: tuple[Operation, ...] = (),
        drg: str | None = None,
    ) -> None:
        """A facility's claim: paid, refused and corrected as a whole."""
        if not all(self._is_told(line[0]) for line in lines):
            return
        payment, fate = self._number(10_000, 900_000), self._fate()
        if fate == "voided" and len(lines) > 1:
            fate = "denied"  # amounts take a line back where no word does, and only the first line has one
        numbered = []
        for number, line in enumerate(lines, start=1):
            amount = payment if number == 1 else 0
            numbered.append(Line(number, *line, allowed=amount, paid=amount, fate=fate))
        processed = self._processed(lines[-1][0])
        of_claim = (self._claim_id(), self.person_id, kind, diagnoses, tuple(numbered), processed)
        self.made.claims.append(Claim(*of_claim, operations=operations, drg=drg))

    def _claim_id(self) -> int:
        self.n_claims += 1
        return self.person_id * 1_000 + self.n_claims

    def _fate(self) -> Fate:
        unusual: tuple[Fate, ...] = ("denied", "voided", "adjusted", "sent_twice")
        return self._one_of(unusual) if self._happens(0.15) else "final"

    def _processed(self, day: date) -> date:
        return day + timedelta(days=self._number(5, 40))

    def _is_told(self, day: date) -> bool:
        return FIRST_CLAIM <= day <= LAST_CLAIM

    def _near(self, index: date, days: tuple[int, ...]) -> date:
        if self._happens(0.3):
            return index + timedelta(days=self._number(-400, 250))
        return index + timedelta(days=int(self._one_of(days)))

    def _number(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def _one_of(self, choices: Any) -> Any:
        return choices[int(self.random.integers(0, len(choices)))]

    def _happens(self, share: float) -> bool:
        return bool(self.random.random() < share)


def _month(day: date, later: int) -> date:
    """The first day of the month so many months later."""
    months = day.year * 12 + day.month - 1 + later
    return date(months // 12, months % 12 + 1, 1)


def _end(month: date) -> date:
    return _month(month, 1) - timedelta(days=1)
