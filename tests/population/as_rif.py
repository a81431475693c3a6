"""The population in CMS's research files: `|` between fields, cover by month, a facility paid by claim."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from tests.population.people import FIRST_COVERED, LAST_COVERED, Claim, Fill, Person, Population

Row = dict[str, Any]

_SEXES = {"M": "1", "F": "2", "U": "0"}
# Numbers of the Social Security Administration; 54 is a place abroad.
_STATES = {"TX": "45", "CA": "05", "NY": "33", "PA": "39", "IL": "14", "FL": "10", "PR": "40", "AK": "02", None: "54"}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEPT", "OCT", "NOV", "DEC")
_BILLS = {"outpatient": ("1", "3"), "inpatient": ("1", "1")}
_MOST_DIAGNOSES, _MOST_OPERATIONS = 4, 3


# What CCW's summary file of beneficiaries calls the columns that are named otherwise for developers.
_MBSF = {
    "RFRNC_YR": "BENE_ENROLLMT_REF_YR", "BENE_SEX_IDENT_CD": "SEX_IDENT_CD", "DEATH_DT": "BENE_DEATH_DT",
    **{f"MDCR_ENTLMT_BUYIN_{n}_IND": f"MDCR_ENTLMT_BUYIN_IND_{n:02d}" for n in range(1, 13)},
    **{f"HMO_{n}_IND": f"HMO_IND_{n:02d}" for n in range(1, 13)},
    **{f"PTD_CNTRCT_{name}_ID": f"PTD_CNTRCT_ID_{n:02d}" for n, name in enumerate(_MONTHS, start=1)},
}  # fmt: skip


def write_rif(population: Population, folder: Path, is_mbsf: bool = False) -> None:
    """beneficiary_<year>.csv, carrier.csv, outpatient.csv, inpatient.csv, pde.csv, and the program's roster.

    With `is_mbsf` beneficiaries have the names of the file that researchers get.
    """
    folder.mkdir(parents=True)
    for year in range(FIRST_COVERED.year, LAST_COVERED.year + 1):
        rows = [row for person in population.people for row in _year(person, year)]
        if is_mbsf:
            rows = [{_MBSF.get(name, name): value for name, value in row.items()} for row in rows]
        _write(folder / f"beneficiary_{year}.csv", rows)
    _write(folder / "carrier.csv", [row for claim in population.claims for row in _carrier(claim)])
    for kind in _BILLS:
        claims = (claim for claim in population.claims if claim.kind == kind)
        _write(folder / f"{kind}.csv", [row for claim in claims for row in _facility(claim)])
    _write(folder / "pde.csv", [row for fill in population.fills for row in _fills(fill)])
    roster = (
        {**vars(row), "enrolled_on": _day(row.enrolled_on), "left_on": _day(row.left_on)} for row in population.roster
    )
    _write(folder / "program_roster.csv", list(roster))


def _write(path: Path, rows: list[Row]) -> None:
    heading = list(rows[0])
    lines = ["|".join("" if row[name] is None else str(row[name]) for name in heading) for row in rows]
    path.write_text("\n".join(["|".join(heading), *lines]) + "\n", encoding="utf-8")


def _year(person: Person, year: int) -> Iterator[Row]:
    """A year of which a month is covered. Other months are in a plan, or without Part B; C is a state that pays."""
    months = [date(year, month, 1) for month in range(1, 13)]
    covered = [any(start <= month <= end for start, end in person.cover) for month in months]
    if not any(covered):
        return
    is_in_plan = person.person_id % 3 == 0
    parts = "C" if person.person_id % 2 else "3"
    without = parts if is_in_plan else "1"
    yield {
        "BENE_ID": person.person_id, "RFRNC_YR": year, "STATE_CODE": _STATES[person.state], "COUNTY_CD": "200",
        "BENE_BIRTH_DT": _day(person.birth), "BENE_SEX_IDENT_CD": _SEXES[person.sex], "DEATH_DT": _day(person.death),
        **{f"MDCR_ENTLMT_BUYIN_{n}_IND": parts if has else without for n, has in enumerate(covered, start=1)},
        **{f"HMO_{n}_IND": "0" if has or not is_in_plan else "1" for n, has in enumerate(covered, start=1)},
        **{f"PTD_CNTRCT_{name}_ID": "S5601" if has else "N" for name, has in zip(_MONTHS, covered, strict=True)},
    }  # fmt: skip


def _carrier(claim: Claim) -> Iterator[Row]:
    """Lines, each with the claim's header; one that was denied, deleted or processed anew is marked by line."""
    if claim.kind != "professional":
        return
    for line, processed, status in claim.versions():
        is_denied = status == "denied"
        yield {
            **_header(claim, processed), "DML_IND": "DELETE" if status == "void" else "INSERT", "LINE_NUM": line.number,
            "CARR_CLM_PMT_DNL_CD": "1", "PRVDR_SPCLTY": claim.specialty, "LINE_PLACE_OF_SRVC_CD": claim.place,
            "LINE_1ST_EXPNS_DT": _day(line.day), "LINE_LAST_EXPNS_DT": _day(line.day), "HCPCS_CD": line.procedure,
            "HCPCS_1ST_MDFR_CD": line.modifier, "HCPCS_2ND_MDFR_CD": None,
            "LINE_PRCSG_IND_CD": "C" if is_denied else "A",
            "LINE_ICD_DGNS_CD": claim.diagnoses[0], "LINE_ICD_DGNS_VRSN_CD": "0",
            "LINE_NCH_PMT_AMT": "0.00" if is_denied else _dollars(line.paid),
            "LINE_ALOWD_CHRG_AMT": "0.00" if is_denied else _dollars(line.allowed),
        }  # fmt: skip


