"""The DAG in a real Airflow, in an environment of its own, on the demo: nothing done twice, nobody asked in vain."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.study.conftest import CANARY, COMPILED_LIGHTLY, Installation

AIRFLOW = Path(__file__).resolve().parents[2] / "build" / "airflow" / "bin" / "airflow"

pytestmark = [
    pytest.mark.spark,
    pytest.mark.study,
    pytest.mark.skipif(not AIRFLOW.exists(), reason="no Airflow in build/airflow (make build/airflow/.installed)"),
]


@pytest.fixture(scope="module")
def night(root: Path, installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """One run of the DAG with the demo's study and one with a mistake in it: what it said, and Airflow's database."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    (home / "dags" / "claims_by_night.py").symlink_to(root / "conf" / "schedules" / "airflow_dag.py")
    broken = installation.study.with_name("broken.yaml")
    broken.write_text(installation.study.read_text().replace("caliper:", "calliper:"))
    submit = [str(Path(sys.executable).parent / "spark-submit"), "--driver-memory", "2g"]
    settings = {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__DAGS_FOLDER": home / "dags",
        "AIRFLOW__CORE__LOAD_EXAMPLES": False,
        "COUNTERPART_SITE": installation.site,
        "COUNTERPART_STUDIES": shlex.join([str(installation.study), str(broken)]),
        "COUNTERPART_SUBMIT": shlex.join([*submit, "--driver-java-options", COMPILED_LIGHTLY]),
    }
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK", "PYSPARK"))}
    environment = outside | {name: str(value) for name, value in settings.items()}
    for command in (["db", "migrate"], ["dags", "test", "counterpart"]):
        done = subprocess.run(
            [AIRFLOW, *command], env=environment, cwd=home, capture_output=True, text=True, check=False
        )
    return done.stdout + done.stderr, home / "airflow.db"


def read(database: Path, query: str) -> dict[str, Any]:
    """Two columns of a query, as a dictionary."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as airflow:
        return dict(airflow.execute(query).fetchall())


def test_what_only_people_can_mend_is_not_tried_again(night: tuple[str, Path]) -> None:
    """Each task has two retries; a task that has them left would be up for one."""
    said, database = night
    states = read(database, "select task_id, state from task_instance")
    assert states == {"ingest": "success", "profile": "success", "msk_imaging": "success", "broken": "failed"}, said
    assert "matching.calliper: unknown key; did you mean caliper?" in said
    (retries,) = set(read(database, "select task_id, max_tries from task_instance").values())
    assert retries == 2


def test_a_night_without_news_computes_nothing(night: tuple[str, Path], installation: Installation) -> None:
    said, database = night
    told = {task: json.loads(value) for task, value in read(database, "select task_id, value from xcom").items()}
    assert told["ingest"]["delivery"]["reused"]
    assert told["msk_imaging"]["result_keys"] == installation.told["result_keys"]
    for stage in ("cohort", "covariates", "score", "match", "outcomes", "estimate"):
        assert f"{stage}: reused" in said
    for task, path in (("msk_imaging", "report"), ("profile", "page")):
        assert Path(told[task]["paths"][path]).is_file()


def test_nobody_is_named_in_what_airflow_keeps(night: tuple[str, Path]) -> None:
    """Its database and the logs of its tasks."""
    said, database = night
    kept = [path for path in database.parent.rglob("*") if path.is_file()]
    assert CANARY not in said
    assert not [path.name for path in kept if CANARY.encode() in path.read_bytes()]


ASKED = """
import json, sys
import airflow_dag
from airflow.exceptions import AirflowException
for submit in [airflow_dag.SUBMIT, *([path] for path in sys.argv[2:])]:
    airflow_dag.SUBMIT = submit
    try:
        told = airflow_dag.CounterpartJob(task_id="one", job="ingest", arguments=[]).execute({})
    except AirflowException as problem:
        told = [type(problem).__name__, str(problem)]
    print(json.dumps(told), file=open(sys.argv[1], "a"))
"""


def test_an_exit_code_of_0_is_not_believed(root: Path, tmp_path: Path) -> None:
    """A driver in the cluster may fail, or tell nobody, and spark-submit end well."""
    documents = (
        {"status": "running"},
        {"status": "failed", "exit_code": 15, "error": {"message": "no Java"}},
        {"status": "failed", "exit_code": 13, "error": {"message": "no rows"}},
        {"status": "done", "run_id": "1"},
    )
    scripts = [tmp_path / f"submit-{number}" for number in range(len(documents))]
    for script, told in zip(scripts, documents, strict=True):
        # The last argument is the file of --json.
        script.write_text(f"#!/bin/sh\nfor file; do :; done\ncat > $file <<'END'\n{json.dumps(told)}\nEND\n")
        script.chmod(0o755)
    settings = {"AIRFLOW_HOME": str(tmp_path), "COUNTERPART_SUBMIT": "true", "COUNTERPART_HOME": str(root)}
    environment = os.environ | settings | {"PYTHONPATH": str(root / "conf" / "schedules")}
    command = [AIRFLOW.with_name("python"), "-c", ASKED, tmp_path / "said", *scripts]
    subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=True)
    silent, running, again, for_people, done = map(json.loads, (tmp_path / "said").read_text().splitlines())
    assert silent[0] == "AirflowFailException"
    assert silent[1].startswith("ingest ended with exit code 0: it told nothing")
    ended = "ingest ended with exit code 0:"
    assert running == ["AirflowException", f"{ended} its log says why"]
    assert again == ["AirflowException", f"{ended} no Java"]
    assert for_people == ["AirflowFailException", f"{ended} no rows"]
    assert done == {"run_id": "1"}
