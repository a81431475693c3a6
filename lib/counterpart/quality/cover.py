"""Members and their cover: covered members by month, spans a member, gaps between spans, facts that are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.tables import conform
from counterpart.tallies import TALLIES, month_of, tallies_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

MOST_SPANS = 5
"""Members with so many spans or more are counted together."""

GAPS = (31, 92, 183, 365)
"""Upper ends, in days, of the classes of gaps; longer ones are one more class."""

_OPEN_END = "2200-01-01"


def tally_cover(enrollment: DataFrame) -> DataFrame:
    """Span of cover -> tallies `cover_begins` and `cover_ends` by month, `spans` and `gaps` by class; part: benefit.

    Members covered on any day of a month are all that began up to it less all that ended before it: spans need not be
    spread over their months. A month in which a member's cover ends and begins again counts once.
    """
    in_order = W.partitionBy("member_key", "benefit").orderBy("start_date")
    spans = enrollment.select(
        "benefit",
        "start_date",
        "end_date",
        F.lag("end_date").over(in_order).alias("previous_end"),
        F.lead("start_date").over(in_order).isNull().alias("is_last"),
        F.row_number().over(in_order).alias("number"),
    )
    after_previous = _month_after(F.col("previous_end"))
    begins = F.greatest(month_of(F.col("start_date")), after_previous)
    gap_days = F.datediff("start_date", "previous_end") - 1
    n_spans = F.when(F.col("is_last"), F.least("number", F.lit(MOST_SPANS)))
    found = F.array(
        _found("cover_begins", begins),
        _found("cover_ends", F.when(F.col("end_date") < _OPEN_END, _month_after(F.col("end_date")))),
        _found("spans", n_spans),
        _found("gaps", _class_of(gap_days)),
    )
    return conform(
        spans.select(F.col("benefit").alias("part"), F.inline(found))
        .filter("at IS NOT NULL")
        .groupBy("topic", "part", "at")
        .agg(F.count("*").alias("n"))
        .withColumns({"name": F.lit(""), "detail": F.lit("")}),
        TALLIES,
    )


def tally_members(members: DataFrame) -> DataFrame:
    """Member -> tallies `lines`, `missing` and `deaths` (known ones), without a month."""
    missing = {
        "birth_date": F.col("birth_date").isNull(),
        "sex": ~F.col("sex").isin("M", "F") | F.col("sex").isNull(),
        "state": F.coalesce(F.size("residences"), F.lit(0)) <= 0,
    }
    counts = members.agg(
        F.count("*").alias("n_rows"),
        F.count("death_date").alias("n_deaths"),
        *(F.count_if(is_missing).alias(name) for name, is_missing in missing.items()),
    )
    named = {("missing", name): name for name in missing} | {("lines", ""): "n_rows", ("deaths", ""): "n_deaths"}
    return tallies_of(counts, "members", named=named)


def _found(topic: str, at: Column) -> Column:
    return F.struct(F.lit(topic).alias("topic"), at.cast("bigint").alias("at"))


def _month_after(day: Column) -> Column:
    return month_of(F.add_months(F.trunc(day, "MM"), 1))


def _class_of(days: Column) -> Column:
    """The upper end of the class that a gap falls into; 0 for the class without one."""
    ends = [F.when(days <= end, F.lit(end)) for end in GAPS]
    return F.when(days.isNotNull(), F.coalesce(*ends, F.lit(0)))
