"""A study from raw claims to its report: what was planted is found, every row and member is accounted for."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pyarrow.dataset as ds
import pytest
from delta.tables import DeltaTable
from mlflow.tracking import MlflowClient
from pyspark.sql import functions as F
from tests.oracles.matching import Candidate, assert_good_match

from counterpart.application import Application
from counterpart.stages import STAGES
from counterpart.store import Store
from counterpart.tables import (
    ATTRITION,
    COHORT,
    EFFECTS,
    FOLLOW_UP,
    INTAKE,
    MATCHES,
    MEDICAL,
    OUTCOMES,
    QUARANTINE,
    SCORES,
    UNMATCHED,
)

pytestmark = [pytest.mark.spark, pytest.mark.study]


@pytest.fixture(scope="module")
def store(spark, installation):
    return Store(spark, str(installation.warehouse))


@pytest.fixture(scope="module")
def result(store, installation):
    """`result("cohort", COHORT)`: the rows that a stage of the run made."""
    return lambda stage, table: store.read_result(table, installation.told["result_keys"][stage])


def test_the_planted_ratio_is_inside_the_matched_interval(result):
    effects = result("estimate", EFFECTS).filter("outcome = 'lumbar_imaging' AND horizon = 180")
    matched = effects.filter("phase = 'matched'").collect()[0]
    assert matched["rate_ratio_lower"] < 0.40 < matched["rate_ratio_upper"]
    crude = effects.filter("phase = 'crude'").collect()[0]
    assert crude["rate_ratio"] > 1.3 * matched["rate_ratio"]


def test_the_software_told_is_what_wrote_the_tables(spark, installation):
    """Delta's own log says who did."""
    written = DeltaTable.forPath(spark, str(installation.warehouse / "cohort")).history(1).select("engineInfo")
    told = json.loads(Path(installation.told["paths"]["results"]).read_text())["run"]["versions"]
    assert written.collect()[0][0] == f"Apache-Spark/{told['spark']} Delta-Lake/{told['delta']}"


def test_every_source_row_is_accounted_for(store, claims):
    intake = store.read(INTAKE).groupBy("source").agg(F.sum("n_rows").alias("n_rows")).collect()
    assert {row["source"]: row["n_rows"] for row in intake} == {
        source: ds.dataset(claims / source).count_rows()
        for source in ("eligibility", "medical_claim", "pharmacy_claim", "program_roster")
    }
    by_fate = {
        (row["source"], row["fate"]): row["n"]
        for row in store.read(INTAKE).groupBy("source", "fate").agg(F.sum("n_rows").alias("n")).collect()
    }
    assert store.read(MEDICAL).count() == by_fate["medical_claim", "kept"]
    rejected = store.read(QUARANTINE).groupBy("source").count().collect()
    assert {row["source"]: row["count"] for row in rejected} == {
        source: n for (source, fate), n in by_fate.items() if fate == "quarantined"
    }


def test_every_unit_is_accounted_for(result):
    cohort = result("cohort", COHORT)
    eligible = cohort.filter("excluded_by IS NULL")
    counted = {
        (row["arm"], row["criterion"]): (row["n_remaining"], row["n_excluded"])
        for row in result("cohort", ATTRITION).collect()
    }
    for arm in ("treated", "comparator"):
        units = cohort.filter(F.col("arm") == arm)
        assert counted[arm, "candidates"] == (units.count(), 0)
        assert counted[arm, "one_date_per_month"][0] == units.filter("excluded_by IS NULL").count()
        lost = {row["excluded_by"]: row["count"] for row in units.groupBy("excluded_by").count().collect()}
        assert {name: n for (of, name), (_, n) in counted.items() if of == arm and n} == {
            name: n for name, n in lost.items() if name
        }
    n_treated = eligible.filter("arm = 'treated'").count()
    assert result("match", MATCHES).count() + result("match", UNMATCHED).count() == n_treated
    n_eligible = eligible.count()
    assert result("score", SCORES).count() == result("outcomes", FOLLOW_UP).count() == n_eligible
    per_contrast = result("outcomes", OUTCOMES).groupBy("outcome", "horizon").count().collect()
    assert {row["count"] for row in per_contrast} == {n_eligible}


def test_the_match_keeps_its_promises(result, installation):
    units = result("cohort", COHORT).filter("excluded_by IS NULL").join(result("score", SCORES), "unit_id")
    candidates = [
        Candidate(
            row["unit_id"],
            row["member_key"],
            (row["sex"], row["age_band"]),
            row["logit_fixed"],
            0,
            row["arm"] == "treated",
        )
        for row in units.collect()
    ]
    pairs = [
        (row["treated_unit"], row["comparator_unit"], row["distance_fixed"])
        for row in result("match", MATCHES).collect()
    ]
    unmatched = {row["unit_id"]: row["reason"] for row in result("match", UNMATCHED).collect()}
    width = installation.told["results"]["matching"]["caliper_width"]
    assert_good_match(candidates, pairs, unmatched, round((width + 5e-5) * 2**31))


