"""The profile in a few lines, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpart.report.quality.words import UNITS, span_of
from counterpart.report.reading.formats import count


def summarise_quality(document: Mapping[str, Any]) -> str:
    """Released document -> sizes, and what stands out."""
    months = document["months"]
    lines = [f"Claims of site {document['site']}" + (f", {span_of(months[0], months[-1])}" if months else "")]
    lines += [
        f"  {count(table['n_lines'])} {UNITS[table['table']]} of {count(table['n_people'])} members"
        for table in document["tables"]
    ]
    lines.append(f"  {count(document['members']['n_members'])} members")
    lines += [f"  {note['status']}: {note['about']}: {note['text']}" for note in document["notes"]]
    return "\n".join(lines if document["notes"] else [*lines, "  Nothing stands out."])
