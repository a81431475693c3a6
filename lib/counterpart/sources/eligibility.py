"""Eligibility: rows of cover -> who the members are, and when they were covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.sources.accounts import AS_SENT, KEPT, MERGED, QUARANTINED, IngestContext, fate, row_as_json, stack
from counterpart.sources.crosswalk import add_known_as
from counterpart.sources.fields import member_key, quoted
from counterpart.sources.layout import COVER_FORM, TYPED, Source
from counterpart.sources.open_cover import OPEN_COVER, add_open_since, end_open_cover, open_end, select_open
from counterpart.sources.rules import cover_rules, first_broken
from counterpart.spans import label_runs, merge_spans
from counterpart.tables import ENROLLMENT, MEMBERS, conform

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_FLAGS = ("is_without_cover", "is_unknown", "has_unreadable_date")
_FACTS = (
    *("birth_date", "sex", "death_date", "state", "pharmacy_start_date", "pharmacy_end_date"),
    *("more_medical", "more_pharmacy"),
)
_SPAN = ("member_key", "start_date", "end_date")


@dataclass(frozen=True)
class Cover:
    """`rows` are the source rows, labelled; `members`, `enrollment` and `open_cover` the whole new tables."""

    rows: DataFrame
    members: DataFrame
    enrollment: DataFrame
    open_cover: DataFrame


def build_cover(sources: Sequence[Source], raw: Mapping[str, DataFrame], context: IngestContext) -> Cover:
    """Raw eligibility -> members and enrollment, and the fate of every row."""
    existing = context.existing.get("enrollment")
    if existing is not None:
        existing = add_open_since(existing, context.existing.get(OPEN_COVER.name)).withColumn("is_new", F.lit(0))
    drafts = stack(_draft(source, raw[source.name], context) for source in sources if source.name in raw)
    rows = context.stage("eligibility", _label(drafts, existing))
    good = rows.filter(F.col("fate") != QUARANTINED)
    members = context.stage("members", build_members(good, context.existing.get("members")))
    spans = _spans_of_benefits(good, existing)
    if existing is not None:
        # Compared with the tables, and written only where they differ.
        spans = context.stage("spans_of_cover", spans)
    enrollment = conform(merge_spans(spans, ["member_key", "benefit"]), ENROLLMENT)
    return Cover(rows, members, enrollment, select_open(spans))


def _draft(source: Source, raw: DataFrame, context: IngestContext) -> DataFrame:
    """Source row -> source row, typed, with `rejected_by`."""
    row = source.rows(raw, COVER_FORM)
    row |= {flag: F.coalesce(row[flag], F.lit(False)) for flag in _FLAGS}
    named, row["person_id"] = add_known_as(raw, row["person_id"], context.aliases)
    read = source.columns_read(raw)
    # In two steps: rules name a date many times, and in one step Spark would write its reading out each time.
    typed = named.select(*map(quoted, read), "alias_key", *(column.alias(TYPED + name) for name, column in row.items()))
    row = {name: F.col(TYPED + name) for name in row}
    row |= {name: open_end(row[name], context.received_on) for name in ("end_date", "pharmacy_end_date")}
    judged = typed.withColumn("rejected_by", first_broken(cover_rules(row, context.received_on, context.rules)))
    return judged.select(
        F.lit(source.name).alias("source"),
        member_key(row["person_id"]).alias("member_key"),
        *(column.alias(name) for name, column in row.items()),
        "rejected_by",
        "alias_key",
        row_as_json(read, F.col("rejected_by").isNotNull()).alias("row_json"),
    )


def _label(drafts: DataFrame, existing: DataFrame | None) -> DataFrame:
    """Add `fate` and `rule`. The row a run of medical cover begins with is kept, the others merge into it."""
    is_placed = F.col("rejected_by").isNull() & ~F.col("is_without_cover")
    facts = {"facts": F.to_json(F.struct(*_FACTS)), "is_correction": F.lit(False)}
    spans = drafts.filter(is_placed).withColumns({"is_new": F.lit(1), **facts})
    if existing is not None:
        held = existing.filter("benefit = 'medical'").select(*_SPAN, "is_new", "open_since")
        spans = end_open_cover(spans.unionByName(held, allowMissingColumns=True), ["member_key"])
    labelled = _label_spans(spans).filter("is_new = 1").select(*drafts.columns, "fate", "rule")
    others = drafts.filter(~is_placed).select(
        "*",
        *fate(
            (F.col("rejected_by").isNotNull(), QUARANTINED, F.col("rejected_by")),
            (F.lit(True), MERGED, "no_cover"),
        ),
    )
    return labelled.unionByName(others)


def _label_spans(spans: DataFrame) -> DataFrame:
    order = ("is_new", "facts")
    runs = label_runs(spans, ["member_key"], ties=order)
    in_order = W.partitionBy("member_key").orderBy("start_date", F.col("end_date").desc(), *order)
    before = in_order.rowsBetween(W.unboundedPreceding, -1)
    held_to = F.max(F.when(F.col("is_new") == 0, F.col("end_date"))).over(before)
    # Copies follow each other. They are told by the order that finds the runs, so that one of them is no copy.
    says_the_same = [F.lag(name).over(in_order).eqNullSafe(F.col(name)) for name in (*_SPAN, *order)]
    runs = runs.withColumns({"held_to": held_to, "is_copy": reduce(and_, says_the_same)})
    labels = fate(
        (F.col("is_copy"), MERGED, "duplicate"),
        (F.col("is_correction"), MERGED, "corrected_span"),
        (F.col("held_to") >= F.col("end_date"), MERGED, "duplicate"),
        (F.col("covered_to").isNull(), KEPT, AS_SENT),
        (F.datediff("start_date", "covered_to") > 1, KEPT, AS_SENT),
        (F.datediff("start_date", "covered_to") == 1, MERGED, "adjacent_span"),
        (F.lit(True), MERGED, "overlapping_span"),
    )
    return runs.select("*", *labels)


def _spans_of_benefits(good: DataFrame, existing: DataFrame | None) -> DataFrame:
    """Good rows and held cover -> member, benefit and span as it holds from now on, not merged; with `open_since`."""
    columns = list(ENROLLMENT.columns)
    medical = good.withColumn("benefit", F.lit("medical")).select(*columns)
    pharmacy = good.select(
        "member_key",
        F.lit("pharmacy").alias("benefit"),
        F.col("pharmacy_start_date").alias("start_date"),
        F.col("pharmacy_end_date").alias("end_date"),
    )
    more = [
        good.select("member_key", F.lit(benefit).alias("benefit"), F.inline(f"more_{benefit}"))
        for benefit in ("medical", "pharmacy")
    ]
    spans = stack((medical, pharmacy, *more)).filter("start_date IS NOT NULL")
    spans = spans.withColumns({"open_since": F.lit(None).cast("date"), "is_new": F.lit(1)})
    if existing is None:
        return spans
    return end_open_cover(spans.unionByName(existing), ["member_key", "benefit"])


def build_members(good: DataFrame, existing: DataFrame | None) -> DataFrame:
    """Good rows of cover -> member (contract MEMBERS).

    Of facts told twice the one known first holds, but what this delivery says corrects what the tables say. Of
    two dates of death the earlier holds.
    """
    facts = good.select(
        "member_key",
        "person_id",
        "birth_date",
        "sex",
        "death_date",
        "state",
        "known_from",
        F.lit(0).alias("age_of_fact"),
    )
    if existing is not None:
        facts = facts.unionByName(_known_facts(existing))
    people = facts.groupBy("member_key").agg(
        F.min("person_id").alias("person_id"),
        _first_told("birth_date", F.col("birth_date").isNotNull()),
        F.coalesce(_first_told("sex", F.col("sex") != "U"), F.lit("U")).alias("sex"),
        F.min(F.when(F.col("death_date").isNotNull(), F.struct("age_of_fact", "death_date")))["death_date"].alias(
            "death_date"
        ),
    )
    residences = _build_residences(facts)
    nowhere = F.array().cast(MEMBERS.columns["residences"])
    joined = people.join(residences, "member_key", "left")
    return conform(joined.withColumn("residences", F.coalesce("residences", nowhere)), MEMBERS)


def _first_told(fact: str, is_told: Column) -> Column:
    """The value in the newest delivery that tells it, there the one known first: a minimum, so no order matters."""
    told = F.struct("age_of_fact", F.coalesce("known_from", F.lit("9999-12-31").cast("date")).alias("known_from"), fact)
    return F.min(F.when(is_told, told))[fact].alias(fact)


def _known_facts(members: DataFrame) -> DataFrame:
    """The members table as facts: one row per member and residence, at least one."""
    places = members.select("*", F.explode_outer("residences").alias("place"))
    return places.select(
        "member_key",
        "person_id",
        "birth_date",
        "sex",
        "death_date",
        F.col("place.state").alias("state"),
        F.col("place.from_date").alias("known_from"),
        F.lit(1).alias("age_of_fact"),
    )


def _build_residences(facts: DataFrame) -> DataFrame:
    """Facts -> member, with `residences` by date: a new one where the state changes."""
    # By member at once: a list made on the way to another exchange has the order in which rows happened to arrive, and
    # Spark would find that a task, done again after a loss, gave other bytes.
    told = facts.filter("state IS NOT NULL AND known_from IS NOT NULL").repartition("member_key")
    by_date = told.groupBy("member_key", F.col("known_from").alias("from_date")).agg(
        F.min(F.struct("age_of_fact", "state"))["state"].alias("state")
    )
    places = F.array_sort(F.collect_list(F.struct("from_date", "state")))
    listed = by_date.groupBy("member_key").agg(places.alias("places"))

    def moved(place: Column, position: Column) -> Column:
        before = F.try_element_at("places", F.when(position > 0, position))
        return before.isNull() | (before["state"] != place["state"])

    return listed.select("member_key", F.filter("places", moved).alias("residences"))
