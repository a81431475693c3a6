"""Raw fields -> typed columns, whatever type a source gives them: text, numbers, dates. What cannot be read is null.

Every function takes the raw frame and a column's name; a column the frame lacks is null throughout.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.codes import encode_column, encode_normal, joined_modifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import Column, DataFrame

_ISO_DATE = r"^\d{4}-\d{1,2}-\d{1,2}([ T].*)?$"
_COMPACT_DATE = r"^\d{8}$"
# 01-MAR-2021, and 01MAR2021 as SAS writes it.
_NAMED_MONTH = r"^\d{1,2}(-[A-Za-z]{3}-|[A-Za-z]{3})\d{4}$"
_LAST_YEAR = 9999
# From here on two whole numbers may be one float.
_FIRST_INEXACT: dict[type[T.DataType], int] = {T.FloatType: 2**24, T.DoubleType: 2**53}
# A diagnosis of ICD-9 that is a number. With fewer digits before the dot zeros are lost: 8.45 was 008.45 or 08.45.
_DECIMAL_CODE = r"^[1-9]\d{2}\.\d{1,2}\z"
# The unit separator of ASCII: no code has it.
BETWEEN_CODES = "\x1f"
# How a code of a system is written that is kept as it is written. *+ never goes back, which would find nothing; \z as
# in the encoding.
_ANY_CODE = "[0-9A-Z]*+"
_AS_KEPT = {
    "hcpcs": "[0-9A-Z]{5}",
    "revenue": "[0-9A-Z]{4,7}",
    **dict.fromkeys(("icd10cm", "icd10pcs", "icd9pcs"), _ANY_CODE),
    # 42 lost its zero.
    "icd9cm": rf"(?![1-9][0-9]?({BETWEEN_CODES}|\z))[0-9A-Z]*+",
    "ndc": "[0-9]{11}",
    "drg": "[0-9A-Z]{3,}",
}
# As `encode_diagnoses` joins versions and codes.
_VERSIONED = rf"(?!9[1-9][0-9]?({BETWEEN_CODES}|\z))[0-9A-Z]{{1,8}}+"
ICD9, ICD10 = "9", "0"
_AS_FLOAT = rf"[0-9A-Za-z]\.0?[\s\u00a0]*({BETWEEN_CODES}|\z)"
_FRACTION = r"\.0?\z"
# (12.50) and 12.50- are how mainframes and accountants write what is taken back.
_TAKEN_BACK = r"^\((.+)\)$|^(.+)-$"
_LARGEST_AMOUNT = 1e12
NOTHING = (
    *("NULL", "null", "Null", "(null)", "\\N", "N/A", "n/a", "#N/A", "NA", "NaN", "nan", "None", "NONE", "none"),
    *("<NA>", "<null>"),
)
"""What databases and programs write where there is nothing."""
# Where a code should be, nothing is also blanks, zeros, hyphens.
_NO_CODE = rf"^([-.0\s\u00a0]*|[\s\u00a0]*({'|'.join(map(re.escape, NOTHING))})[\s\u00a0]*)\z"
UNREADABLE = 0
"""Stands in a list for a code that cannot be read; no code is encoded so."""
# What `code` gives for a number that is none: no code is written so.
_NO_NUMBER = "?"
# Whole words: "missing" and "masked" begin with an M, "former" with an F.
_MALE = ("M", "MALE", "MAN", "1", "01", "1.0")
_FEMALE = ("F", "FEMALE", "WOMAN", "2", "02", "2.0")


def has_field(raw: DataFrame, name: str) -> bool:
    """Does the source have this column?"""
    return name in raw.columns


def quoted(name: str) -> str:
    """A column's name as Spark takes it: a dot in it does not mean a part of a struct."""
    return f"`{name.replace('`', '``')}`"


def text(raw: DataFrame, name: str) -> Column:
    """Text without blanks around it, blank is null. Whole numbers stored as floats lose their `.0`.

    Null for a number with a fraction, which no id has, and for a float so large that its last digits are lost: two ids
    of that size can be the same number.
    """
    if not has_field(raw, name):
        return F.lit(None).cast("string")
    if isinstance(raw.schema[name].dataType, T.FractionalType):
        # Ids and codes that went through a float column would read 1.0E7.
        given = _exact_number(raw, name)
        # Compared with a decimal of 38 digits, another decimal would lose its fraction first.
        return F.when(given == F.floor(given), given.try_cast("decimal(38,0)").cast("string"))
    return F.nullif(F.trim(F.col(quoted(name)).cast("string")), F.lit(""))


