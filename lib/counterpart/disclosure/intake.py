"""What became of the rows of every source table: of claims as they were counted, of people's in multiples of 11."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from counterpart.disclosure.cells import pool_small, rounded_parts, shown

if TYPE_CHECKING:
    import pandas as pd

ALL = ["in"]
"""The fates of a source's sum."""


def release_intake(intake: pd.DataFrame, rosters: Collection[str]) -> dict[str, Any]:
    """INTAKE of one delivery -> {rows, lines}: what became of the rows of every source table, and a table to print.

    Fates of 1 to 10 rows are pooled with the next smallest, so that the sum of a source gives none of them away. A row
    of a roster is a member: its exact fates less the treated members of a study would count those of the other
    programs, so they are rounded.
    """
    rows: list[dict[str, Any]] = []
    for source, fates in _by_source(intake).items():
        rows += _rounded(source, fates) if source in rosters else _pooled(source, fates)
    return {"rows": rows, "lines": _lines(rows)}


def release_study_intake(intake: pd.DataFrame) -> list[dict[str, Any]]:
    """INTAKE of all deliveries together -> rows beside a study: multiples of 11, and None for 1 to 10."""
    return [row for source, fates in _by_source(intake).items() for row in _rounded(source, fates)]


def _by_source(intake: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Source -> its fates and their rows."""
    found: dict[str, dict[str, int]] = {}
    for source, fates in intake.groupby("source", sort=True):
        counts = fates.groupby(["fate", "rule"])["n_rows"].sum()
        found[str(source)] = {f"{fate}: {rule}": int(count) for (fate, rule), count in counts.items()}
    return found


def _pooled(source: str, fates: Mapping[str, int]) -> list[dict[str, Any]]:
    rows = [_row(source, list(names), count) for names, count in pool_small(fates)]
    return [*rows, _row(source, ALL, shown(sum(fates.values())))]


def _rounded(source: str, fates: Mapping[str, int]) -> list[dict[str, Any]]:
    total, told = rounded_parts(fates)
    commonest_first = sorted(told.items(), key=lambda one: (-(one[1] or 0), one[0]))
    return [*(_row(source, [name], count) for name, count in commonest_first), _row(source, ALL, total)]


def _row(source: str, fates: list[str], count: int | None) -> dict[str, Any]:
    return {"source": source, "fates": fates, "n_rows": count}


def _lines(rows: list[dict[str, Any]]) -> list[str]:
    lines = [f"{'source':<16} {'rows':>13}  fate"]
    for row in rows:
        count = "withheld" if row["n_rows"] is None else f"{row['n_rows']:,}"
        lines.append(f"{row['source']:<16} {count:>13}  {' + '.join(row['fates'])}")
    return lines
