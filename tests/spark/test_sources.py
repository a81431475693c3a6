"""Raw fields of any type, DE-SynPUF's wide rows and years, and facts told by several rows or deliveries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart.codes import decode
from counterpart.sources import days, fields
from counterpart.sources.desynpuf import DESYNPUF
from counterpart.sources.eligibility import build_members
from counterpart.sources.layout import COVER_FORM, MEDICAL_FORM
from counterpart.sources.states import LETTERS_OR_NAMES, SSA
from counterpart.tables import MEMBERS

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

# What a field may hold, and how it reads as text, date, whole number, quantity and cents; has it an unreadable date?
FIELDS = """given               | as_text             | as_date    | as_number | as_quantity | as_cents   | is_bad
            2020-02-29          | 2020-02-29          | 2020-02-29 |           |             |            | false
            2020-2-9            | 2020-2-9            | 2020-02-09 |           |             |            | false
            2020-02-29 13:30:00 | 2020-02-29 13:30:00 | 2020-02-29 |           |             |            | false
            2020-02-29T00:00:00 | 2020-02-29T00:00:00 | 2020-02-29 |           |             |            | false
            29FEB2020           | 29FEB2020           | 2020-02-29 |           |             |            | false
            29-feb-2020         | 29-feb-2020         | 2020-02-29 |           |             |            | false
            29FEB2021           | 29FEB2021           |            |           |             |            | true
            29-FEB2020          | 29-FEB2020          |            |           |             |            | true
            20200229            | 20200229            | 2020-02-29 | 20200229  | 20200229    | 2020022900 | false
            20210229            | 20210229            |            | 20210229  | 20210229    | 2021022900 | true
            2021-02-29          | 2021-02-29          |            |           |             |            | true
            02/28/2021          | 02/28/2021          |            |           |             |            | true
            1.0                 | 1.0                 |            | 1         | 1           | 100        | true
            -12.345             | -12.345             |            |           | -12.345     | -1235      | true
            0.005               | 0.005               |            |           | 0.005       | 1          | true
            1e2                 | 1e2                 |            | 100       | 100         | 10000      | true
            99999999999         | 99999999999         |            |           |             | 9999999999900 | true
            n/a                 | n/a                 |            |           |             |            | true
            (12.50)             | (12.50)             |            |           |             | -1250      | true
            12.50-              | 12.50-              |            |           |             | -1250      | true
                                |                     |            |           |             |            | false"""


def test_text_fields(frame: Frame) -> None:
    ddl = (
        "given string, as_text string, as_date date, as_number int, as_quantity decimal(12,3), as_cents bigint, "
        "is_bad boolean"
    )
    expected = frame(FIELDS, ddl)
    blanks = expected.withColumn("given", F.concat(F.lit("  "), F.coalesce("given", F.lit("")), F.lit(" ")))
    read = {
        "as_text": fields.text(blanks, "given"),
        "as_date": fields.date(blanks, "given"),
        "as_number": fields.whole_number(blanks, "given"),
        "as_quantity": fields.quantity(blanks, "given"),
        "as_cents": fields.cents(blanks, "given"),
        "is_bad": fields.has_unreadable_date(blanks, "given"),
    }
    found = blanks.select(fields.text(blanks, "given").alias("given"), *(c.alias(name) for name, c in read.items()))
    assertDataFrameEqual(found, expected)


def test_typed_fields_read_as_their_text_does(spark: SparkSession) -> None:
    rows = spark.sql(
        """SELECT DATE'2020-02-29' AS day, TIMESTAMP'2020-02-29 23:59:59' AS moment,
                  TIMESTAMP_NTZ'2020-02-29 23:59:59' AS local, 20200229 AS compact, 7.0D AS id, DOUBLE('NaN') AS odd,
                  12.345D AS dollars, CAST(3 AS BIGINT) AS line, 1e12D AS many, CAST(NULL AS DOUBLE) AS nothing"""
    )
    told = rows.select(
        F.array(*(fields.date(rows, name) for name in ("day", "moment", "local", "compact", "absent"))),
        F.array(*(fields.text(rows, name) for name in ("id", "odd", "many", "nothing", "absent"))),
        F.array(*(fields.whole_number(rows, name) for name in ("id", "line", "odd", "many", "nothing", "absent"))),
        F.array(*(fields.cents(rows, name) for name in ("dollars", "line", "odd", "nothing", "absent"))),
        fields.has_unreadable_date(rows, "day", "moment", "local", "compact", "absent"),
        fields.first_date(rows, "absent", "nothing", "day"),
    ).collect()
    leap_day = date(2020, 2, 29)
    assert tuple(told[0]) == (
        [leap_day] * 4 + [None],
        ["7", None, "1000000000000", None, None],
        [7, 3, None, None, None, None],
        [1235, 300, None, None, None],
        False,
        leap_day,
    )


def test_doubles_are_the_cents_that_their_digits_say(spark: SparkSession) -> None:
    """Half up of the digits a double is written with, as a payer's file would have them, whichever way it is read."""
    told = {
        0.1 + 0.2: 30, 1.005: 101, -1.005: -101, 2.675: 268, 80.3333333: 8033, 0.29: 29, -0.0: 0, 4.35: 435,
        1.115: 112, 999_999_999_999.99: 99_999_999_999_999, 999_999_999_999.995: None, 1e12: None, -1e12: None,
        float("inf"): None, float("-inf"): None, 5e-324: 0, 8_589_934_592.07: 858_993_459_207,
    }  # fmt: skip
    rows = spark.createDataFrame(list(told.items()), "given double, cents bigint")
    assertDataFrameEqual(rows.select("given", fields.cents(rows, "given").alias("cents")), rows)
    many = spark.range(20_000).select(((F.pmod(F.xxhash64("id"), F.lit(10**9)) - 10**8) / 1000).alias("given"))
    by_digits = many.select(F.col("given").cast("string"))
    pairs = many.select(fields.cents(many, "given").alias("cents")).collect()
    assert pairs == by_digits.select(fields.cents(by_digits, "given").alias("cents")).collect()


