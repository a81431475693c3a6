"""Seconds of the steps of a match."""

from __future__ import annotations

from time import perf_counter


class Laps:
    """Seconds of consecutive steps, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = perf_counter()

    def end(self, step: str) -> None:
        """The step that has been going on since the one before it ended."""
        now = perf_counter()
        self.seconds[step] = now - self._last
        self._last = now
