"""CCW research files of another hand: CMS's three made-up people by Synthea, and one who is odd on purpose."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.notes import Notes

from counterpart.codes import decode
from counterpart.protocol import Site
from counterpart.stages.ingestion import IngestReport, ingest
from counterpart.store import Store
from counterpart.tables import ENROLLMENT, MEDICAL, MEMBERS, PHARMACY

pytestmark = [pytest.mark.spark, pytest.mark.study, pytest.mark.realdata]

# Claims by person and file as export_summary.csv beside the files counts them. A facility's file is told by the type
# of bill: 13 outpatient, 11 inpatient, 21 skilled nursing, 33 home health, 81 hospice.
CLAIMS = {
    ("-1000006", "professional", None): 6,
    ("-1000006", "institutional", "13"): 3,
    ("-1000006", "institutional", "21"): 1,
    ("-1000014", "professional", None): 8,
    ("-1000014", "institutional", "11"): 1,
    ("-1000014", "institutional", "13"): 16,
    ("-1000014", "institutional", "33"): 14,
    ("-1000014", "institutional", "81"): 1,
    ("-1000018", "professional", None): 23,
    ("-1000018", "dme", None): 1,
    ("-1000018", "institutional", "11"): 15,
}
FILLS = {"-1000014": 16, "-1000018": 2}
SYNTHEA = {
    # The file of 2018 says 2019 in its rows: three people have a year twice, and a gap before it.
    ("beneficiary", "kept", "as_sent"): 6,
    ("beneficiary", "merged", "adjacent_span"): 24,
    ("beneficiary", "merged", "duplicate"): 3,
    ("carrier", "kept", "as_sent"): 221,
    ("dme", "kept", "as_sent"): 1,
    ("outpatient", "kept", "as_sent"): 18,
    # One line's day lies outside the days of its claim.
    ("outpatient", "kept", "mended"): 1,
    ("inpatient", "kept", "as_sent"): 16,
    ("snf", "kept", "as_sent"): 67,
    ("hha", "kept", "as_sent"): 15,
    ("hospice", "kept", "as_sent"): 8,
    ("pde", "kept", "as_sent"): 18,
}
ODD_PERSON = "567834"
ODD = {
    # 2018 lies in two files, and six more years in a third; each is cover for two months.
    ("beneficiary", "kept", "as_sent"): 7,
    ("beneficiary", "merged", "duplicate"): 1,
    ("carrier", "kept", "as_sent"): 7,
    # The sixth line is told twice with different procedures.
    ("carrier", "merged", "superseded"): 1,
    # Its procedure is 345, which is none; that of hospice is A5C.
    ("dme", "kept", "unreadable_code"): 1,
    ("outpatient", "quarantined", "denied"): 1,
    ("inpatient", "quarantined", "denied"): 1,
    ("snf", "quarantined", "denied"): 1,
    # The reason given why these were not paid is that payment is requested.
    ("hha", "kept", "as_sent"): 1,
    ("hospice", "kept", "unreadable_code"): 1,
    ("pde", "kept", "as_sent"): 1,
}


def lay_together(files: Path, folder: Path) -> None:
    """The files of the three people, with the odd one's rows at their ends; beneficiaries stay one file a year."""
    for file in files.glob("beneficiary_2*.csv"):
        shutil.copy(file, folder)
    for number, name in enumerate(("", "-with-backslash"), start=1):
        shutil.copy(files / f"static/sample-a-beneficiaries{name}.txt", folder / f"beneficiary_{number}.txt")
    shutil.copy(files / "static/sample-a-multiple-entries-same-bene.txt", folder / "beneficiary_3.txt")
    odd = {"carrier": ("bcarrier-multiple-lines", "bcarrier")}
    for table in ("carrier", "dme", "outpatient", "inpatient", "snf", "hha", "hospice", "pde"):
        heading, *rows = (files / f"{table}.csv").read_text(encoding="utf-8-sig").splitlines()
        for name in odd.get(table, (table,)):
            same, *more = (files / f"static/sample-a-{name}.txt").read_text(encoding="utf-8-sig").splitlines()
            assert same == heading
            rows += more
        (folder / f"{table}.csv").write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def store(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(spark, str(tmp_path_factory.mktemp("rif") / "tables"))


@pytest.fixture(scope="module")
def report(store: Store, public_claims: Path, tmp_path_factory: pytest.TempPathFactory) -> IngestReport:
    """Everything ingested once. The odd person's three denials are more than 5 % of small tables.

    That person died the day he was born: the rule for services after death would take all his rows.
    """
    folder = tmp_path_factory.mktemp("claims")
    lay_together(public_claims / "rif_synthea", folder)
    source = {"layout": "rif", "path": str(folder)}
    limits = {"max_quarantined": 0.1, "rules": {"after_death": "keep"}}
    document = {"name": "s", "warehouse": store.warehouse, "reports": "r", "source": source, **limits}
    return ingest(store, Site.model_validate(document), Notes(), date(2022, 12, 31))


def test_every_row_is_accounted_for(report: IngestReport) -> None:
    fates = {(row["source"], row["fate"], row["rule"]): row["n_rows"] for row in report.intake.to_dict("records")}
    assert fates == Counter(SYNTHEA) + Counter(ODD)


def test_claims_are_not_lines(report: IngestReport, store: Store) -> None:
    """One row a line, the header repeated: 347 lines are 89 claims."""
    people = store.read(MEMBERS).select("member_key", "person_id").filter(F.col("person_id") != ODD_PERSON)
    kind = F.when(F.col("claim_type") == "institutional", F.substring("bill_type", 1, 2)).alias("bill")
    claims = store.read(MEDICAL).join(people, "member_key").groupBy("person_id", "claim_type", kind)
    counted = claims.agg(F.countDistinct("claim_id").alias("n")).collect()
    assert {tuple(row)[:3]: row["n"] for row in counted} == CLAIMS
    fills = store.read(PHARMACY).join(people, "member_key").groupBy("person_id").count().collect()
    assert {row[0]: row[1] for row in fills} == FILLS
    nursing = store.read(MEDICAL).filter("bill_type LIKE '21%'")
    (stay,) = nursing.agg(F.sum("paid_cents"), F.count("*"), F.countDistinct("diagnoses")).collect()
    assert tuple(stay) == (3_205_284, 67, 1)


def test_cover_runs_by_month(report: IngestReport, store: Store) -> None:
    """Parts A and B to May 2021 but for 2018, and Part D from December 2014; the odd person left a plan in November."""
    spans = store.read(ENROLLMENT).join(store.read(MEMBERS), "member_key").collect()
    found = {(row["person_id"], row["benefit"], str(row["start_date"])): str(row["end_date"]) for row in spans}
    assert {key[1:]: end for key, end in found.items() if key[0] == "-1000018"} == {
        ("medical", "2011-01-01"): "2017-12-31",
        ("medical", "2019-01-01"): "2021-05-31",
        ("pharmacy", "2014-12-01"): "2016-12-31",
        ("pharmacy", "2020-01-01"): "2021-05-31",
    }
    assert found[ODD_PERSON, "medical", "2018-11-01"] == "2018-12-31"
    assert found[ODD_PERSON, "pharmacy", "2018-01-01"] == "2018-11-30"


def test_odd_values_are_read_as_far_as_they_can_be(report: IngestReport, store: Store) -> None:
    """Nine zeros are no NDC; revenue codes without their zeros, and versions of codes that change within a claim."""
    odd = store.read(MEMBERS).filter(F.col("person_id") == ODD_PERSON)
    (member,) = odd.collect()
    assert (member["birth_date"], member["death_date"], member["sex"]) == (date(1981, 3, 17), date(1981, 3, 17), "M")
    assert [row["ndc"] for row in store.read(PHARMACY).join(odd, "member_key").collect()] == [None]
    lines = {
        (row["claim_id"], row["line_number"]): row for row in store.read(MEDICAL).join(odd, "member_key").collect()
    }
    assert {key[1] for key in lines if key[0] == "9991831999"} == {1, 2, 3, 4, 5, 6, 7}
    hospice = lines["9992223422", 1]
    assert (decode(hospice["revenue"]), str(hospice["service_date"])) == (("revenue", "0651"), "2014-01-01")
    told = {" ".join(decode(code)) for code in hospice["diagnoses"]}
    assert told == {"icd9cm 72761", "icd10cm B30", "icd10cm B01", "icd10cm A52"}
