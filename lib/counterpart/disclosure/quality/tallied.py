"""Tallies to look things up in, and the months that are worth a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from counterpart.disclosure.cells import may_show

if TYPE_CHECKING:
    import pandas as pd

LINE_TABLES = ("medical", "pharmacy")


@dataclass(frozen=True)
class SiteTallies:
    """What was counted, raw. `tallies` has the contract TALLIES, `intake` INTAKE, `deliveries` their keys in order.

    `lag_is_unknown` says why nothing is known of payments, where nothing is.
    """

    tallies: pd.DataFrame
    intake: pd.DataFrame
    deliveries: Sequence[str]
    lag_is_unknown: str = ""

    @cached_property
    def _counts(self) -> dict[tuple[str, str, str, str], dict[int, int]]:
        counts: dict[tuple[str, str, str, str], dict[int, int]] = {}
        for row in self.tallies.sort_values(["topic", "part", "name", "detail", "at"]).itertuples():
            places = counts.setdefault((row.topic, row.part, row.name, row.detail), {})
            places[int(row.at)] = places.get(int(row.at), 0) + int(row.n)
        return counts

    def of(self, topic: str, part: str, name: str = "", detail: str = "") -> Mapping[int, int]:
        """Counts by place (month, cents, days); places that are not there have none."""
        return self._counts.get((topic, part, name, detail), {})

    def total(self, topic: str, part: str, name: str = "", detail: str = "") -> int:
        """The sum over all places."""
        return sum(self.of(topic, part, name, detail).values())

    def names(self, topic: str, part: str) -> list[tuple[str, str]]:
        """(name, detail) of a topic's counts, sorted; none where the whole table is about 1 to 10 people."""
        if self.is_of_few(part):
            return []
        return sorted((name, detail) for at, of, name, detail in self._counts if (at, of) == (topic, part))

    @cached_property
    def months(self) -> list[int]:
        """Every month from the first to the last in which a table of claims has lines enough to be shown."""
        found = [month for part in LINE_TABLES for month in self.of("lines", part) if self._is_shown(part, month)]
        return months_between(min(found), max(found)) if found else []

    def is_of_few(self, part: str) -> bool:
        """Is the table about 1 to 10 people? Then its rows, however many, are theirs."""
        return not may_show(self.total("lines" if part == "members" else "people_ever", part))

    def small_months(self, part: str) -> list[int]:
        """Months with lines of 1 to 10 people, however many lines they have."""
        return [month for month, people in self.of("people", part).items() if not may_show(people)]

    def _is_shown(self, part: str, month: int) -> bool:
        n_lines, people = self.of("lines", part)[month], self.of("people", part).get(month, 0)
        return n_lines > 0 and may_show(n_lines) and may_show(people)


def months_between(first: int, last: int) -> list[int]:
    """Months as 202109, both ends included."""
    numbers = range(first // 100 * 12 + first % 100 - 1, last // 100 * 12 + last % 100)
    return [number // 12 * 100 + number % 12 + 1 for number in numbers]
