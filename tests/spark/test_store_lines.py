"""Claim lines are added and taken out in one commit, sorted into files; of writes that cross each other one is made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart import commits
from counterpart.errors import ConflictError
from counterpart.protocol import Upkeep
from counterpart.store import Store
from counterpart.tables import PHARMACY, PROGRAM, UNMATCHED

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

FILLS = "member_key bigint, claim_id string, dispensing_date date, paid_cents bigint, version_hash bigint"


def fills(frame: Frame, text: str) -> DataFrame:
    rows = frame(text, FILLS).withColumns({"line_number": F.lit(1), "allowed_cents": F.col("paid_cents")})
    month = F.year("dispensing_date") * 100 + F.month("dispensing_date")
    rows = rows.withColumns(
        {"service_month": month, "service_period": month, "member_bucket": (F.col("member_key") % 2).cast("int")}
    )
    missing = {name: kind for name, kind in PHARMACY.columns.items() if name not in rows.columns}
    return rows.withColumns({name: F.lit(None).cast(kind) for name, kind in missing.items()}).select(*PHARMACY.columns)


def change_lines(store: Store, *change: Any, **options: Any) -> bool:
    """As an ingest that is alone."""
    added, retired, properties = change
    return store.change_lines(PHARMACY, added, retired, properties, store.find_versions([PHARMACY]), **options)


def test_lines_are_added_corrected_and_taken_out(store: Store, frame: Frame) -> None:
    table = fills(
        frame,
        """member_key | claim_id | dispensing_date | paid_cents | version_hash
           3          | late     | 2020-01-31      | 100        | 1
           1          | stays    | 2020-01-31      | 100        | 1
           1          | stays    | 2020-01-01      | 100        | 1
           1          | moves    | 2020-01-31      | 100        | 1
           1          | changes  | 2020-02-01      | 100        | 1
           2          | goes     | 2020-02-01      | 100        | 1""",
    ).withColumn("line_number", F.when(F.dayofmonth("dispensing_date") == 1, 2).otherwise(1))
    added = fills(
        frame,
        """member_key | claim_id | dispensing_date | paid_cents | version_hash
           1          | moves    | 2020-03-01      | 100        | 2
           1          | changes  | 2020-02-01      | 90         | 2
           2          | new      | 2020-02-01      | 100        | 1""",
    ).withColumn("line_number", F.when(F.col("claim_id") == "changes", 2).otherwise(1))
    change_lines(store, table, None, {"counterpart.member_buckets": "2"})
    change_lines(store, table.limit(0), table.limit(0), {})
    assert (store.version(PHARMACY), store.properties(PHARMACY)["counterpart.member_buckets"]) == (1, "2")
    retired = table.filter("claim_id IN ('moves', 'changes', 'goes')")
    change_lines(store, added, retired, {})
    expected = table.filter("claim_id IN ('late', 'stays')").unionAll(added)
    assertDataFrameEqual(store.read(PHARMACY), expected)
    assert store.version(PHARMACY) == 2
    assertDataFrameEqual(store.read(PHARMACY, version=1), table)


@pytest.mark.parametrize("n_lines", [0, 40_000_000])
def test_files_are_by_month_and_bucket_sorted_by_member_and_day(
    store: Store, frame: Frame, spark: SparkSession, n_lines: int
) -> None:
    """However many tasks sort them."""
    days = [f"2020-0{month}-{day:02d}" for month in (1, 2) for day in (28, 3, 17)]
    lines = "\n".join(f"{member} | c{member} | {day} | 1 | 1" for day in days for member in (4, 1, 3, 2))
    change_lines(
        store,
        fills(frame, f"member_key | claim_id | dispensing_date | paid_cents | version_hash\n{lines}"),
        None,
        {},
        n_lines=n_lines,
    )
    parts = sorted(Path(store.path(PHARMACY)).glob("service_period=*/member_bucket=*/*.parquet"))
    assert len(parts) == len({part.parent for part in parts}) == 4
    for part in parts:
        rows = [tuple(row) for row in spark.read.parquet(str(part)).select("member_key", "dispensing_date").collect()]
        assert len(rows) == 6
        assert rows == sorted(rows)


ONE_FILL = """member_key | claim_id | dispensing_date | paid_cents | version_hash
              1          | {claim}  | 2020-0{month}-01 | 100      | 1"""


def one_fill(frame: Frame, claim: str, month: int = 1) -> DataFrame:
    return fills(frame, ONE_FILL.format(claim=claim, month=month))


def test_of_two_ingests_that_found_the_same_table_one_changes_it(store: Store, frame: Frame) -> None:
    """Whatever they add, and where no table was there to find."""
    for claims in (("a", "b"), ("c", "c")):
        first, second = (store.find_versions([PHARMACY]) for _ in range(2))
        assert store.change_lines(PHARMACY, one_fill(frame, claims[0]), None, {}, first)
        with pytest.raises(ConflictError, match="table pharmacy was changed by another run after this one had read it"):
            store.change_lines(PHARMACY, one_fill(frame, claims[1]), None, {}, second)
        store.require_as_found([PHARMACY], first)
        with pytest.raises(ConflictError, match="table pharmacy was changed by another run"):
            store.require_as_found([PHARMACY], second)
    assert sorted(row.claim_id for row in store.read(PHARMACY).collect()) == ["a", "c"]


def test_a_correction_told_twice_at_once_is_made_once(store: Store, frame: Frame) -> None:
    """By MERGE; what joined files meanwhile stands in nobody's way."""
    store.change_lines(PHARMACY, old := one_fill(frame, "old"), None, {}, store.find_versions([PHARMACY]))
    first, second = (store.find_versions([PHARMACY]) for _ in range(2))
    store.set_properties(PHARMACY, {"counterpart.x": "1"})
    added = one_fill(frame, "new", 2)
    assert store.change_lines(PHARMACY, added, old, {}, first)
    with pytest.raises(ConflictError):
        store.change_lines(PHARMACY, added, old, {}, second)
    assert store.require_as_found([PHARMACY], first) == {"pharmacy": 3}
    assertDataFrameEqual(store.read(PHARMACY), added)
    third = store.find_versions([PHARMACY])
    assert store.change_lines(PHARMACY, old, added, {}, third)
    assertDataFrameEqual(store.read(PHARMACY), old)


