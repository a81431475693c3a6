"""Versions of a claim line: copies, reversals, adjustments and replacements -> the one that holds.

Versions of a key are ordered by the day they were paid, then by when they were sent; what the tables hold already
is the oldest, a replacement the last of its moment. The rules, in order:

- copies of one version merge into the last of them (`duplicate`), but one more counts for each reversal of their day if
  they are more than these: it was paid anew;
- a reversal and the nearest version of an earlier moment with the opposite amounts both vanish (`reversed`): its own
  moment may have what was billed instead, and only where there is nothing earlier the first of that goes; a reversal
  that finds none is quarantined (`orphan_reversal`);
- what is older than the newest replacement of its claim merges (`superseded`), also where that has no such line; what
  is no later than its newest void, whatever lines or moments the void tells of;
- of what is left the last version holds, those before it merge (`superseded`); of one moment a void is the last, else a
  denial. If the last is one of these, the line is quarantined (`denied`); if the tables hold the same content, nothing
  changes (`duplicate`).

Few keys have more than one row, few claims are replaced: only those are sorted into windows, all others are judged
where they lie, unless these few are too many to be given to every executor (`broadcasts`): then all are moved once.
Drafts without `is_replacement` and `is_void` replace nothing, and then no claim is looked at as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.sources.accounts import AS_SENT, KEPT, MENDED, MERGED, QUARANTINED, Stage, fate
from counterpart.sources.broadcasts import given_to_all, is_small

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.window import WindowSpec

VERSION_KEY = ("member_key", "claim_id", "line_number")

_CLAIM_KEY = ("member_key", "claim_id")
_MOMENT = ("is_new", "paid_on", "sent_on", "is_whole_claim")
_EARLIER = (W.unboundedPreceding, -1)
_SO_FAR = (W.unboundedPreceding, W.currentRow)
_FROM_HERE = (W.currentRow, W.unboundedFollowing)
_LATER = (1, W.unboundedFollowing)


@dataclass(frozen=True)
class Versions:
    """`rows` are the source rows with `fate` and `rule`; `retired` the lines of the table that no longer hold.

    These by version key and `service_period`.
    """

    rows: DataFrame
    retired: DataFrame | None


def resolve_versions(drafts: DataFrame, held: DataFrame | None, stage: Stage, name: str) -> Versions:
    """Drafts -> drafts, labelled. What is `unreadable` of a draft is the rule under which it is kept.

    `held` are versions in the table, of the drafts' claims at least: version key, `version_hash`, `allowed_cents`,
    `paid_cents`, and `held_lines`, the line numbers and service periods of its lines.
    """
    good = drafts.filter(F.col("rejected_by").isNull())
    repeated = stage(f"{name}_repeated", _find_repeated(good, held))
    rejected = drafts.filter(F.col("rejected_by").isNotNull())
    single, several = _part_repeated(good, repeated, stage, name)
    is_void = F.col("is_void") if _is_replacing(several) else F.lit(False)
    several = several.withColumns({"is_new": F.lit(1), "is_whole_claim": _is_whole_claim(several), "is_void": is_void})
    if held is not None:
        earlier = held.join(given_to_all(repeated), _key_hash() == F.col("repeated_key"), "left_semi")
        several = several.unionByName(earlier.withColumns(_as_draft()), allowMissingColumns=True)
    # One exchange brings together what any of the windows looks at.
    several = several.repartition(*_CLAIM_KEY)
    resolved = stage(f"{name}_resolved", _label_versions(several, has_held=held is not None))
    rows = (
        single.select("*", *_single_fate())
        .unionByName(rejected.select("*", *_rejection()))
        .unionByName(resolved.filter("is_new = 1").select(*drafts.columns, "fate", "rule"))
    )
    if held is None:
        return Versions(rows, None)
    retired = resolved.filter("is_new = 0 AND is_retired").select(*_CLAIM_KEY, F.inline("held_lines"))
    return Versions(rows, retired)


def select_delivered(drafts: DataFrame) -> DataFrame:
    """Drafts -> hash of a claim that they may bring versions of (`claim_hash`)."""
    return drafts.filter(F.col("rejected_by").isNull()).select(_claim_hash()).distinct()


def select_held(lines: DataFrame, delivered: DataFrame) -> DataFrame:
    """Lines of the table -> those of the claims in `delivered`. Two claims of one hash do no harm."""
    narrow = lines.select(*VERSION_KEY, "version_hash", "allowed_cents", "paid_cents", "service_period")
    return narrow.withColumn("claim_hash", _claim_hash()).join(delivered, "claim_hash", "left_semi").drop("claim_hash")


def _part_repeated(good: DataFrame, repeated: DataFrame, stage: Stage, name: str) -> tuple[DataFrame, DataFrame]:
    """Drafts whose key is the only one of its hash, and the others."""
    is_repeated = _key_hash() == F.col("repeated_key")
    if is_small(repeated):
        few = F.broadcast(repeated)
        return good.join(few, is_repeated, "left_anti"), good.join(few, is_repeated, "left_semi")
    # Whoever reads them would move all drafts to these many keys again.
    parted = stage(f"{name}_parted", good.join(repeated.distinct(), is_repeated, "left"))
    is_single = F.col("repeated_key").isNull()
    return parted.filter(is_single).drop("repeated_key"), parted.filter(~is_single).drop("repeated_key")


def _oldest_first(*turn: Column) -> list[Column]:
    """The order of a key's versions; rows that are equal in it say the same. Of one moment reversals come first."""
    moment = [F.col(name).asc_nulls_first() for name in _MOMENT]
    return [*moment, *(turn or [F.col("is_reversal").desc()]), *_last_of_a_moment()]


