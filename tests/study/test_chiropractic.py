"""The chiropractic study on real claims: CMS DE-SynPUF, counted by other software from the files."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from pyspark.sql import functions as F
from tests.study.conftest import Installation

from counterpart.store import Store
from counterpart.tables import ATTRITION, COHORT, MATCHES, UNMATCHED

pytestmark = [pytest.mark.spark, pytest.mark.study, pytest.mark.realdata]


@pytest.fixture(scope="module")
def chiropractic(spark, synpuf: Installation) -> Installation:
    synpuf.run()
    return synpuf


@pytest.fixture(scope="module")
def result(spark, chiropractic):
    store = Store(spark, str(chiropractic.warehouse))
    return lambda stage, table: store.read_result(table, chiropractic.told["result_keys"][stage])


def test_both_arms_before_any_other_criterion(result):
    """Treated 93 people; comparators 67 people with 99 candidate dates; 13 people in both."""
    cohort = result("cohort", COHORT)
    entered = cohort.filter(
        "excluded_by IS NULL OR excluded_by NOT IN ('index_date_in_window', 'not_treated_by_index_date')"
    )
    counts = entered.groupBy("arm").agg(F.count("*").alias("n"), F.countDistinct("member_key").alias("people"))
    assert {row["arm"]: (row["n"], row["people"]) for row in counts.collect()} == {
        "treated": (93, 93),
        "comparator": (99, 67),
    }
    both = entered.groupBy("member_key").agg(F.countDistinct("arm").alias("n_arms")).filter("n_arms = 2")
    assert both.count() == 13


def test_attrition_reconciles_with_these_counts(result):
    steps = result("cohort", ATTRITION).orderBy("arm", "step").collect()
    told = {(row["arm"], row["criterion"]): (row["n_remaining"], row["n_members_remaining"]) for row in steps}
    assert told["treated", "not_treated_by_index_date"] == (93, 93)
    assert told["comparator", "not_treated_by_index_date"] == (99, 67)
    for before, after in itertools.pairwise(steps):
        if before["arm"] == after["arm"]:
            assert after["n_remaining"] == before["n_remaining"] - after["n_excluded"]
    n_treated = told["treated", steps[-1]["criterion"]][0]
    assert result("match", MATCHES).count() + result("match", UNMATCHED).count() == n_treated > 0


def test_the_report_of_few_people_withholds(chiropractic):
    """A study of some dozen people is told, its small numbers are not."""
    results = chiropractic.told["results"]
    shown = [step["n_remaining"] for steps in results["attrition"].values() for step in steps]
    assert all(n is None or n == 0 or n > 10 for n in shown)
    report = Path(chiropractic.told["paths"]["report"]).read_text(encoding="utf-8")
    assert "CMS altered the joint distributions of DE-SynPUF" in report
