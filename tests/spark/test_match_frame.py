"""`match` on a Spark table: all that it gives of the same table in pandas, which the slow way confirms elsewhere."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from tests.matched_units import SCORED, SEED, content_of

from counterpart import Matching, balance, match, plan
from counterpart.errors import ContractError, DataError, EnvironmentProblem
from counterpart.matching import distributed
from counterpart.matching.cost import FEW_SECONDS, room_at_driver
from counterpart.matching.solve import Reach

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from counterpart.matching.task import Stage, Work

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("in_tasks")]

SETTINGS: list[dict[str, Any]] = [
    {"exact": ("state", "band")},
    {"exact": ("state", "band"), "person": "person"},
    {"exact": ("band", "state"), "person": "person", "one_role": True, "caliper_scale": "overall", "ratio": 3},
    {"caliper": None, "order": "largest"},
    {"person": "person", "order": "smallest", "ratio": 2, "min_ratio": 2, "exact": ("band",)},
    {"tie_order": "visit", "order": "data", "caliper": 0.5, "caliper_scale": "raw", "exact": ("state",)},
    {"replace": True, "reuse": 2, "ratio": 2, "direction": "control_to_treated", "exact": ("state",)},
    {"calipers": {"age": 1.0, "cost": 20.0}, "exact": ("state",)},
    {"distance": "mahalanobis", "covariates": ("age", "cost", "score"), "exact": ("state",), "person": "person"},
    {"distance": "euclidean", "covariates": ("cost", "age"), "covariance": "treated", "caliper": None, "ratio": 2},
    {"score": None, "distance": "mahalanobis", "covariates": ("age", "cost"), "covariance": "controls"}
    | {"caliper": None, "exact": ("band",)},
]


@pytest.fixture
def at_once(in_tasks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterpart.matching.cost.FEW_SECONDS", FEW_SECONDS)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_spark_gives_what_pandas_gives(tied_units: DataFrame, tied_table: pd.DataFrame, settings: dict[str, Any]):
    matching = Matching(**SCORED | settings)
    ours, expected = match(tied_units, matching, SEED), match(tied_table, matching, SEED)
    assert ours.plan is not None
    again = [result.summary.get("searched_again") for result in (ours, expected)]
    # Proposals in float32, and so the lists, may differ a little with the order of rows.
    assert again[0] == (again[1] and pytest.approx(again[1], rel=0.2))
    assert content_of(ours) == content_of(expected)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_few_units_are_matched_where_the_driver_is(
    tied_units: DataFrame, tied_table: pd.DataFrame, settings: dict[str, Any]
):
    matching = Matching(**SCORED | settings)
    ours, expected = match(tied_units, matching, SEED), match(tied_table, matching, SEED)
    assert ours.plan is None
    assert content_of(ours) == content_of(expected)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("allowed", "is_few"), [("0", True), ("1g", True), ("50k", False)])
def test_no_more_is_collected_than_spark_allows(
    tied_units: DataFrame, monkeypatch: pytest.MonkeyPatch, allowed: str, is_few: bool
):
    """What Spark would refuse goes through tasks, and the plan says the same."""
    assert tied_units.sparkSession.conf.get("spark.driver.maxResultSize") == "0"
    monkeypatch.setattr(distributed, "room_at_driver", lambda task_bytes, _: room_at_driver(task_bytes, allowed))
    matching = Matching(**SCORED)
    assert plan(tied_units, matching).is_few is is_few
    found = match(tied_units, matching, SEED)
    assert (found.plan is None) is is_few
    found.release()


def test_the_arm_that_is_not_measured_stretches_no_grid(tied_units: DataFrame):
    """As in pandas a stray value of a treated unit leaves the controls' covariance alone; one too far away is told."""
    settings = {"distance": "mahalanobis", "covariates": ("cost", "age"), "covariance": "controls", "caliper": None}
    first = f"id = {tied_units.filter('treated').agg(F.min('id')).first()[0]}"
    stray = tied_units.withColumn("cost", F.expr(f"if({first}, 999999999, cost)"))
    ours, expected = (match(units, Matching(**SCORED | settings), SEED) for units in (stray, stray.toPandas()))
    assert content_of(ours) == content_of(expected)
    ours.release()
    with pytest.raises(DataError, match="standard deviations of the controls or more apart"):
        match(stray.withColumn("cost", F.expr(f"if({first}, 1e15D, cost)")), Matching(**SCORED | settings), SEED)


