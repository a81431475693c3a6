"""Scores: the sample that is fitted, everyone that is scored, and that neither depends on how rows arrive."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from counterpart.errors import ContractError, DataError
from counterpart.protocol import Scoring
from counterpart.scores import collect_sample, fit_score_model, score_units
from counterpart.tables import COHORT, COVARIATE_DICTIONARY, COVARIATES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

SEED = 17
KINDS = {1: "years", 2: "category", 3: "count", 4: "cents", 5: "flag"}
NAMES = {1: "age", 2: "sex=F", 3: "visits", 4: "cost", 5: "opioids"}


def cohort_frame(spark: SparkSession, units: pd.DataFrame) -> DataFrame:
    """`units` has unit_id, arm, excluded_by; the other columns of the contract play no part."""
    frame = spark.createDataFrame(units, "unit_id bigint, arm string, excluded_by string")
    absent = {name: kind for name, kind in COHORT.columns.items() if name not in units.columns}
    return frame.selectExpr("*", *[f"cast(null as {kind}) as {name}" for name, kind in absent.items()])


def covariate_frame(spark: SparkSession, wide: pd.DataFrame) -> DataFrame:
    """Long and sparse from unit_id and one column per covariate number."""
    long = wide.melt("unit_id", var_name="covariate_id").astype("int64")
    frame = spark.createDataFrame(long[long.value != 0], "unit_id bigint, covariate_id bigint, value bigint")
    return frame.withColumn("covariate_id", frame.covariate_id.cast("int"))


def dictionary_frame(spark: SparkSession) -> DataFrame:
    rows = [(number, NAMES[number], NAMES[number], kind, -365, -1) for number, kind in KINDS.items()]
    return spark.createDataFrame(rows, COVARIATE_DICTIONARY.ddl)


class World:
    """500 units, half a dozen of them excluded, some without any covariate."""

    def __init__(self, spark: SparkSession) -> None:
        generator = np.random.default_rng(3)
        n = 500
        values = {
            1: generator.integers(18, 80, n),
            2: generator.integers(0, 2, n),
            3: generator.poisson(1.5, n),
            4: generator.integers(0, 10**6, n) * generator.integers(0, 2, n),
            5: generator.integers(0, 2, n),
        }
        self.wide = pd.DataFrame({"unit_id": generator.permutation(n) * 7_919 - 10**6} | values)
        self.wide.loc[:20, list(KINDS)] = 0
        logit = 0.02 * (self.wide[1] - 50) + 0.5 * self.wide[2] - 0.3 * np.log1p(self.wide[3]) - 0.8
        arm = np.where(generator.random(n) < 1 / (1 + np.exp(-logit)), "treated", "comparator")
        excluded = np.where(np.arange(n) % 90 == 5, "age", None)
        self.units = pd.DataFrame({"unit_id": self.wide.unit_id, "arm": arm, "excluded_by": excluded})
        self.eligible = self.units[self.units.excluded_by.isna()]
        self.cohort = cohort_frame(spark, self.units)
        self.covariates = covariate_frame(spark, self.wide)
        self.dictionary = dictionary_frame(spark)

    def model(self, **settings: float):
        scoring = Scoring(**settings)
        return fit_score_model(collect_sample(self.cohort, self.covariates, self.dictionary, scoring, SEED), scoring)


@pytest.fixture(scope="module")
def world(spark: SparkSession) -> World:
    return World(spark)


def rows_of(frame: DataFrame) -> list[tuple]:
    return sorted(tuple(row) for row in frame.collect())


def test_everyone_eligible_has_the_score_that_scikit_learn_predicts(world: World):
    model = world.model()
    scores = score_units(world.cohort, world.covariates, model).toPandas().set_index("unit_id").sort_index()
    assert list(scores.index) == sorted(world.eligible.unit_id)
    wide = world.wide.rename(columns=NAMES).set_index("unit_id").loc[scores.index]
    predicted = model.to_sklearn().predict_proba(wide[list(model.covariates)])[:, 1]
    np.testing.assert_allclose(scores.propensity, predicted, rtol=0, atol=1e-9)
    logit = np.log(predicted / (1 - predicted))
    # Both are rounded: the score to half of 2^-31, the logit of a float probability to some 1e-15.
    np.testing.assert_allclose(scores.logit_fixed / 2**31, logit, rtol=0, atol=2**-32 + 1e-11)
    share = model.treated_share
    assert share == (world.eligible.arm == "treated").mean()
    preference = 1 / (1 + np.exp(-(logit - math.log(share / (1 - share)))))
    np.testing.assert_allclose(scores.preference, preference, rtol=0, atol=1e-9)


def test_the_pipeline_survives_being_stored(world: World):
    pipeline = world.model().to_sklearn()
    wide = world.wide.rename(columns=NAMES)[list(NAMES.values())]
    restored = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(restored.predict_proba(wide), pipeline.predict_proba(wide))
    assert list(pipeline.feature_names_in_) == list(NAMES.values())


def test_neither_partitions_nor_row_order_change_a_bit(world: World):
    model = world.model(max_comparators=150)
    expected = rows_of(score_units(world.cohort, world.covariates, model))
    for n_partitions in (1, 7):
        cohort = world.cohort.repartition(n_partitions, "excluded_by", "unit_id")
        covariates = world.covariates.repartition(n_partitions, "value").sortWithinPartitions("value")
        scoring = Scoring(max_comparators=150)
        again = fit_score_model(collect_sample(cohort, covariates, world.dictionary, scoring, SEED), scoring)
        assert again == model
        assert rows_of(score_units(cohort, covariates, model)) == expected


def test_a_bounded_sample_is_weighted_up_to_everyone(world: World):
    everyone = collect_sample(world.cohort, world.covariates, world.dictionary, Scoring(), SEED)
    bounded = Scoring(max_comparators=120)
    sample = collect_sample(world.cohort, world.covariates, world.dictionary, bounded, SEED)
    assert (sample.n_treated, sample.n_comparators) == (everyone.n_treated, everyone.n_comparators)
    assert sample.is_treated.sum() == sample.n_treated
    assert (~sample.is_treated).sum() == 120
    assert sample.weights.sum() == pytest.approx(len(world.eligible))
    assert set(sample.weights[sample.is_treated]) == {1.0}
    other = collect_sample(world.cohort, world.covariates, world.dictionary, bounded, SEED + 1)
    assert (other.values != sample.values).sum() > 0, "another seed draws another sample"
    told = fit_score_model(sample, bounded).diagnostics
    assert sample.weights[~sample.is_treated] == pytest.approx(sample.n_comparators / 120)
    assert told.n_sampled_comparators == 120
    # The intercept is that of everyone: fitted shares come out near the eligible share, not the sample's.
    scores = score_units(world.cohort, world.covariates, fit_score_model(sample, bounded)).toPandas()
    assert scores.propensity.mean() == pytest.approx(sample.n_treated / len(world.eligible), abs=0.05)


def test_transforms_depend_on_the_kind(world: World):
    model = world.model(min_units=1)
    assert [term.label for term in model.terms] == [
        "age",
        "square(age)",
        "sex=F",
        "log1p(visits)",
        "log1p(cost)",
        "opioids",
    ]
    assert model.diagnostics.warnings == ()
    assert 0.5 < model.diagnostics.c_statistic < 1


def test_more_reversed_than_paid_counts_as_nothing(spark: SparkSession, world: World):
    model = world.model()
    unit = int(world.eligible.unit_id.iloc[0])
    cost = spark.createDataFrame([(unit, 4, -5_000)], COVARIATES.ddl)
    nothing = spark.createDataFrame([], COVARIATES.ddl)
    assert rows_of(score_units(world.cohort, cost, model)) == rows_of(score_units(world.cohort, nothing, model))
    wide = pd.DataFrame([[0, 0, 0, -5_000, 0], [0] * 5], columns=list(NAMES.values()))
    assert len(set(model.to_sklearn().predict_proba(wide)[:, 1])) == 1


def test_without_covariates_everyone_has_the_treated_share(spark: SparkSession, world: World):
    nothing = spark.createDataFrame([], COVARIATES.ddl)
    model = fit_score_model(collect_sample(world.cohort, nothing, world.dictionary, Scoring(), SEED), Scoring())
    assert model.terms == ()
    assert set(model.diagnostics.left_out.values()) == {"constant"}
    scores = score_units(world.cohort, nothing, model).toPandas()
    np.testing.assert_allclose(scores.propensity, model.treated_share, rtol=0, atol=1e-9)
    np.testing.assert_allclose(scores.preference, 0.5, rtol=0, atol=1e-9)
    wide = pd.DataFrame([[50, 1, 3, 100, 0]], columns=list(NAMES.values()))
    assert model.to_sklearn().predict_proba(wide)[0, 1] == pytest.approx(model.treated_share, abs=1e-9)


@pytest.mark.parametrize(
    ("keep", "told"),
    [
        ("arm = 'comparator'", "eligible treated person-dates: 0; eligible comparator person-dates: "),
        ("arm = 'treated'", "eligible comparator person-dates: 0"),
        ("false", "eligible treated person-dates: 0; eligible comparator person-dates: 0"),
        ("excluded_by is not null", "eligible treated person-dates: 0; eligible comparator person-dates: 0"),
    ],
)
def test_a_missing_arm_is_an_error_that_says_so(world: World, keep: str, told: str):
    with pytest.raises(DataError, match=told):
        collect_sample(world.cohort.filter(keep), world.covariates, world.dictionary, Scoring(), SEED)


def test_small_counts_stay_untold(spark: SparkSession, world: World):
    few = pd.DataFrame({"unit_id": [1, 2, 3], "arm": "treated", "excluded_by": pd.Series([None] * 3, dtype=object)})
    with pytest.raises(DataError, match="treated person-dates: more than 0;"):
        collect_sample(cohort_frame(spark, few), world.covariates, world.dictionary, Scoring(), SEED)


def test_covariates_unknown_to_the_dictionary_are_refused(world: World):
    with pytest.raises(ContractError, match="dictionary"):
        collect_sample(world.cohort, world.covariates, world.dictionary.filter("covariate_id < 4"), Scoring(), SEED)


@pytest.mark.realdata
def test_lalonde_scores(spark: SparkSession, public_claims: Path):
    """Against statsmodels' binomial GLM on the same columns: age and its square, educ, race, married, nodegree.

    The earnings are left out: they would enter as log(1 + cents). Their coefficients are in test_logistic.py.
    """
    lalonde = pd.read_csv(public_claims / "causal" / "lalonde.csv")
    names = {1: "age", 2: "educ", 3: "hispan", 4: "white", 5: "married", 6: "nodegree"}
    lalonde = lalonde.assign(hispan=lalonde.race == "hispan", white=lalonde.race == "white")
    wide = lalonde[list(names.values())].astype(int).set_axis(list(names), axis=1).assign(unit_id=lalonde.index)
    kinds = {1: "years", 2: "category"} | dict.fromkeys(range(3, 7), "flag")
    rows = [(number, name, name, kinds[number], 0, 0) for number, name in names.items()]
    units = pd.DataFrame(
        {
            "unit_id": lalonde.index,
            "arm": np.where(lalonde.treat == 1, "treated", "comparator"),
            "excluded_by": pd.Series([None] * len(lalonde), dtype=object),
        }
    )
    cohort, covariates = cohort_frame(spark, units), covariate_frame(spark, wide)
    scoring = Scoring(ridge=0, min_units=1)
    dictionary = spark.createDataFrame(rows, COVARIATE_DICTIONARY.ddl)
    model = fit_score_model(collect_sample(cohort, covariates, dictionary, scoring, SEED), scoring)

    import statsmodels.api as sm

    design = wide[list(names)].astype(float).assign(square=wide[1].astype(float) ** 2)
    reference = sm.GLM(lalonde.treat, sm.add_constant(design), family=sm.families.Binomial()).fit(tol=1e-12)
    found = {term.label: term.coefficient for term in model.terms}
    expected = {names.get(key, "square(age)"): value for key, value in reference.params.items() if key != "const"}
    assert found == pytest.approx(expected, rel=1e-6)
    scores = score_units(cohort, covariates, model).toPandas().set_index("unit_id").sort_index()
    np.testing.assert_allclose(scores.propensity, reference.fittedvalues, rtol=0, atol=1e-7)
