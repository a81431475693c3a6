"""Date spans: both ends inclusive, days are whole, one span per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame, WindowSpec


def label_runs(
    spans: DataFrame, keys: Sequence[str], max_gap_days: int = 0, ties: Sequence[str | Column] = ()
) -> DataFrame:
    """Add `covered_to`, the last day any earlier span of the keys reaches, and `run_start_date`.

    Span -> span. A run is a chain of spans in date order in which each starts at most `max_gap_days` uncovered days
    after what came before: 0 joins overlapping and adjacent spans. Both columns look at earlier spans only, never at
    what follows. Of spans that start on one day the longest is first; `ties` orders equal spans, where a caller must
    tell them apart.
    """
    in_order: WindowSpec = W.partitionBy(*keys).orderBy("start_date", F.col("end_date").desc(), *ties)
    before = in_order.rowsBetween(W.unboundedPreceding, -1)
    so_far = in_order.rowsBetween(W.unboundedPreceding, W.currentRow)
    gap_days = F.datediff("start_date", "covered_to") - 1
    begins_run = F.col("covered_to").isNull() | (gap_days > max_gap_days)
    return (
        spans.withColumn("covered_to", F.max("end_date").over(before))
        .withColumn("run_start_date", F.when(begins_run, F.col("start_date")))
        .withColumn("run_start_date", F.max("run_start_date").over(so_far))
    )


def merge_spans(spans: DataFrame, keys: Sequence[str], max_gap_days: int = 0) -> DataFrame:
    """The days covered, as few spans as possible: span -> run of spans (`keys`, `start_date`, `end_date`).

    Gaps of at most `max_gap_days` uncovered days are filled.
    """
    runs = label_runs(spans, keys, max_gap_days)
    return (
        runs.groupBy(*keys, "run_start_date")
        .agg(F.max("end_date").alias("end_date"))
        .select(*keys, F.col("run_start_date").alias("start_date"), "end_date")
    )


def longest_supply(fills: Column, last_day: Column) -> Column:
    """The most days in a row, up to `last_day`, that fills of a drug supply; 0 where there are none.

    `fills` is an array of struct<day, supplied_days>, one per day of dispensing; all are bigint. A fill that comes
    before what was supplied is used up begins on the day after: 30 days from 1 June and 30 from 26 June cover 1 June to
    30 July. No gap is forgiven.
    """
    no_day, no_days = F.lit(None).cast("bigint"), F.lit(0).cast("bigint")
    before = F.struct(no_day.alias("first"), no_day.alias("last"), no_days.alias("longest"))

    def take(so_far: Column, fill: Column) -> Column:
        goes_on = F.coalesce(fill["day"] <= so_far["last"] + 1, F.lit(False))
        first = F.when(goes_on, so_far["first"]).otherwise(fill["day"])
        last = F.when(goes_on, so_far["last"]).otherwise(fill["day"] - 1) + fill["supplied_days"]
        longest = F.greatest(so_far["longest"], F.least(last, last_day) - first + 1)
        return F.struct(first.alias("first"), last.alias("last"), longest.alias("longest"))

    return F.aggregate(F.array_sort(fills), before, take, lambda found: found["longest"])


def bridge_spans(spans: DataFrame, keys: Sequence[str], allowed_gap_days: int) -> DataFrame:
    """Add `bridged_start_date`: since when the keys are covered up to this span, gaps of `allowed_gap_days` forgiven.

    Span -> span. Cover on a day, with a look-back to an earlier day, is then one comparison: the day is inside the
    span, and `bridged_start_date` is not after the earlier day. Reads earlier spans only.
    """
    runs = label_runs(spans, keys, allowed_gap_days)
    return runs.withColumnRenamed("run_start_date", "bridged_start_date").drop("covered_to")
