"""Delta in and out: atomic results, lines added and taken out in one commit, raw files or a clear message."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart import commits
from counterpart.deliveries import read_delivery
from counterpart.deliveries.failures import explain_forbidden_folders
from counterpart.errors import ConflictError, ContractError, DataError, EnvironmentProblem
from counterpart.protocol import BROKEN_LINE, Site, Upkeep
from counterpart.records import StageResult
from counterpart.stages import make_reports_folder
from counterpart.staging import require_writable, staging
from counterpart.store import Store
from counterpart.tables import ATTRITION, INTAKE, MEMBERS, PHARMACY, PROGRAM, SCORE_HISTOGRAM, SCORES, UNMATCHED

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

WANTED = {"claims": True, "roster": False}


@pytest.fixture
def store(spark: SparkSession, tmp_path: Path) -> Store:
    return Store(spark, f"{tmp_path}/tables/")


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


# --- claim lines ------------------------------------------------------------------------------------------------------

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


# --- staging and raw files --------------------------------------------------------------------------------------------


def fail_after(_: DataFrame) -> None:
    raise KeyError("something went wrong")


def test_staged_frames_are_read_back_and_gone_at_the_end(store: Store, frame: Frame) -> None:
    rows = units(frame, "unit_id | reason\n 1 | caliper")
    place = Path(store.warehouse, "_staging")
    with staging(store.spark, store.warehouse, "one") as stage, staging(store.spark, store.warehouse, "one") as other:
        assertDataFrameEqual(stage("part", rows), rows)
        assert stage("nothing", rows.limit(0)).isEmpty()
        # Another run of the same name has a place of its own.
        assertDataFrameEqual(other("part", rows.limit(0)), rows.limit(0))
        assertDataFrameEqual(stage("more", rows), rows)
        assert len(list(place.iterdir())) == 2
    assert not list(place.iterdir())
    with pytest.raises(KeyError), staging(store.spark, store.warehouse, "one") as stage:
        fail_after(stage("part", rows))
    assert not list(place.iterdir())


def test_what_a_killed_run_left_is_swept_and_what_is_at_work_is_not(store: Store) -> None:
    left, at_work = (Path(store.warehouse, "_staging", name) for name in ("left", "at_work"))
    for folder in (left, at_work):
        folder.mkdir(parents=True)
    three_days_ago = time.time() - 3 * 24 * 3600
    os.utime(left, (three_days_ago, three_days_ago))
    # As an object store has it, which knows no folders: only files were changed at a time.
    begun = (f"one-{int(three_days_ago)}-{end}" for end in ("01234567", "89abcdef"))
    left_there, long_at_work = (Path(store.warehouse, "_staging", name) for name in begun)
    for folder, at in ((left_there, three_days_ago), (long_at_work, time.time())):
        (folder / "part").mkdir(parents=True)
        file = folder / "part" / "rows.parquet"
        file.touch()
        os.utime(file, (at, at))
    with staging(store.spark, store.warehouse, "one"):
        assert [path.exists() for path in (left, left_there, at_work, long_at_work)] == [False, False, True, True]


def test_a_warehouse_or_reports_that_cannot_be_written_are_a_message(spark: SparkSession, tmp_path: Path) -> None:
    """A file in the way: it stops root as well, whom no right stops."""
    (tmp_path / "file").touch()
    store = Store(spark, str(tmp_path / "file" / "tables"))
    with pytest.raises(EnvironmentProblem, match="file/tables cannot be written; the site's `warehouse` names"):
        require_writable(spark, store.warehouse)
    with (
        pytest.raises(EnvironmentProblem, match="cannot be written"),
        staging(store.spark, store.warehouse, "delivery"),
    ):
        pass
    site = Site(name="here", warehouse=str(tmp_path), reports=str(tmp_path / "file" / "reports"))
    with pytest.raises(EnvironmentProblem, match="file/reports/profile cannot be written; the site's `reports` names"):
        make_reports_folder(site, "profile")


def test_a_folder_that_may_not_be_listed_is_a_message() -> None:
    """The tests may run as root, who is refused nothing: Java's answer is made here."""
    refusal = SimpleNamespace(
        getCondition=MagicMock(side_effect=Py4JError),
        getCause=lambda: None,
        getClass=lambda: SimpleNamespace(getSimpleName=lambda: "AccessDeniedException"),
        _target_id="o1",
        _gateway_client=None,
    )
    message = "claims, or a folder in it, may not be read by the user running this"
    with pytest.raises(DataError, match=message), explain_forbidden_folders("claims"):
        raise Py4JJavaError("refused", refusal)


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
    rows = units(frame, "unit_id | reason\n 7 | caliper")
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


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_csv_parts_are_read_by_name_and_parquet_parts_with_all_columns(
    store: Store, spark: SparkSession, tmp_path: Path, frame: Frame
) -> None:
    write(tmp_path / "csv/claims/1.csv", 'claim_id,person_id\n007,"a ""b"", c"\n')
    write(tmp_path / "csv/claims/2.csv", "person_id,claim_id,amount\nd,8,1.50\n")
    write(tmp_path / "csv/claims/3.csv", "")
    write(tmp_path / "csv/claims/_SUCCESS", "")
    write(tmp_path / "csv/roster.csv", "person_id\n")
    delivery = read_delivery(store.spark, str(tmp_path / "csv"), WANTED)
    ddl = "claim_id string, person_id string, amount string"
    expected = frame('claim_id | person_id | amount\n 007 | a "b", c | \n 8 | d | 1.50', ddl)
    assertDataFrameEqual(delivery.tables["claims"].drop(BROKEN_LINE), expected)
    assert (delivery.tables["roster"].columns, delivery.tables["roster"].isEmpty()) == (
        ["person_id", BROKEN_LINE],
        True,
    )
    for place, columns in enumerate((["claim_id", "person_id"], ["claim_id", "amount"])):
        rows = expected.select(*columns).filter(F.col("claim_id") == ("007", "8")[place]).coalesce(1)
        rows.write.parquet(f"{tmp_path}/parquet/claims/{place}")
    (tmp_path / "parquet/roster").mkdir()
    again = read_delivery(store.spark, str(tmp_path / "parquet"), WANTED)
    assert set(again.tables) == {"claims"}
    found = again.tables["claims"].select("claim_id", "person_id", "amount")
    assertDataFrameEqual(found, frame('claim_id | person_id | amount\n 007 | a "b", c | \n 8 | | 1.50', ddl))
    assert again.fingerprint != delivery.fingerprint
    assert again.fingerprint == read_delivery(store.spark, str(tmp_path / "parquet"), WANTED).fingerprint


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"/raw does not exist; the site's source\.path names the folder of the raw claims"),
        ({"others.csv": "x\n1\n"}, r"lacks claims; each must be a folder of Parquet or CSV files, one file \(<table>"),
        ({"claims.csv": ""}, "claims has empty files only; a CSV file begins with the names of its columns"),
        ({"claims.parquet": "no Parquet"}, r"claims cannot be read: FAILED_READ_FILE\.CANNOT_READ_FILE_FOOTER"),
        (
            {"claims.csv": "x\n1\n", "CLAIMS.csv": "x\n1\n"},
            "claims is there twice, under names that differ only in case",
        ),
        ({"claims.csv.gz": "no gzip"}, "claims cannot be read: FAILED_READ_FILE"),
        ({"claims/a.csv": "x\n1\n", "claims/b.parquet": ""}, r"neither all \.parquet nor all \.csv, \.csv\.gz, \.txt"),
    ],
)
def test_files_that_cannot_be_read_are_a_message(
    store: Store, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        write(tmp_path / "raw" / name, text)
    with pytest.raises(DataError, match=message) as told:
        read_delivery(store.spark, str(tmp_path / "raw"), WANTED)
    assert told.value.__suppress_context__ or told.value.__context__ is None


def test_numbered_files_with_other_separators_are_one_table(store: Store, tmp_path: Path, frame: Frame) -> None:
    """A mark of byte order is none of the first column's name; quotation marks stay; a history is no year."""
    write(tmp_path / "CLAIMS_2011.csv", '\ufeffx|y\n1|5" pipe\n')
    write(tmp_path / "claims_2012.csv", "x|y\n2|\n")
    write(tmp_path / "claims_history.csv", "x|y\n3|\n")
    found = read_delivery(store.spark, str(tmp_path), WANTED, "|").tables["claims"].drop(BROKEN_LINE)
    assertDataFrameEqual(found, frame('x | y\n 1 | 5" pipe\n 2 |', "x string, y string"))


def test_parts_that_disagree_on_a_type_are_a_message(store: Store, spark: SparkSession, tmp_path: Path) -> None:
    for kind in ("int", "string"):
        spark.range(1).select(F.lit(1).cast(kind).alias("line")).write.parquet(f"{tmp_path}/raw/claims/{kind}")
    with pytest.raises(DataError, match="claims cannot be read: CANNOT_MERGE_SCHEMAS"):
        read_delivery(store.spark, str(tmp_path / "raw"), WANTED)


def test_a_relative_folder_is_one_of_this_machine(spark: SparkSession, tmp_path: Path, monkeypatch) -> None:
    """Delta refuses tables at relative places; an address keeps its form."""
    monkeypatch.chdir(tmp_path)
    assert Store(spark, "demo/tables").warehouse == f"{tmp_path}/demo/tables"
    assert Store(spark, "s3a://bucket/tables/").warehouse == "s3a://bucket/tables"
    store = Store(spark, "tables")
    change_lines(store, spark.createDataFrame([], PHARMACY.ddl), None, {})
    assert store.version(PHARMACY) >= 0
    assert (tmp_path / "tables" / "pharmacy" / "_delta_log").is_dir()
