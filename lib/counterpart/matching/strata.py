"""Strata and reach: which comparators any treated unit could be paired with, decided before Python sees a row."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

# Score cells are never narrower than this (1/16 logit in units of 2^-31), so that a tiny caliper does not make the
# table of cells, which is broadcast, as long as the treated. Wider cells only keep more comparators.
NARROWEST_CELL = 2**27


def is_treated() -> Column:
    """The arm as a Boolean."""
    return F.col("arm") == "treated"


def add_stratum(units: DataFrame, exact: Sequence[str]) -> DataFrame:
    """Units of strata that hold a treated unit, with `stratum` BIGINT and `has_counterpart`. Unit -> unit.

    The stratum is named by its smallest treated unit id, so no two strata can share a name as hashes could. Nulls of
    an exact column are equal to each other: the unknown are compared with the unknown. `has_counterpart` says whether
    the stratum holds a comparator unit of another person. The table of strata is broadcast: its rows are bounded by
    the values of the exact columns (some ten thousand).
    """
    comparator_member = F.when(~is_treated(), F.col("member_key"))
    strata = (
        units.groupBy(*[F.col(name).alias(f"stratum_{name}") for name in exact])
        .agg(
            F.min(F.when(is_treated(), F.col("unit_id"))).alias("stratum"),
            F.min(comparator_member).alias("first_member"),
            F.max(comparator_member).alias("last_member"),
        )
        .filter(F.col("stratum").isNotNull())
    )
    is_same = (F.col(name).eqNullSafe(F.col(f"stratum_{name}")) for name in exact)
    has_other = (F.col("first_member") != F.col("member_key")) | (F.col("last_member") != F.col("member_key"))
    return units.join(F.broadcast(strata), on=reduce(_both, is_same, F.lit(True)), how="inner").withColumn(
        "has_counterpart", F.coalesce(has_other, F.lit(False))
    )


def select_in_reach(units: DataFrame, width_fixed: int | None) -> DataFrame:
    """All treated units, and the comparators whose score cell, or one beside it, holds a treated unit of the stratum.

    unit -> unit. Cells are at least a caliper wide, so nobody within the caliper is lost. The table of cells is
    broadcast: its rows are bounded by strata x cells (a logit from -10 to 10 has at most 320).
    """
    if width_fixed is None:
        return units
    width = max(width_fixed, NARROWEST_CELL)
    # A cell is named by its lower edge: no division, so it is right for negative scores too.
    with_cell = units.withColumn("cell", F.col("logit_fixed") - F.pmod(F.col("logit_fixed"), F.lit(width)))
    around = F.explode(F.array(F.col("cell") - width, F.col("cell"), F.col("cell") + width))
    reachable = with_cell.filter(is_treated()).select("stratum", around.alias("cell")).distinct()
    comparators = with_cell.filter(~is_treated()).join(F.broadcast(reachable), on=["stratum", "cell"], how="left_semi")
    return with_cell.filter(is_treated()).unionByName(comparators)


def _both(left: Column, right: Column) -> Column:
    return left & right
