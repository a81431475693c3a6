"""Tables of a catalog as sources: a schema of Unity Catalog, Hive or the session, its tables named as the layout's."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pyspark.sql import functions as F

from counterpart.deliveries.delta_tables import DeltaPlace, read_delta_table
from counterpart.deliveries.failures import SPARK_PROBLEMS, condition_of
from counterpart.deliveries.places import File, file_of, file_system
from counterpart.deliveries.source_table import SourceTable
from counterpart.errors import DataError, EnvironmentProblem

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql import types as T

_RIGHTS = "the user running this needs USE CATALOG, USE SCHEMA and SELECT there"
_MOST_TOLD = 12


def read_catalog(
    spark: SparkSession, schema: str, wanted: Mapping[str, bool], versions: Mapping[str, int]
) -> dict[str, SourceTable]:
    """The tables of a schema (`main.claims`, `claims`) by source table; `wanted` says which must be there.

    DataError if the schema or a table is missing or may not be read, EnvironmentProblem if no catalog has it.
    """
    there = {name.lower(): name for name in _tables_of(spark, schema)}
    missing = [table for table, is_required in wanted.items() if is_required and table.lower() not in there]
    if missing:
        names = sorted(there.values())
        found = ", ".join(names[:_MOST_TOLD]) + (", ..." if len(names) > _MOST_TOLD else "")
        raise DataError(
            f"schema {schema} lacks {', '.join(missing)} (found {found or 'no table'}); each must be a table or a view "
            f"that may be read: {_RIGHTS}"
        )
    return {
        table: _read_table(spark, table, _quoted(*schema.split("."), there[table.lower()]), versions.get(table))
        for table in wanted
        if table.lower() in there
    }


def read_catalog_table(spark: SparkSession, name: str) -> SourceTable:
    """One table or view by its name (`main.lab.units`), a Delta table at its newest version.

    DataError if it is not there or may not be read.
    """
    return _read_table(spark, name, _quoted(*name.split(".")), None)


def _tables_of(spark: SparkSession, schema: str) -> list[str]:
    try:
        listed = spark.sql(f"SHOW TABLES IN {_quoted(*schema.split('.'))}").filter("NOT isTemporary")
        return [row["tableName"] for row in listed.select("tableName").collect()]
    except SPARK_PROBLEMS as problem:
        condition = condition_of(problem)
        if condition == "SCHEMA_NOT_FOUND":
            raise DataError(
                f"schema {schema} does not exist, or may not be seen; the site's source.catalog names the schema of "
                f"the raw claims: {_RIGHTS}"
            ) from None
        raise EnvironmentProblem(
            f"schema {schema} cannot be reached ({condition}): this session must have its catalog, as a platform "
            f"brings it or spark.conf of the site sets it up; {_RIGHTS}"
        ) from None


def _read_table(spark: SparkSession, table: str, name: str, version: int | None) -> SourceTable:
    try:
        about = _describe(spark, name)
        if about.get("Provider", "").lower() == "delta":
            return read_delta_table(spark, table, DeltaPlace(name, is_name=True), version)
        frame = spark.read.table(name)
        files = [] if "VIEW" in about.get("Type", "") else _files_of(spark, frame)
    except SPARK_PROBLEMS as problem:
        raise DataError(
            f"catalog table {name.replace('`', '')} cannot be read ({condition_of(problem)}): {_RIGHTS}"
        ) from None
    if not files:
        return SourceTable(frame, "view" if "VIEW" in about.get("Type", "") else "table", lambda: _content_of(frame))
    is_parquet = about.get("Provider", "").lower() == "parquet"
    n_bytes = sum(size for _, size, _ in files)
    return SourceTable(
        frame, "table", lambda: files, n_files=len(files), n_bytes=n_bytes, is_counted_cheaply=is_parquet
    )


def _describe(spark: SparkSession, name: str) -> dict[str, str]:
    """What the catalog says of a table: its Type, its Provider."""
    rows = [(row[0], row[1]) for row in spark.sql(f"DESCRIBE TABLE EXTENDED {name}").collect()]
    # Above this line stand the columns, one of which may be called Type as well.
    begin = next((place for place, row in enumerate(rows) if row[0] == "# Detailed Table Information"), len(rows))
    return dict(rows[begin + 1 :])


def _files_of(spark: SparkSession, frame: DataFrame) -> list[File]:
    """The files that the table is made of; none where it is made of something else, or names folders only."""
    # Spark tells addresses as URLs, Hadoop wants them as they are.
    addresses = sorted(map(unquote, frame.inputFiles()))
    files: list[File] = []
    for folder, below in groupby(addresses, key=lambda address: address.rpartition("/")[0]):
        system, path = file_system(spark, folder)
        names = {address.rpartition("/")[2] for address in below}
        statuses = [status for status in system.listStatus(path) if status.isFile()]
        files += [file_of(status) for status in statuses if status.getPath().getName() in names]
    return sorted(files) if len(files) == len(addresses) else []


def _content_of(frame: DataFrame) -> dict[str, Any]:
    """Count and sums of hashes of all rows, in any order: a view's rows have no version, and no files of their own."""
    columns = [_hashable(field) for field in frame.schema.fields]
    # xxhash64 skips nulls: without their pattern a value would hash the same in whichever column it stands.
    pattern = F.concat(*(F.isnull(_quoted(name)).cast("int").cast("string") for name in frame.columns))
    hashed = frame.select(F.xxhash64(pattern, *columns).alias("hash"))
    total = F.sum(F.col("hash").cast("decimal(38,0)")).cast("string")
    told = hashed.agg(F.count("*").alias("n"), total.alias("total"), F.bit_xor("hash").alias("xor")).collect()[0]
    return {"columns": frame.columns, "n": told["n"], "sum": told["total"], "xor": told["xor"]}


def _hashable(field: T.StructField) -> Column:
    column = F.col(_quoted(field.name))
    return F.to_json(column) if field.dataType.typeName() in ("map", "variant") else column


def _quoted(*parts: str) -> str:
    return ".".join(f"`{part.replace('`', '``')}`" for part in parts)
