"""Partitions of months or years: chosen by size, kept with the table, and pruned alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart.sources import LAYOUTS
from counterpart.sources.placement import Placement, is_in_periods
from counterpart.stages.ingestion import count_lines

pytestmark = pytest.mark.spark


def test_it_is_chosen_by_the_number_of_lines_and_kept() -> None:
    small, middle, large = (Placement.choose(n, 8_000_000) for n in (1_199_999, 1_200_000, 960_000_001))
    assert (small, middle, large) == (Placement(1, True), Placement(1, False), Placement(3, False))
    for placement in (small, large):
        assert Placement.read(placement.as_properties()) == placement
    assert Placement.read({}) == Placement()


def test_what_a_site_says_of_it_holds() -> None:
    """A pilot tells nothing of how much will come."""
    pilot = 1_000_000
    assert Placement.choose(pilot, 8_000_000, 16, "month") == Placement(16, False)
    assert Placement.choose(pilot, 8_000_000, service_period="month") == Placement(1, False)
    assert Placement.choose(pilot, 8_000_000, member_buckets=4) == Placement(4, True)
    # Files of so many lines are then of a year's.
    assert Placement.choose(960_000_000, 8_000_000, service_period="year") == Placement(24, True)
    assert Placement(3, True).as_asked(None, None) == Placement(3, True)
    assert Placement(3, True).as_asked(16, "month") == Placement(16, False)


def test_lines_of_all_tables_of_a_kind_are_counted() -> None:
    """CCW's files have a claim type each: the largest is not the table."""
    names = [source.table for source in LAYOUTS["rif"].medical]
    fills = LAYOUTS["rif"].pharmacy[0].table
    assert len(names) > 5
    assert count_lines(LAYOUTS["rif"], dict.fromkeys(names, 10) | {fills: 15, "beneficiary": 999}) == 10 * len(names)
    assert count_lines(LAYOUTS["rif"], {names[0]: 10, fills: 15}) == 15
    # Two sources may be parts of one table.
    omop = LAYOUTS["omop"]
    assert count_lines(omop, {"observation": 10}) == 10
    assert count_lines(omop, {}) == 0


def test_lines_of_a_period_lie_in_its_partitions(frame: Callable[[str, str], DataFrame]) -> None:
    days = frame("day\n 2018-12-31\n 2019-01-01\n 2019-02-28\n 2019-03-01\n 2019-12-31\n 2020-01-01", "day date")
    lines = days.withColumn("member_key", F.lit(7).cast("bigint"))
    by_month, by_year = (
        lines.withColumns(Placement(1, by_year).columns(F.col("day"))).filter(
            is_in_periods(date(2019, 1, 31), date(2019, 2, 1))
        )
        for by_year in (False, True)
    )
    ddl = "day date, service_period int, service_month int"
    assertDataFrameEqual(
        by_month.select("day", "service_period", "service_month"),
        frame(
            "day | service_period | service_month\n 2019-01-01 | 201901 | 201901\n 2019-02-28 | 201902 | 201902", ddl
        ),
    )
    assertDataFrameEqual(
        by_year.select("day", "service_period", "service_month"),
        frame(
            """day        | service_period | service_month
               2019-01-01 | 201900         | 201901
               2019-02-28 | 201900         | 201902
               2019-03-01 | 201900         | 201903
               2019-12-31 | 201900         | 201912""",
            ddl,
        ),
    )