def test_while_a_correction_is_at_work_in_a_session_nothing_else_is_written_in_it(store: Store, frame: Frame) -> None:
    """A thread's study: its rows would have the correction's name, under which Delta takes but one write to a table."""
    rows = frame("unit_id | reason\n 7 | caliper", UNMATCHED.ddl)
    store.write_result(UNMATCHED, rows, "before")
    with commits.statement_with(store.spark, {"txnAppId": "counterpart", "txnVersion": "7"}):
        for _ in range(2):
            store.read(UNMATCHED).withColumn("result_key", F.lit("lost")).write.format("delta").mode("append").save(
                store.path(UNMATCHED)
            )
        with pytest.raises(ConflictError, match="correcting claims in this Spark session"):
            store.write_result(UNMATCHED, rows, "meanwhile")
    assert store.read_result(UNMATCHED, "lost").count() == 1  # of 1 and 2
    store.write_result(UNMATCHED, rows, "after")
    assertDataFrameEqual(store.read_result(UNMATCHED, "after"), rows)


@pytest.mark.parametrize("is_merge", [False, True])
def test_a_change_that_another_one_crosses_is_refused(store: Store, frame: Frame, is_merge: bool) -> None:
    """In other months, where Delta sees no conflict: another ingest commits while this one is about to write."""
    held = one_fill(frame, "held")
    store.change_lines(PHARMACY, held, None, {}, store.find_versions([PHARMACY]))
    crossed, crossing = (store.find_versions([PHARMACY]) for _ in range(2))
    seen = iter([False])

    def cross() -> None:
        if not next(seen, True):
            store.change_lines(PHARMACY, one_fill(frame, "crossing", 3), None, {}, crossing)

    exists, version = commits.changers_since, store.version(PHARMACY)

    def look(*asked: Any) -> Any:
        told = exists(*asked)
        cross()
        return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commits, "changers_since", look)
        with pytest.raises(ConflictError, match="table pharmacy was changed by another run"):
            store.change_lines(PHARMACY, one_fill(frame, "crossed", 2), held if is_merge else None, {}, crossed)
    assert store.version(PHARMACY) == version + 1
    assert sorted(row.claim_id for row in store.read(PHARMACY).collect()) == ["crossing", "held"]


def test_of_two_ingests_one_replaces_members(store: Store, spark: SparkSession) -> None:
    rows = spark.createDataFrame([(1, "digital", date(2020, 1, 1), None)], PROGRAM.ddl)
    for _ in range(2):
        first, second = (store.find_versions([PROGRAM]) for _ in range(2))
        store.replace(PROGRAM, rows, first)
        with pytest.raises(ConflictError, match="table program was changed by another run"):
            store.replace(PROGRAM, rows.limit(0), second)
        assertDataFrameEqual(store.read(PROGRAM), rows)
    # Whatever was committed since then that leaves the rows alone.
    for days in range(8, 12):
        store.set_properties(PROGRAM, Upkeep(retain_days=days).as_properties())
    with pytest.raises(ConflictError, match="table program was changed by another run"):
        store.replace(PROGRAM, rows.limit(0), second)


def test_a_relative_folder_is_one_of_this_machine(spark: SparkSession, tmp_path: Path, monkeypatch) -> None:
    """Delta refuses tables at relative places; an address keeps its form."""
    monkeypatch.chdir(tmp_path)
    assert Store(spark, "demo/tables").warehouse == f"{tmp_path}/demo/tables"
    assert Store(spark, "s3a://bucket/tables/").warehouse == "s3a://bucket/tables"
    store = Store(spark, "tables")
    change_lines(store, spark.createDataFrame([], PHARMACY.ddl), None, {})
    assert store.version(PHARMACY) >= 0
    assert (tmp_path / "tables" / "pharmacy" / "_delta_log").is_dir()