def _exact_number(raw: DataFrame, name: str) -> Column:
    """A column of numbers, null for floats so large that they may stand for another whole number."""
    given = F.col(quoted(name))
    limit = _FIRST_INEXACT.get(type(raw.schema[name].dataType))
    return given if limit is None else F.when(F.abs(given) < limit, given)


def is_given(raw: DataFrame, *names: str) -> Column:
    """Is there anything in one of the fields?"""
    return reduce(or_, (_is_given(raw, name) for name in names), F.lit(False))


def _is_given(raw: DataFrame, name: str) -> Column:
    given = F.col(quoted(name))
    kind = raw.schema[name].dataType if has_field(raw, name) else None
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        return given.isNotNull() & ~F.isnan(given)
    # `text` has none for a decimal with a fraction.
    return given.isNotNull() if isinstance(kind, T.NumericType) else text(raw, name).isNotNull()


def date(raw: DataFrame, name: str) -> Column:
    """A date from a date, a timestamp or text (2020-03-01, 2020-03-01 00:00:00, 20200301, 01-Mar-2020, 01MAR2020)."""
    if not has_field(raw, name):
        return F.lit(None).cast("date")
    kind = raw.schema[name].dataType
    if isinstance(kind, T.DateType):
        return F.col(quoted(name))
    if isinstance(kind, (T.TimestampType, T.TimestampNTZType)):
        return F.col(quoted(name)).cast("date")
    return written_date(text(raw, name))


def written_date(given: Column) -> Column:
    """The date of a text, as `date` reads it."""
    # Spark would read 20200301 as a year.
    return (
        F.when(given.rlike(_ISO_DATE), F.substring_index(given, " ", 1).try_cast("date"))
        .when(given.rlike(_COMPACT_DATE), F.try_to_date(given, "yyyyMMdd"))
        .when(given.rlike(_NAMED_MONTH), F.try_to_date(F.translate(given, "-", ""), "dMMMyyyy"))
    )


def first_date(raw: DataFrame, *names: str) -> Column:
    """The first of several fields that holds a date."""
    return F.coalesce(*(date(raw, name) for name in names))


def has_unreadable_date(raw: DataFrame, *names: str) -> Column:
    """Is there something in one of the fields that is no date?"""
    unreadable = F.lit(False)
    for name in names:
        if has_field(raw, name) and not isinstance(raw.schema[name].dataType, (T.DateType, T.TimestampType)):
            unreadable = unreadable | (is_given(raw, name) & date(raw, name).isNull())
    return unreadable


def whole_number(raw: DataFrame, name: str) -> Column:
    """An INT from a number or text; 1.0 is 1, and 1.5 is none: rounded it would be another line's number."""
    if not has_field(raw, name):
        return F.lit(None).cast("int")
    if isinstance(raw.schema[name].dataType, T.IntegralType):
        return F.col(quoted(name)).try_cast("int")
    return _without_fraction(text_or_number(raw, name)).try_cast("int")


def identifier(raw: DataFrame, name: str) -> Column:
    """A BIGINT id, also where a float column or a spreadsheet made it 33.0 or 3.3E1. Null where `text` is."""
    is_number = has_field(raw, name) and isinstance(raw.schema[name].dataType, T.FractionalType)
    given = _exact_number(raw, name) if is_number else text_or_number(raw, name)
    return _without_fraction(given).try_cast("bigint")


def _without_fraction(given: Column) -> Column:
    number = given.try_cast("decimal(26,4)")
    whole = number.try_cast("decimal(22,0)")
    return F.when(number == whole, whole)


def day_of(year: Column, month: Column, day: Column) -> Column:
    """The day of three numbers; null where the calendar has none (`make_date` would stop the ingest)."""
    written = F.format_string("%04d-%02d-%02d", year, month, day)
    return F.when(is_year(year), written.try_cast("date"))


def is_year(year: Column) -> Column:
    """Is it a year that a date can have?"""
    return year.between(1, _LAST_YEAR)


def member_key(person_id: Column) -> Column:
    """BIGINT key of a member, null without a person id."""
    return F.when(person_id.isNotNull(), F.xxhash64(person_id))


def quantity(raw: DataFrame, name: str) -> Column:
    """DECIMAL(12,3), half up."""
    return text_or_number(raw, name).try_cast("decimal(12,3)")


def cents(raw: DataFrame, name: str) -> Column:
    """BIGINT cents from an amount in dollars, half up, through decimals: no float is ever added up.

    (80.00) and 80.00- are -80.00. A trillion dollars and more is null: sums of amounts must never run over.
    """
    given = text_or_number(raw, name)
    if not has_field(raw, name) or isinstance(raw.schema[name].dataType, T.StringType):
        return cents_of_text(given)
    by_digits = _in_cents(given)
    if not isinstance(raw.schema[name].dataType, T.DoubleType):
        return by_digits
    # The digits of a double are worked out one by one. One that is the nearest to whole cents is these cents.
    nearest = F.rint(given * 100)
    is_whole = (nearest / 100 == given) & (F.abs(given) < _LARGEST_AMOUNT)
    return F.when(is_whole, nearest.cast("bigint")).otherwise(by_digits)


