"""CMS research identifiable files as the Chronic Conditions Warehouse lays them out (CCW, RIF): text files with `|`.

- A row of a claims file is a line and repeats the header of its claim, the claim's diagnoses and payment included.
- A facility is paid by claim: the payment stands on the claim's first line. Lines of other files have their own.
- A row that is marked as deleted, voided or not the final action stands like a denial: it takes its line out.
- A facility's claim that replaces or voids another under its id stands for the whole of it.
- A beneficiary's year has the names of CCW's summary file of beneficiaries (MBSF), or those of CMS's Beneficiary FHIR
  Data server, whose made-up files anybody can have.
- Cover is told month by month, so a year may hold several spans of it. Medical cover is Part A and Part B together,
  outside a Medicare Advantage plan, whose claims are not in these files; pharmacy cover is a contract of Part D.

The admitting diagnosis is a suspicion and none of the claim's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import encode_column
from counterpart.sources import fields, unreadable
from counterpart.sources.facility_procedures import Span, add_procedures, numbered_columns, read_procedures
from counterpart.sources.icd_version import is_icd9
from counterpart.sources.layout import Layout, Source
from counterpart.sources.months import spans_of_months
from counterpart.sources.part_d import read_event
from counterpart.sources.states import LETTERS_OR_NAMES, SSA
from counterpart.sources.tuva import ROSTER

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    Row = dict[str, Column]

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEPT", "OCT", "NOV", "DEC")
_BUYIN = tuple(f"MDCR_ENTLMT_BUYIN_{month}_IND" for month in range(1, 13))
_HMO = tuple(f"HMO_{month}_IND" for month in range(1, 13))
_PART_D = tuple(f"PTD_CNTRCT_{month}_ID" for month in _MONTHS)
# The columns of a beneficiary's year as CCW names them for researchers (MBSF), and as they are named here.
_MBSF = {
    "BENE_ENROLLMT_REF_YR": "RFRNC_YR",
    "SEX_IDENT_CD": "BENE_SEX_IDENT_CD",
    "BENE_DEATH_DT": "DEATH_DT",
    **{f"MDCR_ENTLMT_BUYIN_IND_{month:02d}": name for month, name in enumerate(_BUYIN, start=1)},
    **{f"HMO_IND_{month:02d}": name for month, name in enumerate(_HMO, start=1)},
    **{f"PTD_CNTRCT_ID_{month:02d}": name for month, name in enumerate(_PART_D, start=1)},
}
# Parts A and B both, without and with the state paying the premium (CCW, MDCR_ENTLMT_BUYIN_IND).
_PARTS_A_AND_B = ("3", "C")
# Not in a plan, or in one whose claims Medicare itself pays (CCW, HMO_IND). An empty field is not in one either.
_OUTSIDE_PLANS = ("0", "4")
# A contract begins with a letter; N, 0 and * say that there is none (CCW, PTD_CNTRCT_ID).
_CONTRACT = r"^[A-MO-Z]"
# 0 is a denial; D to Y and two digits are other kinds, most often that another insurer had to pay (CMS,
# CARR_CLM_PMT_DNL_CD).
_DENIED_CLAIM = r"^([0D-Y]|\d\d)$"
# Allowed, reprocessed, secondary payer: every other indicator is a line that Medicare did not cover.
_ALLOWED_LINE = ("A", "R", "S")
# Every reason but P, "payment requested", is one why Medicare did not pay (CMS, CLM_MDCR_NON_PMT_RSN_CD).
_PAYMENT_REQUESTED = "P"
_REPLACEMENT, _VOID = "7", "8"
# A claim that is taken back: a credit of the carrier's (CMS, CARR_CLM_ENTRY_CD), or a cancellation (CMS, CLM_DISP_CD,
# with its zero and without; 63 is that of early 1991).
_CREDIT, _CANCELLED = "3", ("03", "3", "63")
_MOST_PROCEDURES = 25
_LINE_DIAGNOSIS = "LINE_ICD_DGNS_CD"
# A larger number is no year, and no date could be made of it.
_DELETED = "DELETE"


def prepare(raw: Mapping[str, DataFrame]) -> dict[str, DataFrame]:
    """Claims with what a line must know of its claim (first line, diagnoses of all lines); years with their spans."""
    claims = {
        source.name: _add_claim(raw[source.name], is_facility=source.read is read_facility)
        for source in RIF.medical
        if source.name in raw
    }
    return {**raw, **claims, "beneficiary": _add_spans(raw["beneficiary"])}


def _add_spans(years: DataFrame) -> DataFrame:
    """Beneficiary's year -> the same with `cover_year` and its spans of cover, `medical_spans` and `pharmacy_spans`."""
    is_deleted = _is_any(years, {"DML_IND": _DELETED})
    has_parts = [fields.text(years, name).isin(*_PARTS_A_AND_B) for name in _BUYIN]
    is_outside = [F.coalesce(fields.text(years, name).isin(*_OUTSIDE_PLANS), F.lit(True)) for name in _HMO]
    months = {
        "medical": [parts & outside for parts, outside in zip(has_parts, is_outside, strict=True)],
        "pharmacy": [fields.text(years, name).rlike(_CONTRACT) for name in _PART_D],
    }
    year = fields.whole_number(years, "RFRNC_YR")
    told = years.select(
        "*",
        F.when(fields.is_year(year), year).alias("cover_year"),
        *(F.when(~is_deleted, _as_characters(flags)).alias(f"{name}_months") for name, flags in months.items()),
    )
    for name in months:
        # A generator of one row keeps the spans computed: Spark would write the conditions of all months out wherever
        # a rule or a filter reads a span, and plan for minutes.
        spans = spans_of_months(F.col("cover_year"), F.col(f"{name}_months"))
        told = told.withColumn(f"{name}_spans", F.explode(F.array(spans)))
    return told


