"""The accounts of a delivery: every source row ends as kept, merged or quarantined, by a named rule.

A labelled frame has the columns `source`, `fate`, `rule` and `row_json` beside its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from counterpart.protocol import RowRules
from counterpart.sources.fields import quoted
from counterpart.sources.placement import Placement
from counterpart.tables import INTAKE, QUARANTINE, conform

if TYPE_CHECKING:
    from pyspark.sql import Column

Stage = Callable[[str, DataFrame], DataFrame]
"""Writes a frame under a name and returns it read back."""

KEPT = "kept"
MERGED = "merged"
QUARANTINED = "quarantined"

AS_SENT = "as_sent"
LOOKED_UP = "looked_up"
MENDED = "mended"


def _as_it_is(_name: str, frame: DataFrame) -> DataFrame:
    return frame


@dataclass(frozen=True)
class IngestContext:
    """What a delivery meets.

    `delivery` names it; no service lies after `received_on`; `placement` is where lines go; `existing` are the
    declared tables before it, by name; `stage(name, frame)` writes a frame that is read more than once and returns it
    read back; `rules` are the site's own among the row rules; `aliases` (`alias_key`, `known_as`) are the ids by which
    the crosswalk knows others.
    """

    delivery: str
    received_on: date
    placement: Placement = field(default_factory=Placement)
    existing: Mapping[str, DataFrame] = field(default_factory=dict)
    stage: Stage = _as_it_is
    rules: RowRules = field(default_factory=RowRules)
    aliases: DataFrame | None = None


def fate(*cases: tuple[Column, str, str | Column]) -> list[Column]:
    """Columns `fate` and `rule` from (condition, fate, rule): the first condition that holds decides."""
    fates = F.coalesce(*(F.when(condition, F.lit(name)) for condition, name, _ in cases))
    rules = F.coalesce(
        *(F.when(condition, rule if not isinstance(rule, str) else F.lit(rule)) for condition, _, rule in cases)
    )
    return [fates.alias("fate"), rules.alias("rule")]


def row_as_json(columns: Iterable[str], is_wanted: Column) -> Column:
    """The source row as JSON, only where it may be needed."""
    return F.when(is_wanted, F.to_json(F.struct(*(quoted(name) for name in columns))))


def label_lookup(name: str, rows: DataFrame) -> DataFrame:
    """Rows of a lookup table -> the same number, labelled: what they say is merged into the rows that name them."""
    labels = fate((F.lit(True), MERGED, LOOKED_UP))
    return rows.select(F.lit(name).alias("source"), F.lit(None).cast("string").alias("row_json"), *labels)


def select_quarantined(labelled: Iterable[DataFrame], delivery: str) -> DataFrame:
    """Labelled frames -> quarantined source row (contract QUARANTINE)."""
    rejected = (
        rows.filter(F.col("fate") == QUARANTINED).select("source", F.col("rule").alias("reason"), "row_json")
        for rows in labelled
    )
    return conform(stack(rejected).withColumn("delivery", F.lit(delivery)), QUARANTINE)


def summarise_fates(labelled: Iterable[DataFrame], delivery: str) -> DataFrame:
    """Labelled frames -> source, fate and rule (contract INTAKE); adds up to the rows of every source."""
    key = ("source", "fate", "rule")
    counted = stack(rows.groupBy(*key).agg(F.count("*").alias("n_rows")) for rows in labelled)
    # A table may be divided among claims and fills.
    summed = counted.groupBy(*key).agg(F.sum("n_rows").alias("n_rows"))
    return conform(summed.withColumn("delivery", F.lit(delivery)), INTAKE)


def stack(frames: Iterable[DataFrame]) -> DataFrame:
    """One below the other, by column name."""
    return reduce(DataFrame.unionByName, frames)
