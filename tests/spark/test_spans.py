"""Spans of days: joined, bridged and labelled as by counting single days."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import reduce
from itertools import groupby, pairwise

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart.spans import bridge_spans, label_runs, longest_supply, merge_spans

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]
Span = tuple[date, date]

SPANS = "case string, start_date date, end_date date"
SEED, N_CASES = 20200229, 400
GAPS = (0, 1, 14)
FIRST_DAY = date(2020, 1, 25)


def test_merged_spans(frame: Frame) -> None:
    spans = frame(
        """case         | start_date | end_date
           overlapping  | 2020-01-01 | 2020-01-31
           overlapping  | 2020-01-15 | 2020-02-29
           inside       | 2020-01-01 | 2020-12-31
           inside       | 2020-02-01 | 2020-02-02
           inside       | 2020-03-01 | 2020-03-31
           adjacent     | 2020-02-29 | 2020-02-29
           adjacent     | 2020-03-01 | 2020-03-01
           a day between| 2020-02-28 | 2020-02-28
           a day between| 2020-03-01 | 2020-03-01
           same twice   | 2020-01-01 | 2020-01-01
           same twice   | 2020-01-01 | 2020-01-01
           no end       | 2020-01-01 | 9999-12-31
           no end       | 2021-01-01 | 2021-12-31
           long, short  | 2020-01-01 | 2020-06-30
           long, short  | 2020-01-01 | 2020-01-31
           long, short  | 2020-07-02 | 2020-07-31""",
        SPANS,
    )
    expected = """case         | start_date | end_date
                  overlapping  | 2020-01-01 | 2020-02-29
                  inside       | 2020-01-01 | 2020-12-31
                  adjacent     | 2020-02-29 | 2020-03-01
                  same twice   | 2020-01-01 | 2020-01-01
                  no end       | 2020-01-01 | 9999-12-31
                  a day between| 2020-02-28 | 2020-02-28
                  a day between| 2020-03-01 | 2020-03-01
                  long, short  | 2020-01-01 | 2020-06-30
                  long, short  | 2020-07-02 | 2020-07-31"""
    assertDataFrameEqual(merge_spans(spans, ["case"]), frame(expected, SPANS))


def test_bridged_spans_forgive_gaps_before_them_and_know_nothing_later(frame: Frame) -> None:
    spans = frame(
        """case      | start_date | end_date
           allowed   | 2020-01-01 | 2020-01-31
           allowed   | 2020-03-02 | 2020-03-31
           allowed   | 2020-05-01 | 2020-05-31
           too long  | 2020-01-01 | 2020-01-31
           too long  | 2020-03-03 | 2020-03-31
           hidden    | 2020-01-01 | 2020-12-31
           hidden    | 2020-02-01 | 2020-02-29
           hidden    | 2021-01-15 | 2021-01-31""",
        SPANS,
    )
    expected = """case      | start_date | end_date   | bridged_start_date
                  allowed   | 2020-01-01 | 2020-01-31 | 2020-01-01
                  allowed   | 2020-03-02 | 2020-03-31 | 2020-01-01
                  allowed   | 2020-05-01 | 2020-05-31 | 2020-01-01
                  too long  | 2020-01-01 | 2020-01-31 | 2020-01-01
                  too long  | 2020-03-03 | 2020-03-31 | 2020-03-03
                  hidden    | 2020-01-01 | 2020-12-31 | 2020-01-01
                  hidden    | 2020-02-01 | 2020-02-29 | 2020-01-01
                  hidden    | 2021-01-15 | 2021-01-31 | 2020-01-01"""
    bridged = bridge_spans(spans, ["case"], allowed_gap_days=30)
    assertDataFrameEqual(bridged, frame(expected, f"{SPANS}, bridged_start_date date"))


def test_ties_tell_equal_spans_apart(frame: Frame) -> None:
    ddl = f"{SPANS}, origin int, covered_to date, run_start_date date"
    expected = frame(
        """case | start_date | end_date   | origin | covered_to | run_start_date
           a    | 2020-01-01 | 2020-01-31 | 0      |            | 2020-01-01
           a    | 2020-01-01 | 2020-01-31 | 1      | 2020-01-31 | 2020-01-01
           a    | 2020-01-01 | 2020-01-15 | 0      | 2020-01-31 | 2020-01-01
           b    | 2020-01-01 | 2020-01-31 | 1      |            | 2020-01-01""",
        ddl,
    )
    spans = expected.select("case", "start_date", "end_date", "origin")
    assertDataFrameEqual(label_runs(spans, ["case"], ties=["origin"]), expected)


def test_no_spans(frame: Frame) -> None:
    nothing = frame("case | start_date | end_date", SPANS)
    assertDataFrameEqual(merge_spans(nothing, ["case"]), nothing)
    assertDataFrameEqual(bridge_spans(nothing, ["case"], 30).drop("bridged_start_date"), nothing)


# --- against counting days --------------------------------------------------------------------------------------------


def random_cases() -> dict[str, list[Span]]:
    """Up to eight spans a case within a hundred days: touching, nested, equal and of a single day."""
    dice = random.Random(SEED)
    cases = {}
    for number in range(N_CASES):
        spans = []
        for _ in range(dice.randint(1, 8)):
            start = FIRST_DAY + timedelta(dice.randint(0, 100))
            spans.append((start, start + timedelta(dice.choice((0, 0, 1, 3, 10, 40)))))
        cases[f"{number}"] = spans + dice.sample(spans, dice.choice((0, 0, 1)))
    return cases


CASES = random_cases()


def days_of(spans: list[Span]) -> list[date]:
    return sorted({start + timedelta(n) for start, end in spans for n in range((end - start).days + 1)})


def runs_of(days: list[date], gap: int) -> Iterator[Span]:
    """Days -> first and last of those between which at most `gap` days are missing."""
    n_breaks = [0]
    for before, after in pairwise(days):
        n_breaks.append(n_breaks[-1] + ((after - before).days - 1 > gap))
    for _, numbered in groupby(zip(n_breaks, days, strict=True), key=lambda pair: pair[0]):
        run = [day for _, day in numbered]
        yield run[0], run[-1]


def bridged(spans: list[Span], gap: int) -> Iterator[tuple[date, date, date]]:
    """Each span with the first day of the run it stands in, had nothing come after it."""
    in_order = sorted(spans, key=lambda span: (span[0], -span[1].toordinal()))
    for place, (start, end) in enumerate(in_order):
        so_far = days_of(in_order[: place + 1])
        yield start, end, next(first for first, last in runs_of(so_far, gap) if first <= start <= last)


def in_spark(spark: SparkSession) -> DataFrame:
    rows = [(case, *span) for case, spans in CASES.items() for span in spans]
    random.Random(SEED).shuffle(rows)
    return spark.createDataFrame(rows, SPANS)


def by_gap(transform: Callable[[int], DataFrame]) -> list[tuple]:
    """The rows for every allowed gap, in one action."""
    parts = [transform(gap).select("*", F.lit(gap).alias("gap")) for gap in GAPS]
    return sorted(tuple(row) for row in reduce(DataFrame.unionAll, parts).collect())


def test_merging_is_joining_days(spark: SparkSession) -> None:
    spans = in_spark(spark)
    merged = by_gap(lambda gap: merge_spans(spans, ["case"], gap))
    expected = [
        (case, *run, gap) for gap in GAPS for case, spans in CASES.items() for run in runs_of(days_of(spans), gap)
    ]
    assert len(expected) > 2 * N_CASES
    assert merged == sorted(expected)


def test_bridging_is_joining_the_days_so_far(spark: SparkSession) -> None:
    spans = in_spark(spark)
    found = by_gap(lambda gap: bridge_spans(spans, ["case"], gap))
    expected = [(case, *span, gap) for gap in GAPS for case, spans in CASES.items() for span in bridged(spans, gap)]
    assert found == sorted(expected)


FILLS = "case string, fills array<struct<day:bigint,supplied_days:bigint>>"


def test_the_longest_supply(frame: Frame) -> None:
    """Days count from 1 June; the first case is the measure's own example: 30 days and 30 cover 1 June to 30 July."""
    fills = frame(
        """case              | fills
           pushed forward    | [{"day": 25, "supplied_days": 30}, {"day": 0, "supplied_days": 30}]
           a day between     | [{"day": 0, "supplied_days": 30}, {"day": 31, "supplied_days": 40}]
           the day after     | [{"day": 0, "supplied_days": 30}, {"day": 30, "supplied_days": 40}]
           stock from before | [{"day": 0, "supplied_days": 60}, {"day": 1, "supplied_days": 5}]
           past the last day | [{"day": 80, "supplied_days": 90}]
           on the last day   | [{"day": 100, "supplied_days": 90}]
           no days told      | [{"day": 1, "supplied_days": 7}, {"day": 3, "supplied_days": 0}]
           nothing           | []""",
        FILLS,
    )
    expected = """case              | longest
                  pushed forward    | 60
                  a day between     | 40
                  the day after     | 70
                  stock from before | 65
                  past the last day | 21
                  on the last day   | 1
                  no days told      | 7
                  nothing           | 0"""
    told = fills.select("case", longest_supply(F.col("fills"), F.lit(100)).alias("longest"))
    assertDataFrameEqual(told, frame(expected, "case string, longest bigint"))


def test_the_longest_supply_as_by_taking_a_pill_a_day(spark: SparkSession) -> None:
    """Seeded fills in any order; whoever has pills left takes one."""
    draw = random.Random(SEED)
    cases = []
    for number in range(N_CASES):
        days = draw.sample(range(-60, 1), draw.randint(1, 12))
        cases.append((str(number), [(day, draw.choice((0, 1, 5, 10, 30))) for day in days]))
    told = spark.createDataFrame(cases, FILLS).select("case", longest_supply(F.col("fills"), F.lit(0)).alias("longest"))
    assert {row["case"]: row["longest"] for row in told.collect()} == {
        case: longest_by_pills(dict(fills), -60, 0) for case, fills in cases
    }


def longest_by_pills(fills: dict[int, int], first: int, last: int) -> int:
    pills = run = longest = 0
    for day in range(first, last + 1):
        pills += fills.get(day, 0)
        run = run + 1 if pills else 0
        pills -= pills > 0
        longest = max(longest, run)
    return longest
