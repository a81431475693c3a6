"""ICD procedures of facilities as sources write them: which ICD, which day, what was mended; and DRGs beside them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.tuva_claims import raw_claims

from counterpart.codes import decode
from counterpart.protocol import SourceMapping
from counterpart.sources.desynpuf import DESYNPUF
from counterpart.sources.facility_procedures import Span, add_procedures, numbered_columns, read_procedures
from counterpart.sources.layout import MEDICAL_FORM, Layout
from counterpart.sources.mapped import mapped_layout
from counterpart.sources.tuva import TUVA

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

# Claims from 10 to 20 January 2020. Behind each code is its day; the first of the claim is 10.
WRITTEN = """case            | px1     | day1       | px2     | day2       | is_mended | is_lost | read
             as they are     | 0SG0071 | 2020-01-12 | 8108    | 2020-01-13 | false     | false   | icd10pcs:0SG0071@12 icd9pcs:8108@13
             no day          | 0SG0071 |            | 8108    | NULL       | false     | false   | icd10pcs:0SG0071@10 icd9pcs:8108@10
             other days      | 0SG0071 | 12jan2020  | 8108    | 20200113   | false     | false   | icd10pcs:0SG0071@12 icd9pcs:8108@13
             dots and case   | 0sg0071 | 2020-01-12 | 81.08   | 2020-01-13 | true      | false   | icd10pcs:0SG0071@12 icd9pcs:8108@13
             floats          | 8108.0  | 2020-01-12 | 81.0    | 2020-01-13 | true      | false   | icd9pcs:8108@12 icd9pcs:810@13
             not first       |         | 2020-01-12 | 81 08   | 2020-01-13 | true      | false   | icd9pcs:8108@13
             twice           | 0SG0071 | 2020-01-12 | 0SG0071 | 2020-01-12 | false     | false   | icd10pcs:0SG0071@12
             on two days     | 0SG0071 | 2020-01-12 | 0SG0071 | 2020-01-13 | false     | false   | icd10pcs:0SG0071@12 icd10pcs:0SG0071@13
             edges           | 0SG0071 | 2020-01-07 | 8108    | 2020-01-20 | false     | false   | icd10pcs:0SG0071@7 icd9pcs:8108@20
             day before      | 0SG0071 | 2020-01-06 | 8108    | 2020-01-13 | true      | false   | icd10pcs:0SG0071@10 icd9pcs:8108@13
             day after       | 0SG0071 | 2020-01-21 | 8108    | 2020-01-13 | true      | false   | icd10pcs:0SG0071@10 icd9pcs:8108@13
             no calendar day | 0SG0071 | 2020-02-31 |         |            | true      | false   | icd10pcs:0SG0071@10
             no code         | 22612   | 2020-01-12 | N/A     | 2020-01-13 | false     | true    |
             a diagnosis     | M54.16  | 2020-01-12 | 8108    |            | false     | true    | icd9pcs:8108@10
             none            |         |            |         | 2020-01-13 | false     | false   |
"""  # noqa: E501  # the columns of a claim side by side


def texts_of(procedures: list | None) -> str:
    return " ".join(f"{':'.join(decode(code))}@{day.day}" for code, day in procedures or [])


def test_a_code_shows_which_icd_it_is_of_and_a_day_is_one_of_the_claim(frame: Frame) -> None:
    kinds = (
        "case string, px1 string, day1 string, px2 string, day2 string, is_mended boolean, is_lost boolean, read string"
    )
    rows = frame(WRITTEN, kinds)
    first, last = (F.lit(f"2020-01-{day}").cast("date") for day in (10, 20))
    added = add_procedures(rows, numbered_columns(rows, "px{}", "day{}", 2), Span.of_claim(first, last))
    found = added.select("case", *read_procedures(added), "is_mended", "is_lost", "read").collect()
    told = {one[0]: (texts_of(one[1]), one[2], one[3]) for one in found}
    assert told == {one[0]: (one["read"] or "", one["is_mended"], one["is_lost"]) for one in found}
    assert [one[1] for one in found if one[0] == "none"] == [None]


def test_a_claim_without_a_last_day_and_rows_without_columns(frame: Frame) -> None:
    rows = frame("px1 | day1\n 8108 | 2021-01-09\n 8108 | 2021-01-10", "px1 string, day1 date")
    first, nothing = F.lit("2020-01-10").cast("date"), F.lit(None).cast("date")
    added = add_procedures(rows, numbered_columns(rows, "px{}", "day{}", 2), Span.of_claim(first, nothing))
    days = added.select(F.col("day1"), read_procedures(added).listed).collect()
    assert [str(one[1][0][1]) for one in days] == ["2021-01-09", "2020-01-10"]
    assert add_procedures(rows, numbered_columns(rows, "other{}", "day{}", 2), Span(first, first, first)) is rows


def medical_rows(layout: Layout, raw: DataFrame, source: str, *names: str) -> DataFrame:
    """Columns of our form, as the layout reads a source's rows."""
    (read,) = (one for one in layout.medical if one.name == source)
    prepared = layout.prepare({source: raw})[source]
    row: dict[str, Column] = read.rows(prepared, MEDICAL_FORM)
    return prepared.select(*(row[name].alias(name) for name in names))


