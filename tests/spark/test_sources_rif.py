"""CCW research files read as claims: cover by month, lines and their claims, CMS's codes for denials, versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.population.as_rif import write_rif
from tests.population.people import make_population

from counterpart.codes import decode, encode
from counterpart.errors import ContractError
from counterpart.sources import LAYOUTS, ClaimsDelivery, IngestContext, build_claims
from counterpart.sources.eligibility import build_cover
from counterpart.sources.layout import spell_columns
from counterpart.sources.lineage import trace_columns
from counterpart.sources.months import spans_of_months
from counterpart.tables import INTAKE

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

# The columns of the tables below under short names; a month is a character, from January on.
CMS_NAMES = {
    "bene": "BENE_ID",
    "claim": "CLM_ID",
    "from": "CLM_FROM_DT",
    "thru": "CLM_THRU_DT",
    "processed": "NCH_WKLY_PROC_DT",
    "dml": "DML_IND",
    "final": "FINAL_ACTION",
    "principal": "PRNCPAL_DGNS_CD",
    "coded": "PRNCPAL_DGNS_VRSN_CD",
    "dx1": "ICD_DGNS_CD1",
    "dx25": "ICD_DGNS_CD25",
    "cause": "ICD_DGNS_E_CD1",
    "hcpcs": "HCPCS_CD",
    "modifier": "HCPCS_1ST_MDFR_CD",
    "line": "LINE_NUM",
    "line_day": "LINE_1ST_EXPNS_DT",
    "line_dx": "LINE_ICD_DGNS_CD",
    "specialty": "PRVDR_SPCLTY",
    "place": "LINE_PLACE_OF_SRVC_CD",
    "allowed": "LINE_ALOWD_CHRG_AMT",
    "paid": "LINE_NCH_PMT_AMT",
    "denial": "CARR_CLM_PMT_DNL_CD",
    "indicator": "LINE_PRCSG_IND_CD",
    "entry": "CARR_CLM_ENTRY_CD",
    "disposition": "CLM_DISP_CD",
    "revenue_line": "CLM_LINE_NUM",
    "revenue_day": "REV_CNTR_DT",
    "revenue": "REV_CNTR",
    "payment": "CLM_PMT_AMT",
    "facility": "CLM_FAC_TYPE_CD",
    "class": "CLM_SRVC_CLSFCTN_TYPE_CD",
    "frequency": "CLM_FREQ_CD",
    "reason": "CLM_MDCR_NON_PMT_RSN_CD",
    "drg": "CLM_DRG_CD",
    "px": "ICD_PRCDR_CD25",
    "done": "PRCDR_DT25",
    "fill": "PDE_ID",
    "filled": "SRVC_DT",
    "product": "PROD_SRVC_ID",
    "days": "DAYS_SUPLY_NUM",
    "quantity": "QTY_DSPNSD_NUM",
    "by_patient": "PTNT_PAY_AMT",
    "cost": "TOT_RX_CST_AMT",
    "fill_paid": "PD_DT",
    "adjustment": "ADJSTMT_DLTN_CD",
    "year": "RFRNC_YR",
    "born": "BENE_BIRTH_DT",
    "died": "DEATH_DT",
    "sex": "BENE_SEX_IDENT_CD",
    "state": "STATE_CODE",
}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEPT", "OCT", "NOV", "DEC")
MONTHLY = {
    "parts": [f"MDCR_ENTLMT_BUYIN_{month}_IND" for month in range(1, 13)],
    "hmo": [f"HMO_{month}_IND" for month in range(1, 13)],
    "part_d": [f"PTD_CNTRCT_{month}_ID" for month in MONTHS],
}

# A has Part D in two spans of 2019. B is in a plan whose claims are elsewhere from October, and pays for Part A only
# in March. C has no Part B. The rows of D tell no year, that of E no day of birth, F's was taken back.
BENEFICIARIES = """bene | year       | born       | sex | state | parts        | hmo          | part_d       | dml
                   -1   | 2019       | 7-MAR-1941 | 1   | 22    | 333333333333 |              | NNNSSS0*0SSS |
                   -1   | 2020       | 7-MAR-1941 | 1   | 5     | 333333       |              |              | UPDATE
                   B    | 2020       | 1-Jan-1950 | 2   | MO    | CC1CCCCCCCCC | 000000444112 | SSSSSSSSSSSS |
                   B    | 2020       | 1-Jan-1950 | 2   | MO    | CC1CCCCCCCCC | 000000444112 | SSSSSSSSSSSS |
                   C    | 2020       | 1-Jan-1950 | 2   | MO    | 111111111111 | 000000000000 | SSSSSSSSSSSS |
                   D    |            | 1-Jan-1950 | 2   | MO    | 333333333333 | 000000000000 |              |
                   D    | 2147483647 | 1-Jan-1950 | 2   | MO    | 333333333333 | 000000000000 |              |
                   E    | 2020       | 30-FEB-195 | 2   | MO    | 333333333333 | 000000000000 |              |
                   F    | 2020       | 1-Jan-1950 | 0   | MO    | 333333333333 | 000000000000 |              | DELETE"""
# What a row leaves out is what most claims have: of -1, on 12 January 2020, line 1, allowed 100.25 and paid 80.20.
CARRIER = """claim    | line | bene | from        | line_day    | processed   | principal | coded | line_dx | denial
             visit    | 1    |      |             | 13-jan-2020 |             | M54.5     | 0     | M5126   | 1
             visit    | 2    |      |             |             |             | M54.5     | 0     | G8929   | 1
             refused  | 1    |      |             |             |             | M545      |       |         | 0
             insured  | 1    |      |             |             |             | M545      |       |         | 12
             limited  | 1    |      |             |             |             | M545      |       |         | B
             before   | 1    |      | 30-SEP-2015 |             |             | 7242      |       | 7245    |
             after    | 1    |      | 01-OCT-2015 |             |             | M545      |       |         |
             told     | 1    |      | 01-OCT-2015 |             |             | 7242      | 9     |         |
             worded   | 1    |      | 01OCT2015   |             |             | 42        | ICD-9 |         |
             ten      | 1    |      |             |             |             | M5416     | 10    |         |
             again    | 1    |      |             |             |             | M545      |       |         |
             again    | 1    |      |             |             |             | M545      |       |         |
             changed  | 1    |      |             |             | 01-FEB-2020 | M545      |       | M5126   |
             changed  | 1    |      |             |             | 01-MAR-2020 | M545      |       | G8929   |
             unread   | 1    |      |             | 31-FEB-2020 |             | M545      |       |         |
             unsent   | 1    |      |             |             | 31-FEB-2020 | M545      |       |         |
             lineless |      |      |             |             |             | M545      |       |         |
             scrawled | 1    |      |             |             |             | M54-5     |       | M5126   |
             smudged  | 1    |      |             |             |             | M545      |       | M51-26  |
             nobodys  | 1    | E    |             |             |             | M545      |       |         |"""
# Lines that are in or out by what is said about them.
MARKED = """claim      | line | indicator | dml    | final | processed   | entry | disposition
            allowed    | 1    | R         | INSERT | F     |             | 5     | 01
            notcovered | 1    | N         | INSERT | F     |             | 1     | 1
            notcovered | 2    | A         | INSERT | F     |             | 1     |
            deleted    | 1    | A         | INSERT | F     | 01-FEB-2020 |       |
            deleted    | 1    | A         | DELETE | F     | 01-MAR-2020 |       |
            notfinal   | 1    | A         | INSERT | N     |             |       |
            credited   | 1    | A         | INSERT | F     | 01-FEB-2020 | 1     | 01
            credited   | 1    | A         | INSERT | F     | 01-MAR-2020 | 3     | 01
            cancelled  | 1    | A         | INSERT | F     |             | 1     | 03
            cancelled  | 2    | A         | INSERT | F     |             | 1     | 3"""
OUTPATIENT = """claim    | revenue_line | revenue_day | revenue | frequency | reason | processed   | payment | done        | drg
                stay     | 2            | 13-JAN-2020 | 320     | 1         |        |             | 693.11  | 15-JAN-2020 | 39
                stay     | 3            | 03-JAN-1942 | 0001    | 1         |        |             | 693.11  | 15-JAN-2020 | 39
                unpaid   | 1            |             | 0450    | 1         | N      |             | 693.11  |             |
                asked    | 1            |             | 0450    | 1         | P      |             | 693.11  |             | 460
                asked    | 2            |             | 045?    | 1         | P      |             | 693.11  |             | 460
                replaced | 1            |             | 0450    | 1         |        | 01-FEB-2020 | 693.11  |             |
                replaced | 1            |             | 0450    | 7         |        | 01-MAR-2020 | 500     |             |
                replaced | 2            |             | 0320    | 1         |        | 01-FEB-2020 | 693.11  |             |
                voided   | 1            |             | 0450    | 1         |        | 01-FEB-2020 | 693.11  |             |
                voided   | 1            |             | 0450    | 8         |        | 01-MAR-2020 | 693.11  |             |
                voided   | 2            |             | 0320    | 1         |        | 01-FEB-2020 | 693.11  |             |