def _last_of_a_moment() -> list[Column]:
    words = ("is_void", "is_denied", "version_hash", "is_mended", "unreadable", "row_json")
    return [F.col(name).asc_nulls_first() for name in words]


def _amounts() -> list[Column]:
    """What a version and its reversal have in common."""
    return [F.abs(F.coalesce(F.col(name), F.lit(0))) for name in ("paid_cents", "allowed_cents")]


def _key_hash() -> Column:
    return F.xxhash64(*VERSION_KEY)


def _is_replacing(drafts: DataFrame) -> bool:
    """May there be replacements among the drafts?"""
    return "is_replacement" in drafts.columns


def _is_whole_claim(drafts: DataFrame) -> Column:
    """Is the row of a version of its whole claim? One that takes back amounts tells of these alone."""
    return F.col("is_replacement") & ~F.col("is_reversal") if _is_replacing(drafts) else F.lit(False)


def _find_repeated(good: DataFrame, held: DataFrame | None) -> DataFrame:
    """Hashes of keys that occur more than once, at least once in the delivery, or whose claim the delivery replaces.

    Two keys of one hash do no harm.
    """
    keys = _keys_of(good, 1)
    if held is not None:
        keys = keys.unionAll(_keys_of(held, 0))
    is_repeated = F.expr("n_rows > 1 AND is_new = 1")
    key = ["repeated_key"]
    if _is_replacing(good):
        replaced = good.filter(_is_whole_claim(good)).select(_claim_hash(), F.lit(True).alias("is_replaced")).distinct()
        keys = keys.join(replaced, "claim_hash", "left")
        is_repeated, key = is_repeated | F.col("is_replaced").isNotNull(), ["claim_hash", "repeated_key", "is_replaced"]
    counted = keys.groupBy(*key).agg(F.count("*").alias("n_rows"), F.max("is_new").alias("is_new"))
    return counted.filter(is_repeated).select("repeated_key")


def _keys_of(rows: DataFrame, is_new: int) -> DataFrame:
    return rows.select(_claim_hash(), _key_hash().alias("repeated_key"), F.lit(is_new).alias("is_new"))


def _claim_hash() -> Column:
    return F.xxhash64(*_CLAIM_KEY).alias("claim_hash")


def _as_draft() -> dict[str, Column]:
    """A line of the table as the oldest version."""
    flags = dict.fromkeys(("is_denied", "is_reversal", "is_whole_claim", "is_void", "is_mended"), F.lit(False))
    return {"is_new": F.lit(0), **flags}


def _rejection() -> list[Column]:
    return fate((F.lit(True), QUARANTINED, F.col("rejected_by")))


def _kept_rule() -> Column:
    return F.coalesce(F.col("unreadable"), F.when(F.col("is_mended"), MENDED), F.lit(AS_SENT))


def _single_fate() -> list[Column]:
    return fate(
        (F.col("is_reversal"), QUARANTINED, "orphan_reversal"),
        (F.col("is_denied"), QUARANTINED, "denied"),
        (F.lit(True), KEPT, _kept_rule()),
    )


def _label_versions(rows: DataFrame, *, has_held: bool) -> DataFrame:
    """Rows of keys that occur more than once, or of replaced claims -> the same, with `fate`, `rule`, `is_retired`."""
    rows = _mark_copies(rows)
    rows = _mark_sent_again(rows) if has_held else rows
    return _label_fates(_mark_final(_mark_replaced(_pair_reversals(rows))))


