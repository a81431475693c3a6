"""How a match on Spark is cut into tasks: strata that no person couples, packed by what they will cost.

A stratum is a group of units equal on all exact columns. A person with control units in several strata couples them;
the exact columns that are the same over all control units of every person cut the units into components that share
nobody. A component is solved by one task, small ones share a task. Where the cuts lie changes no pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from counterpart.matching.cost import MOVE, PAIR, SEE, Search, choose_search, is_in_space, seconds_of_distance

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from counterpart.matching.columns import Survey
    from counterpart.protocol import Matching

# Score cells are never narrower than this (1/16 logit in units of 2^-31), so that a tiny caliper does not make the
# table of cells, which is broadcast, as long as the treated. Wider cells only keep more controls.
NARROWEST_CELL = 2**27

# Bytes of a unit in a task: moved and laid out (103 measured at 100 million units whose ids are whole numbers; texts
# add their length); for each number it is compared by.
ROW_BYTES, NUMBER_BYTES = 110, 24
# Up to so many cells every executor gets the table of them; above, units are shuffled to theirs.
MOST_BROADCAST = 1_000_000
# Tasks are worth their start from some tenths of a second on; more of them than cores even out what was misjudged.
SMALLEST_TASK, TASKS_PER_CORE = 0.25, 3


@dataclass(frozen=True)
class Plan:
    """What a match will take, told before it starts. Counts are exact, `seconds` (of one core) and bytes predictions.

    `n_cells` are the cells of strata and scores with somebody in reach, `n_units_moved` the units in them, `n_compared`
    the pairs of units in neighbouring cells, `most_pairs` the pairs that the strata allow at most. `cut_by` are the
    exact columns along which tasks are cut.
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
    task_bytes: int
    total_bytes: int
    seconds: float
    longest_task: float
    search: Search

    def __str__(self) -> str:
        cut = f", cut by {', '.join(self.cut_by)}" if self.cut_by else ""
        return (
            f"{self.n_treated:,} treated, {self.n_controls:,} controls; {self.n_strata:,} strata, the largest of "
            f"{self.largest_stratum:,} units in reach\n"
            f"{self.n_tasks:,} tasks{cut}; at most {self.most_pairs:,} pairs; {self.n_compared:,} comparisons\n"
            f"{self.n_units_moved:,} units and {_size(self.total_bytes)} in tasks, {_size(self.task_bytes)} in the "
            f"largest; some {self.seconds:.1f} s of one core, {self.longest_task:.1f} s in the longest task\n"
            f"{self.search.name} search ({self.search.because})"
        )


@dataclass(frozen=True)
class Cut:
    """The units cut into tasks. `strata`: one row per stratum, with its exact columns, `stratum` and `task`.

    `routed`: the units in reach, with `stratum`, `task` and `has_counterpart`; unit -> unit.
    """

    plan: Plan
    strata: DataFrame
    routed: DataFrame
    _kept: tuple[DataFrame, ...]

    def release(self) -> None:
        """Free the tables of cells and strata."""
        for kept in self._kept:
            kept.unpersist()


def cut(units: DataFrame, survey: Survey, matching: Matching) -> Cut:
    """Count strata and score cells, and give each unit that could be in a pair its task. Two rows reach the driver."""
    exact = [f"exact_{i}" for i in range(len(matching.exact))]
    person = "person" if matching.person else "unit"
    looks_among = F.col("is_treated") == (matching.direction == "control_to_treated")
    used = units.filter("not is_barred").withColumn("is_pool", looks_among)
    celled = _add_cells(used, survey.reach.width_fixed)
    cells = _count_cells(celled, exact, person, survey.reach.width_fixed).persist()
    constant = exact
    if matching.person and exact:
        reachable = cells.filter("n_looking > 0").select(*exact, "cell")
        pool = _join(celled.filter("is_pool"), reachable, [*exact, "cell"], how="left_semi")
        constant = _constant_columns(pool, exact)
    n_cores = units.sparkSession.sparkContext.defaultParallelism
    packed = _pack(_measure_strata(cells, exact, matching), constant, n_cores).persist()
    plan = _tell(packed, survey, matching, [matching.exact[exact.index(name)] for name in constant])
    of_strata = packed.select(*exact, "stratum", "task", "first_person", "last_person")
    # Whoever looks is in a cell that somebody looks from, so those cells hold all that may be in a pair.
    routes = _join(cells.filter("n_looking > 0").select(*exact, "cell"), of_strata, exact)
    routed = _join(celled, F.broadcast(routes) if plan.n_cells <= MOST_BROADCAST else routes, [*exact, "cell"])
    has_other = (F.col("first_person") != F.col(person)) | (F.col("last_person") != F.col(person))
    routed = routed.withColumn("has_counterpart", F.coalesce(has_other, F.lit(False)))
    unneeded = {*exact, "arm", "score", "cell", "is_pool", "is_barred", "first_person", "last_person"}
    return Cut(plan, packed.select(*exact, "stratum"), routed.drop(*unneeded), (cells, packed))


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

    Its rows are bounded by strata x cells (a logit from -10 to 10 has at most 320).
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
    return cells.withColumn("n_looking", F.sum("n_focal").over(beside))


