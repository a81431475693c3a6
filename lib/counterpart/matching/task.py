"""What one task of a match on Spark does: a table of units in, one row per pair and per unit without a set out.

A task that has a part of a component only (see `parts`) hands on the units that may be in a pair of the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterpart.matching.cost import LONGEST_EXACT, Search, seconds_of_distance
from counterpart.matching.result import REASONS
from counterpart.matching.solve import Metric, Reach, Solution, count_compared, solve
from counterpart.matching.units import Units, hash_ids, rank_ties, units_of

if TYPE_CHECKING:
    from counterpart.protocol import Matching

TALLY_CODES = {"n_repeated": -1, "n_unproven": -2, "n_audited": -3, "n_found": -4, "true": -5, "listed": -6}
"""Reasons of rows that count something of a task, in `distance_fixed`, and hold nothing else."""


def solution_schema(unit_type: str) -> str:
    """Columns of a solution: of a pair `reason` is null; of a unit without a set `partner` and what belongs to it."""
    return (
        f"stratum bigint, focal {unit_type}, partner {unit_type}, distance_fixed bigint, difference_fixed bigint, "
        "set_size int, reason int"
    )


EXHAUSTED = REASONS.index("pool_exhausted")
PARCELS = "task int, slot int, parcel binary"
"""`task` solves the component; `slot` is the part, or the merging of parts, that has the parcel before."""
# A parcel is far below the 2 GB of a value of binary type.
_PARCEL_ROWS = 1_000_000

Stage = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
"""A function for `mapInArrow`."""


def pack_parcels(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Units of one partition -> parcels: the units of each `slot` (or `task`, without) as Arrow's bytes (PARCELS).

    A shuffle moves a parcel as one value; unit by unit it would take as long as the match itself.
    """
    for table in in_chunks(batches):
        yield _pack(table)


def in_chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows of one partition, a million at a time."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(part) for part in waiting) >= _PARCEL_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _pack(table: pa.Table) -> pa.RecordBatch:
    slot = table.column("slot" if "slot" in table.column_names else "task").to_numpy()
    order = np.argsort(slot, kind="stable")
    slots, first = np.unique(slot[order], return_index=True)
    tasks = table.column("task").to_numpy()[order[first]]
    content = table.drop_columns([name for name in ("task", "slot") if name in table.column_names])
    if len(slots) > 1:
        content = content.take(pa.array(order))
    ends = [*first[1:], table.num_rows]
    parcels = [to_bytes(content.slice(start, end - start)) for start, end in zip(first, ends, strict=True)]
    return _parcels(tasks, slots, parcels)


def _parcels(tasks: Any, slots: Any, parcels: list[bytes]) -> pa.RecordBatch:
    columns = [pa.array(tasks, pa.int32()), pa.array(slots, pa.int32()), pa.array(parcels, pa.binary())]
    return pa.RecordBatch.from_arrays(columns, ["task", "slot", "parcel"])


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


@dataclass(frozen=True)
class Work:
    """What all tasks of a match know: the settings, and what the survey found."""

    matching: Matching
    reach: Reach
    metric: Metric | None
    search: Search
    seed: int
    add_searched_again: Callable[[int], None] | None = None
    """Counts lists that ran dry, apart from the rows: how many do depends on the machine, and rows must not."""


def solver(work: Work) -> Stage:
    """Parcels of whole tasks, in any order, to their solution.

    Tasks share nobody, so those of one partition are solved as one.
    """

    def solve_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parcels = _in_order([parcel for batch in batches for parcel in batch.column("parcel")])
        if parcels:
            yield from _solve_task(parcels, work).to_batches()

    return solve_partition


