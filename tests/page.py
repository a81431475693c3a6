"""A page of HTML as tests read it."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """What a test asks of a page: its elements in order, its visible text, the cells of its table rows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.pieces: list[str] = []
        self._inside: list[str] = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.pieces))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            return
        self.pieces.append(data)
        if self.rows and self.rows[-1] and {"th", "td"} & set(self._inside):
            self.rows[-1][-1] = re.sub(r"\s+", " ", f"{self.rows[-1][-1]} {data}").strip()

    def cells(self, first: str, *, after: str = "") -> list[str]:
        """The cells of the first row that starts so, behind the row that starts with `after`."""
        start = next((i for i, row in enumerate(self.rows) if after and row and row[0].startswith(after)), 0)
        return next(row for row in self.rows[start:] if row and row[0] == first)
