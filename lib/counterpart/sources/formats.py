"""How the fields of a source are written: 72148 and 99213 are both 99999, M54.5 is A99.9. No value is in it.

Digits are 9, capitals A, small letters a; two small letters or four capitals and more in a row are a+ and A+: a name
does not show its length.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.sources import fields
from counterpart.sources.accounts import stack

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

SAMPLED_ROWS = 20_000
"""Rows of each table that are looked at: the first that Spark comes across."""

MOST_FORMATS = 3
_LONGEST = 40
_FROM = string.digits + string.ascii_uppercase + string.ascii_lowercase
_TO = "9" * 10 + "A" * 26 + "a" * 26
_SLASHED = r"^\d{1,2}/\d{1,2}/\d{4}"


def survey_formats(raw: Mapping[str, DataFrame]) -> DataFrame:
    """Raw frames -> source table and column, with `n_rows`, `n_empty` and the commonest `formats` (format, n_rows).

    One job over at most SAMPLED_ROWS rows of each table.
    """
    return stack(_of_table(name, frame) for name, frame in raw.items())


def format_of(given: Column) -> Column:
    """Text -> its format. A day with slashes says which part is the month, where one of them is above 12."""
    plain = F.translate(given, _FROM, _TO)
    for pattern, short in ((r"[^\x20-\x7e]+", "?"), (r"A{4,}", "A+"), (r"a{2,}", "a+")):
        plain = F.regexp_replace(plain, pattern, short)
    first, second = (F.split_part(given, F.lit("/"), F.lit(place)).try_cast("int") for place in (1, 2))
    rest = F.regexp_replace(plain, r"^9{1,2}/9{1,2}/9{4}", "")
    is_slashed = given.rlike(_SLASHED)
    return F.substring(
        F.when(is_slashed & (first > 12), F.concat(F.lit("dd/mm/yyyy"), rest))
        .when(is_slashed & (second > 12), F.concat(F.lit("mm/dd/yyyy"), rest))
        .otherwise(plain),
        1,
        _LONGEST,
    )


def _of_table(name: str, frame: DataFrame) -> DataFrame:
    cells = F.array(*(_cell(frame, column) for column in frame.columns))
    written = frame.limit(SAMPLED_ROWS).select(F.explode(cells).alias("cell")).select("cell.*")
    counted = written.groupBy("source_column", "format").agg(F.count("*").alias("n_rows"))
    commonest = W.partitionBy("source_column").orderBy(
        F.col("format").isNull(), F.col("n_rows").desc(), F.col("format")
    )
    ranked = counted.withColumn("place", F.row_number().over(commonest))
    is_shown = F.col("format").isNotNull() & (F.col("place") <= MOST_FORMATS)
    return ranked.groupBy(F.lit(name).alias("source"), "source_column").agg(
        F.sum("n_rows").alias("n_rows"),
        F.coalesce(F.sum(F.when(F.col("format").isNull(), F.col("n_rows"))), F.lit(0)).alias("n_empty"),
        F.array_sort(F.collect_list(F.when(is_shown, F.struct("place", "format", "n_rows")))).alias("formats"),
    )


def _cell(frame: DataFrame, column: str) -> Column:
    """A column's name, and the format of its field; of what is no text, the type."""
    kind = frame.schema[column].dataType
    told = fields.text(frame, column)
    how = format_of(told) if isinstance(kind, T.StringType) else F.lit(kind.simpleString())
    return F.struct(F.lit(column).alias("source_column"), F.when(told.isNotNull(), how).alias("format"))
