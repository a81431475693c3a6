"""Claims that replace others under ids of their own: which claim a row is a version of, in the end.

A source may say of a row the id it was sent under (`own_claim_id`) beside that of the claim it corrects (`claim_id`).
That claim may itself correct another: such chains are followed, through what the delivery tells and what earlier ones
told (`aliases`). What names a claim that nobody has is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.sources.accounts import IngestContext, stack
from counterpart.sources.aliases import claim_id_of, claim_of, join_links, select_kept
from counterpart.sources.crosswalk import add_known_as, follow_chains
from counterpart.sources.fields import member_key
from counterpart.sources.layout import Source
from counterpart.sources.overtaken import find_overtaken

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    Form = Mapping[str, str]


@dataclass(frozen=True)
class Originals:
    """What is known of corrections under ids of their own when a delivery is read.

    `links`: what the delivery tells, if anything: id (`alias`) and claim (`meant`), as `claim_of` writes them.
    `named`: claims that rows name as the ones they correct, where more is to be known of them (None: of no claim):
    `original_of`, `original_id` (null if it is the one named), `original_is_circular` of chains without an end, and
    `original_is_unknown` of claims that nobody has. `overtaken`: as `find_overtaken` tells it.
    """

    links: DataFrame | None
    named: DataFrame | None
    overtaken: DataFrame | None


def find_originals(
    name: str, sources: tuple[Source, ...], raw: Mapping[str, DataFrame], form: Form, context: IngestContext
) -> Originals | None:
    """What a delivery and the earlier ones tell of corrections; None where neither tells of any."""
    told = [source for source in sources if "own_claim_id" in source.read(raw[source.name])]
    if not told:
        return None
    sent = stack(_sent(source, raw[source.name], form, context) for source in told)
    links = context.stage(f"{name}_links", sent.filter("alias != meant").select("alias", "meant").distinct())
    kept = select_kept(name, context)
    is_silent = links.isEmpty()
    if is_silent and (kept is None or kept.isEmpty()):
        return None
    joined = (join_links(links) if kept is None else join_links(links, kept)).filter("meant IS NOT NULL")
    ends = follow_chains(joined, context, f"{name}_originals")
    if kept is not None:
        ends = context.stage(f"{name}_ends", ends)
    found = context.stage(f"{name}_originals", _look_up(links, ends, _known(name, sent, context)))
    overtaken = None if kept is None else find_overtaken(name, sent, links, kept, ends, context)
    return Originals(None if is_silent else links, None if found.isEmpty() else found, overtaken)


def _known(name: str, sent: DataFrame, context: IngestContext) -> DataFrame:
    """All claims that there are (`alias`): sent under the id that they are known by, or in the table."""
    held = context.existing.get(name)
    known = [sent.filter("alias = meant").select("alias")]
    known += [] if held is None else [held.select(claim_of(F.col("member_key"), F.col("claim_id")).alias("alias"))]
    return stack(known)


def _look_up(links: DataFrame, ends: DataFrame, known: DataFrame) -> DataFrame:
    """Links, the ends of all chains, and all claims that there are -> `named`, as `Originals` has it."""
    named = links.select(F.col("meant").alias("alias")).distinct().join(ends, "alias", "left")
    is_circular = F.coalesce("is_circular", F.lit(False))
    last = named.select(
        F.col("alias").alias("original_of"),
        F.coalesce("known_as", "alias").alias("alias"),
        is_circular.alias("original_is_circular"),
    )
    there = known.join(last.select("alias"), "alias", "left_semi").distinct().withColumn("is_known", F.lit(True))
    is_other = F.col("alias") != F.col("original_of")
    looked_up = last.join(there, "alias", "left").select(
        "original_of",
        F.when(is_other, claim_id_of(F.col("alias"))).alias("original_id"),
        "original_is_circular",
        (~F.col("original_is_circular") & F.col("is_known").isNull()).alias("original_is_unknown"),
    )
    return looked_up.filter("original_id IS NOT NULL OR original_is_circular OR original_is_unknown")


def own_id(row: Mapping[str, Column]) -> Column:
    """The id that a row was sent under."""
    return F.coalesce(row["own_claim_id"], row["claim_id"])


def _sent(source: Source, raw: DataFrame, form: Form, context: IngestContext) -> DataFrame:
    """Row -> the claim it was sent as (`alias`), the one it says it is (`meant`), and what orders versions."""
    row = source.rows(raw, form)
    rows, known_as = add_known_as(raw, row["person_id"], context.aliases)
    member = member_key(known_as)
    return rows.select(
        claim_of(member, own_id(row)).alias("alias"),
        claim_of(member, row["claim_id"]).alias("meant"),
        row["paid_on"].alias("paid_on"),
        row["sent_on"].alias("sent_on"),
    )