"""  # noqa: E501  # the lines of a claim side by side
FILLS = """fill     | product       | fill_paid   | cost   | by_patient | adjustment
           plain    | 00093-7146-01 |             | 550.00 | 235.85     |
           adjusted | 00093714601   | 01-FEB-2020 | 550.00 | 235.85     |
           adjusted | 00093714601   | 01-MAR-2020 | 500.00 | 235.85     | A
           deleted  | 00093714601   |             | 550.00 | 235.85     | D
           unpaid   | 00093714601   | 31-FEB-2020 | 550.00 | 235.85     |
           ten      | 0009371460    |             | 550.00 | 235.85     |
           nine     | 000000000     |             | 550.00 | 235.85     |"""

INTAKE_ROWS = """source      | fate        | rule            | n_rows
                 beneficiary | kept        | as_sent         | 2
                 beneficiary | merged      | adjacent_span   | 1
                 beneficiary | merged      | duplicate       | 1
                 beneficiary | merged      | no_cover        | 2
                 beneficiary | quarantined | null_key        | 2
                 beneficiary | quarantined | impossible_date | 1
                 carrier     | kept        | mended          | 3
                 carrier     | kept        | as_sent         | 9
                 carrier     | kept        | unreadable_code | 2
                 carrier     | merged      | duplicate       | 1
                 carrier     | merged      | superseded      | 3
                 carrier     | quarantined | denied          | 8
                 carrier     | quarantined | impossible_date | 2
                 carrier     | quarantined | null_key        | 1
                 carrier     | quarantined | unknown_member  | 1
                 outpatient  | kept        | as_sent         | 2
                 outpatient  | kept        | unreadable_code | 1
                 outpatient  | kept        | mended          | 2
                 outpatient  | merged      | superseded      | 4
                 outpatient  | quarantined | denied          | 2
                 pde         | kept        | as_sent         | 2
                 pde         | kept        | unreadable_code | 1
                 pde         | kept        | mended          | 1
                 pde         | merged      | superseded      | 1
                 pde         | quarantined | impossible_date | 1
                 pde         | quarantined | denied          | 1"""

USUAL = {
    "carrier": {
        "bene": "-1",
        "from": "12-JAN-2020",
        "thru": "20-JAN-2020",
        "dx1": " ",
        "hcpcs": "72148",
        "modifier": "26",
        "specialty": "30",
        "place": "2",
        "allowed": "100.25",
        "paid": "80.20",
    },
    "outpatient": {
        "bene": "-1",
        "from": "12-JAN-2020",
        "thru": "20-JAN-2020",
        "principal": "M545",
        "dx1": "M545",
        "dx25": "G8929",
        "cause": "W19",
        "px": "0SG0071",
        "hcpcs": "72148",
        "facility": "1",
        "class": "3",
    },
    "pde": {"bene": "-1", "filled": "12-MAY-2019", "days": "30", "quantity": "60"},
}


@pytest.fixture(scope="module")
def raw(frame: Frame) -> dict[str, DataFrame]:
    """The tables above under CMS's names, two of them in small letters; no inpatient claims."""

    def table(text: str, usual: dict[str, str]) -> DataFrame:
        columns = [cell.strip() for cell in text.split("\n", 1)[0].split("|")]
        rows = frame(text, ", ".join(f"{name} string" for name in columns))
        rows = rows.select(
            *(F.coalesce(name, F.lit(usual.get(name))).alias(CMS_NAMES.get(name, name)) for name in columns),
            *(F.lit(value).alias(CMS_NAMES[name]) for name, value in usual.items() if name not in columns),
        )
        for name, months in MONTHLY.items():
            if name in rows.columns:
                rows = rows.select("*", *(F.substring(name, i, 1).alias(m) for i, m in enumerate(months, start=1)))
        return rows

    marked = table(MARKED, USUAL["carrier"])
    carrier = table(CARRIER, USUAL["carrier"]).unionByName(marked, allowMissingColumns=True)
    outpatient = table(OUTPATIENT, USUAL["outpatient"])
    return {
        "beneficiary": table(BENEFICIARIES, {"died": " "}),
        "carrier": carrier.toDF(*(name.lower() for name in carrier.columns)),
        "outpatient": outpatient.toDF(*(name.lower() for name in outpatient.columns)),
        "inpatient": outpatient.limit(0),
        "pde": table(FILLS, USUAL["pde"]),
    }


