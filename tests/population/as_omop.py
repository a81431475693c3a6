"""The population as a CDM 5.4 that somebody made of the claims: Parquet, what holds in the end and nothing else.

- A visit is a claim. A diagnosis is written for each day on which the claim has a line.
- The table of a code is a matter of the vocabulary's domains, not of the column it came from: diagnoses may be
  observations or measurements, procedures may be any of five tables.
- A line has its cost where its code went; without a code it is the visit's.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.population.as_tuva import dotted
from tests.population.people import Claim, Fill, Line, Person, Population

Row = dict[str, Any]

_SEXES = {"M": 8507, "F": 8532, "U": 0}
# Visits by place of service; an emergency room's own claim is told by its revenue centre.
_VISITS = {"23": 9203, "02": 5083, "12": 581476, "21": 9201}
_OUTPATIENT, _INPATIENT, _EMERGENCY = 9202, 9201, 9203
# Domains that are not those of most codes of the vocabulary.
_DOMAINS = {
    **dict.fromkeys(("Z0000", "Z720", "Z940", "Z21", "Z7952", "O0993", "R51"), "observation"),
    **dict.fromkeys(("Z6830", "80053"), "measurement"),
    **dict.fromkeys(("99213", "99214", "99203"), "observation"),
    "36415": "procedure", "J3301": "drug", "L0625": "device",
}  # fmt: skip
# Table, stem of the concepts, day, and the domain that costs speak of.
_TABLES = {
    "condition": ("condition_occurrence", "condition_start_date", "Condition"),
    "observation": ("observation", "observation_date", "Observation"),
    "measurement": ("measurement", "measurement_date", "Measurement"),
    "procedure": ("procedure_occurrence", "procedure_date", "Procedure"),
    "drug": ("drug_exposure", "drug_exposure_start_date", "Drug"),
    "device": ("device_exposure", "device_exposure_start_date", "Device"),
}


def write_omop(population: Population, folder: Path) -> None:
    """A file for each table that has rows."""
    cdm = _Cdm()
    for person in population.people:
        cdm.add_person(person)
    for claim in population.claims:
        cdm.add_claim(claim)
    for fill in population.fills:
        cdm.add_fill(fill)
    for row in population.roster:
        cdm.tables["program_roster"].append(vars(row))
    folder.mkdir(parents=True)
    for name, rows in cdm.tables.items():
        pq.write_table(pa.Table.from_pylist(list(rows), _schema(rows)), folder / f"{name}.parquet")


def _schema(rows: list[Row]) -> pa.Schema:
    def kind(name: str) -> pa.DataType:
        told = [type(row[name]) for row in rows if row[name] is not None]
        return {date: pa.date32(), float: pa.float64(), str: pa.string()}.get(told[0] if told else int, pa.int64())

    return pa.schema([(name, kind(name)) for name in rows[0]])


class _Cdm:
    """Tables of rows, and the concepts that they use."""

    def __init__(self) -> None:
        self.tables: dict[str, list[Row]] = defaultdict(list)
        self.concepts: dict[tuple[str, str], int] = {}
        self.keys: dict[tuple[str, Any], int] = {}

    def add_person(self, person: Person) -> None:
        self.tables["person"].append({
            "person_id": person.person_id, "gender_concept_id": _SEXES[person.sex], "year_of_birth": person.birth.year,
            "month_of_birth": person.birth.month, "day_of_birth": person.birth.day, "race_concept_id": 0,
            "location_id": self._location(person.state), "person_source_value": f"P{person.person_id}",
        })  # fmt: skip
        for number, (start, end) in enumerate(person.cover):
            last = end if person.death is None else min(end, person.death)
            span = {"person_id": person.person_id, "{}_start_date": start, "{}_end_date": last}
            for table in ("observation_period", "payer_plan_period"):
                row = {f"{table}_id": person.person_id * 10 + number}
                self.tables[table].append(row | {name.format(table): value for name, value in span.items()})
        if person.death is not None:
            self.tables["death"].append({"person_id": person.person_id, "death_date": person.death})

    def add_claim(self, claim: Claim) -> None:
        lines = claim.final_lines()
        if not lines:
            return
        is_emergency = claim.place == "23" or any(line.revenue == "0450" for line in lines)
        elsewhere = _INPATIENT if claim.kind == "inpatient" else _OUTPATIENT
        provider = self._provider(claim.specialty)
        beside = {"person_id": claim.person_id, "visit_occurrence_id": claim.claim_id, "provider_id": provider}
        self.tables["visit_occurrence"].append(beside | {
            "visit_concept_id": _EMERGENCY if is_emergency else _VISITS.get(claim.place or "", elsewhere),
            "visit_start_date": min(line.day for line in lines), "visit_end_date": max(line.day for line in lines),
            "visit_source_concept_id": 0,
        })  # fmt: skip
        for day in sorted({line.day for line in lines}):
            for code in claim.diagnoses:
                table = _DOMAINS.get(code, "condition")
                self._add_event(table, day, self._concepts("ICD10CM", dotted(code)), beside)
        for line in lines:
            self._add_line(line, claim, beside)
        more = {"modifier_concept_id": None, "modifier_source_value": None}
        for one in claim.operations:
            concepts = self._concepts("ICD10PCS", one.code)
            self._add_event("procedure", one.day or claim.first_day, concepts, beside | more)

    def _add_line(self, line: Line, claim: Claim, beside: Row) -> None:
        event_id, domain = claim.claim_id, "Visit"
        if line.procedure is not None:
            table = _DOMAINS.get(line.procedure, "procedure")
            modifier = {"modifier_concept_id": self._modifier(line.modifier), "modifier_source_value": line.modifier}
            vocabulary = "CPT4" if line.procedure.isdigit() else "HCPCS"
            supply = {"days_supply": None, "quantity": 1.0} if table == "drug" else {}
            more = modifier if table == "procedure" else supply
            domain = _TABLES[table][2]
            concepts = self._concepts(vocabulary, line.procedure)
            event_id = self._add_event(table, line.day, concepts, beside | more)
            if line.fate == "sent_twice":
                self.tables[_TABLES[table][0]].append(self.tables[_TABLES[table][0]][-1])
        self._add_cost(event_id, domain, line.allowed, line.paid, line.revenue, claim.drg)

    def add_fill(self, fill: Fill) -> None:
        if fill.fate in ("denied", "voided"):
            return
        beside = {"person_id": fill.person_id, "visit_occurrence_id": None, "provider_id": None}
        supply = {"days_supply": fill.days_supply, "quantity": float(fill.quantity)}
        event_id = self._add_event("drug", fill.day, self._concepts("NDC", fill.ndc), beside | supply)
        self._add_cost(event_id, "Drug", fill.allowed, fill.allowed - fill.by_patient)

    def _add_event(self, stem: str, day: date, concepts: tuple[int, int], more: Row) -> int:
        table, day_column, _ = _TABLES[stem]
        event_id = len(self.tables[table]) + 1
        named = {f"{stem}_concept_id": concepts[0], f"{stem}_source_concept_id": concepts[1], day_column: day}
        self.tables[table].append({f"{table}_id": event_id} | named | more)
        return event_id

    def _add_cost(
        self, event_id: int, domain: str, allowed: int, paid: int, revenue: str | None = None, drg: str | None = None
    ) -> None:
        row = {"cost_id": len(self.tables["cost"]) + 1, "cost_event_id": event_id, "cost_domain_id": domain}
        amounts = {"total_charge": allowed * 2 / 100, "total_paid": paid / 100, "amount_allowed": allowed / 100}
        self.tables["cost"].append(row | amounts | {"revenue_code_source_value": revenue, "drg_source_value": drg})

    def _concepts(self, vocabulary: str, code: str) -> tuple[int, int]:
        """Standard and source concept. What has a standard of its own vocabulary is one; diagnoses of R have none."""
        source = self._concept(vocabulary, code)
        if vocabulary in ("CPT4", "HCPCS", "ICD10PCS"):
            return source, source
        standard = {"ICD10CM": "SNOMED", "NDC": "RxNorm"}[vocabulary]
        return (0 if code.startswith("R") else self._concept(standard, f"7{source}")), source

    def _concept(self, vocabulary: str, code: str) -> int:
        if (vocabulary, code) not in self.concepts:
            self.concepts[vocabulary, code] = 2_000_000 + len(self.concepts)
            row = {"concept_id": self.concepts[vocabulary, code], "concept_name": "a concept"}
            self.tables["concept"].append(row | {"vocabulary_id": vocabulary, "concept_code": code})
        return self.concepts[vocabulary, code]

    def _modifier(self, modifier: str | None) -> int | None:
        if modifier is None:
            return None
        return self._concept("CPT4" if modifier.isdigit() else "HCPCS", modifier)

    def _location(self, state: str | None) -> int | None:
        return None if state is None else self._named("location", state, {"state": state})

    def _provider(self, specialty: str | None) -> int | None:
        if specialty is None:
            return None
        named = {"specialty_concept_id": self._concept("Medicare Specialty", specialty)}
        return self._named("provider", specialty, named)

    def _named(self, table: str, name: str, row: Row) -> int:
        """The id of the row of that name, which is added when it is first asked for."""
        if (table, name) not in self.keys:
            self.keys[table, name] = len(self.tables[table]) + 1
            self.tables[table].append({f"{table}_id": self.keys[table, name]} | row)
        return self.keys[table, name]
