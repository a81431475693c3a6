"""Raw claims as they lie in a folder: files, read as text where they are text, and Delta tables.

A table is a folder `<table>/`, one file `<table>.parquet`, `.csv`, `.csv.gz` or `.txt`, or numbered files
`<table>_2011.csv`, `<table>_2012.csv`; or a Delta table `<table>/`. Capitals in these names do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException

from counterpart.deliveries.delta_tables import DeltaPlace, read_delta_table
from counterpart.deliveries.failures import condition_of, explain_forbidden_folders
from counterpart.deliveries.places import File, absolute, file_of, file_system
from counterpart.deliveries.source_table import SourceTable
from counterpart.errors import DataError
from counterpart.protocol import TextFiles
from counterpart.text_tables import file_name, read_text_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TEXT_ENDINGS = (".csv", ".csv.gz", ".txt")
_PARQUET = ".parquet"
_ENDINGS = (_PARQUET, *_TEXT_ENDINGS)
_LOG = "_delta_log"


@dataclass(frozen=True)
class _Place:
    """Where a raw table lies: the files there, and the folder of all of them if it is one, or a Delta table's address.

    Folders below, named as column=value, are a column of Parquet files.
    """

    files: Sequence[File] = ()
    folder: str | None = None
    delta: str | None = None


def read_folder(
    spark: SparkSession, folder: str, wanted: Mapping[str, bool], written: Mapping[str, TextFiles], usual: TextFiles,
    versions: Mapping[str, int],
) -> dict[str, SourceTable]:  # fmt: skip
    """The raw tables of a folder; `wanted` says which must be there. Text files come as text, as they are.

    `written` says by table how text files are written, where not as usual. DataError if the folder or a table is
    missing, lies there twice, or cannot be read.
    """
    with explain_forbidden_folders(folder):
        entries = _entries(spark, absolute(folder))
        lying = {table: _place_of(spark, entries, table) for table in wanted}
    missing = [table for table, is_required in wanted.items() if is_required and lying[table] is None]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}; each must be a folder of Parquet or CSV files, one file "
            f"(<table>.parquet, .csv, .csv.gz, .txt), numbered ones (<table>_2020.csv), or a Delta table"
        )
    return {
        table: _read_place(spark, table, place, written.get(table, usual), versions.get(table))
        for table, place in lying.items()
        if place is not None
    }


def read_table(spark: SparkSession, address: str) -> SourceTable:
    """The one table at an address: a Parquet file, a folder of them, or a Delta table at its newest version.

    DataError if nothing is there, or something else.
    """
    allowed = "it must be a Parquet file (.parquet), a folder of them, or a Delta table"
    with explain_forbidden_folders(address):
        system, path = file_system(spark, absolute(address))
        if not system.exists(path):
            raise DataError(f"{address} does not exist; {allowed}")
        place = _found_in(spark, file_name(address), [system.getFileStatus(path)])
    if place is None or not all(file.lower().endswith(_PARQUET) for file, _, _ in place.files):
        raise DataError(f"{address} has other files than Parquet, or none; {allowed}")
    return _read_place(spark, file_name(address), place, TextFiles())


def _read_place(
    spark: SparkSession, table: str, place: _Place, written: TextFiles, version: int | None = None
) -> SourceTable:
    if place.delta is not None:
        return read_delta_table(spark, table, DeltaPlace(place.delta), version)
    return _read_files(spark, table, place, written)


def _entries(spark: SparkSession, folder: str) -> list[Any]:
    """Hadoop's status of what lies directly in a folder."""
    system, path = file_system(spark, folder)
    if not system.exists(path):
        raise DataError(f"{folder} does not exist; the site's source.path names the folder of the raw claims")
    if not system.getFileStatus(path).isDirectory():
        raise DataError(f"{folder} is a file; the site's source.path names the folder of the raw claims")
    return list(system.listStatus(path))


