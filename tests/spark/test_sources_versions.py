"""Copies, reversals and adjustments of a claim line: which version holds, and what becomes of every row."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart.sources.versions import Versions, resolve_versions

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

DRAFTS = (
    "claim_id string, paid_on date, sent_on bigint, paid_cents bigint, version_hash bigint, kind string, "
    "fate string, rule string"
)
HELD = "claim_id string, paid_cents bigint, version_hash bigint"


def as_drafts(rows: DataFrame) -> DataFrame:
    """Rows as written in a table -> drafts: one member, one line, allowed as paid."""
    return rows.drop("fate", "rule").withColumns(
        {
            "member_key": F.lit(1).cast("bigint"),
            "line_number": F.lit(1),
            "allowed_cents": F.col("paid_cents"),
            "is_reversal": F.col("kind").eqNullSafe("reversal"),
            "is_denied": F.col("kind").eqNullSafe("denial"),
            "is_mended": F.col("kind").eqNullSafe("mended"),
            "rejected_by": F.when(F.col("kind") == "rejected", "null_key"),
            "row_json": F.lit(None).cast("string"),
        }
    )


def as_held(rows: DataFrame) -> DataFrame:
    return rows.withColumns(
        {
            "member_key": F.lit(1).cast("bigint"),
            "line_number": F.lit(1),
            "allowed_cents": F.col("paid_cents"),
        }
    )


def resolve(rows: DataFrame, held: DataFrame | None) -> Versions:
    return resolve_versions(as_drafts(rows), None if held is None else as_held(held), checkpoint, "lines")


def checkpoint(_: str, rows: DataFrame) -> DataFrame:
    return rows.localCheckpoint()


def told(versions: Versions) -> DataFrame:
    return versions.rows.select(*(part.split()[0] for part in DRAFTS.split(", ")))


def test_versions_of_one_delivery(frame: Frame) -> None:
    rows = frame(
        """claim_id        | paid_on    | sent_on | paid_cents | version_hash | kind     | fate        | rule
           alone           | 2020-01-01 |         | 100        | 11           |          | kept        | as_sent
           mended          | 2020-01-01 |         | 100        | 11           | mended   | kept        | mended
           denied          | 2020-01-01 |         | 0          | 10           | denial   | quarantined | denied
           orphan          | 2020-01-01 |         | -100       | 21           | reversal | quarantined | orphan_reversal
           rejected        | 2020-01-01 |         | 100        | 11           | rejected | quarantined | null_key
           rejected        | 2020-01-01 |         | 100        | 11           |          | kept        | as_sent
           twice           | 2020-01-01 | 1       | 100        | 11           |          | merged      | duplicate
           twice           | 2020-01-01 | 2       | 100        | 11           |          | kept        | as_sent
           twice, unclean  |            |         | 100        | 11           | mended   | merged      | duplicate
           twice, unclean  |            |         | 100        | 11           |          | kept        | as_sent
           adjusted        | 2020-01-01 |         | 100        | 11           |          | merged      | superseded
           adjusted        | 2020-02-01 |         | 80         | 12           |          | kept        | as_sent
           sent later      | 2020-01-01 | 2       | 80         | 12           |          | kept        | as_sent
           sent later      | 2020-01-01 | 1       | 100        | 11           |          | merged      | superseded
           undated is older| 2020-01-01 |         | 80         | 12           |          | kept        | as_sent
           undated is older|            |         | 100        | 11           |          | merged      | superseded
           taken back      | 2020-01-01 |         | 100        | 11           |          | merged      | reversed
           taken back      | 2020-02-01 |         | -100       | 21           | reversal | merged      | reversed
           same day        | 2020-01-01 |         | 100        | 11           |          | merged      | reversed
           same day        | 2020-01-01 |         | -100       | 21           | reversal | merged      | reversed
           corrected       | 2020-01-01 |         | 100        | 11           |          | merged      | reversed
           corrected       | 2020-02-01 |         | -100       | 21           | reversal | merged      | reversed
           corrected       | 2020-02-01 |         | 80         | 12           |          | kept        | as_sent
           back to before  | 2020-01-01 |         | 100        | 11           |          | kept        | as_sent
           back to before  | 2020-02-01 |         | 80         | 12           |          | merged      | reversed
           back to before  | 2020-03-01 |         | -80        | 22           | reversal | merged      | reversed
           before its claim| 2020-01-01 |         | -100       | 21           | reversal | quarantined | orphan_reversal
           before its claim| 2020-02-01 |         | 100        | 11           |          | kept        | as_sent
           other amounts   | 2020-01-01 |         | 100        | 11           |          | kept        | as_sent
           other amounts   | 2020-02-01 |         | -80        | 22           | reversal | quarantined | orphan_reversal
           paid, denied    | 2020-01-01 |         | 100        | 11           |          | merged      | superseded
           paid, denied    | 2020-02-01 |         | 0          | 10           | denial   | quarantined | denied
           denied, paid    | 2020-01-01 |         | 0          | 10           | denial   | merged      | superseded
           denied, paid    | 2020-02-01 |         | 100        | 11           |          | kept        | as_sent
           denial withdrawn| 2020-01-01 |         | 0          | 10           | denial   | merged      | reversed
           denial withdrawn| 2020-02-01 |         | 0          | 20           | reversal | merged      | reversed""",
        DRAFTS,
    )
    assertDataFrameEqual(told(resolve(rows, None)), rows)


def test_a_later_delivery_meets_the_lines_of_the_table(frame: Frame) -> None:
    held = frame(
        """claim_id           | paid_cents | version_hash
           untouched          | 100        | 11
           sent again         | 100        | 11
           corrected          | 100        | 11
           taken back         | 100        | 11
           history again      | 80         | 12
           taken back, again  | 100        | 11
           paid anew          | 100        | 11
           paid anew, again   | 100        | 11
           denied             | 100        | 11
           orphan             | 100        | 11
           replaced and back  | 100        | 11""",
        HELD,
    )
    rows = frame(
        """claim_id           | paid_on    | paid_cents | version_hash | kind     | fate        | rule
           new                | 2020-01-01 | 100        | 11           |          | kept        | as_sent
           sent again         | 2020-01-01 | 100        | 11           |          | merged      | duplicate
           corrected          | 2020-02-01 | 80         | 12           |          | kept        | as_sent
           taken back         | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
           history again      | 2020-01-01 | 100        | 11           |          | merged      | reversed
           history again      | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
           history again      | 2020-02-01 | 80         | 12           |          | merged      | duplicate
           taken back, again  | 2020-01-01 | 100        | 11           |          | merged      | reversed
           taken back, again  | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
           paid anew          | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
           paid anew          | 2020-03-01 | 100        | 11           |          | merged      | duplicate
           paid anew, again   | 2020-01-01 | 100        | 11           |          | merged      | reversed
           paid anew, again   | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
           paid anew, again   | 2020-03-01 | 100        | 11           |          | merged      | duplicate
           denied             | 2020-02-01 | 0          | 10           | denial   | quarantined | denied
           orphan             | 2020-02-01 | -80        | 22           | reversal | quarantined | orphan_reversal
           replaced and back  | 2020-02-01 | 80         | 12           |          | merged      | superseded
           replaced and back  | 2020-03-01 | 100        | 11           |          | merged      | duplicate""",
        DRAFTS,
    )
    retired = frame(
        """claim_id
           corrected
           taken back
           taken back, again
           denied""",
        "claim_id string",
    )
    versions = resolve(rows, held)
    assertDataFrameEqual(told(versions), rows)
    assertDataFrameEqual(versions.retired.select("claim_id"), retired)


def test_no_rows_at_all(frame: Frame) -> None:
    nothing = frame("claim_id | paid_on", DRAFTS)
    versions = resolve(nothing, frame("claim_id | paid_cents | version_hash\n held | 100 | 11", HELD))
    assertDataFrameEqual(told(versions), nothing)
    assert versions.retired.isEmpty()


# --- against one key after the other ----------------------------------------------------------------------------------

SEED, N_KEYS = 20200301, 1_500


class Row(NamedTuple):
    """A version. Its content decides the rest: 11 and 13 cost 100, 12 costs 80, 10 is a denial, 20 to 22 reversals."""

    claim: int
    paid_on: str | None
    sent_on: int | None
    content: int
    is_mended: bool

    @property
    def amount(self) -> int:
        return {10: 0, 11: 100, 12: 80, 13: 100, 20: 0, 21: -100, 22: -80}[self.content]

    @property
    def kind(self) -> str | None:
        if self.content == 10:
            return "denial"
        return "reversal" if self.content >= 20 else "mended" if self.is_mended else None


def random_deliveries() -> tuple[list[Row], dict[int, int]]:
    """Rows of many keys, and for half of the keys the content that the table holds."""
    dice = random.Random(SEED)
    contents = (10, 11, 11, 11, 12, 12, 13, 20, 21, 21, 22)
    days, sent = (None, "2020-01-01", "2020-01-01", "2020-02-01", "2020-02-29"), (None, 1, 2)
    rows = [
        Row(claim, dice.choice(days), dice.choice(sent), content, content < 20 and content > 10 and dice.random() < 0.2)
        for claim in range(N_KEYS)
        for content in dice.choices(contents, k=dice.randint(1, 6))
    ]
    return rows, {claim: dice.choice((11, 12, 13)) for claim in range(N_KEYS) if dice.random() < 0.5}


def age(row: Row) -> tuple:
    """Oldest first; what is not told is oldest."""
    is_reversal, is_denied = row.kind == "reversal", row.kind == "denial"
    return (row.paid_on or "", row.sent_on or -1, is_reversal, row.content, is_denied, row.is_mended)


def split_copies(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Versions, oldest first; and copies of them."""
    versions, copies = [], []
    same = sorted(rows, key=lambda row: (row.content, row.paid_on or "", -(row.sent_on or -1), row.is_mended))
    for _, group in groupby(same, key=lambda row: (row.content, row.paid_on)):
        newest, *others = group
        versions.append(newest)
        copies += others
    return sorted(versions, key=age), copies


