"""CMS DE-SynPUF: beneficiary years, and claims of which each is one wide row (codes ICD-9 and HCPCS, 2008-2010).

A public file whose joint distributions were altered on purpose: some columns cannot mean what their names say.

- LINE_PRCSG_IND_CD calls lines "non-covered" that were paid and "allowed" that were not: all count, none is denied;
- claims are as common in years under an HMO as outside it: months of HMO are not taken off the cover;
- many codes of ICD9_PRCDR_CD are diagnoses: 4019 is read as a procedure, 25000 is none;
- an outpatient payment below zero is a deductible larger than the payment, as in Medicare: nothing is a reversal.

The diagnoses of a claim are those of its header and its lines; the admitting diagnosis is a suspicion and none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.codes import encode_column
from counterpart.sources import fields, unreadable
from counterpart.sources.facility_procedures import Span, add_procedures, numbered_columns, read_procedures
from counterpart.sources.layout import Layout, Source
from counterpart.sources.part_d import read_event
from counterpart.sources.states import SSA
from counterpart.sources.tuva import ROSTER
from counterpart.sources.wide_lines import told_lines, written_line

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    Row = dict[str, Column]

_MONTHS = 12
_MOST_PROCEDURES = 6
_FACILITIES = ("outpatient", "inpatient")
_AMOUNTS = ("LINE_NCH_PMT_AMT_", "LINE_ALOWD_CHRG_AMT_")


def prepare(raw: Mapping[str, DataFrame]) -> dict[str, DataFrame]:
    """Claims of facilities with their procedures: no day of one is told."""
    return {**raw, **{name: _add_procedures(raw[name]) for name in _FACILITIES if name in raw}}


def _add_procedures(claims: DataFrame) -> DataFrame:
    begins, ends = (fields.date(claims, f"CLM_{edge}_DT") for edge in ("FROM", "THRU"))
    written = numbered_columns(claims, "ICD9_PRCDR_CD_{}", "", _MOST_PROCEDURES)
    return add_procedures(claims, written, Span.of_claim(begins, ends))


def read_beneficiary(raw: DataFrame) -> Row:
    """A beneficiary's year. Medical cover needs Parts A and B in the same months, pharmacy cover Part D.

    The file says how many months, not which: they run on from January where the year before had cover, else they
    lead up to December, as after a 65th birthday. Nothing later than the year decides.
    """
    told = fields.whole_number(raw, "BENE_YEAR")
    year = F.when(fields.is_year(told), told)
    parts_a_b = [fields.whole_number(raw, f"BENE_{part}_CVRAGE_TOT_MONS") for part in ("HI", "SMI")]
    medical, pharmacy = F.least(*parts_a_b), fields.whole_number(raw, "PLAN_CVRG_MOS_NUM")
    person = fields.text(raw, "DESYNPUF_ID")
    start, end = _covered(person, year, medical)
    pharmacy_start, pharmacy_end = _covered(person, year, pharmacy)
    return {
        "person_id": person,
        "birth_date": fields.date(raw, "BENE_BIRTH_DT"),
        "sex": fields.sex(fields.text(raw, "BENE_SEX_IDENT_CD")),
        "death_date": fields.date(raw, "BENE_DEATH_DT"),
        "state": fields.residence(F.lpad(fields.text(raw, "SP_STATE_CODE"), 2, "0"), SSA),
        "known_from": F.make_date(year, F.lit(1), F.lit(1)),
        "start_date": start,
        "end_date": end,
        "pharmacy_start_date": pharmacy_start,
        "pharmacy_end_date": pharmacy_end,
        "is_without_cover": medical == 0,
        "has_unreadable_date": fields.has_unreadable_date(raw, "BENE_BIRTH_DT", "BENE_DEATH_DT"),
    }


def read_carrier(raw: DataFrame) -> Row:
    """A professional claim, with up to 13 lines side by side."""
    stems = ("HCPCS_CD_", "LINE_PRCSG_IND_CD_", "LINE_ICD9_DGNS_CD_")

    def line(place: int) -> tuple[Column, Column]:
        is_told = reduce(or_, (fields.is_given(raw, f"{stem}{place}") for stem in stems))
        allowed, paid = (fields.cents(raw, f"LINE_{kind}_AMT_{place}") for kind in ("ALOWD_CHRG", "NCH_PMT"))
        return is_told, _line(raw, place, allowed, paid)

    return {**_claim(raw, "professional"), "lines": told_lines([line(place) for place in _places(raw, *stems)])}


def read_facility(raw: DataFrame) -> Row:
    """An inpatient or outpatient claim. It is paid as a whole, so the payment stands on its first line."""

    def line(place: int) -> tuple[Column, Column]:
        payment = fields.cents(raw, "CLM_PMT_AMT") if place == 1 else F.lit(0)
        return fields.is_given(raw, f"HCPCS_CD_{place}"), _line(raw, place, payment, payment)

    claim, procedures, written = _claim(raw, "institutional"), read_procedures(raw), fields.code(raw, "CLM_DRG_CD")
    drg = encode_column("drg", written)
    return {
        **claim,
        "drg": drg,
        "facility_procedures": procedures.listed,
        "lines": told_lines([line(place) for place in _places(raw, "HCPCS_CD_")]),
        "is_mended": claim["is_mended"] | procedures.is_mended | fields.needs_mending("drg", written),
        "has_unreadable_code": claim["has_unreadable_code"]
        | procedures.is_unreadable
        | unreadable.is_unreadable_code(written, drg),
    }


def read_fill(raw: DataFrame) -> Row:
    """A prescription drug event."""
    return read_event(raw, "DESYNPUF_ID")


def _covered(person: Column, year: Column, months: Column) -> tuple[Column, Column]:
    """First and last day of a year's covered months; null where there are none."""
    year_before = W.partitionBy(person).orderBy(year).rangeBetween(-1, -1)
    runs_on = F.coalesce(F.max(months).over(year_before) > 0, F.lit(False))
    first_month = F.when(runs_on, 1).otherwise(_MONTHS - months + 1)
    has_cover = months.between(1, _MONTHS)
    first_day = F.when(has_cover, F.make_date(year, first_month, F.lit(1)))
    last_day = F.date_sub(F.add_months(first_day, months), 1)
    return first_day, last_day