def _as_characters(flags: Sequence[Column]) -> Column:
    return F.concat(*(F.when(flag, "1").otherwise("0") for flag in flags))


def _add_claim(lines: DataFrame, *, is_facility: bool) -> DataFrame:
    """Line -> the same with `first_line`, `line_diagnoses` and the procedures of its claim, and its `icd_version`.

    That is the version of diagnoses beside which none is told. Versions of a claim are told apart by the day they were
    processed. A facility goes by the last day of the claim.
    """
    begins, ends = (fields.date(lines, f"CLM_{edge}_DT") for edge in ("FROM", "THRU"))
    coded_on = F.coalesce(ends, begins) if is_facility else begins
    listed = fields.join_codes([fields.code(lines, name) for name in (*_diagnosis_columns(lines), _LINE_DIAGNOSIS)])
    lines = lines.withColumn("icd_version", F.when(is_icd9(coded_on, listed), "9").otherwise("0"))
    if is_facility:
        written = numbered_columns(lines, "ICD_PRCDR_CD{}", "PRCDR_DT{}", _MOST_PROCEDURES)
        lines = add_procedures(lines, written, Span.of_claim(begins, ends))
    claim = {f"whole_{name}": fields.text(lines, name) for name in ("BENE_ID", "CLM_ID", "NCH_WKLY_PROC_DT")}
    diagnoses = fields.encode_diagnoses(_joined(lines, [_LINE_DIAGNOSIS]))
    claims = lines.groupBy(*(column.alias(name) for name, column in claim.items())).agg(
        F.min(_line_number(lines)).alias("first_line"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_set(diagnoses)))).alias("line_diagnoses"),
    )
    is_same = reduce(and_, (column.eqNullSafe(F.col(name)) for name, column in claim.items()))
    return lines.join(claims, is_same, "left")


def read_beneficiary(raw: DataFrame) -> Row:
    """A beneficiary's year."""
    year = F.col("cover_year")
    state = fields.two_digits(fields.text(raw, "STATE_CODE"))
    first, first_pharmacy = F.get("medical_spans", 0), F.get("pharmacy_spans", 0)
    return {
        "person_id": fields.text(raw, "BENE_ID"),
        "birth_date": fields.date(raw, "BENE_BIRTH_DT"),
        "sex": fields.sex(fields.text(raw, "BENE_SEX_IDENT_CD")),
        "death_date": fields.date(raw, "DEATH_DT"),
        "state": fields.residence(state, {**SSA, **LETTERS_OR_NAMES}),
        "known_from": F.make_date(year, F.lit(1), F.lit(1)),
        "start_date": first["start_date"],
        "end_date": first["end_date"],
        "pharmacy_start_date": first_pharmacy["start_date"],
        "pharmacy_end_date": first_pharmacy["end_date"],
        "more_medical": F.slice("medical_spans", 2, 12),
        "more_pharmacy": F.slice("pharmacy_spans", 2, 12),
        "is_without_cover": year.isNotNull() & first.isNull(),
        "has_unreadable_date": fields.has_unreadable_date(raw, "BENE_BIRTH_DT", "DEATH_DT"),
    }


