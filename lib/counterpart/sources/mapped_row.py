"""Fields of a mapping document -> typed Columns of one raw frame. A field that is not mapped is null throughout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.protocol.mapped_fields import AmountField, ClaimFlag, DateField, FlagField, MappedField
from counterpart.sources import days, fields, unreadable

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from counterpart.protocol import SourceMapping

# Thousands are only told from decimals where they stand in threes: 12,50 must never become 1250.
_IN_THOUSANDS = {".": r"^-?\d{1,3}(,\d{3})+(\.\d*)?$", ",": r"^-?\d{1,3}(\.\d{3})+(,\d*)?$"}
_THOUSANDS = {".": ",", ",": "."}


@dataclass(frozen=True)
class MappedRow:
    """A raw frame, and what its document says of all tables: formats of days, unit of amounts, texts that are none."""

    raw: DataFrame
    document: SourceMapping

    def text(self, field: MappedField | None) -> Column:
        """The first column that holds something, else the constant. What its `values` list is what they say."""
        if field is None:
            return F.lit(None).cast("string")
        written = self._written(field)
        given = F.coalesce(*written) if written else F.lit(None)
        values: Mapping[str, str] = getattr(field, "values", {})
        if values:
            given = F.coalesce(_look_up(values, given), given)
        return F.coalesce(given, F.lit(getattr(field, "constant", None)).cast("string"))

    def listed(self, field: MappedField | None) -> Column:
        """As `text`, but null for what the field's `values` do not list."""
        if field is None:
            return F.lit(None).cast("string")
        written = self._written(field)
        values: Mapping[str, str] = getattr(field, "values", {})
        found = [_look_up(values, F.coalesce(*written))] if written and values else []
        return F.coalesce(*found, F.lit(getattr(field, "constant", None)).cast("string"))

    def codes(self, field: MappedField | None) -> list[Column]:
        """The field's columns as codes are written, blanks and all."""
        return [] if field is None else self.codes_of(*field.column, none=field.none)

    def codes_of(self, *names: str, none: Sequence[str] = ()) -> list[Column]:
        """Columns as codes are written, blanks and all."""
        return [self._some(name, none, fields.code(self.raw, name)) for name in names]

    def texts_of(self, *names: str) -> list[Column]:
        """Columns as text, without blanks around it."""
        return [self._some(name, (), fields.text(self.raw, name)) for name in names]

    def code(self, field: MappedField | None) -> Column:
        """The first of `codes`."""
        return F.coalesce(*self.codes(field), F.lit(None).cast("string"))

    def day(self, field: DateField | None) -> Column:
        """The first column that holds a day, else the constant."""
        found = [read for _, read in self._days(field)]
        return F.coalesce(*found, F.lit(None if field is None else field.constant).cast("date"))

    def has_unreadable_day(self, *given: DateField | None) -> Column:
        """Is there something in one of the fields' columns that is no day?"""
        unread = (written.isNotNull() & read.isNull() for field in given for written, read in self._days(field))
        return reduce(or_, unread, F.lit(False))

    def whole_number(self, field: MappedField | None) -> Column:
        """INT."""
        return self._numbers(field, lambda name: fields.whole_number(self.raw, name)).cast("int")

    def large_number(self, field: MappedField | None) -> Column:
        """BIGINT."""
        return self._numbers(field, lambda name: fields.identifier(self.raw, name)).cast("bigint")

    def quantity(self, field: MappedField | None) -> Column:
        """DECIMAL(12,3)."""
        return self._numbers(field, lambda name: fields.quantity(self.raw, name)).cast("decimal(12,3)")

    def has_unreadable_supply(self, days_supply: MappedField | None, quantity: MappedField | None) -> Column:
        """Is there something in one of the fields' columns that is no days' supply, or no quantity?"""
        told = ((days_supply, fields.whole_number), (quantity, fields.quantity))
        unread = (
            self._is_something(name, field.none)
            & unreadable.has_unreadable_number(self.raw, name, read(self.raw, name))
            for field, read in told
            if field is not None
            for name in field.column
        )
        return reduce(or_, unread, F.lit(False))

    def cents(self, field: AmountField | None) -> Column:
        """BIGINT cents."""
        if field is None:
            return F.lit(None).cast("bigint")
        return F.coalesce(*(self._some(name, field.none, self.cents_of(name, field)) for name in field.column))

    def cents_of(self, name: str, field: AmountField | None = None) -> Column:
        """BIGINT cents of one column, written as the field or else the document says."""
        amount = fields.text_or_number(self.raw, name)
        return self._in_cents(self._plain(amount, field) if self._is_text(name) else amount, field)

    def has_unreadable_amount(self, *given: AmountField | None) -> Column:
        """Is there text in one of the fields' columns that is no amount?"""
        unread = (
            unreadable.is_unreadable(written, self.cents_of(name, field))
            for field in given
            if field is not None
            for name, written in zip(field.column, self._written(field), strict=True)
            if self._is_text(name)
        )
        return reduce(or_, unread, F.lit(False))

    def has_unreadable_among(self, names: Sequence[str]) -> Column:
        """The same of many columns, written as the document says."""
        texts = [self._some(name, (), fields.text(self.raw, name)) for name in names if self._is_text(name)]
        return unreadable.any_unreadable(texts, lambda one: self._in_cents(self._plain(one, None), None))

    def _is_text(self, name: str) -> bool:
        return isinstance(self.raw.schema[name].dataType, T.StringType)

    def _plain(self, written: Column, field: AmountField | None) -> Column:
        usual = self.document.amounts
        return _plain_number(written, usual.decimal if field is None or field.decimal is None else field.decimal)

    def _in_cents(self, amount: Column, field: AmountField | None) -> Column:
        unit = self.document.amounts.unit if field is None or field.unit is None else field.unit
        if unit == "cents":
            return amount.try_cast("decimal(16,0)").cast("bigint")
        return (amount.try_cast("decimal(14,2)") * 100).cast("bigint")

    def flag(self, field: FlagField) -> Column:
        """Does the column hold one of the values that mean yes?"""
        if field.constant is not None and not field.column:
            return F.lit(field.constant)
        return F.coalesce(_is_one_of(self.text(field), field.any_of), F.lit(bool(field.constant)))

    def claim_flag(self, field: ClaimFlag | None, by_amounts: Column) -> Column:
        """Does the column hold one of the values that mean yes, or do the amounts say so where they are asked?"""
        if field is None:
            return F.lit(False)
        told = [_is_one_of(self.text(field), field.any_of)] if field.column else []
        told += [by_amounts] if field.amounts else []
        return reduce(or_, (F.coalesce(one, F.lit(False)) for one in told))

    def _written(self, field: MappedField) -> list[Column]:
        return [self._some(name, field.none, fields.text(self.raw, name)) for name in field.column]

    def _some(self, name: str, none_of_field: Sequence[str], value: Column) -> Column:
        """The value, null where the column's text is one that holds nothing."""
        none = (*self.document.none, *none_of_field)
        return F.when(~_is_one_of(fields.text(self.raw, name), none), value) if none else value

    def _is_something(self, name: str, none_of_field: Sequence[str]) -> Column:
        """Is the column's text none of those that hold nothing? A number with a fraction has no text."""
        none = (*self.document.none, *none_of_field)
        return F.coalesce(~_is_one_of(fields.text(self.raw, name), none), F.lit(True)) if none else F.lit(True)

    def _days(self, field: DateField | None) -> Iterator[tuple[Column, Column]]:
        """The text of each of the field's columns, and the day that it is."""
        if field is None:
            return
        formats: Sequence[str] = field.formats or self.document.dates
        for name, written in zip(field.column, self._written(field), strict=True):
            yield written, self._some(name, field.none, days.day(self.raw, name, formats))

    def _numbers(self, field: MappedField | None, read: Callable[[str], Column]) -> Column:
        if field is None:
            return F.lit(None)
        found = [self._some(name, field.none, read(name)) for name in field.column]
        return F.coalesce(*found, F.lit(getattr(field, "constant", None)))


def _look_up(values: Mapping[str, str], given: Column) -> Column:
    pairs = [F.lit(part) for pair in values.items() for part in (pair[0].upper(), pair[1])]
    return F.create_map(*pairs)[F.upper(given)]


def _is_one_of(given: Column, values: Sequence[str]) -> Column:
    return F.upper(given).isin(*(value.upper() for value in values))


def _plain_number(written: Column, decimal: str) -> Column:
    """An amount as a number is written: no $, blanks or thousands, a dot before the decimals, the minus in front."""
    bare = fields.signed(F.translate(written, "$ \u00a0", ""))
    is_grouped = bare.rlike(_IN_THOUSANDS[decimal])
    plain = F.when(is_grouped, F.translate(bare, _THOUSANDS[decimal], "")).otherwise(bare)
    return F.translate(plain, ",", ".") if decimal == "," else plain
