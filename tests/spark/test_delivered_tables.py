"""Source tables that are Delta tables or lie in a catalog: the same rows as in files, and one delivery by content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.testing import assertDataFrameEqual

from counterpart.codes import CodeLibrary
from counterpart.deliveries import Delivery, read_source
from counterpart.deliveries.catalog import read_catalog
from counterpart.errors import DataError
from counterpart.protocol import Site, Source
from counterpart.sources.tuva import TUVA
from counterpart.stages import explain_source
from counterpart.stages.profile import _tally_lags
from counterpart.store import Store

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

WANTED = {"claims": True, "roster": False}
CLAIMS = """claim | person | day
            a     | ann    | 2020-01-31
            b     | bob    |
            c     |        | 2020-02-29"""


@pytest.fixture
def schema(spark: SparkSession) -> Iterator[str]:
    spark.sql("CREATE DATABASE payer")
    yield "payer"
    spark.sql("DROP DATABASE payer CASCADE")


def delivered(spark: SparkSession, **source: object) -> Delivery:
    return read_source(spark, Source.model_validate({"layout": "tuva"} | source), WANTED)


def test_the_same_rows_whatever_they_lie_in(spark: SparkSession, frame: Frame, schema: str, tmp_path: Path) -> None:
    rows = frame(CLAIMS, "claim string, person string, day date").coalesce(1)
    rows.write.partitionBy("claim").parquet(f"{tmp_path}/files/claims")
    rows.write.format("delta").save(f"{tmp_path}/delta/claims")
    (tmp_path / "delta/roster.csv").write_text("person_id\nann\n")
    rows.write.partitionBy("day").saveAsTable(f"{schema}.claims", format="parquet")
    spark.sql(f"CREATE VIEW {schema}.roster AS SELECT claim, person, day FROM {schema}.claims")
    files, deltas = delivered(spark, path=f"{tmp_path}/files"), delivered(spark, path=f"{tmp_path}/delta")
    tables = delivered(spark, catalog=f"spark_catalog.{schema}")
    told = {
        (name, source.kind, source.version, source.n_files, source.is_counted_cheaply)
        for delivery in (files, deltas, tables)
        for name, source in delivery.sources.items()
    }
    assert told == {
        ("claims", "Parquet", None, 3, True),
        ("claims", "Delta", 0, 1, True),
        ("roster", "text", None, 1, False),
        ("claims", "table", None, 3, True),
        ("roster", "view", None, None, False),
    }
    assert len(tables.sources["claims"].known_by()) == 3
    for read in (files.tables["claims"], deltas.tables["claims"], tables.tables["claims"], tables.tables["roster"]):
        assertDataFrameEqual(read.select("claim", "person", "day"), rows)


def test_a_delta_table_is_one_delivery_by_the_commit_that_made_its_rows(
    spark: SparkSession, frame: Frame, schema: str, tmp_path: Path
) -> None:
    path = f"{tmp_path}/claims"
    rows = frame(CLAIMS, "claim string, person string, day date").coalesce(1)
    rows.write.format("delta").save(path)
    spark.sql(f"CREATE TABLE {schema}.claims USING delta LOCATION '{path}'")
    first = delivered(spark, path=str(tmp_path))
    assert delivered(spark, catalog=schema).fingerprint == first.fingerprint
    rows.write.format("delta").mode("append").save(path)
    second = delivered(spark, path=str(tmp_path))
    assert (second.versions, second.fingerprint != first.fingerprint) == ({"claims": 1}, True)
    # What was listed before goes on reading what it was then.
    assertDataFrameEqual(first.tables["claims"], rows)
    DeltaTable.forPath(spark, path).optimize().executeCompaction()
    spark.sql(f"ALTER TABLE {schema}.claims SET TBLPROPERTIES ('made' = 'well')")
    tidied = delivered(spark, catalog=schema)
    assert (tidied.versions, tidied.fingerprint) == ({"claims": 3}, second.fingerprint)
    assert (tidied.sources["claims"].n_files, second.sources["claims"].n_files) == (1, 2)
    for version, expected in ((0, first), (2, second)):
        again = delivered(spark, path=str(tmp_path), versions={"claims": version})
        assert (again.versions, again.fingerprint) == ({"claims": version}, expected.fingerprint)


def test_deleted_rows_and_renamed_columns_are_read_through_delta(spark: SparkSession, schema: str) -> None:
    properties = "'delta.enableDeletionVectors' = 'true', 'delta.columnMapping.mode' = 'name'"
    spark.sql(f"CREATE TABLE {schema}.claims (id STRING, dy STRING) USING delta TBLPROPERTIES ({properties})")
    spark.sql(f"INSERT INTO {schema}.claims SELECT * FROM VALUES ('a', '1'), ('b', '2'), ('c', '3') AS rows(id, dy)")
    before = delivered(spark, catalog=schema)
    spark.sql(f"DELETE FROM {schema}.claims WHERE id = 'b'")
    spark.sql(f"ALTER TABLE {schema}.claims RENAME COLUMN dy TO day")
    after = delivered(spark, catalog=schema)
    by_path = DeltaTable.forName(spark, f"{schema}.claims").detail().collect()[0]["location"]
    for read in (after, delivered(spark, path=by_path.rpartition("/")[0])):
        assert read.tables["claims"].count() == 2
        assertDataFrameEqual(read.tables["claims"], [("a", "1"), ("c", "3")], checkRowOrder=False)
        assert read.tables["claims"].columns == ["id", "day"]
    assert after.fingerprint != before.fingerprint
    assert before.tables["claims"].count() == 3


def test_a_view_is_known_by_its_rows_in_any_order(spark: SparkSession, schema: str) -> None:
    def fingerprint(rows: str) -> str:
        spark.sql(f"CREATE OR REPLACE VIEW {schema}.claims AS SELECT * FROM VALUES {rows} AS rows(id, day, more)")
        return delivered(spark, catalog=schema).fingerprint

    ann, bob, nobody = "('ann', 'x', map('k', 1))", "('bob', NULL, NULL)", "(NULL, 'bob', NULL)"
    one = fingerprint(f"{ann}, {bob}")
    assert one == fingerprint(f"{bob}, {ann}")
    others = [f"{ann}", f"{ann}, {ann}", f"{ann}, {bob}, {bob}", f"{ann}, {nobody}", f"{ann.replace('1', '2')}, {bob}"]
    assert len({one, *(fingerprint(rows) for rows in others)}) == 6


def test_what_may_not_be_read_says_which_rights_it_takes(
    spark: SparkSession, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session without a platform refuses nobody: its answer is put in the way."""
    spark.sql(f"CREATE VIEW {schema}.claims AS SELECT 1 AS id")
    refusal = type("Refused", (Exception,), {"getCondition": lambda _: "INSUFFICIENT_PERMISSIONS"})
    monkeypatch.setattr("counterpart.deliveries.catalog.SPARK_PROBLEMS", (refusal,))

    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.setattr("counterpart.deliveries.catalog._describe", refuse)
    message = r"payer.claims cannot be read \(INSUFFICIENT_PERMISSIONS\): .* needs USE CATALOG, USE SCHEMA and SELE"
    with pytest.raises(DataError, match=message):
        read_catalog(spark, schema, WANTED, {})


