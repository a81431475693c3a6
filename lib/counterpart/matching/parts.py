"""How a component that is too large for one task is cut, and why no pair depends on it.

The larger arm is cut: units that are looked among by person (all units of a person lie in one part), units that look
by unit. Each part is matched with the whole smaller arm. Who stays alone in a part stays alone in the whole, because
more units on one's own side never help (Gale & Sotomayor 1985, Discrete Applied Mathematics 11:223-232), and leaving
out who stays alone changes nobody's pair. So each part hands on the persons that serve (or the units that found
somebody), which are at most as many as the smaller arm, and the match of those is the match of all. Parts are merged
a few at a time where all at once would be too large. The bytes of a task follow the setting and the smaller arm,
whatever the stratum.

With replacement and no cap on it nobody competes. Of those who look, each part then has a share whose pairs are final:
it is a task of its own, and nothing is merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from counterpart.matching.cost import is_in_space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame
    from pyspark.sql.window import WindowSpec

    from counterpart.protocol import Matching

# A component that takes so many seconds to search in several dimensions is cut where other cores would stand idle
# meanwhile, as long as each part has so many times the units of the smaller arm: fewer would compete much in each part
# and leave little to throw away. On one score moving the units twice costs what a second core would win.
LONG_TASK, LEAST_ODDS = 3.0, 8


@dataclass(frozen=True)
class MergeRounds:
    """The merging of parts: `n_together` at a time, `n_rounds` times; then one is left of each component."""

    n_parts: int
    n_together: int
    n_rounds: int

    @property
    def width(self) -> int:
        """Slots of a component, some of them empty: so nobody of the next one is in its merges."""
        return int(self.n_together**self.n_rounds)


def choose_rounds(n_parts: int, most_together: int) -> MergeRounds:
    """As few rounds as will do, of merges that are as small as will do."""
    n_rounds = 1
    while most_together**n_rounds < n_parts:
        n_rounds += 1
    n_together = next(n for n in range(1, n_parts + 1) if n**n_rounds >= n_parts)
    return MergeRounds(n_parts, n_together, n_rounds)


def measure_parts(
    strata: DataFrame, constant: Sequence[str], matching: Matching, n_cores: int, row_bytes: int, task_bytes: int
) -> DataFrame:
    """Strata -> the same with what is true of the component each belongs to, the same in all its strata.

    `is_pool_cut`, `n_parts` (1: it is solved by one task), `is_final` (its parts are not merged), `most_together` (how
    many a merge may have), `part_bytes` and `part_seconds` of its largest task and of those that follow one another.
    """
    component = component_window(constant)
    sums = {name: F.sum(name).over(component) for name in ("n_focal", "n_pool", "seconds", "bytes")}
    measured = strata.withColumns({f"all_{name}": total for name, total in sums.items()})
    measured = measured.withColumns(
        {
            "is_pool_cut": F.col("all_n_pool") >= F.col("all_n_focal"),
            "n_larger": F.greatest("all_n_pool", "all_n_focal"),
            "n_smaller": F.greatest(F.least("all_n_pool", "all_n_focal"), F.lit(1)),
        }
    )
    measured = measured.withColumn("n_parts", _n_parts(matching, n_cores, row_bytes, task_bytes))
    measured = measured.withColumn(
        "is_final", F.lit(nobody_competes(matching)) & ~F.col("is_pool_cut") & (F.col("n_parts") > 1)
    )
    larger, smaller, n_parts = F.col("n_larger"), F.col("n_smaller"), F.col("n_parts")
    most_served = F.when(F.col("is_pool_cut"), F.lit(matching.ratio)).otherwise(F.lit(matching.reuse or 1))
    stays = F.least(F.ceil(larger / n_parts), smaller * most_served)
    together = F.floor((F.lit(task_bytes / row_bytes) - smaller) / stays)
    measured = measured.withColumn("most_together", F.least(F.greatest(together, F.lit(2)), n_parts).cast("int"))
    merged = F.when(F.col("is_final"), 0).otherwise(F.col("most_together") * stays)
    part_bytes = (F.greatest(larger / n_parts, merged) + smaller) * row_bytes
    of_merge = F.col("all_seconds") * merged / larger
    return measured.select(
        *[name for name in measured.columns if not name.startswith(("all_", "n_larger", "n_smaller"))],
        part_bytes.cast("bigint").alias("part_bytes"),
        (F.col("all_seconds") / n_parts + of_merge).alias("part_seconds"),
    )


def nobody_competes(matching: Matching) -> bool:
    """Does everybody who looks find the nearest, whoever else looks?"""
    return matching.replace and matching.reuse is None


def component_window(constant: Sequence[str]) -> WindowSpec:
    """The strata of a component."""
    return Window.partitionBy(*constant) if constant else Window.partitionBy(F.lit(0))


def _n_parts(matching: Matching, n_cores: int, row_bytes: int, task_bytes: int) -> Column:
    larger, smaller = F.col("n_larger"), F.col("n_smaller")
    room = F.greatest(F.lit(task_bytes) - smaller * row_bytes, smaller * row_bytes)
    # Tasks are filled with components of up to half of what they may hold.
    by_bytes = F.when(F.col("all_bytes") > task_bytes // 2, F.ceil(larger * row_bytes / room)).otherwise(1)
    if not is_in_space(matching):
        return F.greatest(by_bytes, F.lit(1)).cast("int")
    a_core_each = F.sum("seconds").over(Window.partitionBy(F.lit(0))) / n_cores
    worth = F.least(F.ceil(F.col("all_seconds") / a_core_each), F.floor(larger / (LEAST_ODDS * smaller)))
    by_seconds = F.when(F.col("all_seconds") > F.greatest(a_core_each, F.lit(LONG_TASK)), worth).otherwise(1)
    return F.greatest(by_bytes, by_seconds, F.lit(1)).cast("int")


def spread_shares(units: DataFrame) -> DataFrame:
    """Units of which some are of final parts, the first of them its `task` -> one row per unit and task."""
    first = F.col("task")
    everywhere = F.sequence(first, first + F.col("n_parts") - 1)
    own = F.array(first + F.pmod(F.xxhash64("unit"), F.col("n_parts")).cast("int"))
    tasks = F.when(~F.col("is_final"), F.array(first)).when(F.col("is_pool"), everywhere).otherwise(own)
    return units.withColumn("task", F.explode(tasks))


def spread_parts(units: DataFrame, person: str, rounds: MergeRounds) -> DataFrame:
    """Units of components that are cut, with `component` (from 0) -> one row per unit and part, with `slot`."""
    key = F.when(F.col("is_pool_cut"), F.xxhash64(person)).otherwise(F.xxhash64("unit"))
    own = F.array(F.pmod(key, F.col("n_parts")).cast("int"))
    everywhere = F.sequence(F.lit(0), F.col("n_parts") - 1)
    parts = F.when(F.col("is_pool") == F.col("is_pool_cut"), own).otherwise(everywhere)
    first_slot = F.col("component") * rounds.width
    return units.withColumn("slot", F.explode(F.transform(parts, lambda part: first_slot + part)))
