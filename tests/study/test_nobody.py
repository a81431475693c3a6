"""Studies that find nobody: each stage answers with empty tables or one clear message, never with a traceback."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.study.conftest import install, write_study

from counterpart.application import Application
from counterpart.errors import DataError
from counterpart.stages import STAGES
from counterpart.store import Store
from counterpart.tables import ATTRITION, CLAIMS_TABLES, COHORT, COVARIATES

pytestmark = [pytest.mark.spark, pytest.mark.study]


def only_cohort(told) -> dict[tuple[str, str], int]:
    return {(row["arm"], row["criterion"]): row["n_remaining"] for row in told}


def test_without_an_arm_the_score_says_so(spark, installation, root, tmp_path, capsys):
    """And who was excluded, which no report will: printed, and told to a scheduler by the cohort and the failure.

    What is said where the other arm or both are empty: `tests/spark/test_scores.py`, `tests/unit/test_empty_cohort.py`.
    """
    nobody = {"treated": {"label": "Nobody", "index": {"program": "nobody"}}}
    study = write_study(root, tmp_path, cohort=nobody)
    with Application(installation.site, study) as application:
        told = application.run_stages(["cohort", "covariates"])
        said = capsys.readouterr().out
        with pytest.raises(DataError, match="treated person-dates: 0") as problem:
            application.run_stages(["score"])
        assert problem.value.told == {"attrition": told["attrition"], "warnings": told["stages"]["cohort"]["warnings"]}
        assert capsys.readouterr().out == said
        with pytest.raises(DataError, match="needs score"):
            application.run_stages(["match"])
    store = Store(spark, str(installation.warehouse))
    attrition = only_cohort(store.read_result(ATTRITION, told["result_keys"]["cohort"]).collect())
    ends = {arm: attrition[arm, "one_date_per_month"] for arm in ("treated", "comparator")}
    assert ends["treated"] == 0 < ends["comparator"]
    assert {arm: rows[-1]["n_remaining"] for arm, rows in told["attrition"].items()} == ends
    assert all(f"({arm})" in said for arm in ends)
    assert "No row of the roster is of the program 'nobody'" in " ".join(told["warnings"])


def test_a_cohort_with_both_arms_leaves_its_attrition_to_the_report(installation):
    """Two choices of steps, one of them for the sake of the pairs, could tell together what neither does."""
    with Application(installation.site, installation.study) as application:
        told = application.run_stages(["cohort"])
    assert "attrition" not in told
    # The claims are made up: few have what is rare.
    assert told["stages"]["cohort"]["warnings"] == [
        "No claim that was looked at shows spinal_infection, transplant, cauda_equina. The codes asked for are "
        "icd10cm, icd9cm."
    ]


def test_claims_without_rows_make_empty_tables(spark, claims: Path, installation, tmp_path):
    """Files with columns and nothing in them: a delivery that went wrong upstream."""
    for source in ("eligibility", "medical_claim", "pharmacy_claim", "program_roster"):
        (tmp_path / "empty" / source).mkdir(parents=True)
        some = next((claims / source).glob("*.parquet"))
        pq.write_table(pq.read_schema(some).empty_table(), tmp_path / "empty" / source / "0.parquet")
    made = install(tmp_path / "nothing", tmp_path / "empty", installation.study)
    with Application(made.site, made.study) as application:
        assert application.ingest(None)["intake"] == []
        told = application.run_stages(["cohort", "covariates", "outcomes"])
        with pytest.raises(DataError, match="person-dates: 0"):
            application.run_stages(["score"])
    store = Store(spark, str(made.warehouse))
    assert [store.read(table).count() for table in CLAIMS_TABLES] == [0] * 5
    assert store.read_result(COHORT, told["result_keys"]["cohort"]).isEmpty()
    assert store.read_result(COVARIATES, told["result_keys"]["covariates"]).isEmpty()
    assert set(told["result_keys"]) == set(STAGES)
