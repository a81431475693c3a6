"""Months with far fewer or far more lines or covered members than the months around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from counterpart.report.quality.note import EXPECTED, LOOK, Note, note
from counterpart.report.quality.series import Differs, find_odd, find_steps, levels_at, runs_of
from counterpart.report.quality.words import UNITS, month_name, span_of
from counterpart.report.reading.formats import share

FEWEST_LINES = 110
"""Of smaller levels chance alone makes halves and doubles."""

LINES_FACTOR = 2.0
"""Less than half, or more than double, of the level around is told of lines."""

COVER_FACTOR = 1.25
"""Cover moves slowly: it is told from a fifth less or a quarter more."""

RUN_OUT_MONTHS = 3
"""The last months of a delivery are not complete: claims are sent late."""

_LATE = "The last months of a delivery are often incomplete: claims are sent late."


def find_volume_changes(document: Mapping[str, Any]) -> Iterator[Note]:
    """Notes on lines by month, and on covered members by month."""
    for table in document["tables"]:
        counts = {row["month"]: row["n_lines"] for row in table["by_month"]}
        yield from _notes(counts, UNITS[table["table"]], table["table"], LINES_FACTOR)
    for cover in document["cover"]:
        counts = {row["month"]: row["n_members"] for row in cover["by_month"]}
        yield from _notes(counts, f"members with {cover['benefit']} cover", f"{cover['benefit']}_cover", COVER_FACTOR)


def _notes(counts: Mapping[int, int | None], what: str, table: str, factor: float) -> Iterator[Note]:
    months = list(counts)
    values = [_about(count) for count in counts.values()]
    differs = _by(factor)
    steps = find_steps(values, differs)
    for place in steps:
        before, after = levels_at(values, place)
        text = f"From {month_name(months[place])} on {what} are at {_compared(after, before)} of the level before."
        yield note(LOOK, "A new level", text, table, [months[place]])
    odd = find_odd(values, steps, differs)
    for first, last in runs_of(sorted(odd)):
        found = [counts[months[place]] for place in range(first, last + 1)]
        is_late = last >= len(months) - RUN_OUT_MONTHS and values[first] < odd[first]
        text = f"{span_of(months[first], months[last])}: {_told(found, odd[first], what)}. "
        text += _LATE if is_late else _question(found, odd[first])
        about = "A month without rows" if not any(values[first : last + 1]) else "An unusual month"
        yield note(EXPECTED if is_late else LOOK, about, text, table, months[first : last + 1])


def _by(factor: float) -> Differs:
    def differs(level: float, value: float) -> bool:
        return max(level, value) >= FEWEST_LINES and (value * factor < level or value > level * factor)

    return differs


def _about(count: int | None) -> float:
    """A withheld count is one from 1 to 10."""
    return 5.0 if count is None else float(count)


def _told(found: Sequence[int | None], level: float, what: str) -> str:
    if all(count == 0 for count in found):
        return f"no {what}, where the months around have about {level:,.0f}"
    if all(count is None or count == 0 for count in found):
        return f"no or at most 10 {what}, where the months around have about {level:,.0f}"
    return f"{what} are at {_compared(sum(map(_about, found)) / len(found), level)} of the level of the months around"


def _question(found: Sequence[int | None], level: float) -> str:
    if not any(found):
        return "Is a delivery missing?"
    return "Is a part missing?" if _about(found[0]) < level else "Was something delivered twice?"


def _compared(value: float, level: float) -> str:
    """Per cent of the level; times where it is several."""
    if not level:
        return "more than a hundred times"
    return share(value / level, 0) if value < 3 * level else f"{value / level:.1f} times"
