"""Row rules: what makes a source row useless. Each is a named Column, true where the row breaks the rule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column

EARLIEST_DATE = date(1900, 1, 1)


def first_broken(rules: Mapping[str, Column]) -> Column:
    """The name of the first rule a row breaks, null for a good row. A comparison with null breaks nothing."""
    return F.coalesce(*(F.when(is_broken, F.lit(name)) for name, is_broken in rules.items()))


def claim_rules(
    row: Mapping[str, Column], received_on: date, birth_date: Column, is_unknown: Column
) -> dict[str, Column]:
    """The rules of a claim row. A service may not begin before birth or end after the day the delivery was received."""
    start, end = row["service_date"], row["service_end_date"]
    is_keyless = row["person_id"].isNull() | row["claim_id"].isNull() | row["line_number"].isNull()
    return {
        "null_key": is_keyless | (start.isNull() & ~row["has_unreadable_date"]),
        "impossible_date": row["has_unreadable_date"]
        | (start < F.lit(EARLIEST_DATE))
        | (start > F.lit(received_on))
        | (end > F.lit(received_on))
        | (end < start)
        | (start < birth_date),
        "unknown_member": is_unknown,
    }


def cover_rules(row: Mapping[str, Column]) -> dict[str, Column]:
    """The rules of an eligibility row. Cover may begin or end in the future: insurers enrol ahead.

    A row without medical cover is judged by its pharmacy cover.
    """
    start = F.coalesce(row["start_date"], row["pharmacy_start_date"])
    end = F.coalesce(row["end_date"], row["pharmacy_end_date"])
    return {
        "null_key": row["person_id"].isNull()
        | (row["start_date"].isNull() & ~row["is_without_cover"] & ~row["has_unreadable_date"]),
        "impossible_date": row["has_unreadable_date"] | (start < F.lit(EARLIEST_DATE)) | (row["birth_date"] > end),
        "reversed_span": (start > end) | (row["pharmacy_start_date"] > row["pharmacy_end_date"]),
        "unknown_member": row["is_unknown"],
    }


def roster_rules(row: Mapping[str, Column]) -> dict[str, Column]:
    """The rules of a roster row."""
    enrolled_on = row["enrolled_on"]
    is_keyless = row["person_id"].isNull() | row["program"].isNull()
    return {
        "null_key": is_keyless | (enrolled_on.isNull() & ~row["has_unreadable_date"]),
        "impossible_date": row["has_unreadable_date"]
        | (enrolled_on < F.lit(EARLIEST_DATE))
        | (row["left_on"] < enrolled_on),
    }
