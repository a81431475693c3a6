"""What the counts of outcome events add up, so that sums and differences of them can be told apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterpart.disclosure.cells import Sum
from counterpart.tables import FIRST_WEEK, LAST_WEEK

if TYPE_CHECKING:
    from counterpart.protocol import Outcome

# A week w is days 7w + 1 to 7w + 7; the first days of all weeks of the event time, and of the week after them.
_WEEKS = frozenset(7 * week + 1 for week in range(FIRST_WEEK, LAST_WEEK + 2))


@dataclass(frozen=True)
class Counted:
    """The events and windows of a study's outcomes. `shared` are groups of events that have codes in common."""

    outcomes: Sequence[Outcome]
    shared: Collection[frozenset[str]]

    def of_outcome(self, outcome: Outcome, horizon: int, count: int) -> Sum:
        """The events of an outcome from its first day to a horizon."""
        return self.of_days(outcome.events, outcome.start_day, horizon, count)

    def of_days(self, events: Iterable[str], first: int, last: int, count: int) -> Sum:
        """Events of some days, cut at every edge that any outcome or any week has."""
        edges = _WEEKS | {one.start_day for one in self.outcomes}
        edges |= {horizon + 1 for one in self.outcomes for horizon in one.horizons}
        days = [day for day in edges if first <= day <= last]
        groups = {event: " ".join(sorted(group)) for group in self.shared for event in group}
        return Sum(
            frozenset((event, day) for event in events for day in days),
            count,
            frozenset((groups[event], day) for event in events if event in groups for day in days),
        )
