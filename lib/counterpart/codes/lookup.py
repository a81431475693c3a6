"""Code sets as Spark needs them: one equi-join over many sets, a predicate for one small set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as F

from counterpart.codes.buckets import buckets_of
from counterpart.codes.encoding import BUCKET_SHIFT
from counterpart.codes.sets import CodeRange, CodeSet
from counterpart.errors import CodeSetError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LOW_BITS = (1 << BUCKET_SHIFT) - 1


class CodeRow(NamedTuple):
    """One line of the join table: codes of `bucket` from `low` to `high` mean `concept_id` on the inclusive dates."""

    bucket: int
    low: int
    high: int
    valid_from: date | None
    valid_to: date | None
    concept_id: int


CODE_ROWS_DDL = "bucket bigint, low bigint, high bigint, valid_from date, valid_to date, concept_id int"
"""The columns of code rows as a table."""


def match_codes(rows: DataFrame, code: Column, on: Column, concepts: DataFrame) -> DataFrame:
    """Rows x concepts that their code means on the date `on`; `concepts` are `code_rows`, which every executor gets.

    A code meets a concept at most once. They are joined by `bucket`, the system and first three characters of a code.
    """
    is_in_range = code.between(F.col("low"), F.col("high"))
    has_begun = F.col("valid_from").isNull() | (on >= F.col("valid_from"))
    has_not_ended = F.col("valid_to").isNull() | (on <= F.col("valid_to"))
    keyed = rows.withColumn("bucket", F.shiftright(code, BUCKET_SHIFT))
    return keyed.join(F.broadcast(concepts), "bucket", "inner").filter(is_in_range & has_begun & has_not_ended)


def code_rows(sets: Mapping[int, CodeSet]) -> list[CodeRow]:
    """Every range cut at bucket borders: one row per (bucket, range, concept), for `match_codes`.

    CodeSetError names a set with a range too wide to enumerate.
    """
    return [row for concept_id, code_set in sorted(sets.items()) for row in _rows_of(concept_id, code_set)]


def _rows_of(concept_id: int, code_set: CodeSet) -> list[CodeRow]:
    rows = []
    for r in code_set.ranges:
        try:
            buckets = buckets_of(r.low, r.high)
        except ValueError as problem:
            raise CodeSetError(f"code set {code_set.name}: {problem}") from None
        for bucket in buckets:
            floor = bucket << BUCKET_SHIFT
            rows.append(
                CodeRow(bucket, max(r.low, floor), min(r.high, floor | _LOW_BITS), r.valid_from, r.valid_to, concept_id)
            )
    return rows


def is_in(code_set: CodeSet, code: Column, on: Column) -> Column:
    """Is `code` in the set on the date `on`? True or false, never null.

    For one small set; many at once are for `match_codes`.
    """
    by_period = sorted(code_set.ranges, key=_period)
    tests = [_is_current(period, on) & _is_among(list(same), code) for period, same in groupby(by_period, key=_period)]
    return F.coalesce(reduce(Column.__or__, tests, F.lit(False)), F.lit(False))


def _period(r: CodeRange) -> tuple[date, date]:
    return r.valid_from or date.min, r.valid_to or date.max


def _is_current(period: tuple[date, date], on: Column) -> Column:
    start, end = period
    since = F.lit(True) if start == date.min else on >= F.lit(start)
    until = F.lit(True) if end == date.max else on <= F.lit(end)
    return since & until


def _is_among(ranges: Sequence[CodeRange], code: Column) -> Column:
    # Single codes go into one IN, which Spark turns into a hash lookup; ranges stay BETWEEN.
    exact = [r.low for r in ranges if r.low == r.high]
    tests = [code.isin(exact)] if exact else []
    tests += [code.between(r.low, r.high) for r in ranges if r.low < r.high]
    return reduce(Column.__or__, tests)
