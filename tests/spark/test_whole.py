"""Which state of the claims tables is read while an ingest is at work, and after one that was interrupted."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.notes import Notes

from counterpart.errors import DataError
from counterpart.records import INGESTED, StageResult
from counterpart.stages.whole import (
    LEFT,
    Begun,
    find_begun,
    find_received_on,
    note_begun,
    whole_deliveries,
    whole_tables,
    whole_version,
)
from counterpart.store import Store
from counterpart.tables import CONCEPT_ANCESTORS, PROGRAM

pytestmark = pytest.mark.spark

MONDAY, TUESDAY = date(2021, 10, 4), date(2021, 10, 5)


def write(store: Store, n_rows: int) -> None:
    number = F.col("id")
    rows = store.spark.range(n_rows).select(
        number.alias("member_key"), F.lit("digital").alias("program"), F.lit(MONDAY).alias("enrolled_on")
    )
    store.replace(PROGRAM, rows.withColumn("left_on", F.lit(None).cast("date")).coalesce(1))


def begin(store: Store, delivery: str, received_on: date) -> None:
    note_begun(store, delivery, received_on, store.find_versions((PROGRAM, CONCEPT_ANCESTORS)).versions)


def finish(store: Store, delivery: str, left: dict[str, int] | None = None) -> None:
    inputs = {} if left is None else {LEFT: left}
    store.record(StageResult(INGESTED, "", delivery, inputs, {}, datetime.now(timezone.utc)), "", "")


def version_read(store: Store, notes: Notes | None = None) -> int:
    return whole_tables(store, (PROGRAM,), notes or Notes())["program"].version


def test_tables_are_read_as_the_last_finished_ingest_left_them(spark: SparkSession, tmp_path: Path) -> None:
    store = Store(spark, str(tmp_path))
    with pytest.raises(DataError, match="run `counterpart ingest` first"):
        version_read(store)
    begin(store, "first", MONDAY)
    write(store, 1)
    with pytest.raises(DataError, match="the first ingest into"):
        version_read(store)
    finish(store, "first")
    assert (version_read(store), find_begun(store)) == (0, None)

    # Interrupted, and so is the one that came after it: both found version 0.
    for n_rows, delivery in ((2, "second"), (3, "third")):
        begin(store, delivery, TUESDAY)
        write(store, n_rows)
    assert find_begun(store) == Begun("third", TUESDAY, {"program": 0})
    assert version_read(store, notes := Notes()) == 0
    assert [line.partition(":")[0] for line in notes.said] == ["claims tables"]
    # The third is repeated; the second never is, which does not matter any more.
    finish(store, "third")
    assert (version_read(store), find_begun(store)) == (2, None)
    assert store.finished().keys() == {"first", "third"}
    # And if it is after all, it changes tables as any other does, by the day on which it came.
    begin(store, "second", find_received_on(store, "second"))
    write(store, 4)
    begin(store, "second", MONDAY)
    assert find_begun(store) == Begun("second", TUESDAY, {"program": 2})
    assert find_received_on(store, "fourth") is None
    assert whole_deliveries(store) == ["first", "third"]


def test_of_two_ingests_at_once_the_one_at_work_counts(spark: SparkSession, tmp_path: Path) -> None:
    store = Store(spark, str(tmp_path))
    write(store, 1)
    begin(store, "one", MONDAY)
    begin(store, "other", MONDAY)
    write(store, 2)
    finish(store, "one")
    assert version_read(store) == 0
    finish(store, "other")
    assert version_read(store) == 1


def test_an_ingest_that_goes_on_after_a_later_one_finished_is_not_read(spark: SparkSession, tmp_path: Path) -> None:
    store = Store(spark, str(tmp_path))
    write(store, 1)
    begin(store, "slow", MONDAY)
    begin(store, "quick", TUESDAY)
    write(store, 2)
    finish(store, "quick", {"program": 1})
    assert (version_read(store, notes := Notes()), notes.said) == (1, [])
    write(store, 3)
    assert version_read(store, notes) == 1
    assert [line.partition(";")[0] for line in notes.said] == [
        "claims tables: an ingest that began before the last is at work or was interrupted"
    ]
    # Files are joined after an ingest: the rows are what it left, and the small files may go.
    store.set_properties(PROGRAM, {"counterpart.x": "1"})
    begin(store, "third", TUESDAY)
    assert find_begun(store) == Begun("third", TUESDAY, {"program": 1})
    finish(store, "third", {"program": 3})
    assert version_read(store) == 3
    store.set_properties(PROGRAM, {"counterpart.x": "2"})
    assert version_read(store) == 4
    # Repeated after all it begins anew, and finds what the last one left.
    write(store, 4)
    begin(store, "slow", MONDAY)
    assert find_begun(store) == Begun("slow", MONDAY, {"program": 3})
    finish(store, "slow", {"program": 5})
    assert version_read(store) == 5


def test_the_vocabulary_is_read_as_an_ingest_found_it(spark: SparkSession, tmp_path: Path) -> None:
    store = Store(spark, str(tmp_path))
    rows = spark.createDataFrame([(1, 2)], CONCEPT_ANCESTORS.ddl)
    assert whole_version(store, CONCEPT_ANCESTORS) is None
    begin(store, "first", MONDAY)
    store.replace(CONCEPT_ANCESTORS, rows)
    assert whole_version(store, CONCEPT_ANCESTORS) is None
    finish(store, "first")
    begin(store, "second", MONDAY)
    store.replace(CONCEPT_ANCESTORS, rows)
    assert whole_version(store, CONCEPT_ANCESTORS) == 0
    finish(store, "second")
    assert whole_version(store, CONCEPT_ANCESTORS) == 1


def test_a_table_made_anew_has_another_commit_of_the_same_version(spark: SparkSession, tmp_path: Path) -> None:
    store, again = Store(spark, str(tmp_path / "one")), Store(spark, str(tmp_path / "other"))
    for one in (store, again):
        write(one, 1)
    one, other = store.commit(PROGRAM), again.commit(PROGRAM)
    assert one.version == other.version == 0
    assert one.at < other.at
    assert store.commit(PROGRAM, 0) == one
    with pytest.raises(DataError, match="has no version 7"):
        store.commit(PROGRAM, 7)
