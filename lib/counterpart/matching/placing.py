"""Rows to the partition that a column names: what is placed together is one task's, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

# Of so many numbers for each partition, one that Spark's hash sends there is missing once in 10^17 partitions.
_TRIES = 40


def spread_over_tasks(rows: DataFrame, n_partitions: int, number: str) -> DataFrame:
    """Each row to the partition of its number, from 0 on. Two numbers in one would be in memory together."""
    if _can_place(rows):
        return rows.repartitionById(n_partitions, number)
    return rows.repartition(n_partitions, _sent_to(rows.sparkSession, n_partitions)[F.col(number)])


def _can_place(rows: DataFrame) -> bool:
    """Spark can since 4.1."""
    return hasattr(rows, "repartitionById")


def _sent_to(spark: SparkSession, n_partitions: int) -> Column:
    """An array: by partition, a number that Spark's hash partitioning sends there."""
    partition = F.pmod(F.hash("id"), F.lit(n_partitions)).alias("partition")
    found = spark.range(_TRIES * n_partitions).groupBy(partition).agg(F.min("id").alias("id")).orderBy("partition")
    return F.array(*[F.lit(row.id).cast("bigint") for row in found.collect()])
