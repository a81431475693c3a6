"""The program's roster: enrolments -> the first enrolment of each member in each program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.sources.accounts import (
    AS_SENT,
    KEPT,
    MENDED,
    MERGED,
    QUARANTINED,
    IngestContext,
    fate,
    row_as_json,
    stack,
)
from counterpart.sources.crosswalk import add_known_as
from counterpart.sources.fields import member_key
from counterpart.sources.layout import ROSTER_FORM, Source
from counterpart.sources.rules import first_broken, leave_out_impossible_leaving, roster_rules
from counterpart.tables import PROGRAM, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def label_enrolments(sources: Sequence[Source], raw: Mapping[str, DataFrame], context: IngestContext) -> DataFrame:
    """Roster row -> the same with `fate`, `rule` and `is_new`, and what the table holds already (`is_new` 0)."""
    drafts = stack(_draft(source, raw[source.name], context) for source in sources)
    rejected = drafts.filter("rejected_by IS NOT NULL").select(
        "*", *fate((F.lit(True), QUARANTINED, F.col("rejected_by")))
    )
    good = drafts.filter("rejected_by IS NULL")
    if "program" in context.existing:
        held = context.existing["program"].withColumn("is_new", F.lit(0))
        good = good.unionByName(held, allowMissingColumns=True)
    return context.stage("roster", rejected.unionByName(_label_first(good)))


def _draft(source: Source, raw: DataFrame, context: IngestContext) -> DataFrame:
    """Source row -> source row, typed, with `rejected_by`."""
    row = leave_out_impossible_leaving(source.rows(raw, ROSTER_FORM))
    row["has_unreadable_date"] = F.coalesce(row["has_unreadable_date"], F.lit(False))
    rejected_by = first_broken(roster_rules(row))
    named, person_id = add_known_as(raw, row["person_id"], context.aliases)
    return named.select(
        F.lit(source.name).alias("source"),
        member_key(person_id).alias("member_key"),
        *(row[name].alias(name) for name in ("program", "enrolled_on", "left_on", "is_mended")),
        rejected_by.alias("rejected_by"),
        "alias_key",
        row_as_json(source.columns_read(raw), rejected_by.isNotNull()).alias("row_json"),
        F.lit(1).alias("is_new"),
    )


def _label_first(enrolments: DataFrame) -> DataFrame:
    """The first enrolment is kept. Told twice, the day somebody left is the one told last."""
    same = W.partitionBy(*PROGRAM.columns)
    is_held = F.min("is_new").over(same) == 0
    copies = same.orderBy("is_new", F.col("row_json").asc_nulls_first())
    # A delivery may know that somebody has left meanwhile: it corrects what the table holds.
    newest_first = (F.col("is_told_by_table").asc(), F.col("left_on").asc_nulls_last(), F.col("copy").asc())
    in_time = W.partitionBy("member_key", "program").orderBy("enrolled_on", *newest_first)
    ranked = (
        enrolments.withColumns({"is_held": is_held, "copy": F.row_number().over(copies)})
        .withColumn("is_told_by_table", F.when(F.max("is_new").over(same) == 1, 0).otherwise(1))
        .withColumn("place", F.row_number().over(in_time))
    )
    labels = fate(
        ((F.col("is_new") == 1) & (F.col("copy") > 1), MERGED, "duplicate"),
        ((F.col("is_new") == 1) & F.col("is_held"), MERGED, "duplicate"),
        (F.col("place") == 1, KEPT, F.when(F.col("is_mended"), MENDED).otherwise(AS_SENT)),
        (F.lit(True), MERGED, "later_enrolment"),
    )
    return ranked.select(*enrolments.columns, *labels)


def select_program(labelled: DataFrame) -> DataFrame:
    """Labelled enrolments -> member and program, at the first enrolment (contract PROGRAM)."""
    return conform(labelled.filter(F.col("fate") == KEPT), PROGRAM)