def read_professional(raw: DataFrame) -> Row:
    """A line of a carrier claim."""
    return _professional(raw, "professional")


def read_equipment(raw: DataFrame) -> Row:
    """A line of a claim for durable medical equipment."""
    return _professional(raw, "dme")


def _professional(raw: DataFrame, claim_type: str) -> Row:
    dates = ("LINE_1ST_EXPNS_DT", "CLM_FROM_DT", "LINE_LAST_EXPNS_DT", "CLM_THRU_DT")
    start = fields.first_date(raw, *dates[:2])
    indicator = fields.text(raw, "LINE_PRCSG_IND_CD")
    is_denied = fields.text(raw, "CARR_CLM_PMT_DNL_CD").rlike(_DENIED_CLAIM) | ~indicator.isin(*_ALLOWED_LINE)
    line, amounts = _line(raw), ("LINE_ALOWD_CHRG_AMT", "LINE_NCH_PMT_AMT")
    place, specialty = (fields.text(raw, name) for name in ("LINE_PLACE_OF_SRVC_CD", "PRVDR_SPCLTY"))
    return {
        **line,
        "claim_type": F.lit(claim_type),
        "service_date": start,
        "service_end_date": F.coalesce(fields.first_date(raw, *dates[2:]), start),
        "place": fields.two_digits(place),
        "specialty": F.upper(fields.whole_code(specialty)),
        "allowed_cents": fields.cents(raw, amounts[0]),
        "paid_cents": fields.cents(raw, amounts[1]),
        "is_denied": _is_out(raw) | F.coalesce(is_denied, F.lit(False)),
        "is_mended": line["is_mended"] | fields.is_any_float([place, specialty]),
        "has_unreadable_date": fields.has_unreadable_date(raw, *dates, "NCH_WKLY_PROC_DT"),
        "has_unreadable_amount": unreadable.has_unreadable_amount(raw, *amounts),
        "has_unreadable_code": line["has_unreadable_code"]
        | unreadable.any_unreadable_diagnosis(_joined(raw, [_LINE_DIAGNOSIS])),
    }


def read_facility(raw: DataFrame) -> Row:
    """A revenue line of a facility claim. A line's day outside its claim's days is mended to the claim's first."""
    first_day, last_day = fields.date(raw, "CLM_FROM_DT"), fields.date(raw, "CLM_THRU_DT")
    told = fields.date(raw, "REV_CNTR_DT")
    is_inside = F.coalesce(told.between(first_day, last_day), F.lit(False))
    payment = F.when(_line_number(raw) == F.col("first_line"), fields.cents(raw, "CLM_PMT_AMT")).otherwise(0)
    line = _line(raw)
    dates = ("CLM_FROM_DT", "CLM_THRU_DT", "REV_CNTR_DT", "NCH_WKLY_PROC_DT")
    told_type = [fields.text(raw, name) for name in ("CLM_FAC_TYPE_CD", "CLM_SRVC_CLSFCTN_TYPE_CD", "CLM_FREQ_CD")]
    bill_type = [fields.whole_code(one) for one in told_type]
    reason, procedures = fields.text(raw, "CLM_MDCR_NON_PMT_RSN_CD"), read_procedures(raw)
    written = {"revenue": fields.code(raw, "REV_CNTR"), "drg": fields.code(raw, "CLM_DRG_CD")}
    encoded = {system: encode_column(system, code) for system, code in written.items()}
    is_mended = line["is_mended"] | procedures.is_mended | fields.is_any_float(told_type)
    return {
        **line,
        "claim_type": F.lit("institutional"),
        "service_date": F.when(is_inside, told).otherwise(first_day),
        "service_end_date": F.coalesce(last_day, first_day),
        **encoded,
        "bill_type": F.concat(*bill_type),
        "facility_procedures": procedures.listed,
        "allowed_cents": payment,
        "paid_cents": payment,
        "is_denied": _is_out(raw) | F.coalesce(reason != _PAYMENT_REQUESTED, F.lit(False)),
        "is_replacement": bill_type[-1].isin(_REPLACEMENT, _VOID),
        "is_void": bill_type[-1] == _VOID,
        "is_mended": reduce(or_, (fields.needs_mending(*one) for one in written.items()), is_mended)
        | (told.isNotNull() & ~is_inside),
        "has_unreadable_date": fields.has_unreadable_date(raw, *dates),
        "has_unreadable_amount": unreadable.has_unreadable_amount(raw, "CLM_PMT_AMT"),
        "has_unreadable_code": line["has_unreadable_code"]
        | procedures.is_unreadable
        | reduce(or_, (unreadable.is_unreadable_code(written[name], encoded[name]) for name in written)),
    }


