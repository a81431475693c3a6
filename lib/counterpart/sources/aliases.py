"""Ids that corrections were sent under, as the site's store keeps them: later deliveries may name them.

What is kept is what was told, whatever the order: told again it changes nothing, so an ingest that is repeated finds
it as it left it. It is told of medical claims and of fills apart, whose ids may be alike.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from counterpart.sources.accounts import KEPT, IngestContext
from counterpart.tables import Table, conform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column

CLAIM_ALIASES = Table(
    name="claim_aliases",
    grain="table of claims, member and id that a correction was sent under, with the claim that it names",
    key=("claims", "member_key", "sent_as"),
    columns={
        "claims": "string",
        "member_key": "bigint",
        "sent_as": "string",
        "corrects": "string",
        "paid_on": "date",
        "sent_on": "bigint",
        "is_void": "boolean",
    },
    is_result=False,
)
"""`corrects` is null where several claims were named: such an id is followed no further.

`paid_on` and `sent_on` are of the newest row that held or voided, and `is_void` says which; null if none did.
"""

_MOMENT = ("paid_on", "sent_on", "is_void")
CIRCULAR = "circular_original"
UNKNOWN = "unknown_original"


def claim_of(member: Column, claim_id: Column) -> Column:
    """A member's claim in one text; null if one of the two is."""
    return F.concat(member.cast("string"), F.lit("|"), claim_id)


def claim_id_of(claim: Column) -> Column:
    """The id in what `claim_of` has written."""
    return F.regexp_replace(claim, r"^[^|]*\|", "")


def select_kept(claims: str, context: IngestContext) -> DataFrame | None:
    """What is kept of a claims table: `alias`, `meant` (null if several), and `newest`, the moment that is kept."""
    kept = context.existing.get(CLAIM_ALIASES.name)
    if kept is None:
        return None
    member = F.col("member_key")
    return kept.filter(F.col("claims") == claims).select(
        claim_of(member, F.col("sent_as")).alias("alias"),
        claim_of(member, F.col("corrects")).alias("meant"),
        F.when(F.col("is_void").isNotNull(), F.struct(*_MOMENT)).alias("newest"),
    )


def join_links(*told: DataFrame) -> DataFrame:
    """Links (`alias`, `meant`) from several places -> one row per `alias`; `meant` is null if it names several."""
    links = reduce(DataFrame.unionByName, (each.select("alias", "meant") for each in told)).groupBy("alias")
    joined = links.agg(
        F.min("meant").alias("meant"),
        (F.min("meant").eqNullSafe(F.max("meant")) & (F.count("meant") == F.count("*"))).alias("is_one"),
    )
    return joined.select("alias", F.when(F.col("is_one"), F.col("meant")).alias("meant"))


def build_aliases(claims: str, links: DataFrame, rows: DataFrame, context: IngestContext) -> DataFrame:
    """Links of a delivery, and its labelled rows -> what is to be kept of a claims table (contract CLAIM_ALIASES).

    A row holds if it is kept, says what the table has, or voids its claim; `sent_as` is the id it was sent under.
    """
    is_again = (F.col("rule") == "duplicate") & ~F.col("is_reversal")
    is_void = F.col("is_void") & F.col("rule").isin("denied", UNKNOWN)
    held = rows.filter(F.col("sent_as").isNotNull() & ((F.col("fate") == KEPT) | is_again | is_void))
    newest = F.max(F.struct(*_MOMENT)).alias("newest")
    told = held.groupBy(claim_of(F.col("member_key"), F.col("sent_as")).alias("alias")).agg(newest)
    kept = select_kept(claims, context)
    joined = join_links(links) if kept is None else join_links(links, kept)
    moments = told if kept is None else told.unionByName(kept.select("alias", "newest"))
    moments = moments.groupBy("alias").agg(F.max("newest").alias("newest"))
    aliases = joined.join(moments, "alias", "left").select(
        F.lit(claims).alias("claims"),
        F.substring_index("alias", "|", 1).cast("bigint").alias("member_key"),
        claim_id_of(F.col("alias")).alias("sent_as"),
        claim_id_of(F.col("meant")).alias("corrects"),
        *(F.col("newest")[name].alias(name) for name in _MOMENT),
    )
    return conform(aliases, CLAIM_ALIASES)


def keep_aliases(changed: Mapping[str, DataFrame | None], context: IngestContext) -> DataFrame | None:
    """The whole table from now on; None where the delivery told nothing of any claims table."""
    told = {claims: aliases for claims, aliases in changed.items() if aliases is not None}
    if not told:
        return None
    kept = context.existing.get(CLAIM_ALIASES.name)
    others = [] if kept is None else [kept.filter(~F.col("claims").isin(*told))]
    return reduce(DataFrame.unionByName, [*others, *told.values()])
