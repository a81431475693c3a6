"""The contrasts of a released document, each with its crude and its matched result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpart.report.reading.words import outcome_days

Contrast = tuple[str, dict[str, Mapping[str, Any]]]
"""A label, and EFFECTS rows by phase."""


def contrasts_of(document: Mapping[str, Any], are_controls: bool) -> list[Contrast]:
    """EFFECTS rows by phase under `label, days`, in the document's order; negative controls or the other outcomes."""
    found: dict[tuple[str, int], Contrast] = {}
    for row in document["effects"]:
        if (row["role"] == "negative_control") == are_controls:
            label = f"{row['label']}, {outcome_days(row)}"
            found.setdefault((row["outcome"], row["horizon"]), (label, {}))[1][row["phase"]] = row
    return list(found.values())
