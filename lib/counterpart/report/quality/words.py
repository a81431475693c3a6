"""Names of tables, columns, systems and months of a data-quality document, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpart.report.reading.words import spell

SYSTEMS = {
    "icd9cm": "ICD-9-CM",
    "icd10cm": "ICD-10-CM",
    "icd9pcs": "ICD-9-CM procedures",
    "icd10pcs": "ICD-10-PCS",
    "hcpcs": "CPT or HCPCS",
    "ndc": "NDC",
    "revenue": "Revenue center",
    "place": "Place of service",
    "bill_type": "Bill type",
    "specialty": "Specialty or taxonomy",
    "drg": "DRG",
    "modifier": "Modifier",
    "omop": "OMOP concept",
}
UNITS = {"medical": "medical claim lines", "pharmacy": "fills", "members": "members"}
_COLUMNS = {
    "ndc": "NDC",
    "allowed_cents": "Allowed amount",
    "paid_cents": "Paid amount",
    "place": "Place of service",
    "drg": "DRG",
}

RULES = {
    "outside_cover": "on a day without cover",
    "before_birth": "before the member's birth",
    "after_death": "after the member's death",
    "long_after_death": "more than 30 days after it",
}


def month_name(month: int) -> str:
    """202109 is `2021-09`."""
    return f"{month // 100:04d}-{month % 100:02d}"


def span_of(first: int, last: int) -> str:
    """`2021-03`, or `2021-03 to 2021-05`."""
    return month_name(first) if first == last else f"{month_name(first)} to {month_name(last)}"


def column_name(column: str) -> str:
    """A column in words."""
    return _COLUMNS.get(column, spell(column))


def system_name(system: str) -> str:
    """A code system in words."""
    return SYSTEMS.get(system, spell(system))


def code_name(column: str, system: str) -> str:
    """A column and one of its code systems; a column that is its own system by its name alone."""
    return column_name(column) if column in (system, "ndc") else f"{column_name(column)}: {system_name(system)}"


def table_of(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The released numbers of a table of claims."""
    return next(table for table in document["tables"] if table["table"] == name)
