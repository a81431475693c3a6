"""Cover that is told month by month -> spans of whole months."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column

_MONTHS = 12


def spans_of_months(year: Column, months: Column) -> Column:
    """A year and twelve characters, `1` for a covered month -> its spans, in order: structs `start_date`, `end_date`.

    Without a year or without the characters there are no spans. Give columns, not expressions: both are read often.
    """

    def is_covered(month: Column) -> Column:
        # substring counts place 0 as place 1, so the month before January is asked for apart.
        return month.between(1, _MONTHS) & (F.substr(months, month, F.lit(1)) == "1")

    places = F.sequence(F.lit(1), F.lit(_MONTHS))
    starts = F.filter(places, lambda month: is_covered(month) & ~is_covered(month - 1))
    ends = F.filter(places, lambda month: is_covered(month) & ~is_covered(month + 1))

    def span(start: Column, end: Column) -> Column:
        first_day = F.make_date(year, start, F.lit(1))
        last_day = F.last_day(F.make_date(year, end, F.lit(1)))
        return F.struct(first_day.alias("start_date"), last_day.alias("end_date"))

    return F.filter(F.zip_with(starts, ends, span), lambda one: one["start_date"].isNotNull())
