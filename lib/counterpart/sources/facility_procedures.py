"""ICD procedures of a facility's claim: columns of codes and of days side by side -> a list on each of its lines.

Which ICD a code is of, it shows itself: ICD-10-PCS has seven letters and digits, ICD-9 two to four digits. What is
neither is no procedure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F

from counterpart.codes import encode_column
from counterpart.sources import fields

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_READ = "__procedures"
_ICD10 = r"^[0-9A-Za-z]{7}\z"
# Two digits before the dot; more where the dot is that of a number that went through a float.
_ICD9 = r"^([0-9]{2}(\.[0-9]{0,2})?|[0-9]{3,4}(\.0?)?)\z"
_AS_KEPT = r"^[0-9A-Z]*+\z"
_BLANKS = " \t\r\n\u00a0"
# Medicare's payment window: what is done in the three days before a stay is billed with it (CMS, 42 CFR 412.2(c)(5)).
_PAYMENT_WINDOW_DAYS = 3
_LONGEST_DAYS = 365


class Procedures(NamedTuple):
    """ARRAY<STRUCT<code, day>> of a row, each once, in order, null where there are none; and what became of some."""

    listed: Column
    is_mended: Column
    is_unreadable: Column


class Span(NamedTuple):
    """Days of a claim: its first, on which procedures without a day of their own are, and between which days can be."""

    first: Column
    earliest: Column
    latest: Column

    @classmethod
    def of_claim(cls, first: Column, last: Column) -> Span:
        """Of a claim whose own days are told."""
        return cls(first, F.date_sub(first, _PAYMENT_WINDOW_DAYS), F.coalesce(last, F.date_add(first, _LONGEST_DAYS)))

    @classmethod
    def around_line(cls, first: Column, day: Column) -> Span:
        """Of a claim of which a line's day is all that is known for sure."""
        return cls(first, F.date_sub(day, _LONGEST_DAYS), F.date_add(day, _LONGEST_DAYS))


def numbered_columns(raw: DataFrame, code: str, day: str, most: int) -> list[tuple[Column, Column]]:
    """The columns `code` and `day` with their numbers (`PRCDR_DT{}`), as they are written, where there is the code."""
    return [
        (fields.code(raw, code.format(number)), fields.text(raw, day.format(number)))
        for number in range(1, most + 1)
        if fields.has_field(raw, code.format(number))
    ]


def add_procedures(
    rows: DataFrame,
    written: Sequence[tuple[Column, Column]],
    span: Span,
    read_day: Callable[[Column], Column] = fields.written_date,
) -> DataFrame:
    """Source row -> the same with what `read_procedures` reads; `written` are codes and days, as they are written.

    Without any nothing is added. A day that is none of the claim's is not believed: the claim's first is taken, and
    the row is mended.
    """
    if not written:
        return rows
    codes, days = (F.array(*column) for column in zip(*written, strict=True))
    pairs = F.arrays_zip(codes, days).cast("array<struct<code:string,day:string>>")
    # One by one, by a lambda: most lines have none, and of the others nearly all columns are empty.
    found = F.transform(pairs, lambda one: _read_one(one["code"], one["day"], span, read_day))
    has_any = F.coalesce(*(code for code, _ in written)).isNotNull()
    return rows.withColumn(_READ, F.when(has_any, fields.present(found)))


def read_procedures(rows: DataFrame) -> Procedures:
    """What `add_procedures` read."""
    if not fields.has_field(rows, _READ):
        return Procedures(F.lit(None), F.lit(False), F.lit(False))
    pairs = F.arrays_zip(*(F.col(f"{_READ}.{name}") for name in ("code", "day")))
    is_unreadable = _is_any("is_unreadable")
    readable = F.filter(pairs, lambda one: one["code"].isNotNull())
    listed = F.array_distinct(F.when(is_unreadable, readable).otherwise(pairs))
    return Procedures(listed, _is_any("is_mended"), is_unreadable)


def _is_any(name: str) -> Column:
    return F.coalesce(F.array_contains(F.col(f"{_READ}.{name}"), True), F.lit(False))


def procedure_column(text: Column) -> Column:
    """The code of an ICD procedure, whichever ICD it is of; null where it is of neither."""
    bare = F.translate(text, _BLANKS, "")
    return F.coalesce(
        encode_column("icd10pcs", F.regexp_substr(F.translate(bare, ".", ""), F.lit(_ICD10))),
        encode_column("icd9pcs", F.regexp_substr(bare, F.lit(_ICD9))),
    )


def _read_one(text: Column, told: Column, span: Span, read_day: Callable[[Column], Column]) -> Column:
    """STRUCT<code, day, is_mended, is_unreadable>, null where there is no code."""
    code, day = procedure_column(text), read_day(told)
    is_inside = F.coalesce(day.between(span.earliest, span.latest), F.lit(False))
    is_nothing = told.isNull() | told.isin(*fields.NOTHING)
    is_mended = ~text.rlike(_AS_KEPT) | ~(is_inside | is_nothing)
    own_day = F.when(is_inside, day).otherwise(span.first)
    is_read = code.isNotNull()
    flags = ((is_mended & is_read).alias("is_mended"), (~is_read).alias("is_unreadable"))
    return F.when(~fields.is_no_code(text), F.struct(code.alias("code"), own_day.alias("day"), *flags))