def _mark_copies(rows: DataFrame) -> DataFrame:
    """Add `is_copy`: another row says the same, later.

    A version that is told more often than its amounts were taken back that day was paid anew.
    """
    flags = ("is_denied", "is_reversal", "is_whole_claim", "is_void")
    same_version = W.partitionBy(*VERSION_KEY, "version_hash", "paid_on", *flags, "is_new")
    unclean_last = ("is_mended", F.col("unreadable").asc_nulls_first(), "row_json")
    newest_first = same_version.orderBy(F.col("sent_on").desc_nulls_last(), *unclean_last)
    same_day = W.partitionBy(*VERSION_KEY, *_amounts(), "paid_on", "is_new").orderBy(F.col("sent_on").asc_nulls_first())
    until_then = same_day.rangeBetween(*_SO_FAR)
    rows = rows.withColumn("nth_copy", F.row_number().over(newest_first))
    rows = rows.withColumns(
        {
            "n_reversals": F.count(F.when(F.col("is_reversal"), 1)).over(until_then),
            "n_apart": F.count(F.when(F.col("is_reversal") & (F.col("nth_copy") == 1), 1)).over(until_then),
        }
    )
    is_more = F.count("*").over(same_version) > F.max("n_reversals").over(same_version)
    n_anew = F.when(~F.col("is_reversal") & ~F.col("is_void") & is_more, F.max("n_apart").over(same_version))
    rows = rows.withColumn("is_copy", F.col("nth_copy") > 1 + F.coalesce(n_anew, F.lit(0)))
    return rows.drop("nth_copy", "n_reversals", "n_apart")


def _mark_sent_again(rows: DataFrame) -> DataFrame:
    """A line of the table `is_copy` if the delivery has its content, before it takes such amounts back.

    What is paid anew after a reversal is another version, and the reversal then is of the line in the table. So is what
    stands beside a reversal that has nothing earlier to take back: else an ingest that is repeated would take out what
    it had brought in.
    """
    rows = _mark_late(rows, "is_new")
    same_amounts = W.partitionBy(*VERSION_KEY, *_amounts())
    so_far = same_amounts.orderBy(*_oldest_first()).rowsBetween(*_SO_FAR)
    is_taken_back = F.max(F.col("is_reversal") & ~F.col("is_copy")).over(so_far)
    is_beside = F.max(F.col("is_late") & ~F.col("is_copy")).over(_of_moment("is_new"))
    is_told = (F.col("is_new") == 1) & ~F.col("is_copy") & ~F.col("is_denied")
    same_content = W.partitionBy(*VERSION_KEY, "version_hash")
    is_again = F.max(is_told & ~is_taken_back).over(same_content) & ~F.max(is_told & is_beside).over(same_content)
    return rows.withColumn("is_copy", F.when(F.col("is_new") == 0, is_again).otherwise(F.col("is_copy")))


def _of_moment(*among: str) -> WindowSpec:
    return W.partitionBy(*VERSION_KEY, *_amounts(), *among, *_MOMENT)


def _mark_late(rows: DataFrame, *among: str) -> DataFrame:
    """Add `is_late`: a reversal that finds nothing open of an earlier moment; and `is_orphan`: nor of its own.

    Only rows that are alike in `among` are paired, and a void with nothing: it has no amounts to be taken back. Taking
    payments of a moment first, how many are open after it is the same as with its reversals first, and a reversal that
    is counted below zero finds nothing.
    """
    payments_first = _of_amounts(*among).orderBy(*_oldest_first(F.col("is_reversal").asc()))
    rows = rows.withColumn("open_so_far", F.sum(_step()).over(payments_first.rowsBetween(*_SO_FAR)))
    lowest_before = F.least(F.lit(0), F.min("open_so_far").over(payments_first.rowsBetween(*_EARLIER)))
    n_own = F.count(F.when(~F.col("is_reversal"), 1)).over(_of_moment("is_copy", "is_void", *among))
    is_late, is_orphan = (F.col("open_so_far") - n < lowest_before for n in (n_own, F.lit(0)))
    flags = {"is_late": F.col("is_reversal") & is_late, "is_orphan": F.col("is_reversal") & is_orphan}
    return rows.withColumns(flags).drop("open_so_far")


def _of_amounts(*among: str) -> WindowSpec:
    return W.partitionBy(*VERSION_KEY, "is_copy", "is_void", *_amounts(), *among)


def _step() -> Column:
    return F.when(F.col("is_reversal"), -1).otherwise(1)