@pytest.fixture(scope="module")
def delivery(raw: dict[str, DataFrame]) -> ClaimsDelivery:
    context = IngestContext("ccw", date(2020, 12, 31), stage=lambda _, rows: rows.localCheckpoint())
    made = build_claims("rif", raw, context)
    return replace(made, **{name: getattr(made, name).localCheckpoint() for name in ("medical", "pharmacy")})


def codes(encoded: list[int]) -> str:
    return " ".join(sorted(decode(code)[1] for code in encoded))


def test_every_row_of_every_file_is_accounted_for(delivery: ClaimsDelivery, frame: Frame) -> None:
    expected = frame(INTAKE_ROWS, INTAKE.ddl).drop("delivery")
    assertDataFrameEqual(delivery.intake.drop("delivery"), expected)


def test_cover_is_the_months_with_both_parts_outside_a_plan(delivery: ClaimsDelivery, frame: Frame) -> None:
    """A year holds as many spans as it has; what a row that was taken back says does not count."""
    found = delivery.enrollment.join(delivery.members, "member_key")
    expected = frame(
        """person_id | benefit  | start_date | end_date
           -1        | medical  | 2019-01-01 | 2020-06-30
           -1        | pharmacy | 2019-04-01 | 2019-06-30
           -1        | pharmacy | 2019-10-01 | 2019-12-31
           B         | medical  | 2020-01-01 | 2020-02-29
           B         | medical  | 2020-04-01 | 2020-09-30
           B         | pharmacy | 2020-01-01 | 2020-12-31
           C         | pharmacy | 2020-01-01 | 2020-12-31""",
        "person_id string, benefit string, start_date date, end_date date",
    )
    assertDataFrameEqual(found.select(*expected.columns), expected)
    people = {row["person_id"]: row for row in delivery.members.collect()}
    assert {who: row["sex"] for who, row in people.items()} == {"-1": "M", "B": "F", "C": "F", "F": "U"}
    assert people["-1"]["birth_date"] == date(1941, 3, 7)
    assert [place["state"] for place in people["-1"]["residences"]] == ["MA", "CA"]


