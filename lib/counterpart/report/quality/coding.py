"""Code systems that come, go, or give way to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from counterpart.report.quality.note import EXPECTED, LOOK, Note, note
from counterpart.report.quality.series import FEWEST
from counterpart.report.quality.words import column_name, month_name, system_name
from counterpart.report.reading.words import listed

IN_USE = 0.05
"""A system is in use in months in which it has so large a share of a column's codes."""

_FEWEST_CODES = 110
_ICD_10_BEGINS = 201510


def find_coding_changes(document: Mapping[str, Any]) -> Iterator[Note]:
    """Notes on systems that vanish from a column, or appear in it, for good."""
    columns = dict.fromkeys((system["table"], system["column"]) for system in document["codes"])
    for table, column in columns:
        shares = shares_by_system(document, table, column)
        came, went = _turns(shares, comes=True), _turns(shares, comes=False)
        for month in sorted({*came, *went}):
            told = [f"{listed([system_name(name) for name in went[month]])} vanish"] if month in went else []
            told += [f"{listed([system_name(name) for name in came[month]])} appear"] if month in came else []
            is_known = month == _ICD_10_BEGINS and went.get(month) == ["icd9cm"] and came.get(month) == ["icd10cm"]
            text = f"From {month_name(month)} on codes of {' and codes of '.join(told)}."
            text += " All of the United States changed on that day." if is_known else " Is this a change of coding?"
            about = f"{column_name(column)}, {table}"
            yield note(EXPECTED if is_known else LOOK, about, text, f"{table}.{column}", [month])


def shares_by_system(document: Mapping[str, Any], table: str, column: str) -> dict[str, dict[int, float]]:
    """System -> month -> its share of the column's codes, of the months that have codes enough."""
    counts = {
        system["system"]: {row["month"]: row["n_codes"] or 0 for row in system["by_month"]}
        for system in document["codes"]
        if (system["table"], system["column"]) == (table, column)
    }
    totals = {month: sum(one.get(month, 0) for one in counts.values()) for month in document["months"]}
    told = [month for month, total in totals.items() if total >= _FEWEST_CODES]
    return {name: {month: by_month[month] / totals[month] for month in told} for name, by_month in counts.items()}


def _turns(shares: Mapping[str, Mapping[int, float]], comes: bool) -> dict[int, list[str]]:
    """Month -> systems that are in use from it on and were not before, or that were and are no longer."""
    turns: dict[int, list[str]] = {}
    for system, by_month in sorted(shares.items()):
        months = list(by_month)
        place = _first_of_use([by_month[month] for month in (months if comes else reversed(months))])
        if place is not None:
            turns.setdefault(months[place] if comes else months[len(months) - place], []).append(system)
    return turns


def _first_of_use(values: Sequence[float]) -> int | None:
    """The position from which on the system is in use, if at least four months before it was not."""
    first = next((place for place, value in enumerate(values) if value >= IN_USE), None)
    if first is None or first < FEWEST or len(values) - first < FEWEST:
        return None
    return first
