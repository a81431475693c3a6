"""Strata that no task can hold, or that take long, are cut; whoever cuts them, the pairs are those of the whole."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pyspark.sql import functions as F
from tests.matched_units import SCORED, SEED, content_of

from counterpart import Matching, match, plan
from counterpart.matching.cost import share_searched_again
from counterpart.matching.placing import spread_over_tasks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("in_tasks")]


@pytest.fixture
def few_treated(tied_units: DataFrame, tied_table: pd.DataFrame) -> tuple[DataFrame, pd.DataFrame]:
    """Units in Spark and in pandas of which a tenth of the treated are left: what must be in every part is little."""
    return tied_units.filter("not treated or cost < 10"), tied_table[~tied_table.treated | (tied_table.cost < 10)]


@pytest.mark.parametrize(
    ("settings", "task_bytes"),
    [
        ({"exact": ("band", "state"), "person": "person", "ratio": 2, "min_ratio": 2}, 30_000),
        ({"exact": ("band",), "direction": "control_to_treated", "caliper": 0.4, "order": "smallest"}, 20_000),
        ({"distance": "mahalanobis", "covariates": ("age", "cost"), "caliper": None, "person": "person"}, 60_000),
    ],
    ids=str,
)
def test_strata_too_large_for_a_task_are_cut(
    few_treated: tuple[DataFrame, pd.DataFrame], settings: dict[str, Any], task_bytes: int
):
    """Into parts of which none takes more than is allowed; the pairs are those of the whole."""
    matching = Matching(**SCORED | settings)
    units, in_pandas = few_treated
    uncut, told = plan(units, matching), plan(units, matching, task_bytes)
    assert (uncut.n_parts, uncut.task_bytes > task_bytes, told.task_bytes <= task_bytes) == (0, True, True)
    assert told.n_parts > told.n_cut > 0
    found = match(units, matching, SEED, task_bytes)
    assert content_of(found) == content_of(match(in_pandas, matching, SEED))


def test_a_spark_that_cannot_place_rows_cuts_alike(
    spark: SparkSession, few_treated: tuple[DataFrame, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
):
    """Before 4.1: by a number that the hash sends to the task's own partition."""
    monkeypatch.setattr("counterpart.matching.placing._can_place", lambda _: False)

    for n in (1, 7, 150):
        placed = spread_over_tasks(spark.range(3 * n).select((F.col("id") % n).alias("id")), n, "id")
        rows = placed.select(F.spark_partition_id().alias("task"), "id").collect()
        assert Counter(rows) == dict.fromkeys(dict(rows).items(), 3)
        assert (len(dict(rows)), len(set(rows))) == (n, n)
    matching = Matching(**SCORED, exact=("band",), replace=True, direction="control_to_treated")
    units, in_pandas = few_treated
    assert plan(units, matching, 36_000).n_tasks > 3
    assert content_of(match(units, matching, SEED, 36_000)) == content_of(match(in_pandas, matching, SEED))


@pytest.mark.parametrize(
    ("settings", "task_bytes"),
    [
        ({"exact": ("band", "state"), "person": "person", "ratio": 2}, 36_000),
        ({"distance": "mahalanobis", "covariates": ("age", "cost"), "exact": ("state",)}, 60_000),
        ({}, 60_000),
    ],
    ids=str,
)
def test_where_nobody_competes_those_who_look_are_shared_out(
    few_treated: tuple[DataFrame, pd.DataFrame], settings: dict[str, Any], task_bytes: int
):
    """Controls look among few treated, who serve as often as they are wanted: more tasks, and no merging."""
    matching = Matching(**SCORED, **settings, direction="control_to_treated", replace=True)
    units, in_pandas = few_treated
    uncut, told = plan(units, matching), plan(units, matching, task_bytes)
    assert uncut.task_bytes > task_bytes >= told.task_bytes
    assert told.n_tasks > uncut.n_tasks
    assert (told.n_cut, told.n_parts) == (0, 0)
    found = match(units, matching, SEED, task_bytes)
    assert content_of(found) == content_of(match(in_pandas, matching, SEED))


def test_strata_of_both_kinds_are_cut(spark: SparkSession, tied_table: pd.DataFrame):
    """With replacement: where the treated look and are more than the controls, and where they are fewer."""
    matching = Matching(**SCORED, exact=("state",), replace=True)
    mixed = tied_table[(tied_table.treated == (tied_table.state == "NY")) | (tied_table.cost < 10)]
    units = spark.createDataFrame(mixed.sample(frac=1, random_state=2))
    told = plan(units, matching, 12_000)
    assert told.n_cut > 0
    assert told.n_tasks > told.n_strata
    assert content_of(match(units, matching, SEED, 12_000)) == content_of(match(mixed, matching, SEED))


def test_a_long_search_is_cut_for_idle_cores(
    tied_units: DataFrame, few_treated: tuple[DataFrame, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
):
    """Into as many parts as cores; not where few times the treated are left to a part, nor on the score."""
    monkeypatch.setattr("counterpart.matching.parts.LONG_TASK", 0.0)
    fewer, _ = few_treated
    in_space = Matching(**SCORED, distance="mahalanobis", covariates=("age", "cost"), caliper=None)
    uncut, on_score = plan(tied_units, in_space), plan(fewer, Matching(**SCORED, caliper=None))
    assert (plan(fewer, in_space).n_parts, uncut.n_parts, on_score.n_parts) == (2, 0, 0)
    # All are in one cell of one stratum.
    dry = uncut.n_treated * share_searched_again(uncut.n_treated / uncut.n_controls)
    assert (uncut.n_searched_again, on_score.n_searched_again) == (pytest.approx(dry, abs=0.5), None)


def test_what_the_smaller_arm_takes_no_cut_makes_less(tied_units: DataFrame):
    """459 treated are in every part, so 10,000 bytes cannot do; the plan says so."""
    told = plan(tied_units, Matching(**SCORED), task_bytes=10_000)
    assert told.task_bytes > 10_000
    assert "more than the 10,000 bytes allowed" in str(told)
