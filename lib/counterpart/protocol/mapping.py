"""The mapping document: how the columns of any flat claims files are ours. One section per source table.

A key of `eligibility`, `medical`, `pharmacy` and `roster` is the name of a source table. What a table leaves out is
empty in every row. Defaults live here and nowhere else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from counterpart.protocol.mapped_fields import (
    AmountField,
    ClaimFlag,
    ClaimTypeField,
    CodeField,
    Columns,
    DateField,
    DiagnosisSystemField,
    FlagField,
    Formats,
    NumberField,
    ProcedureField,
    SexField,
    TextField,
    Values,
)
from counterpart.protocol.section import Name, Problem, Section, Text, YesNo

BROKEN_LINE = "__broken_line"
"""Beside the columns of a text file: the line, where it has more or fewer fields than the heading, else null."""


class TextFiles(Section):
    """How text files are written. Without `quote`, fields are quoted ("...") only where commas separate them."""

    model_config = ConfigDict(str_strip_whitespace=False)  # a tab is a separator

    separator: str = Field(default=",", min_length=1, max_length=4, description="such as ',', '|' or \"\\t\"")
    quote: str | None = Field(default=None, max_length=1, description="one character, or '' where nothing is quoted")
    encoding: Literal["utf-8", "latin-1"] = "utf-8"


class Amounts(Section):
    """How amounts of money are written."""

    unit: Literal["dollars", "cents"] = "dollars"
    decimal: Literal[".", ","] = "."


class MappedTable(Section):
    """A source table; `files` where they are written otherwise than the document says."""

    files: TextFiles | None = None
    may_be_absent: YesNo = False


class EligibilityTable(MappedTable):
    """A row is a person and a span of cover. Without `start_date` it tells who somebody is, and covers no day.

    Cover goes on where `end_date` is empty. `medical` and `pharmacy` say which benefits the span has; pharmacy dates of
    their own hold where they are given. `known_from` is since when the row's facts, the state above all, are known.
    """

    person_id: TextField
    birth_date: DateField | None = None
    sex: SexField | None = None
    death_date: DateField | None = None
    state: TextField | None = None
    known_from: DateField | None = None
    start_date: DateField | None = None
    end_date: DateField | None = None
    medical: FlagField = FlagField(constant=True)
    pharmacy: FlagField = FlagField(constant=True)
    pharmacy_start_date: DateField | None = None
    pharmacy_end_date: DateField | None = None

    def contradictions(self) -> Iterator[Problem]:
        """An end without a start."""
        for kind in ("", "pharmacy_"):
            if getattr(self, f"{kind}end_date") and not getattr(self, f"{kind}start_date"):
                yield (f"{kind}start_date",), f"is missing: {kind}end_date is given"


class ClaimsTable(MappedTable):
    """What medical and pharmacy claims have in common.

    Versions of a line are ordered by `paid_on`, then by `sent_on` or `sequence`. `denied` and `void` take out what
    earlier versions said; a `reversal` takes back the amounts of one version before it. Rows of a `replacement` or a
    void stand for their whole claim: lines that it told before and that are not among them hold no more.
    """

    person_id: TextField
    claim_id: TextField
    allowed: AmountField | None = None
    paid: AmountField | None = None
    charged: AmountField | None = None
    paid_on: DateField | None = None
    sent_on: DateField | None = None
    sequence: NumberField | None = None
    denied: ClaimFlag | None = None
    void: ClaimFlag | None = None
    reversal: ClaimFlag | None = None
    replacement: ClaimFlag | None = None

    def contradictions(self) -> Iterator[Problem]:
        """Two orders of versions; amounts that tell of denials and are not there."""
        if self.sent_on and self.sequence:
            yield ("sequence",), "cannot stand beside sent_on; one of them orders the versions"
        if self.denied and self.denied.amounts and not (self.charged and self.allowed and self.paid):
            yield ("denied", "amounts"), "needs charged, allowed and paid: of a charge nothing was allowed or paid"
        if self.void and self.void.amounts:
            yield ("void", "amounts"), "cannot tell a void; a row that takes back amounts is a reversal"
        if self.replacement and self.replacement.amounts:
            yield (
                ("replacement", "amounts"),
                "cannot tell a replacement; a column does, such as frequency codes with a 7",
            )
        if self.reversal and self.reversal.amounts and not (self.charged or self.allowed or self.paid):
            yield ("reversal", "amounts"), "needs charged, allowed or paid: the first that is not zero is negative"


class Diagnoses(Section):
    """The diagnoses of a claim: `columns` beside the line, or a `table` of their own, a row per diagnosis.

    In that table, `claim_id` (and `person_id`, where claims of several people share ids) finds the claim whose own id,
    or what it has in `joined_to`, is the same; `line_number` and `position` order the codes. All diagnoses of a claim
    stand on each of its lines. Without `system` day and letter decide. The short form is the columns.
    """

    columns: Columns = ()
    table: Text | None = None
    claim_id: TextField | None = None
    person_id: TextField | None = None
    joined_to: TextField | None = None
    line_number: NumberField | None = None
    position: NumberField | None = None
    code: CodeField | None = None
    system: DiagnosisSystemField | None = None
    files: TextFiles | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_columns(cls, given: Any) -> Any:
        return {"columns": given} if isinstance(given, (str, list, tuple)) else given

    def contradictions(self) -> Iterator[Problem]:
        """Neither or both of columns and table, or a table without what finds its rows."""
        if bool(self.columns) == bool(self.table):
            yield (), "must have columns or a table, and not both"
        of_table = ("claim_id", "code") if self.table else ()
        for name in of_table:
            if getattr(self, name) is None:
                yield (name,), f"is missing: it is a column of table {self.table}"
        if not self.table:
            for name in ("claim_id", "person_id", "joined_to", "line_number", "position", "code", "files"):
                if getattr(self, name) is not None:
                    yield (name,), "belongs to a table of diagnoses; here they are columns"


class FacilityProcedures(Section):
    """ICD procedures of a claim: `columns` of codes, and `dates` of as many, side by side on each line of the claim.

    One without a day of its own was done on the claim's first, which is in `first_date`, else on the line's day. The
    short form is the columns.
    """

    columns: Columns = Field(min_length=1)
    dates: Columns = ()
    first_date: DateField | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_columns(cls, given: Any) -> Any:
        return {"columns": given} if isinstance(given, (str, list, tuple)) else given

    def contradictions(self) -> Iterator[Problem]:
        """Days of other procedures."""
        if self.dates and len(self.dates) != len(self.columns):
            found = f"columns {len(self.columns)}, dates {len(self.dates)}"
            yield ("dates",), f"must list a column for each of columns, the day of each procedure (found {found})"


class Lines(Section):
    """Lines of a claim side by side in its row: the n-th columns of each list are its n-th line.

    Without amounts of the lines those of the claim stand on its first.
    """

    procedure: Columns = ()
    revenue: Columns = ()
    allowed: Columns = ()
    paid: Columns = ()

    def contradictions(self) -> Iterator[Problem]:
        """No codes, or lists of different lengths."""
        lengths = {name: len(columns) for name, columns in self if columns}
        if not self.procedure and not self.revenue:
            yield (), "must have columns of procedure or revenue"
        elif len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} {length}" for name, length in lengths.items())
            yield (), f"must list as many columns of each, a line each (found {told})"

    @property
    def n_lines(self) -> int:
        """Lines a row can hold."""
        return max(len(self.procedure), len(self.revenue))


class MedicalTable(ClaimsTable):
    """A row is a claim line with its `line_number`, or a whole claim with its `lines` side by side."""

    line_number: NumberField | None = None
    lines: Lines | None = None
    claim_type: ClaimTypeField | None = None
    service_date: DateField
    service_end_date: DateField | None = None
    procedure: ProcedureField | None = None
    modifiers: Columns = ()
    revenue: CodeField | None = None
    place: TextField | None = None
    bill_type: TextField | None = None
    drg: CodeField | None = None
    specialty: TextField | None = None
    diagnoses: Diagnoses | None = None
    facility_procedures: FacilityProcedures | None = None

    def contradictions(self) -> Iterator[Problem]:
        """A row that is neither a line nor a claim, or both."""
        yield from super().contradictions()
        if self.line_number is None and self.lines is None:
            yield (
                ("line_number",),
                "is missing; where a row is a whole claim give lines, or {constant: 1} if it has one line",
            )
        if self.lines is not None:
            for name in ("line_number", "procedure", "modifiers", "revenue"):
                if getattr(self, name):
                    yield (name,), "is of a line and cannot stand beside lines, where a row is a whole claim"


class PharmacyTable(ClaimsTable):
    """A row is a fill. Without `line_number` a claim is one fill."""

    line_number: NumberField = NumberField(constant=1)
    dispensing_date: DateField
    ndc: CodeField
    days_supply: NumberField | None = None
    quantity: NumberField | None = None


class RosterTable(MappedTable):
    """A row is an enrolment in a program."""

    person_id: TextField
    program: TextField
    enrolled_on: DateField
    left_on: DateField | None = None


class SourceMapping(Section):
    """One payer's files. Without `roster` the table `program_roster` of our own is read where it lies.

    `dates` are the formats of days, tried in this order; texts of `none` hold nothing, in whatever column they stand.
    """

    name: Name
    files: TextFiles = TextFiles()
    dates: Formats = ("iso", "yyyymmdd", "dd-mon-yyyy")
    none: Values = ()
    amounts: Amounts = Amounts()
    eligibility: dict[Text, EligibilityTable] = Field(min_length=1)
    medical: dict[Text, MedicalTable] = Field(min_length=1)
    pharmacy: dict[Text, PharmacyTable] = Field(default={})
    roster: dict[Text, RosterTable] = Field(default={})

    def contradictions(self) -> Iterator[Problem]:
        """A table read twice, rows that are lines in one table and claims in another, a column spelt in two ways."""
        if len({table.lines is None for table in self.medical.values()}) > 1:
            yield ("medical",), "must have a line in every row of every table, or a whole claim (lines) in every row"
        yield from self._read_twice()
        for kind, name, table in self.tables():
            for one, other in _spelt_in_two_ways(columns_of(table)):
                yield (kind, name), f"{one} and {other} are one column: capitals do not matter; write it in one way"

    def tables(self) -> Iterator[tuple[str, str, MappedTable]]:
        """Kind, name and section of every source table, tables of diagnoses apart."""
        for kind in ("eligibility", "medical", "pharmacy", "roster"):
            yield from ((kind, name, table) for name, table in getattr(self, kind).items())

    def _read_twice(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for kind, name, table in self.tables():
            if name.lower() in seen:
                yield (kind, name), "is mapped already; a source table is of one kind and read once"
            seen.add(name.lower())
            diagnoses = getattr(table, "diagnoses", None)
            if diagnoses is not None and diagnoses.table:
                if diagnoses.table.lower() in seen:
                    yield (kind, name, "diagnoses", "table"), f"{diagnoses.table} is mapped already"
                seen.add(diagnoses.table.lower())


def columns_of(section: BaseModel) -> tuple[str, ...]:
    """The source columns that a table's section names, each once; those of a table of diagnoses are not its own."""
    if isinstance(section, Diagnoses) and section.table:
        return () if section.joined_to is None else columns_of(section.joined_to)
    return tuple(dict.fromkeys(_columns_in(section)))


def columns_of_diagnoses(diagnoses: Diagnoses) -> tuple[str, ...]:
    """The columns that are read of a table of diagnoses."""
    parts = [part for name, part in diagnoses if isinstance(part, BaseModel) and name != "joined_to"]
    return tuple(dict.fromkeys(column for part in parts for column in columns_of(part)))


# What lists names of columns.
_LISTS = ("column", "columns", "dates", "modifiers")


def _columns_in(section: BaseModel) -> Iterator[str]:
    for name, value in section:
        if isinstance(value, BaseModel):
            yield from columns_of(value)
        elif isinstance(value, tuple) and (name in _LISTS or isinstance(section, Lines)):
            yield from value


def _spelt_in_two_ways(columns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    spellings: Mapping[str, list[str]] = defaultdict(list)
    for name in columns:
        spellings[name.lower()].append(name)
    return ((names[0], names[1]) for names in spellings.values() if len(names) > 1)