def reducer(work: Work, n_together: int, is_merge: bool) -> Stage:
    """Parcels of one part of a component, or of a merge, in any order, to parcels for the next merge.

    Left out is who stays alone in the whole too; of units that look it goes along as rows of the solution. The smaller
    arm, which all parts have, comes from the first of the `n_together` that are merged next.
    """
    # Whether a set is large enough is known of the whole only.
    of_parts = replace(work, matching=work.matching.model_copy(update={"min_ratio": 1}))

    def reduce_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts: dict[tuple[int, int], list[pa.BinaryScalar]] = {}
        for batch in batches:
            for task, slot, parcel in zip(*map(batch.column, ("task", "slot", "parcel")), strict=True):
                parts.setdefault((slot.as_py(), task.as_py()), []).append(parcel)
        for slot, task in sorted(parts):
            parcels = _in_order(parts.pop((slot, task)))
            for left in _reduce_part(parcels, of_parts, is_merge, is_first=slot % n_together == 0):
                yield _parcels([task], [slot // n_together], [to_bytes(left)])

    return reduce_partition


def _in_order(parcels: list[pa.BinaryScalar]) -> list[pa.Table]:
    """What was packed, in an order that the parcels decide and not their arrival.

    A task that is run again must give the bytes it gave before: where they differ, Spark 4.2 runs whole stages again,
    and gives up if some of what they fed is told already.
    """

    def digest(parcel: pa.BinaryScalar) -> bytes:
        return hashlib.blake2b(memoryview(parcel.as_buffer()), digest_size=16).digest()

    return [from_bytes(parcel) for parcel in sorted(parcels, key=digest)]


def _reduce_part(parcels: list[pa.Table], work: Work, is_merge: bool, is_first: bool) -> list[pa.Table]:
    """Units that stay in play, and rows of the solution; `parcels` is emptied."""
    table, settled = _sort_out(parcels)
    if table is None:
        return settled
    told, units, solution = _pair(table, work, is_merge)
    if units is None or solution is None:
        return [*settled, told]
    is_pool_cut = bool(table.column("is_pool_cut")[0].as_py())
    looks, serves = units.arms(work.matching.direction)
    stays = np.zeros(table.num_rows, dtype=bool)
    if is_pool_cut:
        stays[looks] = is_first
        person = np.arange(table.num_rows) if units.person is None else units.person
        # Another unit of the same person may be the one that serves in the whole.
        stays[serves] = np.isin(person[serves], person[solution.partner])
    else:
        stays[serves] = is_first
        stays[solution.focal] = True
        settled = [*settled, _alone(table.column("unit").combine_chunks(), units, solution)]
    return [table.filter(pa.array(stays)), *settled, told]


def _sort_out(parcels: list[pa.Table]) -> tuple[pa.Table | None, list[pa.Table]]:
    """The units, and the rows of the solution that earlier rounds know; `parcels` is emptied."""
    settled = [parcel for parcel in parcels if "reason" in parcel.column_names]
    in_play = [parcel for parcel in parcels if "reason" not in parcel.column_names and parcel.num_rows]
    table = pa.concat_tables(in_play) if in_play else None
    # The largest tasks would otherwise hold their units twice.
    parcels.clear()
    return table, settled


def _pair(table: pa.Table, work: Work, is_merge: bool) -> tuple[pa.Table, Units | None, Solution | None]:
    """What is counted beside, and the units and their pairs; None if an id is there twice."""
    matching = work.matching
    ids = table.column("unit").combine_chunks()
    series = ids.to_pandas()
    ties = None if matching.tie_order is None else table.column("tie").to_pandas()
    keys, n_again = rank_ties(series, hash_ids(series, work.seed), ties)
    if n_again:
        return _tally_rows(ids.type, {"n_repeated": n_again}), None, None
    del series, ties
    units = units_of(table, keys, matching)
    search = work.search
    if is_merge and count_compared(units, matching) * seconds_of_distance(matching) < LONGEST_EXACT:
        search = Search(None, "few are left")
    solution = solve(units, matching, work.reach, work.metric, search)
    if work.add_searched_again is not None:
        work.add_searched_again(solution.n_searched_again or 0)
    told = {"n_unproven": solution.n_unproven, **solution.audit._asdict()} if search.recall is not None else {}
    return _tally_rows(ids.type, told), units, solution


def _solve_task(parcels: list[pa.Table], work: Work) -> pa.Table:
    """The solution; `parcels` is emptied."""
    table, settled = _sort_out(parcels)
    if table is None:
        return pa.concat_tables(settled)
    told, units, solution = _pair(table, work, is_merge="is_pool_cut" in table.column_names)
    if units is None or solution is None:
        return pa.concat_tables([*settled, told])
    ids, focal, partner = table.column("unit").combine_chunks(), solution.focal, solution.partner
    del table
    logit = np.zeros(len(ids), dtype=np.int64) if units.logit is None else units.logit
    sign = -1 if work.matching.direction == "control_to_treated" else 1
    size = np.bincount(focal, minlength=len(ids))
    found = pa.Table.from_arrays(
        [
            pa.array(units.stratum[focal]),
            ids.take(pa.array(focal)),
            ids.take(pa.array(partner)),
            pa.array(solution.distance),
            pa.array(sign * (logit[focal] - logit[partner])),
            pa.array(size[focal].astype(np.int32)),
            pa.nulls(len(focal), pa.int32()),
        ],
        names=_NAMES,
    )
    alone = _alone(ids, units, solution)
    n_found = len(focal) + int((solution.reason == EXHAUSTED).sum())
    return pa.concat_tables([found, alone, *_judge(settled, told, n_found)])


def _judge(settled: list[pa.Table], told: pa.Table, n_found: int) -> list[pa.Table]:
    """What earlier rounds settled, and what this one tells.

    If parts were searched approximately, neither pairs nor who is exhausted are proven: `n_found`, however many of
    them this round doubts itself.
    """
    if not settled:
        return [told]
    rows = pa.concat_tables(settled)
    is_unproven = _are_unproven(rows)
    if not pc.sum(rows.filter(is_unproven).column("distance_fixed")).as_py():
        return [rows, told]
    others = [rows.filter(pc.invert(is_unproven)), told.filter(pc.invert(_are_unproven(told)))]
    return [*others, _tally_rows(rows.schema.field("focal").type, {"n_unproven": n_found})]


def _are_unproven(rows: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(rows.column("reason"), TALLY_CODES["n_unproven"]), False)


def _alone(ids: pa.Array, units: Units, solution: Solution) -> pa.Table:
    n, alone = len(solution.alone), solution.alone
    nothing = [pa.nulls(n, kind) for kind in (ids.type, pa.int64(), pa.int64(), pa.int32())]
    stratum, unit = pa.array(units.stratum[alone]), ids.take(pa.array(alone))
    reason = pa.array(solution.reason.astype(np.int32))
    return pa.Table.from_arrays([stratum, unit, *nothing, reason], names=_NAMES)


_NAMES = ["stratum", "focal", "partner", "distance_fixed", "difference_fixed", "set_size", "reason"]


# What a row counts at most: the distances of an audit may have a larger sum, and are told in several rows.
_MOST_COUNTED = 2**62


def _tally_rows(unit_type: pa.DataType, told: dict[str, int]) -> pa.Table:
    counts = [(name, count) for name, total in told.items() for count in _in_longs(total)]
    n = len(counts)
    counted = pa.array([count for _, count in counts], pa.int64())
    reasons = pa.array([TALLY_CODES[name] for name, _ in counts], pa.int32())
    nothing = [pa.nulls(n, kind) for kind in (pa.int64(), unit_type, unit_type)]
    empty = [pa.nulls(n, pa.int64()), pa.nulls(n, pa.int32())]
    return pa.Table.from_arrays([*nothing, counted, *empty, reasons], names=_NAMES)


def _in_longs(total: int) -> list[int]:
    n_full, rest = divmod(total, _MOST_COUNTED)
    return [*[_MOST_COUNTED] * n_full, rest]


def pass_on(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same. A task that can be asked for it has all that the others need: this module, and what it imports."""
    yield from batches
