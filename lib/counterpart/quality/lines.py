"""Claim lines by month: how many there are, and how many have nothing, or nothing usable, in each column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.tallies import tallies_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Those that layouts write; "other" where a source does not say, as a CDM never does.
_CLAIM_TYPES = ("professional", "institutional", "dme", "other")
LONGEST_SUPPLY_DAYS = 366
"""A fill for longer than a year is a mistake in a column, not a prescription."""


@dataclass(frozen=True)
class ColumnRules:
    """What of a table's columns is looked at. Both are true where something is wrong; a null breaks no rule."""

    missing: Mapping[str, Column]
    invalid: Mapping[str, Column]


def medical_rules() -> ColumnRules:
    """Of a claim line. A code that ingest could not read is missing: the tables have null for it."""
    nulls = ("service_end_date", "procedure", "revenue", "place", "bill_type", "drg", "specialty")
    lists = ("diagnoses", "facility_procedures", "modifiers", "concepts")
    return ColumnRules(
        missing={
            **{name: F.col(name).isNull() for name in (*nulls, *_AMOUNTS)},
            **{name: F.coalesce(F.size(name), F.lit(0)) <= 0 for name in lists},
        },
        invalid={
            "claim_type": ~F.col("claim_type").isin(*_CLAIM_TYPES),
            "service_end_date": F.col("service_end_date") < F.col("service_date"),
            **_negative_amounts(),
        },
    )


def pharmacy_rules() -> ColumnRules:
    """Of a fill."""
    return ColumnRules(
        missing={
            **{name: F.col(name).isNull() for name in ("ndc", "days_supply", "quantity", *_AMOUNTS)},
            "concepts": F.coalesce(F.size("concepts"), F.lit(0)) <= 0,
        },
        invalid={
            "days_supply": ~F.col("days_supply").between(1, LONGEST_SUPPLY_DAYS),
            "quantity": F.col("quantity") <= 0,
            **_negative_amounts(),
        },
    )


_AMOUNTS = ("allowed_cents", "paid_cents")


def _negative_amounts() -> dict[str, Column]:
    return {name: F.col(name) < 0 for name in _AMOUNTS}


def tally_lines(lines: DataFrame, part: str, rules: ColumnRules) -> DataFrame:
    """Claim line -> tallies `lines`, `missing` and `invalid` by month. One scan, one row of counts a month."""
    asked = {("missing", name): is_wrong for name, is_wrong in rules.missing.items()}
    asked |= {("invalid", name): is_wrong for name, is_wrong in rules.invalid.items()}
    named = {key: "_".join(key) for key in asked}
    counts = lines.groupBy("service_month").agg(
        F.count("*").alias("lines_"), *(F.count_if(asked[key]).alias(column) for key, column in named.items())
    )
    return tallies_of(counts, part, F.col("service_month"), named={("lines", ""): "lines_", **named})