def test_numbers_with_a_fraction_or_lost_digits_are_no_ids_and_no_other_codes(spark: SparkSession) -> None:
    """As a double, a float and a decimal: what text, id, code and Excel's day are. No code is written `?`."""
    told = [
        (1.5, None, None, "?", None),
        (7.0, "7", 7, "7", None),
        (2.0**53 - 1, "9007199254740991", 2**53 - 1, "9007199254740991", None),
        (2.0**53, None, None, "?", None),
        (-(2.0**53), None, None, "?", None),
        (724.2, None, None, "724.2", None),
        (250.5, None, None, "250.5", None),
        (724.52, None, None, "724.52", None),
        (724.521, None, None, "?", None),
        (8.45, None, None, "?", None),
        (45.62, None, None, "?", None),
        (72148.0, "72148", 72148, "72148", date(2097, 7, 12)),
        (72148.5, None, None, "?", date(2097, 7, 12)),
        (43891.75, None, None, "?", date(2020, 3, 1)),
        (43891.0, "43891", 43891, "43891", date(2020, 3, 1)),
        (float("nan"), None, None, None, None),
    ]
    expected = spark.createDataFrame(told, "given double, as_text string, as_id bigint, as_code string, as_day date")
    names = expected.columns[1:]

    def read(kind: str) -> DataFrame:
        rows = expected.select("given", F.col("given").try_cast(kind).alias("one"))
        read = (fields.text(rows, "one"), fields.identifier(rows, "one"), fields.code(rows, "one"))
        columns = (*read, days.day(rows, "one", ("iso", "yyyymmdd", "excel")))
        return rows.select("given", *(column.alias(name) for column, name in zip(columns, names, strict=True)))

    assertDataFrameEqual(read("double"), expected)
    small = "abs(given) < 100000"
    assertDataFrameEqual(read("float").filter(small), expected.filter(small))
    assertDataFrameEqual(read("decimal(20,3)").filter(small), expected.filter(small))
    given = [row[0] for row in expected.select(fields.is_given(expected, "absent", "given")).collect()]
    assert given == [True] * 15 + [False]


