"""Rows that are whole claims, their lines side by side -> the array of lines that the form of medical claims has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import encode_column, joined_modifier
from counterpart.sources.layout import LINE

if TYPE_CHECKING:
    from pyspark.sql import Column


def written_line(place: int, allowed: Column, paid: Column, **codes: Column) -> Column:
    """A line as the row has it: its number, amounts, and the codes `procedure` and `revenue` as they are written."""
    written = (codes.get(name, F.lit(None)).cast("string").alias(name) for name in ("procedure", "revenue"))
    return F.struct(
        F.lit(place).alias("line_number"), *written, allowed.alias("allowed_cents"), paid.alias("paid_cents")
    )


def told_lines(lines: Sequence[tuple[Column, Column]]) -> Column:
    """(is there anything on it, written line) -> the lines that tell something; the first always, a claim has one."""
    first, others = lines[0][1], lines[1:]
    told = F.array_compact(F.array(first, *(F.when(is_told, line) for is_told, line in others)))

    # Encoded element by element: the generated code of many encoded lines side by side is too long to be compiled.
    def encoded(line: Column) -> Column:
        known = {
            "line_number": line["line_number"],
            "procedure": encode_column("hcpcs", line["procedure"]),
            "revenue": encode_column("revenue", line["revenue"]),
            "modifiers": F.array_compact(F.array(joined_modifier(line["procedure"]))),
            "allowed_cents": line["allowed_cents"],
            "paid_cents": line["paid_cents"],
        }
        return F.struct(*(known[name].cast(kind).alias(name) for name, kind in LINE.items()))

    return F.transform(told, encoded)
