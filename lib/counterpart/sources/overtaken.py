"""Corrections that earlier deliveries brought before what they correct.

The tables hold no day of payment: what they have is older than what is delivered, as a rule. But of a claim that was
corrected under another id the moment of its newest correction is kept. Where a delivery brings what is older than
that, or the link by which a correction turns out to be of another claim than it lies under, what the table has of the
correction takes part as a replacement of that moment; a void, which left no lines, as a row without any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.sources.accounts import IngestContext
from counterpart.sources.aliases import claim_id_of, claim_of
from counterpart.sources.crosswalk import follow_chains
from counterpart.sources.layout import LINE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def find_overtaken(
    name: str, sent: DataFrame, links: DataFrame, kept: DataFrame, ends: DataFrame, context: IngestContext
) -> DataFrame | None:
    """Where corrections lie that were told before -> the claim that they are of now. None where nothing is older.

    `lies_at` and `claim` as `claim_of` writes them, `is_told` (the delivery has the newest correction itself), and the
    moment of that: `paid_on`, `sent_on`, `is_void`. `sent` are the ids and moments of all rows, `links` what the
    delivery tells, `kept` what earlier ones told, `ends` where all this ends.
    """
    told = links.select("alias").distinct().withColumn("is_told", F.lit(True))
    before = kept.join(told, "alias", "left_anti").filter("meant IS NOT NULL").select("alias", "meant")
    ends_before = follow_chains(before, context, f"{name}_before")
    held = kept.filter("meant IS NOT NULL AND newest IS NOT NULL").join(told, "alias", "left")
    held = held.select("meant", "newest", F.coalesce("is_told", F.lit(False)).alias("is_told"))
    lying = _ended(held.withColumnRenamed("meant", "lies_at"), "lies_at", ends_before)
    of_now = _ended(lying.withColumn("claim", F.col("lies_at")), "claim", ends)
    last = F.max(F.struct("newest.paid_on", "newest.sent_on", "newest.is_void", "is_told")).alias("last")
    corrected = context.stage(f"{name}_corrected", of_now.groupBy("lies_at", "claim").agg(last).select("*", "last.*"))
    late = _find_late(sent, corrected, ends).withColumn("is_late", F.lit(True))
    is_wanted = (F.col("lies_at") != F.col("claim")) | F.col("is_late").isNotNull()
    wanted = corrected.drop("last").join(late, "claim", "left").filter(is_wanted).drop("is_late")
    overtaken = context.stage(f"{name}_overtaken", wanted)
    return None if overtaken.isEmpty() else overtaken


def _ended(rows: DataFrame, column: str, ends: DataFrame) -> DataFrame:
    """Rows with the claim in a column followed to its end; without those that have none."""
    told = ends.select(F.col("alias").alias(column), F.col("known_as").alias("ended_as"), "is_circular")
    followed = rows.join(told, column, "left").filter(~F.coalesce("is_circular", F.lit(False)))
    return followed.withColumn(column, F.coalesce("ended_as", column)).drop("ended_as", "is_circular")


def _find_late(sent: DataFrame, corrected: DataFrame, ends: DataFrame) -> DataFrame:
    """Claims of which the delivery has rows that are older than their newest correction."""
    mine = corrected.filter("lies_at = claim").select("claim", F.col("last").alias("last"))
    inner = ends.filter("NOT is_circular").select(F.col("alias").alias("meant"), F.col("known_as").alias("claim"))
    under = inner.join(mine, "claim").withColumn("is_inner", F.lit(True))
    itself = mine.withColumns({"meant": F.col("claim"), "is_inner": F.lit(False)})
    # A row under the id that it is known by corrects nothing, whatever else has that id.
    rows = sent.join(under.unionByName(itself), "meant").filter("NOT is_inner OR alias != meant")
    moment, newest = F.struct("paid_on", "sent_on"), F.struct("last.paid_on", "last.sent_on")
    is_dated = F.col("paid_on").isNotNull() | F.col("sent_on").isNotNull()
    is_late = (moment < newest) | (F.col("last.is_void") & (moment == newest) & is_dated)
    return rows.filter(is_late).select("claim").distinct()


@dataclass(frozen=True)
class Overtaken:
    """`rows` take part among the drafts; `moved` are lines of the table that lie under another claim than theirs."""

    rows: DataFrame
    moved: DataFrame


def build_overtaken(overtaken: DataFrame, lines: DataFrame, day: str, *, has_claim_rows: bool) -> Overtaken:
    """Corrections told before (`find_overtaken`), lines where they may lie (`select_lying`) -> rows of a claims form.

    A row is a line, or with `has_claim_rows` a claim; a void is one row without a line. Rows that are not yet versions
    of their claim have no `version_hash`.
    """
    at_home = F.col("found_at") == F.col("claim")
    away, home = lines.filter(~at_home), lines.filter(at_home)
    # What an ingest that was interrupted has moved lies with the claim already.
    there = home.join(away.select("lies_at", "claim").distinct(), ["lies_at", "claim"], "left_anti")
    # What lies under the claim itself came after its void.
    replacing = away.unionByName(there).filter("NOT is_told AND (NOT last_is_void OR lies_at = claim)")
    replacing = _as_claims(replacing) if has_claim_rows else replacing
    later = home.filter("lies_at = claim").select("lies_at", "claim").distinct()
    voids = overtaken.filter("is_void AND NOT is_told").join(later, ["lies_at", "claim"], "left_anti")
    voids = voids.select("claim", *_moments()).withColumns(
        {
            "member_key": F.substring_index("claim", "|", 1).cast("bigint"),
            "line_number": F.lit(0),
            "is_without_line": F.lit(True),
        }
    )
    replacing = replacing.withColumn("is_without_line", F.lit(False))
    rows = replacing.unionByName(voids, allowMissingColumns=True).withColumns(
        {
            "claim_id": claim_id_of(F.col("claim")),
            # The id of the claim is part of what a version is known by.
            "version_hash": F.when(at_home, F.col("version_hash")),
            "paid_on": F.col("last_paid_on"),
            "sent_on": F.col("last_sent_on"),
            "is_replacement": F.lit(True),
            # It is one with nothing that is delivered.
            "sent_as": F.lit(""),
            "is_void": F.col("is_without_line"),
            "is_denied": F.col("is_without_line"),
        }
    )
    moved = away.select("member_key", "claim_id", "line_number", "service_period").distinct()
    return Overtaken(rows.withColumnRenamed(day, "service_date"), moved)


def select_lying(overtaken: DataFrame, lines: DataFrame) -> DataFrame:
    """Lines of the table -> those at a place where a correction may lie (`found_at`), with what is told of that."""
    places = overtaken.withColumn("found_at", F.explode(F.array_distinct(F.array("lies_at", "claim"))))
    is_there = claim_of(F.col("member_key"), F.col("claim_id")) == F.col("found_at")
    return lines.join(places.select("found_at", "lies_at", "claim", "is_told", *_moments()), is_there)


def _moments() -> list[Column]:
    return [F.col(name).alias(f"last_{name}") for name in ("paid_on", "sent_on", "is_void")]


def _as_claims(lines: DataFrame) -> DataFrame:
    """Lines -> their claims, where source rows are claims: what is of a line stands in `lines`."""
    whole = ["member_key", "claim_id", "version_hash", "found_at", "lies_at", "claim"]
    others = [name for name in lines.columns if name not in (*whole, *LINE)]
    claims = lines.groupBy(*whole).agg(
        F.array_sort(F.collect_list(F.struct(*LINE))).alias("lines"), *(F.first(name).alias(name) for name in others)
    )
    of_lines = {name: F.lit(None).cast(kind) for name, kind in LINE.items()}
    return claims.withColumns({**of_lines, "line_number": F.lit(0)})
