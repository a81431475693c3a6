"""Drafts of claim lines and lines of the table, written in a few columns, and the versions that they resolve to."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from counterpart.sources.versions import Versions, resolve_versions

DRAFTS = (
    "claim_id string, paid_on date, sent_on bigint, paid_cents bigint, version_hash bigint, kind string, "
    "fate string, rule string"
)

HELD = "claim_id string, paid_cents bigint, version_hash bigint"

OF_LINES = "line_number int, "


def as_drafts(rows: DataFrame) -> DataFrame:
    """Rows as written in a table -> drafts: one member, one line, allowed as paid. A kind is several words at times."""
    words = F.split(F.coalesce("kind", F.lit("")), " ")
    return as_held(rows.drop("fate", "rule")).withColumns(
        {
            "is_reversal": F.array_contains(words, "reversal"),
            "is_denied": F.array_contains(words, "denial"),
            "is_mended": F.array_contains(words, "mended"),
            "unreadable": F.when(F.array_contains(words, "unread"), "unreadable_code"),
            "rejected_by": F.when(F.array_contains(words, "rejected"), "null_key"),
            "row_json": F.when(F.array_contains(words, "reversal"), F.col("kind")),
        }
    )


def as_held(rows: DataFrame) -> DataFrame:
    line_number = F.col("line_number") if "line_number" in rows.columns else F.lit(1)
    member_key = F.lit(1).cast("bigint")
    return rows.withColumns(
        {"member_key": member_key, "line_number": line_number, "allowed_cents": F.col("paid_cents")}
    )


def resolve(rows: DataFrame, held: DataFrame | None, prepare: Callable[[DataFrame], DataFrame] = as_drafts) -> Versions:
    if held is not None:
        line = F.struct("line_number", F.lit(202001).alias("service_period"))
        held = as_held(held).withColumn("held_lines", F.array(line))
    return resolve_versions(prepare(rows), held, checkpoint, "lines")


def checkpoint(_: str, rows: DataFrame) -> DataFrame:
    return rows.localCheckpoint()
