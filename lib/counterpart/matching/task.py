"""What one task of a match on Spark does: a table of units in, one row per pair and per unit without a set out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from counterpart.matching.cost import Search
from counterpart.matching.solve import Metric, Reach, solve
from counterpart.matching.units import Units, hash_ids, rank_ties

if TYPE_CHECKING:
    from counterpart.protocol import Matching

TALLIES = {"n_repeated": -1, "n_unproven": -2, "n_audited": -3, "n_found": -4, "true": -5, "listed": -6}
"""Reasons of rows that count something of a task, in `distance_fixed`, and hold nothing else."""


def solution_schema(unit_type: str) -> str:
    """Columns of a solution: of a pair `reason` is null; of a unit without a set `partner` and what belongs to it."""
    return (
        f"stratum bigint, focal {unit_type}, partner {unit_type}, distance_fixed bigint, difference_fixed bigint, "
        "set_size int, reason int"
    )


PARCELS = "task int, parcel binary"
# A parcel is far below the 2 GB of a value of binary type.
_PARCEL_ROWS = 1_000_000


def pack_parcels(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Units of one partition -> parcels: the units of each task as Arrow's own bytes, for `mapInArrow` (PARCELS).

    A shuffle moves a parcel as one value; unit by unit it would take as long as the match itself.
    """
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(part) for part in waiting) >= _PARCEL_ROWS:
            yield _pack(waiting)
            waiting = []
    if waiting:
        yield _pack(waiting)


def _pack(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(batches)
    task = table.column("task").to_numpy()
    order = np.argsort(task, kind="stable")
    tasks, first = np.unique(task[order], return_index=True)
    content = table.drop_columns(["task"])
    if len(tasks) > 1:
        content = content.take(pa.array(order))
    ends = [*first[1:], table.num_rows]
    parcels = [to_bytes(content.slice(start, end - start)) for start, end in zip(first, ends, strict=True)]
    return pa.RecordBatch.from_arrays([pa.array(tasks, pa.int32()), pa.array(parcels, pa.binary())], ["task", "parcel"])


def to_bytes(table: pa.Table) -> bytes:
    """A parcel."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def from_bytes(parcel: pa.BinaryScalar) -> pa.Table:
    """What was packed, without a copy."""
    with pa.ipc.open_stream(parcel.as_buffer()) as stream:
        return stream.read_all()


def solver(
    matching: Matching, reach: Reach, metric: Metric | None, search: Search, seed: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function for `mapInArrow`: parcels of whole tasks, in any order, to their solution.

    Tasks share nobody, so those of one partition are solved as one.
    """

    def solve_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parcels = [from_bytes(parcel) for batch in batches for parcel in batch.column("parcel")]
        if parcels:
            yield from _solve_task(parcels, matching, reach, metric, search, seed).to_batches()

    return solve_partition


def _solve_task(
    parcels: list[pa.Table], matching: Matching, reach: Reach, metric: Metric | None, search: Search, seed: int
) -> pa.Table:
    """The solution; `parcels` is emptied, for the largest tasks would otherwise hold their units twice."""
    table = pa.concat_tables(parcels)
    parcels.clear()
    ids = table.column("unit").combine_chunks()
    series = ids.to_pandas()
    ties = None if matching.tie_order is None else table.column("tie").to_pandas()
    keys, n_again = rank_ties(series, hash_ids(series, seed), ties)
    if n_again:
        return _tell(ids.type, {"n_repeated": n_again})
    units, n_units = _units_of(table, keys, matching), table.num_rows
    del table, series, ties
    solution = solve(units, matching, reach, metric, search)
    n_pairs, n_alone = len(solution.focal), len(solution.alone)
    is_alone = np.arange(n_pairs + n_alone) >= n_pairs
    focal, partner = np.r_[solution.focal, solution.alone], np.r_[solution.partner, np.zeros(n_alone, dtype=np.int64)]
    logit = np.zeros(n_units, dtype=np.int64) if units.logit is None else units.logit
    sign = -1 if matching.direction == "control_to_treated" else 1
    size = np.bincount(solution.focal, minlength=n_units)
    found = pa.Table.from_arrays(
        [
            pa.array(units.stratum[focal]),
            ids.take(pa.array(focal)),
            ids.take(pa.array(partner, mask=is_alone)),
            pa.array(np.r_[solution.distance, np.zeros(n_alone, dtype=np.int64)], mask=is_alone),
            pa.array(sign * (logit[focal] - logit[partner]), mask=is_alone),
            pa.array(size[focal].astype(np.int32), mask=is_alone),
            pa.array(np.r_[np.zeros(n_pairs, dtype=np.int32), solution.reason.astype(np.int32)], mask=~is_alone),
        ],
        names=_NAMES,
    )
    told = {"n_unproven": solution.n_unproven, **solution.audit._asdict()} if search.recall is not None else {}
    return pa.concat_tables([found, _tell(ids.type, told)])


_NAMES = ["stratum", "focal", "partner", "distance_fixed", "difference_fixed", "set_size", "reason"]


def _tell(unit_type: pa.DataType, told: dict[str, int]) -> pa.Table:
    n = len(told)
    counted, reasons = pa.array(list(told.values()), pa.int64()), pa.array([TALLIES[name] for name in told], pa.int32())
    nothing = [pa.nulls(n, kind) for kind in (pa.int64(), unit_type, unit_type)]
    empty = [pa.nulls(n, pa.int64()), pa.nulls(n, pa.int32())]
    return pa.Table.from_arrays([*nothing, counted, *empty, reasons], names=_NAMES)


def _units_of(table: pa.Table, keys: Any, matching: Matching) -> Units:
    is_treated = _numbers(table, "is_treated").astype(bool)
    person = None
    if matching.person is not None:
        person = pd.factorize(table.column("person").to_pandas())[0].astype(np.int64)
    return Units(
        is_treated=is_treated,
        is_control=~is_treated,
        key=keys,
        stratum=_numbers(table, "stratum"),
        person=person,
        logit=None if matching.score is None else _numbers(table, "logit"),
        covariates=_matrix(table, "covariate", len(matching.covariates)),
        box=_matrix(table, "caliper", len(matching.calipers)),
        has_counterpart=_numbers(table, "has_counterpart").astype(bool),
    )


def _numbers(table: pa.Table, name: str) -> Any:
    return table.column(name).to_numpy()


def _matrix(table: pa.Table, name: str, n_columns: int) -> Any:
    columns = np.empty((table.num_rows, n_columns))
    for i in range(n_columns):
        columns[:, i] = _numbers(table, f"{name}_{i}")
    # -0.0 and 0.0 are one value and must have one hash.
    return columns + 0.0