def test_sex_and_residence(frame: Frame) -> None:
    told = frame(
        """given   | sex | state
           female  | F   |
           M       | M   |
           1       | M   |
           2       | F   |
           unknown | U   |
           Male    | M   |
           woman   | F   |
           2.0     | F   |
           Missing | U   |
           Masked  | U   |
           foreign | U   |
           12      | U   |
           tx      | U   | TX
           Texas   | U   | TX
           54      | U   |
                   | U   | """,
        "given string, sex string, state string",
    )
    given = F.col("given")
    found = told.select(given, fields.sex(given).alias("sex"), fields.residence(given, LETTERS_OR_NAMES).alias("state"))
    assertDataFrameEqual(found, told)
    assert [SSA.get(code) for code in ("64", "65", "66", "97", "98", "99")] == ["AS", "GU", "MP", "MP", "GU", None]
    assert (SSA["01"], SSA["05"], SSA["39"], SSA["53"], "54" in SSA) == ("AL", "CA", "PA", "WY", False)


# --- DE-SynPUF --------------------------------------------------------------------------------------------------------


def test_covered_months_run_on_or_lead_up_to_december(frame: Frame) -> None:
    years = frame(
        """person   | year | a  | b  | d  | start      | end        | d_start    | d_end      | is_without_cover
           whole    | 2008 | 12 | 12 | 0  | 2008-01-01 | 2008-12-31 |            |            | false
           whole    | 2009 | 12 | 12 | 6  | 2009-01-01 | 2009-12-31 | 2009-07-01 | 2009-12-31 | false
           runs on  | 2008 | 5  | 12 | 12 | 2008-08-01 | 2008-12-31 | 2008-01-01 | 2008-12-31 | false
           runs on  | 2009 | 2  | 12 | 1  | 2009-01-01 | 2009-02-28 | 2009-01-01 | 2009-01-31 | false
           told twice| 2008| 12 | 12 | 0  | 2008-01-01 | 2008-12-31 |            |            | false
           told twice| 2009| 3  | 3  | 0  | 2009-01-01 | 2009-03-31 |            |            | false
           told twice| 2009| 3  | 3  | 0  | 2009-01-01 | 2009-03-31 |            |            | false
           a year out| 2008| 12 | 12 | 0  | 2008-01-01 | 2008-12-31 |            |            | false
           a year out| 2010| 3  | 3  | 0  | 2010-10-01 | 2010-12-31 |            |            | false
           part A   | 2008 | 12 | 0  | 0  |            |            |            |            | true
           odd      | 2008 | 13 | 13 | 0  |            |            |            |            | false""",
        "person string, year string, a string, b string, d string, start date, end date, d_start date, d_end date, "
        "is_without_cover boolean",
    )
    raw = years.select(
        F.col("person").alias("DESYNPUF_ID"), F.col("year").alias("BENE_YEAR"),
        F.col("a").alias("BENE_HI_CVRAGE_TOT_MONS"), F.col("b").alias("BENE_SMI_CVRAGE_TOT_MONS"),
        F.col("d").alias("PLAN_CVRG_MOS_NUM"), F.lit("1").alias("BENE_SEX_IDENT_CD"), F.lit("6").alias("SP_STATE_CODE"),
        F.lit("19400229").alias("BENE_BIRTH_DT"), F.lit(None).cast("string").alias("BENE_DEATH_DT"),
    )  # fmt: skip
    row = DESYNPUF.eligibility[0].rows(raw, COVER_FORM)
    found = raw.select(
        row["person_id"].alias("person"),
        "BENE_YEAR",
        *(row[name] for name in ("start_date", "end_date", "pharmacy_start_date", "pharmacy_end_date")),
        row["is_without_cover"],
        F.struct(row["sex"], row["state"], row["birth_date"], row["known_from"]).alias("facts"),
    ).collect()
    told = years.drop("a", "b", "d").collect()
    assert sorted(str(tuple(one)[:-1]) for one in found) == sorted(str(tuple(one)) for one in told)
    assert {tuple(one.facts)[:3] for one in found} == {("M", "CO", date(1940, 2, 29))}
    assert {one.facts[3] for one in found} == {date(2008, 1, 1), date(2009, 1, 1), date(2010, 1, 1)}