def test_the_caliper_of_the_largest_scores_is_exact(tied_units: DataFrame):
    """Logits just below the largest, of both signs: their squares have 84 bits, and Spark sums them in parts."""
    largest = 2_048 - 2**-20
    wide = tied_units.withColumn("score", F.expr(f"if(id % 2 = 0, {largest}D, -{largest}D) - if(id % 3 = 0, score, 0)"))
    wide = wide.withColumn("score", F.greatest(F.lit(-largest), F.least(F.lit(largest), "score")))
    matching = Matching(**SCORED)
    ours, expected = match(wide, matching, SEED), match(wide.toPandas(), matching, SEED)
    assert ours.plan is not None
    assert content_of(ours) == content_of(expected)
    ours.release()


@pytest.mark.usefixtures("at_once")
def test_few_units_keep_their_types(tied_units: DataFrame):
    """Ids and exact columns of the result are of the type they have in the table, and missing stays missing."""
    kinds = {"day": "date", "moment": "timestamp", "price": "decimal(9,2)", "half": "float"}
    kept = tied_units.selectExpr(
        *["treated", "score", "cast(rank() over (order by id) as smallint) id"],
        "date_add(date'2020-01-31', cast(visit as int)) day",
        "if(visit = 0, null, timestamp'2020-03-29 01:30:00') moment",
        "cast(visit as decimal(9,2)) price",
        "cast(case visit when 0 then '0.0' when 1 then '-0.0' else if(age > 4, 'NaN', null) end as float) half",
    )
    matching = Matching(**SCORED, exact=("day", "moment", "price", "half"))
    found = match(kept, matching, SEED)
    ids = dict.fromkeys(("set_id", "treated_id", "control_id"), "smallint")
    measured = dict.fromkeys(("distance", "score_difference"), "double")
    assert dict(found.pairs.dtypes) == ids | measured | kinds
    assert dict(found.weights.dtypes) == {"id": "smallint", "weight": "double", "set_id": "smallint"}
    assert dict(found.unmatched.dtypes) == {"treated_id": "smallint", "reason": "string"}
    assert content_of(found) == content_of(match(kept.toPandas(), matching, SEED))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("keep", ["false", "treated", "not treated"])
def test_an_arm_of_few_units_without_any(tied_units: DataFrame, tied_table: pd.DataFrame, keep: str):
    matching = Matching(**SCORED, exact=("state",), distance="euclidean", covariates=("age", "cost"))
    expected = match(tied_table.query({"false": "id != id"}.get(keep, keep)).reset_index(drop=True), matching, SEED)
    assert content_of(match(tied_units.filter(keep), matching, SEED)) == content_of(expected)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("band", ["array(band)", "collate(if(visit = 0, upper(band), band), 'UTF8_LCASE')"])
def test_what_only_spark_can_tell_apart_goes_through_tasks(tied_units: DataFrame, tied_table: pd.DataFrame, band: str):
    matching = Matching(**SCORED, exact=("band",))
    ours, expected = (match(t, matching, SEED) for t in (tied_units.withColumn("band", F.expr(band)), tied_table))
    assert ours.plan is not None
    columns = ["treated_id", "control_id"]
    assert set(ours.pairs.select(columns).toPandas().itertuples(index=False, name=None)) == set(
        expected.pairs[columns].itertuples(index=False, name=None)
    )
    ours.release()


def test_probabilities_and_arms_as_numbers(tied_units: DataFrame, tied_table: pd.DataFrame):
    """The logarithm has the same last bits; ids of text have the same hash and order."""
    matching = Matching(score="score", exact=("state",))
    as_text = {"id": F.concat(F.lit("unit "), "id"), "treated": F.col("treated").cast("int")}
    frame = tied_units.withColumns(as_text | {"score": 1 / (1 + F.exp(-F.col("score")))})
    in_pandas = frame.toPandas()
    assert content_of(match(frame, matching, SEED)) == content_of(match(in_pandas, matching, SEED))


