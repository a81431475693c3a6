"""A mapping document -> a layout, as one in Python is: rules, versions, spans and accounts are the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING, TypeVar

from pyspark.sql import functions as F

from counterpart.codes import encode_column, ndc_column
from counterpart.protocol import TextFiles, content_hash
from counterpart.protocol.mapped_fields import DateField, MappedField
from counterpart.protocol.mapping import (
    ClaimsTable,
    EligibilityTable,
    FacilityProcedures,
    Lines,
    MappedTable,
    MedicalTable,
    PharmacyTable,
    RosterTable,
    columns_of,
)
from counterpart.sources import fields, mapped_diagnoses, unreadable
from counterpart.sources.days import READERS
from counterpart.sources.facility_procedures import Span, add_procedures, read_procedures
from counterpart.sources.icd_version import coding_day
from counterpart.sources.layout import Layout, Source
from counterpart.sources.mapped_row import MappedRow
from counterpart.sources.open_cover import OPEN_END
from counterpart.sources.rules import EARLIEST_DATE
from counterpart.sources.states import LETTERS_OR_NAMES
from counterpart.sources.tuva import ROSTER
from counterpart.sources.wide_lines import told_lines, written_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame

    from counterpart.protocol import SourceMapping

    Row = dict[str, Column]

AnyTable = TypeVar("AnyTable", bound=MappedTable)

_PROCEDURE_SYSTEMS = ("hcpcs", "icd10pcs", "icd9pcs")
_CLAIM_TYPES = ("professional", "institutional", "dme", "other")


def mapped_layout(document: SourceMapping) -> Layout:
    """The layout that the document describes. Every column that it names must be there."""

    def sources(tables: Mapping[str, AnyTable], read: Callable[[MappedRow, AnyTable], Row]) -> tuple[Source, ...]:
        return tuple(_source(name, table, read, document) for name, table in tables.items())

    return Layout(
        name=document.name,
        eligibility=sources(document.eligibility, read_cover),
        medical=sources(document.medical, read_medical),
        pharmacy=sources(document.pharmacy, read_pharmacy),
        roster=sources(document.roster, read_roster) or ROSTER,
        has_claim_rows=any(table.lines is not None for table in document.medical.values()),
        lookups=mapped_diagnoses.lookups(document),
        prepare=partial(_prepare, document=document),
        files=_files(document),
        content=content_hash(document),
        icd_on_lines=any(map(_has_icd_on_lines, document.medical.values())),
    )


def _source(name: str, table: AnyTable, read: Callable[[MappedRow, AnyTable], Row], document: SourceMapping) -> Source:
    def reading(raw: DataFrame) -> Row:
        return read(MappedRow(raw, document), table)

    return Source(name, reading, required=columns_of(table), may_be_absent=table.may_be_absent)


def _files(document: SourceMapping) -> dict[str, TextFiles]:
    written = {name: table.files or document.files for _, name, table in document.tables()}
    for table in document.medical.values():
        if table.diagnoses is not None and table.diagnoses.table:
            written[table.diagnoses.table] = table.diagnoses.files or document.files
    return written


def _has_icd_on_lines(table: MedicalTable) -> bool:
    """May the procedure of a line be one of ICD?"""
    if table.procedure is None:
        return False
    system = table.procedure.system
    return bool({system.constant, *system.values.values()} - {None, "hcpcs"})


def _prepare(raw: Mapping[str, DataFrame], document: SourceMapping) -> dict[str, DataFrame]:
    """The frames, those of medical claims with their diagnoses and procedures."""
    joined = mapped_diagnoses.add_diagnoses(raw, document)
    with_procedures = {
        name: _add_procedures(MappedRow(joined[name], document), table, table.facility_procedures)
        for name, table in document.medical.items()
        if name in joined and table.facility_procedures is not None
    }
    return joined | with_procedures


def _add_procedures(row: MappedRow, table: MedicalTable, procedures: FacilityProcedures) -> DataFrame:
    codes = row.codes_of(*procedures.columns)
    nothing = F.lit(None).cast("string")
    days = [row.text(MappedField(column=(name,))) for name in procedures.dates] or [nothing] * len(codes)
    line_day = row.day(table.service_date)
    span = Span.around_line(F.coalesce(row.day(procedures.first_date), line_day), line_day)
    # A column of dates reads as ISO.
    formats = dict.fromkeys((*row.document.dates, "iso"))

    def read_day(written: Column) -> Column:
        return F.coalesce(*(READERS[one](written) for one in formats))

    return add_procedures(row.raw, list(zip(codes, days, strict=True)), span, read_day)


def read_cover(row: MappedRow, table: EligibilityTable) -> Row:
    """A span of cover, or without a start who somebody is."""
    start, end = row.day(table.start_date), _open(row.day(table.end_date))
    has_medical, has_pharmacy = row.flag(table.medical), row.flag(table.pharmacy)
    pharmacy_start, pharmacy_end = start, end
    if table.pharmacy_start_date is not None:
        pharmacy_start, pharmacy_end = row.day(table.pharmacy_start_date), _open(row.day(table.pharmacy_end_date))
    birth = row.day(table.birth_date)
    # Without a span, what is told of somebody has held ever since.
    is_without_cover, known_from = F.lit(True), F.coalesce(birth, F.lit(EARLIEST_DATE))
    if table.start_date is not None:
        known_from = start
        # A span of pharmacy alone covers no day of medical; one of which the start is missing says nothing.
        is_without_cover = ~has_medical & (pharmacy_start.isNotNull() | ~has_pharmacy)
    dates = (table.birth_date, table.death_date, table.known_from, table.start_date, table.end_date)
    return {
        "person_id": row.text(table.person_id),
        "birth_date": birth,
        "sex": _sex(row, table),
        "death_date": row.day(table.death_date),
        "state": fields.residence(row.text(table.state), LETTERS_OR_NAMES),
        "known_from": F.coalesce(row.day(table.known_from), known_from),
        "start_date": F.when(has_medical, start),
        "end_date": F.when(has_medical & start.isNotNull(), end),
        "pharmacy_start_date": F.when(has_pharmacy, pharmacy_start),
        "pharmacy_end_date": F.when(has_pharmacy & pharmacy_start.isNotNull(), pharmacy_end),
        "is_without_cover": is_without_cover,
        "has_unreadable_date": row.has_unreadable_day(*dates, table.pharmacy_start_date, table.pharmacy_end_date),
    }


def read_medical(row: MappedRow, table: MedicalTable) -> Row:
    """A claim line, or with `lines` a whole claim."""
    start, end, claim_type = row.day(table.service_date), row.day(table.service_end_date), _claim_type(row, table)
    told = mapped_diagnoses.read_diagnoses(row, table.diagnoses, coding_day(claim_type, start, end))
    texts = [row.text(field) for field in (table.place, table.bill_type, table.specialty)]
    procedures, written = read_procedures(row.raw), row.code(table.drg)
    drg = encode_column("drg", written)
    read = {
        **_claim(row, table),
        "claim_type": claim_type,
        "service_date": start,
        "service_end_date": F.coalesce(end, start),
        "place": fields.two_digits(texts[0]),
        "bill_type": fields.whole_code(texts[1]),
        "specialty": F.upper(fields.whole_code(texts[2])),
        "drg": drg,
        "diagnoses": told.get("diagnoses", F.lit(None)),
        "facility_procedures": procedures.listed,
        "is_mended": told.get("is_mended", F.lit(False))
        | procedures.is_mended
        | fields.needs_mending("drg", written)
        | fields.is_any_float(texts),
        "has_unreadable_code": told.get("has_unreadable_code", F.lit(False))
        | procedures.is_unreadable
        | unreadable.is_unreadable_code(written, drg),
        "has_unreadable_date": _has_unreadable_day(row, table, table.service_date, table.service_end_date),
    }
    return read | (_read_line(row, table, read) if table.lines is None else _read_lines(row, table, table.lines, read))


def _read_line(row: MappedRow, table: MedicalTable, read: Row) -> Row:
    """What differs from line to line, where a row is a line."""
    modifiers, written = row.texts_of(*table.modifiers), row.code(table.revenue)
    procedure, of_hcpcs, is_mended = _procedure(row, table)
    revenue = encode_column("revenue", written)
    return {
        "line_number": row.whole_number(table.line_number),
        "procedure": procedure,
        "modifiers": fields.modifiers(of_hcpcs, modifiers),
        "revenue": revenue,
        "is_mended": read["is_mended"]
        | is_mended
        | fields.needs_mending("revenue", written)
        | fields.is_any_float(modifiers),
        "has_unreadable_code": read["has_unreadable_code"]
        | unreadable.is_unreadable_code(row.code(table.procedure), procedure)
        | unreadable.is_unreadable_code(written, revenue),
    }


def _read_lines(row: MappedRow, table: MedicalTable, lines: Lines, read: Row) -> Row:
    """The lines of a claim, where a row is one."""
    joined = [
        (system, fields.join_codes(row.codes_of(*columns)))
        for system, columns in (("hcpcs", lines.procedure), ("revenue", lines.revenue))
        if columns
    ]
    is_mended = (fields.any_needs_mending(*codes) for codes in joined)
    is_unreadable = (unreadable.any_unreadable_code(*codes) for codes in joined)
    return {
        "line_number": F.lit(0),
        "lines": _lines(row, table, lines),
        "is_mended": reduce(or_, is_mended, read["is_mended"]),
        "has_unreadable_amount": read["has_unreadable_amount"]
        | row.has_unreadable_among([*lines.allowed, *lines.paid]),
        "has_unreadable_code": reduce(or_, is_unreadable, read["has_unreadable_code"]),
    }


def read_pharmacy(row: MappedRow, table: PharmacyTable) -> Row:
    """A fill."""
    dispensed, written = row.day(table.dispensing_date), row.code(table.ndc)
    ndc = ndc_column(written)
    return {
        **_claim(row, table),
        "line_number": row.whole_number(table.line_number),
        "service_date": dispensed,
        "service_end_date": dispensed,
        "ndc": ndc,
        "days_supply": row.whole_number(table.days_supply),
        "quantity": row.quantity(table.quantity),
        "is_mended": fields.needs_mending("ndc", written),
        "has_unreadable_date": _has_unreadable_day(row, table, table.dispensing_date),
        "has_unreadable_code": unreadable.is_unreadable_code(written, ndc),
        "has_unreadable_supply": row.has_unreadable_supply(table.days_supply, table.quantity),
    }


def read_roster(row: MappedRow, table: RosterTable) -> Row:
    """An enrolment in a program."""
    return {
        "person_id": row.text(table.person_id),
        "program": row.text(table.program),
        "enrolled_on": row.day(table.enrolled_on),
        "left_on": row.day(table.left_on),
        "is_mended": row.has_unreadable_day(table.left_on),
        "has_unreadable_date": row.has_unreadable_day(table.enrolled_on),
    }


def _claim(row: MappedRow, table: ClaimsTable) -> Row:
    allowed, paid, charged = (row.cents(getattr(table, name)) for name in ("allowed", "paid", "charged"))
    told = F.coalesce(F.nullif(paid, F.lit(0)), F.nullif(allowed, F.lit(0)), charged)
    is_unpaid = F.coalesce((allowed == 0) & (paid == 0) & (charged > 0), F.lit(False))
    is_void = row.claim_flag(table.void, F.lit(False))
    sent_on = F.unix_date(row.day(table.sent_on)) if table.sent_on else row.large_number(table.sequence)
    read = {
        "person_id": row.text(table.person_id),
        "claim_id": row.text(table.claim_id),
        "allowed_cents": allowed,
        "paid_cents": paid,
        "paid_on": row.day(table.paid_on),
        "sent_on": sent_on,
        # A void is the last word on a line as a denial is: what was said before no longer holds, whatever its amounts.
        "is_denied": row.claim_flag(table.denied, F.lit(False)) | is_void,
        "is_denied_by_amounts": is_unpaid if table.denied and table.denied.amounts else F.lit(False),
        # It takes back no version of its own amounts, even where these are negative or it is marked as a reversal.
        "is_reversal": row.claim_flag(table.reversal, told < 0) & ~is_void,
        "has_unreadable_amount": row.has_unreadable_amount(table.allowed, table.paid, table.charged),
    }
    if table.replacement or table.void:
        if len(table.claim_id.column) > 1:
            # The first column names the claim that is replaced.
            read["own_claim_id"] = row.text(table.claim_id.model_copy(update={"column": table.claim_id.column[1:]}))
        # A void stands for the whole claim, whichever lines it lists.
        read["is_replacement"] = row.claim_flag(table.replacement, F.lit(False)) | is_void
        read["is_void"] = is_void
    return read


def _has_unreadable_day(row: MappedRow, table: ClaimsTable, *dates: DateField | None) -> Column:
    return row.has_unreadable_day(*dates, table.paid_on, table.sent_on)


def _open(end: Column) -> Column:
    return F.coalesce(end, F.lit(OPEN_END).cast("date"))


def _sex(row: MappedRow, table: EligibilityTable) -> Column:
    if table.sex is not None and table.sex.values:
        return F.coalesce(row.listed(table.sex), F.lit("U"))
    return fields.sex(row.text(table.sex))


def _claim_type(row: MappedRow, table: MedicalTable) -> Column:
    given = F.lower(row.text(table.claim_type))
    return F.when(given.isin(*_CLAIM_TYPES), given).otherwise("other")


def _procedure(row: MappedRow, table: MedicalTable) -> tuple[Column, Column, Column]:
    """The code, how it is written if it is one of HCPCS, and whether it was mended."""
    field, written, nothing = table.procedure, row.code(table.procedure), F.lit(None).cast("string")
    if field is None:
        return F.lit(None), nothing, F.lit(False)
    if not field.system.column:
        system = str(field.system.constant)
        of_hcpcs = written if system == "hcpcs" else nothing
        return encode_column(system, written), of_hcpcs, fields.needs_mending(system, written)
    told = row.listed(field.system)
    mended = (F.when(told == name, fields.needs_mending(name, written)) for name in _PROCEDURE_SYSTEMS)
    is_mended = F.coalesce(*mended, F.lit(False))
    return encode_column(told, written), F.when(told == "hcpcs", written), is_mended


def _lines(row: MappedRow, table: MedicalTable, lines: Lines) -> Column:
    """The lines of a claim's row. Amounts of the claim stand on its first line, where lines have none of their own."""

    def line(place: int) -> tuple[Column, Column]:
        codes = {name: columns[place - 1] for name in ("procedure", "revenue") if (columns := getattr(lines, name))}
        written = dict(zip(codes, row.codes_of(*codes.values()), strict=True))
        is_told = reduce(or_, (F.trim(code) != "" for code in written.values()))
        amounts = (
            row.cents_of(columns[place - 1]) if columns else row.cents(of_claim) if place == 1 else F.lit(0)
            for columns, of_claim in ((lines.allowed, table.allowed), (lines.paid, table.paid))
        )
        return is_told, written_line(place, *amounts, **written)

    return told_lines([line(place) for place in range(1, lines.n_lines + 1)])
