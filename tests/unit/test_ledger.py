"""The ledger against a real MLflow: its SQLite file, and a server on this machine."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterpart import __version__
from counterpart import ledger as ledgers
from counterpart.errors import DataError, EnvironmentProblem
from counterpart.ledger import Ledger, flatten, how_to_look
from counterpart.scores.document import example_input
from counterpart.scores.model import Diagnostics, ScoreModel, Term

# As the ledger imports it, after telemetry is off: a test must not call home either.
mlflow = ledgers.mlflow

SERVER_STARTS_WITHIN = 60.0  # seconds; about 5 of processor time

FIT = Diagnostics(50, 500, 50, 500, 0.1, 0.7, True, 9, 0, {}, (), False)
TERMS = (
    Term(1, "age", "identity", 0.02),
    Term(1, "age", "square", -0.001),
    Term(2, "visits", "log1p", 0.5),
    Term(3, "sex=F", "identity", -0.3),
)
MODEL = ScoreModel(TERMS, -1.0, 0.1, ("age", "visits", "sex=F"), FIT)


@pytest.fixture(scope="module", autouse=True)
def _own_tracking_address() -> Iterator[None]:
    """Opening a ledger tells the whole process where MLflow is."""
    before = mlflow.get_tracking_uri()
    yield
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file in a folder with a name that an address has to escape; the ledger makes it."""
    folder = tmp_path_factory.mktemp("a site") / "claims #1 of 100%"
    folder.mkdir()
    return f"sqlite:///{folder / 'mlflow.db'}"


@pytest.fixture(scope="module", autouse=True)
def starting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """`mlflow server` on the loopback interface, with a folder of its own: it starts while the other tests run."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "files")]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = folder / "log"
    with log.open("w") as lines:
        process = subprocess.Popen(
            [*command, *stores], stdout=lines, stderr=lines, env=env, cwd=folder, start_new_session=True
        )
    yield f"http://127.0.0.1:{port}", process, log
    os.killpg(process.pid, signal.SIGKILL)  # its database goes with its folder: nothing is worth a goodbye
    process.wait(timeout=30)


@pytest.fixture
def server(starting_server: tuple[str, subprocess.Popen[bytes], Path]) -> str:
    """The server's address, once it answers."""
    address, process, log = starting_server
    _await_health(f"{address}/health", process, log)
    return address


def _await_health(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SERVER_STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"the MLflow server did not answer: {log.read_text()[-2_000:]}")


@pytest.fixture
def ledger(sqlite: str, request: pytest.FixtureRequest) -> Ledger:
    """An experiment of the test's own."""
    return Ledger(sqlite, request.node.name)


def keep_a_study(ledger: Ledger, report: Path) -> tuple[str, str]:
    """Everything the stages log, once: ids of the parent run and of its child."""
    with ledger.study_run("small", {"counterpart.study": "small"}) as parent:
        ledger.log_params(parent, {"protocol": {"matching": {"exact": ["sex"], "caliper": None}}, "seed": 7})
        with ledger.stage_run(parent, "score", {"counterpart.result_key": "abc123"}) as child:
            ledger.log_inputs(child, {"medical": ("/w/tables/medical", 3), "scores": ("/w/tables/scores", "abc123")})
            ledger.log_metrics(child, {"n_pairs": 1_200, "max_smd": 0.04, "hidden": None, "nan": math.nan})
            ledger.log_score_model(child, MODEL.to_sklearn(), example_input(MODEL))
        ledger.log_text(parent, "name: small\n", "protocol.yaml")
        ledger.log_document(parent, {"rows": [{"n": 12}]}, "tables/effects.json")
        ledger.log_files(parent, [report], "report")
    return parent, child


