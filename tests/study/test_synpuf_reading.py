"""CMS DE-SynPUF read by its adapter into the tables: the counts that DuckDB took from the same files."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.notes import Notes
from tests.study.conftest import Installation

from counterpart.codes import CodeLibrary, is_in
from counterpart.protocol import Site
from counterpart.shipped import shipped_conf
from counterpart.stages.ingestion import IngestReport, ingest
from counterpart.store import Store
from counterpart.tables import CLAIMS_TABLES, ENROLLMENT, INTAKE, MEDICAL, MEMBERS, PHARMACY, PROGRAM, QUARANTINE

pytestmark = [pytest.mark.spark, pytest.mark.study, pytest.mark.realdata]

FILES = ("bene", "carrier", "outpatient", "inpatient", "pde")
INTAKE_ROWS = {
    ("carrier", "kept", "as_sent"): 16_677,
    ("outpatient", "kept", "as_sent"): 2_827,
    ("inpatient", "kept", "as_sent"): 181,
    # Of 225: their fields of procedures hold diagnoses of five characters, by DuckDB's count as well.
    ("inpatient", "kept", "unreadable_code"): 44,
    ("pde", "kept", "as_sent"): 17_443,
}
LINE_SIGNALS = {
    "physical_therapy": ("physical_therapy", "manual_therapy"),
    "chiropractic": ("chiropractic",),
    "xray": ("lumbar_xray",),
    "ct": ("lumbar_ct",),
    "mri": ("lumbar_mri",),
}
# (claims, people, person-dates), whatever the diagnosis and with low back pain on the claim; None: not counted.
COUNTS = {
    "physical_therapy": ((891, 267, 887), (246, 140, 244)),
    "chiropractic": ((377, 196, 376), (188, 129, 187)),
    "xray": ((None, 73, 93), (None, 37, 42)),
    "ct": ((None, None, 12), (None, None, 6)),
    "mri": ((None, 41, 45), (None, 30, 32)),
}


def bring_in(store: Store, folder: Path) -> IngestReport:
    source = {"layout": "desynpuf", "path": str(folder)}
    site = Site.model_validate({"name": "synpuf", "warehouse": store.warehouse, "reports": "r", "source": source})
    return ingest(store, site, Notes(), date(2010, 12, 31))


@pytest.fixture(scope="module")
def store(spark: SparkSession, synpuf: Installation) -> Store:
    return Store(spark, str(synpuf.warehouse))


@pytest.fixture(scope="module")
def report(store: Store, public_claims: Path) -> IngestReport:
    return bring_in(store, public_claims / "claimsdb_synpuf")


@pytest.fixture(scope="module")
def claims(report: IngestReport, store: Store) -> DataFrame:
    """One row per claim, with what its codes show by the shipped code sets."""
    library, on = CodeLibrary.load([shipped_conf() / "codesets"]), F.col("service_date")
    has_pain = F.exists("diagnoses", lambda code: is_in(library["low_back_pain"], code, on))
    shows = {
        name: F.greatest(*(is_in(library[codes], F.col("procedure"), on) for codes in sets), F.lit(False))
        for name, sets in LINE_SIGNALS.items()
    }
    flags = {"low_back_pain": has_pain, **shows}
    marked = store.read(MEDICAL).withColumns(flags)
    by_claim = marked.groupBy("member_key", "claim_id", "service_date", "claim_type")
    return by_claim.agg(*(F.max(name).alias(name) for name in flags)).localCheckpoint()


def sizes(claims: DataFrame, flags: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    """(claims, people, person-dates) of the claims each condition holds for, in one action."""
    counts = []
    for name, is_wanted in flags.items():
        keys = (("member_key", "claim_id"), ("member_key",), ("member_key", "service_date"))
        distinct = [F.count_distinct(F.when(is_wanted, F.struct(*key))) for key in keys]
        counts.append(F.array(*distinct).alias(name))
    (row,) = claims.agg(*counts).collect()
    return {name: tuple(row[name]) for name in flags}


def test_every_row_of_every_file_is_accounted_for(report: IngestReport, store: Store) -> None:
    found = {(row.source, row.fate, row.rule): row.n_rows for row in report.intake.itertuples()}
    assert {key: n for key, n in found.items() if key[0] != "bene"} == INTAKE_ROWS
    years = {key[1:]: n for key, n in found.items() if key[0] == "bene"}
    assert sum(years.values()) == 998
    assert set(years) <= {("kept", "as_sent"), ("merged", "adjacent_span"), ("merged", "no_cover")}
    assert store.read(QUARANTINE).isEmpty()
    assert store.read(PROGRAM).isEmpty()


def test_claims_people_and_fills_by_file(claims: DataFrame, store: Store) -> None:
    """Carrier claims are professional; outpatient and inpatient both are institutional."""
    is_professional = F.col("claim_type") == "professional"
    found = sizes(claims, {"professional": is_professional, "institutional": ~is_professional})
    assert found["professional"][:2] == (16_677, 407)
    assert found["institutional"][0] == 2_827 + 225
    (fills,) = store.read(PHARMACY).agg(F.count("*"), F.count_distinct("member_key"), F.count("ndc")).collect()
    assert tuple(fills)[:2] == (17_443, 397)
    ends = store.read(MEDICAL).agg(F.min("service_date"), F.max("service_date")).collect()
    assert tuple(ends[0]) == (date(2008, 1, 1), date(2009, 12, 31))


def test_back_pain_therapy_and_imaging_as_counted_by_other_software(claims: DataFrame) -> None:
    pain = F.col("low_back_pain")
    flags = {name: F.col(name) for name in ("low_back_pain", *COUNTS)}
    found = sizes(claims, flags | {f"{name} with pain": F.col(name) & pain for name in COUNTS})
    assert found.pop("low_back_pain") == (1_038, 295, 1_030)
    expected = {
        f"{name}{suffix}": pair[place]
        for name, pair in COUNTS.items()
        for place, suffix in enumerate(("", " with pain"))
    }
    known = {
        name: tuple(n if expected[name][place] is not None else None for place, n in enumerate(counts))
        for name, counts in found.items()
    }
    assert known == expected


def test_members_and_cover(report: IngestReport, store: Store) -> None:
    members = store.read(MEMBERS).toPandas()
    assert len(members) == 500
    assert set(members.sex) == {"F", "M"}
    assert members.birth_date.notna().all()
    assert members.death_date.notna().sum() == 14
    cover = store.read(ENROLLMENT).toPandas()
    assert set(cover.benefit) == {"medical", "pharmacy"}
    assert (cover.start_date.min(), cover.end_date.max()) == (date(2008, 1, 1), date(2009, 12, 31))
    spans = cover.sort_values("start_date").groupby(["member_key", "benefit"])
    ends_before = spans["end_date"].shift()
    gaps = [
        (start - end).days
        for start, end in zip(cover.start_date, ends_before.reindex(cover.index), strict=True)
        if end == end and end
    ]
    assert all(gap > 1 for gap in gaps)


def test_the_same_files_elsewhere_change_no_table(
    report: IngestReport, store: Store, public_claims: Path, tmp_path: Path
) -> None:
    """A copy is another delivery by name, size and time, so it is read again; every row is in the tables already."""
    for name in FILES:
        shutil.copy(public_claims / "claimsdb_synpuf" / f"{name}.csv", tmp_path)
    before = {table.name: store.version(table) for table in CLAIMS_TABLES}
    again = bring_in(store, tmp_path)
    assert not again.is_reused
    assert {table.name: store.version(table) for table in CLAIMS_TABLES} == before
    found = {(row.source, row.fate, row.rule): row.n_rows for row in again.intake.itertuples() if row.source != "bene"}
    expected: Counter[tuple[str, str, str]] = Counter()
    for (source, _, _), n_rows in INTAKE_ROWS.items():
        expected[source, "merged", "duplicate"] += n_rows
    assert found == expected
    intake = store.read(INTAKE).groupBy("delivery").agg(F.sum("n_rows")).collect()
    assert {row[0]: row[1] for row in intake} == dict.fromkeys((report.delivery, again.delivery), 38_170)
