"""Upkeep on real Delta tables: files before and after, the rows the same, old versions as long as the site says."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.notes import Notes

from counterpart.protocol import Upkeep
from counterpart.records import StageResult
from counterpart.stages import upkeep as upkeep_stage
from counterpart.stages.upkeep import choose_partitions, keep_up, take_versions, tell_lost
from counterpart.store import Store
from counterpart.tables import PHARMACY, RESULTS

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

FORTY_DAYS = 40 * 24 * 3600
KEPT_FOR = ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration")


def fills(frame: Frame, claim: str, days: Sequence[str]) -> DataFrame:
    rows = frame("dispensing_date\n" + "\n".join(days), "dispensing_date date")
    period = F.year("dispensing_date") * 100 + F.month("dispensing_date")
    told = {"claim_id": F.lit(claim), "member_key": F.lit(1), "line_number": F.lit(1), "version_hash": F.lit(1)}
    rows = rows.withColumns(told | {"service_period": period, "service_month": period, "member_bucket": F.lit(0)})
    return rows.select(*(F.col(n) if n in rows.columns else F.lit(None).alias(n) for n in PHARMACY.columns)).select(
        *(F.col(n).cast(kind) for n, kind in PHARMACY.columns.items())
    )


def add(store: Store, rows: DataFrame) -> None:
    store.change_lines(PHARMACY, rows, None, {}, store.find_versions([PHARMACY]))


def by_period(store: Store) -> dict[str, int]:
    """Files of the newest version by month."""
    return dict(Counter(re.findall(r"service_period=(\d+)", " ".join(store.files(PHARMACY)))))


def on_disk(store: Store) -> int:
    return len(list(Path(store.path(PHARMACY)).rglob("*.parquet")))


def age(table: Path, seconds: int) -> None:
    """Make a Delta table older: its files, its commits, and what it says of when files were taken out."""
    for commit in table.glob("_delta_log/*.json"):
        told = re.sub(
            r'(?<="deletionTimestamp":)(\d+)', lambda at: str(int(at[0]) - 1000 * seconds), commit.read_text()
        )
        commit.write_text(told)
        crc = commit.with_name(f".{commit.name}.crc")
        crc.unlink(missing_ok=True)
    for number, path in enumerate(sorted(table.rglob("*"))):
        then = time.time() - seconds + number
        os.utime(path, (then, then))


def test_files_are_joined_where_an_ingest_wrote_and_removed_when_they_are_old(
    spark: SparkSession, frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, notes = Store(spark, f"{tmp_path}/tables"), Notes()
    for claim, days in (("a", ("2020-01-31", "2020-02-01")), ("b", ("2020-01-31", "2020-02-01"))):
        add(store, fills(frame, claim, days))
    before = take_versions(store)
    add(store, fills(frame, "c", ["2020-02-01"]))
    assert (before, by_period(store)) == ({"pharmacy": 2}, {"202001": 2, "202002": 3})
    rows = store.read(PHARMACY).localCheckpoint()
    for upkeep in (Upkeep(optimize="never"), Upkeep()):  # three files are few
        keep_up(store, upkeep, [PHARMACY], before, notes)
    assert (store.version(PHARMACY), notes.said) == (3, [])
    monkeypatch.setattr(upkeep_stage, "_MANY_FILES", 2)
    keep_up(store, Upkeep(), [PHARMACY], before, notes)
    # January was not written to.
    assert (by_period(store), store.version(PHARMACY)) == ({"202001": 2, "202002": 1}, 4)
    assert notes.said == ["upkeep: pharmacy: 5 files joined to 3, in 1 periods"]
    assert on_disk(store) == 6
    for version in (3, 4):
        assertDataFrameEqual(store.read(PHARMACY, version), rows)
    assert_all_is_joined_after_an_interrupted_ingest(copied(store, tmp_path / "repeated"))
    inputs, now = {"tables": {"pharmacy": 3}}, datetime.now(timezone.utc).replace(microsecond=0)
    store.record(StageResult("cohort", "back_pain", "key", inputs, {}, now), "protocol", "code")
    later = copied(store, tmp_path / "later")
    age(tmp_path / "later/pharmacy", FORTY_DAYS)
    assert_old_files_are_removed_and_told(later, rows)
    assert store.properties(PHARMACY)[KEPT_FOR[0]] == "interval 30 days"


def copied(store: Store, folder: Path) -> Store:
    """The same tables in another place, to go on from there in another way."""
    shutil.copytree(store.warehouse, folder)
    return Store(store.spark, str(folder))


def assert_all_is_joined_after_an_interrupted_ingest(repeated: Store) -> None:
    """Which files its first half wrote is not known."""
    told = Notes()
    keep_up(repeated, Upkeep(), [PHARMACY], {"pharmacy": 4}, told)
    assert (by_period(repeated), told.said) == ({"202001": 2, "202002": 1}, [])
    keep_up(repeated, Upkeep(), [PHARMACY], take_versions(repeated, is_repeated=True), told)
    assert (by_period(repeated), told.said) == (
        {"202001": 1, "202002": 1},
        ["upkeep: pharmacy: 3 files joined to 2, in 1 periods"],
    )


def assert_old_files_are_removed_and_told(later: Store, rows: DataFrame) -> None:
    """A study has read version 3, forty days ago."""
    notes, upkeep = Notes(), Upkeep(optimize="all", vacuum=True, retain_days=14)
    keep_up(later, upkeep, [PHARMACY], {"pharmacy": 3}, notes)
    assert notes.said == [
        "upkeep: pharmacy: versions are kept for 14 days from now on",
        "upkeep: pharmacy: 3 files joined to 2, in 1 periods",
        "upkeep: pharmacy: version 3 cannot be read any more, its files are older than 14 days; read by back_pain, "
        "whose results stay",
        "upkeep: pharmacy: removed files older than 14 days that no kept version uses",
    ]
    # The three of February are gone. The two of January were joined just now: versions of yesterday need them.
    assert (by_period(later), on_disk(later)) == ({"202001": 1, "202002": 1}, 4)
    assertDataFrameEqual(later.read(PHARMACY), rows)
    assertDataFrameEqual(later.read(PHARMACY, 4), rows)
    properties = later.properties(PHARMACY)
    assert {name: properties[name] for name in KEPT_FOR} == dict.fromkeys(KEPT_FOR, "interval 14 days")
    # What is gone is told once.
    assert not list(tell_lost(later, PHARMACY, 14))


def test_only_partitions_that_were_written_to_and_have_many_files() -> None:
    def file(period: int, bucket: int, name: str) -> str:
        return f"s3a://b/pharmacy/service_period={period}/member_bucket={bucket}/{name}.parquet"

    lone, pair = {file(202001, 0, "a"), file(202001, 1, "a")}, {file(202002, 1, "a"), file(202002, 1, "b")}
    other = {file(202003, 0, name) for name in "abc"}
    held = lone | pair | other
    assert choose_partitions(held, {file(202001, 0, "a"), file(202002, 1, "b")}, 2) == [(202002, 1)]
    assert choose_partitions(held, held, 2) == [(202002, 1), (202003, 0)]
    assert choose_partitions(held, held, 3) == [(202003, 0)]
    assert choose_partitions(set(), set(), 2) == []


def test_other_buckets_of_a_period_stay_as_they_lie(
    spark: SparkSession, frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction of a few members."""
    monkeypatch.setattr(upkeep_stage, "_MANY_FILES", 3)
    store, notes = Store(spark, f"{tmp_path}/tables"), Notes()
    both, days = F.explode(F.array(F.lit(0), F.lit(1))).alias("member_bucket"), ("2020-01-31", "2020-02-01")
    for claim in "ab":
        rows = fills(frame, claim, days)
        add(store, rows.drop("member_bucket").select("*", both))
    before = take_versions(store)
    rows = fills(frame, "c", days)
    bucket = F.when(F.col("service_period") == 202001, 1).otherwise(0)
    add(store, rows.withColumn("member_bucket", bucket))
    held = store.read(PHARMACY).localCheckpoint()
    keep_up(store, Upkeep(), [PHARMACY], before, notes)
    partition = re.compile(r"service_period=(\d+)/member_bucket=(\d)")
    n_files = Counter(partition.findall(" ".join(store.files(PHARMACY))))
    assert n_files == {("202001", "0"): 2, ("202001", "1"): 1, ("202002", "0"): 1, ("202002", "1"): 2}
    assertDataFrameEqual(store.read(PHARMACY), held)


def test_records_of_stages_are_joined_when_they_are_many(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an ingest changed: each stage adds a file."""
    monkeypatch.setattr(upkeep_stage, "_MANY_RECORDS", 3)
    store, now = Store(spark, f"{tmp_path}/tables"), datetime.now(timezone.utc).replace(microsecond=0)
    n_files = []
    for key in "abc":
        store.record(StageResult("cohort", "back_pain", key, {}, {}, now), "protocol", "code")
        keep_up(store, Upkeep(), [], {}, Notes())
        n_files.append(len(store.files(RESULTS)))
    assert n_files == [1, 2, 1]
    assert set(store.finished()) == {"a", "b", "c"}
