"""What is given and cannot be read: amounts, numbers, codes. The row is kept without, and its rule says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.codes import encode_column
from counterpart.sources import fields

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Amounts that can be read at a look, most of all.
_AMOUNT = r"-?[0-9]{1,11}(\.[0-9]*+)?"
_PLAIN_AMOUNTS = rf"^({_AMOUNT}{fields.BETWEEN_CODES}|{fields.BETWEEN_CODES})*+({_AMOUNT})?\z"


def has_unreadable_amount(raw: DataFrame, *names: str) -> Column:
    """Is there text in one of the fields that is no amount in dollars?"""
    unreadable = (
        is_unreadable(fields.text(raw, name), fields.cents(raw, name)) for name in names if _is_text(raw, name)
    )
    return reduce(or_, unreadable, F.lit(False))


def is_unreadable(given: Column, read: Column) -> Column:
    """Is something given that was not read, and that is no word for nothing?"""
    return given.isNotNull() & read.isNull() & ~given.isin(*fields.NOTHING)


def has_unreadable_among(raw: DataFrame, names: Sequence[str]) -> Column:
    """`has_unreadable_amount` of many fields: of lines side by side, of which a condition each would be too much."""
    return any_unreadable([fields.text(raw, name) for name in names if _is_text(raw, name)], fields.cents_of_text)


def any_unreadable(amounts: Sequence[Column], read: Callable[[Column], Column]) -> Column:
    """Is one of many texts no amount, as `read` has it, nor a word for nothing?"""
    joined = F.concat_ws(fields.BETWEEN_CODES, *amounts)
    is_one = F.exists(F.split(joined, fields.BETWEEN_CODES), lambda one: (one != "") & is_unreadable(one, read(one)))
    # One look at all of them spares nearly every row the reading.
    return F.when(joined.rlike(_PLAIN_AMOUNTS), F.lit(False)).otherwise(is_one)


def has_unreadable_number(raw: DataFrame, name: str, read: Column) -> Column:
    """Is there something in the field that was not read as a number, and that is no word for nothing?"""
    if not fields.has_field(raw, name):
        return F.lit(False)
    # `text` has none for a number with a fraction.
    is_number = isinstance(raw.schema[name].dataType, T.NumericType)
    given = F.col(fields.quoted(name)).cast("string") if is_number else fields.text(raw, name)
    return is_unreadable(given, read)


def has_unreadable_supply(raw: DataFrame, days_supply: str, quantity: str) -> Column:
    """Is there something in one of the two fields that is no days' supply, or no quantity?"""
    days, amount = fields.whole_number(raw, days_supply), fields.quantity(raw, quantity)
    return has_unreadable_number(raw, days_supply, days) | has_unreadable_number(raw, quantity, amount)


def is_unreadable_code(written: Column, code: Column) -> Column:
    """Is a code given and not read? `code` is the one of the row, so that Spark encodes it once for both."""
    return written.isNotNull() & code.isNull() & ~fields.is_no_code(written)


def has_unreadable_code(codes: Column) -> Column:
    """Was one of the codes of a list given and not read? See `fields.read_list`."""
    return F.coalesce(F.array_contains(codes, F.lit(fields.UNREADABLE).cast("bigint")), F.lit(False))


def any_unreadable_code(system: str, joined: Column) -> Column:
    """The same of codes of HCPCS or revenue centres that stand side by side, see `fields.join_codes`."""
    is_one = F.exists(
        F.split(joined, fields.BETWEEN_CODES), lambda one: is_unreadable_code(one, encode_column(system, one))
    )
    # As for amounts. How these are kept says that they can be read; a code of ICD may be too long.
    return F.when(fields.are_kept(system, joined), F.lit(False)).otherwise(is_one)


def any_unreadable_diagnosis(joined: Column) -> Column:
    """The same of diagnoses behind their versions, see `fields.join_diagnoses`."""
    is_one = has_unreadable_code(fields.read_diagnoses(joined))
    return F.when(fields.diagnoses_are_kept(joined), F.lit(False)).otherwise(is_one)


def _is_text(raw: DataFrame, name: str) -> bool:
    return fields.has_field(raw, name) and isinstance(raw.schema[name].dataType, T.StringType)
