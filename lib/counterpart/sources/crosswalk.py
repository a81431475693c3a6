"""The crosswalk: members who have had several ids, and the one they are to be known by.

A table `crosswalk` may lie beside the tables of every layout. Its rows say that `person_id` is the same person as
`same_as`; chains (a is b, b is c) are followed to their end. Rows of all other tables then belong to that id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.errors import DataError
from counterpart.sources import fields
from counterpart.sources.accounts import LOOKED_UP, MERGED, QUARANTINED, IngestContext, fate, row_as_json
from counterpart.sources.fields import member_key
from counterpart.sources.layout import CROSSWALK
from counterpart.sources.rules import is_no_id, is_unreadable_id

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Each step doubles the length of the chains that are followed: 64 ids of one person.
_STEPS = 6


def label_crosswalk(raw: DataFrame, context: IngestContext) -> DataFrame:
    """Row of the crosswalk -> the same with `fate` and `rule`, and where it ends: `alias`, `known_as`."""
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
    is_useful = ~is_keyless & ~is_unreadable & (F.col("alias") != F.col("meant"))
    links = told.filter(is_useful).groupBy("alias").agg(F.min("meant").alias("known_as"), F.max("meant").alias("other"))
    ends = context.stage("crosswalk_ends", _follow(links.filter("known_as = other").drop("other"), context))
    same = W.partitionBy("alias", "meant").orderBy("row_json")
    labels = fate(
        (is_keyless, QUARANTINED, "null_key"),
        (is_unreadable, QUARANTINED, "unreadable_id"),
        (F.col("alias") == F.col("meant"), MERGED, LOOKED_UP),
        (F.col("known_as").isNull(), QUARANTINED, "ambiguous_id"),
        (F.col("is_circular"), QUARANTINED, "circular_id"),
        (F.col("copy") > 1, MERGED, "duplicate"),
        (F.lit(True), MERGED, LOOKED_UP),
    )
    labelled = told.withColumn("copy", F.row_number().over(same)).join(ends, "alias", "left")
    return context.stage("crosswalk", labelled.select(*rows.columns, "known_as", *labels))


def _follow(links: DataFrame, context: IngestContext) -> DataFrame:
    """Alias -> the id at the end of its chain; `is_circular` where there is no end."""
    onward = links.select(F.col("alias").alias("known_as"), F.col("known_as").alias("further"))
    for step in range(_STEPS):
        if links.join(onward, "known_as", "left_semi").isEmpty():
            break
        longer = links.join(onward, "known_as", "left")
        links = context.stage(
            f"crosswalk_{step}", longer.select("alias", F.coalesce("further", "known_as").alias("known_as"))
        )
        onward = links.select(F.col("alias").alias("known_as"), F.col("known_as").alias("further"))
    is_circular = onward.select("known_as", F.lit(True).alias("is_circular"))
    return links.join(is_circular, "known_as", "left").select(
        "alias", "known_as", F.coalesce("is_circular", F.lit(False)).alias("is_circular")
    )


def select_aliases(labelled: DataFrame, members: DataFrame | None) -> DataFrame:
    """Labelled rows -> key of an alias (`alias_key`), and the id it is known by.

    DataError if an alias is a member of the tables already: the rows they hold lie under its own key.
    """
    good = labelled.filter((F.col("fate") == MERGED) & (F.col("alias") != F.col("known_as")))
    aliases = good.select(member_key(F.col("alias")).alias("alias_key"), "known_as").distinct()
    if members is not None:
        known = F.col("alias_key") == F.col("member_key")
        if not aliases.join(members.select("member_key"), known, "left_semi").isEmpty():
            raise DataError(
                "the crosswalk renames members whose rows are in the tables under their former ids. Nothing was "
                "written: a crosswalk must lie beside the first delivery of such ids; ingest into a new warehouse"
            )
    return aliases


def add_known_as(rows: DataFrame, person_id: Column, aliases: DataFrame | None) -> tuple[DataFrame, Column]:
    """The rows with what the crosswalk knows of their persons, and the id that each is known by."""
    if aliases is None:
        return rows, person_id
    named = rows.join(aliases, member_key(person_id) == F.col("alias_key"), "left")
    return named, F.coalesce(F.col("known_as"), person_id)
