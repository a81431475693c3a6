"""Amounts, to two digits: exact quantiles of rounded amounts need a count for each of them, and no sort of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.tables import conform
from counterpart.tallies import TALLIES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_AMOUNTS = ("allowed_cents", "paid_cents")


def tally_amounts(lines: DataFrame, part: str) -> DataFrame:
    """Claim line -> tallies `amounts` at cents of two significant digits, at most some 90 for each power of ten."""
    cells = F.array(*(F.struct(F.lit(name).alias("name"), _two_digits(F.col(name)).alias("at")) for name in _AMOUNTS))
    counts = lines.select(F.inline(cells)).filter("at IS NOT NULL").groupBy("name", "at").agg(F.count("*").alias("n"))
    words = {"topic": F.lit("amounts"), "part": F.lit(part), "detail": F.lit("")}
    return conform(counts.withColumns(words), TALLIES)


def _two_digits(cents: Column) -> Column:
    """The amount with its digits after the second set to zero: never up, so that order is kept. Whole dollars below 10.

    In integers: the number of digits is that of the text, for a logarithm is not exact.
    """
    size = F.greatest(F.length(F.abs(cents).cast("string")), F.lit(4)) - 2
    step = F.rpad(F.lit("1"), size + 1, "0").cast("bigint")
    return cents - cents % step
