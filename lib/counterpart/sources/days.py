"""Days as payers write them -> DATE, by the formats that a mapping names. What is no day in any of them is null."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.sources import fields

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# A time after the day is left out: files of a database often have one, and it is midnight.
_TIME = r"([ T].*)?$"


def _written(pattern: str, spark_format: str, separators: str = " ") -> Callable[[Column], Column]:
    """Text of a pattern, read in Spark's format; what stands behind a separator is the time."""

    def read(given: Column) -> Column:
        day = given
        for separator in separators:
            day = F.substring_index(day, separator, 1)
        # Without the pattern Spark would read 20200301 as a year, and 3/1/20 as of the year 20.
        return F.when(given.rlike(pattern), F.try_to_date(day, spark_format))

    return read


def _numbered(pattern: str, day_zero: str) -> Callable[[Column], Column]:
    """A number of days from day zero; its fraction is the time."""

    def read(given: Column) -> Column:
        days = F.when(given.rlike(pattern), F.substring_index(given, ".", 1).try_cast("int"))
        return F.date_add(F.lit(day_zero).cast("date"), days)

    return read


READERS: Mapping[str, Callable[[Column], Column]] = {
    "iso": _written(r"^\d{4}-\d{1,2}-\d{1,2}" + _TIME, "yyyy-M-d", " T"),
    "yyyymmdd": _written(r"^\d{8}$", "yyyyMMdd"),
    "dd-mon-yyyy": _written(r"^\d{1,2}-[A-Za-z]{3}-\d{4}" + _TIME, "d-MMM-yyyy"),
    "ddmonyyyy": _written(r"^\d{2}[A-Za-z]{3}\d{4}$", "ddMMMyyyy"),
    "mm/dd/yyyy": _written(r"^\d{1,2}/\d{1,2}/\d{4}" + _TIME, "M/d/yyyy"),
    "dd/mm/yyyy": _written(r"^\d{1,2}/\d{1,2}/\d{4}" + _TIME, "d/M/yyyy"),
    "yyyy/mm/dd": _written(r"^\d{4}/\d{1,2}/\d{1,2}" + _TIME, "yyyy/M/d"),
    "dd.mm.yyyy": _written(r"^\d{1,2}\.\d{1,2}\.\d{4}" + _TIME, "d.M.yyyy"),
    "mmddyyyy": _written(r"^\d{8}$", "MMddyyyy"),
    # Five digits: from 1927 to 2173. Excel counts 1900 as a leap year, so from March 1900 its day zero is 30 December.
    "excel": _numbered(r"^\d{5}(\.\d+)?$", "1899-12-30"),
    "sas": _numbered(r"^-?\d{1,5}(\.0+)?$", "1960-01-01"),
}
"""By the names of `protocol.mapped_fields.DateFormat`."""


def day(raw: DataFrame, name: str, formats: Sequence[str]) -> Column:
    """The field as a day: the first format that fits. Dates and timestamps are what they are."""
    kind = raw.schema[name].dataType
    if isinstance(kind, (T.DateType, T.TimestampType, T.TimestampNTZType)):
        return fields.date(raw, name)
    given = fields.text(raw, name)
    if isinstance(kind, T.FractionalType):
        # A number with a time is no text, and no other day either: digits enough that nothing is rounded up.
        given = F.coalesce(given, F.col(fields.quoted(name)).try_cast("decimal(20,9)").cast("string"))
    return F.coalesce(*(READERS[one](given) for one in formats))
