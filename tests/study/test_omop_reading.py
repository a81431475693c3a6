"""OMOP CDMs of other hands: Eunomia GiBleed (5.3) with its study, and 27 people of New Jersey by Synthea (5.4)."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.study.conftest import Installation, bring_in, install

from counterpart.protocol import Source
from counterpart.store import Store
from counterpart.tables import ATTRITION, COHORT, EFFECTS, ENROLLMENT, INTAKE, MATCHES, MEMBERS, UNMATCHED

pytestmark = [pytest.mark.spark, pytest.mark.study, pytest.mark.realdata]

# Half of the file's periods are of people it has no person for; a drug of one person begins before birth.
GIBLEED = {
    ("person", "merged", "no_cover"): 2_694,
    ("observation_period", "kept", "as_sent"): 2_694,
    ("observation_period", "quarantined", "unknown_member"): 5_343 - 2_694,
    ("visit_occurrence", "kept", "as_sent"): 1_037,
    ("condition_occurrence", "kept", "as_sent"): 65_332,
    ("procedure_occurrence", "kept", "as_sent"): 37_409,
    ("measurement", "kept", "as_sent"): 44_053,
    ("drug_exposure", "kept", "as_sent"): 67_706,
    ("drug_exposure", "quarantined", "impossible_date"): 1,
    ("concept", "merged", "looked_up"): 444,
    ("concept_ancestor", "kept", "as_sent"): 65_690,
}
SYNTHEA = {
    ("person", "merged", "no_cover"): 28,
    ("death", "merged", "no_cover"): 3,
    ("observation_period", "kept", "as_sent"): 28,
    ("visit_occurrence", "kept", "as_sent"): 1_791,
    ("condition_occurrence", "kept", "as_sent"): 470,
    ("procedure_occurrence", "kept", "as_sent"): 1_649,
    ("drug_exposure", "kept", "as_sent"): 883,
    ("concept", "merged", "looked_up"): 2_294,
    ("provider", "merged", "looked_up"): 67,
}


@pytest.fixture(scope="module")
def gibleed(
    spark: SparkSession, root: Path, public_claims: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """Ingested and studied once."""
    study = root / "conf/studies/nsaid_gi_bleed.yaml"
    site = install(tmp_path_factory.mktemp("gibleed"), public_claims / "omop_gibleed", study, "omop", 0.5)
    site.run()
    return site


@pytest.fixture(scope="module")
def store(spark: SparkSession, gibleed: Installation) -> Store:
    return Store(spark, str(gibleed.warehouse))


def fates(intake: Any) -> dict[tuple[str, str, str], int]:
    return {(row["source"], row["fate"], row["rule"]): row["n_rows"] for row in intake}


def test_every_row_of_gibleed_is_accounted_for(store: Store) -> None:
    assert fates(store.read(INTAKE).collect()) == GIBLEED
    assert store.read(MEMBERS).count() == 2_694
    spans = store.read(ENROLLMENT).groupBy("benefit").agg(F.count("*"), F.countDistinct("member_key")).collect()
    assert {tuple(row) for row in spans} == {("medical", 2_694, 2_694), ("pharmacy", 2_694, 2_694)}


def test_first_exposures_as_counted_by_other_software(store: Store, gibleed: Installation) -> None:
    """1,844 people to celecoxib and 850 to diclofenac, nobody to both: counted with DuckDB from the files."""
    cohort = store.read_result(COHORT, gibleed.told["result_keys"]["cohort"])
    people = cohort.groupBy("arm").agg(F.count("*"), F.countDistinct("member_key")).collect()
    assert {row[0]: (row[1], row[2]) for row in people} == {"treated": (1_844, 1_844), "comparator": (850, 850)}
    assert cohort.select("member_key").distinct().count() == 2_694
    steps = store.read_result(ATTRITION, gibleed.told["result_keys"]["cohort"]).collect()
    excluded = {(row["arm"], row["criterion"]): row["n_excluded"] for row in steps}
    assert excluded["treated", "bleeding_before"] == excluded["comparator", "bleeding_before"] == 0


def test_bleeding_after_the_first_exposure_as_counted_by_other_software(store: Store, gibleed: Installation) -> None:
    """Within 30 days 113 and 46 people, within 365 days 355 and 124, crude."""
    keys = gibleed.told["result_keys"]
    effects = store.read_result(EFFECTS, keys["estimate"]).filter("outcome = 'gi_hemorrhage' AND phase = 'crude'")
    found = {row["horizon"]: (row["n_with_event_treated"], row["n_with_event_comparator"]) for row in effects.collect()}
    assert found == {30: (113, 46), 365: (355, 124)}


def test_the_study_is_matched_and_reported(store: Store, gibleed: Installation) -> None:
    keys = gibleed.told["result_keys"]
    pairs = store.read_result(MATCHES, keys["match"])
    n_pairs, n_unmatched = pairs.count(), store.read_result(UNMATCHED, keys["match"]).count()
    assert 0 < n_pairs <= 850
    steps = store.read_result(ATTRITION, keys["cohort"]).filter("arm = 'treated'").orderBy("step").collect()
    assert n_pairs + n_unmatched == steps[-1]["n_remaining"]
    report = Path(gibleed.told["paths"]["report"]).read_text(encoding="utf-8")
    assert "no difference seen here says anything about the drugs" in report


def test_synthea_reads_whole(spark: SparkSession, public_claims: Path) -> None:
    """CDM 5.4, CSV files with names in capitals; two of them hold a heading and no rows."""
    source = Source(layout="omop", path=str(public_claims / "omop_synthea27nj"))
    made = bring_in(spark, source, date(2023, 12, 31))
    assert fates(made.intake.collect()) == SYNTHEA
    assert made.members.filter("death_date IS NOT NULL").count() == 3