def test_a_file_half_made_is_never_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends while MLflow makes its tables; MLflow itself would refuse what it left there from then on."""
    make = ledgers.MlflowClient.search_experiments

    def interrupted(client: Any, **options: Any) -> None:
        make(client, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(ledgers.MlflowClient, "search_experiments", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Ledger(f"sqlite:///{tmp_path / 'mlflow.db'}", "study")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(ledgers.MlflowClient, "search_experiments", make)
    Ledger(f"sqlite:///{tmp_path / 'mlflow.db'}", "study")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_two_first_runs_at_once_share_the_file_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    make = ledgers.MlflowClient.search_experiments

    def slowly(client: Any, **options: Any) -> Any:
        monkeypatch.setattr(ledgers.MlflowClient, "search_experiments", make)
        Ledger(address, "of the faster one")
        return make(client, **options)

    monkeypatch.setattr(ledgers.MlflowClient, "search_experiments", slowly)
    slower = Ledger(address, "of the slower one")
    names = {experiment.name for experiment in slower.client.search_experiments()}
    assert names >= {"of the faster one", "of the slower one"}
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_study_is_kept_in_a_file(sqlite: str, tmp_path: Path) -> None:
    assert_study_is_kept(sqlite, tmp_path / "report.html")


def assert_study_is_kept(address: str, report: Path) -> None:
    """Read back by MLflow alone, as its users do."""
    report.write_text("<html></html>")
    ledger = Ledger(address, "small")
    parent, child = keep_a_study(ledger, report)
    client = mlflow.MlflowClient(address)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = {run.info.run_id: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {parent, child}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs[parent].info.run_name == "small"
    assert runs[parent].data.tags.items() >= {"counterpart.version": __version__, "counterpart.study": "small"}.items()
    assert runs[parent].data.params == {
        "protocol.matching.exact": '["sex"]',
        "protocol.matching.caliper": "null",
        "seed": "7",
    }
    assert runs[child].info.run_name == "score"
    assert (
        runs[child].data.tags.items()
        >= {"mlflow.parentRunId": parent, "counterpart.stage": "score", "counterpart.result_key": "abc123"}.items()
    )
    assert runs[child].data.metrics == {"n_pairs": 1_200.0, "max_smd": 0.04}
    assert_inputs(runs[child])
    assert {file.path for file in client.list_artifacts(parent)} == {"protocol.yaml", "tables", "report"}
    assert json.loads(mlflow.artifacts.load_text(f"runs:/{parent}/tables/effects.json")) == {"rows": [{"n": 12}]}
    assert mlflow.artifacts.load_text(f"runs:/{parent}/report/report.html") == "<html></html>"
    assert_model(f"runs:/{child}/propensity_model")


def assert_inputs(run: Any) -> None:
    """Delta tables as datasets: their version by number, or the key of the result where many share a table."""
    read = {one.dataset.name: one for one in run.inputs.dataset_inputs}
    assert set(read) == {"medical", "scores"}
    assert (read["medical"].dataset.digest, read["scores"].dataset.digest) == ("3", "abc123")
    assert [(tag.key, tag.value) for tag in read["medical"].tags] == [("version", "3")]
    assert read["medical"].dataset.source_type == "delta_table"
    source = json.loads(read["medical"].dataset.source)
    assert (source["path"], source["delta_table_version"]) == ("/w/tables/medical", 3)
    assert json.loads(read["scores"].dataset.source)["path"] == "/w/tables/scores"


def assert_model(address: str) -> None:
    """The model loads where counterpart is not needed, and scores as the formula says."""
    loaded = mlflow.sklearn.load_model(address)
    units = pd.DataFrame({"age": [0.0, 40.0, 70.0], "visits": [0.0, 3.0, -2.0], "sex=F": [0.0, 1.0, 0.0]})
    logit = -1.0 + 0.02 * units["age"] - 0.001 * units["age"] ** 2
    logit += 0.5 * np.log1p(units["visits"].clip(lower=0)) - 0.3 * units["sex=F"]
    np.testing.assert_allclose(loaded.predict_proba(units)[:, 1], 1 / (1 + np.exp(-logit)), rtol=1e-12)
    signature = mlflow.models.get_model_info(address).signature
    assert signature.inputs.input_names() == ["age", "visits", "sex=F"]
    assert {str(kind) for kind in signature.inputs.input_types()} == {"DataType.double"}
    assert signature.outputs is not None
    assert mlflow.models.Model.load(address).saved_input_example_info is None


@pytest.mark.parametrize("problem", [DataError("P0031415 has 7"), ValueError("P0031415"), KeyboardInterrupt()])
def test_a_failed_run_says_the_kind_of_the_error_only(sqlite: str, problem: BaseException) -> None:
    ledger = Ledger(sqlite, f"failing with {type(problem).__name__}")
    ids = []

    def run() -> None:
        with ledger.study_run("small", {}) as parent, ledger.stage_run(parent, "match", {}) as child:
            ids.extend([parent, child])
            raise problem

    with pytest.raises(type(problem)):
        run()
    for run_id in ids:
        found = ledger.client.get_run(run_id)
        assert found.info.status == "FAILED"
        assert found.data.tags["counterpart.failed_with"] == type(problem).__name__
        assert "0031415" not in json.dumps(found.to_dictionary())


def test_a_failure_is_told_even_if_mlflow_is_gone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise mlflow.exceptions.MlflowException("gone")

    monkeypatch.setattr(ledger.client, "set_tag", gone)
    with pytest.raises(DataError, match="no rows"), ledger.study_run("small", {}):
        raise DataError("no rows")


GONE = (mlflow.exceptions.MlflowException("gone"), ConnectionError("gone"))


@pytest.mark.parametrize("problem", GONE)
@pytest.mark.parametrize(
    "call",
    ["create_run", "log_batch", "log_inputs", "log_text", "log_artifact", "log_artifacts", "set_terminated"],
)
def test_mlflow_that_goes_in_the_middle_is_the_environments(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, problem: Exception
) -> None:
    """And is not asked again, which would take it minutes each time."""

    def gone(*_: Any, **__: Any) -> None:
        raise problem

    monkeypatch.setattr(ledger.client, call, gone)
    monkeypatch.setattr(ledger.client, "set_tag", lambda *_: pytest.fail("it was asked again"))
    monkeypatch.setattr(mlflow.sklearn, "save_model", lambda *_, **__: None)
    (tmp_path / "report.html").touch()
    with pytest.raises(EnvironmentProblem, match=r"MLflow at sqlite:.* cannot be used: "):
        keep_a_study(ledger, tmp_path / "report.html")


def test_how_to_look_at_runs() -> None:
    command = "mlflow ui --backend-store-uri "
    for address, told in (
        ("https://jo:secret@mlflow.example.org", "https://mlflow.example.org"),
        ("databricks", "databricks"),
        ("databricks://lab", "databricks://lab"),
        ("sqlite:////home/jo/mlflow.db", f"{command}sqlite:////home/jo/mlflow.db"),
        ("sqlite:////home/my claims/mlflow.db", f"{command}'sqlite:////home/my claims/mlflow.db'"),
    ):
        assert how_to_look(address) == told


def test_many_params_and_metrics_are_logged_in_batches(ledger: Ledger) -> None:
    """MLflow takes 100 params and 1,000 metrics at once."""
    with ledger.study_run("large", {}) as run_id:
        ledger.log_params(run_id, {f"p{i}": i for i in range(250)} | {"long": "x" * 9_000, "empty": {}, "none": []})
        ledger.log_metrics(run_id, {f"m{i}": i for i in range(1_100)} | {"infinite": math.inf})
        ledger.log_metrics(run_id, {})
        ledger.log_inputs(run_id, {})
    data = ledger.client.get_run(run_id).data
    assert len(data.params) == 252
    assert (data.params["p249"], len(data.params["long"]), data.params["none"]) == ("249", 5_000, "[]")
    assert len(data.metrics) == 1_100


def test_flattened_settings() -> None:
    nested = {"a": {"b": {"c": 1}, "d": "text"}, "list": [{"x": None}], "flag": True, "day": pd.Timestamp("2020-01-31")}
    assert flatten(nested) == {
        "a.b.c": "1",
        "a.d": "text",
        "list": '[{"x": null}]',
        "flag": "true",
        "day": '"2020-01-31 00:00:00"',
    }


def test_an_experiment_is_made_once(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Ledger(sqlite, "shared")
    assert Ledger(sqlite, "shared").experiment_id == first.experiment_id
    # Two first runs at once: this one did not see the other's experiment, and cannot make it either.
    find = Ledger._find_experiment
    answers = iter([lambda _: None, find])
    monkeypatch.setattr(Ledger, "_find_experiment", lambda self: next(answers)(self))
    assert Ledger(sqlite, "shared").experiment_id == first.experiment_id


def test_artifacts_lie_beside_the_database_wherever_the_command_runs(
    sqlite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(sqlite, "from elsewhere")
    with ledger.study_run("small", {}) as run_id:
        ledger.log_text(run_id, "x", "x.txt")
    folder = Path(sqlite.removeprefix("sqlite:///")).parent
    assert [path.name for path in (folder / "artifacts" / run_id).rglob("*") if path.is_file()] == ["x.txt"]
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_experiment_is_told(sqlite: str) -> None:
    ledger = Ledger(sqlite, "deleted")
    ledger.client.delete_experiment(ledger.experiment_id)
    with pytest.raises(EnvironmentProblem, match="the MLflow experiment deleted is deleted; restore it there, or name"):
        Ledger(sqlite, "deleted")


def test_an_address_where_nobody_answers_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentProblem) as problem:
            Ledger(f"http://jo:secret@127.0.0.1:{port}", "small")
    assert str(problem.value).startswith(f"MLflow at http://127.0.0.1:{port} cannot be used: ")
    assert "secret" not in str(problem.value)


def test_a_folder_that_cannot_hold_the_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="cannot be used"):
        Ledger(f"sqlite:///{tmp_path}/file/mlflow.db", "small")


def test_nothing_calls_home() -> None:
    """Said before MLflow is imported, whatever of the package is imported first; a site's own word stays."""
    probe = (
        "import os, sys\nimport counterpart\nassert 'mlflow' not in sys.modules\n"
        "print(os.environ['MLFLOW_DISABLE_TELEMETRY'], os.environ['DO_NOT_TRACK'])\n"
        "import counterpart.ledger\nfrom mlflow.telemetry.client import get_telemetry_client\n"
        "print(get_telemetry_client())"
    )
    env = {
        name: value for name, value in os.environ.items() if name not in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    }
    # Tests and continuous integration switch MLflow's telemetry off by themselves: that must not be what we see.
    env = {name: value for name, value in env.items() if not name.startswith(("PYTEST", "CI", "GITHUB"))}
    told = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, env=env, check=True, timeout=60
    )
    assert told.stdout.split() == ["true", "true", "None"]


def test_a_study_is_kept_on_a_server(server: str, tmp_path: Path) -> None:
    assert_study_is_kept(server, tmp_path / "report.html")


def test_a_new_database_is_made_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Ledger(f"sqlite:///{tmp_path / 'mlflow.db'}", "quiet")
    assert capfd.readouterr() == ("", "")