def lines_of(raw: DataFrame, source: str) -> dict[str, tuple]:
    """Claim -> diagnoses, and number, procedure, allowed and paid cents of its lines."""
    row = next(one for one in DESYNPUF.medical if one.name == source).rows(raw, MEDICAL_FORM)
    names = ("claim_id", "diagnoses", "lines", "is_mended", "service_end_date")
    claims = raw.select(*(row[name].alias(name) for name in names)).collect()
    return {
        claim.claim_id: (
            " ".join(decode(code)[1] for code in claim.diagnoses),
            [(n, code and decode(code)[1], allowed, paid) for n, code, _, _, allowed, paid in claim.lines],
            claim.is_mended,
            claim.service_end_date,
        )
        for claim in claims
    }  # fmt: skip


def test_a_wide_professional_claim_falls_into_its_lines(spark: SparkSession) -> None:
    names = [
        *("DESYNPUF_ID", "CLM_ID", "CLM_FROM_DT", "CLM_THRU_DT", "ICD9_DGNS_CD_1", "ICD9_DGNS_CD_2"),
        *(
            f"{stem}{place}"
            for stem in ("HCPCS_CD_", "LINE_ICD9_DGNS_CD_", "LINE_PRCSG_IND_CD_")
            for place in (1, 2, 3)
        ),
        *(f"LINE_{kind}_AMT_{place}" for kind in ("ALOWD_CHRG", "NCH_PMT") for place in (1, 2, 3)),
    ]
    amounts = ("10.5", "0", "30", "8", "0", "24")
    three = ("72148", "99213", "98940")
    rows = [
        ("p", "full", "20080131", "20080201", "7242", "4019", *three, "7242", "7245", None, "A", "A", "A", *amounts),
        ("p", "no second", "2008-01-31", None, "724.2", None, "72148", None, "98940", *[None] * 6, *amounts),
        ("p", "empty", "2008-01-31", "2008-01-31", *[None] * 11, *amounts),
        ("p", "mended line", "2008-01-31", "2008-01-31", "7242", None, "g0151", *[None] * 8, *amounts),
        ("p", "lost zero", "2008-01-31", None, "42", None, "72148", *[None] * 8, *amounts),
        ("p", "joined", "2008-01-31", None, "7242", None, "7214826", *[None] * 8, "(10.50)", *amounts[1:]),
    ]  # fmt: skip
    raw = spark.createDataFrame(rows, ", ".join(f"{name} string" for name in names))
    first, second, third = (1, "72148", 1050, 800), (2, "99213", 0, 0), (3, "98940", 3000, 2400)
    last_day = date(2008, 1, 31)
    assert lines_of(raw, "carrier") == {
        "full": ("7242 4019 7245", [first, second, third], False, date(2008, 2, 1)),
        "no second": ("7242", [first, third], True, last_day),
        "empty": ("", [(1, None, 1050, 800)], False, last_day),
        "mended line": ("7242", [(1, "G0151", 1050, 800)], True, last_day),
        "lost zero": ("042", [(1, "72148", 1050, 800)], True, last_day),
        "joined": ("7242", [(1, "72148", -1050, 800)], True, last_day),
    }
    row = DESYNPUF.medical[0].rows(raw, MEDICAL_FORM)
    spoilt = F.col("CLM_ID") == "empty"
    changed = {"LINE_NCH_PMT_AMT_2": (spoilt, "free"), "HCPCS_CD_3": (spoilt, "?"), "HCPCS_CD_2": (~spoilt, " N/A")}
    changed["ICD9_DGNS_CD_2"] = (F.col("CLM_ID") == "full", "401-9")
    told = raw.withColumns({name: F.when(where, to).otherwise(F.col(name)) for name, (where, to) in changed.items()})
    flags = (row["has_unreadable_amount"], row["has_unreadable_code"])
    found = told.select(row["claim_id"], row["lines"][0]["modifiers"], *flags).collect()
    assert {one[0]: one[1] for one in found if one[1]} == {"joined": ["26"]}
    assert [one[0] for one in found if one[2]] == ["empty"]
    assert [one[0] for one in found if one[3]] == ["full", "empty"]


