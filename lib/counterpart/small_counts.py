"""Counts in messages: whoever reads a message may not be who may see the table."""

from __future__ import annotations

from counterpart.tables import SMALLEST_SHOWN


def in_words(count: int) -> str:
    """The count, or `1 to 10`."""
    return f"{count:,}" if count == 0 or count >= SMALLEST_SHOWN else f"1 to {SMALLEST_SHOWN - 1}"


def part_in_words(part: int, whole: int) -> str:
    """`240 of 1,000`, `1 to 10 of 1,000` or `all but 1 to 10 of 1,000`."""
    rest = in_words(whole - part)
    if part >= SMALLEST_SHOWN and rest != f"{whole - part:,}":
        return f"all but {rest} of {whole:,}"
    return f"{in_words(part)} of {in_words(whole)}"
