"""Units of a Spark table in the columns the engine knows, and what has to be known of all of them before any pair.

Columns: `unit` (id), `is_treated`, and where the settings name one `person`, `tie`, `score`, `exact_i`, `covariate_i`,
`caliper_i`, in the order of the settings. Tasks need two more: `logit` (fixed point, 2^-31) and `is_barred`, the
controls that `one_role` leaves out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.matching import refusals
from counterpart.matching.solve import Metric, Reach, grid_of_ends, measured_arms, metric_of, reach_of
from counterpart.matching.spread import LARGEST_LOGIT, LogitSums
from counterpart.matching.units import logit_of, needed_columns
from counterpart.numerics.pairs import FIXED_ONE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

    from counterpart.numerics import whitening
    from counterpart.protocol import Matching

_IS_WHOLE = "is_whole"
_PRODUCTS = "is_treated boolean, i int, j int, amount decimal(38,0)"


@dataclass(frozen=True)
class ArmTotals:
    """What one look at all units says: how many of each arm, the caliper, and of either arm the row that says it."""

    n_treated: int
    n_controls: int
    reach: Reach
    arms: tuple[Row, ...]


@dataclass(frozen=True)
class Survey:
    """What has to be known of all units before they are cut into tasks."""

    n_treated: int
    n_controls: int
    reach: Reach
    metric: Metric | None


def select_columns(units: DataFrame, matching: Matching) -> DataFrame:
    """Unit -> unit. ContractError for missing columns."""
    needed = needed_columns(matching)
    refusals.refuse_absent([name for name in needed if name not in units.columns], needed)
    refusals.refuse_twice(units.columns, needed)
    columns = {"unit": _id(units, matching.id), **arm_columns(units, matching.treated)}
    if matching.person is not None:
        columns["person"] = exact_column(matching.person)
    if matching.tie_order is not None:
        columns["tie"] = exact_column(matching.tie_order)
    if matching.score is not None:
        columns["score"] = _number(units, matching.score)
    columns |= {f"exact_{i}": _exact(units, name) for i, name in enumerate(matching.exact)}
    numbers = {f"covariate_{i}": name for i, name in enumerate(matching.covariates)}
    numbers |= {f"caliper_{i}": name for i, name in enumerate(matching.calipers)}
    measured = {own: _number(units, name).alias(own, metadata=_kept(units, name)) for own, name in numbers.items()}
    return units.select(*[column.alias(name) for name, column in columns.items()], *measured.values())


def whole_numbers(selected: DataFrame) -> frozenset[str]:
    """Covariates and calipers that were whole numbers, of which floats may lose some."""
    return frozenset(field.name for field in selected.schema if field.metadata.get(_IS_WHOLE))


def count_arms(selected: DataFrame) -> tuple[int, int]:
    """Treated units, and others."""
    counted = {row.is_treated: row["count"] for row in selected.groupBy("is_treated").count().collect()}
    n_treated = counted.pop(True, 0)
    return n_treated, sum(counted.values())


def add_task_columns(selected: DataFrame, matching: Matching) -> DataFrame:
    """Engine columns -> the same with `logit` and, for `one_role`, `is_barred`: controls of people who are treated."""
    if matching.score is not None:
        selected = selected.withColumn("logit", _logit(matching.score_scale))
    if not matching.one_role:
        return selected.withColumn("is_barred", F.lit(False))
    treated = selected.filter("is_treated").select("person", F.lit(True).alias("has_treated")).distinct()
    is_barred = F.coalesce(~F.col("is_treated") & F.col("has_treated"), F.lit(False))
    return selected.join(treated, "person", "left").withColumn("is_barred", is_barred).drop("has_treated")


def count_texts(selected: DataFrame) -> int:
    """How many of id, person and tie are text."""
    named = [field for field in selected.schema if field.name in ("unit", "person", "tie")]
    return sum(isinstance(field.dataType, T.StringType) for field in named)


def exact_column(name: str) -> Column:
    """The column of exactly that name, dots and all."""
    return F.col(f"`{name.replace('`', '``')}`")


def _exact(units: DataFrame, name: str) -> Column:
    """Missing is missing, whether the table says null or NaN."""
    is_float = isinstance(units.schema[name].dataType, T.FloatType | T.DoubleType)
    return F.nullif(exact_column(name), F.lit(float("nan"))) if is_float else exact_column(name)


def _id(units: DataFrame, name: str) -> Column:
    kind = units.schema[name].dataType
    if isinstance(kind, T.IntegralType):
        return exact_column(name).cast("bigint")
    if not isinstance(kind, T.StringType):
        raise refusals.no_id(name)
    return exact_column(name)


def arm_columns(units: DataFrame, name: str) -> dict[str, Column]:
    """`is_treated`, null for what is no arm, and for numbers `arm`, by which such are found."""
    kind = units.schema[name].dataType
    if isinstance(kind, T.BooleanType):
        return {"is_treated": exact_column(name)}
    if not isinstance(kind, T.NumericType):
        raise refusals.no_arm(name)
    arm = exact_column(name)
    return {"is_treated": F.when(arm == 1, True).when(arm == 0, False), "arm": arm.cast("double")}


def _number(units: DataFrame, name: str) -> Column:
    if not isinstance(units.schema[name].dataType, T.BooleanType | T.NumericType):
        raise refusals.no_number(name)
    return exact_column(name).cast("double")


def _kept(units: DataFrame, name: str) -> dict[str, bool]:
    """What the type of a number said."""
    return {_IS_WHOLE: isinstance(units.schema[name].dataType, T.LongType | T.DecimalType)}


def _logit(scale: str) -> Column:
    """In fixed point; null where there is none."""
    score = F.col("score")
    logit = score
    if scale == "probability":
        # The JVM's logarithms have other last bits than NumPy's, and bits decide.
        logit = in_pandas(_logits_of)(F.when((score > 0) & (score < 1), score))
    return F.when(F.abs(logit) < LARGEST_LOGIT, F.rint(logit * FIXED_ONE).cast("bigint"))


def in_pandas(function: Callable[..., Any]) -> Callable[..., Column]:
    """A function of series as one of columns, with doubles for its result."""
    made: Callable[..., Column] = F.pandas_udf(function, "double")  # type: ignore[call-overload]  # stubs lack this way
    return made


def _logits_of(probability: pd.Series) -> pd.Series:
    return pd.Series(logit_of(probability.to_numpy()))


def total_arms(units: DataFrame, matching: Matching) -> ArmTotals:
    """Look at all units once. Some rows per arm reach the driver.

    DataError for values that no match can use, with column and count.
    """
    numbers = [name for name in units.columns if name.startswith(("covariate_", "caliper_"))]
    seen = units.groupBy("is_treated", "is_barred").agg(*_measures(units, matching, numbers)).collect()
    refusals.refuse_counted(_counts(seen), matching)
    found = tuple(row for row in seen if not row.is_barred)
    arms = {row.is_treated: row for row in found}
    sums = [_sums_of(arms.get(is_treated), matching) for is_treated in (True, False)]
    reach = Reach(None, None) if matching.score is None else reach_of(sums[0], sums[1], matching)
    return ArmTotals(sums[0].n_units, sums[1].n_units, reach, found)


def survey(units: DataFrame, totals: ArmTotals, matching: Matching) -> Survey:
    """What was seen, and with covariates the metric, for which all units are looked at again.

    d x d products reach the driver. DataError for a covariance that has no inverse.
    """
    metric, arms = None, {"treated" if row.is_treated else "controls": row for row in totals.arms}
    if matching.distance != "score" and len(arms) > 1:
        metric = _measure_metric(units.filter("not is_barred"), arms, matching)
    return Survey(totals.n_treated, totals.n_controls, totals.reach, metric)


def _measures(units: DataFrame, matching: Matching, numbers: list[str]) -> Iterator[Column]:
    yield F.count(F.lit(1)).alias("n_units")
    if "arm" in units.columns:
        yield F.count_if(~F.col("arm").isin(0.0, 1.0)).alias("n_no_arm")
    for name in ("unit", "person", "tie"):
        if name in units.columns:
            # A float column may say missing in two ways.
            yield F.count_if(F.col(name).isNull() | _is_nan(units, name)).alias(f"missing_{name}")
    for name in whole_numbers(units):
        yield F.count_if(F.abs(name) >= float(refusals.LARGEST_WHOLE)).alias(f"inexact_{name}")
    for name in [*numbers, *(["score"] if matching.score else [])]:
        yield F.count_if(F.col(name).isNull() | F.isnan(name)).alias(f"missing_{name}")
        yield F.count_if(F.abs(name) == float("inf")).alias(f"infinite_{name}")
    for name in numbers:
        yield F.min(name).alias(f"lowest_{name}")
        yield F.max(name).alias(f"highest_{name}")
    if matching.score:
        yield F.count_if((F.col("score") <= 0) | (F.col("score") >= 1)).alias("n_outside")
        yield F.count_if(F.col("logit").isNull()).alias("n_large")
        yield from (F.sum(part).alias(name) for name, part in _limbs(F.col("logit")).items())


def _is_nan(units: DataFrame, name: str) -> Column:
    is_float = isinstance(units.schema[name].dataType, T.FloatType | T.DoubleType)
    return F.isnan(name) if is_float else F.lit(False)


def _limbs(logit: Column) -> dict[str, Column]:
    """A fixed-point logit (below 2^42 in size) in limbs of 14 bits, and their products.

    Sums of them over 2^31 rows are exact as longs, and far cheaper than decimals.
    """
    limb = 2**14 - 1
    high, middle = F.shiftright(logit, 28), F.shiftright(logit, 14).bitwiseAND(limb)
    limbs = {"high": high, "middle": middle, "low": logit.bitwiseAND(limb)}
    names = list(limbs)
    products = {f"{a}_{b}": limbs[a] * limbs[b] for i, a in enumerate(names) for b in names[i:]}
    return limbs | products


def _counts(seen: Sequence[Row]) -> Counter[str]:
    """Over all rows, under the names that `refusals.refuse_counted` knows."""
    counts: Counter[str] = Counter()
    counted = ("n_", "missing_", "infinite_", "inexact_")
    for row in seen:
        counts.update({name: n for name, n in row.asDict().items() if name.startswith(counted)})
        counts["missing_is_treated"] += row.n_units if row.is_treated is None else 0
    return counts


def _sums_of(row: Row | None, matching: Matching) -> LogitSums:
    if row is None:
        return LogitSums()
    if matching.score is None:
        return LogitSums(row.n_units)
    high, middle, low = row.high, row.middle, row.low
    squares = (row.high_high << 56) + (row.high_middle << 43) + ((2 * row.high_low + row.middle_middle) << 28)
    squares += (row.middle_low << 15) + row.low_low
    return LogitSums(row.n_units, (high << 28) + (middle << 14) + low, squares)


def _measure_metric(units: DataFrame, found: Mapping[str, Row], matching: Matching) -> Metric:
    """`found` is the row of each arm."""
    names = [f"covariate_{i}" for i in range(len(matching.covariates))]
    # Zero has two signs, and their sum is the one that pandas' path has too.
    ends = {
        arm: np.array([[row[f"{end}_{name}"] for name in names] for end in ("lowest", "highest")]) + 0.0
        for arm, row in found.items()
    }
    grid = grid_of_ends(ends, matching)
    arms = {arm: arm == "treated" for arm in measured_arms(matching)}
    measured = units.filter(F.col("is_treated").isin(*arms.values())).select("is_treated", *names)
    parts = measured.mapInArrow(_products_on(grid), _PRODUCTS)
    totals = parts.groupBy("is_treated", "i", "j").agg(F.sum("amount").alias("amount")).collect()
    sums = []
    for arm, is_treated in arms.items():
        amounts = {(row.i, row.j): int(row.amount) for row in totals if row.is_treated is is_treated}
        sums.append(_gather(amounts, found[arm].n_units, len(names)))
    return metric_of(sums, grid, ends, matching)


def _products_on(grid: whitening.Grid) -> Any:
    def products(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from counterpart.numerics import whitening

        for batch in batches:
            is_treated = batch.column(0).to_numpy(zero_copy_only=False)
            values = np.column_stack([column.to_numpy() for column in batch.columns[1:]]) + 0.0
            for arm in np.unique(is_treated):
                sums = whitening.sum_products(values[is_treated == arm], grid)
                d = len(sums.totals)
                amounts = [(i, j, int(sums.products[i, j])) for i in range(d) for j in range(d)]
                amounts += [(i, -1, int(sums.totals[i])) for i in range(d)]
                yield pa.RecordBatch.from_arrays(
                    [
                        pa.array([bool(arm)] * len(amounts)),
                        pa.array([i for i, _, _ in amounts], pa.int32()),
                        pa.array([j for _, j, _ in amounts], pa.int32()),
                        pa.array([amount for _, _, amount in amounts], pa.decimal128(38, 0)),
                    ],
                    names=["is_treated", "i", "j", "amount"],
                )

    return products


def _gather(amounts: dict[tuple[int, int], int], n_units: int, d: int) -> whitening.ProductSums:
    from counterpart.numerics import whitening

    totals, products = np.zeros(d, dtype=object), np.zeros((d, d), dtype=object)
    for (i, j), amount in amounts.items():
        if j < 0:
            totals[i] = amount
        else:
            products[i, j] = amount
    return whitening.ProductSums(n_units, totals, products)
