"""Content keys: what changes is computed again, what does not is reused, what was interrupted is resumed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.study.conftest import Installation, assert_same_tables, install, write_study

from counterpart.application import Application
from counterpart.store import Store
from counterpart.tables import MEDICAL, PROGRAM, Table

pytestmark = [pytest.mark.spark, pytest.mark.study]

CLAIMS = ("members", "enrollment", "medical", "pharmacy", "program", "intake", "quarantine", "results")


class PulledPlug(Exception):
    """The run ended here."""


def stages_run(told: dict[str, Any]) -> list[str]:
    return [name for name, stage in told["stages"].items() if not stage["reused"]]


@pytest.fixture
def twin(installation: Installation, claims: Path, tmp_path: Path) -> Installation:
    """A site with the same claims tables and no results."""
    made = install(tmp_path / "twin", claims, installation.study)
    for name in CLAIMS[:-1]:
        shutil.copytree(installation.warehouse / name, made.warehouse / name)
    return made


def test_another_outcome_computes_outcomes_and_what_follows(installation, root, tmp_path):
    outcomes = [
        {"name": "mri", "label": "MRI visits", "role": "primary", "events": ["mri"], "horizons": [180]},
    ]
    study = write_study(root, tmp_path, matching={"exact": ["sex", "age_band"]}, outcomes={"outcomes": outcomes})
    with Application(installation.site, study) as application:
        told = application.run_study()
    assert stages_run(told) == ["outcomes", "estimate"]
    kept = {name for name, key in told["result_keys"].items() if key == installation.told["result_keys"][name]}
    assert kept == {"cohort", "covariates", "score", "match"}


def test_an_interrupted_run_is_resumed_and_its_tables_are_the_same(spark, installation, twin, monkeypatch):
    """Stopped between the two tables of a stage, after the last one before it is recorded, and between two others.

    The stages that are not stopped are finished already. `tests/bench/test_killed.py` kills the driver in every stage.
    """
    for name in ("results", "covariates", "covariate_dictionary", "scores", "follow_up", "outcomes", "outcome_weeks"):
        shutil.copytree(installation.warehouse / name, twin.warehouse / name)
    DeltaTable.forPath(spark, str(twin.warehouse / "results")).delete("stage IN ('cohort', 'match', 'estimate')")
    stops = {"attrition", "match", "balance"}

    def stop_at(point: str) -> None:
        if point in stops:
            stops.remove(point)
            raise PulledPlug

    write_result, record = Store.write_result, Store.record

    def write_and_stop(store: Store, table: Table, rows: DataFrame, key: str) -> None:
        stop_at(table.name)
        write_result(store, table, rows, key)

    def stop_and_record(store: Store, result: Any, *rest: Any) -> None:
        stop_at(result.stage)
        record(store, result, *rest)

    monkeypatch.setattr(Store, "write_result", write_and_stop)
    monkeypatch.setattr(Store, "record", stop_and_record)
    reused = []
    while stops or not reused:
        with Application(twin.site, twin.study) as application:
            try:
                told = application.run_study()
            except PulledPlug:
                continue
            reused = [name for name, stage in told["stages"].items() if stage["reused"]]
    assert reused == ["cohort", "covariates", "score", "match", "outcomes"]
    assert told["result_keys"] == installation.told["result_keys"]
    twin.told = told
    assert_same_results(spark, installation, twin)


def test_a_new_delivery_is_never_served_from_an_old_result(installation, twin):
    """One line more in the claims, and everything is computed again: no stage has a key that it had."""
    with Application(twin.site, twin.study) as application:
        store = application.store
        line = store.read(MEDICAL).limit(1).withColumn("claim_id", F.lit("another"))
        store.append(MEDICAL, line.select(*MEDICAL.columns))
        keys = application._context().keys
    assert set(keys) == set(installation.told["result_keys"])
    assert not set(keys.values()) & set(installation.told["result_keys"].values())


def test_a_table_made_anew_is_another_though_its_version_is_the_same(installation, twin):
    """As after a folder is deleted and ingested again by other rules. One table: all stages that read it are new."""
    with Application(twin.site, twin.study) as application:
        store = application.store
        rows, version = store.read(PROGRAM).toPandas(), store.version(PROGRAM)
        shutil.rmtree(twin.warehouse / PROGRAM.name)
        store.replace(PROGRAM, application.spark.createDataFrame(rows, PROGRAM.ddl))
        assert store.version(PROGRAM) == version
        keys = application._context().keys
    assert not set(keys.values()) & set(installation.told["result_keys"].values())


def test_two_runs_at_once_leave_one_result(spark, installation, twin):
    """Two writers of the same stage: the table holds its rows once, both finish."""
    from concurrent.futures import ThreadPoolExecutor

    store, other = Store(spark, str(twin.warehouse)), Store(spark, str(twin.warehouse))
    original = Store(spark, str(installation.warehouse))
    key = installation.told["result_keys"]["match"]
    matches = next(table for table in result_tables() if table.name == "matches")
    rows = original.read_result(matches, key)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: one.write_result(matches, rows, key), (store, other)))
    assertDataFrameEqual(store.read_result(matches, key), rows)


def result_tables() -> list[Table]:
    from counterpart import tables

    return [table for table in vars(tables).values() if isinstance(table, Table) and table.is_result]


def assert_same_results(spark: Any, one: Installation, other: Installation) -> None:
    """Every result table of both sites, bit by bit."""
    keys = ", ".join(f"'{key}'" for site in (one, other) for key in site.told["result_keys"].values())
    assert_same_rows(spark, one, other, [table.name for table in result_tables()], f"result_key IN ({keys})")


def assert_same_rows(spark: Any, one: Installation, other: Installation, names: list[str], which: str) -> None:
    """Tables of both sites as multisets of rows, and none of them empty."""

    def rows_of(site: Installation, name: str) -> DataFrame:
        # What a key is made of differs between sites: when their tables were written.
        return spark.read.format("delta").load(str(site.warehouse / name)).filter(which).drop("result_key")

    assert_same_tables({name: (rows_of(one, name), rows_of(other, name)) for name in names})
