"""The preference scores of a released document, by arm and bin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EQUIPOISE = (0.3, 0.7)
"""Preference scores at which either arm was a live choice (Walker 2013)."""


def shares_by_bin(document: Mapping[str, Any], phase: str, arm: str) -> list[float | None]:
    """Share of the arm's shown units in each bin, low scores first; None where the bin is withheld."""
    rows = sorted(
        (row for row in document["score_histogram"] if row["phase"] == phase and row["arm"] == arm),
        key=lambda row: row["bin"],
    )
    total = sum(row["n_units"] or 0 for row in rows)
    return [None if row["n_units"] is None or not total else row["n_units"] / total for row in rows]
