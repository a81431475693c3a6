"""Diagnoses of a mapped source: beside the line, or a row each in a table of their own that is joined to the claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.protocol.mapping import Diagnoses, MedicalTable, columns_of_diagnoses
from counterpart.sources import fields, unreadable
from counterpart.sources.icd_version import is_icd9
from counterpart.sources.layout import Lookup
from counterpart.sources.mapped_row import MappedRow

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from counterpart.protocol import SourceMapping

_JOINED = "__diagnoses"
_KEY, _PERSON = "__claim_of_diagnoses", "__person_of_diagnoses"


def lookups(document: SourceMapping) -> tuple[Lookup, ...]:
    """The tables of diagnoses."""
    return tuple(
        Lookup(str(diagnoses.table), required=columns_of_diagnoses(diagnoses), may_be_absent=table.may_be_absent)
        for _, table, diagnoses in _tables(document)
    )


def add_diagnoses(raw: Mapping[str, DataFrame], document: SourceMapping) -> dict[str, DataFrame]:
    """The frames, those of claims with what a table of diagnoses has for each claim, row for row."""
    joined = {
        name: _join(MappedRow(raw[name], document), table, MappedRow(raw[str(diagnoses.table)], document), diagnoses)
        for name, table, diagnoses in _tables(document)
        if name in raw and diagnoses.table in raw
    }
    return {**raw, **joined}


def read_diagnoses(row: MappedRow, diagnoses: Diagnoses | None, day: Column) -> dict[str, Column]:
    """The columns `diagnoses`, `is_mended` and `has_unreadable_code` of the form; none where no diagnoses are told.

    Where no system is told the day decides, see `icd_version.coding_day`.
    """
    if diagnoses is None:
        return {}
    if diagnoses.table:
        return _read_joined(F.col(_JOINED), day) if fields.has_field(row.raw, _JOINED) else {}
    written = row.codes_of(*diagnoses.columns)
    together = fields.join_codes(written)
    is_old = F.coalesce(row.listed(diagnoses.system), _by_date(day, together)) == "icd9cm"
    icd9, icd10 = (fields.read_list(name, together) for name in ("icd9cm", "icd10cm"))
    mended = [fields.any_needs_mending(name, together) for name in ("icd9cm", "icd10cm")]
    return _columns(F.when(is_old, icd9).otherwise(icd10), F.when(is_old, mended[0]).otherwise(mended[1]))


def _columns(codes: Column, is_mended: Column) -> dict[str, Column]:
    is_lost = unreadable.has_unreadable_code(codes)
    return {"diagnoses": fields.readable(codes), "is_mended": is_mended, "has_unreadable_code": is_lost}


def _read_joined(joined: Column, day: Column) -> dict[str, Column]:
    """The same of what a table of diagnoses has for a claim: structs of which each may name its system."""

    def versioned(one: Column) -> Column:
        is_old = F.coalesce(one["system"], _by_date(day, one["code"])) == "icd9cm"
        return F.concat(F.when(is_old, fields.ICD9).otherwise(fields.ICD10), one["code"])

    together = F.array_join(F.transform(joined, versioned), fields.BETWEEN_CODES)
    return _columns(fields.read_diagnoses(together), fields.diagnoses_need_mending(together))


def _by_date(day: Column, joined: Column) -> Column:
    return F.when(is_icd9(day, joined), "icd9cm").otherwise("icd10cm")


def _tables(document: SourceMapping) -> Iterator[tuple[str, MedicalTable, Diagnoses]]:
    for name, table in document.medical.items():
        if table.diagnoses is not None and table.diagnoses.table:
            yield name, table, table.diagnoses


def _join(claims: MappedRow, table: MedicalTable, codes: MappedRow, diagnoses: Diagnoses) -> DataFrame:
    by_person = diagnoses.person_id is not None
    one = F.struct(
        codes.large_number(diagnoses.line_number).alias("line_number"),
        codes.large_number(diagnoses.position).alias("position"),
        codes.listed(diagnoses.system).alias("system"),
        codes.code(diagnoses.code).alias("code"),
    )
    keys = {_KEY: codes.text(diagnoses.claim_id)} | ({_PERSON: codes.text(diagnoses.person_id)} if by_person else {})
    written = codes.raw.select(*(key.alias(name) for name, key in keys.items()), one.alias("one"))
    # A set, sorted: a diagnosis that two deliveries or two versions of a claim bring is one.
    of_claim = (
        written.filter(F.col(_KEY).isNotNull() & F.col("one.code").isNotNull())
        .groupBy(*keys)
        .agg(F.array_sort(F.collect_set("one")).alias(_JOINED))
    )
    same = claims.text(diagnoses.joined_to or table.claim_id) == F.col(_KEY)
    if by_person:
        same &= claims.text(table.person_id) == F.col(_PERSON)
    return claims.raw.join(of_claim, same, "left")
