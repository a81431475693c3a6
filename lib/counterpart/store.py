"""Delta in and out: the only place that reads or writes tables (raw files are read by `deliveries`).

Result tables hold every study's results side by side, partitioned by `result_key`, the content key of the stage that
made them. A stage's rows are replaced in one atomic commit, and count only once the stage stands in `results`: an
interrupted run leaves nothing that is ever read.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import reduce
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

import pyarrow as pa
from delta.tables import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from counterpart.commits import (
    LOST_RACES,
    Commit,
    Found,
    Place,
    changers_since,
    conflict,
    on_what_was_found,
    refuse_amid_statement,
    statement_with,
)
from counterpart.deliveries import absolute, file_system
from counterpart.errors import ContractError, DataError
from counterpart.protocol import Upkeep
from counterpart.records import BEGUN, INGESTED, StageResult, result_of, row_of
from counterpart.tables import RESULTS, Table, conform

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

RESULT_KEY = "result_key"
_ATTEMPTS = 5
# Whoever reads a partition reads all its files: ranges of columns by file, up to a third of a write, spare none.
_NO_RANGES = {"delta.dataSkippingNumIndexedCols": "0"}
# Of tables that grow by a file or few with each study: a checkpoint takes 2 to 6 s, and a hundred commits read in one.
_RARE_CHECKPOINTS = {"delta.checkpointInterval": "100"}
# So many a task sorts in memory, in the share of a heap of 6 GB that two tasks have. Lines of one file are one task's.
_LINES_SORTED = 1_000_000
Answer = TypeVar("Answer")


class Store:
    """The Delta tables of one site, by contract. Tables that it makes keep their versions as long as `upkeep` says."""

    def __init__(self, spark: SparkSession, warehouse: str, upkeep: Upkeep | None = None) -> None:
        self.spark = spark
        self.warehouse = absolute(warehouse)
        self._made_with = (upkeep or Upkeep()).as_properties()
        self._at_hand: dict[tuple[str, str], tuple[pa.Table, DataFrame]] = {}

    def path(self, table: Table) -> str:
        """Where a table lives."""
        return f"{self.warehouse}/{table.name}"

    def _place(self, table: Table) -> Place:
        return Place(table.name, self.path(table))

    def exists(self, table: Table) -> bool:
        """Has the table been written yet?"""
        return DeltaTable.isDeltaTable(self.spark, self.path(table))

    def version(self, table: Table) -> int:
        """The newest Delta version of a table. DataError if it does not exist."""
        return self.commit(table).version

    def commit(self, table: Table, version: int | None = None) -> Commit:
        """The commit of a version (default: the newest). DataError if it does not exist."""
        if not self.exists(table):
            raise DataError(f"table {table.name} does not exist in {self.warehouse}; run `counterpart ingest` first")
        delta = DeltaTable.forPath(self.spark, self.path(table))
        history = delta.history(1) if version is None else delta.history().filter(F.col("version") == version)
        told = history.select("version", F.unix_millis("timestamp").alias("at")).collect()
        if not told:
            raise DataError(f"table {table.name} in {self.warehouse} has no version {version} any more")
        return Commit(int(told[0]["version"]), int(told[0]["at"]))

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """A claims table at a version (default: the newest)."""
        return conform(self._load(table, version), table)

    def _load(self, table: Table, version: int | None = None) -> DataFrame:
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.path(table))

    def read_result(self, table: Table, result_key: str) -> DataFrame:
        """The rows of a result table that one stage run made. What this store wrote of a bounded table is at hand."""
        _, rows = self._at_hand.get((table.name, result_key), (None, None))
        return conform(self._load(table).filter(F.col(RESULT_KEY) == result_key) if rows is None else rows, table)

    def collect_result(self, table: Table, result_key: str) -> pa.Table:
        """The rows of a bounded result table that one stage run made, in the order of its key."""
        if not table.is_bounded:
            raise ValueError(f"table {table.name} grows with members: no driver holds it")
        held, _ = self._at_hand.get((table.name, result_key), (None, None))
        rows = self.read_result(table, result_key).toArrow() if held is None else held
        return rows.sort_by([(column, "ascending") for column in table.key])

    def write_result(self, table: Table, rows: DataFrame, result_key: str) -> None:
        """Replace the rows of one result key in one commit. A bounded table is held to its key before it is written."""
        rows = conform(rows, table)
        if not table.is_bounded:
            self._replace_result(table, rows, result_key)
            return
        computed = rows.toArrow()
        if table.key and computed.select(list(table.key)).to_pandas().duplicated().any():
            _refuse_doubled(table)
        # Of one partition, and it costs nothing to read again.
        rows = self.spark.createDataFrame(computed, rows.schema).coalesce(1)
        self._replace_result(table, rows, result_key)
        self._at_hand[table.name, result_key] = computed, rows

    def _replace_result(self, table: Table, rows: DataFrame, result_key: str) -> None:
        self._replace_part(table, rows.withColumn(RESULT_KEY, F.lit(result_key)), RESULT_KEY, result_key, (RESULT_KEY,))

    def hold_to_keys(self, tables: Sequence[Table], result_key: str) -> None:
        """ContractError if rows of a result key have the same key in one of the tables. One query for all of them.

        Bounded tables were held to theirs as they were written.
        """
        doubled = [
            self.read_result(table, result_key)
            .groupBy(*table.key)
            .count()
            .filter("count > 1")
            .select(F.lit(table.name).alias("name"))
            for table in tables
            if table.key and not table.is_bounded and not table.is_grouped
        ]
        if doubled and (first := reduce(DataFrame.union, doubled).head(1)):
            _refuse_doubled(next(table for table in tables if table.name == first[0]["name"]))

    def find_versions(self, tables: Sequence[Table]) -> Found:
        """At which versions the tables stand, for a run that will change them."""
        found = {table.name: self.version(table) if self.exists(table) else None for table in tables}
        return Found(found, secrets.token_hex(8))

    def require_as_found(self, tables: Sequence[Table], found: Found) -> dict[str, int]:
        """ConflictError if another run changed rows of a table since it was found; else the newest versions."""
        newest = {}
        for table in tables:
            version, changers = changers_since(self.spark, self.path(table), found.versions[table.name])
            if set(changers) - {found.run}:
                raise conflict(table.name)
            newest[table.name] = version
        return {name: version for name, version in newest.items() if version is not None}

    def has_changed(self, table: Table, version: int) -> bool:
        """Did any run change rows of the table after this version?"""
        return bool(changers_since(self.spark, self.path(table), version)[1])

    def replace(self, table: Table, rows: DataFrame, found: Found | None = None) -> None:
        """Replace a whole claims table in one commit. ConflictError if it is not as it was `found`."""
        writer = conform(rows, table).write.format("delta").options(**self._made_with).mode("overwrite")
        if table.partitioned_by:
            writer = writer.partitionBy(*table.partitioned_by)
        if found is None:
            self._save(lambda: writer.save(self.path(table)))
            return
        with on_what_was_found(self.spark, self._place(table), found) as options:
            writer.options(**options).save(self.path(table))

    def append(self, table: Table, rows: DataFrame) -> None:
        """Add rows in one commit."""
        writer = conform(rows, table).write.format("delta").options(**_RARE_CHECKPOINTS).mode("append")
        if table.partitioned_by:
            writer = writer.partitionBy(*table.partitioned_by)
        self._save(lambda: writer.save(self.path(table)))

    def replace_where(self, table: Table, rows: DataFrame, column: str, value: str) -> None:
        """Replace the rows whose column has the value, in one commit."""
        self._replace_part(table, conform(rows, table), column, value, table.partitioned_by)

    def _replace_part(
        self, table: Table, rows: DataFrame, column: str, value: str, partitioned_by: tuple[str, ...]
    ) -> None:
        def replace() -> None:
            writer = rows.write.format("delta")
            if partitioned_by:
                writer = writer.partitionBy(*partitioned_by)
            if self.exists(table):
                # A table that an earlier version made may lack a column: its other rows have nothing there.
                writer = writer.mode("overwrite").option("mergeSchema", "true")
                writer = writer.option("replaceWhere", f"{column} = '{value}'")
            else:
                # Not "overwrite": a table that another run makes in this moment must not be lost.
                writer = writer.mode("error").options(**_NO_RANGES, **_RARE_CHECKPOINTS)
            writer.save(self.path(table))

        self._save(replace)

    def _save(self, write: Callable[[], None]) -> None:
        refuse_amid_statement(self.spark)
        _retrying(write)

    def properties(self, table: Table) -> dict[str, str]:
        """The properties kept with a table."""
        detail = DeltaTable.forPath(self.spark, self.path(table)).detail().select("properties")
        return dict(detail.collect()[0][0])

    def set_properties(self, table: Table, properties: Mapping[str, str]) -> bool:
        """Give a table properties, in one commit unless it has them; says whether it had not."""
        held = self.properties(table)
        if all(held.get(name) == value for name, value in properties.items()):
            return False
        given = ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())
        self.spark.sql(f"ALTER TABLE delta.`{self.path(table)}` SET TBLPROPERTIES ({given})")
        return True

    def files(self, table: Table, version: int | None = None) -> set[str]:
        """Addresses of the files of a table at a version (default: the newest); no row is read.

        None at all of a version that Delta's log does not tell any more.
        """
        try:
            return set(self._load(table, version).inputFiles())
        except AnalysisException:
            if version is None:
                raise
            return set()

    def written_at(self, table: Table) -> dict[int, datetime]:
        """When each version that the log holds was written."""
        history = DeltaTable.forPath(self.spark, self.path(table)).history()
        told = history.select("version", F.unix_millis("timestamp").alias("at")).collect()
        return {int(row["version"]): datetime.fromtimestamp(row["at"] / 1000, timezone.utc) for row in told}

    def join_files(self, table: Table, where: str | None = None) -> bool:
        """Join the small files of some partitions or of all (OPTIMIZE). False if another run was quicker; rows stay."""
        files = DeltaTable.forPath(self.spark, self.path(table)).optimize()
        try:
            (files if where is None else files.where(where)).executeCompaction()
        except LOST_RACES:
            return False
        return True

    def remove_files(self, table: Table, retain_days: int) -> None:
        """Remove the files that no version of the last days needs (VACUUM)."""
        DeltaTable.forPath(self.spark, self.path(table)).vacuum(24 * retain_days)

    def has_file(self, address: str) -> bool:
        """Is the file still there?"""
        system, path = file_system(self.spark, unquote(address))
        return bool(system.exists(path))

    def holds_the_same(self, table: Table, rows: DataFrame) -> bool:
        """Does the table hold exactly these rows? Each side is read once."""
        sides = ((self.read(table), 1), (conform(rows, table), -1))
        here, there = (side.withColumn("n_more_here", F.lit(n)) for side, n in sides)
        n_more = here.unionAll(there).groupBy(*table.columns).agg(F.sum("n_more_here").alias("n_more_here"))
        return n_more.filter("n_more_here != 0").isEmpty()

    def change_lines(
        self,
        table: Table,
        added: DataFrame,
        retired: DataFrame | None,
        properties: Mapping[str, str],
        found: Found,
        n_lines: int = 0,
    ) -> bool:
        """Take out the retired lines and add the new ones in one commit; False where there is nothing to change.

        ConflictError if the table is not as it was `found`: what is added was told from it.
        Lines lie sorted by member and date inside the files of a month and member bucket; the more `n_lines` are added
        at most, the more tasks sort them.
        """
        is_new = not self.exists(table)
        has_retired = retired is not None and not is_new and not retired.isEmpty()
        if not (is_new or has_retired or not added.isEmpty()):
            return False
        with on_what_was_found(self.spark, self._place(table), found) as options:
            if is_new:
                self._create(table, properties)
            if has_retired and retired is not None:
                self._merge_lines(table, added, retired, options)
            else:
                lines = _laid_out(conform(added, table), table, n_lines).write.format("delta").mode("append")
                lines.options(**options).partitionBy(*table.partitioned_by).save(self.path(table))
        return True

    def _create(self, table: Table, properties: Mapping[str, str]) -> None:
        builder = DeltaTable.createIfNotExists(self.spark).location(self.path(table))
        columns = self.spark.createDataFrame([], table.ddl).schema
        builder = builder.partitionedBy(*table.partitioned_by).addColumns(columns)
        for name, value in {**self._made_with, **_NO_RANGES, **properties}.items():
            builder = builder.property(name, value)
        builder.execute()

    def _merge_lines(self, table: Table, added: DataFrame, retired: DataFrame, options: Mapping[str, str]) -> None:
        key = list(table.key)
        gone = retired.select(*key, F.col("service_period").alias("old_period"))
        changes = conform(added, table).join(gone, key, "full")
        periods = [row[0] for row in gone.select("old_period").distinct().orderBy("old_period").collect()]
        same_line = " AND ".join(f"line.{column} = change.{column}" for column in key)
        in_periods = f"line.service_period IN ({', '.join(map(str, periods))})"
        merge = (
            DeltaTable.forPath(self.spark, self.path(table))
            .alias("line")
            .merge(changes.alias("change"), f"{in_periods} AND {same_line} AND change.old_period = line.service_period")
        )
        values: dict[str, str | Column] = {column: f"change.{column}" for column in table.columns}
        ready = (
            merge.whenMatchedDelete("change.version_hash IS NULL")
            .whenMatchedUpdate(set=values)
            .whenNotMatchedInsert("change.version_hash IS NOT NULL", values=values)
        )
        with statement_with(self.spark, options):
            ready.execute()

    def record(self, result: StageResult, protocol_hash: str, code_version: str) -> None:
        """Mark a stage as finished: from now on its rows may be read and reused."""
        row = row_of(result) | {"protocol_hash": protocol_hash, "code_version": code_version}
        self.append(RESULTS, self.spark.createDataFrame(pa.Table.from_pylist([row])).coalesce(1))

    def finished(self, result_keys: Iterable[str] | None = None) -> dict[str, StageResult]:
        """Finished stages by result key; the newest record wins. One row per stage run: small."""
        is_asked = F.col("stage") != BEGUN
        return self._recorded(is_asked if result_keys is None else is_asked & F.col(RESULT_KEY).isin(*result_keys))

    def ingests(self) -> dict[str, StageResult]:
        """Ingests by result key: those that are finished, and notes that one was BEGUN. Two rows a delivery."""
        return self._recorded(F.col("stage").isin(INGESTED, BEGUN))

    def _recorded(self, is_asked: Column) -> dict[str, StageResult]:
        if not self.exists(RESULTS):
            return {}
        # Collected, a timestamp is one of this process's time zone, and says twice what is told in an autumn hour.
        at = F.unix_micros("finished_at").alias("finished_at")
        columns = ("stage", "study", RESULT_KEY, "inputs_json", "metrics_json", at)
        rows = self._load(RESULTS).filter(is_asked).select(*columns).orderBy("finished_at")
        return {row[RESULT_KEY]: result_of(row) for row in rows.collect()}


def _refuse_doubled(table: Table) -> None:
    raise ContractError(
        f"table {table.name} has keys ({', '.join(table.key)}) more than once; its grain is one row per {table.grain}"
    )


def _laid_out(lines: DataFrame, table: Table, n_lines: int) -> DataFrame:
    """One file per period and bucket, sorted so that a member's lines of a period lie together, in time."""
    n_tasks = math.ceil(n_lines / _LINES_SORTED)
    usual = lines.sparkSession.conf.get("spark.sql.shuffle.partitions") or ""  # "auto" on some platforms
    by = table.partitioned_by
    moved = lines.repartition(n_tasks, *by) if usual.isdigit() and n_tasks > int(usual) else lines.repartition(*by)
    day = "service_date" if "service_date" in table.columns else "dispensing_date"
    order = (*table.partitioned_by, "member_key", day, "claim_id", "line_number")
    return moved.sortWithinPartitions(*order)


def _retrying(write: Callable[[], Answer]) -> Answer:
    """Delta commits are optimistic: a commit that lost a race is tried again on the new state."""
    for attempt in range(_ATTEMPTS):
        try:
            return write()
        except LOST_RACES:
            if attempt == _ATTEMPTS - 1:
                raise
        except AnalysisException as problem:
            # Two first writers: the one that lost sees a table it believed absent.
            if attempt == _ATTEMPTS - 1 or not str(problem.getCondition()).endswith("_EXISTS"):
                raise
    raise AssertionError("unreachable")