def read_fill(raw: DataFrame) -> Row:
    """A prescription drug event: none where it was deleted."""
    return {
        **read_event(raw, "BENE_ID"),
        "paid_on": fields.date(raw, "PD_DT"),
        "has_unreadable_date": fields.has_unreadable_date(raw, "SRVC_DT", "PD_DT"),
        "is_denied": _is_out(raw) | _is_any(raw, {"ADJSTMT_DLTN_CD": "D"}),
    }


def _line(raw: DataFrame) -> Row:
    """What lines of all claims files have."""
    listed = _diagnosis_columns(raw)
    written = fields.code(raw, "HCPCS_CD")
    procedure = encode_column("hcpcs", written)
    modifiers = [fields.text(raw, name) for name in _MODIFIERS]
    joined = _joined(raw, listed)
    diagnoses = fields.read_diagnoses(joined)
    return {
        "person_id": fields.text(raw, "BENE_ID"),
        "claim_id": fields.text(raw, "CLM_ID"),
        "line_number": _line_number(raw),
        "procedure": procedure,
        "modifiers": fields.modifiers(written, modifiers),
        "diagnoses": fields.readable(F.concat(diagnoses, F.col("line_diagnoses"))),
        "paid_on": fields.date(raw, "NCH_WKLY_PROC_DT"),
        "is_mended": fields.needs_mending("hcpcs", written)
        | fields.diagnoses_need_mending(joined)
        | fields.is_any_float(modifiers),
        "has_unreadable_code": unreadable.is_unreadable_code(written, procedure)
        | unreadable.has_unreadable_code(diagnoses),
    }


def _diagnosis_columns(raw: DataFrame) -> list[str]:
    listed = [*fields.numbered(raw, "ICD_DGNS_CD"), *fields.numbered(raw, "ICD_DGNS_E_CD")]
    return ["PRNCPAL_DGNS_CD", *listed]


def _joined(raw: DataFrame, names: Sequence[str]) -> Column:
    """Diagnoses, each behind the version told beside it; where none is told, behind the one of the claim's day."""
    told = (fields.icd_version(fields.text(raw, name.replace("_CD", "_VRSN_CD"))) for name in names)
    codes = (fields.code(raw, name) for name in names)
    pairs = zip((F.coalesce(version, F.col("icd_version")) for version in told), codes, strict=True)
    return fields.join_diagnoses(list(pairs))


def _line_number(raw: DataFrame) -> Column:
    return F.coalesce(fields.whole_number(raw, "LINE_NUM"), fields.whole_number(raw, "CLM_LINE_NUM"))


def _is_out(raw: DataFrame) -> Column:
    """Is the row deleted, voided, a credit, or not the final action?"""
    words = {"DML_IND": _DELETED, "FINAL_ACTION": "N", "CLM_FREQ_CD": _VOID}
    return _is_any(raw, {**words, "CARR_CLM_ENTRY_CD": _CREDIT, "CLM_DISP_CD": _CANCELLED})


def _is_any(raw: DataFrame, words: Mapping[str, str | tuple[str, ...]]) -> Column:
    """Does one of the fields say its word, or one of its words?"""
    said = (
        F.upper(fields.text(raw, name)).isin(*([word] if isinstance(word, str) else word))
        for name, word in words.items()
    )
    return reduce(or_, (F.coalesce(one, F.lit(False)) for one in said))


