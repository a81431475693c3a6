"""What a person would see of an ingest or a run, kept instead of shown."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Notes:
    """A `Progress`: the lines that were said, and in `done` what stages said they were doing."""

    said: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.said.append(text)

    def doing(self, what: str) -> None:
        self.done.append(what)

    def stage(self, _: str) -> Any:
        return nullcontext()
