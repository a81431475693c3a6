"""A note: what stands out in a site's claims, and how much it matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LOOK, EXPECTED, TO_KNOW = "look here", "expected", "to know"

Note = dict[str, Any]


def note(status: str, about: str, text: str, table: str = "", months: Sequence[int] = ()) -> Note:
    """A note as JSON has it; `months` are those that a plot marks."""
    return {"status": status, "about": about, "text": text, "table": table, "months": list(months)}