@pytest.mark.parametrize("n_partitions", [1, 30])
def test_partitions_and_names_do_not_matter(tied_units: DataFrame, n_partitions: int):
    matching = Matching(**SCORED, exact=("state", "band"), person="person")
    expected = content_of(match(tied_units, matching, SEED))["pairs"][1]
    names = {"id": "is_treated", "treated": "logit", "person": "stratum", "state": "task", "band": "a`b c"}
    renamed = tied_units.withColumnsRenamed(names).repartition(n_partitions, "age")
    again = Matching(
        id="is_treated", treated="logit", person="stratum", exact=("task", "a`b c"), score="score", score_scale="logit"
    )
    assert content_of(match(renamed, again, SEED))["pairs"][1] == expected


def test_persons_in_several_strata_keep_them_in_one_task(tied_units: DataFrame):
    """`state` is of the person, `band` of the date: only states may be cut apart."""
    told = plan(tied_units, Matching(**SCORED, exact=("band", "state"), person="person"))
    assert told.cut_by == ("state",)
    assert plan(tied_units, Matching(**SCORED, exact=("band", "state"))).cut_by == ("band", "state")
    assert told.n_strata == 12
    assert (told.n_treated, told.n_controls) == tuple(
        tied_units.filter(keep).count() for keep in ("treated", "not treated")
    )
    assert "12 strata" in str(told)


REFUSED = [
    ({"score": "if(age > 0, score, null)"}, r"score is missing in \d+ of 1,500 units"),
    ({"score": "if(age > 0, score, double('nan'))"}, r"score is missing in \d+ of 1,500 units"),
    ({"score": "double('infinity')"}, "score is not finite in 1,500 of 1,500"),
    ({"score": "3000.0"}, "score is 2,048 or more in size in 1,500 units"),
    ({"treated": "2"}, "treated must be true and false"),
    ({"treated": "if(age > 0, int(treated), null)"}, r"treated is missing in \d+ of 1,500 units"),
    ({"treated": "'yes'"}, "treated must be true and false"),
    ({"treated": "cast(null as boolean)"}, "treated is missing in 1,500 of 1,500"),
    ({"id": "cast(age as int)"}, "units have a value of id that another unit already has"),
    ({"id": "score"}, "id must be text or whole numbers"),
    ({"person": "cast(null as bigint)"}, "person is missing"),
    ({"person": "if(age > 0, double(person), double('nan'))"}, r"person is missing in \d+ of 1,500 units"),
    ({"visit": "if(age > 0, float(visit), float('nan'))"}, r"visit is missing in \d+ of 1,500 units"),
    ({"age": "if(age = 0, 9007199254740993, 1)"}, r"age is 9,007,.* \(2\^53\) or more in size in \d+ of 1,500 units"),
    ({"cost": "'much'"}, "cost must hold numbers"),
    ({"cost": "1.0"}, "covariance of the units is singular: cost is constant"),
    ({"cost": "if(age > 0, cost, 1e300D)"}, "the range of cost is too large or too small"),
]


def refuse(units: DataFrame, changed: dict[str, str], told: str) -> None:
    settings = {
        "distance": "mahalanobis",
        "covariates": ("age", "cost"),
        "person": "person",
        "exact": ("state",),
        "tie_order": "visit",
    }
    made = units.withColumns({name: F.expr(text) for name, text in changed.items()})
    with pytest.raises(DataError, match=told):
        match(made, Matching(**SCORED | settings), SEED)


@pytest.mark.parametrize(("changed", "told"), REFUSED, ids=str)
def test_what_cannot_be_used_is_refused(tied_units: DataFrame, changed: dict[str, str], told: str):
    refuse(tied_units, changed, told)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("changed", "told"), REFUSED, ids=str)
def test_of_few_units_the_same_is_refused(tied_units: DataFrame, changed: dict[str, str], told: str):
    refuse(tied_units, changed, told)


