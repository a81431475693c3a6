"""Numbers as the page writes them. None, which a released document has for what may not leave, is said in a word."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

WITHHELD = "withheld"
NOT_ESTIMABLE = "not estimable"
MINUS = "−"

_UNBROKEN = re.compile(rf"\b\d{{4}}-\d\d-\d\d\b|\bdays? {MINUS}?\d+(?: to {MINUS}?\d+)?")

# Crude results carry two significant digits, matched ones three (see disclosure).
DIGITS = {"crude": 2, "matched": 3}


def count(value: float | None) -> str:
    """A count of units, members, events or rows: `1,757`."""
    return WITHHELD if value is None else f"{value:,.0f}"


def significant(value: float | None, digits: int = 3) -> str:
    """At least so many significant digits, and never a digit less than the integer has: `0.348`, `1.20`, `1,680`."""
    if value is None:
        return WITHHELD
    magnitude = math.floor(math.log10(abs(value))) if value else digits - 1
    return signed(value, max(0, digits - 1 - magnitude))


def signed(value: float | None, decimals: int) -> str:
    """So many decimals, and a true minus sign."""
    if value is None:
        return WITHHELD
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")  # a negative number that rounds to zero is zero
    return f"{MINUS}{text[1:]}" if text.startswith("-") else text


def share(value: float | None, decimals: int = 1) -> str:
    """A proportion as per cent: 0.571 is `57.1%`."""
    return WITHHELD if value is None else f"{100 * value:.{decimals}f}%"


def level(confidence: float) -> str:
    """The level of the intervals: 0.95 is `95%`."""
    return f"{100 * confidence:g}%"


def dollars(cents: float | None) -> str:
    """An amount in cents as whole dollars."""
    return WITHHELD if cents is None else f"${cents / 100:,.0f}"


def mean(value: float | None, kind: str) -> str:
    """The mean of a covariate of a kind: flags and categories as per cent, cents as dollars, the rest as they are."""
    if kind in ("flag", "category"):
        return share(value)
    if kind == "cents":
        return dollars(value)
    return signed(value, 1 if kind == "years" else 2)


def window(days: tuple[int, int] | list[int]) -> str:
    """First and last day relative to the index date: `days −365 to −1`."""
    first, last = (str(day).replace("-", MINUS) for day in days)
    return f"day {first}" if first == last else f"days {first} to {last}"


def measure(row: Mapping[str, Any], name: str) -> str:
    """An estimate of an EFFECTS row. What is neither withheld nor there cannot be estimated: no events, or no time."""
    value = row.get(name)
    if value is None:
        return WITHHELD if row["is_withheld"] else NOT_ESTIMABLE
    return significant(value, DIGITS[row["phase"]])


def interval(row: Mapping[str, Any], name: str) -> str:
    """Its limits: `0.216 to 0.561`; empty where there is no estimate, so that the word stands once."""
    lower, upper = row.get(f"{name}_lower"), row.get(f"{name}_upper")
    if lower is None or upper is None:
        return "" if row.get(name) is None else "no interval"
    digits = DIGITS[row["phase"]]
    return f"{significant(lower, digits)} to {significant(upper, digits)}"


def prose(text: str) -> Markup:
    """Text in which a date or a window does not break at its hyphen or minus sign."""
    return Markup(_UNBROKEN.sub(r'<span class="nowrap">\g<0></span>', str(escape(text))))


def cell(text: str) -> Markup:
    """Text for a table or sentence, with the words for a missing number set apart from numbers."""
    if text in (WITHHELD, NOT_ESTIMABLE, "no interval"):
        return Markup('<span class="absent">{}</span>').format(text)
    return escape(text)


def largest_difference(largest: Mapping[str, Any], phase: str) -> str:
    """The largest standardised difference of a phase; `at most` or `more than` where a withheld one has it."""
    kind = "at most " if largest[f"{phase}_is_bound"] else "more than " if largest[f"{phase}_is_exceeded"] else ""
    return f"{kind}{signed(largest[phase], 3)}"
