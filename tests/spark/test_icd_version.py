"""Diagnoses that do not say whether they are ICD-9 or ICD-10, read by the day and by their letters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from counterpart.codes import decode
from counterpart.protocol import SourceMapping
from counterpart.sources.layout import MEDICAL_FORM, Layout
from counterpart.sources.mapped import mapped_layout
from counterpart.sources.rif import RIF
from counterpart.sources.tuva import TUVA

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

CASES = """case         | type          | start      | end        | told | first | second | codes
           over it      | Institutional | 2015-09-28 | 2015-10-05 |      | I50.9 |        | icd10cm:I509
           over it V    | institutional | 2015-09-28 | 2015-10-05 |      | V70.0 |        | icd10cm:V700
           last old day | institutional | 2015-09-28 | 2015-09-30 |      | 428.0 | V70.0  | icd9cm:4280 icd9cm:V700
           no end       | institutional | 2015-09-28 |            |      | 428.0 |        | icd9cm:4280
           visit        | professional  | 2015-09-28 | 2015-10-05 |      | 428.0 | V70.0  | icd9cm:4280 icd9cm:V700
           by letter    | professional  | 2015-09-28 |            |      | V70.0 |  i50.9 | icd10cm:V700 icd10cm:I509
           no code      | professional  | 2015-09-28 |            |      | NONE  | V70.0  | icd9cm:NONE icd9cm:V700
           first day    | professional  | 2015-10-01 |            |      | V70.0 |        | icd10cm:V700
           told old     | institutional | 2015-10-01 | 2015-10-05 | 9    | 428.0 |        | icd9cm:4280
           told new     | professional  | 2015-09-28 |            | 10   | 428.0 |        | icd10cm:4280"""


def read(layout: Layout, table: str, lines: DataFrame) -> dict[str, str]:
    prepared = layout.prepare({table: lines})[table]
    row = layout.medical[0].rows(prepared, MEDICAL_FORM)
    found = prepared.select(row["claim_id"].alias("case"), row["diagnoses"].alias("codes")).collect()
    return {one["case"]: " ".join(":".join(decode(code)) for code in one["codes"]) for one in found}


def test_a_stay_goes_by_its_last_day_and_a_letter_may_decide(frame: Frame) -> None:
    cases = frame(CASES, ", ".join(f"{name} string" for name in "case type start end told first second codes".split()))
    expected = {row["case"]: row["codes"] for row in cases.collect()}
    absent = [name for name in TUVA.medical[0].required if name not in ("person_id", "claim_id")]
    tuva = cases.select(
        F.col("case").alias("claim_id"), F.col("type").alias("claim_type"), F.col("start").alias("claim_start_date"),
        F.col("end").alias("claim_end_date"), F.concat(F.lit("icd-"), "told").alias("diagnosis_code_type"),
        F.col("first").alias("diagnosis_code_1"), F.col("second").alias("diagnosis_code_2"),
    )  # fmt: skip
    missing = [name for name in absent if name not in tuva.columns]
    tuva = tuva.withColumns(dict.fromkeys((*missing, "person_id"), F.lit("1")))
    assert read(TUVA, "medical_claim", tuva) == expected
    line = {"person_id": "case", "claim_id": "case", "line_number": "told", "service_date": "start"}
    system = {"column": "told", "values": {"9": "icd9cm", "10": "icd10cm"}}
    diagnoses = {"columns": ["first", "second"], "system": system}
    lines = {**line, "service_end_date": "end", "claim_type": "type", "diagnoses": diagnoses}
    document = {"name": "payer", "eligibility": {"spans": {"person_id": "m"}}, "medical": {"lines": lines}}
    assert read(mapped_layout(SourceMapping.model_validate(document)), "lines", cases) == expected


def test_a_facility_of_the_research_files_goes_by_the_last_day_of_its_claim(frame: Frame) -> None:
    ddl = ", ".join(f"{name} string" for name in ("BENE_ID", "CLM_ID", "CLM_FROM_DT", "CLM_THRU_DT", "PRNCPAL_DGNS_CD"))
    claims = frame(
        """BENE_ID | CLM_ID    | CLM_FROM_DT | CLM_THRU_DT | PRNCPAL_DGNS_CD
           1       | over it   | 28-SEP-2015 | 05-OCT-2015 | V700
           1       | before    | 28-SEP-2015 | 30-SEP-2015 | V700
           1       | by letter | 28-SEP-2015 | 30-SEP-2015 | I509""",
        ddl,
    )
    nobody = frame("BENE_ID", "BENE_ID string")
    prepared = RIF.prepare({"beneficiary": nobody, "inpatient": claims, "carrier": claims})
    versions = {
        name: {row["CLM_ID"]: row["icd_version"] for row in prepared[name].collect()}
        for name in ("inpatient", "carrier")
    }
    assert versions == {
        "inpatient": {"over it": "0", "before": "9", "by letter": "0"},
        "carrier": {"over it": "9", "before": "9", "by letter": "0"},
    }
