"""Cover without an end: a later delivery ends it, whatever was merged with it, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.tuva_claims import raw_claims

from counterpart.sources import IngestContext
from counterpart.sources.eligibility import Cover, build_cover
from counterpart.sources.tuva import TUVA
from counterpart.tables import ENROLLMENT

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

# A member is a case.
FIRST = """person  | from       | to
           ended   | 2019-01-01 |
           plans   | 2018-01-01 | 2018-12-31
           plans   | 2019-01-01 |
           history | 2018-01-01 | 2018-12-31
           history | 2019-01-01 |
           moved   | 2018-01-01 |
           gap     | 2018-01-01 |
           both    | 2019-01-01 |
           several | 2019-01-01 |
           still   | 2019-01-01 |
           ends    | 2019-01-01 | 2019-12-31"""
SECOND = """person  | from       | to         | fate
            ended   | 2019-01-01 | 2020-06-30 | corrected_span
            plans   | 2019-01-01 | 2020-06-30 | corrected_span
            history | 2018-01-01 | 2018-12-31 | duplicate
            moved   | 2018-01-01 | 2018-12-31 | corrected_span
            moved   | 2019-01-01 |            | adjacent_span
            gap     | 2018-01-01 | 2018-12-31 | corrected_span
            gap     | 2019-03-01 |            | as_sent
            both    | 2019-01-01 | 2020-06-30 | duplicate
            both    | 2019-01-01 |            | duplicate
            several | 2019-01-01 | 2020-03-31 | duplicate
            several | 2019-01-01 | 2020-06-30 | corrected_span
            several | 2019-01-01 | 2020-06-30 | duplicate
            still   | 2019-01-01 |            | duplicate
            ends    | 2019-01-01 | 2019-06-30 | duplicate"""
AFTER = """person  | start_date | end_date
           ended   | 2019-01-01 | 2020-06-30
           plans   | 2018-01-01 | 2020-06-30
           history | 2018-01-01 | 9999-12-31
           moved   | 2018-01-01 | 9999-12-31
           gap     | 2018-01-01 | 2018-12-31
           gap     | 2019-03-01 | 9999-12-31
           both    | 2019-01-01 | 9999-12-31
           several | 2019-01-01 | 2020-06-30
           still   | 2019-01-01 | 9999-12-31
           ends    | 2019-01-01 | 2019-12-31"""
THIRD = """person  | from       | to
           moved   | 2019-01-01 | 2019-06-30
           history | 2019-01-01 | 2019-06-30"""
AT_LAST = AFTER.replace("history | 2018-01-01 | 9999-12-31", "history | 2018-01-01 | 2019-06-30").replace(
    "moved   | 2018-01-01 | 9999-12-31", "moved   | 2018-01-01 | 2019-06-30"
)


def deliver(text: str, frame: Frame, existing: dict[str, DataFrame] | None = None) -> Cover:
    context = IngestContext(
        "one", date(2021, 10, 15), existing=existing or {}, stage=lambda _, rows: rows.localCheckpoint()
    )
    return build_cover(TUVA.eligibility, raw_claims(frame, {"eligibility": text}), context)


def held(cover: Cover) -> dict[str, DataFrame]:
    return {"members": cover.members, "enrollment": cover.enrollment.localCheckpoint(),
            "open_cover": cover.open_cover.localCheckpoint()}  # fmt: skip


def assert_spans(found: DataFrame, text: str, frame: Frame) -> None:
    """Of both benefits, which Tuva's eligibility does not tell apart."""
    spans = frame(text, "person string, start_date date, end_date date")
    both = spans.withColumn("member_key", F.xxhash64("person")).withColumn(
        "benefit", F.explode(F.array(F.lit("medical"), F.lit("pharmacy")))
    )
    assertDataFrameEqual(found, both.select(*ENROLLMENT.columns))


def test_a_later_delivery_ends_cover_that_had_no_end(frame: Frame) -> None:
    first = held(deliver(FIRST, frame))
    second = deliver(SECOND, frame, first)
    after = held(second)
    assert_spans(after["enrollment"], AFTER, frame)
    fates = sorted((row.person_id, row.rule) for row in second.rows.collect())
    told = [line.split("|") for line in SECOND.splitlines()[1:]]
    assert fates == sorted((cells[0].strip(), cells[3].strip()) for cells in told)
    # The same again, and an ingest that ended between the two tables.
    for existing in (after, after | {"open_cover": first["open_cover"]}):
        assert_spans(deliver(SECOND, frame, existing).enrollment, AFTER, frame)
    third = held(deliver(THIRD, frame, after))
    assert_spans(third["enrollment"], AT_LAST, frame)
    still_open = third["open_cover"].filter("benefit = 'medical'").select("member_key", "open_since")
    expected = frame(
        """person | open_since
           gap    | 2019-03-01
           both   | 2019-01-01
           still  | 2019-01-01""",
        "person string, open_since date",
    )
    assertDataFrameEqual(still_open, expected.select(F.xxhash64("person").alias("member_key"), "open_since"))


def test_an_end_that_lies_too_far_away_is_none(frame: Frame) -> None:
    first = """person | from       | to
               year   | 2019-01-01 | 2099-12-31
               later  | 2019-01-01 | 2299-12-31
               long   | 2019-01-01 | 2071-10-15"""
    spans = """person | start_date | end_date
               year   | 2019-01-01 | 9999-12-31
               later  | 2019-01-01 | 2020-06-30
               long   | 2019-01-01 | 2071-10-15"""
    later = "person | from | to\nlater | 2019-01-01 | 2020-06-30\nyear | 2019-01-01 | 2199-12-31"
    assert_spans(deliver(later, frame, held(deliver(first, frame))).enrollment, spans, frame)


def test_a_warehouse_that_never_kept_what_is_open_knows_the_spans_own_start(frame: Frame) -> None:
    first = """person | from       | to
               ended  | 2019-01-01 |
               plans  | 2018-01-01 | 2018-12-31
               plans  | 2019-01-01 | """
    enrollment = held(deliver(first, frame))["enrollment"]
    later = """person | from       | to
               ended  | 2019-01-01 | 2020-06-30
               plans  | 2018-01-01 | 2018-12-31
               plans  | 2019-01-01 | 2020-06-30"""
    spans = """person | start_date | end_date
               ended  | 2019-01-01 | 2020-06-30
               plans  | 2018-01-01 | 2020-06-30"""
    assert_spans(deliver(later, frame, {"enrollment": enrollment}).enrollment, spans, frame)
