"""Days of a study, and windows of days around an index date (day 0), inclusive at both ends."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from counterpart.protocol.section import Day, Whole

_LONGEST_LOOKBACK = 36_500
# Look-backs and horizons are counted from a day, and a computer's calendar has an end; nobody's claims lie outside.
_FIRST_YEAR, _LAST_YEAR = 1900, 2199


def _two_days(window: Any) -> Any:
    if not isinstance(window, list | tuple) or len(window) != 2:
        raise PydanticCustomError("not_two_days", "must be two days, the first and the last, such as [-365, -1]")
    return window


def _ordered_window(window: tuple[int, int]) -> tuple[int, int]:
    if window[0] > window[1]:
        raise ValueError(f"the window starts on day {window[0]}, after its end on day {window[1]}")
    return window


def _looks_back(window: tuple[int, int]) -> tuple[int, int]:
    if window[1] > 0:
        raise ValueError(f"the window ends on day {window[1]}; it must end on day 0, the index date, or before")
    if window[0] < -_LONGEST_LOOKBACK:
        raise ValueError(f"the window starts on day {window[0]}; the earliest is day -{_LONGEST_LOOKBACK}")
    return window


def _in_range(day: date) -> date:
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        years = {"first": _FIRST_YEAR, "last": _LAST_YEAR}
        raise PydanticCustomError("day_out_of_range", "must be a day of the years {first} to {last}", years)
    return day


StudyDay = Annotated[Day, AfterValidator(_in_range)]
Window = Annotated[tuple[Whole, Whole], BeforeValidator(_two_days), AfterValidator(_ordered_window)]
Lookback = Annotated[Window, AfterValidator(_looks_back)]
