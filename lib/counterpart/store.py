"""Delta in and out: the only place that reads or writes tables.

Result tables hold every study's results side by side, partitioned by `result_key`, the content key of the stage that made
them. A stage's rows are replaced in one atomic commit, and count only once the stage stands in `results`: an
interrupted run leaves nothing that is ever read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from delta.exceptions import DeltaConcurrentModificationException
from delta.tables import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from counterpart.errors import ContractError, DataError
from counterpart.tables import RESULTS, Table, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

RESULT_KEY = "result_key"
_ATTEMPTS = 5
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class StageResult:
    """A finished stage: its content key, the key or version of everything it read, and small metrics."""

    stage: str
    study: str
    result_key: str
    inputs: Mapping[str, Any]
    metrics: Mapping[str, Any]
    finished_at: datetime


class Store:
    """The Delta tables of one site, by contract."""

    def __init__(self, spark: SparkSession, warehouse: str) -> None:
        self.spark = spark
        self.warehouse = warehouse.rstrip("/")

    def path(self, table: Table) -> str:
        """Where a table lives."""
        return f"{self.warehouse}/{table.name}"

    def exists(self, table: Table) -> bool:
        """Has the table been written yet?"""
        return DeltaTable.isDeltaTable(self.spark, self.path(table))

    def version(self, table: Table) -> int:
        """The newest Delta version of a table. DataError if it does not exist."""
        if not self.exists(table):
            raise DataError(f"table {table.name} does not exist in {self.warehouse}; run `counterpart ingest` first")
        history = DeltaTable.forPath(self.spark, self.path(table)).history(1)
        return int(history.select("version").collect()[0][0])

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """A claims table at a version (default: the newest)."""
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return conform(reader.load(self.path(table)), table)

    def read_result(self, table: Table, result_key: str) -> DataFrame:
        """The rows of a result table that one stage run made."""
        rows = self.spark.read.format("delta").load(self.path(table))
        return conform(rows.filter(F.col(RESULT_KEY) == result_key), table)

    def write_result(self, table: Table, rows: DataFrame, result_key: str) -> None:
        """Replace the rows of one result key in one commit, then hold them to the table's key."""
        keyed = conform(rows, table).withColumn(RESULT_KEY, F.lit(result_key))

        def replace() -> None:
            writer = keyed.write.format("delta").mode("overwrite").partitionBy(RESULT_KEY)
            if self.exists(table):
                writer = writer.option("replaceWhere", f"{RESULT_KEY} = '{result_key}'")
            writer.save(self.path(table))

        _retrying(replace)
        self._hold_to_key(table, self.read_result(table, result_key))

    def replace(self, table: Table, rows: DataFrame) -> None:
        """Replace a whole claims table in one commit."""
        writer = conform(rows, table).write.format("delta").mode("overwrite")
        if table.partitioned_by:
            writer = writer.partitionBy(*table.partitioned_by)
        _retrying(lambda: writer.save(self.path(table)))

    def append(self, table: Table, rows: DataFrame) -> None:
        """Add rows in one commit."""
        writer = conform(rows, table).write.format("delta").mode("append")
        if table.partitioned_by:
            writer = writer.partitionBy(*table.partitioned_by)
        _retrying(lambda: writer.save(self.path(table)))

    def create_if_missing(self, table: Table) -> None:
        """An empty table, so that a study finds every table it may read."""
        if not self.exists(table):
            self.replace(table, self.spark.createDataFrame([], table.ddl))

    def record(self, result: StageResult, protocol_hash: str, code_version: str) -> None:
        """Mark a stage as finished: from now on its rows may be read and reused."""
        row = (
            result.stage,
            result.study,
            result.result_key,
            protocol_hash,
            code_version,
            json.dumps(dict(result.inputs), sort_keys=True),
            json.dumps(dict(result.metrics), sort_keys=True),
            result.finished_at,
        )
        self.append(RESULTS, self.spark.createDataFrame([row], RESULTS.ddl).coalesce(1))

    def finished(self, result_keys: Iterable[str] | None = None) -> dict[str, StageResult]:
        """Finished stages by result key; the newest record wins. One row per stage run: small."""
        if not self.exists(RESULTS):
            return {}
        rows = self.spark.read.format("delta").load(self.path(RESULTS))
        if result_keys is not None:
            rows = rows.filter(F.col(RESULT_KEY).isin(*result_keys))
        return {row[RESULT_KEY]: _result_of(row) for row in rows.orderBy("finished_at").collect()}

    def _hold_to_key(self, table: Table, rows: DataFrame) -> None:
        if not table.key:
            return
        n_twice = rows.groupBy(*table.key).count().filter("count > 1").count()
        if n_twice:
            raise ContractError(
                f"table {table.name} has {n_twice} keys ({', '.join(table.key)}) more than once; its grain is one row per {table.grain}"
            )


def _result_of(row: Any) -> StageResult:
    finished_at = row["finished_at"].replace(tzinfo=UTC)
    return StageResult(
        row["stage"],
        row["study"],
        row[RESULT_KEY],
        json.loads(row["inputs_json"]),
        json.loads(row["metrics_json"]),
        finished_at,
    )


def _retrying(write: Callable[[], Answer]) -> Answer:
    """Delta commits are optimistic: a commit that lost a race is tried again on the new state."""
    for attempt in range(_ATTEMPTS):
        try:
            return write()
        except DeltaConcurrentModificationException:
            if attempt == _ATTEMPTS - 1:
                raise
        except AnalysisException as problem:
            # Two first writers: the one that lost sees a table it believed absent.
            if attempt == _ATTEMPTS - 1 or "ALREADY_EXISTS" not in str(problem.getCondition()):
                raise
    raise AssertionError("unreachable")