def cents_of_text(given: Column) -> Column:
    """The same of text."""
    return _in_cents(signed(given))


def _in_cents(given: Column) -> Column:
    return (given.try_cast("decimal(14,2)") * 100).cast("bigint")


def signed(amount: Column) -> Column:
    """The text of an amount with its minus in front: (12.50) and 12.50- are -12.50."""
    is_taken_back = F.endswith(amount, F.lit("-")) | F.endswith(amount, F.lit(")"))
    return F.when(is_taken_back, F.regexp_replace(amount, _TAKEN_BACK, "-$1$2")).otherwise(amount)


def text_or_number(raw: DataFrame, name: str) -> Column:
    """A number as it is, anything else as text (a date where an amount should be is then no number)."""
    is_number = has_field(raw, name) and isinstance(raw.schema[name].dataType, T.NumericType)
    return F.col(quoted(name)) if is_number else text(raw, name)


def numbered(raw: DataFrame, stem: str) -> list[str]:
    """The columns `stem1`, `stem2`, ... that the source has, by number."""
    found = (re.fullmatch(re.escape(stem) + r"(\d+)", name) for name in raw.columns)
    return [match.group(0) for match in sorted(filter(None, found), key=lambda match: int(match.group(1)))]


def code(raw: DataFrame, name: str) -> Column:
    """A code as it is written, blanks and all: `encode_column` and `needs_mending` deal with them.

    Of numbers with a fraction only those that are a diagnosis of ICD-9: 724.2. For other numbers that are no code, such
    as floats that lost their last digits, a text that is none.
    """
    if not has_field(raw, name):
        return text(raw, name)
    given, kind = F.col(quoted(name)), raw.schema[name].dataType
    if not isinstance(kind, T.FractionalType):
        return given.cast("string")
    # A decimal of two places has 724.20 for each 724.2.
    digits = given.cast("double") if isinstance(kind, T.DecimalType) else given
    decimals = F.regexp_substr(digits.cast("string"), F.lit(_DECIMAL_CODE))
    return F.coalesce(text(raw, name), decimals, F.when(_is_given(raw, name), _NO_NUMBER))


def whole_code(given: Column) -> Column:
    """A code that is kept as text (modifier, specialty, type of bill): 95.0 of a float is 95."""
    # The dot is looked for first, because nearly no code has one.
    return F.when(given.contains("."), F.regexp_replace(given, _FRACTION, "")).otherwise(given)


def two_digits(given: Column) -> Column:
    """A code of two digits whose leading zero a spreadsheet ate, or that went through a float: 2 and 2.0 are 02."""
    code = whole_code(given)
    return F.when(F.length(code) == 1, F.concat(F.lit("0"), code)).otherwise(code)


def is_any_float(codes: Sequence[Column]) -> Column:
    """Is one of the codes written as a float: 95.0?"""
    joined = join_codes(codes)
    return joined.contains(".") & joined.rlike(_AS_FLOAT)


def modifiers(procedure: Column, given: Sequence[Column]) -> Column:
    """The modifiers beside a procedure, and the one that stands behind its code, each once: ARRAY<STRING>."""
    return present(F.array(*(F.upper(whole_code(one)) for one in given), joined_modifier(procedure)))


def join_codes(codes: Sequence[Column]) -> Column:
    """Codes as they are written, one behind the other; an empty text where there is none."""
    return F.concat_ws(BETWEEN_CODES, *codes)


def read_list(system: str, joined: Column) -> Column:
    """Joined codes -> each in its place: ARRAY<BIGINT>, UNREADABLE for one that cannot be read, null for none.

    Of a system of seven characters.
    """
    # 25 diagnoses a line, most of them null. Joined and encoded element by element, a million lines take 3 seconds of
    # CPU; an array of 25 encoded columns takes 9 to 14: its generated code is too long to be compiled. Most lines have
    # their codes as we have them: one look at all of them spares what mends each.
    written = F.split(joined, BETWEEN_CODES)
    as_they_are = F.transform(written, lambda one: _or_unreadable(one, encode_normal(system, one)))
    mended = F.transform(written, lambda one: _or_unreadable(one, encode_column(system, one)))
    return F.when(are_kept(system, joined), as_they_are).otherwise(mended)