def test_a_line_has_the_diagnoses_of_its_claim_and_version(delivery: ClaimsDelivery) -> None:
    """ICD-9 where the version beside a code says so, else by the claim's day. A facility is paid on its first line.

    Of a facility's claim that is replaced or void no line is left that the last version does not have.
    """
    lines = delivery.medical.collect()
    found = {(row["claim_id"], row["line_number"]): row for row in lines}
    assert {
        key: (codes(row["diagnoses"]), str(row["service_date"]), row["paid_cents"]) for key, row in found.items()
    } == {
        ("visit", 1): ("G8929 M5126 M545", "2020-01-13", 8_020),
        ("visit", 2): ("G8929 M5126 M545", "2020-01-12", 8_020),
        ("limited", 1): ("M545", "2020-01-12", 8_020),
        ("before", 1): ("7242 7245", "2015-09-30", 8_020),
        ("after", 1): ("M545", "2015-10-01", 8_020),
        ("told", 1): ("7242", "2015-10-01", 8_020),
        ("worded", 1): ("042", "2015-10-01", 8_020),
        ("ten", 1): ("M5416", "2020-01-12", 8_020),
        ("again", 1): ("M545", "2020-01-12", 8_020),
        ("changed", 1): ("G8929 M545", "2020-01-12", 8_020),
        ("scrawled", 1): ("M5126", "2020-01-12", 8_020),
        ("smudged", 1): ("M545", "2020-01-12", 8_020),
        ("allowed", 1): ("", "2020-01-12", 8_020),
        ("notcovered", 2): ("", "2020-01-12", 8_020),
        ("stay", 2): ("G8929 M545 W19", "2020-01-13", 69_311),
        ("stay", 3): ("G8929 M545 W19", "2020-01-12", 0),
        ("asked", 1): ("G8929 M545 W19", "2020-01-12", 69_311),
        ("asked", 2): ("G8929 M545 W19", "2020-01-12", 0),
        ("replaced", 1): ("G8929 M545 W19", "2020-01-12", 50_000),
    }
    systems = {claim: {decode(code)[0] for code in row["diagnoses"]} for (claim, _), row in found.items()}
    assert (systems["before"], systems["told"], systems["after"]) == ({"icd9cm"}, {"icd9cm"}, {"icd10cm"})
    fusion = encode("icd10pcs", "0SG0071")
    assert {
        key: (row["drg"] and decode(row["drg"])[1], row["facility_procedures"])
        for key, row in found.items()
        if row["facility_procedures"]
    } == {
        ("stay", 2): ("039", [(fusion, date(2020, 1, 15))]),
        ("stay", 3): ("039", [(fusion, date(2020, 1, 15))]),
        ("asked", 1): ("460", [(fusion, date(2020, 1, 12))]),
        ("asked", 2): ("460", [(fusion, date(2020, 1, 12))]),
        ("replaced", 1): (None, [(fusion, date(2020, 1, 12))]),
    }
    told = ("claim_type", "procedure", "modifiers", "revenue", "place", "bill_type", "specialty", "allowed_cents")
    image = encode("hcpcs", "72148")
    assert [found["visit", 1][name] for name in told] == ["professional", image, ["26"], None, "02", None, "30", 10_025]
    room = encode("revenue", "0320")
    assert [found["stay", 2][name] for name in told] == ["institutional", image, [], room, None, "131", None, 69_311]


