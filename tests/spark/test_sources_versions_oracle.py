"""Versions of many claims at random, as they are judged one claim after the other."""

from __future__ import annotations

import random
from itertools import groupby

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.drafts import HELD, OF_LINES, resolve
from tests.oracles.versions import Held, Version, judge_claim

from counterpart.sources import broadcasts

pytestmark = pytest.mark.spark

SEED, N_CLAIMS = 20200301, 1_500


def random_deliveries(most_lines: int, replaced: float) -> tuple[list[Version], Held]:
    """Rows of many claims, and for half of their lines the content that the table holds."""
    dice = random.Random(SEED)
    contents = (10, 11, 11, 11, 12, 12, 13, 20, 21, 21, 22)
    days, sent = (None, "2020-01-01", "2020-01-01", "2020-02-01", "2020-02-29"), (None, 1, 2)
    lines = {claim: dice.randint(1, most_lines) for claim in range(N_CLAIMS)}
    rows = []
    for claim, n_lines in lines.items():
        for content in dice.choices(contents, k=dice.randint(1, 6)):
            is_mended = 10 < content < 20 and dice.random() < 0.2
            told = (dice.randint(1, n_lines), dice.choice(days), dice.choice(sent), content, is_mended)
            is_whole = dice.random() < replaced
            rows.append(Version(claim, *told, is_whole, is_whole and content < 20 and dice.random() < 0.3))
    keys = [(claim, line) for claim, n_lines in lines.items() for line in range(1, n_lines + 1)]
    return rows, {key: dice.choice((11, 12, 13)) for key in keys if dice.random() < 0.5}


@pytest.mark.parametrize(("most_lines", "replaced", "most_bytes"), [(1, 0, 2**28), (3, 0.25, 2**28), (3, 0.25, 0)])
def test_many_claims_as_judged_one_by_one(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, most_lines: int, replaced: float, most_bytes: int
) -> None:
    """Also where the keys that come more than once are too many to be given to every executor."""
    monkeypatch.setattr(broadcasts, "MOST_BROADCAST_BYTES", most_bytes)
    rows, held = random_deliveries(most_lines, replaced)
    cells = [
        (str(row.claim), row.line, row.paid_on, row.sent_on, row.amount, row.content, row.kind, *row[-2:])
        for row in rows
    ]
    ddl = (
        "claim_id string, line_number int, day string, sent_on bigint, paid_cents bigint, version_hash bigint, "
        "kind string, is_replacement boolean, is_void boolean"
    )
    delivered = spark.createDataFrame(cells, ddl).withColumn("paid_on", F.col("day").cast("date"))
    delivered = delivered if replaced else delivered.drop("is_replacement", "is_void")
    amounts = {11: 100, 12: 80, 13: 100}
    table = [(line, str(claim), amounts[content], content) for (claim, line), content in held.items()]
    versions = resolve(delivered, spark.createDataFrame(table, OF_LINES + HELD))
    found = versions.rows.select(
        *(F.col("claim_id").cast("int"), "line_number", "day", "sent_on", "version_hash", "is_mended"),
        *(F.col("kind").contains("whole"), F.col("kind").contains("void"), "fate", "rule"),
    )
    by_claim = groupby(rows, key=lambda row: row.claim)
    judged = [judge_claim(claim, list(group), held) for claim, group in by_claim]
    expected = [fate for fates, _ in judged for fate in fates]
    assert sorted(map(str, map(tuple, found.collect()))) == sorted(map(str, expected))
    assert len(expected) == len(rows)
    retired = versions.retired.select(F.col("claim_id").cast("int"), "line_number")
    lost = sorted(key for _, keys in judged for key in keys)
    assert sorted(map(tuple, retired.collect())) == lost
    assert len(lost) > 100
