"""Commits of Delta tables: which of them leave rows alone, which lost a race, and changes that nothing may cross.

An ingest computes for hours what it then writes, from tables as it found them. Such a change is made on what was found,
or not at all: Delta itself would add the same lines twice, and let the later of two members tables win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from delta import exceptions as races
from delta.tables import DeltaTable

from counterpart.errors import ConflictError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Commits that leave every row as it was. After one of any other name the rows count as new, which costs a reading.
KEEPS_ROWS = frozenset(
    (
        *("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "COMPUTE STATS", "CLUSTER BY", "UPGRADE PROTOCOL"),
        *("SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "ADD CONSTRAINT", "DROP CONSTRAINT"),
    )
)
# In Python these have no common class.
LOST_RACES = (
    races.ConcurrentAppendException,
    races.ConcurrentDeleteDeleteException,
    races.ConcurrentDeleteReadException,
    races.ConcurrentTransactionException,
    races.ConcurrentWriteException,
    races.DeltaConcurrentModificationException,
    races.MetadataChangedException,
    races.ProtocolChangedException,
)
# All changes that nothing may cross have one name in Delta's log of transactions: of two at a time one loses.
_APPLICATION = "counterpart"
# Each time that Delta is asked for commits is a job of Spark's. A table is made and written to, seldom more.
_USUAL = 3
_TOLD = ("version", "operation", "userMetadata")
# What a MERGE has no options for.
_OF_STATEMENTS = {
    "txnAppId": "spark.databricks.delta.write.txnAppId",
    "txnVersion": "spark.databricks.delta.write.txnVersion",
    "userMetadata": "spark.databricks.delta.commitInfo.userMetadata",
}


@dataclass(frozen=True)
class Commit:
    """A version of a table and when it was committed, in ms since 1970: a table that is made anew counts from 0."""

    version: int
    at: int


@dataclass(frozen=True)
class Found:
    """Table -> the version that a run found and computes its changes from, None where there was none yet.

    `run` names the commits that the run makes.
    """

    versions: Mapping[str, int | None]
    run: str


@dataclass(frozen=True)
class Place:
    """A table's name, for messages, and where it lies."""

    name: str
    path: str


def changers_since(spark: SparkSession, path: str, version: int | None) -> tuple[int | None, list[str | None]]:
    """The newest version of a table (None: no table), and who changed rows after the one given: runs, None is anybody.

    A table that was deleted, or made anew with fewer versions, is changed.
    """
    if not DeltaTable.isDeltaTable(spark, path):
        return None, [] if version is None else [None]
    delta, after = DeltaTable.forPath(spark, path), -1 if version is None else version
    told = delta.history(_USUAL).select(*_TOLD).collect()
    if len(told) == _USUAL and told[-1]["version"] > after + 1:
        told = delta.history().select(*_TOLD).collect()
    newest = int(told[0]["version"])
    if newest == after:
        return newest, []
    keeps_rows = KEEPS_ROWS | {"CREATE TABLE"}
    changers = [row["userMetadata"] for row in told if row["version"] > after and row["operation"] not in keeps_rows]
    return newest, [*changers, None] if newest < after else changers


def conflict(table: str) -> ConflictError:
    """What is told of a change that another run crossed."""
    return ConflictError(
        f"table {table} was changed by another run after this one had read it, and is left as it is now: ingest again"
    )


@contextmanager
def on_what_was_found(spark: SparkSession, place: Place, found: Found) -> Iterator[dict[str, str]]:
    """Options of the one write to a table in this block. ConflictError if others changed it since it was found.

    Before the write that is seen by versions. While it goes on Delta sees it: of two transactions of one name at a time
    it refuses the later one, and one that starts with a number that is used up it leaves out without a word.
    """
    newest, changers = changers_since(spark, place.path, found.versions[place.name])
    if changers:
        raise conflict(place.name)
    number = 0 if newest is None else newest + 1
    try:
        yield {"txnAppId": _APPLICATION, "txnVersion": str(number), "userMetadata": found.run}
    except LOST_RACES:  # not tried again: the change was made from the table as it was
        raise conflict(place.name) from None
    if changers_since(spark, place.path, newest)[1] != [found.run]:
        raise conflict(place.name)


def refuse_amid_statement(spark: SparkSession) -> None:
    """ConflictError where a statement of another thread is at work in this session (`statement_with`).

    Its settings are the session's: a write would have its name too, and Delta leaves out the second of a name and
    number in a table without a word.
    """
    if spark.conf.get(_OF_STATEMENTS["txnAppId"], None) == _APPLICATION:
        raise ConflictError(
            "an ingest is correcting claims in this Spark session, and what is written meanwhile could be lost: run "
            "the study after it, or in a session of its own; nothing was written"
        )


@contextmanager
def statement_with(spark: SparkSession, options: Mapping[str, str]) -> Iterator[None]:
    """In this block statements that take no options, as MERGE, have these."""
    for name, value in options.items():
        spark.conf.set(_OF_STATEMENTS[name], value)
    try:
        yield
    finally:
        for name in options:
            spark.conf.unset(_OF_STATEMENTS[name])