def test_a_fill_costs_what_plan_and_patient_paid(delivery: ClaimsDelivery) -> None:
    """The last adjustment holds; ten digits are no NDC, nor are zeros, and the fill is kept without one."""
    product = encode("ndc", "00093714601")
    fills = {row["claim_id"]: row for row in delivery.pharmacy.collect()}
    told = ("ndc", "allowed_cents", "paid_cents", "days_supply")
    assert {name: tuple(row[column] for column in told) for name, row in fills.items()} == {
        "plain": (product, 55_000, 31_415, 30),
        "adjusted": (product, 50_000, 26_415, 30),
        "ten": (None, 55_000, 31_415, 30),
        "nine": (None, 55_000, 31_415, 30),
    }


def test_what_is_missing_is_named(raw: dict[str, DataFrame]) -> None:
    with pytest.raises(ContractError) as caught:
        build_claims("rif", {"beneficiary": raw["beneficiary"].drop("RFRNC_YR")}, IngestContext("x", date(2020, 1, 1)))
    told = str(caught.value)
    assert "table beneficiary lacks RFRNC_YR (or BENE_ENROLLMT_REF_YR) (found" in told
    assert "table carrier is missing" in told
    assert "table dme" not in told


@pytest.mark.parametrize("absent", ["DEATH_DT", "HMO_7_IND"])
def test_what_would_be_cover_without_claims_is_refused(raw: dict[str, DataFrame], absent: str) -> None:
    with pytest.raises(ContractError, match=rf"table beneficiary lacks {absent} \(or "):
        build_claims(
            "rif", {**raw, "beneficiary": raw["beneficiary"].drop(absent)}, IngestContext("x", date(2020, 1, 1))
        )


