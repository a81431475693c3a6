"""People by month, and claims that lie outside their cover, before their birth or after their death."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.tallies import month_of, tallies_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LATE_BILLING_DAYS = 30
"""Bills dated up to so many days after a death are common: the day of discharge, a rented bed."""

_BENEFIT_DAYS = {"medical": "service_date", "pharmacy": "dispensing_date"}
_RULES = ("outside_cover", "before_birth", "after_death", "long_after_death")


def tally_people(medical: DataFrame, pharmacy: DataFrame, members: DataFrame, enrollment: DataFrame) -> DataFrame:
    """Claim lines and members -> tallies `people`, `people_ever` (at their first month) and `outside` by month.

    Lines come down to person-days before they are shuffled by member: a member's lines of a month lie together, so
    most of the counting is done where they are read. Person-days, not lines, meet the member's spans.
    """
    days = _person_days(medical, "medical").unionByName(_person_days(pharmacy, "pharmacy"))
    lives = members.select("member_key", "birth_date", "death_date")
    judged = _judge(days.join(lives, "member_key", "left").join(_spans(enrollment), "member_key", "left"))
    people = judged.groupBy("part", "member_key", "month").agg(*(F.sum(rule).alias(rule) for rule in _RULES))
    first = F.min("month").over(W.partitionBy("part", "member_key"))
    counts = (
        people.withColumn("is_first", (F.col("month") == first).cast("int"))
        .groupBy("part", "month")
        .agg(F.count("*").alias("people"), *(F.sum(name).alias(name) for name in ("is_first", *_RULES)))
    )
    named = {("people", ""): "people", ("people_ever", ""): "is_first"} | {("outside", rule): rule for rule in _RULES}
    return tallies_of(counts, F.col("part"), F.col("month"), named=named)


def _person_days(lines: DataFrame, part: str) -> DataFrame:
    days = lines.groupBy("member_key", F.col(_BENEFIT_DAYS[part]).alias("day")).agg(F.count("*").alias("n_lines"))
    return days.withColumn("part", F.lit(part))


def _spans(enrollment: DataFrame) -> DataFrame:
    """Spans of cover -> member, with `spans`, sorted: a task that Spark runs again must give what it gave before."""
    spans = F.array_sort(F.collect_list(F.struct("benefit", "start_date", "end_date")))
    return enrollment.groupBy("member_key").agg(spans.alias("spans"))


def _judge(days: DataFrame) -> DataFrame:
    """Person-day -> the number of its lines under each rule they break."""
    day, death = F.col("day"), F.col("death_date")
    is_covered = F.exists(
        "spans", lambda span: (span["benefit"] == F.col("part")) & day.between(span["start_date"], span["end_date"])
    )
    broken = {
        "outside_cover": ~F.coalesce(is_covered, F.lit(False)),
        "before_birth": day < F.col("birth_date"),
        "after_death": day > death,
        "long_after_death": day > F.date_add(death, LATE_BILLING_DAYS),
    }
    n_broken = (F.when(is_so, F.col("n_lines")).otherwise(0).alias(rule) for rule, is_so in broken.items())
    return days.select("part", "member_key", month_of(day).alias("month"), *n_broken)
