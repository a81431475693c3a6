"""The Tuva Project's input layer (v0.18.0): medical_claim, pharmacy_claim and eligibility, and a roster of our own.

A row of medical_claim is a line and repeats the claim's diagnoses. The layout has no word for denied or reversed lines,
so amounts tell: nothing allowed and nothing paid of a charge is a denial, unless the site says that it is not, and a
negative amount takes a line back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import encode_column, ndc_column
from counterpart.sources import fields, unreadable
from counterpart.sources.facility_procedures import Span, add_procedures, numbered_columns, read_procedures
from counterpart.sources.icd_version import coding_day, is_icd9
from counterpart.sources.layout import Layout, Source
from counterpart.sources.open_cover import OPEN_END
from counterpart.sources.states import LETTERS_OR_NAMES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    Row = dict[str, Column]

_CLAIM_TYPES = ("professional", "institutional", "dme")
_DIAGNOSES = tuple(f"diagnosis_code_{place}" for place in range(1, 26))
_MOST_PROCEDURES = 25
_PROCEDURES = tuple(
    f"procedure_{kind}_{place}" for kind in ("code", "date") for place in range(1, _MOST_PROCEDURES + 1)
)
# Joined before they are encoded, in a projection of its own: whatever stands below a lambda is not compiled.
_JOINED = "diagnosis_codes"
# The days that order the versions of a line: one that cannot be read would make the newest version the oldest.
_SENT = ("paid_date", "file_date")
_MODIFIERS = tuple(f"hcpcs_modifier_{place}" for place in range(1, 6))
_SYSTEMS = {"procedure": "hcpcs", "revenue": "revenue", "drg": "drg"}


def read_eligibility(raw: DataFrame) -> Row:
    """A span of cover. The layout does not say which benefits it has: medical and pharmacy are both assumed."""
    start = fields.date(raw, "enrollment_start_date")
    end = F.coalesce(fields.date(raw, "enrollment_end_date"), F.lit(OPEN_END).cast("date"))
    return {
        "person_id": fields.text(raw, "person_id"),
        "birth_date": fields.date(raw, "birth_date"),
        "sex": fields.sex(fields.text(raw, "gender")),
        "death_date": fields.date(raw, "death_date"),
        "state": fields.residence(fields.text(raw, "state"), LETTERS_OR_NAMES),
        "known_from": start,
        "start_date": start,
        "end_date": end,
        "pharmacy_start_date": start,
        "pharmacy_end_date": end,
        "is_without_cover": F.lit(False),
        "has_unreadable_date": fields.has_unreadable_date(
            raw, "enrollment_start_date", "enrollment_end_date", "birth_date", "death_date"
        ),
    }


def read_medical(raw: DataFrame) -> Row:
    """A claim line."""
    start = fields.first_date(raw, "claim_line_start_date", "claim_start_date")
    end = F.coalesce(fields.first_date(raw, "claim_line_end_date", "claim_end_date"), start)
    claim_type, left_on = F.lower(fields.text(raw, "claim_type")), fields.date(raw, "claim_end_date")
    codes = {"procedure": fields.code(raw, "hcpcs_code"), "revenue": fields.code(raw, "revenue_center_code")}
    codes["drg"] = _drg(raw)
    encoded = {name: encode_column(system, codes[name]) for name, system in _SYSTEMS.items()}
    modifiers = [fields.text(raw, name) for name in _MODIFIERS]
    texts = ("place_of_service_code", "bill_type_code", "rendering_specialty")
    place, bill_type, specialty = (fields.text(raw, name) for name in texts)
    diagnoses, has_mended = _read_diagnoses(raw, coding_day(claim_type, start, F.coalesce(left_on, end)))
    procedures = read_procedures(raw)
    dates = ("claim_line_start_date", "claim_start_date", "claim_line_end_date", "claim_end_date", *_SENT)
    return {
        **_read_claim(raw),
        "claim_type": F.when(claim_type.isin(*_CLAIM_TYPES), claim_type).otherwise("other"),
        "service_date": start,
        "service_end_date": end,
        **encoded,
        "modifiers": fields.modifiers(codes["procedure"], modifiers),
        "place": fields.two_digits(place),
        "bill_type": fields.whole_code(bill_type),
        "specialty": F.upper(fields.whole_code(specialty)),
        "diagnoses": fields.readable(diagnoses),
        "facility_procedures": procedures.listed,
        "is_mended": has_mended
        | procedures.is_mended
        | reduce(or_, (fields.needs_mending(system, codes[name]) for name, system in _SYSTEMS.items()))
        | fields.is_any_float([place, bill_type, specialty, *modifiers]),
        "has_unreadable_date": fields.has_unreadable_date(raw, *dates),
        "has_unreadable_code": unreadable.has_unreadable_code(diagnoses)
        | procedures.is_unreadable
        | reduce(or_, (unreadable.is_unreadable_code(codes[name], encoded[name]) for name in _SYSTEMS)),
    }


def read_pharmacy(raw: DataFrame) -> Row:
    """A fill."""
    dispensed, product = fields.date(raw, "dispensing_date"), fields.code(raw, "ndc_code")
    ndc = ndc_column(product)
    return {
        **_read_claim(raw),
        "service_date": dispensed,
        "service_end_date": dispensed,
        "ndc": ndc,
        "days_supply": fields.whole_number(raw, "days_supply"),
        "quantity": fields.quantity(raw, "quantity"),
        "is_mended": fields.needs_mending("ndc", product),
        "has_unreadable_date": fields.has_unreadable_date(raw, "dispensing_date", *_SENT),
        "has_unreadable_code": unreadable.is_unreadable_code(product, ndc),
        "has_unreadable_supply": unreadable.has_unreadable_supply(raw, "days_supply", "quantity"),
    }


def read_roster(raw: DataFrame) -> Row:
    """An enrolment in a program."""
    return {
        "person_id": fields.text(raw, "person_id"),
        "program": fields.text(raw, "program"),
        "enrolled_on": fields.date(raw, "enrolled_on"),
        "left_on": fields.date(raw, "left_on"),
        "is_mended": fields.has_unreadable_date(raw, "left_on"),
        "has_unreadable_date": fields.has_unreadable_date(raw, "enrolled_on"),
    }


def _read_claim(raw: DataFrame) -> Row:
    amounts = [f"{kind}_amount" for kind in ("allowed", "paid", "charge")]
    allowed, paid, charged = (fields.cents(raw, name) for name in amounts)
    told = F.coalesce(F.nullif(paid, F.lit(0)), F.nullif(allowed, F.lit(0)), charged)
    return {
        "person_id": fields.text(raw, "person_id"),
        "claim_id": fields.text(raw, "claim_id"),
        "line_number": fields.whole_number(raw, "claim_line_number"),
        "allowed_cents": allowed,
        "paid_cents": paid,
        "paid_on": fields.date(raw, "paid_date"),
        "sent_on": F.unix_date(fields.date(raw, "file_date")),
        "is_denied_by_amounts": F.coalesce((allowed == 0) & (paid == 0) & (charged > 0), F.lit(False)),
        "is_reversal": F.coalesce(told < 0, F.lit(False)),
        "has_unreadable_amount": unreadable.has_unreadable_amount(raw, *amounts),
    }


def _read_diagnoses(raw: DataFrame, day: Column) -> tuple[Column, Column]:
    """The codes, as `fields.read_list` has them, and whether one was mended."""
    told, joined = fields.text(raw, "diagnosis_code_type"), F.col(_JOINED)
    is_old = F.coalesce(told.contains("9"), is_icd9(day, joined))
    codes = [fields.read_list(system, joined) for system in ("icd9cm", "icd10cm")]
    mended = [fields.any_needs_mending(system, joined) for system in ("icd9cm", "icd10cm")]
    return F.when(is_old, codes[0]).otherwise(codes[1]), F.when(is_old, mended[0]).otherwise(mended[1])


def _drg(raw: DataFrame) -> Column:
    """As it is written. An APR-DRG is none: of the two groupers one number means different groups."""
    is_other = F.coalesce(F.lower(fields.text(raw, "drg_code_type")).contains("apr"), F.lit(False))
    return F.when(~is_other, fields.code(raw, "drg_code"))


def _prepare(raw: Mapping[str, DataFrame]) -> Mapping[str, DataFrame]:
    medical = raw["medical_claim"]
    joined = fields.join_codes([fields.code(medical, name) for name in _DIAGNOSES])
    first = fields.first_date(medical, "claim_start_date", "claim_line_start_date")
    span = Span.of_claim(first, fields.date(medical, "claim_end_date"))
    procedures = numbered_columns(medical, "procedure_code_{}", "procedure_date_{}", _MOST_PROCEDURES)
    return {**raw, "medical_claim": add_procedures(medical.withColumn(_JOINED, joined), procedures, span)}


_AMOUNTS = ("paid_amount", "allowed_amount")
_WHEN_SENT = ("charge_amount", *_SENT)

ROSTER = (
    Source(
        "program_roster",
        read_roster,
        required=("person_id", "program", "enrolled_on"),
        optional=("left_on",),
        may_be_absent=True,
    ),
)
"""The roster of a program: a table of our own, the same beside every layout."""

TUVA = Layout(
    name="tuva",
    eligibility=(
        Source(
            "eligibility",
            read_eligibility,
            required=("person_id", "gender", "birth_date", "enrollment_start_date", "enrollment_end_date", "state"),
            optional=("death_date",),
        ),
    ),
    medical=(
        Source(
            "medical_claim",
            read_medical,
            required=(
                *("person_id", "claim_id", "claim_line_number", "claim_type", "claim_start_date", "hcpcs_code"),
                *("revenue_center_code", "place_of_service_code", "bill_type_code", *_AMOUNTS),
                *("diagnosis_code_type", "diagnosis_code_1"),
            ),
            # rendering_specialty is ours: the layout has no specialty, and physical therapists are known by it.
            optional=(
                *("claim_end_date", "claim_line_start_date", "claim_line_end_date", *_WHEN_SENT, *_MODIFIERS),
                *(*_DIAGNOSES[1:], "rendering_specialty", "drg_code", "drg_code_type", *_PROCEDURES),
            ),
        ),
    ),
    pharmacy=(
        Source(
            "pharmacy_claim",
            read_pharmacy,
            required=(
                "person_id",
                "claim_id",
                "claim_line_number",
                "dispensing_date",
                "ndc_code",
                "days_supply",
                *_AMOUNTS,
            ),
            optional=("quantity", *_WHEN_SENT),
        ),
    ),
    roster=ROSTER,
    prepare=_prepare,
)