def _places(raw: DataFrame, *stems: str) -> list[int]:
    """The numbers that any of the stems has a column for."""
    return sorted({int(name.removeprefix(stem)) for stem in stems for name in fields.numbered(raw, stem)})


def _claim(raw: DataFrame, claim_type: str) -> Row:
    diagnoses = fields.join_codes(_diagnoses(raw))
    procedures = fields.join_codes([fields.code(raw, name) for name in fields.numbered(raw, "HCPCS_CD_")])
    amounts = [name for stem in _AMOUNTS for name in fields.numbered(raw, stem)]
    read = fields.read_list("icd9cm", diagnoses)
    return {
        "person_id": fields.text(raw, "DESYNPUF_ID"),
        "claim_id": _claim_id(raw),
        # The row is the claim; its lines are numbered below.
        "line_number": F.lit(0),
        "claim_type": F.lit(claim_type),
        "service_date": fields.date(raw, "CLM_FROM_DT"),
        "service_end_date": F.coalesce(fields.date(raw, "CLM_THRU_DT"), fields.date(raw, "CLM_FROM_DT")),
        "diagnoses": fields.readable(read),
        "is_mended": fields.any_needs_mending("icd9cm", diagnoses) | fields.any_needs_mending("hcpcs", procedures),
        "has_unreadable_date": fields.has_unreadable_date(raw, "CLM_FROM_DT", "CLM_THRU_DT"),
        "has_unreadable_amount": unreadable.has_unreadable_amount(raw, "CLM_PMT_AMT")
        | unreadable.has_unreadable_among(raw, amounts),
        "has_unreadable_code": unreadable.has_unreadable_code(read)
        | unreadable.any_unreadable_code("hcpcs", procedures),
    }


def _claim_id(raw: DataFrame) -> Column:
    """A long claim comes in segments, each a row: those after the first are claims of their own, `<id>-2`."""
    claim, segment = fields.text(raw, "CLM_ID"), fields.whole_number(raw, "SEGMENT")
    return F.when(segment > 1, F.concat_ws("-", claim, segment)).otherwise(claim)


def _diagnoses(raw: DataFrame) -> list[Column]:
    stems = ("ICD9_DGNS_CD_", "LINE_ICD9_DGNS_CD_")
    return [fields.code(raw, name) for stem in stems for name in fields.numbered(raw, stem)]


def _line(raw: DataFrame, place: int, allowed: Column, paid: Column) -> Column:
    return written_line(place, allowed, paid, procedure=fields.code(raw, f"HCPCS_CD_{place}"))


_CLAIM = ("DESYNPUF_ID", "CLM_ID", "CLM_FROM_DT", "CLM_THRU_DT")


def _facility(name: str) -> Source:
    return Source(
        name,
        read_facility,
        required=(*_CLAIM, "CLM_PMT_AMT"),
        optional=("SEGMENT", "CLM_DRG_CD", *(f"ICD9_PRCDR_CD_{place}" for place in range(1, _MOST_PROCEDURES + 1))),
        numbered=("ICD9_DGNS_CD_", "HCPCS_CD_"),
    )


DESYNPUF = Layout(
    name="desynpuf",
    eligibility=(
        Source(
            "bene",
            read_beneficiary,
            required=(
                *("BENE_YEAR", "DESYNPUF_ID", "BENE_BIRTH_DT", "BENE_DEATH_DT", "BENE_SEX_IDENT_CD", "SP_STATE_CODE"),
                *("BENE_HI_CVRAGE_TOT_MONS", "BENE_SMI_CVRAGE_TOT_MONS", "PLAN_CVRG_MOS_NUM"),
            ),
        ),
    ),
    medical=(
        Source(
            "carrier",
            read_carrier,
            required=_CLAIM,
            numbered=(
                *("ICD9_DGNS_CD_", "LINE_ICD9_DGNS_CD_", "HCPCS_CD_", "LINE_PRCSG_IND_CD_"),
                *_AMOUNTS,
            ),
        ),
        *map(_facility, _FACILITIES),
    ),
    pharmacy=(
        Source(
            "pde",
            read_fill,
            required=(
                *("DESYNPUF_ID", "PDE_ID", "SRVC_DT", "PROD_SRVC_ID", "QTY_DSPNSD_NUM", "DAYS_SUPLY_NUM"),
                *("PTNT_PAY_AMT", "TOT_RX_CST_AMT"),
            ),
        ),
    ),
    roster=ROSTER,
    has_claim_rows=True,
    prepare=prepare,
)
