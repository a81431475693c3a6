"""How a match on Spark is cut into tasks: strata that no person couples, packed by what they will cost.

A stratum is a group of units equal on all exact columns. A person with control units in several strata couples them;
the exact columns that are the same over all control units of every person cut the units into components that share
nobody. Small components share a task, too large ones are cut into parts (see `parts`). Where the cuts lie changes no
pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from counterpart.matching.cost import (
    LOOK_AGAIN,
    MOVE,
    PAIR,
    SEE,
    TASK_BYTES,
    Search,
    bytes_of_unit,
    choose_search,
    is_in_space,
    may_be_approximate,
    per_service,
    seconds_of_distance,
    share_searched_again,
)
from counterpart.matching.parts import (
    MergeRounds,
    choose_rounds,
    component_window,
    measure_parts,
    nobody_competes,
    spread_parts,
    spread_shares,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from counterpart.matching.columns import Survey
    from counterpart.protocol import Matching

# Score cells are never narrower than this (1/16 logit in units of 2^-31), so that a tiny caliper does not make the
# table of cells, which is broadcast, as long as the treated. Wider cells only keep more controls.
NARROWEST_CELL = 2**27

# Up to so many cells every executor gets the table of them; above, units are shuffled to theirs.
MOST_BROADCAST = 1_000_000
# Tasks are worth their start from some tenths of a second on; more of them than cores even out what was misjudged.
SMALLEST_TASK, TASKS_PER_CORE = 0.25, 3
# Seconds are whole multiples of it, so that sums of them are exact: strata that are counted again after the loss of an
# executor, in another order, are in the same tasks.
_TICK = 2.0**-30


@dataclass(frozen=True)
class Plan:
    """What a match will take, told before it starts. Counts are exact, but for what is predicted: `seconds` (of one
    core), bytes and `n_searched_again`.

    `n_cells` are the cells of strata and scores with somebody in reach, `n_units_moved` the units in them, `n_compared`
    the pairs of units in neighbouring cells, `most_pairs` the pairs that the strata allow at most. `cut_by` are the
    exact columns along which tasks are cut; `n_cut` of the tasks are of components so large that `n_parts` tasks
    before them have a part of one each. `n_searched_again`: the lists of nearest that run dry and are made again if
    those who look lie among those they look at (None: on one score there are no lists); the summary of the match tells
    how many did. `is_few`: the units fit one task, and are matched where the driver is instead.
    """

    n_treated: int
    n_controls: int
    n_strata: int
    n_cells: int
    largest_stratum: int
    n_units_moved: int
    n_compared: int
    most_pairs: int
    cut_by: tuple[str, ...]
    n_tasks: int
    n_cut: int
    n_parts: int
    task_bytes: int
    allowed_bytes: int
    total_bytes: int
    seconds: float
    longest_task: float
    search: Search
    n_searched_again: int | None = None
    is_few: bool = False

    def __str__(self) -> str:
        cut = f", cut by {', '.join(self.cut_by)}" if self.cut_by else ""
        over = f", more than the {self.allowed_bytes:,} bytes allowed: the smaller arm is in every part of a stratum"
        few = "\nfew enough to be matched on the driver, without tasks"
        parts = f", {self.n_parts:,} parts of too large ones before them" if self.n_parts else ""
        return (
            f"{self.n_treated:,} treated, {self.n_controls:,} controls; {self.n_strata:,} strata, the largest of "
            f"{self.largest_stratum:,} units in reach\n"
            f"{self.n_tasks:,} tasks{cut}{parts}; at most {self.most_pairs:,} pairs; {self.n_compared:,} comparisons\n"
            f"{self.n_units_moved:,} units and {_size(self.total_bytes)} in tasks, {_size(self.task_bytes)} in the "
            f"largest; some {self.seconds:.1f} s of one core, {self.longest_task:.1f} s in the longest task"
            f"{over if self.task_bytes > self.allowed_bytes else ''}\n"
            f"{self._say_not_foreseen()}{self.search.name} search ({self.search.because})"
            f"{few if self.is_few else ''}"
        )

    def _say_not_foreseen(self) -> str:
        """What the seconds hold of searching again, and what they cannot."""
        if self.n_searched_again is None:
            return ""
        if self.search.recall is not None:
            return "the seconds are the exact search's: how much of it the approximate one needs is seen on the way\n"
        return (
            f"in these seconds {self.n_searched_again:,} lists of nearest are made again, having run dry; where those "
            "who look lie together and apart from whom they look at, more run dry and it takes longer\n"
        )


@dataclass(frozen=True)
class Cut:
    """The units cut into tasks. `strata`: one row per stratum, with its exact columns and `stratum`.

    `whole`: the units in reach, with `stratum`, `task` (which is their slot) and `has_counterpart`; unit -> unit.
    `parted`: those of components that are cut, with `is_pool_cut` too and the `slot` of their part; unit -> unit and
    part, merged in `rounds`.
    """

    plan: Plan
    strata: DataFrame
    whole: DataFrame
    parted: DataFrame | None
    rounds: MergeRounds | None
    _kept: tuple[DataFrame, ...]

    def release(self) -> None:
        """Free the tables of cells and strata."""
        for kept in self._kept:
            kept.unpersist()


def cut(units: DataFrame, survey: Survey, matching: Matching, task_bytes: int = TASK_BYTES) -> Cut:
    """Count strata and score cells, and give each unit that could be in a pair its task. Some rows reach the driver."""
    exact = [f"exact_{i}" for i in range(len(matching.exact))]
    person = "person" if matching.person else "unit"
    looks_among = F.col("is_treated") == (matching.direction == "control_to_treated")
    used = units.filter("not is_barred").withColumn("is_pool", looks_among)
    celled = _add_cells(used, survey.reach.width_fixed)
    cells = _count_cells(celled, exact, person, survey.reach.width_fixed).persist()
    constant = exact
    if matching.person and exact and not nobody_competes(matching):
        reachable = cells.filter("n_looking > 0").select(*exact, "cell")
        pool = _join(celled.filter("is_pool"), reachable, [*exact, "cell"], how="left_semi")
        constant = _constant_columns(pool, exact)
    n_cores = units.sparkSession.sparkContext.defaultParallelism
    search = choose_search(matching, _count_compared(cells) if may_be_approximate(matching) else 0)
    row_bytes = bytes_of_unit(matching, search)
    strata = _measure_strata(cells, exact, matching, row_bytes)
    measured = measure_parts(strata, constant, matching, n_cores, row_bytes, task_bytes)
    packed = _pack(measured, constant, n_cores, task_bytes).persist()
    cut_by = [matching.exact[exact.index(name)] for name in constant]
    plan, rounds, has_final = _summarise_plan(packed, survey, search, cut_by, task_bytes)
    told = ["stratum", "task", "first_person", "last_person", "is_pool_cut", "n_parts", "is_final"]
    # Whoever looks is in a cell that somebody looks from, so those cells hold all that may be in a pair.
    routes = _join(cells.filter("n_looking > 0").select(*exact, "cell"), packed.select(*exact, *told), exact)
    routed = _join(celled, F.broadcast(routes) if plan.n_cells <= MOST_BROADCAST else routes, [*exact, "cell"])
    has_other = (F.col("first_person") != F.col(person)) | (F.col("last_person") != F.col(person))
    routed = routed.withColumn("has_counterpart", F.coalesce(has_other, F.lit(False)))
    routed = routed.drop(*exact, "arm", "score", "cell", "is_barred", "first_person", "last_person")
    whole = routed.filter("n_parts = 1 or is_final")
    whole = (spread_shares(whole) if has_final else whole).drop("is_pool", "is_pool_cut", "n_parts", "is_final")
    parted = None
    if rounds is not None:
        # The last tasks are those of the components whose parts are merged.
        cut_up = routed.filter("n_parts > 1 and not is_final")
        numbered = cut_up.withColumn("component", F.col("task") - (plan.n_tasks - plan.n_cut))
        parted = spread_parts(numbered, person, rounds).drop("is_pool", "n_parts", "is_final", "component")
    return Cut(plan, packed.select(*exact, "stratum"), whole, parted, rounds, (cells, packed))


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.0f} MB"


def _add_cells(units: DataFrame, width_fixed: int | None) -> DataFrame:
    """Cells are at least a caliper wide, so nobody within the caliper is further than the next."""
    if width_fixed is None:
        return units.withColumn("cell", F.lit(0).cast("bigint"))
    # A cell is named by its lower edge: no division, so it is right for negative scores too.
    edge = F.col("logit") - F.pmod(F.col("logit"), F.lit(_cell_width(width_fixed)))
    return units.withColumn("cell", edge)


def _cell_width(width_fixed: int) -> int:
    return max(width_fixed, NARROWEST_CELL)


def _count_cells(units: DataFrame, exact: Sequence[str], person: str, width_fixed: int | None) -> DataFrame:
    """Units -> stratum and cell: who is there, and how many look for counterparts from there or beside it.

    `n_seen` are those looked among, there or beside it. Its rows are bounded by strata x cells (a logit from -10 to 10
    has at most 320).
    """
    of_pool = F.when(F.col("is_pool"), F.col(person))
    cells = units.groupBy(*exact, "cell").agg(
        F.count_if("is_pool").alias("n_pool"),
        F.count_if(~F.col("is_pool")).alias("n_focal"),
        F.min(of_pool).alias("first_person"),
        F.max(of_pool).alias("last_person"),
    )
    width = 0 if width_fixed is None else _cell_width(width_fixed)
    beside = Window.partitionBy(*exact).orderBy("cell").rangeBetween(-width, width)
    return cells.withColumns({"n_looking": F.sum("n_focal").over(beside), "n_seen": F.sum("n_pool").over(beside)})


def _count_compared(cells: DataFrame) -> int:
    """Pairs of units in neighbouring cells."""
    found = cells.filter("n_looking > 0").agg(F.sum(F.col("n_pool") * F.col("n_looking")).alias("n_compared"))
    return found.collect()[0].n_compared or 0


def _measure_strata(cells: DataFrame, exact: Sequence[str], matching: Matching, row_bytes: int) -> DataFrame:
    """Cells -> stratum that somebody looks for counterparts in: units in reach, what pairing them costs."""
    again = _searched_again(matching)
    strata = cells.groupBy(*exact).agg(
        F.sum("n_focal").alias("n_focal"),
        F.count_if(F.col("n_looking") > 0).alias("n_cells"),
        F.sum(F.when(F.col("n_looking") > 0, F.col("n_pool")).otherwise(0)).alias("n_pool"),
        F.sum(F.col("n_pool") * F.col("n_looking")).alias("n_compared"),
        F.sum(again).alias("n_searched_again"),
        F.sum(again * F.col("n_seen")).alias("n_looks_again"),
        F.min("first_person").alias("first_person"),
        F.max("last_person").alias("last_person"),
    )
    n_units = F.col("n_focal") + F.col("n_pool")
    pairing = F.col("n_pool") * SEE
    if is_in_space(matching):
        pairing = F.col("n_compared") * seconds_of_distance(matching) + F.col("n_looks_again") * LOOK_AGAIN
    wanted = F.col("n_focal") * matching.ratio
    return strata.filter("n_focal > 0").select(
        "*",
        (wanted if matching.replace else F.least(wanted, "n_pool")).alias("most_pairs"),
        (F.rint((n_units * MOVE + F.col("n_focal") * PAIR + pairing) / _TICK) * _TICK).alias("seconds"),
        (n_units * row_bytes).alias("bytes"),
    )


def _searched_again(matching: Matching) -> Column:
    """Of those who look from a cell, how many lists run dry; null on the score, where nobody has a list."""
    if not is_in_space(matching):
        return F.lit(None).cast("bigint")
    wanted = F.col("n_focal") * matching.ratio
    load = F.col("n_looking") * (matching.ratio * per_service(matching)) / F.greatest("n_seen", F.lit(1))
    share = F.when(F.col("n_seen") > 0, F.least(share_searched_again(load), F.lit(1.0))).otherwise(0.0)
    return F.rint(wanted * share).cast("bigint")


def _constant_columns(pool: DataFrame, exact: Sequence[str]) -> list[str]:
    """The exact columns that no person of the pool has two values of."""
    ends = [F.min(F.struct(name)).eqNullSafe(F.max(F.struct(name))).alias(name) for name in exact]
    found = pool.groupBy("person").agg(*ends).agg(*[F.bool_and(name).alias(name) for name in exact]).collect()[0]
    return [name for name in exact if found[name] is not False]


def _pack(strata: DataFrame, constant: Sequence[str], n_cores: int, task_bytes: int) -> DataFrame:
    """Strata with their number and task. The windows see strata, never units.

    Components with final parts, which are as many tasks from theirs on, come after those that are not cut, and those
    whose parts are merged come last.
    """
    component = component_window(constant)
    order = [F.col(name).asc_nulls_first() for name in strata.columns if name.startswith("exact_")] or [F.lit(0)]
    # Strata of a component lie together: their load is counted where its first stratum is.
    by_component = [F.col(name).asc_nulls_first() for name in constant] + order
    everywhere = Window.partitionBy(F.lit(0))
    before = everywhere.orderBy(*by_component)
    is_cut = F.col("n_parts") > 1
    share = F.greatest(F.sum("seconds").over(everywhere) / (TASKS_PER_CORE * n_cores), F.lit(SMALLEST_TASK))
    load = F.greatest(F.col("seconds") / share, F.col("bytes") / F.lit(task_bytes / 2))
    loaded = strata.withColumn("load", F.when(is_cut, 0.0).otherwise(load))
    numbered = loaded.select(
        "*",
        F.row_number().over(before).cast("bigint").alias("stratum"),
        (F.sum("load").over(before) - F.col("load")).alias("load_before"),
    )
    filled = numbered.withColumn("bin", F.floor(F.min("load_before").over(component)))
    kind = F.when(~is_cut, 0).when(F.col("is_final"), 1).otherwise(2)
    tasks = [kind, F.when(~is_cut, F.col("bin")), *[F.when(is_cut, F.col(name)).asc_nulls_first() for name in constant]]
    in_order = everywhere.orderBy(*tasks)
    more = F.sum(F.when(F.col("is_final"), F.col("n_parts") - 1).otherwise(0))
    more_before = more.over(in_order.rowsBetween(Window.unboundedPreceding, -1))
    task = F.dense_rank().over(in_order) - 1 + F.coalesce(more_before, F.lit(0))
    return filled.withColumn("task", task.cast("int")).drop("load", "load_before", "bin")


_SUMMED = ("n_cells", "n_units", "n_compared", "n_searched_again", "most_pairs", "bytes", "seconds")


def _measure_tasks(packed: DataFrame) -> DataFrame:
    """Packed strata -> task; what is cut into final parts is one row still, with as many `n_tasks`."""
    is_cut = F.col("n_parts") > 1
    is_merged = is_cut & ~F.col("is_final")
    counted = packed.withColumn("n_units", F.col("n_focal") + F.col("n_pool"))
    return counted.groupBy("task").agg(
        F.count(F.lit(1)).alias("n_strata"),
        F.max("n_units").alias("largest_stratum"),
        *[F.sum(name).alias(name) for name in _SUMMED],
        F.max(F.when(F.col("is_final"), F.col("n_parts")).otherwise(1)).alias("n_tasks"),
        F.max(F.when(is_merged, F.col("n_parts"))).alias("n_parts"),
        F.min(F.when(is_merged, F.col("most_together"))).alias("most_together"),
        F.max(F.when(is_cut, F.col("part_bytes"))).alias("part_bytes"),
        F.max(F.when(is_cut, F.col("part_seconds"))).alias("part_seconds"),
    )


def _summarise_plan(
    packed: DataFrame, survey: Survey, search: Search, cut_by: Sequence[str], task_bytes: int
) -> tuple[Plan, MergeRounds | None, bool]:
    """The plan, how its parts are merged, and whether any are final."""
    found = (
        _measure_tasks(packed)
        .agg(
            F.count_if(F.col("n_tasks") > 1).alias("n_final"),
            F.coalesce(F.sum("n_tasks"), F.lit(0)).alias("n_tasks"),
            *[F.sum(name).alias(name) for name in ("n_strata", *_SUMMED)],
            F.max("largest_stratum").alias("largest_stratum"),
            F.max(F.coalesce("part_bytes", "bytes")).alias("task_bytes"),
            F.max(F.coalesce("part_seconds", "seconds")).alias("longest_task"),
            F.count("n_parts").alias("n_cut"),
            F.sum("n_parts").alias("n_parts"),
            F.max("n_parts").alias("most_parts"),
            F.min("most_together").alias("most_together"),
        )
        .collect()[0]
    )
    plan = Plan(
        n_treated=survey.n_treated,
        n_controls=survey.n_controls,
        n_strata=found.n_strata or 0,
        n_cells=found.n_cells or 0,
        largest_stratum=found.largest_stratum or 0,
        n_units_moved=found.n_units or 0,
        n_compared=found.n_compared or 0,
        most_pairs=found.most_pairs or 0,
        cut_by=tuple(cut_by),
        n_tasks=found.n_tasks,
        n_cut=found.n_cut,
        n_parts=found.n_parts or 0,
        task_bytes=found.task_bytes or 0,
        allowed_bytes=task_bytes,
        total_bytes=found.bytes or 0,
        seconds=found.seconds or 0.0,
        longest_task=found.longest_task or 0.0,
        search=search,
        n_searched_again=found.n_searched_again,
    )
    rounds = choose_rounds(found.most_parts, found.most_together) if found.n_cut else None
    return plan, rounds, found.n_final > 0


def _join(left: DataFrame, right: DataFrame, by: Sequence[str], how: str = "inner") -> DataFrame:
    """Join on equal columns; missing values are equal to each other."""
    renamed = right.select(*[F.col(name).alias(f"{name}_right" if name in by else name) for name in right.columns])
    is_same = reduce(_both, (_is_same(F.col(name), F.col(f"{name}_right"), name == "cell") for name in by), F.lit(True))
    return left.join(renamed, is_same, how).select(
        *left.columns, *([] if how == "left_semi" else [name for name in right.columns if name not in by])
    )


def _is_same(left: Column, right: Column, is_told: bool) -> Column:
    """Cells are never missing; a join that knows looks a long up and no row of it and of what it lacks."""
    return left == right if is_told else left.eqNullSafe(right)


def _both(left: Column, right: Column) -> Column:
    return left & right
