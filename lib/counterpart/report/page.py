"""The report page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def render_report(document: Mapping[str, Any], path: Path) -> Path:
    """Write the page."""
    path.write_text(f"<h1>{document['protocol']['title']}</h1>", encoding="utf-8")
    return path