def readable(codes: Column) -> Column:
    """A list that was read -> the codes in it, each once, in order."""
    return F.array_except(codes, F.array(F.lit(None), F.lit(UNREADABLE)).cast("array<bigint>"))


def _or_unreadable(written: Column, code: Column) -> Column:
    return F.coalesce(code, F.when(~is_no_code(written), F.lit(UNREADABLE).cast("bigint")))


def is_no_code(written: Column) -> Column:
    """Is nothing where a code should be: blanks, zeros, hyphens or a word for it?"""
    return written.rlike(_NO_CODE)


def icd_version(told: Column) -> Column:
    """`9` or `0`, from 9, 09, ICD-9, 9.0, and 0, 10, ICD-10; null where neither is told."""
    return F.when(told.contains(ICD9), ICD9).when(told.contains(ICD10), ICD10)


def join_diagnoses(versioned: Sequence[tuple[Column, Column]]) -> Column:
    """(version, code) one behind the other; a version is one character, see `icd_version`."""
    return F.concat_ws(BETWEEN_CODES, *(F.concat(*pair) for pair in versioned))


def encode_diagnoses(joined: Column) -> Column:
    """Joined diagnoses -> those that can be read, each once, in order: ARRAY<BIGINT>."""
    return readable(read_diagnoses(joined))


def read_diagnoses(joined: Column) -> Column:
    """Joined diagnoses -> each in its place, as `read_list` has them."""
    written = F.split(joined, BETWEEN_CODES)
    return F.transform(written, lambda one: _or_unreadable(F.substr(one, F.lit(2)), _encode_versioned(one)))


def diagnoses_need_mending(joined: Column) -> Column:
    """Is one of the joined diagnoses read that is not written as it is kept?"""
    return _is_any_mended(joined, _VERSIONED, _encode_versioned)


def _encode_versioned(one: Column) -> Column:
    system = F.when(F.startswith(one, F.lit(ICD9)), "icd9cm").otherwise("icd10cm")
    return encode_column(system, F.substr(one, F.lit(2)))


def present(values: Column) -> Column:
    """The elements of an array that are not null, each once, in order."""
    # array_compact and filter run as lambdas, outside generated code.
    return F.array_except(values, F.array(F.lit(None)))


def needs_mending(system: str, code: Column) -> Column:
    """Is a code read that is not written as it is kept: 72148-26, 320, an NDC with hyphens?"""
    is_kept = code.isNull() | code.rlike(rf"^{_AS_KEPT[system]}\z")
    return F.when(is_kept, F.lit(False)).otherwise(encode_column(system, code).isNotNull())


def any_needs_mending(system: str, joined: Column) -> Column:
    """Is one of the joined codes read that is not written as it is kept?"""
    return _is_any_mended(joined, _AS_KEPT[system], lambda one: encode_column(system, one))


def _is_any_mended(joined: Column, as_kept: str, encoded: Callable[[Column], Column]) -> Column:
    """Does one of the joined codes differ from the pattern, and is it read all the same?"""

    def is_mended(one: Column) -> Column:
        return ~one.rlike(rf"^{as_kept}\z") & encoded(one).isNotNull()

    # Nearly all rows have codes as they are kept: they are looked at once, all codes together.
    is_one = F.exists(F.split(joined, BETWEEN_CODES), is_mended)
    return F.when(joined.rlike(_all_kept(as_kept)), F.lit(False)).otherwise(F.coalesce(is_one, F.lit(False)))


def are_kept(system: str, joined: Column) -> Column:
    """Are all joined codes written as they are kept?"""
    return joined.rlike(_all_kept(_AS_KEPT[system]))


def diagnoses_are_kept(joined: Column) -> Column:
    """The same of diagnoses behind their versions."""
    return joined.rlike(_all_kept(_VERSIONED))


def _all_kept(as_kept: str) -> str:
    """The pattern of joined codes that are all written so."""
    if as_kept == _ANY_CODE:
        return rf"^[0-9A-Z{BETWEEN_CODES}]*+\z"
    return rf"^({as_kept}{BETWEEN_CODES}|{BETWEEN_CODES})*+({as_kept})?\z"


def sex(given: Column) -> Column:
    """F, M or U from the usual codings: words, letters, and 1 (male) and 2 (female) as Medicare has them."""
    word = F.upper(given)
    return F.when(word.isin(*_MALE), "M").when(word.isin(*_FEMALE), "F").otherwise("U")


def residence(given: Column, codes: dict[str, str]) -> Column:
    """Postal letters of a state from the source's coding; what is not in the coding is null."""
    pairs = [F.lit(part) for pair in codes.items() for part in pair]
    return F.create_map(*pairs)[F.upper(given)]
