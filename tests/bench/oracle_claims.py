"""Claims made to be difficult: dates on the edges of windows, codes beside ranges, gaps of cover one day too long.

Random under a fixed seed, as rows of the claims tables. Made-up claims of the generator are plausible; these are not,
so that every criterion excludes somebody and every reason ends somebody's follow-up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import takewhile
from typing import Any

import numpy as np

from counterpart.codes import SYSTEMS, CodeLibrary, decode, encode
from counterpart.codes.encoding import prefix_range

Row = tuple[Any, ...]
START, END = date(2016, 1, 1), date(2021, 9, 30)
INDEX_START, INDEX_END = date(2020, 1, 1), date(2020, 10, 31)
EDGES = (0, 0, 0, -1, 1, -364, -365, -366, -90, -91, -45, -46, -180, -181, -182, 89, 90, 91, 179, 180, 181, 182, 183)
STATES = ("CA", "NY", "TX", "PR", "IL", "XX", None)
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PROGRAM = "digital_msk"
BACK_PAIN = encode("icd10cm", "M545")
THERAPY = encode("hcpcs", "97110")
SHARED_THERAPY = encode("hcpcs", "97140")
STEROID = encode("ndc", "99002020330")
# A mild form of a disease and the grave one that silences it in the Charlson index.
MILD_AND_GRAVE = ("B18.1", "I85.0"), ("E11.9", "E11.2")
# What the negative controls count.
UNRELATED = tuple(encode("icd10cm", code) for code in ("L23.9", "H61.20", "L60.0"))
# Common in claims, and in no code set of the study.
NOISE = (encode("hcpcs", "80053"), encode("icd10cm", "Z00.00"))


@dataclass
class RoughClaims:
    """Rows of the five claims tables, in the order of their contracts' columns."""

    members: list[Row] = field(default_factory=list)
    enrollment: list[Row] = field(default_factory=list)
    medical: list[Row] = field(default_factory=list)
    pharmacy: list[Row] = field(default_factory=list)
    program: list[Row] = field(default_factory=list)


def make_rough_claims(n_members: int, seed: int, library: CodeLibrary) -> RoughClaims:
    """The claims of members 1 to n; some have claims and no row in `members`."""
    random = np.random.default_rng(seed)
    codes = _codes_beside_borders(library)
    claims = RoughClaims()
    for member in range(1, n_members + 1):
        _Story(random, codes, claims, member).tell()
    return claims


def _codes_beside_borders(library: CodeLibrary) -> dict[str, list[list[int]]]:
    """By system, a list a code set: the ends of its ranges, codes inside them, and those just before and after."""
    codes: dict[str, list[list[int]]] = {name: [] for name in SYSTEMS}
    # No study asks for Elixhauser's conditions: their codes would only thin out those of the others.
    for name in (one for one in library if not one.startswith("elixhauser_")):
        by_system: dict[str, list[int]] = {}
        for r in library[name].ranges:
            system = decode(r.low)[0]
            if system in ("omop", "specialty"):  # these claims have codes, not concepts, and nobody asks who wrote them
                continue
            first, last = (decode(r.low)[1],) * 2 if system == "ndc" else (_letters_of(r.low), _letters_of(r.high))
            by_system.setdefault(system, []).extend(_near_codes(system, first, last))
        for system, near in by_system.items():
            codes[system].append(near)
    return codes


def _letters_of(code: int) -> str:
    """Letters and digits of a code or of the end of a range: `C96` of the highest code that begins with it."""
    payload = (code & 0xFF_FFFF_FFFF_FFFF).to_bytes(7, "big").decode("latin-1")
    return "".join(takewhile(LETTERS.__contains__, payload))


