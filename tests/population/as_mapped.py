"""The population as a payer's flat files, each written in its own way, and the mapping document that says how."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from tests.population.as_tuva import dotted
from tests.population.people import Claim, Fill, Person, Population, Status

Row = dict[str, Any]

MAPPING = """
name: a_payer
files: {separator: ","}
dates: [mm/dd/yyyy, yyyymmdd]
none: ["NULL", "00000000"]
amounts: {unit: cents}
eligibility:
  member:
    person_id: MEMBER_ID
    birth_date: DOB
    sex: {column: GENDER, values: {"1": M, "2": F}}
    death_date: DOD
  coverage:
    person_id: MEMBER_ID
    start_date: EFF_DT
    end_date: {column: TERM_DT, none: ["12/31/2299"]}
    state: STATE
    medical: {column: PRODUCT, any_of: [MED, MEDRX]}
    pharmacy: {column: PRODUCT, any_of: [RX, MEDRX]}
medical:
  professional:
    files: {separator: "|"}
    person_id: MEMBER_ID
    claim_id: [ORIG_CLAIM_NO, CLAIM_NO]
    line_number: LINE_NO
    claim_type: {constant: professional}
    service_date: [LINE_FROM_DT, FROM_DT]
    service_end_date: THRU_DT
    procedure: CPT_CD
    modifiers: [MOD1..MOD2]
    place: POS
    specialty: SPEC_CD
    diagnoses: {columns: [DX01..DX04], system: {column: ICD_VER, values: {"9": icd9cm, "0": icd10cm}}}
    allowed: ALLOWED_AMT
    paid: {column: PAID_AMT, unit: dollars, decimal: ","}
    paid_on: PAID_DT
    denied: {column: STATUS, any_of: [D, DN]}
    reversal: {column: STATUS, any_of: [R]}
  facility:
    person_id: MEMBER_ID
    claim_id: CLAIM_NO
    line_number: LINE_NO
    claim_type: {constant: institutional}
    service_date: [LINE_FROM_DT, FROM_DT]
    service_end_date: THRU_DT
    procedure: HCPCS_CD
    modifiers: [MOD]
    revenue: REV_CD
    bill_type: BILL_TYPE
    drg: DRG
    facility_procedures: {columns: [PX1..PX3], dates: [PX_DT1..PX_DT3], first_date: FROM_DT}
    diagnoses: {table: facility_dx, claim_id: CLAIM_NO, joined_to: CLAIM_NO, position: SEQ, code: DX_CD}
    allowed: ALLOWED_AMT
    paid: PAID_AMT
    paid_on: PAID_DT
    denied: {column: STATUS, any_of: [D, DN]}
    void: {column: FREQ_CD, any_of: ["8"]}
pharmacy:
  rx:
    files: {separator: ";"}
    person_id: MEMBER_ID
    claim_id: RX_CLAIM_NO
    dispensing_date: FILL_DT
    ndc: NDC
    days_supply: DAYS
    quantity: QTY
    allowed: ALLOWED_AMT
    paid: PAID_AMT
    charged: BILLED_AMT
    paid_on: PAID_DT
    denied: {amounts: true}
    reversal: {amounts: true}
roster:
  enrolled:
    files: {separator: "\\t"}
    person_id: member
    program: product
    enrolled_on: {column: enrolled, formats: [iso]}
    left_on: {column: left, formats: [iso]}
