"""A Spark table of few units, matched at once where the driver is.

`cost.are_few` says what few are. The result is what tasks would give, to the bit: the same arrays meet the same
kernels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from counterpart.matching import refusals
from counterpart.matching.columns import exact_column, whole_numbers
from counterpart.matching.frames import (
    Columns,
    columns_of_pairs,
    columns_of_unmatched,
    columns_of_weights,
    summary_of,
)
from counterpart.matching.laps import Laps
from counterpart.matching.result import Matched
from counterpart.matching.solve import solve_units
from counterpart.matching.spread import LARGEST_LOGIT
from counterpart.matching.units import Units, codes_of_strata, hash_ids, logit_of, rank_ties, units_of
from counterpart.numerics.pairs import FIXED_ONE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from counterpart.matching.units import Longs
    from counterpart.protocol import Matching


def match_few(units: DataFrame, selected: DataFrame, matching: Matching, seed: int) -> Matched[DataFrame]:
    """Match, on the driver, units that fit one task, as `match` does; frames of Spark. Errors as of `match`.

    `selected`: the engine's columns of the units.
    """
    laps = Laps()
    table = _collect(selected)
    laps.end("collect")
    read = _read(table, matching, seed, whole_numbers(selected))
    laps.end("read")
    solved = solve_units(read, matching)
    solution = solved.solution
    laps.end("solve")
    own = {matching.id: "unit"} | {name: f"exact_{i}" for i, name in enumerate(matching.exact)}
    take = partial(_take, table, own)
    pairs = _as_frame(units, columns_of_pairs(take, read, matching, solution), matching)
    unmatched = _as_frame(units, columns_of_unmatched(take, matching, solution), matching)
    weights = _as_frame(units, columns_of_weights(take, matching, solution), matching)
    laps.end("write")
    summary = summary_of(read, matching, solved) | {"seconds": laps.seconds}
    return Matched(pairs, unmatched, weights, summary, matching)


def _collect(selected: DataFrame) -> pa.Table:
    """The units, of which there are few."""
    return selected.toArrow().combine_chunks()


def _take(table: pa.Table, own: Mapping[str, str], name: str, rows: Longs) -> pa.ChunkedArray:
    """Values of a column in these rows, by its name in the settings, which is its `own` in the table."""
    return table.column(own[name]).take(pa.array(rows))


def _read(table: pa.Table, matching: Matching, seed: int, whole: Collection[str]) -> Units:
    logit = None if matching.score is None else _logits(table, matching.score_scale)
    refusals.refuse_counted(_counts(table, logit, whole), matching)
    ids = table.column("unit").to_pandas()
    ties = None if matching.tie_order is None else table.column("tie").to_pandas()
    keys, n_again = rank_ties(ids, hash_ids(ids, seed), ties)
    refusals.refuse_repeated(matching.id, n_again, table.num_rows)
    exact = pd.DataFrame({f"{i}": _codes(table.column(f"exact_{i}")) for i in range(len(matching.exact))})
    stratum = codes_of_strata(exact, list(exact), table.num_rows)
    table = table.append_column("stratum", pa.array(stratum))
    if logit is not None:
        table = table.append_column("logit", pa.array(np.rint(logit * FIXED_ONE).astype(np.int64)))
    return units_of(table, keys, matching)


def _logits(table: pa.Table, scale: str) -> Any:
    """NaN where a score has none."""
    score = table.column("score").to_numpy()
    if scale != "probability":
        return score
    with np.errstate(divide="ignore", invalid="ignore"):
        return logit_of(np.where((score > 0) & (score < 1), score, np.nan))


def _counts(table: pa.Table, logit: Any, whole: Collection[str]) -> Counter[str]:
    """Under the names that `refusals.refuse_counted` knows."""
    counts = Counter({f"missing_{name}": _n_missing(table, name) for name in table.column_names})
    counts["n_units"] = table.num_rows
    if "arm" in table.column_names:
        arm = table.column("arm").to_numpy()
        counts["n_no_arm"] = _count((arm != 0) & (arm != 1) & ~_are_null(table, "arm"))
    for name in table.column_names:
        if name.startswith(("covariate_", "caliper_", "score")):
            values = table.column(name).to_numpy()
            counts[f"infinite_{name}"] = _count(np.isinf(values))
            counts[f"inexact_{name}"] = _count(np.abs(values) >= refusals.LARGEST_WHOLE) if name in whole else 0
    if logit is not None:
        score = table.column("score").to_numpy()
        counts["n_outside"] = _count((score <= 0) | (score >= 1))
        counts["n_large"] = _count(~(np.abs(logit) < LARGEST_LOGIT))
    return counts


def _count(flags: Any) -> int:
    return int(np.count_nonzero(flags))


def _n_missing(table: pa.Table, name: str) -> int:
    values = table.column(name)
    if not pa.types.is_floating(values.type):
        return int(values.null_count)
    return int(pc.sum(pc.is_null(values, nan_is_null=True), min_count=0).as_py())


def _are_null(table: pa.Table, name: str) -> Any:
    return pc.is_null(table.column(name)).to_numpy()


def _codes(values: pa.ChunkedArray) -> Any:
    """Equal values have equal codes, as in Spark: missing is a value, and zero has one sign."""
    if pa.types.is_floating(values.type):
        values = pc.add(values, pa.scalar(0.0, values.type))
    encoded = pc.dictionary_encode(values, null_encoding="encode").combine_chunks()
    return encoded.indices.to_numpy() if len(values) else np.zeros(0, dtype=np.int32)


def _as_frame(units: DataFrame, columns: Columns, matching: Matching) -> DataFrame:
    """A Spark table, ids and exact columns of the type that they have in the units."""
    is_id = ("id", "set_id", "treated_id", "control_id")
    source = dict.fromkeys(is_id, matching.id) | {name: name for name in matching.exact}
    # Nobody at all would leave Arrow to guess the type of the texts.
    arrays = {name: pa.array(v, pa.string()) if _are_texts(v) else v for name, v in columns.items()}
    rows = units.sparkSession.createDataFrame(pa.table(arrays))
    typed = {
        name: exact_column(name).cast(units.schema[source[name]].dataType) if name in source else exact_column(name)
        for name in columns
    }
    return rows.select(*[column.alias(name) for name, column in typed.items()])


def _are_texts(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind == "O"