def is_sent_again(held: Row, versions: list[Row]) -> bool:
    """Does the delivery tell the version in the table, before it takes such a version back?"""
    for row in versions:
        if row.kind == "reversal" and row.amount == -held.amount:
            return False
        if row.content == held.content:
            return True
    return False


def judge(rows: list[Row], held_content: int | None) -> tuple[list[tuple], bool]:
    """One key: every row with fate and rule; and whether the table loses its line."""
    versions, copies = split_copies(rows)
    held = None if held_content is None else Row(rows[0].claim, None, None, held_content, False)
    fates = [(*row, "merged", "duplicate") for row in copies]
    open_versions = [] if held is None or is_sent_again(held, versions) else [held]
    for row in versions:
        if row.kind != "reversal":
            open_versions.append(row)
            continue
        closes = [place for place, other in enumerate(open_versions) if other.amount == -row.amount]
        if not closes:
            fates.append((*row, "quarantined", "orphan_reversal"))
            continue
        taken_back = open_versions.pop(closes[-1])
        fates += [(*one, "merged", "reversed") for one in (taken_back, row) if one is not held]
    fates += [(*row, "merged", "superseded") for row in open_versions[:-1] if row is not held]
    last = open_versions[-1] if open_versions else None
    if last is not None and last is not held:
        fates.append((*last, *fate_of(last, held_content)))
    holds = last.content if last is not None and last.kind != "denial" else None
    return fates, held is not None and holds != held_content


