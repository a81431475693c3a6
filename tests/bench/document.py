"""The document of benchmarks: a section per measurement, replaced when it is measured again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def table_of(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the head, the first column is text, the others are numbers."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" + "---:|" * (len(rows[0]) - 1), *body])


def write_section(document: Path, title: str, text: str) -> None:
    """Replace the section of that title, or add it at the end."""
    print(f"\n{text}\n")
    start = "# Benchmarks\n\nMeasured by `make bench`; each section says when, where and with what.\n"
    before = document.read_text() if document.exists() else start
    section = f"## {title}\n\n{text}\n"
    found = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    after = found.sub(lambda _: section + "\n", before) if found.search(before) else f"{before.rstrip()}\n\n{section}"
    document.write_text(after.rstrip() + "\n")
