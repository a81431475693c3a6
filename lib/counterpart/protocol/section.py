"""What every section of a document is made of: frozen, strictly typed, its contradictions told with their paths.

Values are taken as they are written: a number in quotes is not a number, `yes` is not 1, a day is written 2020-01-31.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import Self

ALL_CLAIMS = "medical_claim"
"""The event that every claim line shows; no study can define it otherwise."""

Problem = tuple[tuple[str | int, ...], str]
"""Where in the section (keys and positions), and what is wrong there."""

NAME = r"^[a-z][a-z0-9_]*$"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day_as_written(value: Any) -> date:
    if type(value) is date:
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
        raise PydanticCustomError("not_a_day", "must be a day, written like 2020-01-31")
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise PydanticCustomError("no_such_day", "is not a day of the calendar") from None


def repeated(values: Any) -> Iterator[tuple[int, Any]]:
    """Position and value of everything that was there before."""
    listed = list(values)
    return ((i, value) for i, value in enumerate(listed) if value in listed[:i])


def each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, if none of them is there twice (ValueError)."""
    twice = sorted({str(value) for _, value in repeated(values)})
    if twice:
        raise ValueError(f"listed twice: {', '.join(twice)}")
    return values


Whole = Annotated[int, Strict()]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
YesNo = Annotated[bool, Strict()]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=NAME)]
Day = Annotated[date, BeforeValidator(_day_as_written)]


class Section(BaseModel):
    """A part of a document: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @classmethod
    def written_keys(cls) -> list[str]:
        """What can be written in it."""
        return list(cls.model_fields)

    def contradictions(self) -> Iterator[Problem]:
        """What cannot be true together, once each value is right by itself. Sections with such rules say them here."""
        yield from ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        found = [
            InitErrorDetails(type=PydanticCustomError("contradiction", "{what}", {"what": what}), loc=where, input=None)
            for where, what in self.contradictions()
        ]
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, found)
        return self