def test_comparators_who_enrol_later_are_kept_and_censored(result):
    cohort = result("cohort", COHORT).filter("excluded_by IS NULL")
    both = cohort.groupBy("member_key").agg(F.countDistinct("arm").alias("n")).filter("n = 2").select("member_key")
    assert both.count() > 0
    earlier = (
        cohort.filter("arm = 'comparator'").join(both, "member_key").join(result("outcomes", FOLLOW_UP), "unit_id")
    )
    treated_on = cohort.filter("arm = 'treated'").select("member_key", F.col("index_date").alias("treated_on"))
    late = earlier.join(treated_on, "member_key")
    assert late.filter("end_date >= treated_on OR index_date >= treated_on").count() == 0
    assert late.filter("censored_by = 'treatment'").count() > 0


def test_a_second_run_reuses_every_stage_and_writes_nothing(installation, store):
    first = installation.told
    before = {path.parent.name: len(list(path.glob("*.json"))) for path in installation.warehouse.glob("*/_delta_log")}
    with Application(installation.site, installation.study) as application:
        again = {**application.ingest(None), **application.run_study()}
    assert again["delivery"]["reused"]
    assert all(stage["reused"] for stage in again["stages"].values())
    assert again["result_keys"] == first["result_keys"]
    after = {path.parent.name: len(list(path.glob("*.json"))) for path in installation.warehouse.glob("*/_delta_log")}
    assert after == before
    assert {key: value for key, value in again["results"].items() if key != "run"} == {
        key: value for key, value in first["results"].items() if key != "run"
    }


def test_what_a_scheduler_is_told(installation):
    told = installation.told
    assert set(told["stages"]) == set(STAGES)
    assert told["results"]["matching"]["n_pairs"] > 10
    assert Path(told["paths"]["report"]).read_text(encoding="utf-8").startswith("<!")
    assert json.loads(Path(told["paths"]["results"]).read_text())["effects"] == told["results"]["effects"]
    assert set(told["table_versions"]) == {"members", "enrollment", "medical", "pharmacy", "program"}


def test_the_ledger_holds_the_study(installation, store):
    told = installation.told
    client = MlflowClient(told["mlflow"])
    run = client.get_run(told["run_id"])
    assert run.data.tags["counterpart.protocol_hash"] == told["protocol_hash"]
    assert run.data.params["protocol.matching.caliper"] == "0.2"
    assert run.data.params["protocol.seed"] == "20201031"
    assert run.data.metrics["n_pairs"] == told["results"]["matching"]["n_pairs"]
    assert run.data.metrics["lumbar_imaging.180.matched.rate_ratio"] > 0
    versions = {i.dataset.name: i.dataset.digest for i in run.inputs.dataset_inputs}
    assert versions == {name: str(version) for name, version in told["table_versions"].items()}
    children = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'", max_results=20
    )
    assert {child.data.tags["counterpart.stage"]: child.data.tags["counterpart.result_key"] for child in children} == (
        told["result_keys"]
    )
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert artifacts >= {"protocol.yaml", "report", "tables", "plots"}


def test_the_logged_model_gives_the_scores_of_the_table(installation, result):
    """Loaded from MLflow where counterpart need not be installed, on a wide table of the covariates."""
    from counterpart.tables import COVARIATE_DICTIONARY, COVARIATES

    told = installation.told
    mlflow.set_tracking_uri(told["mlflow"])
    model = mlflow.sklearn.load_model(f"runs:/{told['stages']['score']['run_id']}/propensity_model")
    names = {row["covariate_id"]: row["name"] for row in result("covariates", COVARIATE_DICTIONARY).collect()}
    units = result("score", SCORES).orderBy("unit_id").limit(50)
    long = result("covariates", COVARIATES).join(units, "unit_id").toPandas()
    wide = long.pivot_table(index="unit_id", columns="covariate_id", values="value", fill_value=0.0)
    wide = wide.rename(columns=names).reindex(columns=list(names.values()), fill_value=0.0).astype(float)
    expected = units.toPandas().set_index("unit_id")["propensity"].loc[wide.index]
    # Scores in the table are rounded at 2^-31 logits per covariate; the model adds up doubles.
    assert abs(model.predict_proba(wide)[:, 1] - expected).max() < 1e-6
    assert len(wide) == 50
