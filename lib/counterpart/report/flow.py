"""The flow of both arms from candidates to pairs: boxes, and between them who left and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpart.report.reading.words import UNMATCHED, criterion
from counterpart.tables import ARMS


def build_flow(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Released document -> for each arm its label, boxes and steps in order of reading.

    A part is a box {title, n, n_members} or a list {left: rows {names, n}, nobody: names of criteria that excluded
    nobody}. n is of index dates. `table` has every row of the chain.
    """
    protocol = document["protocol"]
    return [
        {
            "arm": arm,
            "label": protocol["cohort"][arm]["label"],
            "parts": _parts(document["attrition"].get(arm, []), protocol, arm),
            "table": [_told(row, protocol, arm) for row in document["attrition"].get(arm, [])],
        }
        for arm in ARMS
    ]


def _parts(rows: Sequence[Mapping[str, Any]], protocol: Mapping[str, Any], arm: str) -> list[dict[str, Any]]:
    if not rows:
        return []
    first, *later = rows
    before = [row for row in later if not set(row["criteria"]) & set(UNMATCHED)]
    after = [row for row in later if row not in before]
    # Where a row merges reasons of both kinds, the number of eligible is not shown.
    is_mixed = any(not set(row["criteria"]) <= set(UNMATCHED) for row in after)
    eligible = before[-1] if before else first
    parts = [_box("Candidates", first), _left(before, protocol, arm)]
    if after:
        parts += [_box("Eligible", {} if is_mixed else eligible), _left(after, protocol, arm)]
    return [*parts, _box("In matched pairs", rows[-1])]


def _box(title: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"title": title, "n": row.get("n_remaining"), "n_members": row.get("n_members_remaining")}


def _left(rows: Sequence[Mapping[str, Any]], protocol: Mapping[str, Any], arm: str) -> dict[str, Any]:
    told = [_told(row, protocol, arm) for row in rows]
    return {
        "left": [row for row in told if row["n"] != 0],
        "nobody": [name for row in told if row["n"] == 0 for name in row["names"]],
    }


def _told(row: Mapping[str, Any], protocol: Mapping[str, Any], arm: str) -> dict[str, Any]:
    return {
        "names": [criterion(name, protocol, arm) for name in row["criteria"]],
        "n": row["n_excluded"],
        "n_remaining": row["n_remaining"],
        "n_members": row["n_members_remaining"],
    }


def describe_unmatched(document: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    """Why eligible treated are in no pair: (reasons in words, index dates), merged reasons together."""
    return [
        ("; or: ".join(UNMATCHED.get(name, name) for name in row["reasons"]), row["n_units"])
        for row in document["matching"]["unmatched"]
    ]
