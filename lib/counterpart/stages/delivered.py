"""Is what a study believes of the claims so: the days that they cover, and the program that the roster names?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.protocol import RosterIndex, Study

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def tell_uncovered_months(lines: Mapping[str, DataFrame], study: Study) -> list[str]:
    """A sentence for each table whose lines begin after the first look-back, or end in a month before the data do.

    The months themselves are not told: the last may have a single line.
    """
    return [told for name, table in lines.items() for told in _tell_months(name, table, study)]


def _tell_months(name: str, lines: DataFrame, study: Study) -> Iterator[str]:
    found = _months_of(lines)
    if found is None:
        return
    first, last = found
    needed = max(study.data.start, study.cohort.index_start - timedelta(days=study.cohort.enrollment.lookback_days))
    if _month(needed) < first:
        yield (
            f"The table {name} has no line in the month of {needed}, where the first look-back begins, nor before: "
            "until its lines begin, everybody looks as if nothing had happened."
        )
    if _month(study.data.end) > last:
        yield (
            f"The table {name} has no line in the month of data.end, {study.data.end}, nor later: time after its last "
            "line counts as time in which nothing happened. End the data where claims are complete, which `counterpart "
            "profile` shows."
        )


def _months_of(lines: DataFrame) -> tuple[int, int] | None:
    """First and last month with a line; None without lines.

    Of the values of partitions first; where these are years, of the lines of the first and the last.
    """
    periods = lines.agg(F.min("service_period"), F.max("service_period")).collect()[0]
    if periods[0] is None:
        return None
    if all(period % 100 for period in periods):
        return periods[0], periods[1]
    ends = lines.filter(F.col("service_period").isin(*periods))
    months = ends.agg(F.min("service_month"), F.max("service_month")).collect()[0]
    return months[0], months[1]


def _month(day: date) -> int:
    return day.year * 100 + day.month


def tell_unknown_program(roster: DataFrame, study: Study) -> list[str]:
    """A sentence if no row of the roster is of the study's program; how many others there are, not which."""
    index = study.cohort.treated.index
    if not isinstance(index, RosterIndex) or not roster.filter(F.col("program") == index.program).isEmpty():
        return []
    n_programs = roster.select("program").distinct().count()
    others = {0: "It has no row at all.", 1: "Its rows are of one other program."}
    return [
        f"No row of the roster is of the program {index.program!r}: nobody is treated. "
        + others.get(n_programs, f"Its rows are of {n_programs} other programs.")
        + " Names must be equal, capitals and blanks too."
    ]
