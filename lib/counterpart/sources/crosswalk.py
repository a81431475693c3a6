"""The crosswalk: members who have had several ids, and the one they are to be known by.

A table `crosswalk` may lie beside the tables of every layout. Its rows say that `person_id` is the same person as
`same_as`; chains (a is b, b is c) are followed to their end. Rows of all other tables then belong to that id. What a
delivery says is kept in the site's store: it holds for later deliveries too, until one says otherwise of a former id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.errors import DataError
from counterpart.sources import fields
from counterpart.sources.accounts import (
    LOOKED_UP,
    MERGED,
    QUARANTINED,
    IngestContext,
    fate,
    label_lookup,
    row_as_json,
    stack,
)
from counterpart.sources.fields import member_key
from counterpart.sources.layout import CROSSWALK
from counterpart.sources.rules import is_no_id, is_unreadable_id
from counterpart.tables import MEMBERS, Table, conform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import Column, DataFrame

KEPT_CROSSWALK = Table(
    name="crosswalk",
    grain="former id, with what was told of it last (`same_as`) and the id its member is known by",
    key=("person_id",),
    columns={"person_id": "string", "same_as": "string", "known_as": "string", "is_used": "boolean"},
    is_result=False,
)
"""`is_used`: rows under the former id have been brought in, so the tables hold them under `known_as`."""

FROM_KEPT = "crosswalk_kept"
"""In the accounts: former ids of a delivery that only the kept crosswalk knows. No rows of a file."""

# Each step doubles the length of the chains that are followed: 64 ids of one person.
_STEPS = 6


@dataclass(frozen=True)
class KnownIds:
    """What is known of former ids when a delivery is read.

    `rows`: the delivery's crosswalk, labelled; None without one. `links`: former id (`alias`), what was told of it
    last (`meant`), the end of its chain (`known_as`), and `is_kept`: only earlier deliveries told it. `aliases`: key of
    a former id (`alias_key`), `known_as`.
    """

    rows: DataFrame | None
    links: DataFrame
    aliases: DataFrame


def find_known_ids(raw: DataFrame | None, context: IngestContext) -> KnownIds | None:
    """The delivery's crosswalk, and the kept one where it says nothing of an id. None where there is neither.

    DataError if it takes rows of the tables to another member: they stay where they are.
    """
    kept = context.existing.get(KEPT_CROSSWALK.name)
    held = None if kept is None else _links_of(kept)
    rows = None
    if raw is not None:
        rows, links = _label(raw, held, context)
    elif held is not None:
        links = held.withColumn("known_as", F.col("kept_as"))
    else:
        return None
    aliases = links.select(member_key(F.col("alias")).alias("alias_key"), "known_as")
    members = context.existing.get(MEMBERS.name)
    if raw is not None and members is not None:
        _refuse_renaming(aliases, members)
    if raw is not None and kept is not None:
        _refuse_moving(links, kept)
    return KnownIds(rows, links.select("alias", "meant", "known_as", "is_kept"), aliases)


def _links_of(kept: DataFrame) -> DataFrame:
    return kept.select(
        F.col("person_id").alias("alias"),
        F.col("same_as").alias("meant"),
        F.lit(True).alias("is_kept"),
        F.col("known_as").alias("kept_as"),
    )


def _label(raw: DataFrame, kept: DataFrame | None, context: IngestContext) -> tuple[DataFrame, DataFrame]:
    """Row of the crosswalk -> the same with `fate` and `rule`; and the links that hold from now on."""
    given, meant = (fields.text(raw, name) for name in CROSSWALK.required)
    rows = raw.select(
        F.lit(CROSSWALK.name).alias("source"),
        given.alias("alias"),
        meant.alias("meant"),
        row_as_json(CROSSWALK.required, F.lit(True)).alias("row_json"),
    )
    told = context.stage("crosswalk_rows", rows)
    is_keyless = is_no_id(F.col("alias")) | is_no_id(F.col("meant"))
    is_unreadable = is_unreadable_id(F.col("alias"), F.col("meant"))
    is_itself = F.col("alias") == F.col("meant")
    readable = told.filter(~is_keyless & ~is_unreadable)
    others = readable.filter(~is_itself).groupBy("alias")
    named = others.agg(F.min("meant").alias("meant"), F.max("meant").alias("other"))
    clear = named.filter("meant = other").select("alias", "meant", F.lit(False).alias("is_kept"))
    # Who is himself is nobody else: this takes back what an earlier crosswalk said.
    itself = readable.filter(is_itself).select("alias").distinct()
    links, ends = _resolve(clear, itself, kept, context)
    same = W.partitionBy("alias", "meant").orderBy("row_json")
    labels = fate(
        (is_keyless, QUARANTINED, "null_key"),
        (is_unreadable, QUARANTINED, "unreadable_id"),
        (is_itself, MERGED, LOOKED_UP),
        (F.col("is_ambiguous"), QUARANTINED, "ambiguous_id"),
        (F.col("is_circular"), QUARANTINED, "circular_id"),
        (F.col("copy") > 1, MERGED, "duplicate"),
        (F.lit(True), MERGED, LOOKED_UP),
    )
    judged = named.select("alias", (F.col("meant") != F.col("other")).alias("is_ambiguous"))
    judged = judged.join(ends.select("alias", "is_circular"), "alias", "left")
    labelled = told.withColumn("copy", F.row_number().over(same)).join(judged, "alias", "left")
    return context.stage("crosswalk", labelled.select(*rows.columns, *labels)), links


def _resolve(
    told: DataFrame, itself: DataFrame, kept: DataFrame | None, context: IngestContext
) -> tuple[DataFrame, DataFrame]:
    """Links that a delivery tells -> those that hold, followed to their ends; and the ends of all that were told."""

    def with_kept(links: DataFrame) -> DataFrame:
        if kept is None:
            return links.withColumn("kept_as", F.lit(None).cast("string"))
        others = kept.join(links, "alias", "left_anti").join(itself, "alias", "left_anti")
        return links.unionByName(others, allowMissingColumns=True)

    links = with_kept(told)
    ends = context.stage("crosswalk_ends", follow_chains(links, context, "crosswalk"))
    holding = ends
    if kept is not None and not ends.filter("is_circular").isEmpty():
        # The links of a circle are rejected, and what was kept of these ids holds as before: that has no circles.
        links = with_kept(told.join(ends.filter("is_circular"), "alias", "left_anti"))
        holding = context.stage("crosswalk_ends_kept", follow_chains(links, context, "crosswalk_kept"))
    return links.join(holding.filter("NOT is_circular").drop("is_circular"), "alias"), ends


def follow_chains(links: DataFrame, context: IngestContext, name: str) -> DataFrame:
    """Links (`alias`, `meant`) -> each `alias` with the id at the end of its chain, `known_as`, or `is_circular`."""
    links = links.select("alias", F.col("meant").alias("known_as"))
    onward = links.select(F.col("alias").alias("known_as"), F.col("known_as").alias("further"))
    for step in range(_STEPS):
        if links.join(onward, "known_as", "left_semi").isEmpty():
            break
        longer = links.join(onward, "known_as", "left")
        links = context.stage(
            f"{name}_{step}", longer.select("alias", F.coalesce("further", "known_as").alias("known_as"))
        )
        onward = links.select(F.col("alias").alias("known_as"), F.col("known_as").alias("further"))
    is_circular = onward.select("known_as", F.lit(True).alias("is_circular"))
    return links.join(is_circular, "known_as", "left").select(
        "alias", "known_as", F.coalesce("is_circular", F.lit(False)).alias("is_circular")
    )


def _refuse_renaming(aliases: DataFrame, members: DataFrame) -> None:
    """DataError if a former id is a member of the tables already: the rows they hold lie under its own key."""
    is_same = F.col("alias_key") == F.col("member_key")
    if not aliases.join(members.select("member_key"), is_same, "left_semi").isEmpty():
        raise DataError(
            "the crosswalk renames members whose rows are in the tables under their former ids. Nothing was "
            "written: a crosswalk must lie beside the first delivery of such ids; ingest into a new warehouse"
        )


def _refuse_moving(links: DataFrame, kept: DataFrame) -> None:
    """DataError if rows under a former id lie in the tables under another id than the one that would now be right."""
    used = kept.filter("is_used").select(F.col("person_id").alias("alias"), F.col("known_as").alias("was"))
    now = used.join(links.select("alias", "known_as"), "alias", "left")
    if not now.filter("NOT known_as <=> was").isEmpty():
        raise DataError(
            "the crosswalk says of former ids that they belong to other members than it said before, and the tables "
            "hold rows that came under these ids. Nothing was written: ingest all deliveries into a new warehouse"
        )


def label_kept(known: KnownIds, seen: DataFrame) -> DataFrame:
    """Former ids of a delivery (`alias_key`) -> labelled, those which only the kept crosswalk knows."""
    kept = known.links.filter("is_kept").select(member_key(F.col("alias")).alias("alias_key"))
    return label_lookup(FROM_KEPT, kept.join(seen, "alias_key", "left_semi"))


def build_crosswalk(known: KnownIds, seen: DataFrame, kept: DataFrame | None) -> DataFrame:
    """The crosswalk to keep from now on (contract KEPT_CROSSWALK), the whole table."""
    links = known.links.withColumn("alias_key", member_key(F.col("alias")))
    links = links.join(seen.withColumn("is_seen", F.lit(True)), "alias_key", "left")
    links = links.withColumnsRenamed({"alias": "person_id", "meant": "same_as"})
    was_used = F.lit(False)
    if kept is not None:
        links = links.join(kept.select("person_id", F.col("is_used").alias("was_used")), "person_id", "left")
        was_used = F.coalesce("was_used", F.lit(False))
    return conform(links.withColumn("is_used", F.coalesce("is_seen", F.lit(False)) | was_used), KEPT_CROSSWALK)


def select_seen(frames: Iterable[DataFrame]) -> DataFrame:
    """Frames with `alias_key` -> each former id that rows came under, once."""
    return stack(rows.select("alias_key") for rows in frames).filter("alias_key IS NOT NULL").distinct()


def add_known_as(rows: DataFrame, person_id: Column, aliases: DataFrame | None) -> tuple[DataFrame, Column]:
    """The rows with `alias_key`, the key of a former id that they come under, and the id that each is known by."""
    if aliases is None:
        return rows.withColumn("alias_key", F.lit(None).cast("bigint")), person_id
    named = rows.join(aliases, member_key(person_id) == F.col("alias_key"), "left")
    return named, F.coalesce(F.col("known_as"), person_id)