def test_a_facility_is_paid_on_the_first_line_and_segments_are_claims(spark: SparkSession) -> None:
    names = "DESYNPUF_ID CLM_ID SEGMENT CLM_FROM_DT CLM_THRU_DT CLM_PMT_AMT ICD9_DGNS_CD_1 HCPCS_CD_1 HCPCS_CD_2"
    rows = [
        ("p", "1", "1.0", "2008-01-31", "2008-02-01", "-40.0", "7242", "", "72148"),
        ("p", "1", "2.0", "2008-01-31", "2008-02-01", "0", "7242", "72148", None),
    ]
    raw = spark.createDataFrame(rows, ", ".join(f"{name} string" for name in names.split()))
    ends = date(2008, 2, 1)
    assert lines_of(raw, "outpatient") == {
        "1": ("7242", [(1, None, -4000, -4000), (2, "72148", 0, 0)], False, ends),
        "1-2": ("7242", [(1, "72148", 0, 0)], False, ends),
    }


# --- members ----------------------------------------------------------------------------------------------------------


def test_the_fact_known_first_holds_and_later_deliveries_correct(frame: Frame) -> None:
    facts = frame(
        """member_key | person_id | birth_date | sex | death_date | state | known_from
           1          | a         |            | U   |            | TX    | 2019-01-01
           1          | a         | 1980-01-02 | M   | 2021-02-02 | TX    | 2020-01-01
           1          | a         | 1980-01-03 | F   | 2021-02-01 | NY    | 2021-01-01
           1          | a         |            | U   |            | TX    | 2021-06-01
           2          | b         |            | U   |            | CA    | 2019-01-01
           2          | b         | 1990-01-01 | F   |            | NV    | 2020-01-01
           3          | c         |            | U   |            |       | 2019-01-01""",
        ", ".join(f"{name} {kind}" for name, kind in {"member_key": "bigint", **COVER_FORM}.items()),
    )
    held = frame(
        """member_key | person_id | birth_date | sex | death_date | residences
           2          | b         | 1991-01-01 | M   | 2020-01-01 | [{"from_date":"2019-01-01","state":"NY"}]
           4          | d         | 1992-01-01 | M   |            | []""",
        MEMBERS.ddl,
    )
    texas = '{"from_date":"2019-01-01","state":"TX"},{"from_date":"2021-01-01","state":"NY"}'
    west = '{"from_date":"2019-01-01","state":"CA"},{"from_date":"2020-01-01","state":"NV"}'
    expected = frame(
        f"""member_key | person_id | birth_date | sex | death_date | residences
            1          | a         | 1980-01-02 | M   | 2021-02-01 | [{texas},{{"from_date":"2021-06-01","state":"TX"}}]
            2          | b         | 1990-01-01 | F   | 2020-01-01 | [{west}]
            3          | c         |            | U   |            | []
            4          | d         | 1992-01-01 | M   |            | []""",
        MEMBERS.ddl,
    )
    assertDataFrameEqual(build_members(facts, held), expected)
    assertDataFrameEqual(build_members(facts.repartition(5), held.repartition(3)), expected)
