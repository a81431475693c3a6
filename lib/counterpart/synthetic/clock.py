"""Days as integers from the start of the data, and clocks on which care happens at an even pace.

A clock's time runs fast on days with much care and slowly on weekends and in the shutdown of spring 2020: a constant
rate on the clock is the calendar's rhythm in the data, with no draw wasted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from counterpart.synthetic.settings import SynthSettings

# Arrays by kind; docstrings give the shapes.
Ints = NDArray[np.integer]
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

ELECTIVE_WEEK = (1.32, 1.35, 1.33, 1.33, 1.27, 0.25, 0.15)
EVERY_DAY_ALIKE = (1.0,) * 7
# Share of usual care on a date, linear in between.
SHUTDOWN = (
    (date(2020, 3, 10), 1.00, 1.00),
    (date(2020, 3, 20), 0.35, 0.60),
    (date(2020, 4, 20), 0.35, 0.60),
    (date(2020, 6, 15), 0.85, 0.85),
    (date(2020, 8, 1), 0.95, 0.95),
    (date(2021, 1, 1), 1.00, 1.00),
)


@dataclass(frozen=True)
class Clock:
    """`passed[d]` is the clock's time before day d began; an ordinary day is worth 1. Shape (days + 1,)."""

    passed: Floats

    @property
    def total(self) -> float:
        """The clock's time over the whole period."""
        return float(self.passed[-1])

    def between(self, after: Ints, through: Ints) -> Floats:
        """Time from the day after `after` to the end of day `through`, both shape (n,); clipped to the data."""
        last = len(self.passed) - 1
        return self.passed[np.clip(through + 1, 0, last)] - self.passed[np.clip(after + 1, 0, last)]

    def draw(self, rng: np.random.Generator, after: Ints, through: Ints) -> Ints:
        """One random day each, later than `after` and not later than `through`, at the clock's pace."""
        last = len(self.passed) - 1
        low = self.passed[np.clip(after + 1, 0, last)]
        high = self.passed[np.clip(through + 1, 0, last)]
        moment = low + rng.random(len(low)) * (high - low)
        return np.minimum(np.searchsorted(self.passed, moment, side="right") - 1, through).astype(np.int32)

    def draw_anywhere(self, rng: np.random.Generator, n: int) -> Ints:
        """Random days of the whole period, at the clock's pace, shape (n,)."""
        moment = rng.random(n) * self.total
        return (np.searchsorted(self.passed, moment, side="right") - 1).astype(np.int32)


@dataclass(frozen=True)
class Calendar:
    """The period of the data: day 0 is `start`, the last day is `days - 1`."""

    start: date
    days: int

    @classmethod
    def of(cls, settings: SynthSettings) -> Calendar:
        """The calendar of a data set."""
        return cls(settings.start, settings.days)

    def day(self, on: date) -> int:
        """A date as a day; negative before the start."""
        return (on - self.start).days

    @property
    def epoch_day(self) -> int:
        """Day 0 as days since 1970-01-01, the number that a date has in Arrow."""
        return (self.start - date(1970, 1, 1)).days

    @cached_property
    def month(self) -> Ints:
        """Months since year 0 of every day, shape (days,)."""
        dates = np.datetime64(self.start) + np.arange(self.days)
        return dates.astype("datetime64[M]").astype(np.int32)

    @cached_property
    def weekday(self) -> Ints:
        """0 Monday to 6 Sunday of every day, shape (days,)."""
        return (np.arange(self.days) + self.start.weekday()) % 7

    def to_workday(self, day: Ints) -> Ints:
        """The day itself, or the Monday after a weekend."""
        weekday = (day + self.start.weekday()) % 7
        return (day + np.where(weekday >= 5, 7 - weekday, 0)).astype(np.int32)

    @cached_property
    def elective(self) -> Clock:
        """Visits by appointment: weekdays, and deep in the shutdown few."""
        return self._clock(ELECTIVE_WEEK, column=0)

    @cached_property
    def acute(self) -> Clock:
        """Emergencies and dispensing: every day alike, with a shallower dip."""
        return self._clock(EVERY_DAY_ALIKE, column=1)

    def _clock(self, week: tuple[float, ...], column: int) -> Clock:
        points = [self.day(point[0]) for point in SHUTDOWN]
        shares = np.array([point[1:] for point in SHUTDOWN], dtype=np.float64)[:, column]
        pace = np.interp(np.arange(self.days), points, shares) * np.asarray(week)[self.weekday]
        return Clock(np.concatenate([[0.0], np.cumsum(pace)]))

    @property
    def elective_dip(self) -> int:
        """The day on which the shutdown of spring 2020 began to show."""
        return self.day(SHUTDOWN[0][0])

    def january_firsts(self) -> list[int]:
        """The days inside the period on which plans change."""
        last_year = (np.datetime64(self.start) + self.days - 1).astype("datetime64[Y]").astype(int) + 1970
        days = [self.day(date(year, 1, 1)) for year in range(self.start.year, last_year + 1)]
        return [day for day in days if 0 < day < self.days]
