"""From rows of numbers to Arrow tables in the files' layout. Coded columns stay dictionaries: cheap to write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from counterpart.synthetic import catalogue as codes
from counterpart.synthetic import layout, planted
from counterpart.synthetic.billing import SETTINGS
from counterpart.synthetic.catalogue import NONE, Vocabulary
from counterpart.synthetic.clock import Bools, Calendar, Ints
from counterpart.synthetic.lines import (
    N_HOSPITALS,
    N_PROVIDERS,
    NULL_DAY,
    EligibilityRows,
    MedicalLines,
    Paid,
    PharmacyLines,
    RosterRows,
)
from counterpart.synthetic.members import NEVER, Members
from counterpart.synthetic.pathways import PathwayUnits

DATA_SOURCE = "counterpart synth"
CLAIM_DIGITS = 14
CLAIMS_PER_BLOCK = 10_000_000
FIRST_STRAY = 1_000_000  # places of made-up persons whom eligibility does not know start here


def _dotted(code: str) -> str:
    """M545 -> M54.5; a code of three characters gets a blank instead."""
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 else f"{code} "


# How codes are written, by style: as they should be; dotted; in lower case; between blanks.
DIAGNOSIS_STYLES = (str, _dotted, str.lower, lambda code: f" {code} ")
PROCEDURE_STYLES = (str, lambda code: f"{code} ", lambda code: f" {code.lower()}", lambda code: f"  {code}")
NDC_STYLES = (str, lambda code: f"{code} ", lambda code: f" {code}", lambda code: f" {code} ")
N_STYLES = 4


def _styled(vocabulary: Vocabulary, styles: tuple) -> pa.Array:
    """The vocabulary once per style, one after the other; all different, as Arrow writes no dictionary with repeats."""
    return pa.array([style(code) for style in styles for code in vocabulary.codes])


_STYLED_DIAGNOSES = _styled(codes.DIAGNOSES, DIAGNOSIS_STYLES)
_STYLED_PROCEDURES = _styled(codes.PROCEDURES, PROCEDURE_STYLES)
_STYLED_NDCS = _styled(codes.NDCS, NDC_STYLES)
_PROVIDERS = pa.array([f"1{(place * 7_919 + 104_729) % 10**9:09d}" for place in range(N_PROVIDERS)])
_HOSPITALS = pa.array([f"1{(place * 15_485_863 + 32_452_843) % 10**9:09d}" for place in range(N_HOSPITALS)])
_SEXES = pa.array(["male", "female", "unknown"])


@dataclass(frozen=True)
class Scribe:
    """Writes the rows of one block: knows the block's members by name and the calendar."""

    block: int
    members: Members
    calendar: Calendar
    n_strays: int = 0

    def _people(self, prefix: str) -> pa.Array:
        known = [f"{prefix}{number:010d}" for number in self.members.number.tolist()]
        return pa.array(known + [f"{prefix}X{self.block:05d}{stray:04d}" for stray in range(self.n_strays)])

    def _coded(self, places: Ints, names: pa.Array) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(_nullable(places, pa.from_numpy_dtype(places.dtype)), names)

    def _person(self, member: Ints, prefix: str) -> pa.DictionaryArray:
        is_stray = member >= FIRST_STRAY
        places = np.where(is_stray, member - FIRST_STRAY + len(self.members), member)
        return self._coded(places.astype(np.int32), self._people(prefix))

    def _dates(self, day: Ints) -> pa.Array:
        is_null = (day == NULL_DAY) | (day == NEVER)
        return pa.array((day + self.calendar.epoch_day).astype(np.int32), mask=is_null).cast(pa.date32())

    def medical(self, lines: MedicalLines) -> pa.Table:
        """One row per claim line."""
        columns = self._shared(lines, "M") | self._service(lines) | self._codes(lines)
        return layout.fill(layout.MEDICAL, columns, len(lines))

    def _shared(self, lines: Paid, kind: str) -> dict[str, pa.Array]:
        member = np.where((lines.member >= 0) & (lines.member < FIRST_STRAY), lines.member, 0)
        cents = {
            "paid_amount": lines.paid,
            "allowed_amount": lines.allowed,
            "charge_amount": lines.charge,
            "coinsurance_amount": lines.coinsurance,
            "copayment_amount": lines.copayment,
            "deductible_amount": np.zeros(len(lines), dtype=np.int64),
        }
        return {
            "claim_id": _claim_ids(kind, self.block, lines.claim),
            "claim_line_number": _nullable(lines.line, pa.int32()),
            "person_id": self._person(lines.member, "P"),
            "member_id": self._person(lines.member, "B"),
            "payer": self._coded(self.members.payer[member], pa.array(codes.PAYERS.codes)),
            "plan": self._coded(lines.plan, pa.array(codes.PLANS.codes)),
            "paid_date": self._dates(lines.paid_day),
            "in_network_flag": pa.array(lines.provider % 9 != 0),
            "data_source": _constant(DATA_SOURCE, len(lines)),
        } | {name: pa.array(amount / 100) for name, amount in cents.items()}

    def _service(self, lines: MedicalLines) -> dict[str, pa.Array]:
        start, end = self._dates(lines.day), self._dates(lines.end_day)
        claim_type, place, bill_type = (_by_setting(lines.setting, column) for column in range(3))
        is_stay = lines.drg != NONE
        hospital = np.where(lines.revenue != NONE, lines.hospital, NONE).astype(np.int16)
        return {
            "claim_type": claim_type,
            "claim_start_date": start,
            "claim_end_date": end,
            "claim_line_start_date": start,
            "claim_line_end_date": end,
            "admission_date": self._dates(np.where(is_stay, lines.day, NULL_DAY)),
            "discharge_date": self._dates(np.where(is_stay, lines.end_day, NULL_DAY)),
            "admit_type_code": _flagged("1", is_stay),
            "discharge_disposition_code": _flagged("01", is_stay),
            "place_of_service_code": place,
            "bill_type_code": bill_type,
            "rendering_npi": self._coded(lines.provider, _PROVIDERS),
            "billing_npi": self._coded((lines.provider // 5 * 5).astype(np.int16), _PROVIDERS),
            "facility_npi": self._coded(hospital, _HOSPITALS),
            "total_cost_amount": pa.array(lines.allowed / 100),
        }

    def _codes(self, lines: MedicalLines) -> dict[str, pa.Array]:
        n_diagnoses, n_procedures = len(codes.DIAGNOSES), len(codes.PROCEDURES)
        is_stay, is_operation = lines.drg != NONE, lines.surgical != NONE
        diagnoses = {
            f"diagnosis_code_{slot + 1}": self._coded(_restyled(column, lines.style, n_diagnoses), _STYLED_DIAGNOSES)
            for slot, column in enumerate(lines.diagnoses.T)
        }
        return diagnoses | {
            "diagnosis_code_type": _constant("icd-10-cm", len(lines)),
            "hcpcs_code": self._coded(_restyled(lines.procedure, lines.style, n_procedures), _STYLED_PROCEDURES),
            "hcpcs_modifier_1": self._coded(lines.modifier_1, pa.array(codes.MODIFIERS.codes)),
            "hcpcs_modifier_2": self._coded(lines.modifier_2, pa.array(codes.MODIFIERS.codes)),
            "revenue_center_code": self._coded(lines.revenue, pa.array(codes.REVENUES.codes)),
            "service_unit_quantity": pa.array(lines.units.astype(np.float64)),
            "drg_code_type": _flagged("ms-drg", is_stay),
            "drg_code": self._coded(lines.drg, pa.array(codes.DRGS.codes)),
            "procedure_code_type": _flagged("icd-10-pcs", is_operation),
            "procedure_code_1": self._coded(lines.surgical, pa.array(codes.INPATIENT_PROCEDURES.codes)),
            "procedure_date_1": self._dates(np.where(is_operation, lines.day, NULL_DAY)),
        }

    def pharmacy(self, lines: PharmacyLines) -> pa.Table:
        """One row per fill."""
        days, quantity = (
            np.array([product[place] for product in codes.PRODUCTS.values()], dtype=np.int32) for place in (1, 2)
        )
        columns = self._shared(lines, "R") | {
            "prescribing_provider_npi": self._coded(lines.provider, _PROVIDERS),
            "dispensing_provider_npi": self._coded((lines.provider // 30 * 30).astype(np.int16), _PROVIDERS),
            "dispensing_date": self._dates(lines.day),
            "ndc_code": self._coded(_restyled(lines.product, lines.style, len(codes.NDCS)), _STYLED_NDCS),
            "quantity": pa.array(quantity[lines.product]),
            "days_supply": pa.array(days[lines.product]),
            "refills": pa.array((lines.provider % 4).astype(np.int32)),
        }
        return layout.fill(layout.PHARMACY, columns, len(lines))

    def eligibility(self, rows: EligibilityRows) -> pa.Table:
        """One row per member and span."""
        member = np.maximum(rows.member, 0)
        death = self.members.death_day[member]
        sex = np.where(self.members.is_sex_unknown, 2, self.members.is_female).astype(np.int8)[member]
        payer = self.members.payer[member]
        columns = {
            "person_id": self._person(rows.member, "P"),
            "member_id": self._person(rows.member, "B"),
            "gender": self._coded(sex, _SEXES),
            "birth_date": self._dates(self.members.birth_day[member]),
            "death_date": self._dates(death),
            "death_flag": pa.array(death != NEVER),
            "enrollment_start_date": self._dates(rows.start),
            "enrollment_end_date": self._dates(rows.end),
            "payer": self._coded(payer, pa.array(codes.PAYERS.codes)),
            "payer_type": self._coded(codes.PAYER_TYPE_OF[payer], pa.array(codes.PAYER_TYPES)),
            "plan": self._coded(rows.plan, pa.array(codes.PLANS.codes)),
            "state": self._coded(rows.state, pa.array(codes.STATES.codes)),
            "data_source": _constant(DATA_SOURCE, len(rows)),
        }
        return layout.fill(layout.ELIGIBILITY, columns, len(rows))

    def roster(self, rows: RosterRows) -> pa.Table:
        """One row per enrolment in a program."""
        columns = {
            "person_id": self._person(rows.member, "P"),
            "program": self._coded(rows.is_ours.astype(np.int8), pa.array([planted.OTHER_PROGRAM, planted.PROGRAM])),
            "enrolled_on": self._dates(rows.enrolled),
            "left_on": self._dates(rows.left),
        }
        return layout.fill(layout.ROSTER, columns, len(rows))

    def scores(self, units: PathwayUnits, imaging_ratio: float) -> pa.Table:
        """One row per planted person-date."""
        columns = {
            "person_id": self._person(units.member, "P"),
            "arm": self._coded(units.is_treated.astype(np.int8), pa.array(["comparator", "treated"])),
            "index_date": self._dates(units.day),
            "log_odds": pa.array(units.log_odds, mask=np.isnan(units.log_odds)),
            "expected_imaging_comparator": pa.array(units.expected),
            "expected_imaging_treated": pa.array(units.expected * imaging_ratio),
            "has_hidden_cause": pa.array(self.members.is_hidden[units.member]),
        }
        return layout.fill(layout.SCORES, columns, len(units.member))


def _nullable(values: Ints, kind: pa.DataType) -> pa.Array:
    """Negative values are nulls."""
    is_null = values < 0
    return pa.array(values, kind, mask=is_null) if is_null.any() else pa.array(values, kind)


def _restyled(places: Ints, style: Ints, size: int) -> Ints:
    """Places in a vocabulary -> places in the vocabulary written in every style."""
    return np.where(places == NONE, NONE, places + style.astype(np.int16) * np.int16(size)).astype(np.int16)


def _constant(text: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int8)), pa.array([text]))


def _flagged(text: str, flag: Bools) -> pa.DictionaryArray:
    places = np.zeros(len(flag), dtype=np.int8)
    return pa.DictionaryArray.from_arrays(pa.array(places, mask=~flag), pa.array([text]))


def _by_setting(setting: Ints, column: int) -> pa.DictionaryArray:
    """A fact about the setting (type, place, bill type) for every line."""
    names = list(dict.fromkeys(facts[column] for facts in SETTINGS if facts[column] is not None))
    places = np.array([NONE if facts[column] is None else names.index(facts[column]) for facts in SETTINGS], np.int8)
    return pa.DictionaryArray.from_arrays(_nullable(places[setting], pa.int8()), pa.array(names))


def _claim_ids(kind: str, block: int, claim: Ints) -> pa.Array:
    """Identifiers of fixed width: a letter and fourteen digits, made digit by digit without a loop over rows."""
    n, width = len(claim), CLAIM_DIGITS + 1
    number = np.maximum(claim, 0).astype(np.int64) + block * CLAIMS_PER_BLOCK
    text = np.empty((n, width), dtype=np.uint8)
    text[:, 0] = ord(kind)
    for place in range(CLAIM_DIGITS, 0, -1):
        number, digit = np.divmod(number, 10)
        text[:, place] = digit + ord("0")
    offsets = (np.arange(n + 1) * width).astype(np.int32)
    is_null = claim < 0
    validity = pa.py_buffer(np.packbits(~is_null, bitorder="little")) if is_null.any() else None
    return pa.Array.from_buffers(pa.string(), n, [validity, pa.py_buffer(offsets), pa.py_buffer(text)])