def told(rows: DataFrame) -> list[tuple]:
    """DRG, procedures and whether the row was mended, in words."""
    found = rows.select("drg", "facility_procedures", "is_mended").collect()
    return [(drg and ":".join(decode(drg)), texts_of(procedures), is_mended) for drg, procedures, is_mended in found]


NAMES = ("drg", "facility_procedures", "is_mended")


def test_tuva_has_days_of_procedures_and_drgs_of_one_grouper(frame: Frame) -> None:
    text = """claim | person | line | start      | end        | px      | px_day     | drg | kind
              a     | ann    | 1    | 2020-01-10 | 2020-01-20 | 0SG0071 | 2020-01-12 | 460 | ms-drg
              b     | ann    | 1    | 2020-01-10 |            | 0SG0071 |            | 39  |
              c     | ann    | 1    | 2020-01-10 |            |         | 2020-01-12 | 310 | APR-DRG"""
    names = {"px": "procedure_code_2", "px_day": "procedure_date_2", "drg": "drg_code", "kind": "drg_code_type"}
    raw = raw_claims(frame, {"medical_claim": text})["medical_claim"].withColumnsRenamed(names)
    assert told(medical_rows(TUVA, raw, "medical_claim", *NAMES)) == [
        ("drg:460", "icd10pcs:0SG0071@12", False),
        ("drg:039", "icd10pcs:0SG0071@10", True),
        (None, "", False),
    ]
    bare = medical_rows(TUVA, raw.drop(*names.values()), "medical_claim", *NAMES)
    assert told(bare) == [(None, "", False)] * 3
    assert "__procedures" not in TUVA.prepare({"medical_claim": raw.drop(*names.values())})["medical_claim"].columns


def test_synpuf_tells_no_days_and_diagnoses_among_its_procedures(spark: SparkSession) -> None:
    names = "DESYNPUF_ID CLM_ID CLM_FROM_DT CLM_THRU_DT CLM_PMT_AMT ICD9_DGNS_CD_1 HCPCS_CD_1"
    more = "CLM_DRG_CD ICD9_PRCDR_CD_1 ICD9_PRCDR_CD_2 ICD9_PRCDR_CD_3"
    row = ("p", "1", "2008-01-10", "2008-01-20", "40.0", "7242", "", "460", "8108", "25000", "0331")
    raw = spark.createDataFrame([row], ", ".join(f"{name} string" for name in (*names.split(), *more.split())))
    rows = medical_rows(DESYNPUF, raw, "inpatient", *NAMES)
    assert told(rows) == [("drg:460", "icd9pcs:8108@10 icd9pcs:0331@10", False)]


def test_a_mapping_names_codes_days_and_the_first_day_of_a_claim(spark: SparkSession) -> None:
    lines = {
        "person_id": "m", "claim_id": "c", "line_number": "n", "service_date": "d", "drg": "g",
        "facility_procedures": {"columns": ["p1..p2"], "dates": ["q1..q2"], "first_date": "f"},
    }  # fmt: skip
    document = {
        "name": "payer", "dates": ["mm/dd/yyyy"], "none": ["NONE"],
        "eligibility": {"spans": {"person_id": "m"}}, "medical": {"lines": lines},
    }  # fmt: skip
    rows = [
        ("1", "A", "1", "1/14/2020", "1/10/2020", "460", "0SG0071", "1/12/2020", "8108", None),
        ("1", "A", "2", "1/15/2020", "1/10/2020", "460", "0SG0071", "1/12/2020", "8108", "20200113"),
        ("1", "A", "3", "1/15/2020", None, None, "NONE", "1/12/2020", "8108", "NONE"),
    ]
    raw = spark.createDataFrame(rows, ", ".join(f"{name} string" for name in "m c n d f g p1 q1 p2 q2".split()))
    layout = mapped_layout(SourceMapping.model_validate(document))
    assert told(medical_rows(layout, raw, "lines", *NAMES)) == [
        ("drg:460", "icd10pcs:0SG0071@12 icd9pcs:8108@10", False),
        ("drg:460", "icd10pcs:0SG0071@12 icd9pcs:8108@10", True),
        (None, "icd9pcs:8108@15", False),
    ]
    assert not layout.icd_on_lines
    lines |= {"facility_procedures": ["p1"], "procedure": {"column": "p2", "system": "icd9pcs"}}
    layout = mapped_layout(SourceMapping.model_validate(document))
    assert layout.icd_on_lines
    assert told(medical_rows(layout, raw.limit(1), "lines", *NAMES)) == [("drg:460", "icd10pcs:0SG0071@14", False)]