@pytest.mark.usefixtures("at_once")
def test_probabilities_of_few_units_that_have_no_logit_are_refused(tied_units: DataFrame):
    made = tied_units.withColumn("score", F.expr("if(age > 0, 0.5, 1.0)"))
    with pytest.raises(DataError, match=r"score is not strictly between 0 and 1 in \d+ of 1,500 units"):
        match(made, Matching(score="score", caliper=0.2), SEED)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("work", "returned a pair outside the caliper"),
        ("rows", "does not reconcile: units were lost or doubled"),
    ],
)
def test_tasks_that_go_wrong_are_found_out(
    tied_units: DataFrame, monkeypatch: pytest.MonkeyPatch, change: str, told: str
):
    """Tasks that forget the caliper, and tasks that lose a row."""
    honest = distributed.solver

    def forgetting(work: Work) -> Stage:
        solve = honest(replace(work, reach=Reach(None, None)) if change == "work" else work)

        def forget(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for found in solve(batches):
                yield found.slice(1 if change == "rows" else 0)

        return forget

    monkeypatch.setattr(distributed, "solver", forgetting)
    matching = Matching(**SCORED, exact=("state",), caliper=0.001, caliper_scale="raw")
    with pytest.raises(RuntimeError, match=told):
        match(tied_units, matching, SEED)


def test_what_a_task_refuses_is_told_as_it_was_raised(tied_units: DataFrame, monkeypatch: pytest.MonkeyPatch):
    """By a task that solves a part of a stratum, in words of several lines: nothing of Spark's is around them."""
    message = 'matching: "2" strata\n{are} too many: ü'

    def refusing(work: Work, n_together: int, is_merge: bool) -> Stage:
        def refuse_all(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            raise EnvironmentProblem(message)
            yield from batches

        return refuse_all

    monkeypatch.setattr(distributed, "reducer", refusing)
    kept = tied_units.sparkSession.sparkContext._jsc.getPersistentRDDs
    before = set(kept())
    with pytest.raises(EnvironmentProblem) as refused:
        match(tied_units, Matching(**SCORED, exact=("state",), direction="control_to_treated"), SEED, 20_000)
    assert str(refused.value) == message
    assert not set(kept()) - before, "what nobody can release is released"
    assert "".join(traceback.format_exception(refused.value)).count("Traceback") == 1


@pytest.mark.parametrize("where", ["in_tasks", "at_once"])
def test_what_one_role_bars_is_looked_at_all_the_same(
    tied_units: DataFrame, where: str, request: pytest.FixtureRequest
):
    """A control of a treated person that cannot be used is refused as by pandas, and does not vanish."""
    request.getfixturevalue(where)
    has_treated = tied_units.filter("treated").select("person").distinct().limit(5).withColumn("is_spoilt", F.lit(True))
    spoilt = tied_units.join(has_treated, "person", "left")
    is_spoilt = F.col("is_spoilt") & ~F.col("treated")
    matching = Matching(**SCORED, exact=("state",), person="person", one_role=True)
    for name in ("score", "treated"):
        changed = spoilt.withColumn(name, F.when(is_spoilt, None).otherwise(F.col(name))).persist()
        messages = []
        for table in (changed, changed.toPandas()):
            with pytest.raises(DataError, match=f"{name} is missing in") as refused:
                match(table, matching, SEED)
            messages.append(str(refused.value))
        assert messages[0] == messages[1]
        changed.unpersist()


def test_more_cells_than_every_executor_should_hold(
    tied_units: DataFrame, tied_table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("counterpart.matching.planning.MOST_BROADCAST", 0)
    matching = Matching(**SCORED, exact=("state", "band"), person="person")
    assert content_of(match(tied_units, matching, SEED)) == content_of(match(tied_table, matching, SEED))


def test_null_and_nan_are_one_missing_stratum(tied_units: DataFrame):
    """A float column may say missing in two ways."""
    numbers = F.when(F.col("band") == "a", 1.0).when(F.col("visit") == 0, float("nan"))
    frame = tied_units.withColumn("band", numbers)
    matching = Matching(**SCORED, exact=("band",))
    assert plan(frame, matching).n_strata == 2
    ours, theirs = match(frame, matching, SEED), match(frame.toPandas(), matching, SEED)
    assert content_of(ours) == content_of(theirs)


def test_balance_of_a_spark_table(tied_units: DataFrame, tied_table: pd.DataFrame):
    """The same numbers as in pandas, to the bit: of amounts, flags, and a flag per level of text."""
    matching = Matching(**SCORED, exact=("state",), replace=True, reuse=3, ratio=2)
    named = tied_units.withColumnRenamed("cost", "cost.of `it`").withColumn("state", F.coalesce("state", F.lit("")))
    in_pandas = tied_table.rename(columns={"cost": "cost.of `it`"}).assign(state=lambda t: t.state.fillna(""))
    covariates = ["age", "cost.of `it`", "state", "treated"]
    ours, theirs = match(named, matching, SEED), match(in_pandas, matching, SEED)
    found = balance(named, ours, covariates, "treated").toPandas()
    expected = balance(in_pandas, theirs, covariates, "treated")
    order = ["covariate", "phase"]
    pd.testing.assert_frame_equal(*[t.sort_values(order, ignore_index=True) for t in (found, expected)], rtol=0, atol=0)
    with pytest.raises(DataError, match="band is missing in"):
        balance(named, ours, ["band"])
    with pytest.raises(ContractError, match="matched ids are not in this table"):
        balance(named.filter("age > 3"), ours, ["age"])
    ours.release()


def test_an_id_in_two_strata_is_refused(tied_units: DataFrame):
    twice = tied_units.withColumn("id", F.when(F.col("treated"), F.col("person") * 1000).otherwise(F.col("id")))
    with pytest.raises(DataError, match="units have a value of id that another unit already has"):
        match(twice, Matching(**SCORED, exact=("band", "state")), SEED)


def test_columns_that_are_not_there(tied_units: DataFrame):
    with pytest.raises(ContractError, match="no column ps, sex"):
        match(tied_units, Matching(score="ps", exact=("sex",)), SEED)
    with pytest.raises(ContractError, match=r"more than one column score$"):
        match(tied_units.select("*", "score"), Matching(**SCORED), SEED)


@pytest.mark.parametrize("keep", ["false", "treated", "not treated"])
def test_an_arm_without_units(tied_units: DataFrame, tied_table: pd.DataFrame, keep: str):
    few = tied_units.filter(keep)
    for settings in ({"person": "person"}, {"distance": "euclidean", "covariates": ("age", "cost")}):
        matching = Matching(**SCORED, exact=("state",), **settings)
        expected = match(tied_table.query({"false": "id != id"}.get(keep, keep)).reset_index(drop=True), matching, SEED)
        assert content_of(match(few, matching, SEED)) == content_of(expected)


def test_the_approximate_search_is_told_of_all_tasks(spark: SparkSession):
    """Two strata large enough for an index each: the pairs, the recall and what is unproven are those of pandas.

    Some treated are so far away that 64 bits do not hold the sum of their distances.
    """
    pytest.importorskip("faiss")
    generator = np.random.default_rng(8)
    values = pd.DataFrame(generator.normal(size=(64_000, 6)), columns=list("uvwxyz"))
    table = values.assign(id=values.index, treated=values.index < 20_000, state=values.index % 2)
    table.loc[table.treated & (table.id % 50 == 0), "u"] += 2.0**30
    matching = Matching(
        score=None,
        caliper=None,
        distance="euclidean",
        covariance="controls",
        covariates=tuple("uvwxyz"),
        exact=("state",),
        search="ann",
        recall=0.9,
    )
    expected = match(table, matching, SEED)
    assert expected.summary["n_audited"] == 800
    ours = match(spark.createDataFrame(table), matching, SEED)
    assert ours.summary["uncertified"] > 10_000
    assert ours.summary["total_distance"] > 2**33
    assert content_of(ours) == content_of(expected)


def test_many_tiny_strata_share_tasks(spark: SparkSession):
    """20,000 strata of three units: a handful of tasks, and every treated unit has the nearer of its two controls."""
    number = np.arange(20_000)
    arms = [
        pd.DataFrame({"id": 3 * number + i, "treated": i == 0, "stratum": number, "score": (number + i) * 0.001})
        for i in (0, 1, 2)
    ]
    frame = spark.createDataFrame(pd.concat(arms))
    matching = Matching(**SCORED, exact=("stratum",), caliper=1.0, caliper_scale="raw")
    result = match(frame, matching, SEED)
    assert result.plan is not None
    assert (result.plan.n_strata, result.plan.largest_stratum) == (20_000, 3)
    assert result.plan.n_tasks <= 8
    assert result.summary["n_pairs"] == 20_000
    assert result.pairs.filter("control_id != treated_id + 1").isEmpty()
    result.release()
