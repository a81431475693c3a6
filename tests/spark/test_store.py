"""Delta in and out: results are replaced as a whole or not at all, and records are found by their key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart.errors import ContractError, DataError
from counterpart.records import StageResult
from counterpart.store import Store
from counterpart.tables import ATTRITION, INTAKE, MEMBERS, SCORE_HISTOGRAM, SCORES, UNMATCHED

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]


def units(frame: Frame, text: str) -> DataFrame:
    return frame(text, UNMATCHED.ddl)


def n_commits(store: Store, name: str) -> int:
    return len(list(Path(store.warehouse, name, "_delta_log").glob("*.json")))


def test_results_lie_side_by_side_and_are_replaced_by_key(store: Store, frame: Frame) -> None:
    mine = units(frame, "unit_id | reason\n 1 | caliper\n 2 | stratum")
    others = units(frame, "unit_id | reason\n 1 | reuse")
    newer = units(frame, "unit_id | reason\n 3 | caliper")
    store.write_result(UNMATCHED, mine, "mine")
    store.write_result(UNMATCHED, others, "others")
    store.write_result(UNMATCHED, newer, "mine")
    assertDataFrameEqual(store.read_result(UNMATCHED, "mine"), newer)
    assertDataFrameEqual(store.read_result(UNMATCHED, "others"), others)
    assert store.read_result(UNMATCHED, "nobody's").isEmpty()
    assert n_commits(store, "unmatched") == 3


def test_a_write_that_fails_leaves_what_was_there(store: Store, frame: Frame) -> None:
    before = units(frame, "unit_id | reason\n 1 | caliper\n 2 | stratum")
    store.write_result(UNMATCHED, before, "mine")
    failing = before.withColumn("reason", F.when(F.col("unit_id") == 1, "late").otherwise(F.raise_error(F.lit("no"))))
    with pytest.raises(Exception, match="no"):
        store.write_result(UNMATCHED, failing, "mine")
    assertDataFrameEqual(store.read_result(UNMATCHED, "mine"), before)
    assert store.version(UNMATCHED) == 0


def test_rows_that_break_the_contract_are_refused(store: Store, frame: Frame) -> None:
    twice = units(frame, "unit_id | reason\n 7 | caliper\n 7 | stratum")
    store.write_result(UNMATCHED, twice, "mine")
    store.write_result(UNMATCHED, units(frame, "unit_id | reason\n 7 | caliper\n 8 | stratum"), "others")
    store.hold_to_keys([UNMATCHED, ATTRITION], "others")
    with pytest.raises(
        ContractError, match=r"unmatched has keys \(unit_id\) more than once; .* one row per treated unit"
    ):
        store.hold_to_keys([UNMATCHED, ATTRITION], "mine")
    bins = frame("phase | arm | bin | n_units\n all | treated | 1 | 5\n all | treated | 1 | 6", SCORE_HISTOGRAM.ddl)
    with pytest.raises(ContractError, match=r"score_histogram has keys \(phase, arm, bin\) more than once"):
        store.write_result(SCORE_HISTOGRAM, bins, "mine")
    assert not store.exists(SCORE_HISTOGRAM)
    with pytest.raises(ContractError, match="table scores: propensity is missing; logit_fixed is string"):
        store.write_result(
            SCORES, frame("unit_id | preference", "unit_id bigint, logit_fixed string, preference double"), "k"
        )
    assert not store.exists(SCORES)


def test_small_results_are_at_hand_where_they_were_written(store: Store, frame: Frame, spark: SparkSession) -> None:
    """As the table has them, which everybody else reads. A write that fails changes neither."""
    written = {
        key: frame(f"phase | arm | bin | n_units\n all | treated | 1 | {n}\n all | treated | 2 |", SCORE_HISTOGRAM.ddl)
        for key, n in (("mine", 5), ("others", 6))
    }
    for key, rows in written.items():
        store.write_result(SCORE_HISTOGRAM, rows, key)
    twice = written["others"].unionAll(written["mine"])
    with pytest.raises(ContractError, match="more than once"):
        store.write_result(SCORE_HISTOGRAM, twice, "mine")
    elsewhere = Store(spark, store.warehouse)
    for key, rows in written.items():
        here, there = (one.read_result(SCORE_HISTOGRAM, key) for one in (store, elsewhere))
        assertDataFrameEqual(here, rows)
        assertDataFrameEqual(there, rows)
        assert here.schema == there.schema
        assert (here.inputFiles() == [], there.inputFiles() == []) == (True, False)


def test_results_of_a_version_without_a_column_stay_where_they_are(store: Store, frame: Frame) -> None:
    """A table of results gains the columns that came since it was made."""
    without = replace(UNMATCHED, columns={"unit_id": "bigint"})
    store.write_result(without, frame("unit_id\n 7", without.ddl), "before")
    store.write_result(UNMATCHED, units(frame, "unit_id | reason\n 8 | caliper"), "since")
    found = {
        row.unit_id: row.reason for key in ("before", "since") for row in store.read_result(UNMATCHED, key).collect()
    }
    assert found == {7: None, 8: "caliper"}


def test_a_table_that_is_not_there(store: Store) -> None:
    with pytest.raises(DataError, match=r"table members does not exist in .*; run `counterpart ingest` first"):
        store.version(MEMBERS)
    assert store.finished(["a"]) == {}


def test_parts_versions_and_the_same_rows(store: Store, frame: Frame) -> None:
    first = frame(
        "delivery | source | fate | rule | n_rows\n a | x | kept | as_sent | 12\n b | x | kept | as_sent | 15",
        INTAKE.ddl,
    )
    store.replace_where(INTAKE, first.filter("delivery = 'a'"), "delivery", "a")
    store.replace_where(INTAKE, first.filter("delivery = 'b'"), "delivery", "b")
    changed = first.withColumn("n_rows", F.col("n_rows") + 1)
    assert store.holds_the_same(INTAKE, first.repartition(3))
    assert not store.holds_the_same(INTAKE, changed)
    assert not store.holds_the_same(INTAKE, first.limit(1))
    assert not store.holds_the_same(INTAKE, first.unionAll(first))
    store.replace_where(INTAKE, changed.filter("delivery = 'b'"), "delivery", "b")
    assertDataFrameEqual(store.read(INTAKE), changed.filter("delivery = 'b'").unionAll(first.filter("delivery = 'a'")))
    assertDataFrameEqual(store.read(INTAKE, version=1), first)
    assert store.version(INTAKE) == 2


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process whose time zone is not the session's."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
def test_records_keep_their_time_and_order_in_an_autumn_hour(store: Store) -> None:
    """Where clocks are set back, the local hour of the later one is the earlier's."""
    ends = [datetime(2026, 11, 1, 5, 50, tzinfo=timezone.utc), datetime(2026, 11, 1, 6, 10, 0, 7, tzinfo=timezone.utc)]
    for at in ends:
        store.record(StageResult("match", "small", "a", {}, {"pairs": at.hour}, at), "protocol", "code")
        store.record(StageResult("match", "small", str(at.hour), {}, {}, at), "protocol", "code")
    found = store.finished()
    assert found["a"].metrics == {"pairs": 6}
    assert [found["5"].finished_at, found["6"].finished_at] == ends


def test_the_newest_record_of_a_stage_counts(store: Store) -> None:
    def result(key: str, n: int, hour: int) -> StageResult:
        return StageResult(
            "match", "small", key, {"members": 3}, {"pairs": n}, datetime(2026, 1, 1, hour, tzinfo=timezone.utc)
        )

    for one in (result("a", 1, 5), result("b", 2, 3), result("a", 3, 4)):
        store.record(one, "protocol", "code")
    assert store.finished() == {"a": result("a", 1, 5), "b": result("b", 2, 3)}
    assert store.finished(["b", "c"]) == {"b": result("b", 2, 3)}
