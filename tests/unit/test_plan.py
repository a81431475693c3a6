"""What an ingest says before it starts: lines for a person, without a small count."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from counterpart.deliveries import Delivery, SourceTable
from counterpart.errors import DataError
from counterpart.protocol import Site
from counterpart.sources.placement import Placement
from counterpart.stages.ingestion import _hold_to_threshold
from counterpart.stages.plan import describe_plan
from counterpart.tables import INTAKE


def source(kind: str, **facts: Any) -> SourceTable:
    return SourceTable(None, kind, dict, **facts)  # no row is looked at


def site(**sections: Any) -> Site:
    return Site.model_validate({"name": "here", "warehouse": "w", "reports": "r"} | sections)


DELIVERED = Delivery(
    {
        "lines": source("Delta", version=12, n_files=1_200, n_bytes=41_600_000_000),
        "fills": source("Parquet", n_files=1, n_bytes=999_999),
        "cover": source("view"),
        "roster": source("text", n_files=2, n_bytes=1_500_000),
    }
)


def test_a_first_delivery_of_which_not_all_is_known() -> None:
    said = list(describe_plan(site(), DELIVERED, {"lines": 14_000_000_000, "fills": 10}, None, False, False))
    assert said == [
        "ingest: a new delivery",
        "  reads cover: view, rows to be counted",
        "  reads fills: Parquet, 1 file, less than 1 MB, fewer than 11 rows",
        "  reads lines: Delta version 12, 1,200 files, 41,600 MB, 14,000,000,000 rows",
        "  reads roster: text, 2 files, 2 MB, rows to be counted",
        "  writes medical and pharmacy by month, or by year if they are few, for files of some 8,000,000 lines",
        "  rules: service before 1900-01-01 quarantined; more than 30 days after death: quarantine; negative quantity: "
        "mend; unknown sex: keep; denied by amounts: quarantine; unreadable amount: keep, code: keep, supply: keep; "
        "stops where more than 5% of a source table would be quarantined",
        "  upkeep: small files joined: touched; old files never removed; versions kept for 30 days",
    ]


def test_a_later_delivery_at_a_site_that_judges_otherwise() -> None:
    rules = {
        "earliest_service": "2015-01-01",
        "after_death": "keep",
        "after_death_days": 7,
        "unknown_sex": "quarantine",
        "denied_by_amounts": "keep",
        "unreadable_code": "quarantine",
    }
    upkeep = {"optimize": "all", "vacuum": True, "retain_days": 90}
    here = site(rules=rules, upkeep=upkeep, max_quarantined=0.5)
    none = Delivery({"fills": source("Parquet", n_files=0, n_bytes=0)})
    assert list(describe_plan(here, none, {"fills": 0}, Placement(16), True, True)) == [
        "ingest: this delivery was begun before and is taken up again",
        "  reads fills: Parquet, 0 files, less than 1 MB, 0 rows",
        "  writes medical and pharmacy by month of service, 16 buckets of members in each, as they lie",
        "  rules: service before 2015-01-01 quarantined; more than 7 days after death: keep; negative quantity: mend; "
        "unknown sex: quarantine; denied by amounts: keep; unreadable amount: keep, code: quarantine, supply: keep; "
        "stops where more than 50% of a source table would be quarantined",
        "  upkeep: small files joined: all; old files removed; versions kept for 90 days",
    ]


def test_rows_of_a_roster_are_members_and_rounded() -> None:
    *_, roster = [
        line
        for line in describe_plan(site(), DELIVERED, {"fills": 1064, "roster": 1064}, None, False, False, {"roster"})
        if line.startswith("  reads")
    ]
    assert roster == "  reads roster: text, 2 files, 2 MB, some 1,067 rows"


@pytest.mark.parametrize(
    ("asked", "placement", "told"),
    [
        (
            {"member_buckets": 16},
            None,
            ["by month, or by year if they are few, members in buckets: 16"],
        ),
        ({"service_period": "month"}, None, ["by month, for files of some 8,000,000 lines"]),
        (
            {"service_period": "year"},
            Placement(1, True),
            ["by year of service, 1 bucket of members in each, as they lie"],
        ),
        (
            {"member_buckets": 16, "service_period": "month"},
            Placement(1, True),
            [
                "by year of service, 1 bucket of members in each, as they lie",
                "  note: the site asks for claims by month of service, 16 buckets of members in each (member_buckets, "
                "service_period); tables that are there stay as they lie, only those of a new warehouse are laid out "
                "otherwise",
            ],
        ),
    ],
)
def test_how_the_tables_are_to_lie(asked: dict[str, Any], placement: Placement | None, told: list[str]) -> None:
    said = list(describe_plan(site(**asked), Delivery({}), {}, placement, False, placement is not None))
    assert said[1:-2] == [f"  writes medical and pharmacy {told[0]}", *told[1:]]


@pytest.mark.parametrize(
    ("kept", "rejected", "told"),
    [
        (94, 6, "more than 5.0% of the rows"),  # 6.0% of the 100 rows that were told before
        (6, 94, "more than 5.0% of the rows"),
        (80, 20, "22% of the rows"),  # 22 of 99
        (0, 20, "100% of the rows"),
        (17_000, 901, "more than 5.0% of the rows"),  # 5.03%, which is 5% in whole percents
    ],
)
def test_an_ingest_that_stops_does_not_tell_how_few_were_rejected(kept, rejected, told):
    fates = [("lines", "kept", "as_sent", kept), ("lines", "quarantined", "null_key", rejected)]
    rows = [("d", *fate) for fate in fates if fate[-1]]
    intake = pd.DataFrame(rows, columns=["delivery", "source", "fate", "rule", "n_rows"])[list(INTAKE.columns)]
    with pytest.raises(DataError) as stopped:
        _hold_to_threshold(intake, 0.05)
    assert f"source table lines: {told} would be quarantined (null_key); the site allows 5.0%" in str(stopped.value)
