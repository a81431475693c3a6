"""Rows that the program holds, as frames: what a study asks for, in some hundred rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import types as T

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def small_frame(spark: SparkSession, rows: Sequence[Sequence[Any]], ddl: str) -> DataFrame:
    """The rows as a frame with the DDL's schema.

    By Arrow, Spark has them and their size as it plans; a list of rows would be read by Python workers in every query.
    """
    schema = T.StructType.fromDDL(ddl)
    assert isinstance(schema, T.StructType)
    columns = list(zip(*rows, strict=True)) or [()] * len(schema.names)
    return spark.createDataFrame(pa.table([pa.array(values) for values in columns], names=schema.names), schema)
