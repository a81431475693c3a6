"""Row rules: what makes a source row useless. Each is a named Column, true where the row breaks the rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.sources.fields import NOTHING

if TYPE_CHECKING:
    from pyspark.sql import Column

    from counterpart.protocol import RowRules

EARLIEST_DATE = date(1900, 1, 1)

# 1.23457E+11 is what a spreadsheet leaves of an id of twelve digits.
_SHORTENED = r"^\d(\.\d+)?[Ee]\+\d+$"
_NO_CHARACTER = "\ufffd"

UNREADABLE = ("unreadable_amount", "unreadable_code", "unreadable_supply")
"""Rules of rows that are kept without what cannot be read of them; the first that holds is told."""


def first_broken(rules: Mapping[str, Column]) -> Column:
    """The name of the first rule a row breaks, null for a good row. A comparison with null breaks nothing."""
    return F.coalesce(*(F.when(is_broken, F.lit(name)) for name, is_broken in rules.items()))


def is_no_id(given: Column) -> Column:
    """Is there no id, or a word for nothing where one should be? All rows that have it would be one person's."""
    return given.isNull() | given.isin(*NOTHING)


def is_unreadable_id(*given: Column) -> Column:
    """Has one of the ids lost letters to a wrong encoding, or digits to a spreadsheet? Two people may then have one."""
    lost = (
        one.contains(_NO_CHARACTER) | ((one.contains("E+") | one.contains("e+")) & one.rlike(_SHORTENED))
        for one in given
    )
    return F.coalesce(reduce(or_, lost), F.lit(False))


@dataclass(frozen=True)
class Person:
    """What is known of the member of a row where it matters; null, or false, where nothing is wrong."""

    birth_date: Column
    death_date: Column
    is_unknown: Column


def claim_rules(row: Mapping[str, Column], received_on: date, person: Person, site: RowRules) -> dict[str, Column]:
    """The rules of a claim row. A service may not begin before birth or after the day the delivery was received.

    It may end later: a supply of three months is billed when it begins.
    """
    start, end = row["service_date"], row["service_end_date"]
    is_keyless = is_no_id(row["person_id"]) | is_no_id(row["claim_id"]) | row["line_number"].isNull()
    rules = {
        "null_key": is_keyless | (start.isNull() & ~row["has_unreadable_date"]),
        "unreadable_id": is_unreadable_id(row["person_id"], row["claim_id"]),
        "impossible_date": row["has_unreadable_date"]
        | (start < F.lit(site.earliest_service))
        | (start > F.lit(received_on))
        | (end < start)
        | (start < person.birth_date),
        "unknown_member": person.is_unknown,
    }
    if site.after_death == "quarantine":
        rules["after_death"] = start > F.date_add(person.death_date, site.after_death_days)
    if site.negative_quantity == "quarantine":
        rules["negative_quantity"] = has_negative_quantity(row)
    # What takes back or denies is needed as it is: without it the version before it would hold.
    takes_back = row["is_reversal"] | row["is_denied"]
    rules |= {
        rule: is_broken & ~takes_back
        for rule, is_broken in _unreadable(row).items()
        if getattr(site, rule) == "quarantine"
    }
    return rules


def find_unreadable(row: Mapping[str, Column]) -> Column:
    """The first rule of `UNREADABLE` that a claim row falls under, else null."""
    return first_broken(_unreadable(row))


def _unreadable(row: Mapping[str, Column]) -> dict[str, Column]:
    return {rule: row[f"has_{rule}"] for rule in UNREADABLE if f"has_{rule}" in row}


def has_negative_quantity(row: Mapping[str, Column]) -> Column:
    """Does a fill say that less than nothing was dispensed? A reversal says so of what it takes back."""
    negative = [F.coalesce(row[name] < 0, F.lit(False)) for name in ("quantity", "days_supply") if name in row]
    return reduce(or_, negative, F.lit(False)) & ~row["is_reversal"]


def leave_out_negative_quantities(row: Mapping[str, Column]) -> dict[str, Column]:
    """The row without quantity and days' supply where one of them is negative, which counts as mended."""
    is_negative = has_negative_quantity(row)
    mended = {name: F.when(~is_negative, row[name]) for name in ("quantity", "days_supply") if name in row}
    return {**row, **mended, "is_mended": row["is_mended"] | is_negative}


def cover_rules(row: Mapping[str, Column], received_on: date, site: RowRules) -> dict[str, Column]:
    """The rules of an eligibility row. Cover may begin or end in the future: insurers enrol ahead. Births may not.

    A row without medical cover is judged by its pharmacy cover.
    """
    start = F.coalesce(row["start_date"], row["pharmacy_start_date"])
    end = F.coalesce(row["end_date"], row["pharmacy_end_date"])
    rules = {
        "null_key": is_no_id(row["person_id"])
        | (row["start_date"].isNull() & ~row["is_without_cover"] & ~row["has_unreadable_date"]),
        "unreadable_id": is_unreadable_id(row["person_id"]),
        "impossible_date": row["has_unreadable_date"]
        | (start < F.lit(EARLIEST_DATE))
        | (row["birth_date"] < F.lit(EARLIEST_DATE))
        | (row["death_date"] < F.lit(EARLIEST_DATE))
        | (row["birth_date"] > end)
        | (row["birth_date"] > row["death_date"]),
        "reversed_span": (start > end) | (row["pharmacy_start_date"] > row["pharmacy_end_date"]),
        "unknown_member": row["is_unknown"],
        "future_birth": row["birth_date"] > F.lit(received_on),
    }
    if site.unknown_sex == "quarantine":
        rules["unknown_sex"] = row["sex"] == "U"
    return rules


def roster_rules(row: Mapping[str, Column]) -> dict[str, Column]:
    """The rules of a roster row."""
    enrolled_on = row["enrolled_on"]
    is_keyless = is_no_id(row["person_id"]) | row["program"].isNull()
    return {
        "null_key": is_keyless | (enrolled_on.isNull() & ~row["has_unreadable_date"]),
        "unreadable_id": is_unreadable_id(row["person_id"]),
        "impossible_date": row["has_unreadable_date"] | (enrolled_on < F.lit(EARLIEST_DATE)),
    }


def leave_out_impossible_leaving(row: Mapping[str, Column]) -> dict[str, Column]:
    """The row without a day of leaving before that of enrolling, which counts as mended.

    Without the row, who enrolled would be taken for somebody who never did, and for a comparator.
    """
    is_impossible = F.coalesce(row["left_on"] < row["enrolled_on"], F.lit(False))
    return {
        **row,
        "left_on": F.when(~is_impossible, row["left_on"]),
        "is_mended": F.coalesce(row["is_mended"], F.lit(False)) | is_impossible,
    }
