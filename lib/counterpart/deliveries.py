"""Raw claims as they lie in a folder -> frames by source table, read as text where they are text.

A table is a folder `<table>/`, one file `<table>.parquet`, `.csv`, `.csv.gz` or `.txt`, or numbered files
`<table>_2011.csv`, `<table>_2012.csv`. Capitals in these names do not matter.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError, Py4JJavaError  # type: ignore[import-untyped]  # py4j ships no types
from pyspark.errors import AnalysisException, PySparkException

from counterpart.errors import DataError, EnvironmentProblem
from counterpart.protocol import TextFiles
from counterpart.protocol.site import is_address
from counterpart.text_tables import file_name, read_text_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TEXT_ENDINGS = (".csv", ".csv.gz", ".txt")
_ENDINGS = (".parquet", *_TEXT_ENDINGS)

_File = tuple[str, int, int]
"""Address, bytes, modified at."""


@dataclass(frozen=True)
class Delivery:
    """Raw claims as they lie in a folder: frames by source table, and a fingerprint of the files."""

    tables: Mapping[str, DataFrame]
    fingerprint: str


def read_delivery(
    spark: SparkSession,
    folder: str,
    wanted: Mapping[str, bool],
    separator: str = ",",
    files: Mapping[str, TextFiles] | None = None,
) -> Delivery:
    """The raw tables of a folder; `wanted` says which must be there. Text files come as text, as they are.

    `files` says by table how text files are written, where not with the separator and otherwise as usual.
    DataError if the folder or a table is missing, lies there twice, or a file cannot be read.
    """
    entries = _entries(spark, absolute(folder))
    lying = {table: _files_of(spark, entries, table) for table in wanted}
    missing = [table for table, is_required in wanted.items() if is_required and not lying[table]]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}; each must be a folder of Parquet or CSV files, one file "
            f"(<table>.parquet, .csv, .csv.gz, .txt), or numbered ones (<table>_2020.csv)"
        )
    found = {table: listed for table, listed in lying.items() if listed}
    fingerprint = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
    usual, written = TextFiles(separator=separator), files or {}
    tables = {table: _read_files(spark, table, listed, written.get(table, usual)) for table, listed in found.items()}
    return Delivery(tables, fingerprint)


def absolute(folder: str) -> str:
    """An address as it is; a folder of this machine from its root, for Delta makes tables at absolute places only."""
    return folder.rstrip("/") if is_address(folder) else str(Path(folder).absolute())


def file_system(spark: SparkSession, folder: str) -> tuple[Any, Any]:
    """Hadoop's file system and path: the same for a disk and an object store. EnvironmentProblem if there is none."""
    jvm: Any = spark._jvm
    try:
        path = jvm.org.apache.hadoop.fs.Path(folder)
        return path.getFileSystem(spark._jsc.hadoopConfiguration()), path
    except (Py4JJavaError, PySparkException) as problem:
        raise EnvironmentProblem(
            f"{folder} cannot be reached ({_condition_of(problem)}): it must be a folder of this machine, or an "
            "address whose file system Spark has"
        ) from None


def _entries(spark: SparkSession, folder: str) -> list[str]:
    """Addresses of what lies directly in a folder."""
    system, path = file_system(spark, folder)
    if not system.exists(path):
        raise DataError(f"{folder} does not exist; the site's source.path names the folder of the raw claims")
    if not system.getFileStatus(path).isDirectory():
        raise DataError(f"{folder} is a file; the site's source.path names the folder of the raw claims")
    return [str(status.getPath()) for status in system.listStatus(path)]


def _files_of(spark: SparkSession, entries: Sequence[str], table: str) -> list[_File]:
    """The files of a raw table, sorted; none if it is not there."""
    endings = "|".join(re.escape(ending) for ending in _ENDINGS)
    whole = [re.escape(table), *(re.escape(table + ending) for ending in _ENDINGS)]
    places: dict[str, list[_File]] = {}
    for pattern in (*whole, rf"{re.escape(table)}_\d+({endings})"):
        named = [address for address in entries if re.fullmatch(pattern, file_name(address), re.IGNORECASE)]
        if len({file_name(address).lower() for address in named}) < len(named):
            raise DataError(f"source table {table} lies there twice, under names that differ in capitals only")
        if files := sorted(file for address in named for file in _files_below(spark, address)):
            places[file_name(named[0])] = files
    if len(places) > 1:
        raise DataError(
            f"source table {table} lies there in {len(places)} places ({', '.join(sorted(places))}); only one can be "
            "read: put the files into one folder, or number them (<table>_2020.csv)"
        )
    return next(iter(places.values()), [])


def _files_below(spark: SparkSession, address: str) -> Iterator[_File]:
    system, path = file_system(spark, address)
    files = system.listFiles(path, True)
    while files.hasNext():
        status = files.next()
        below = str(status.getPath()).removeprefix(address).split("/")
        if "_delta_log" in below:
            # Its folder holds rows that were taken out as well.
            raise DataError(f"{file_name(address)} is a Delta table; a source table is Parquet or text files")
        # A hidden folder is what another program is at work on, or left behind.
        if not any(part.startswith(("_", ".")) for part in below):
            yield str(status.getPath()), int(status.getLen()), int(status.getModificationTime())


def _read_files(spark: SparkSession, table: str, files: Sequence[_File], written: TextFiles) -> DataFrame:
    addresses = [address for address, _, _ in files]
    is_parquet = all(address.lower().endswith(".parquet") for address in addresses)
    is_text = all(address.lower().endswith(_TEXT_ENDINGS) for address in addresses)
    if not (is_parquet or is_text):
        raise DataError(
            f"source table {table} has files that are neither all .parquet nor all {', '.join(_TEXT_ENDINGS)}"
        )
    try:
        if is_parquet:
            # Parts may have gained columns. Without merging, the first part would decide which are read.
            return spark.read.option("mergeSchema", True).parquet(*addresses)
        return read_text_table(spark, table, addresses, written)
    except (AnalysisException, Py4JJavaError) as problem:
        raise DataError(f"source table {table} cannot be read: {_condition_of(problem)}") from None


def _condition_of(problem: PySparkException | Py4JJavaError) -> str:
    """Spark's name for what went wrong, or Java's; its message would quote files and values."""
    error: Any = problem.java_exception if isinstance(problem, Py4JJavaError) else problem
    try:
        return str(error.getCondition() or type(error).__name__)
    except Py4JError:
        return str(error.getClass().getSimpleName())


@contextmanager
def unreadable_files_told() -> Iterator[None]:
    """DataError where a file proves unreadable in its middle: gzip that was cut off, a damaged page of Parquet."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as problem:
        condition = _condition_of(problem)
        if not condition.startswith("FAILED_READ_FILE"):
            raise
        raise DataError(
            f"file {_file_of(problem)} cannot be read to its end ({condition}): it is damaged or cut off, or has a "
            "line of more than 20,480 fields"
        ) from None


def _file_of(problem: PySparkException | Py4JJavaError) -> str:
    error: Any = problem.java_exception if isinstance(problem, Py4JJavaError) else problem
    return file_name(str(error.getMessageParameters().get("path")))
