"""A table of units that Spark reads, matched by Spark."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError, Py4JJavaError

from counterpart.deliveries import (
    absolute,
    condition_of,
    explain_unreadable_files,
    file_system,
    read_catalog_table,
    read_table,
)
from counterpart.errors import EnvironmentProblem
from counterpart.match_table.request import TABLES, Request, summary_document
from counterpart.matching import balance, match, plan
from counterpart.matching.cost import TASK_BYTES
from counterpart.matching.result import REASONS
from counterpart.session import open_session, settings_without_site

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from counterpart.matching import Matched
    from counterpart.matching.planning import Plan
    from counterpart.progress import TerminalProgress


def match_by_spark(asked: Request, progress: TerminalProgress) -> None:
    """Match the units of Parquet files, a Delta table or a table of a catalog; names are those of `match_in_memory`.

    Pairs, unmatched and weights are folders of Parquet files, their rows in no order. The folder of all appears when
    everything is written, or not at all, where the file system renames folders at once; an object store that copies
    instead may have a part of it for as long.
    """
    with open_session(settings_without_site()) as spark, explain_unreadable_files():
        progress.watch(spark)
        with _appearing(spark, asked) as folder:
            units = _read_units(spark, asked)
            with progress.stage("match"):
                result = match(units, asked.matching, asked.seed, asked.task_bytes or TASK_BYTES)
            with progress.stage("write"):
                _write(units, result, asked, folder)
            result.release()


def plan_by_spark(asked: Request, progress: TerminalProgress) -> Plan:
    """What `match_by_spark` would do; nobody is paired and nothing written."""
    with open_session(settings_without_site()) as spark, explain_unreadable_files():
        progress.watch(spark)
        with progress.stage("plan"):
            return plan(_read_units(spark, asked), asked.matching, asked.task_bytes or TASK_BYTES)


def _read_units(spark: SparkSession, asked: Request) -> DataFrame:
    read = read_catalog_table if asked.is_in_catalog else read_table
    units = read(spark, asked.units).frame
    asked.refuse_absent(units.columns)
    return units


def _write(units: DataFrame, result: Matched[DataFrame], asked: Request, folder: str) -> None:
    spark = units.sparkSession
    for name in TABLES:
        getattr(result, name).write.parquet(f"{folder}/{name}.parquet")
        _reconcile(spark.read.parquet(f"{folder}/{name}.parquet").count(), name, result.summary)
    compared = balance(units, result, asked.covariates).toPandas()
    _write_text(spark, f"{folder}/balance.csv", compared.to_csv(index=False))
    _write_text(spark, f"{folder}/summary.json", summary_document(result))


def _reconcile(n_written: int, name: str, summary: Mapping[str, Any]) -> None:
    """RuntimeError if a table has more rows than the match has counted, or fewer. Parquet's footers tell."""
    counted = {
        "pairs": summary["n_pairs"],
        "unmatched": sum(summary[f"n_{reason}"] for reason in REASONS),
        "weights": summary["n_pairs"] + summary["n_sets"],
    }
    if n_written != counted[name]:
        raise RuntimeError(f"{name} do not reconcile: {n_written:,} rows are written of {counted[name]:,}")


def _write_text(spark: SparkSession, address: str, text: str) -> None:
    system, path = file_system(spark, address)
    stream = system.create(path)
    try:
        stream.write(bytearray(text, "utf-8"))
    finally:
        stream.close()


@contextmanager
def _appearing(spark: SparkSession, asked: Request) -> Iterator[str]:
    """A hidden folder to write to, which becomes the one that is asked for if all goes well, and else is removed.

    SettingsError if that exists, before and after; EnvironmentProblem if it cannot be made.
    """
    place = absolute(asked.out or "")
    parent, _, name = place.rpartition("/")
    hidden = f"{parent}/.{name}.{uuid.uuid4().hex}"
    system, out = file_system(spark, place)
    _, partial = file_system(spark, hidden)
    if system.exists(out):
        raise asked.out_exists()
    try:
        is_made = system.mkdirs(partial)
    except Py4JJavaError as problem:
        raise EnvironmentProblem(f"--out {asked.out} cannot be written: {condition_of(problem)}") from None
    if not is_made:
        raise EnvironmentProblem(f"--out {asked.out} cannot be written: no folder can be made beside it")
    try:
        yield hidden
        # Renamed onto a folder, it would lie in that.
        if system.exists(out):
            raise asked.out_exists()
        if not system.rename(partial, out):
            raise EnvironmentProblem(f"--out {asked.out} cannot be written: what lies beside it cannot be renamed")
    finally:
        # Without Java nobody can.
        with suppress(Py4JError, OSError):
            system.delete(partial, True)