def _pair_reversals(rows: DataFrame) -> DataFrame:
    """Add `is_reversed`, `is_orphan` and `stays_open`.

    As brackets pair, a reversal closes the nearest version before it that has its amounts and is still open. Within a
    moment reversals come first, but those that are late after as many versions as they may close.
    """
    rows = _mark_late(rows)
    of_moment = _of_moment("is_copy", "is_void")
    nth = F.row_number().over(_of_moment("is_copy", "is_void", "is_reversal").orderBy(*_last_of_a_moment()))
    is_closed_late = nth <= F.count(F.when(F.col("is_late"), 1)).over(of_moment)
    turn = F.when(F.col("is_reversal"), F.when(F.col("is_late"), 2).otherwise(0))
    rows = rows.withColumn("turn", F.coalesce(turn, F.when(is_closed_late, 1).otherwise(3)))
    in_turn = _of_amounts().orderBy(*_oldest_first(F.col("turn").asc()))
    rows = rows.withColumn("open_from_here", F.sum(_step()).over(in_turn.rowsBetween(*_FROM_HERE)))
    highest_after = F.greatest(F.lit(0), F.max("open_from_here").over(in_turn.rowsBetween(*_LATER)))
    rows = rows.withColumn("stays_open", ~F.col("is_reversal") & (F.col("open_from_here") > highest_after))
    is_reversed = ~F.col("is_copy") & ~F.col("is_orphan") & ~F.col("stays_open")
    return rows.withColumn("is_reversed", is_reversed).drop("is_late", "turn", "open_from_here")


def _mark_replaced(rows: DataFrame) -> DataFrame:
    """Add `is_replaced`: a version of the whole claim came after the row, and was not taken back.

    Of copies the last counts, which is the newest. Rows of one replacement may be of several days or of a sequence of
    their own: it goes back as far as none of its lines is told twice, what a replacement told before is replaced. A
    void ends all before its last row, but for its own rows.
    """
    if not _is_replacing(rows):
        return rows.withColumn("is_replaced", F.lit(False))
    # Structs compare field by field, nulls first: as versions are ordered.
    moment = F.struct(*_MOMENT)
    replacing = F.when(F.col("is_whole_claim") & ~F.col("is_copy") & ~F.col("is_reversed"), moment)
    same_claim = W.partitionBy(*_CLAIM_KEY)
    told_again = F.when(replacing < F.max(replacing).over(W.partitionBy(*VERSION_KEY)), moment)
    rows = rows.withColumns({"newest": F.max(replacing).over(same_claim), "told_again": told_again})
    replaced_last = F.max("told_again").over(same_claim)
    is_replaced = F.when(F.col("is_whole_claim"), moment <= replaced_last).otherwise(moment < F.col("newest"))
    is_void = F.col("is_void")
    is_ended = ~is_void & (moment <= F.max(F.when(is_void, replacing)).over(same_claim))
    flags = [F.coalesce(flag, F.lit(False)) for flag in (is_replaced, is_ended)]
    return rows.withColumn("is_replaced", flags[0] | flags[1]).drop("newest", "told_again")


def _mark_final(rows: DataFrame) -> DataFrame:
    """Add `is_final`, the last version left, and `final_hash`, what the table is to hold (null: nothing)."""
    is_left = ~F.col("is_copy") & F.col("stays_open") & ~F.col("is_replaced")
    last_first = W.partitionBy(*VERSION_KEY, is_left).orderBy(*_oldest_first()).rowsBetween(*_LATER)
    rows = rows.withColumn("is_final", is_left & (F.count("*").over(last_first) == 0))
    same_key = W.partitionBy(*VERSION_KEY)
    holds = F.col("is_final") & ~F.col("is_denied")
    return rows.withColumns(
        {
            "final_hash": F.max(F.when(holds, F.col("version_hash"))).over(same_key),
            "held_hash": F.max(F.when(F.col("is_new") == 0, F.col("version_hash"))).over(same_key),
        }
    )


def _label_fates(rows: DataFrame) -> DataFrame:
    is_held = F.col("version_hash").eqNullSafe(F.col("held_hash"))
    labels = fate(
        (F.col("is_copy"), MERGED, "duplicate"),
        (F.col("is_orphan"), QUARANTINED, "orphan_reversal"),
        (F.col("is_reversed"), MERGED, "reversed"),
        (~F.col("is_final"), MERGED, "superseded"),
        (F.col("is_denied"), QUARANTINED, "denied"),
        (is_held, MERGED, "duplicate"),
        (F.lit(True), KEPT, _kept_rule()),
    )
    is_retired = ~F.col("version_hash").eqNullSafe(F.col("final_hash"))
    return rows.select("*", *labels, is_retired.alias("is_retired"))