def _near_codes(system: str, first: str, last: str) -> list[int]:
    if system == "ndc":
        return [encode(system, first), encode(system, f"{int(first) + 1:011d}")]
    inside = [first, first, last, first + "1", last + "9", last + "Z"]
    before, after = LETTERS[LETTERS.index(first[-1]) - 1], LETTERS[(LETTERS.index(last[-1]) + 1) % len(LETTERS)]
    outside = [first[:-1], first[:-1] + before, last[:-1] + after]
    # Not all are codes: what a set's edges leave out is compared as it is stored, neither padded nor refused.
    return [prefix_range(system, text)[0] for text in (*inside, *outside) if 0 < len(text) <= 7]


@dataclass
class _Story:
    """One member, told into the tables."""

    random: np.random.Generator
    codes: dict[str, list[list[int]]]
    claims: RoughClaims
    member: int
    n_claims: int = 0

    def tell(self) -> None:
        index = INDEX_START + timedelta(days=int(self.random.integers(0, (INDEX_END - INDEX_START).days + 1)))
        if self._happens(0.3):
            index = self._one_of((INDEX_START, INDEX_END, date(2020, 2, 29), date(2020, 3, 1)))
        dies_at_enrolment = self._happens(0.05)
        self._be_a_member(index, dies_at_enrolment)
        self._be_covered(index)
        if dies_at_enrolment or self._happens(0.5):
            days = 60 if dies_at_enrolment else int(self._one_of((0, 0, 0, 0, -1, 1, 60, 400, -400)))
            day = index + timedelta(days=days)
            self.claims.program.append((self.member, PROGRAM, day, None))
        if self._happens(0.1):
            self.claims.program.append((self.member, "another_program", index - timedelta(days=10), None))
        self._see_somebody(index)

    def _see_somebody(self, index: date) -> None:
        for _ in range(int(self.random.integers(0, 4))):
            therapy = self._one_of((THERAPY, THERAPY, SHARED_THERAPY))
            self._claim(self._near(index, (0, 1, 7, 14, 31, 45)), [therapy], [BACK_PAIN])
        for _ in range(int(self.random.integers(1, 4))):
            self._claim(self._near(index, EDGES), [NOISE[0]], [BACK_PAIN])
        for _ in range(int(self.random.integers(0, 3))):
            self._claim(
                self._near(index, EDGES), [NOISE[0]], [NOISE[1], self._any_code("icd10cm", "icd10cm", "icd9cm")]
            )
        if self._happens(0.1):
            diseases = self._one_of(MILD_AND_GRAVE)
            self._claim(self._near(index, EDGES), [NOISE[0]], [encode("icd10cm", code) for code in diseases])
        if self._happens(0.2):
            self._claim(self._near(index, (0, 1, 30, 90, 91, -1)), [NOISE[0]], [self._one_of(UNRELATED)])
        for _ in range(int(self.random.integers(0, 6))):
            procedures = [self._any_code("hcpcs") for _ in range(int(self.random.integers(1, 4)))]
            self._claim(self._near(index, EDGES), procedures, [NOISE[1], self._one_of((BACK_PAIN, NOISE[1]))])
        for _ in range(int(self.random.integers(0, 4))):
            self._fill(self._near(index, EDGES), self._any_code("ndc"), 30)
        if self._happens(0.15):
            self._take_steroids(index)

    def _take_steroids(self, index: date) -> None:
        """Fills that follow each other in time, or nearly: 90 days in a row or some more or less."""
        day = index - timedelta(days=int(self._one_of((366, 365, 364, 200, 91, 90, 89, 60))))
        for _ in range(int(self.random.integers(1, 6))):
            days = self._one_of((30, 30, 30, 29, 15, 60, 0, None))
            self._fill(day, STEROID, days)
            day += timedelta(days=int(self._one_of((0, 25, 29, 30, 30, 30, 31, 60))))

    def _be_a_member(self, index: date, dies_at_enrolment: bool) -> None:
        if self._happens(0.04):
            return
        age = int(self._one_of((17, 18, 18, 34, 35, 44, 50, 60, 65, 80, 121)))
        shift = int(self._one_of((0, -1, 1, 100)))
        birth = date(2020 - age, 2, 29 if age % 4 == 0 else 28) if self._happens(0.2) else _years_before(index, age)
        death = index + timedelta(days=int(self._one_of((0, -1, 1, 30, 90, 200)))) if self._happens(0.15) else None
        if dies_at_enrolment:
            # The last day before treatment: both reasons end the follow-up of a comparator on one day.
            death = index + timedelta(days=59)
        residences = [(START, self._one_of(STATES))] if self._happens(0.9) else []
        residences += [(index + timedelta(days=int(self._one_of((-30, 0, 1)))), self._one_of(STATES))]
        residences = [(day, state) for day, state in residences if state is not None]
        row = (
            self.member,
            str(self.member),
            birth + timedelta(days=shift),
            self._one_of(("F", "M", "U")),
            death,
            residences,
        )
        self.claims.members.append(row)

    def _be_covered(self, index: date) -> None:
        """Spans that do not touch, most of them cut or ended near a day that matters."""
        first = index - timedelta(days=int(self._one_of((365, 365, 366, 500, 1200, 1200, 1200, 364))))
        last = index + timedelta(days=int(self._one_of((0, 1, 45, 90, 180, 181, 900, 900, 900, 900, 900))))
        for benefit in ("medical", "pharmacy"):
            start = first
            while start <= last:
                end = min(last, start + timedelta(days=int(self.random.integers(30, 1500))))
                self.claims.enrollment.append((self.member, benefit, start, end))
                start = end + timedelta(days=1 + int(self._one_of((1, 44, 45, 45, 46, 10))))

    def _claim(self, day: date, procedures: list[int], diagnoses: list[int]) -> None:
        """A line for each procedure; all repeat the claim's diagnoses, or each has what it is for."""
        if not START <= day <= END:
            return
        self.n_claims += 1
        claim = self.member * 1000 + self.n_claims
        is_by_line = self._happens(0.15)
        place = self._one_of(("11", "11", "11", "22", "02", "10", "23", None))
        for line, procedure in enumerate(procedures, start=1):
            modifiers = self._one_of((None, [], ["GP"], ["59", "GP"], ["95"], ["26"], ["TC"]))
            specialty = self._one_of((None, None, "65", "225100000X", "2251X0800X", "35", "111N00000X"))
            revenue = self._any_code("revenue") if self._happens(0.25) else None
            cents = int(self.random.integers(-2_000, 50_000))
            own = diagnoses[line - 1 : line] if is_by_line else diagnoses
            diagnosed = own if self._happens(0.97) else None
            who = (self.member, claim, str(claim), line, "professional", day, day)
            what = (procedure, modifiers, revenue, place, None, None, specialty, diagnosed, None, None)
            self.claims.medical.append((*who, *what, cents, cents, 1, _month(day), _month(day), 0))

    def _fill(self, day: date, ndc: int, days_supply: int | None) -> None:
        if START <= day <= END:
            self.n_claims += 1
            claim = str(self.member * 1000 + self.n_claims)
            placed = (_month(day), day.year * 100, 0)  # by year, where medical lies by month
            self.claims.pharmacy.append(
                (self.member, claim, 1, day, ndc, None, days_supply, None, 500, 500, 1, *placed)
            )

    def _near(self, index: date, days: tuple[int, ...]) -> date:
        if self._happens(0.2):
            return index + timedelta(days=int(self.random.integers(-400, 250)))
        return index + timedelta(days=int(self._one_of(days)))

    def _any_code(self, *systems: str) -> int:
        sets = self.codes[self._one_of(systems)]
        return int(self._one_of(self._one_of(sets)))

    def _one_of(self, choices: Any) -> Any:
        return choices[int(self.random.integers(0, len(choices)))]

    def _happens(self, share: float) -> bool:
        return bool(self.random.random() < share)


def _years_before(day: date, years: int) -> date:
    leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - years, day=28 if leap_day else day.day)


def _month(day: date) -> int:
    return day.year * 100 + day.month
