"""Delta tables as sources, by path or by name, each read at one version.

Always through Delta: the Parquet files beside the log also hold rows that were deleted or belong to no version yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from delta.tables import DeltaTable
from pyspark.sql import functions as F

from counterpart.commits import KEEPS_ROWS
from counterpart.deliveries.failures import SPARK_PROBLEMS, condition_of
from counterpart.deliveries.source_table import SourceTable
from counterpart.errors import DataError, ProtocolError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

# So many commits back is looked for the one that made the rows.
_COMMITS = 100


@dataclass(frozen=True)
class DeltaPlace:
    """Where a Delta table is: the address of its folder, or its quoted name in a catalog."""

    address: str
    is_name: bool = False

    def table(self, spark: SparkSession) -> DeltaTable:
        """Delta's view of it."""
        return DeltaTable.forName(spark, self.address) if self.is_name else DeltaTable.forPath(spark, self.address)

    def read(self, spark: SparkSession, version: int) -> DataFrame:
        """Its rows at a version."""
        reader = spark.read.format("delta").option("versionAsOf", version)
        return reader.table(self.address) if self.is_name else reader.load(self.address)


def read_delta_table(spark: SparkSession, table: str, place: DeltaPlace, wanted: int | None) -> SourceTable:
    """A source table at the version that is wanted, else at the newest.

    Known by the table's id and the newest commit, up to that version, that changed rows: an OPTIMIZE or a VACUUM
    makes no new delivery, and a table by path is the same as by name. DataError if the version is not there any more.
    """
    try:
        delta = place.table(spark)
        about = delta.detail().collect()[0]
        commits = _commits(delta, wanted)
        version = wanted if wanted is not None else int(commits[0]["version"])
        frame = place.read(spark, version)
    except SPARK_PROBLEMS as problem:
        raise _refusal(table, wanted, condition_of(problem)) from None
    if not commits:
        raise _refusal(table, wanted, "no such commit")
    is_newest = wanted is None
    return SourceTable(
        frame,
        "Delta",
        lambda: _known_by(about["id"], commits),
        version,
        n_files=int(about["numFiles"]) if is_newest else len(frame.inputFiles()),
        n_bytes=int(about["sizeInBytes"]) if is_newest else None,
        is_counted_cheaply=True,
    )


def _commits(delta: DeltaTable, wanted: int | None) -> Sequence[Row]:
    """The newest commits up to the version, the newest first."""
    history = delta.history(_COMMITS) if wanted is None else delta.history().filter(f"version <= {wanted}")
    told = history.select("version", F.unix_millis("timestamp").alias("at"), "operation")
    return told.orderBy("version", ascending=False).head(_COMMITS)


def _known_by(table_id: str, commits: Sequence[Row]) -> dict[str, Any]:
    made_by = next((commit for commit in commits if commit["operation"] not in KEEPS_ROWS), commits[0])
    # The time too: a copy of a table's folder goes on with the table's id, and its next version holds other rows.
    return {"delta": table_id, "version": int(made_by["version"]), "at": int(made_by["at"])}


def _refusal(table: str, wanted: int | None, condition: str) -> DataError:
    if wanted is None:
        return DataError(
            f"source table {table} is a Delta table that cannot be read ({condition}): its log is damaged or misses "
            "commits, or the user running this may not read it"
        )
    return DataError(
        f"source table {table} has no version {wanted} that can be read ({condition}): the site's source.versions "
        "names one that was never written, or that Delta's log does not hold any more"
    )


def require_delta(versions: Mapping[str, int], tables: Mapping[str, SourceTable]) -> None:
    """ProtocolError if the site asks for a version of a table that has none."""
    without = sorted(name for name in versions if name not in tables or tables[name].version is None)
    if without:
        raise ProtocolError(
            f"source.versions names {', '.join(without)}, which is not a Delta table of this delivery: only these have "
            "versions"
        )