def _measure_strata(cells: DataFrame, exact: Sequence[str], matching: Matching) -> DataFrame:
    """Cells -> stratum that somebody looks for counterparts in: units in reach, what pairing them costs."""
    strata = cells.groupBy(*exact).agg(
        F.sum("n_focal").alias("n_focal"),
        F.count_if(F.col("n_looking") > 0).alias("n_cells"),
        F.sum(F.when(F.col("n_looking") > 0, F.col("n_pool")).otherwise(0)).alias("n_pool"),
        F.sum(F.col("n_pool") * F.col("n_looking")).alias("n_compared"),
        F.min("first_person").alias("first_person"),
        F.max("last_person").alias("last_person"),
    )
    n_numbers = len(matching.covariates) + len(matching.calipers)
    n_units = F.col("n_focal") + F.col("n_pool")
    pairing = F.col("n_compared") * seconds_of_distance(matching) if is_in_space(matching) else F.col("n_pool") * SEE
    wanted = F.col("n_focal") * matching.ratio
    return strata.filter("n_focal > 0").select(
        "*",
        (wanted if matching.replace else F.least(wanted, "n_pool")).alias("most_pairs"),
        (n_units * MOVE + F.col("n_focal") * PAIR + pairing).alias("seconds"),
        (n_units * (ROW_BYTES + NUMBER_BYTES * n_numbers)).alias("bytes"),
    )


def _constant_columns(pool: DataFrame, exact: Sequence[str]) -> list[str]:
    """The exact columns that no person of the pool has two values of."""
    ends = [F.min(F.struct(name)).eqNullSafe(F.max(F.struct(name))).alias(name) for name in exact]
    found = pool.groupBy("person").agg(*ends).agg(*[F.bool_and(name).alias(name) for name in exact]).collect()[0]
    return [name for name in exact if found[name] is not False]


def _pack(strata: DataFrame, constant: Sequence[str], n_cores: int) -> DataFrame:
    """Strata with their number and task. The windows see strata, never units."""
    component = Window.partitionBy(*constant) if constant else Window.partitionBy(F.lit(0))
    order = [F.col(name).asc_nulls_first() for name in strata.columns if name.startswith("exact_")] or [F.lit(0)]
    # Strata of a component lie together: their load is counted where its first stratum is.
    by_component = [F.col(name).asc_nulls_first() for name in constant] + order
    everywhere = Window.partitionBy(F.lit(0))
    before = everywhere.orderBy(*by_component)
    share = F.greatest(F.sum("seconds").over(everywhere) / (TASKS_PER_CORE * n_cores), F.lit(SMALLEST_TASK))
    numbered = strata.select(
        "*",
        F.row_number().over(before).cast("bigint").alias("stratum"),
        (F.sum("seconds").over(before) - F.col("seconds")).alias("seconds_before"),
        share.alias("share"),
    )
    load = F.min("seconds_before").over(component) / F.col("share")
    return numbered.withColumn("task", F.floor(load).cast("int")).drop("seconds_before", "share")


def _tell(packed: DataFrame, survey: Survey, matching: Matching, cut_by: Sequence[str]) -> Plan:
    of_tasks = packed.groupBy("task").agg(
        F.count(F.lit(1)).alias("n_strata"),
        F.max(F.col("n_focal") + F.col("n_pool")).alias("largest_stratum"),
        F.sum(F.col("n_focal") + F.col("n_pool")).alias("n_units"),
        F.sum("n_cells").alias("n_cells"),
        F.sum("n_compared").alias("n_compared"),
        F.sum("most_pairs").alias("most_pairs"),
        F.sum("bytes").alias("bytes"),
        F.sum("seconds").alias("seconds"),
    )
    found = of_tasks.agg(
        F.count(F.lit(1)).alias("n_tasks"),
        *[
            F.sum(name).alias(name)
            for name in ("n_strata", "n_cells", "n_units", "n_compared", "most_pairs", "bytes", "seconds")
        ],
        F.max("largest_stratum").alias("largest_stratum"),
        F.max("bytes").alias("task_bytes"),
        F.max("seconds").alias("longest_task"),
    ).collect()[0]
    return Plan(
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
        task_bytes=found.task_bytes or 0,
        total_bytes=found.bytes or 0,
        seconds=found.seconds or 0.0,
        longest_task=found.longest_task or 0.0,
        search=choose_search(matching, found.n_compared or 0),
    )


def _join(left: DataFrame, right: DataFrame, by: Sequence[str], how: str = "inner") -> DataFrame:
    """Join on equal columns; missing values are equal to each other."""
    renamed = right.select(*[F.col(name).alias(f"{name}_right" if name in by else name) for name in right.columns])
    is_same = reduce(_both, (F.col(name).eqNullSafe(F.col(f"{name}_right")) for name in by), F.lit(True))
    return left.join(renamed, is_same, how).select(
        *left.columns, *([] if how == "left_semi" else [name for name in right.columns if name not in by])
    )


def _both(left: Column, right: Column) -> Column:
    return left & right
