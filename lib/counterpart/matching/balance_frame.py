"""The balance of a Spark table: one task for each covariate, by the same arithmetic as in pandas."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.matching import refusals
from counterpart.matching.balance import BALANCE_COLUMNS, Denominator, compare_column, refuse_unknown
from counterpart.matching.columns import arm_columns, exact_column, in_pandas
from counterpart.matching.placing import spread_over_tasks
from counterpart.matching.task import from_bytes, in_chunks, to_bytes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from counterpart.matching.result import Matched

# Up to so many units in sets every executor gets their weights, some 100 bytes each; above, all units are shuffled.
MOST_BROADCAST = 3_000_000
_PARCELS = "task int, parcel binary"
_TEXT = ("covariate", "phase", "smd_denominator")
_SCHEMA = ", ".join(f"{name} {'string' if name in _TEXT else 'double'}" for name in BALANCE_COLUMNS)
_ARROW = pa.schema([(name, pa.string() if name in _TEXT else pa.float64()) for name in BALANCE_COLUMNS])


def balance_frame(
    units: DataFrame, result: Matched[DataFrame], covariates: Sequence[str], denominator: Denominator
) -> DataFrame:
    """As `balance` says; lazy over the units and the result. One row reaches the driver, to refuse what is missing."""
    matching = result.matching
    # Without replacement a unit has one weight.
    of_unit = (in_pandas(_add)("weight") if matching.replace else F.first("weight")).alias("weight")
    weights = result.weights.groupBy(F.col("id").alias("_id")).agg(of_unit)
    if result.summary["n_sets"] + result.summary["n_pairs"] <= MOST_BROADCAST:
        weights = F.broadcast(weights)
    columns = [_as_value(units, name).alias(f"value_{i}") for i, name in enumerate(covariates)]
    arm = arm_columns(units, matching.treated)["is_treated"].alias("is_treated")
    selected = units.select(exact_column(matching.id).alias("_id"), arm, *columns)
    _refuse(selected, weights, covariates, matching.treated)
    weighed = selected.join(weights, "_id", "left").select(
        "is_treated", F.coalesce("weight", F.lit(0.0)).alias("weight"), *[f"value_{i}" for i in range(len(covariates))]
    )
    parcels = spread_over_tasks(weighed.mapInArrow(_pack_columns, _PARCELS), max(len(covariates), 1), "task")
    return parcels.mapInArrow(_comparer(tuple(covariates), denominator), _SCHEMA)


def _add(weights: pd.Series) -> float:
    # Rounded once, as in pandas' path: order is nothing.
    return math.fsum(weights)


def _as_value(units: DataFrame, name: str) -> Any:
    is_number = isinstance(units.schema[name].dataType, T.NumericType | T.BooleanType)
    return exact_column(name).cast("double" if is_number else "string")


def _refuse(selected: DataFrame, weights: DataFrame, covariates: Sequence[str], treated: str) -> None:
    measures = [F.count(F.lit(1)).alias("n"), F.count_if(F.col("is_treated").isNull()).alias("n_no_arm")]
    for i in range(len(covariates)):
        value = F.col(f"value_{i}")
        is_double = isinstance(selected.schema[f"value_{i}"].dataType, T.DoubleType)
        measures.append(F.count_if(value.isNull() | (F.isnan(value) if is_double else F.lit(False))).alias(f"gone_{i}"))
        infinite = F.abs(value) == float("inf") if is_double else F.lit(False)
        measures.append(F.count_if(infinite).alias(f"infinite_{i}"))
    found = selected.agg(*measures).collect()[0]
    refusals.refuse_missing(treated, found.n_no_arm, found.n)
    for i, name in enumerate(covariates):
        refusals.refuse_missing(name, found[f"gone_{i}"], found.n)
        refusals.refuse_infinite(name, found[f"infinite_{i}"], found.n)
    known = selected.join(weights, "_id", "left_semi").select("_id").distinct()
    refuse_unknown(weights.count() - known.count())


def _pack_columns(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Units -> parcels of one covariate each (_PARCELS): arm, weight and value, and how many units have these."""
    for chunk in in_chunks(batches):
        yield _pack(chunk)


def _pack(chunk: pa.Table) -> pa.RecordBatch:
    parcels = []
    for name in chunk.column_names[2:]:
        keys = ["is_treated", "weight", name]
        parcels.append(to_bytes(chunk.select(keys).group_by(keys, use_threads=False).aggregate([([], "count_all")])))
    numbers = pa.array(np.arange(len(parcels), dtype=np.int32))
    return pa.RecordBatch.from_arrays([numbers, pa.array(parcels, pa.binary())], ["task", "parcel"])


_COUNTED = ("is_treated", "weight", "count_all")


def _comparer(
    covariates: tuple[str, ...], denominator: Denominator
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def compare(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts: dict[int, list[pa.Table]] = {}
        for batch in batches:
            for number, parcel in zip(batch.column("task").to_pylist(), batch.column("parcel"), strict=True):
                parts.setdefault(number, []).append(from_bytes(parcel))
        for number in sorted(parts):
            table = pa.concat_tables(parts.pop(number))
            column = table.select([2]).rename_columns([covariates[number]]).to_pandas()
            is_treated, weight, counts = (table.column(name).to_numpy() for name in _COUNTED)
            del table  # a task may hold all units: once is enough
            rows = compare_column(column, is_treated, weight, denominator, counts)
            yield pa.RecordBatch.from_pylist(rows, _ARROW)

    return compare
