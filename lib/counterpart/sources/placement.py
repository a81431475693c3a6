"""Where a claim line lies in its table: partitions of a month or a year, and a hash bucket of the member."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column

_BUCKETS, _PERIOD = "counterpart.member_buckets", "counterpart.service_period"
# Which months a delivery has is known only once it is read.
_MONTHS_ASSUMED, _MONTHS_OF_A_YEAR = 60, 12
# A file for so few lines costs more to open than its lines do to read.
_FEWEST_IN_A_MONTH = 20_000


@dataclass(frozen=True)
class Placement:
    """How the lines of a site are laid out: chosen by the first delivery, and kept as properties of the tables."""

    member_buckets: int = 1
    by_year: bool = False

    @classmethod
    def choose(
        cls, n_lines: int, lines_per_file: int, member_buckets: int | None = None, service_period: str | None = None
    ) -> Placement:
        """For a first delivery of so many lines: buckets for files of about `lines_per_file`, years if they are few.

        What the site says of `member_buckets` and `service_period` holds: more may come than was delivered first.
        """
        a_month = n_lines / _MONTHS_ASSUMED
        by_year = a_month < _FEWEST_IN_A_MONTH if service_period is None else service_period == "year"
        a_period = a_month * _MONTHS_OF_A_YEAR if by_year else a_month
        return cls(member_buckets or max(1, math.ceil(a_period / lines_per_file)), by_year)

    @classmethod
    def read(cls, properties: Mapping[str, str]) -> Placement:
        """That of a table."""
        return cls(int(properties.get(_BUCKETS, 1)), properties.get(_PERIOD) == "year")

    def as_properties(self) -> dict[str, str]:
        """What `read` reads."""
        return {_BUCKETS: str(self.member_buckets), _PERIOD: "year" if self.by_year else "month"}

    def __str__(self) -> str:
        """As a person is told."""
        period, buckets = "year" if self.by_year else "month", self.member_buckets
        return f"by {period} of service, {buckets:,} bucket{'' if buckets == 1 else 's'} of members in each"

    def as_asked(self, member_buckets: int | None, service_period: str | None) -> Placement:
        """The same but for what a site asks for."""
        by_year = self.by_year if service_period is None else service_period == "year"
        return Placement(member_buckets or self.member_buckets, by_year)

    def columns(self, day: Column) -> dict[str, Column]:
        """Month, period and bucket of a line of that day and its `member_key`. A year's period is its month 0."""
        month = F.year(day) * 100 + F.month(day)
        return {
            "service_month": month,
            "service_period": F.year(day) * 100 if self.by_year else month,
            "member_bucket": F.pmod(F.xxhash64("member_key"), F.lit(self.member_buckets)).cast("int"),
        }


def is_in_periods(first: date, last: date) -> Column:
    """Does a line lie in a partition that may hold a day from `first` to `last`? By month or by year alike."""
    period = F.col("service_period")
    months = period.between(first.year * 100 + first.month, last.year * 100 + last.month)
    return months | period.isin([year * 100 for year in range(first.year, last.year + 1)])
