"""Dirt as real deliveries have it, every row counted by kind. It never changes the clean story.

A dirty row has one kind of dirt. Rows are only added, or written in another style: cleaning gives back the clean data
set of the same seed, but for the few members whose eligibility is missing altogether.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

import numpy as np

from counterpart.synthetic import catalogue as codes
from counterpart.synthetic.clock import Bools, Calendar, Ints
from counterpart.synthetic.encoding import FIRST_STRAY, N_STYLES
from counterpart.synthetic.lines import NULL_DAY, EligibilityRows, MedicalLines, PharmacyLines
from counterpart.synthetic.members import Members

MEMBERS_WITHOUT_ELIGIBILITY = 0.002
SHIFT_DAYS = 20  # a denied or reversed copy lies up to this many days after the line it imitates
# Share of lines that lend themselves to a kind, and the share among lines of lumbar imaging: a count that is not
# cleaned is wrong where it matters.
SHARES: dict[str, tuple[float, float]] = {
    "duplicate": (0.008, 0.03),
    "reversed": (0.004, 0.03),
    "superseded": (0.005, 0.02),
    "denied": (0.012, 0.06),
    "code_style": (0.010, 0.02),
    "impossible_date": (0.0006, 0.001),
    "unknown_member": (0.0010, 0.002),
    "null_key": (0.0006, 0.001),
}
SPAN_SHARES = {"overlapping_span": 0.015, "reversed_span": 0.004, "null_key": 0.002}
# What becomes of the rows of each kind in a correct cleaning: fate, and the rule that decides it.
FATES = {
    "duplicate": ("merged", "duplicate"),
    "reversed": ("merged", "reversed"),
    "superseded": ("merged", "superseded"),
    "denied": ("quarantined", "denied"),
    "code_style": ("kept", "mended"),
    "impossible_date": ("quarantined", "impossible_date"),
    "unknown_member": ("quarantined", "unknown_member"),
    "member_without_eligibility": ("quarantined", "unknown_member"),
    "null_key": ("quarantined", "null_key"),
    "overlapping_span": ("merged", "overlapping_span"),
    "reversed_span": ("quarantined", "reversed_span"),
}
_KINDS = tuple(SHARES)
LONG_AGO, FAR_AHEAD = date(1887, 3, 1), date(2099, 1, 1)
Tally = Counter[tuple[str, str]]
SomeLines = TypeVar("SomeLines", MedicalLines, PharmacyLines)


@dataclass
class Soiler:
    """Soils the tables of one block from one random stream, and counts what it did in `tally`, by (table, kind)."""

    rng: np.random.Generator
    members: Members
    calendar: Calendar
    tally: Tally
    n_strays: int = 0

    def lose_eligibility(self, rows: EligibilityRows, protected: Bools) -> tuple[EligibilityRows, Bools]:
        """Some members lose all rows of eligibility; never those of the planted arms. Gives who lost them, too."""
        is_lost = (self.rng.random(len(self.members)) < MEMBERS_WITHOUT_ELIGIBILITY) & ~protected
        return rows.take(~is_lost[rows.member]), is_lost

    def soil_lines(self, table: str, lines: SomeLines, is_lost: Bools) -> SomeLines:
        """Lines -> the same lines and dirty ones; at most one kind of dirt imitates any line."""
        first_claim = int(lines.claim.max(initial=-1)) + 1
        usable = ~is_lost[lines.member]
        self.tally[table, "member_without_eligibility"] += int((~usable).sum())
        kind = self._draw_kinds(lines, usable)
        parts = [self._style(table, lines, kind == _KINDS.index("code_style"))]
        for name, soil in _SOILING.items():
            models = lines.take(kind == _KINDS.index(name))
            dirty = soil(self, models, first_claim)
            first_claim += len(models)
            self.tally[table, name] += len(dirty)
            parts.append(dirty)
        return type(lines).joined(parts)

    def _draw_kinds(self, lines: Any, usable: Bools) -> Ints:
        """The kind of dirt that each line lends itself to, by its place in `SHARES`; len(SHARES) for none."""
        shares = np.array(list(SHARES.values()))
        chance = self.rng.random(len(lines))
        usual, imaging = (np.searchsorted(np.cumsum(column), chance, side="right") for column in shares.T)
        is_early = lines.day + SHIFT_DAYS < self.calendar.days
        return np.where(usable & is_early, np.where(_is_imaging(lines), imaging, usual), len(SHARES))

    def _style(self, table: str, lines: Any, chosen: Bools) -> Any:
        """Codes with dots, blanks or in lower case."""
        self.tally[table, "code_style"] += int(chosen.sum())
        style = self.rng.integers(1, N_STYLES, len(lines))
        return lines.having(style=np.where(chosen, style, 0))

    def duplicates(self, lines: Any, _: int) -> Any:
        """The same rows again."""
        return lines

    def reversals(self, lines: Any, first_claim: int) -> Any:
        """A claim that was paid by mistake and, later, taken back: two rows."""
        mistaken = self._as_new_claims(lines, first_claim)
        amounts = {name: -getattr(lines, name) for name in _AMOUNTS}
        return type(lines).joined([mistaken, mistaken.having(**amounts, paid_day=mistaken.paid_day + 21)])

    def adjustments(self, lines: Any, _: int) -> Any:
        """The earlier version of a line that was paid again with other amounts."""
        allowed, paid = (getattr(lines, name) * 12 // 10 + 100 for name in ("allowed", "paid"))
        earlier = self.rng.integers(1, 10, len(lines))
        return lines.having(allowed=allowed, paid=paid, paid_day=lines.paid_day - earlier)

    def denials(self, lines: Any, first_claim: int) -> Any:
        """Charged, and nothing allowed."""
        return self._as_new_claims(lines, first_claim).having(allowed=0, paid=0, coinsurance=0, copayment=0)

    def impossible_dates(self, lines: Any, first_claim: int) -> Any:
        """Service long ago, far ahead, or before birth."""
        n = len(lines)
        before_birth = self.members.birth_day[lines.member] - self.rng.integers(30, 300, n)
        long_ago, far_ahead = self.calendar.day(LONG_AGO), self.calendar.day(FAR_AHEAD)
        day = np.choose(self.rng.integers(0, 3, n), [np.full(n, long_ago), np.full(n, far_ahead), before_birth])
        return self._on_days(self._as_new_claims(lines, first_claim), day)

    def unknown_members(self, lines: Any, first_claim: int) -> Any:
        """Claims of persons whom eligibility does not list."""
        stray = FIRST_STRAY + self.n_strays + np.arange(len(lines))
        self.n_strays += len(lines)
        return self._as_new_claims(lines, first_claim).having(member=stray)

    def null_keys(self, lines: Any, first_claim: int) -> Any:
        """Lines without a person, a claim, a line number or a date."""
        lines = self._as_new_claims(lines, first_claim)
        missing = self.rng.integers(0, 4, len(lines))
        undated = self._on_days(lines, np.where(missing == 3, NULL_DAY, lines.day))
        return undated.having(
            member=np.where(missing == 0, -1, lines.member),
            claim=np.where(missing == 1, -1, lines.claim),
            line=np.where(missing == 2, -1, lines.line),
        )

    def _as_new_claims(self, lines: Any, first_claim: int) -> Any:
        """Imitations under claims of their own, some days after the lines they imitate."""
        later = lines.day + self.rng.integers(0, SHIFT_DAYS, len(lines))
        claim = first_claim + np.arange(len(lines))
        return self._on_days(lines.having(claim=claim, line=1), later)

    @staticmethod
    def _on_days(lines: Any, day: Ints) -> Any:
        stays = {"end_day": day} if isinstance(lines, MedicalLines) else {}
        return lines.having(day=day, **stays)

    def soil_eligibility(self, rows: EligibilityRows) -> EligibilityRows:
        """Rows inside an existing row, rows that end before they start, rows without a person or a start."""
        chance = self.rng.random(len(rows))
        kind = np.searchsorted(np.cumsum(list(SPAN_SHARES.values())), chance, side="right")
        kind = np.where(rows.end - rows.start > 60, kind, len(SPAN_SHARES))
        inside, reverse, keyless = (rows.take(kind == place) for place in range(len(SPAN_SHARES)))
        no_person = self.rng.random(len(keyless)) < 0.5
        dirty = {
            "overlapping_span": inside.having(end=inside.end - self.rng.integers(5, 50, len(inside))),
            "reversed_span": reverse.having(
                start=reverse.end, end=reverse.end - self.rng.integers(1, 50, len(reverse))
            ),
            "null_key": keyless.having(
                member=np.where(no_person, -1, keyless.member), start=np.where(no_person, keyless.start, NULL_DAY)
            ),
        }
        for name, added in dirty.items():
            self.tally["eligibility", name] += len(added)
        return EligibilityRows.joined([rows, *dirty.values()])


_AMOUNTS = ("allowed", "paid", "charge", "coinsurance", "copayment")
_SOILING: dict[str, Callable[[Soiler, Any, int], Any]] = {
    "duplicate": Soiler.duplicates,
    "reversed": Soiler.reversals,
    "superseded": Soiler.adjustments,
    "denied": Soiler.denials,
    "impossible_date": Soiler.impossible_dates,
    "unknown_member": Soiler.unknown_members,
    "null_key": Soiler.null_keys,
}
_IMAGING = [codes.PROCEDURES[code] for code in codes.STUDIES]


def _is_imaging(lines: Any) -> Bools:
    if not isinstance(lines, MedicalLines):
        return np.zeros(len(lines), dtype=bool)
    return np.isin(lines.procedure, _IMAGING)