def fate_of(last: Row, held_content: int | None) -> tuple[str, str]:
    if last.kind == "denial":
        return "quarantined", "denied"
    if last.content == held_content:
        return "merged", "duplicate"
    return "kept", "mended" if last.is_mended else "as_sent"


def test_many_keys_as_judged_one_by_one(spark: SparkSession) -> None:
    rows, held = random_deliveries()
    cells = [(str(row.claim), row.paid_on, row.sent_on, row.amount, row.content, row.kind) for row in rows]
    ddl = "claim_id string, day string, sent_on bigint, paid_cents bigint, version_hash bigint, kind string"
    delivered = spark.createDataFrame(cells, ddl).withColumn("paid_on", F.col("day").cast("date"))
    table = [(str(claim), Row(claim, None, None, content, False).amount, content) for claim, content in held.items()]
    versions = resolve(delivered, spark.createDataFrame(table, HELD))
    found = versions.rows.select(
        F.col("claim_id").cast("int"), "day", "sent_on", "version_hash", "is_mended", "fate", "rule"
    )
    by_claim = [(claim, list(group)) for claim, group in groupby(rows, key=lambda row: row.claim)]
    judged = {claim: judge(group, held.get(claim)) for claim, group in by_claim}
    expected = [fate for fates, _ in judged.values() for fate in fates]
    assert sorted(map(str, map(tuple, found.collect()))) == sorted(map(str, expected))
    assert len(expected) == len(rows)
    retired = sorted(int(row.claim_id) for row in versions.retired.select("claim_id").collect())
    assert retired == sorted(claim for claim, (_, is_lost) in judged.items() if is_lost)
    assert len(retired) > 100
