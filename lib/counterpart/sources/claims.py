"""Claims: raw rows -> typed drafts held to the row rules -> final lines.

The rows are wide and many, so each is read once, and what a rule must know of other rows is found in narrow passes
first: members nobody knows, keys that occur more than once, lines of the table that the delivery may be about. While
these are few enough to be given to every executor (`broadcasts`), no wide row is moved before the table is written;
beyond, all are moved once for the members and once for the keys, and staged behind it. Claims that rows correct under
other ids are joined as Spark decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.protocol import RowRules
from counterpart.sources.accounts import KEPT, IngestContext, row_as_json, stack
from counterpart.sources.broadcasts import given_to_all
from counterpart.sources.fields import member_key, quoted
from counterpart.sources.layout import LINE, TYPED, Source
from counterpart.sources.originals import CIRCULAR, UNKNOWN, claim_of, find_originals
from counterpart.sources.rules import (
    UNREADABLE,
    Person,
    claim_rules,
    find_unreadable,
    first_broken,
    leave_out_negative_quantities,
)
from counterpart.sources.versions import resolve_versions, select_delivered, select_held
from counterpart.tables import Table, conform

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from counterpart.sources.placement import Placement

    Raw = Mapping[str, DataFrame]

_FLAGS = (
    *("is_denied", "is_denied_by_amounts", "is_reversal", "is_replacement", "is_void", "is_mended"),
    *("has_unreadable_date", *(f"has_{rule}" for rule in UNREADABLE)),
)
# What a row is judged by, and no draft needs.
_OF_RULES = ("person_id", "own_claim_id", "is_denied_by_amounts", *(name for name in _FLAGS if "_unreadable_" in name))
# Added by `add_place`, or not content at all.
_NOT_CONTENT = ("version_hash", "service_month", "service_period", "member_bucket", "claim_key", "member_key")


@dataclass(frozen=True)
class ClaimsTable:
    """How one of the two claims tables is made: its contract, the form its sources are read into, its day column."""

    table: Table
    form: Mapping[str, str]
    sources: tuple[Source, ...]
    day: str
    has_claim_rows: bool = False

    @property
    def content(self) -> list[str]:
        """The columns of a draft that make its version."""
        renamed = ("service_date" if name == self.day else name for name in self.table.columns)
        lines = ["lines"] if self.has_claim_rows else []
        return [name for name in renamed if name not in _NOT_CONTENT] + lines


@dataclass(frozen=True)
class FinalLines:
    """`rows` are all source rows, labelled; `added` and `retired` (its key, `service_period`) change the table.

    `renamed` are the former ids (`alias_key`) that rows came under.
    """

    rows: DataFrame
    added: DataFrame
    retired: DataFrame | None
    renamed: DataFrame


def build_final_lines(claims: ClaimsTable, raw: Raw, members: DataFrame, context: IngestContext) -> FinalLines:
    """Raw claims -> final lines, and the fate of every row."""
    name = claims.table.name
    suspects = context.stage(f"{name}_suspects", _find_suspects(claims, raw, members, context))
    originals = find_originals(name, claims.sources, raw, claims.form, context)
    drafts = context.stage(f"{name}_drafts", _draft(claims, raw, suspects, originals, context))
    resolved = resolve_versions(drafts, _find_held(claims, drafts, context), context.stage, name)
    rows = resolved.rows if originals is None else _tell_unknown_originals(resolved.rows)
    kept = rows.filter(F.col("fate") == KEPT)
    added = conform(_lines(kept, claims).withColumns(_place(claims.day, context.placement)), claims.table)
    renamed = suspects.filter("suspect_given_key != suspect_key")
    return FinalLines(rows, added, resolved.retired, renamed.select(F.col("suspect_given_key").alias("alias_key")))


def _find_suspects(claims: ClaimsTable, raw: Raw, members: DataFrame, context: IngestContext) -> DataFrame:
    """Ids whose claims need a look -> what is known of their members.

    Those of nobody we know, those with claims before birth or long after death, and those that the crosswalk renames.
    """
    narrow = []
    for source in claims.sources:
        row = source.rows(raw[source.name], claims.form)
        narrow.append(
            raw[source.name].select(member_key(row["person_id"]).alias("given_key"), row["service_date"].alias("day"))
        )
    ids = (
        stack(narrow)
        .filter(F.col("given_key").isNotNull())
        .groupBy("given_key")
        .agg(F.min("day").alias("first_day"), F.max("day").alias("last_day"))
    )
    if context.aliases is None:
        ids = ids.withColumn("member_key", F.col("given_key"))
    else:
        ids = ids.join(context.aliases, F.col("given_key") == F.col("alias_key"), "left")
        ids = ids.withColumn("member_key", F.coalesce(member_key(F.col("known_as")), "given_key"))
    known = members.select("member_key", "birth_date", "death_date", F.lit(True).alias("is_known"))
    is_suspect = (
        F.col("is_known").isNull()
        | (F.col("first_day") < F.col("birth_date"))
        | (F.col("last_day") > F.date_add("death_date", context.rules.after_death_days))
        | (F.col("given_key") != F.col("member_key"))
    )
    return (
        ids.join(known, "member_key", "left")
        .filter(is_suspect)
        .select(
            F.col("given_key").alias("suspect_given_key"),
            F.col("member_key").alias("suspect_key"),
            F.col("birth_date").alias("suspect_birth_date"),
            F.col("death_date").alias("suspect_death_date"),
            F.col("is_known").isNull().alias("suspect_is_unknown"),
        )
    )


def _tell_unknown_originals(rows: DataFrame) -> DataFrame:
    """Rows that hold, or void, but correct a claim that nobody has: what they are to replace may count beside them."""
    is_told = (F.col("fate") == KEPT) | ((F.col("rule") == "denied") & F.col("is_void"))
    return rows.withColumn(
        "rule", F.when(F.col("original_is_unknown") & is_told, F.lit(UNKNOWN)).otherwise(F.col("rule"))
    )


def _draft(
    claims: ClaimsTable, raw: Raw, suspects: DataFrame, originals: DataFrame | None, context: IngestContext
) -> DataFrame:
    """Source row -> source row, typed, with `rejected_by`, the first row rule it breaks, and what is `unreadable`.

    With `is_replacement` and `is_void` only where a source tells of replacements: without nobody looks for such claims.
    """
    known = given_to_all(suspects)
    drafts = stack(
        _draft_source(claims, source, raw[source.name], known, originals, context) for source in claims.sources
    )
    is_told = any("is_replacement" in source.read(raw[source.name]) for source in claims.sources)
    return drafts if is_told else drafts.drop("is_replacement", "is_void")


def _draft_source(
    claims: ClaimsTable,
    source: Source,
    raw: DataFrame,
    suspects: DataFrame,
    originals: DataFrame | None,
    context: IngestContext,
) -> DataFrame:
    # In two steps: rules name a date many times, and in one step Spark would read its text each time.
    typed = _type_source(claims, source, raw, suspects)
    if originals is not None:
        typed = _add_originals(typed, originals)
    row = {name: F.col(TYPED + name) for name in ("member_key", *claims.form)}
    row["is_denied"] = row["is_denied"] | _is_denied_by_amounts(row, context.rules)
    person = Person(F.col("suspect_birth_date"), F.col("suspect_death_date"), F.col("suspect_is_unknown"))
    broken = first_broken(claim_rules(row, context.received_on, person, context.rules))
    if originals is not None:
        broken = F.coalesce(broken, F.when(F.col("original_is_circular"), F.lit(CIRCULAR)))
    judged = typed.withColumn("rejected_by", broken)
    if context.rules.negative_quantity == "mend":
        row = leave_out_negative_quantities(row)
    may_be_quarantined = F.col("rejected_by").isNotNull() | row["is_denied"] | row["is_reversal"]
    drafts = judged.select(
        F.lit(source.table).alias("source"),
        *(column.alias(name) for name, column in row.items() if name not in _OF_RULES),
        *([] if originals is None else ["original_is_unknown"]),
        "rejected_by",
        find_unreadable(row).alias("unreadable"),
        row_as_json(source.columns_read(raw), may_be_quarantined).alias("row_json"),
    )
    return drafts.withColumn("version_hash", _hash(claims.content))


def _is_denied_by_amounts(row: Mapping[str, Column], rules: RowRules) -> Column:
    """Is a line denied of which nothing was allowed, as the site judges it? Each by itself: see docs/decisions.md."""
    if rules.denied_by_amounts == "keep":
        return F.lit(False)
    is_kept = F.lit(False)
    if rules.denied_by_amounts == "keep_institutional" and "claim_type" in row:
        is_kept = F.coalesce(row["claim_type"] == "institutional", F.lit(False))
    return row["is_denied_by_amounts"] & ~is_kept


def _type_source(claims: ClaimsTable, source: Source, raw: DataFrame, suspects: DataFrame) -> DataFrame:
    """Source row -> the columns read, those of the form under names of their own, and what the suspects say of it."""
    row = source.rows(raw, claims.form)
    row |= {flag: F.coalesce(row[flag], F.lit(False)) for flag in _FLAGS if flag in row}
    given = member_key(row["person_id"])
    row["member_key"] = F.coalesce(F.col("suspect_key"), given)
    read = raw.join(suspects, given == F.col("suspect_given_key"), "left")
    typed = (column.alias(TYPED + name) for name, column in row.items())
    return read.select(*map(quoted, source.columns_read(raw)), *typed, *suspects.columns)


def _add_originals(typed: DataFrame, originals: DataFrame) -> DataFrame:
    """Typed rows -> the same with the claim they are of in the end, and what else `find_originals` tells of it."""
    own, member, claim_id = (F.col(TYPED + name) for name in ("own_claim_id", "member_key", "claim_id"))
    # What was sent under the id that it is known by names no other claim.
    is_named = (own != claim_id) & (claim_of(member, claim_id) == F.col("original_of"))
    flags = {name: F.coalesce(name, F.lit(False)) for name in ("original_is_circular", "original_is_unknown")}
    looked_up = typed.join(originals, is_named, "left").withColumns(flags)
    return looked_up.withColumn(TYPED + "claim_id", F.coalesce("original_id", claim_id)).drop(
        "original_of", "original_id"
    )


def _hash(content: list[str]) -> Column:
    # xxhash64 skips nulls: without their pattern a value would hash the same in whichever column it stands.
    pattern = sum((F.shiftleft(F.isnull(name).cast("int"), place) for place, name in enumerate(content)), F.lit(0))
    return F.xxhash64(*content, pattern)


def _find_held(claims: ClaimsTable, drafts: DataFrame, context: IngestContext) -> DataFrame | None:
    """What the table has of the claims in the drafts, as `resolve_versions` takes it. The table is read here only."""
    name = claims.table.name
    existing = context.existing.get(name)
    if existing is None:
        return None
    delivered = context.stage(f"{name}_delivered", select_delivered(drafts))
    held = context.stage(f"{name}_held", select_held(existing, given_to_all(delivered)))
    return versions_of(held, claims)


def versions_of(lines: DataFrame, claims: ClaimsTable) -> DataFrame:
    """Lines of the table -> the versions they are of: lines, or claims where source rows are claims."""
    line = F.struct("line_number", "service_period")
    if not claims.has_claim_rows:
        return lines.select("*", F.array(line).alias("held_lines")).drop("service_period")
    nothing = F.lit(None).cast("bigint")
    whole = lines.groupBy("member_key", "claim_id", "version_hash").agg(
        F.array_sort(F.collect_list(line)).alias("held_lines")
    )
    return whole.withColumns({"line_number": F.lit(0), "allowed_cents": nothing, "paid_cents": nothing})


def _lines(kept: DataFrame, claims: ClaimsTable) -> DataFrame:
    """Kept row -> line: rows that are whole claims fall into their lines."""
    if not claims.has_claim_rows:
        return kept
    shared = [name for name in kept.columns if name not in (*LINE, "lines")]
    return kept.select(*shared, F.inline("lines"))


def _place(day: str, placement: Placement) -> dict[str, Column]:
    """Columns that say where in the table a line lies."""
    on = F.col("service_date")
    return {"claim_key": F.xxhash64("claim_id"), **placement.columns(on), day: on}
