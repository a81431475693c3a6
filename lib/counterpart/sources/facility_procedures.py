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

_JOINED, _READ = "__procedures_joined", "__procedures"
# Between a code and its day: the record separator of ASCII, beside the one between codes.
_BEFORE_DAY = "\x1e"
_ICD10 = r"^[0-9A-Za-z]{7}\z"
# Two digits before the dot; more where the dot is that of a number that went through a float.
_ICD9 = r"^([0-9]{2}(\.[0-9]{0,2})?|[0-9]{3,4}(\.0?)?)\z"
_AS_KEPT = r"^[0-9A-Z]*+\z"
_BLANKS = " \t\r\n\u00a0"
# Medicare's payment window: what is done in the three days before a stay is billed with it (CMS, 42 CFR 412.2(c)(5)).
_PAYMENT_WINDOW_DAYS = 3
_LONGEST_DAYS = 365


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
    pairs = (
        F.concat(F.nullif(F.translate(code, _BLANKS, ""), F.lit("")), F.lit(_BEFORE_DAY), F.coalesce(day, F.lit("")))
        for code, day in written
    )
    # In a projection of its own, as diagnoses are: what stands below a lambda is not compiled.
    joined = rows.withColumn(_JOINED, F.concat_ws(fields.BETWEEN_CODES, *pairs))
    own = {name: column.alias(f"__procedures_{name}") for name, column in span._asdict().items()}
    joined = joined.select("*", *own.values())

    def read(one: Column) -> Column:
        return _read_one(one, Span(*(F.col(f"__procedures_{name}") for name in own)), read_day)

    found = F.transform(F.split(_JOINED, fields.BETWEEN_CODES), read)
    # Nearly no line has any.
    procedures = F.when(F.col(_JOINED) != "", fields.present(found))
    return joined.withColumn(_READ, procedures).drop(_JOINED, *(f"__procedures_{name}" for name in own))


def read_procedures(rows: DataFrame) -> tuple[Column, Column]:
    """ARRAY<STRUCT<code, day>>, each once, in order, null where there are none; and whether one of them was mended."""
    if not fields.has_field(rows, _READ):
        return F.lit(None), F.lit(False)
    parts = (F.col(f"{_READ}.{name}") for name in ("code", "day"))
    is_mended = F.array_contains(F.col(f"{_READ}.is_mended"), True)
    return F.array_distinct(F.arrays_zip(*parts)), F.coalesce(is_mended, F.lit(False))


def procedure_column(text: Column) -> Column:
    """The code of an ICD procedure without blanks, whichever ICD it is of; null where it is of neither."""
    bare = F.translate(text, ".", "")
    return F.coalesce(
        encode_column("icd10pcs", F.regexp_substr(bare, F.lit(_ICD10))),
        encode_column("icd9pcs", F.regexp_substr(text, F.lit(_ICD9))),
    )


def _read_one(one: Column, span: Span, read_day: Callable[[Column], Column]) -> Column:
    """STRUCT<code, day, is_mended>, null where the code cannot be read."""
    text, told = (F.split_part(one, F.lit(_BEFORE_DAY), F.lit(place)) for place in (1, 2))
    code, day = procedure_column(text), read_day(told)
    is_inside = F.coalesce(day.between(span.earliest, span.latest), F.lit(False))
    is_nothing = (told == "") | told.isin(*fields.NOTHING)
    is_mended = ~text.rlike(_AS_KEPT) | ~(is_inside | is_nothing)
    own_day = F.when(is_inside, day).otherwise(span.first)
    return F.when(code.isNotNull(), F.struct(code.alias("code"), own_day.alias("day"), is_mended.alias("is_mended")))
