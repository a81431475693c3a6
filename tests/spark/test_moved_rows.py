"""Which rows an ingest moves, and how often it reads the tables: of wide and many rows as few as can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from tests.tuva_claims import DELIVERY, raw_claims

from counterpart.sources import ClaimsDelivery, IngestContext, broadcasts, build_claims
from counterpart.tables import CLAIMS_TABLES

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]
Built = tuple[ClaimsDelivery, dict[str, DataFrame]]


@pytest.fixture(scope="module", autouse=True)
def without_broadcast(spark: SparkSession) -> Iterator[None]:
    """Spark's own limit is off, as keys of two million members would be over it."""
    limit = spark.conf.get("spark.sql.autoBroadcastJoinThreshold")
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    yield
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", limit)


def plan_of(rows: DataFrame) -> str:
    return rows._jdf.queryExecution().executedPlan().toString()


def build(raw: dict[str, DataFrame], existing: dict[str, DataFrame] | None = None) -> Built:
    """The delivery, and what was staged for it, as it was before."""
    staged: dict[str, DataFrame] = {}

    def stage(name: str, rows: DataFrame) -> DataFrame:
        staged[name] = rows
        return rows.localCheckpoint()

    made = build_claims("tuva", raw, IngestContext("x", date(2021, 10, 15), existing=existing or {}, stage=stage))
    return made, staged


@pytest.fixture(scope="module")
def first(frame: Frame, without_broadcast: None) -> Built:
    """A first delivery."""
    return build(raw_claims(frame, DELIVERY))


def sorted_in(frames: dict[str, DataFrame]) -> set[str]:
    return {name for name, rows in frames.items() if "SortMergeJoin" in plan_of(rows)}


def test_no_wide_row_is_moved_before_it_is_written(first: Built) -> None:
    made, staged = first
    wide = {name: rows for name, rows in staged.items() if name.endswith("_drafts")}
    wide |= {name: getattr(made, name) for name in ("medical", "pharmacy", "quarantine", "intake")}
    assert len(wide) == 6
    assert sorted_in(wide) == set()


def test_where_too_many_keys_come_again_they_are_moved_once(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not for each that reads them."""
    monkeypatch.setattr(broadcasts, "MOST_BROADCAST_BYTES", 0)
    made, staged = build(raw_claims(frame, DELIVERY))
    tables = ("medical", "pharmacy")
    moved = {f"{table}_{work}" for table in tables for work in ("drafts", "parted")}
    assert moved <= sorted_in(staged)
    assert sorted_in({name: getattr(made, name) for name in (*tables, "quarantine", "intake")}) == set()
    assert made.medical.count() == 11


def test_a_later_delivery_reads_the_lines_of_the_tables_once(
    first: Built, frame: Frame, spark: SparkSession, tmp_path: Path
) -> None:
    """To find what it may be about: whatever the tables hold, few of their lines go on."""
    made, _ = first
    for table in CLAIMS_TABLES:
        getattr(made, table.name).write.parquet(f"{tmp_path}/{table.name}")
    existing = {table.name: spark.read.parquet(f"{tmp_path}/{table.name}") for table in CLAIMS_TABLES}
    later, staged = build(raw_claims(frame, DELIVERY), existing)
    for table, added, retired in (
        ("medical", later.medical, later.medical_retired),
        ("pharmacy", later.pharmacy, later.pharmacy_retired),
    ):
        frames = {**staged, "added": added, "retired": retired, "intake": later.intake}
        readers = {
            name
            for name, rows in frames.items()
            if any(file.startswith(f"file://{tmp_path}/{table}/") for file in rows.inputFiles())
        }
        assert readers == {f"{table}_held"}
        assert "SortMergeJoin" not in plan_of(staged[f"{table}_held"])
        assert added.isEmpty()
        assert retired.isEmpty()
