"""The population in the Tuva Project's input layer: Parquet, codes with dots, denials and reversals told by amounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from counterpart.synthetic import layout
from tests.population.people import Claim, Fill, Person, Population, Status

_SEXES = {"F": "female", "M": "male", "U": "unknown"}
_TYPES = {
    "professional": (None, "professional"),
    "outpatient": ("131", "institutional"),
    "inpatient": ("111", "institutional"),
}
# The specialty of who rendered a line is a column of ours: the layout has none.
_SCHEMAS = layout.TABLES | {"medical_claim": layout.MEDICAL.append(pa.field("rendering_specialty", pa.string()))}


def write_tuva(population: Population, folder: Path) -> None:
    """Four tables of one file each."""
    tables = {
        "eligibility": [row for person in population.people for row in _spans(person)],
        "medical_claim": [row for claim in population.claims for row in _lines(claim)],
        "pharmacy_claim": [row for fill in population.fills for row in _fills(fill)],
        "program_roster": [{**vars(row), "person_id": str(row.person_id)} for row in population.roster],
    }
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows, _SCHEMAS[name]), folder / f"{name}.parquet")


def _spans(person: Person) -> Iterator[dict[str, Any]]:
    for start, end in person.cover:
        yield {
            "person_id": str(person.person_id), "gender": _SEXES[person.sex], "birth_date": person.birth,
            "death_date": person.death, "death_flag": person.death is not None, "state": person.state,
            "enrollment_start_date": start, "enrollment_end_date": end, "payer": "a payer",
        }  # fmt: skip


def _lines(claim: Claim) -> Iterator[dict[str, Any]]:
    bill_type, claim_type = _TYPES[claim.kind]
    diagnoses = {f"diagnosis_code_{place}": dotted(code) for place, code in enumerate(claim.diagnoses, start=1)}
    operations = {f"procedure_code_{place}": one.code for place, one in enumerate(claim.operations, start=1)}
    operations |= {f"procedure_date_{place}": one.day for place, one in enumerate(claim.operations, start=1)}
    for line, processed, status in claim.versions():
        yield {
            "claim_id": str(claim.claim_id), "claim_line_number": line.number, "claim_type": claim_type,
            "person_id": str(claim.person_id), "claim_start_date": claim.first_day, "claim_end_date": claim.last_day,
            "claim_line_start_date": line.day, "claim_line_end_date": line.day, "bill_type_code": bill_type,
            "place_of_service_code": claim.place, "hcpcs_code": line.procedure, "hcpcs_modifier_1": line.modifier,
            "revenue_center_code": line.revenue, "paid_date": processed, "diagnosis_code_type": "icd-10-cm",
            "drg_code": claim.drg, "drg_code_type": "ms-drg", "procedure_code_type": "icd-10-pcs",
            "rendering_specialty": claim.specialty, **diagnoses, **operations,
            **_amounts(line.allowed, line.paid, status),
        }  # fmt: skip


def _fills(fill: Fill) -> Iterator[dict[str, Any]]:
    for one, processed, status in fill.versions():
        yield {
            "claim_id": str(one.fill_id), "claim_line_number": 1, "person_id": str(one.person_id),
            "dispensing_date": one.day, "ndc_code": one.ndc, "quantity": one.quantity, "days_supply": one.days_supply,
            "paid_date": processed, **_amounts(one.allowed, one.allowed - one.by_patient, status),
        }  # fmt: skip


def _amounts(allowed: int, paid: int, status: Status) -> Mapping[str, float]:
    """A denial is a charge of which nothing is allowed; a line that costs nothing of its own is not charged for."""
    sign = {"paid": 1, "denied": 0, "void": -1}[status]
    charge = 100.0 if status == "denied" else sign * allowed * 2 / 100
    return {"allowed_amount": sign * allowed / 100, "paid_amount": sign * paid / 100, "charge_amount": charge}


def dotted(code: str) -> str:
    """M545 -> M54.5."""
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 else code
