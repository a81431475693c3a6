"""What a mapping says of one of our columns: the source's columns, how they are written, what their values mean.

The short form of every field is the name of a column, or a list of them of which the first that holds something counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from counterpart.protocol.section import Day, Problem, Section, Text, Whole, YesNo, each_once

_RANGE = re.compile(r"(?P<stem>.*?)(?P<first>\d+)\.\.(?P=stem)(?P<last>\d+)")
_MOST_COLUMNS = 999

DateFormat = Literal[
    "iso", "yyyymmdd", "dd-mon-yyyy", "ddmonyyyy", "mm/dd/yyyy", "dd/mm/yyyy", "yyyy/mm/dd", "dd.mm.yyyy",
    "mmddyyyy", "excel", "sas",
]  # fmt: skip
"""How a day is written; `excel` and `sas` are day numbers from 1899-12-30 and from 1960-01-01."""

_READ_OTHERWISE = (("mm/dd/yyyy", "dd/mm/yyyy"), ("yyyymmdd", "mmddyyyy"), ("excel", "sas"))


def _spread(given: Any) -> Any:
    """A name -> a list of it; `DX01..DX12` in it -> the twelve names."""
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, (list, tuple)):
        return given
    names: list[Any] = []
    for name in given:
        names += _names_of(name) if isinstance(name, str) else [name]
    return names


def _names_of(name: str) -> list[str]:
    found = _RANGE.fullmatch(name.strip())
    if found is None:
        if ".." in name:
            raise ValueError(f"{name!r} is not a range; one is written like DX1..DX12")
        return [name]
    stem, first, last = found["stem"], int(found["first"]), int(found["last"])
    if not first < last <= first + _MOST_COLUMNS:
        raise ValueError(f"{name!r} must go from a smaller number to a larger one, over at most {_MOST_COLUMNS}")
    width = len(found["first"])
    return [f"{stem}{number:0{width}d}" for number in range(first, last + 1)]


def _one_reading(formats: tuple[str, ...]) -> tuple[str, ...]:
    for one, other in _READ_OTHERWISE:
        if one in formats and other in formats:
            raise ValueError(f"{one} and {other} read the same text as different days; only one of them can be listed")
    return formats


Columns = Annotated[tuple[Text, ...], BeforeValidator(_spread)]
Formats = Annotated[
    tuple[DateFormat, ...], Field(min_length=1), AfterValidator(each_once), AfterValidator(_one_reading)
]
Values = Annotated[tuple[Text, ...], AfterValidator(each_once)]
DiagnosisSystem = Literal["icd10cm", "icd9cm"]
ProcedureSystem = Literal["hcpcs", "icd10pcs", "icd9pcs"]
Sex = Literal["F", "M", "U"]
ClaimType = Literal["professional", "institutional", "dme", "other"]


class MappedField(Section):
    """The first of `column` that holds something; texts of `none` hold nothing, like those of the whole document."""

    column: Columns = ()
    none: Values = ()

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        if isinstance(given, (str, list, tuple)):
            return {"column": given}
        if not isinstance(given, (dict, Section)):
            keys = ", ".join(cls.model_fields)
            raise PydanticCustomError(
                "not_a_column",
                "must be a column's name, a list of names, or a section with the keys {keys}",
                {"keys": keys},
            )
        return given

    def contradictions(self) -> Iterator[Problem]:
        """Nothing to read."""
        if not self.column and getattr(self, "constant", None) is None:
            allowed = " or a ".join(name for name in ("column", "constant") if name in type(self).model_fields)
            yield (), f"must name a {allowed}"


class TextField(MappedField):
    """Text. What `values` does not list stays as it is written; capitals do not matter in its keys."""

    values: dict[Text, Text] = Field(default={})
    constant: Text | None = None


class SexField(MappedField):
    """Without `values`: words, letters, and 1 (male) and 2 (female); with them, what they do not list is unknown."""

    values: dict[Text, Sex] = Field(default={})
    constant: Sex | None = None


class ClaimTypeField(MappedField):
    """What is not listed is `other`."""

    values: dict[Text, ClaimType] = Field(default={})
    constant: ClaimType | None = None


class DateField(MappedField):
    """A day, in one of the `formats` (default: those of the document), tried in this order."""

    formats: Formats | None = None
    constant: Day | None = None


class NumberField(MappedField):
    """A whole number, or for quantities one with a fraction."""

    constant: Whole | None = None


class AmountField(MappedField):
    """An amount of money; `unit` and `decimal` where they differ from the document's."""

    unit: Literal["dollars", "cents"] | None = None
    decimal: Literal[".", ","] | None = None


class FlagField(MappedField):
    """True where the column holds one of `any_of`."""

    any_of: Values = Field(default=("Y", "YES", "T", "TRUE", "1"), min_length=1)
    constant: YesNo | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_yes_or_no(cls, given: Any) -> Any:
        return {"constant": given} if isinstance(given, bool) else given


class ClaimFlag(MappedField):
    """True where the column holds one of `any_of`, or where the `amounts` say so."""

    any_of: Values = ()
    amounts: YesNo = False

    def contradictions(self) -> Iterator[Problem]:
        """Nothing to tell by; a column without values, or values without a column."""
        if bool(self.column) != bool(self.any_of):
            missing = "any_of" if self.column else "column"
            yield (missing,), "is missing: a column and the values of it that mean yes are told together"
        elif not self.column and not self.amounts:
            yield (), "must name a column and any_of, or say amounts: true"


class SystemField(MappedField):
    """The system of a code, from a column and what its values mean. The short form is the name of the system."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"constant": given} if isinstance(given, str) else given

    def contradictions(self) -> Iterator[Problem]:
        """A column whose values mean nothing."""
        yield from super().contradictions()
        if self.column and not getattr(self, "values", {}):
            yield ("values",), "is missing: it says which system each value of the column means"


class DiagnosisSystemField(SystemField):
    """Of diagnoses."""

    values: dict[Text, DiagnosisSystem] = Field(default={})
    constant: DiagnosisSystem | None = None


class ProcedureSystemField(SystemField):
    """Of procedures."""

    values: dict[Text, ProcedureSystem] = Field(default={})
    constant: ProcedureSystem | None = None


class ProcedureField(MappedField):
    """A procedure's code; HCPCS unless `system` says otherwise."""

    system: ProcedureSystemField = ProcedureSystemField(constant="hcpcs")


class CodeField(MappedField):
    """A code of the one system that its column can have."""