def test_a_beneficiary_is_told_once(raw: dict[str, DataFrame]) -> None:
    both = raw["beneficiary"].withColumn("sex_ident_cd", F.lit("1"))
    with pytest.raises(ContractError, match="table beneficiary has BENE_SEX_IDENT_CD twice"):
        build_claims("rif", {**raw, "beneficiary": both}, IngestContext("x", date(2020, 1, 1)))


def test_beneficiaries_may_have_the_names_that_researchers_get(spark: SparkSession, tmp_path: Path) -> None:
    """The columns of CCW's MBSF are the same under other names."""
    population, covers, layout = make_population(40, 20), [], LAYOUTS["rif"]
    for is_mbsf in (False, True):
        write_rif(population, tmp_path / str(is_mbsf), is_mbsf)
        years = spark.read.csv(str(tmp_path / str(is_mbsf) / "beneficiary_*.csv"), header=True, sep="|")
        spelled = spell_columns(layout, {"beneficiary": years})
        context = IngestContext("x", date(2022, 1, 31), stage=lambda _, rows: rows.localCheckpoint())
        covers.append(build_cover(layout.eligibility, layout.prepare(spelled), context))
    for name in ("members", "enrollment"):
        told, also_told = (sorted(getattr(cover, name).collect()) for cover in covers)
        assert told
        assert told == also_told


def test_what_feeds_cover_is_told(spark: SparkSession, raw: dict[str, DataFrame]) -> None:
    """Spans are made behind a generator, and still of the columns of their months."""
    spelled = spell_columns(LAYOUTS["rif"], raw)
    traced = trace_columns(spark, LAYOUTS["rif"], spelled)
    fed = {one.name: {column for _, column in one.origins} for one in traced["beneficiary"]}
    told = {"RFRNC_YR", "DML_IND"}
    assert fed["start_date"] == fed["end_date"] == {*told, *MONTHLY["parts"], *MONTHLY["hmo"]}
    assert fed["pharmacy_start_date"] == {*told, *MONTHLY["part_d"]}
    assert "more_medical" not in fed
    (line,) = (one for one in traced["carrier"] if one.name == "diagnoses")
    assert ("carrier", "LINE_ICD_DGNS_CD") in line.origins


def test_months_become_spans(frame: Frame) -> None:
    rows = frame(
        """case | year | months
           all  | 2020 | 111111111111
           none | 2020 | 000000000000
           some | 2020 | 110000100001
           nil  |      | 111111111111
           null | 2020 |""",
        "case string, year int, months string",
    )
    found = rows.select("case", spans_of_months(F.col("year"), F.col("months")).alias("spans")).collect()
    assert {row["case"]: [(str(one[0]), str(one[1])) for one in row["spans"] or []] for row in found} == {
        "all": [("2020-01-01", "2020-12-31")],
        "none": [],
        "some": [("2020-01-01", "2020-02-29"), ("2020-07-01", "2020-07-31"), ("2020-12-01", "2020-12-31")],
        "nil": [],
        "null": [],
    }
