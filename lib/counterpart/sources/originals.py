"""Claims that replace others under ids of their own: which claim a row is a version of, in the end.

A source may say of a row the id it was sent under (`own_claim_id`) beside that of the claim it corrects (`claim_id`).
That claim may itself correct another: such chains are followed within a delivery. The tables do not keep under which
ids their lines were sent, so what names a claim that neither the delivery nor the tables have is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.sources.accounts import IngestContext, stack
from counterpart.sources.crosswalk import add_known_as, follow_chains
from counterpart.sources.fields import member_key
from counterpart.sources.layout import Source

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    Form = Mapping[str, str]

CIRCULAR = "circular_original"
UNKNOWN = "unknown_original"


def find_originals(
    name: str, sources: tuple[Source, ...], raw: Mapping[str, DataFrame], form: Form, context: IngestContext
) -> DataFrame | None:
    """Claims that rows name as the ones they correct, where more is to be known of them; None where there are none.

    `original_of` (as `claim_of` writes it), `original_id` (null if it is the one named), and `original_is_circular` of
    chains without an end, `original_is_unknown` of claims that nobody has.
    """
    told = [source for source in sources if "own_claim_id" in source.read(raw[source.name])]
    if not told:
        return None
    sent = stack(_sent(source, raw[source.name], form, context) for source in told)
    links = context.stage(f"{name}_links", sent.filter("alias != meant").distinct())
    if links.isEmpty():
        return None
    # An id that names several claims is followed no further.
    clear = links.groupBy("alias").agg(F.min("meant").alias("meant"), F.max("meant").alias("other"))
    ends = follow_chains(clear.filter("meant = other").select("alias", "meant"), context, f"{name}_originals")
    named = links.select(F.col("meant").alias("alias")).distinct().join(ends, "alias", "left")
    held = context.existing.get(name)
    known = [sent.filter("alias = meant").select("alias")]
    known += [] if held is None else [held.select(claim_of(F.col("member_key"), F.col("claim_id")).alias("alias"))]
    needed = _look_up(named, stack(known)).filter(
        "original_id IS NOT NULL OR original_is_circular OR original_is_unknown"
    )
    found = context.stage(f"{name}_originals", needed)
    return None if found.isEmpty() else found


def _look_up(named: DataFrame, known: DataFrame) -> DataFrame:
    """Claims with the ends of their chains, and all claims that there are (`alias`) -> what `find_originals` tells."""
    is_circular = F.coalesce("is_circular", F.lit(False))
    ends = named.select(
        F.col("alias").alias("original_of"),
        F.coalesce("known_as", "alias").alias("alias"),
        is_circular.alias("original_is_circular"),
    )
    there = known.join(ends.select("alias"), "alias", "left_semi").distinct().withColumn("is_known", F.lit(True))
    is_other = F.col("alias") != F.col("original_of")
    return ends.join(there, "alias", "left").select(
        "original_of",
        F.when(is_other, F.regexp_replace("alias", r"^[^|]*\|", "")).alias("original_id"),
        "original_is_circular",
        (~F.col("original_is_circular") & F.col("is_known").isNull()).alias("original_is_unknown"),
    )


def claim_of(member: Column, claim_id: Column) -> Column:
    """A member's claim in one text; null if one of the two is."""
    return F.concat(member.cast("string"), F.lit("|"), claim_id)


def _sent(source: Source, raw: DataFrame, form: Form, context: IngestContext) -> DataFrame:
    """Row -> the claim it was sent as (`alias`) and the one it says it is (`meant`)."""
    row = source.rows(raw, form)
    rows, known_as = add_known_as(raw, row["person_id"], context.aliases)
    member = member_key(known_as)
    own = F.coalesce(row["own_claim_id"], row["claim_id"])
    return rows.select(claim_of(member, own).alias("alias"), claim_of(member, row["claim_id"]).alias("meant"))
