"""From service to payment, in the files of a delivery: the claims tables do not keep the day of payment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.sources.accounts import stack
from counterpart.sources.broken_lines import select_whole_lines
from counterpart.sources.layout import MEDICAL_FORM, PHARMACY_FORM, Layout, check_columns, spell_columns
from counterpart.tables import conform
from counterpart.tallies import TALLIES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LONGEST_LAG_DAYS = 730
"""Later payments are counted together, and so are those before the service, at -1 day."""


def tally_lags(layout: Layout, raw: Mapping[str, DataFrame]) -> DataFrame | None:
    """Raw claims -> tallies `lag` at days from service to payment, and `lag_unknown`; None if no table has the day.

    Part: medical or pharmacy. Rows as they were delivered, versions and reversals each, but for lines that are no rows.
    ContractError as in an ingest.
    """
    check_columns(layout, spelled := spell_columns(layout, raw))
    counted = list(_counted(layout, layout.prepare(select_whole_lines(layout, spelled))))
    return conform(stack(counted), TALLIES) if counted else None


def _counted(layout: Layout, raw: Mapping[str, DataFrame]) -> Iterator[DataFrame]:
    kinds = (("medical", layout.medical, MEDICAL_FORM), ("pharmacy", layout.pharmacy, PHARMACY_FORM))
    for part, sources, form in kinds:
        for source in sources:
            if source.name not in raw or "paid_on" not in source.read(raw[source.name]):
                continue
            row = source.rows(raw[source.name], form)
            days = F.datediff(row["paid_on"], row["service_date"])
            within = F.greatest(F.lit(-1), F.least(days, F.lit(LONGEST_LAG_DAYS + 1))).cast("bigint")
            lags = raw[source.name].select(F.when(days.isNotNull(), within).alias("at"))
            counts = lags.groupBy("at").agg(F.count("*").alias("n"))
            yield counts.select(
                F.when(F.col("at").isNull(), F.lit("lag_unknown")).otherwise(F.lit("lag")).alias("topic"),
                F.lit(part).alias("part"),
                F.lit(source.name).alias("name"),
                F.lit("").alias("detail"),
                F.coalesce("at", F.lit(0).cast("bigint")).alias("at"),
                "n",
            )
