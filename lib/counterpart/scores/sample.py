"""The sample the score is fitted on: counted, bounded, the same on every run; the only rows that reach the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import functions as F
from scipy import sparse

from counterpart.errors import ContractError, DataError
from counterpart.ordering import stable_order

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from counterpart.protocol import Scoring


@dataclass(frozen=True)
class ModelCovariate:
    """A covariate as the score model knows it: a line of the dictionary."""

    covariate_id: int
    name: str
    kind: str


@dataclass(frozen=True)
class Sample:
    """Units in the order of their ids, and what is known of them.

    `values` is units x covariates, as recorded; `is_treated` and `weights` have one element per unit, a weight being
    the number of eligible units the sampled one stands for. `n_treated` and `n_comparators` count all eligible units.
    """

    covariates: tuple[ModelCovariate, ...]
    values: sparse.csc_array
    is_treated: npt.NDArray[np.bool_]
    weights: npt.NDArray[np.float64]
    n_treated: int
    n_comparators: int


def collect_sample(
    cohort: DataFrame, covariates: DataFrame, dictionary: DataFrame, scoring: Scoring, seed: int
) -> Sample:
    """All treated up to `max_treated` and comparators up to `max_comparators`, first in the stable order; their
    covariates.

    The driver receives two counts, the dictionary, and 21 bytes for each covariate value of a sampled unit: 380 MB at
    the default bounds with 30 values a unit, however many members there are. DataError where an arm has no eligible
    unit.
    """
    eligible = cohort.filter(F.col("excluded_by").isNull()).select(
        "unit_id", (F.col("arm") == "treated").alias("is_treated")
    )
    counts = {row.is_treated: row.n_units for row in _count_arms(eligible).collect()}
    n_treated, n_comparators = counts.get(True, 0), counts.get(False, 0)
    _check_both_arms(n_treated, n_comparators)
    lines = dictionary.select("covariate_id", "name", "kind").orderBy("covariate_id").collect()
    treated = _select_first(eligible.filter("is_treated"), n_treated, scoring.max_treated, seed)
    comparators = _select_first(eligible.filter("not is_treated"), n_comparators, scoring.max_comparators, seed)
    rows = treated.unionByName(comparators).join(covariates, on="unit_id", how="left")
    return _arrange(
        rows.select("unit_id", "is_treated", "covariate_id", "value").toArrow(),
        tuple(ModelCovariate(*line) for line in lines),
        n_treated,
        n_comparators,
    )


def _count_arms(eligible: DataFrame) -> DataFrame:
    return eligible.groupBy("is_treated").agg(F.count("*").alias("n_units"))


def _check_both_arms(n_treated: int, n_comparators: int) -> None:
    if n_treated == 0 or n_comparators == 0:
        raise DataError(
            f"score: eligible treated person-dates: {_in_words(n_treated)}; eligible comparator person-dates: "
            f"{_in_words(n_comparators)}. A score needs both; the attrition of the cohort, which is printed and in "
            "--json, says who was excluded"
        )


def _in_words(n_units: int) -> str:
    """No number: the attrition tells those that may be told beside one another."""
    return "more than 0" if n_units else "0"


def _select_first(units: DataFrame, n_units: int, max_units: int, seed: int) -> DataFrame:
    """The first `max_units` in the stable order (which never ties: it is one-to-one in the unit id)."""
    if n_units <= max_units:
        return units
    order = stable_order(seed, "unit_id")
    return units.orderBy(order, "unit_id").limit(max_units)


def _arrange(rows: pa.Table, covariates: tuple[ModelCovariate, ...], n_treated: int, n_comparators: int) -> Sample:
    """Units sorted by id and covariates by number, so that the fit cannot see how Spark delivered them."""
    unit_ids, first_row, unit_rows = np.unique(rows["unit_id"].to_numpy(), return_index=True, return_inverse=True)
    is_treated = rows["is_treated"].to_numpy()[first_row].astype(bool)
    has_value = rows["covariate_id"].is_valid().to_numpy()
    numbers = rows["covariate_id"].filter(pa.array(has_value)).to_numpy()
    known = np.array([covariate.covariate_id for covariate in covariates], dtype=numbers.dtype)
    columns = np.searchsorted(known, numbers)
    if not np.isin(numbers, known).all():
        raise ContractError("score: the covariates table has covariate_id values that its dictionary does not name")
    values = rows["value"].filter(pa.array(has_value)).to_numpy().astype(np.float64)
    matrix = sparse.coo_array((values, (unit_rows[has_value], columns)), shape=(len(unit_ids), len(covariates))).tocsc()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    n_sampled = int(is_treated.sum())
    weights = np.where(is_treated, n_treated / n_sampled, n_comparators / (len(unit_ids) - n_sampled))
    return Sample(covariates, matrix, is_treated, weights, n_treated, n_comparators)