_MODIFIERS = ("HCPCS_1ST_MDFR_CD", "HCPCS_2ND_MDFR_CD", "HCPCS_3RD_MDFR_CD", "HCPCS_4TH_MDFR_CD")
_CLAIM = ("BENE_ID", "CLM_ID", "CLM_FROM_DT", "CLM_THRU_DT", "PRNCPAL_DGNS_CD", "HCPCS_CD")
_VERSIONS = ("PRNCPAL_DGNS_VRSN_CD", *(f"ICD_DGNS_VRSN_CD{place}" for place in range(1, 26)))
_CAUSES = tuple(f"ICD_DGNS_E_{kind}CD{place}" for kind in ("", "VRSN_") for place in range(1, 13))
_PROCEDURES = tuple(
    f"{stem}{place}" for stem in ("ICD_PRCDR_CD", "PRCDR_DT") for place in range(1, _MOST_PROCEDURES + 1)
)
_MORE = ("DML_IND", "FINAL_ACTION", "CLM_DISP_CD", "NCH_WKLY_PROC_DT", *_MODIFIERS, *_VERSIONS, *_CAUSES)


def _professional_file(name: str, reading: Callable[[DataFrame], Row], may_be_absent: bool) -> Source:
    return Source(
        name,
        reading,
        required=(*_CLAIM, "LINE_NUM", "LINE_ALOWD_CHRG_AMT", "LINE_NCH_PMT_AMT", "LINE_PLACE_OF_SRVC_CD"),
        optional=(
            *_MORE,
            *("LINE_1ST_EXPNS_DT", "LINE_LAST_EXPNS_DT", "LINE_ICD_DGNS_CD", "LINE_ICD_DGNS_VRSN_CD"),
            *("PRVDR_SPCLTY", "LINE_PRCSG_IND_CD", "CARR_CLM_PMT_DNL_CD", "CARR_CLM_ENTRY_CD"),
        ),
        numbered=("ICD_DGNS_CD",),
        may_be_absent=may_be_absent,
    )


def _facility_file(name: str, may_be_absent: bool = False) -> Source:
    return Source(
        name,
        read_facility,
        required=(*_CLAIM, "CLM_LINE_NUM", "CLM_PMT_AMT", "REV_CNTR", "CLM_FAC_TYPE_CD", "CLM_SRVC_CLSFCTN_TYPE_CD"),
        optional=(*_MORE, "CLM_FREQ_CD", "REV_CNTR_DT", "CLM_MDCR_NON_PMT_RSN_CD", "CLM_DRG_CD", *_PROCEDURES),
        numbered=("ICD_DGNS_CD",),
        may_be_absent=may_be_absent,
    )


RIF = Layout(
    name="rif",
    eligibility=(
        Source(
            "beneficiary",
            read_beneficiary,
            required=(
                # Without the months in a plan whose claims are elsewhere, these would be cover without claims.
                *("BENE_ID", "RFRNC_YR", "BENE_BIRTH_DT", "BENE_SEX_IDENT_CD", "DEATH_DT", "STATE_CODE"),
                *(*_BUYIN, *_HMO),
            ),
            optional=("DML_IND", *_PART_D),
            other_names=_MBSF,
        ),
    ),
    medical=(
        _professional_file("carrier", read_professional, may_be_absent=False),
        _professional_file("dme", read_equipment, may_be_absent=True),
        _facility_file("outpatient"),
        _facility_file("inpatient"),
        _facility_file("snf", may_be_absent=True),
        _facility_file("hha", may_be_absent=True),
        _facility_file("hospice", may_be_absent=True),
    ),
    pharmacy=(
        Source(
            "pde",
            read_fill,
            required=("BENE_ID", "PDE_ID", "SRVC_DT", "PROD_SRVC_ID", "QTY_DSPNSD_NUM", "DAYS_SUPLY_NUM"),
            optional=("PTNT_PAY_AMT", "TOT_RX_CST_AMT", "PD_DT", "DML_IND", "FINAL_ACTION", "ADJSTMT_DLTN_CD"),
        ),
    ),
    roster=ROSTER,
    prepare=prepare,
    separator="|",
)