def _place_of(spark: SparkSession, entries: Sequence[Any], table: str) -> _Place | None:
    """Where a raw table lies, its files sorted; None if it is not there."""
    endings = "|".join(re.escape(ending) for ending in _ENDINGS)
    whole = [re.escape(table), *(re.escape(table + ending) for ending in _ENDINGS)]
    places: dict[str, _Place] = {}
    for pattern in (*whole, rf"{re.escape(table)}_\d+({endings})"):
        named = [entry for entry in entries if re.fullmatch(pattern, entry.getPath().getName(), re.IGNORECASE)]
        if len({entry.getPath().getName().lower() for entry in named}) < len(named):
            raise DataError(f"source table {table} is there twice, under names that differ only in case")
        if place := _found_in(spark, table, named):
            places[named[0].getPath().getName()] = place
    if len(places) > 1:
        raise DataError(
            f"source table {table} is there in {len(places)} places ({', '.join(sorted(places))}); only one can be "
            "read: put the files into one folder, or number them (<table>_2020.csv)"
        )
    return next(iter(places.values()), None)


def _found_in(spark: SparkSession, table: str, entries: Sequence[Any]) -> _Place | None:
    addresses = [str(entry.getPath()) for entry in entries]
    deltas = [address for entry, address in zip(entries, addresses, strict=True) if _is_delta(spark, entry)]
    if deltas and len(addresses) > 1:
        raise DataError(f"source table {table} is several Delta tables, or one beside files; it must be one")
    if deltas:
        return _Place(delta=deltas[0])
    files = sorted(file for address in addresses for file in _files_below(spark, address))
    folder = addresses[0] if len(entries) == 1 and entries[0].isDirectory() else None
    return _Place(files, folder) if files else None


def _is_delta(spark: SparkSession, entry: Any) -> bool:
    if not entry.isDirectory():
        return False
    system, log = file_system(spark, f"{entry.getPath()}/{_LOG}")
    return bool(system.exists(log))


def _files_below(spark: SparkSession, address: str) -> Iterator[File]:
    system, path = file_system(spark, address)
    files = system.listFiles(path, True)
    while files.hasNext():
        status = files.next()
        below = str(status.getPath()).removeprefix(address).split("/")
        if _LOG in below:
            # Its folder holds rows that were taken out as well.
            raise DataError(
                f"{file_name(address)} has a Delta table in a folder below; a source table is one Delta table, or "
                "Parquet or text files"
            )
        # A hidden folder is what another program is at work on, or left behind.
        if not any(part.startswith(("_", ".")) for part in below):
            yield file_of(status)


def _read_files(spark: SparkSession, table: str, place: _Place, written: TextFiles) -> SourceTable:
    files = place.files
    addresses = [address for address, _, _ in files]
    is_parquet = all(address.lower().endswith(_PARQUET) for address in addresses)
    is_text = all(address.lower().endswith(_TEXT_ENDINGS) for address in addresses)
    if not (is_parquet or is_text):
        raise DataError(
            f"source table {table} has files that are neither all .parquet nor all {', '.join(_TEXT_ENDINGS)}"
        )
    return SourceTable(
        _frame_of(spark, table, addresses, written if is_text else None, place.folder),
        "Parquet" if is_parquet else "text",
        lambda: files,
        n_files=len(files),
        n_bytes=sum(size for _, size, _ in files),
        is_counted_cheaply=is_parquet,
    )


def _frame_of(
    spark: SparkSession, table: str, addresses: Sequence[str], written: TextFiles | None, folder: str | None
) -> DataFrame:
    """The rows of text files that are written so, or of Parquet files."""
    try:
        if written is None:
            # Parts may have gained columns. Without merging, the first part would decide which are read.
            reader = spark.read.option("mergeSchema", True)
            return (reader.option("basePath", folder) if folder else reader).parquet(*addresses)
        return read_text_table(spark, table, addresses, written)
    except (AnalysisException, Py4JJavaError) as problem:
        condition = condition_of(problem)
        # To Java a file that may not be read is not there.
        guess = (
            "; a file is gone, or the user running this may not read it" if condition.endswith("FILE_NOT_EXIST") else ""
        )
        raise DataError(f"source table {table} cannot be read: {condition}{guess}") from None