"""

_STATUSES = {"paid": "P", "denied": "DN", "void": "R"}


def write_mapped(population: Population, folder: Path) -> Path:
    """The files, and the mapping document beside their folder: its path."""
    folder.mkdir(parents=True)
    people, claims = population.people, population.claims
    _write(folder / "member.csv", ",", [_member(person) for person in people])
    _write(folder / "coverage.csv", ",", [row for person in people for row in _coverage(person)])
    _write(folder / "professional_2021.txt", "|", [row for claim in claims for row in _professional(claim)])
    facility = [claim for claim in claims if claim.kind != "professional"]
    _write(folder / "facility.csv", ",", [row for claim in facility for row in _facility(claim)])
    _write(folder / "facility_dx.csv", ",", [row for claim in facility for row in _diagnoses(claim)])
    _write(folder / "rx.csv", ";", [row for fill in population.fills for row in _fills(fill)])
    roster = [
        {"product": row.program, "member": row.person_id, "enrolled": row.enrolled_on, "left": row.left_on}
        for row in population.roster
    ]
    _write(folder / "enrolled.csv", "\t", roster)
    document = folder.parent / "a_payer.yaml"
    document.write_text(MAPPING, encoding="utf-8")
    return document


def _write(path: Path, separator: str, rows: list[Row]) -> None:
    lines = [separator.join("" if cell is None else str(cell) for cell in row.values()) for row in rows]
    path.write_text("\n".join([separator.join(rows[0]), *lines]) + "\n", encoding="utf-8")


def _member(person: Person) -> Row:
    sex = {"M": "1", "F": "2", "U": "9"}[person.sex]
    return {"MEMBER_ID": person.person_id, "GENDER": sex, "DOB": _day(person.birth), "DOD": _day(person.death)}


def _coverage(person: Person) -> Iterator[Row]:
    """A product with both benefits, or one for each; who is covered to the end has no last day."""
    products = ("MEDRX",) if person.person_id % 2 else ("MED", "RX")
    for start, end in person.cover:
        term = "12/31/2299" if end.year == 2021 and end.month == 12 else _day(end)
        for product in products:
            row = {"MEMBER_ID": person.person_id, "PRODUCT": product, "STATE": person.state or "NULL"}
            yield row | {"EFF_DT": _day(start), "TERM_DT": term}


def _professional(claim: Claim) -> Iterator[Row]:
    """A line that was processed anew comes under a new number, beside that of the first claim."""
    if claim.kind != "professional":
        return
    codes = [*map(dotted, claim.diagnoses), None, None, None, None][:4]
    for line, processed, status in claim.versions():
        is_first = processed == claim.processed
        yield {
            "CLAIM_NO": claim.claim_id if is_first else f"{claim.claim_id}R",
            "ORIG_CLAIM_NO": None if is_first else claim.claim_id,
            "LINE_NO": line.number, "MEMBER_ID": claim.person_id, "FROM_DT": _day(claim.first_day),
            "THRU_DT": _day(claim.last_day), "LINE_FROM_DT": None if line.day == claim.first_day else _day(line.day),
            "CPT_CD": line.procedure, "MOD1": None, "MOD2": line.modifier, "POS": claim.place,
            "SPEC_CD": claim.specialty,
            **{f"DX{place:02d}": code for place, code in enumerate(codes, start=1)}, "ICD_VER": "0",
            "ALLOWED_AMT": _signed(line.allowed, status),
            "PAID_AMT": f"{_signed(line.paid, status) / 100:.2f}".replace(".", ","),
            "PAID_DT": _day(processed), "STATUS": _STATUSES[status],
        }  # fmt: skip


def _facility(claim: Claim) -> Iterator[Row]:
    """A void claim says what the first one said, with frequency code 8."""
    bill_type = {"outpatient": "131", "inpatient": "111"}[claim.kind]
    done = [*((one.code, f"{one.day:%Y%m%d}" if one.day else "00000000") for one in claim.operations)]
    done += [(None, None)] * (3 - len(done))
    for line, processed, status in claim.versions():
        yield {
            "MEMBER_ID": claim.person_id, "CLAIM_NO": claim.claim_id, "LINE_NO": line.number,
            "FROM_DT": f"{claim.first_day:%Y%m%d}", "THRU_DT": f"{claim.last_day:%Y%m%d}",
            "LINE_FROM_DT": "00000000" if claim.kind == "inpatient" else f"{line.day:%Y%m%d}",
            "HCPCS_CD": line.procedure, "MOD": line.modifier, "REV_CD": str(line.revenue).lstrip("0"),
            "BILL_TYPE": bill_type, "ALLOWED_AMT": 0 if status == "denied" else line.allowed,
            "PAID_AMT": 0 if status == "denied" else line.paid, "PAID_DT": f"{processed:%Y%m%d}",
            "STATUS": "DN" if status == "denied" else "P", "FREQ_CD": "8" if status == "void" else "1",
            "DRG": claim.drg,
            **{f"PX{place}": code for place, (code, _) in enumerate(done, start=1)},
            **{f"PX_DT{place}": day for place, (_, day) in enumerate(done, start=1)},
        }  # fmt: skip


def _diagnoses(claim: Claim) -> Iterator[Row]:
    for place, code in enumerate(claim.diagnoses, start=1):
        yield {"CLAIM_NO": claim.claim_id, "SEQ": place, "DX_CD": code}


def _fills(fill: Fill) -> Iterator[Row]:
    for one, processed, status in fill.versions():
        billed = one.allowed * (-3 if status == "void" else 3)
        yield {
            "RX_CLAIM_NO": one.fill_id, "MEMBER_ID": one.person_id, "FILL_DT": f"{one.day:%Y%m%d}",
            "NDC": f"{one.ndc[:5]}-{one.ndc[5:9]}-{one.ndc[9:]}", "DAYS": one.days_supply, "QTY": one.quantity,
            "ALLOWED_AMT": _signed(one.allowed, status), "PAID_AMT": _signed(one.allowed - one.by_patient, status),
            "BILLED_AMT": billed, "PAID_DT": f"{processed:%Y%m%d}",
        }  # fmt: skip


def _signed(cents: int, status: Status) -> int:
    return {"paid": cents, "denied": 0, "void": -cents}[status]


def _day(day: date | None) -> str | None:
    """1/31/2020."""
    return None if day is None else f"{day.month}/{day.day}/{day.year}"
