"""What stands out, in plain words: months with too few lines, codes and columns that change, claims that cannot be.

Notes are made of released numbers only, so they tell nothing that the page does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from counterpart.report.quality.coding import find_coding_changes
from counterpart.report.quality.note import EXPECTED, LOOK, TO_KNOW, Note, note
from counterpart.report.quality.series import find_odd, find_steps, levels_at, runs_of
from counterpart.report.quality.volume import FEWEST_LINES, find_volume_changes
from counterpart.report.quality.words import RULES, UNITS, column_name, span_of, system_name
from counterpart.report.reading.formats import share
from counterpart.report.reading.words import listed, spell

MISSING_STEP = 0.25
"""A column's share of empty lines that moves by so much from one month to others was delivered otherwise."""

WORTH_A_WORD = 0.05
"""Shares of strange codes, of claims outside cover and of rejected rows that are told."""


def find_notes(document: Mapping[str, Any]) -> list[Note]:
    """Released document -> notes {status, about, text, table, months}; what is to be looked at first."""
    notes = [*_empty(document), *find_volume_changes(document), *find_coding_changes(document)]
    notes += [*_columns(document), *_strange_codes(document), *_impossible(document), *_rejected(document)]
    order = (LOOK, EXPECTED, TO_KNOW)
    return sorted(notes, key=lambda note: order.index(note["status"]))


def _empty(document: Mapping[str, Any]) -> Iterator[Note]:
    for table in document["tables"]:
        if table["n_lines"] == 0:
            yield note(LOOK, spell(table["table"]), f"There are no {UNITS[table['table']]}.", table["table"])
    for cover in document["cover"]:
        if cover["n_members"] == 0:
            yield note(LOOK, "Cover", f"Nobody has {cover['benefit']} cover.")
    if document["members"]["share_with_death"] == 0:
        yield note(TO_KNOW, "Deaths", "No date of death is known: follow-up cannot end with one.")


def _columns(document: Mapping[str, Any]) -> Iterator[Note]:
    """Columns that hold nothing at all, and those that are empty in some months only."""
    for part in UNITS:
        columns = [column for column in document["columns"] if column["table"] == part]
        nothing = [column_name(one["column"]) for one in columns if one["share_missing"] == 1]
        if nothing:
            text = f"Empty in all {UNITS[part]}: {listed(nothing)}."
            yield note(TO_KNOW, "Empty columns", text, part)
        counts = {row["month"]: row["n_lines"] or 0 for row in _months_of(document, part)}
        for column in columns:
            yield from _changes_of(column, [month for month, n in counts.items() if n >= FEWEST_LINES])


def _months_of(document: Mapping[str, Any], part: str) -> Sequence[Mapping[str, Any]]:
    """The lines of a table of claims by month; members have no months."""
    return next((table["by_month"] for table in document["tables"] if table["table"] == part), ())


def _changes_of(column: Mapping[str, Any], judged: Sequence[int]) -> Iterator[Note]:
    """Levels that move, among the months that have lines enough."""
    shares_by_month = {row["month"]: row["share"] for row in column["by_month"]}
    told = [(month, value) for month in judged if (value := shares_by_month.get(month)) is not None]
    months, shares = [month for month, _ in told], [value for _, value in told]

    def differs(before: float, after: float) -> bool:
        return abs(after - before) >= MISSING_STEP

    name, part = column["column"], column["table"]
    about = f"{column_name(name)}, {part}"
    steps = find_steps(shares, differs)
    for place in steps:
        before, after = levels_at(shares, place)
        text = f"From {span_of(months[place], months[place])} on the column is empty in {share(after, 0)} of the "
        text += f"{UNITS[part]}, before that in {share(before, 0)}."
        yield note(LOOK, about, text, f"{part}.{name}", [months[place]])
    odd = find_odd(shares, steps, differs)
    for first, last in runs_of(sorted(odd)):
        text = f"In {span_of(months[first], months[last])} the column is empty in {share(shares[first], 0)} of the "
        text += f"{UNITS[part]}, in the months around in {share(odd[first], 0)}."
        yield note(LOOK, about, text, f"{part}.{name}", months[first : last + 1])


def _strange_codes(document: Mapping[str, Any]) -> Iterator[Note]:
    for system in document["codes"]:
        strange = system["share_unrecognised"]
        if strange is not None and strange >= WORTH_A_WORD:
            name = system_name(system["system"])
            text = f"{share(strange, 0)} of the codes that stand there as {name} are not written like {name}."
            yield note(LOOK, f"{column_name(system['column'])}, {system['table']}", text, system["table"])


def _impossible(document: Mapping[str, Any]) -> Iterator[Note]:
    limits = {"outside_cover": WORTH_A_WORD, "before_birth": 0.0, "long_after_death": 0.0}
    for row in document["outside"]:
        limit = limits.get(row["rule"])
        # A count may be shown where its share is withheld, never the other way round.
        if limit is not None and row["share"] is not None and row["share"] > limit:
            text = f"{share(row['share'], 0)} of the {UNITS[row['table']]} are {RULES[row['rule']]}"
            text += "." if row["rule"] != "long_after_death" else " (the member's death)."
            yield note(LOOK, "Impossible days", text, row["table"])


def _rejected(document: Mapping[str, Any]) -> Iterator[Note]:
    for row in document["intake"]:
        if row["share_quarantined"] is not None and row["share_quarantined"] >= WORTH_A_WORD:
            text = f"{share(row['share_quarantined'], 0)} of the rows of {row['source']} were quarantined in "
            yield note(LOOK, "Quarantine", f"{text}delivery {row['delivery']}.")
