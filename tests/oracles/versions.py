"""Which versions of a claim's lines hold, by a slow and obvious way: one claim after the other."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, takewhile
from typing import NamedTuple


class Version(NamedTuple):
    """A version. Its content decides the rest: 11 and 13 cost 100, 12 costs 80, 10 is a denial, 20 to 22 reversals.

    A void is a denial, whatever it costs.
    """

    claim: int
    line: int
    paid_on: str | None
    sent_on: int | None
    content: int
    is_mended: bool
    is_whole: bool
    is_void: bool = False

    @property
    def amount(self) -> int:
        return {10: 0, 11: 100, 12: 80, 13: 100, 20: 0, 21: -100, 22: -80}[self.content]

    @property
    def kind(self) -> str:
        kind = "denial" if self.is_denied else "reversal" if self.is_reversal else ""
        return f"{kind}{' mended' * self.is_mended}{' whole' * self.is_whole}{' void' * self.is_void}"

    @property
    def is_reversal(self) -> bool:
        return self.content >= 20

    @property
    def is_denied(self) -> bool:
        return self.content == 10 or self.is_void

    @property
    def replaces(self) -> bool:
        return self.is_whole and not self.is_reversal

    @property
    def moment(self) -> tuple:
        """What is not told is oldest."""
        return (self.paid_on or "", self.sent_on or -1, self.replaces)


Held = dict[tuple[int, int], int]
"""The content that the table holds, by claim and line."""


def age(row: Version) -> tuple:
    """Oldest first: of one moment reversals come first, then payments, denials, voids."""
    return (*row.moment, not row.is_reversal, row.is_void, row.is_denied, row.content, row.is_mended)


def split_copies(rows: list[Version]) -> tuple[list[Version], list[Version]]:
    """Versions of a line, oldest first; and copies of them.

    Of rows that say the same the last counts. If there are more of them than of reversals of that day until then, they
    were paid anew: one more counts for each reversal.
    """
    versions, copies = [], []
    same = sorted(rows, key=lambda row: (same_version(row), -(row.sent_on or -1), row.is_mended, row.kind))
    for (is_payment, *_), group in groupby(same, key=same_version):
        newest, *others = group
        n_more = 0
        if is_payment and 1 + len(others) > len(taking_back(newest, rows)):
            n_more = len(taking_back(newest, versions))
        versions += [newest, *others[:n_more]]
        copies += others[n_more:]
    return sorted(versions, key=age), copies


def same_version(row: Version) -> tuple:
    """Reversals first."""
    return (not row.is_reversal, row.content, row.paid_on or "", row.replaces, row.is_void)


def takes_back(row: Version, other: Version) -> bool:
    """Is the row a reversal of such amounts? A void has none that could be taken back."""
    return row.is_reversal and row.amount == -other.amount and not other.is_void


def taking_back(payment: Version, rows: list[Version]) -> list[Version]:
    """The reversals of a payment's amounts that were paid on its day and sent no later."""
    same_day = [row for row in rows if takes_back(row, payment) and row.paid_on == payment.paid_on]
    return [row for row in same_day if (row.sent_on or -1) <= (payment.sent_on or -1)]


def is_sent_again(held: Version, versions: list[Version]) -> bool:
    """Does the delivery tell the version in the table, before it takes such a version back?

    Not if it also tells it beside a reversal that has nothing else to take back: then that is the one in the table.
    """
    told = [row for row in versions if row.content == held.content and not row.is_denied]
    _, _, waited = pair_reversals(versions, None)
    is_anew = any(takes_back(reversal, held) and reversal.moment == row.moment for row in told for reversal in waited)
    before = takewhile(lambda row: not takes_back(row, held), versions)
    return any(row in told for row in before) and not is_anew


def leave_open(rows: list[Version], held: Version | None) -> tuple[list[tuple], list[Version]]:
    """One line: fates of copies and of what reversals take back; and the versions that are left, oldest first."""
    versions, copies = split_copies(rows)
    fates = [(*row, "merged", "duplicate") for row in copies]
    taken_back, left, _ = pair_reversals(versions, None if held is None or is_sent_again(held, versions) else held)
    fates += [(*row, "merged", "reversed") for row in taken_back if row is not held]
    fates += [(*row, "quarantined", "orphan_reversal") for row in left if row.is_reversal]
    return fates, [row for row in left if not row.is_reversal]


def pair_reversals(versions: list[Version], held: Version | None) -> tuple[list[Version], ...]:
    """One line: reversals and what they take back; what is left; and reversals that found nothing earlier.

    A reversal takes back the last open version of an earlier moment; if there is none, the first of its own.
    """
    taken_back, orphans, waited, left = [], [], [], [] if held is None else [held]
    for _, group in groupby(versions, key=lambda row: row.moment):
        of_moment = list(group)
        waiting = []
        for reversal in (row for row in of_moment if row.is_reversal):
            places = [place for place, other in enumerate(left) if takes_back(reversal, other)]
            if places:
                taken_back += [reversal, left.pop(places[-1])]
            else:
                waiting.append(reversal)
        left += [row for row in of_moment if not row.is_reversal]
        for reversal in waiting:
            places = [place for place, other in enumerate(left) if takes_back(reversal, other)]
            if places:
                taken_back += [reversal, left.pop(places[0])]
            else:
                orphans.append(reversal)
        waited += waiting
    return taken_back, left + orphans, waited


def judge_claim(claim: int, rows: list[Version], held: Held) -> tuple[list[tuple], list[tuple[int, int]]]:
    """One claim: every row with fate and rule; and the lines that the table loses."""
    fates, lost, left = [], [], {}
    lines = {row.line for row in rows} | {line for of_claim, line in held if of_claim == claim}
    of_table = {
        line: Version(claim, line, None, None, held[claim, line], is_mended=False, is_whole=False)
        for line in lines
        if (claim, line) in held
    }
    for line in lines:
        more, left[line] = leave_open([row for row in rows if row.line == line], of_table.get(line))
        fates += more
    newest, replaced_last = replacements(left.values())
    voided = max((row.moment for versions in left.values() for row in versions if row.is_void), default=())
    for line, versions in left.items():
        in_table = of_table.get(line)
        hold = [
            row
            for row in versions
            if not newest
            or (
                row is not in_table
                and (row.moment > replaced_last if row.replaces else row.moment >= newest)
                and (row.is_void or row.moment > voided)
            )
        ]
        last = hold[-1] if hold else None
        fates += [(*row, "merged", "superseded") for row in versions if row is not last and row is not in_table]
        if last is not None and last is not in_table:
            fates.append((*last, *fate_of(last, held.get((claim, line)))))
        holds = last.content if last is not None and not last.is_denied else None
        is_told = any(row.line == line for row in rows) or newest
        if in_table is not None and is_told and holds != in_table.content:
            lost.append((claim, line))
    return fates, lost


def replacements(lines: Iterable[list[Version]]) -> tuple[tuple, tuple]:
    """The moments of the newest replacement of a claim, and of the last that another one replaced line by line."""
    newest, replaced_last = (), ()
    for versions in lines:
        replacing = sorted(row.moment for row in versions if row.replaces)
        newest = max(newest, *replacing[-1:], ())
        replaced_last = max(replaced_last, *(one for one in replacing if one < replacing[-1]), ())
    return newest, replaced_last


def fate_of(last: Version, held_content: int | None) -> tuple[str, str]:
    if last.is_denied:
        return "quarantined", "denied"
    if last.content == held_content:
        return "merged", "duplicate"
    return "kept", "mended" if last.is_mended else "as_sent"
