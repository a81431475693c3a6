"""The one form of all counts, so that one query brings all of them: topic, table, name, detail, place, number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.tables import Table, conform

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


TALLIES = Table(
    name="tallies",
    grain="topic, table, name, detail and place: a count for the profile of a site, never stored",
    key=("topic", "part", "name", "detail", "at"),
    columns={"topic": "string", "part": "string", "name": "string", "detail": "string", "at": "bigint", "n": "bigint"},
    is_result=False,
)


def month_of(day: Column) -> Column:
    """A day's month as the tables write it, 202109."""
    return F.year(day) * 100 + F.month(day)


def tallies_of(
    counts: DataFrame, part: str | Column, at: Column | None = None, *, named: Mapping[tuple[str, str], str]
) -> DataFrame:
    """A row of counts -> a tally for each of its columns, zeros too; `named` maps (topic, name) to the column."""
    cells = F.array(
        *(
            F.struct(F.lit(topic).alias("topic"), F.lit(name).alias("name"), F.col(column).cast("bigint").alias("n"))
            for (topic, name), column in named.items()
        )
    )
    placed = counts.select(
        (F.lit(part) if isinstance(part, str) else part).alias("part"),
        F.lit("").alias("detail"),
        (F.lit(0) if at is None else at).cast("bigint").alias("at"),
        F.inline(cells),
    )
    return conform(placed, TALLIES)