def _facility(claim: Claim) -> Iterator[Row]:
    """Revenue lines, each with the claim's payment; an inpatient's have no day of their own."""
    facility, service = _BILLS[claim.kind]
    payments = {processed: line.allowed for line, processed, _ in claim.versions() if line.number == 1}
    done = [*((one.code, _day(one.day)) for one in claim.operations), *[(None, None)] * _MOST_OPERATIONS]
    for line, processed, status in claim.versions():
        is_denied = status == "denied"
        yield {
            **_header(claim, processed), "CLM_FAC_TYPE_CD": facility, "CLM_SRVC_CLSFCTN_TYPE_CD": service,
            "CLM_FREQ_CD": "8" if status == "void" else "1", "CLM_MDCR_NON_PMT_RSN_CD": "N" if is_denied else None,
            "CLM_PMT_AMT": "0.00" if is_denied else _dollars(payments[processed]), "CLM_LINE_NUM": line.number,
            "REV_CNTR": line.revenue, "REV_CNTR_DT": None if claim.kind == "inpatient" else _day(line.day),
            "HCPCS_CD": line.procedure, "HCPCS_1ST_MDFR_CD": line.modifier, "HCPCS_2ND_MDFR_CD": None,
            "CLM_DRG_CD": claim.drg,
            **{f"ICD_PRCDR_CD{place}": code for place, (code, _) in enumerate(done[:_MOST_OPERATIONS], start=1)},
            **{f"PRCDR_DT{place}": day for place, (_, day) in enumerate(done[:_MOST_OPERATIONS], start=1)},
        }  # fmt: skip


def _header(claim: Claim, processed: date) -> Row:
    listed = [*claim.diagnoses, *[None] * _MOST_DIAGNOSES][:_MOST_DIAGNOSES]
    return {
        "BENE_ID": claim.person_id, "CLM_ID": claim.claim_id, "NCH_NEAR_LINE_REC_IDENT_CD": "O",
        "CLM_FROM_DT": _day(claim.first_day), "CLM_THRU_DT": _day(claim.last_day), "NCH_WKLY_PROC_DT": _day(processed),
        "FINAL_ACTION": "F", "PRNCPAL_DGNS_CD": claim.diagnoses[0], "PRNCPAL_DGNS_VRSN_CD": "0",
        **{f"ICD_DGNS_CD{place}": code for place, code in enumerate(listed, start=1)},
        **{f"ICD_DGNS_VRSN_CD{place}": "0" if code else None for place, code in enumerate(listed, start=1)},
    }  # fmt: skip


def _fills(fill: Fill) -> Iterator[Row]:
    for one, processed, status in fill.versions():
        yield {
            "PDE_ID": one.fill_id, "BENE_ID": one.person_id, "SRVC_DT": _day(one.day), "PD_DT": _day(processed),
            "PROD_SRVC_ID": one.ndc, "QTY_DSPNSD_NUM": one.quantity, "DAYS_SUPLY_NUM": one.days_supply,
            "PTNT_PAY_AMT": _dollars(one.by_patient), "TOT_RX_CST_AMT": _dollars(one.allowed),
            "ADJSTMT_DLTN_CD": None if status == "paid" else "D",
        }  # fmt: skip


def _day(day: date | None) -> str | None:
    """12-Jan-2020."""
    return None if day is None else f"{day.day:02d}-{day:%b}-{day.year}"


def _dollars(cents: int) -> str:
    return f"{cents / 100:.2f}"
