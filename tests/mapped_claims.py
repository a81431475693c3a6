"""The delivery of `tuva_claims` as a payer might send it: other tables, columns and words, no two files alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import yaml

from counterpart.protocol import SourceMapping
from tests.tuva_claims import DELIVERY

MAPPING = """
name: some_payer
files: {separator: "|"}
dates: [mm/dd/yyyy, iso, yyyymmdd]
none: ["NULL"]
amounts: {unit: cents}
eligibility:
  members:
    person_id: MBR
    sex: {column: SEX, values: {W: F, M: M}}
    birth_date: DOB
    death_date: DOD
    state: ST
    start_date: EFF
    end_date: {column: TERM, none: ["12/31/2299"]}
medical:
  lines:
    files: {separator: ";", quote: "'"}
    person_id: MBR
    claim_id: [ORIGINAL, CLM.NO]
    line_number: LN
    claim_type: {column: FORM, values: {HCFA: professional}}
    service_date: FROM
    service_end_date: THRU
    procedure: CPT
    place: POS
    diagnoses: [DX1..DX2]
    allowed: ALLOWED
    paid: {column: PAID, unit: dollars, decimal: ","}
    paid_on: PAID_ON
    denied: {column: STATUS, any_of: [d]}
    reversal: {column: STATUS, any_of: [r]}
pharmacy:
  scripts:
    files: {separator: ","}
    person_id: MBR
    claim_id: RX
    line_number: LN
    dispensing_date: FILLED
    ndc: NDC
    days_supply: DAYS
    quantity: QTY
    allowed: ALLOWED
    paid: PAID
    charged: BILLED
    paid_on: PAID_ON
    denied: {amounts: true}
    reversal: {amounts: true}
roster:
  enrolled:
    files: {separator: "\\t"}
    person_id: MBR
    program: PROGRAM
    enrolled_on: SINCE
    left_on: UNTIL
"""

Row = Mapping[str, str]


def some_payer() -> SourceMapping:
    return SourceMapping.model_validate(yaml.safe_load(MAPPING))


def write_some_payer(folder: Path) -> None:
    """The four files."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, (name, separator, row_of) in _FILES.items():
        rows = [row_of(row) for row in _rows(DELIVERY[table])]
        lines = [separator.join(rows[0]), *(separator.join(row.values()) for row in rows)]
        (folder / name).write_text("\n".join(lines) + "\n")


def _rows(text: str) -> list[Row]:
    heading, *lines = ([cell.strip() for cell in line.split("|")] for line in text.splitlines())
    return [dict(zip(heading, cells, strict=True)) for cells in lines]


def _american(day: str) -> str:
    """2020-03-01 -> 3/1/2020; what is no such day stays, and a day written without dashes."""
    return re.sub(r"^(\d{4})-(\d\d)-(\d\d)$", lambda d: f"{int(d[2])}/{int(d[3])}/{d[1]}", day)


def _cents(dollars: str) -> str:
    return str(Decimal(dollars) * 100) if dollars else ""


def _member(row: Row) -> dict[str, str]:
    sexes = {"female": "W", "F": "W", "M": "M", "1": "m"}
    return {
        "MBR": row["person"], "SEX": sexes.get(row["gender"], "NULL"), "DOB": _american(row["born"]),
        "DOD": _american(row["died"]), "ST": row["state"], "EFF": _american(row["from"]),
        "TERM": _american(row["to"]) or "12/31/2299", "GROUP": "7",
    }  # fmt: skip


def _line(row: Row) -> dict[str, str]:
    amounts = {row["allowed"], row["paid"]}
    status = "D" if amounts == {"0"} else "R" if any(amount.startswith("-") for amount in amounts) else "P"
    return {
        "DX2": row["dx2"], "DX1": row["dx"], "MBR": row["person"], "LN": row["line"], "FORM": "HCFA", "POS": "2",
        "ORIGINAL": "null", "CLM.NO": f"'{row['claim']}'" if row["claim"] else "", "FROM": _american(row["start"]),
        "THRU": _american(row["end"]), "CPT": row["hcpcs"], "ALLOWED": _cents(row["allowed"]),
        "PAID": row["paid"].replace(".", ","), "PAID_ON": _american(row["paid_on"]), "STATUS": status,
    }  # fmt: skip


def _script(row: Row) -> dict[str, str]:
    return {
        "MBR": row["person"], "RX": row["claim"], "LN": row["line"], "FILLED": _american(row["day"]), "NDC": row["ndc"],
        "DAYS": row["days"], "QTY": row["quantity"], "PAID_ON": _american(row["paid_on"]),
        "ALLOWED": _cents(row["allowed"]), "PAID": _cents(row["paid"]), "BILLED": _cents(row["charge"]),
    }  # fmt: skip


def _enrolled(row: Row) -> dict[str, str]:
    since, until = (_american(row[name]) for name in ("enrolled_on", "left_on"))
    return {"PROGRAM": row["program"], "SINCE": since, "UNTIL": until, "MBR": row["person"]}


_FILES: dict[str, tuple[str, str, Callable[[Row], dict[str, str]]]] = {
    "eligibility": ("MEMBERS.txt", "|", _member),
    "medical_claim": ("lines_2021.csv", ";", _line),
    "pharmacy_claim": ("scripts.csv", ",", _script),
    "program_roster": ("enrolled.csv", "\t", _enrolled),
}