def test_explain_and_profile_read_them_too(spark: SparkSession, schema: str, tmp_path: Path) -> None:
    told = {"claim_start_date": "2020-01-01", "paid_date": "2020-02-01", "paid_amount": "80"}
    for source in (*TUVA.eligibility, *TUVA.medical, *TUVA.pharmacy):
        values = ", ".join(f"'{told.get(name, name)}' AS {name}" for name in (*source.required, *source.optional))
        what = "TABLE" if source.name == "medical_claim" else "VIEW"
        using = " USING delta" if what == "TABLE" else ""
        spark.sql(f"CREATE {what} {schema}.{source.name}{using} AS SELECT {values}")
    lying = Source(layout="tuva", catalog=schema)
    site = Site(name="here", warehouse=f"{tmp_path}/tables", reports=f"{tmp_path}/reports", source=lying)
    store = Store(spark, site.warehouse)
    lags, why = _tally_lags(store, site)
    assert (lags is None, why) == (False, "")
    assert [tuple(row) for row in lags[lags.topic == "lag"][["part", "at", "n"]].to_numpy()] == [("medical", 31, 1)]
    quiet = SimpleNamespace(note=print, stage=lambda _: nullcontext())
    explained = explain_source(store, site, quiet, None, CodeLibrary.load([]))
    (lines,) = (table for table in explained.tables if table.name == "medical_claim")
    (paid_on,) = (column for column in lines.columns if column.name == "paid_date")
    assert (list(paid_on.feeds), list(paid_on.formats)) == (["paid_on"], [("9999-99-99", 1)])
    assert not (tmp_path / "tables").exists()
