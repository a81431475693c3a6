"""Cover without an end, and the day that it ends after all, told by a later delivery.

Held cover is merged, so a span that is open may begin long before what was delivered as open. The start of that is
kept beside it: a later row with this start is about the span that was open, and any other is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.tables import Table, conform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from pyspark.sql import Column, DataFrame

OPEN_END = "9999-12-31"
"""Where a source has cover without an end."""

# No contract is made for so long: 2099-12-31 and the like are other ways to say that cover goes on.
_LONGEST_YEARS = 50

OPEN_COVER = Table(
    name="open_cover",
    grain="member and benefit whose cover has no end, with the last start that it was delivered with",
    key=("member_key", "benefit"),
    columns={"member_key": "bigint", "benefit": "string", "open_since": "date"},
    is_result=False,
)


def open_end(end: Column, received_on: date) -> Column:
    """The end of cover as a source tells it; the open end where it lies more than 50 years after the delivery."""
    last = F.add_months(F.lit(received_on), 12 * _LONGEST_YEARS)
    return F.when(end > last, F.lit(OPEN_END).cast("date")).otherwise(end)


def add_open_since(enrollment: DataFrame, known: DataFrame | None) -> DataFrame:
    """Held cover -> the same with `open_since` where it has no end: as kept, else the span's own start."""
    is_open = F.col("end_date") == F.lit(OPEN_END)
    if known is None:
        return enrollment.withColumn("open_since", F.when(is_open, F.col("start_date")))
    told = known.select("member_key", "benefit", F.col("open_since").alias("told_since"))
    # Kept before the span began: of an ingest that was interrupted between the two tables.
    since = F.greatest("told_since", "start_date")
    return (
        enrollment.join(told, ["member_key", "benefit"], "left")
        .withColumn("open_since", F.when(is_open, since))
        .drop("told_since")
    )


def end_open_cover(spans: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Held spans (`is_new` 0, with `open_since`) and delivered ones -> the same, with held ends that are told now.

    Span -> span, and `is_correction`: the delivered span that ends a held one. Where the delivery has the span with
    an end and without, it stays open; of several ends the last holds.
    """
    of_member = W.partitionBy(*keys)
    open_since = F.max(F.when(F.col("is_new") == 0, F.col("open_since"))).over(of_member)
    spans = spans.withColumn("held_since", open_since)
    is_told = (F.col("is_new") == 1) & (F.col("start_date") == F.col("held_since"))
    spans = spans.withColumn("told_end", F.max(F.when(is_told, F.col("end_date"))).over(of_member))
    is_ended = F.col("told_end") < F.lit(OPEN_END)
    held_open = F.col("open_since").isNotNull() & (F.col("is_new") == 0)
    return spans.withColumns(
        {
            "is_correction": F.coalesce(is_told & is_ended & (F.col("end_date") == F.col("told_end")), F.lit(False)),
            "end_date": F.when(held_open & is_ended, F.col("told_end")).otherwise(F.col("end_date")),
        }
    ).drop("held_since", "told_end")


def select_open(spans: DataFrame) -> DataFrame:
    """Spans, held and delivered -> since when cover is open (contract OPEN_COVER)."""
    is_open = F.col("end_date") == F.lit(OPEN_END)
    since = F.max(F.coalesce("open_since", "start_date")).alias("open_since")
    return conform(spans.filter(is_open).groupBy("member_key", "benefit").agg(since), OPEN_COVER)
