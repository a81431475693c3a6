"""All tallies of a site's claims tables, as one frame."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame

from counterpart.quality.amounts import tally_amounts
from counterpart.quality.code_systems import tally_codes
from counterpart.quality.cover import tally_cover, tally_members
from counterpart.quality.lines import medical_rules, pharmacy_rules, tally_lines
from counterpart.quality.people import tally_people

if TYPE_CHECKING:
    from collections.abc import Iterator


def tally_claims(members: DataFrame, enrollment: DataFrame, medical: DataFrame, pharmacy: DataFrame) -> DataFrame:
    """Claims tables -> tallies (contract TALLIES). No table need have rows.

    Claim lines are read four times, each time other columns of them: all columns once for what is missing, the codes,
    the amounts, and member and day. At most some hundred tallies a month leave, whatever the number of members.
    """
    return reduce(DataFrame.unionByName, _tallies(members, enrollment, medical, pharmacy))


def _tallies(members: DataFrame, enrollment: DataFrame, medical: DataFrame, pharmacy: DataFrame) -> Iterator[DataFrame]:
    yield tally_members(members)
    yield tally_cover(enrollment)
    yield tally_people(medical, pharmacy, members, enrollment)
    for part, lines, rules in (("medical", medical, medical_rules()), ("pharmacy", pharmacy, pharmacy_rules())):
        yield tally_lines(lines, part, rules)
        yield tally_codes(lines, part)
        yield tally_amounts(lines, part)
