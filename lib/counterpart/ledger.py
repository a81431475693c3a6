"""MLflow in and out: a study run is a parent run, a stage a child run. Only what disclosure released comes here."""

from __future__ import annotations

import json
import logging
import math
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from sqlalchemy.engine import URL, make_url

from counterpart import __version__
from counterpart.disclosure import safe_text
from counterpart.errors import EnvironmentProblem

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

_MAX_PARAM = 5_000
_SQLITE = "sqlite:///"

# It tells of tables it makes, and prints the statement and a traceback when the database cannot be written. Failures
# reach us as exceptions all the same.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def _make_file(address: URL) -> None:
    """MLflow's tables in a new file, whole or not at all: it makes them in dozens of steps, and half are of no use."""
    file = Path(address.database or "")
    if file.exists():
        return
    with TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent, ignore_cleanup_errors=True) as folder:
        made = Path(folder, file.name)
        MlflowClient(address.set(database=str(made)).render_as_string()).search_experiments(max_results=1)
        try:
            os.link(made, file)
        except FileExistsError:
            return  # two first runs at once: the other one made it
        except OSError:  # a file system without links
            if not file.exists():
                made.replace(file)


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings -> dotted names and text values, as MLflow shows parameters."""
    flat: dict[str, str] = {}
    for name, value in content.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = (value if isinstance(value, str) else json.dumps(value, default=str))[:_MAX_PARAM]
    return flat


class Ledger:
    """Runs of one study in one MLflow experiment.

    EnvironmentProblem if MLflow or the experiment cannot be used, at the start or at any later call.
    """

    def __init__(self, tracking_uri: str, experiment: str) -> None:
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self._is_gone = False
        with self._reached():
            if tracking_uri.startswith(_SQLITE):
                _make_file(make_url(tracking_uri))
            mlflow.set_tracking_uri(tracking_uri)
            self.client = MlflowClient(tracking_uri)
            self.experiment_id = self._find_experiment() or self._create_experiment()

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """EnvironmentProblem where MLflow does not take what it is given in this block: it may go in the middle."""
        try:
            yield
        except (MlflowException, OSError) as problem:  # what uploads files raises OSError, for a server too
            self._is_gone = True
            raise EnvironmentProblem(
                f"MLflow at {public_address(self.tracking_uri)} cannot be used: {safe_text(str(problem))}"
            ) from None

    def _find_experiment(self) -> str | None:
        found = self.client.get_experiment_by_name(self.experiment)
        if found is not None and found.lifecycle_stage == LifecycleStage.DELETED:
            raise EnvironmentProblem(
                f"the MLflow experiment {self.experiment} is deleted; restore it there, or name another one "
                "in the site document (mlflow_experiment)"
            )
        return str(found.experiment_id) if found else None

    def _create_experiment(self) -> str:
        try:
            return str(self.client.create_experiment(self.experiment, self._artifact_location()))
        except MlflowException:
            made_meanwhile = self._find_experiment()  # two first runs at once: the other one made it
            if made_meanwhile is None:
                raise
            return made_meanwhile

    def _artifact_location(self) -> str | None:
        """Artifacts lie beside a SQLite ledger, not in the folder the command happened to run in."""
        if not self.tracking_uri.startswith(_SQLITE):
            return None
        return (Path(self.tracking_uri.removeprefix(_SQLITE)).absolute().parent / "artifacts").as_uri()

    @contextmanager
    def study_run(self, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """A parent run: finished, or failed with the kind of the error (never its text)."""
        with self._run(name, {**tags, "counterpart.version": __version__}) as run_id:
            yield run_id

    @contextmanager
    def stage_run(self, parent: str, stage: str, tags: Mapping[str, str]) -> Iterator[str]:
        """A child run of a study run."""
        with self._run(stage, {**tags, "mlflow.parentRunId": parent, "counterpart.stage": stage}) as run_id:
            yield run_id

    @contextmanager
    def _run(self, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        with self._reached():
            run = self.client.create_run(self.experiment_id, tags=dict(tags), run_name=name)
        run_id: str = run.info.run_id
        try:
            yield run_id
        except BaseException as problem:
            # What failed is to be told, not that MLflow is gone too; where that is it, MLflow would try for minutes.
            with suppress(MlflowException):
                if not self._is_gone:
                    self.client.set_tag(run_id, "counterpart.failed_with", type(problem).__name__)
                    self.client.set_terminated(run_id, "FAILED")
            raise
        with self._reached():
            self.client.set_terminated(run_id, "FINISHED")

    def log_params(self, run_id: str, content: Mapping[str, Any]) -> None:
        """Settings, flattened to dotted names."""
        params = [Param(name, value) for name, value in flatten(content).items()]
        with self._reached():
            for start in range(0, len(params), 100):
                self.client.log_batch(run_id, params=params[start : start + 100])

    def log_metrics(self, run_id: str, metrics: Mapping[str, float | int | None]) -> None:
        """Numbers; a suppressed or missing one (None, not a number, infinite) is left out."""
        now = int(time.time() * 1000)
        numbers = {name: float(value) for name, value in metrics.items() if value is not None}
        batch = [Metric(name, value, now, 0) for name, value in numbers.items() if math.isfinite(value)]
        with self._reached():
            for start in range(0, len(batch), 500):
                self.client.log_batch(run_id, metrics=batch[start : start + 500])

    def log_inputs(self, run_id: str, tables: Mapping[str, tuple[str, int | str]]) -> None:
        """Delta tables a run read, as MLflow datasets: name -> (path, version or result key)."""
        datasets = [
            DatasetInput(_delta_dataset(name, path, version), [InputTag("version", str(version))])
            for name, (path, version) in sorted(tables.items())
        ]
        with self._reached():
            self.client.log_inputs(run_id, datasets=datasets)

    def log_document(self, run_id: str, content: Any, name: str) -> None:
        """A JSON artifact."""
        self.log_text(run_id, json.dumps(content, indent=2, sort_keys=True, default=str), name)

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """A text artifact."""
        with self._reached():
            self.client.log_text(run_id, text, name)

    def log_files(self, run_id: str, paths: Sequence[Path], folder: str) -> None:
        """Files as artifacts."""
        with self._reached():
            for path in paths:
                self.client.log_artifact(run_id, str(path), folder)

    def log_score_model(self, run_id: str, model: Pipeline, example: pd.DataFrame) -> None:
        """The propensity model with its signature: `mlflow.sklearn.load_model("runs:/<run>/propensity_model")`.

        `example` is a made-up row (zeros), never a member's.
        """
        signature = infer_signature(example, model.predict_proba(example))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "propensity_model"
            mlflow.sklearn.save_model(
                model,
                path,
                signature=signature,
                pip_requirements=["scikit-learn", "pandas"],
                # Saved without pickle; of what the model names, this function is not on the list of safe types.
                skops_trusted_types=["numpy.clip"],
            )
            with self._reached():
                self.client.log_artifacts(run_id, str(path), "propensity_model")


def _delta_dataset(name: str, path: str, version: int | str) -> Dataset:
    from mlflow.data.delta_dataset_source import DeltaDatasetSource

    source = DeltaDatasetSource(path=path, delta_table_version=version if isinstance(version, int) else None)
    return Dataset(name=name, digest=str(version), source_type=source._get_source_type(), source=source.to_json())


def public_address(address: str) -> str:
    """The address without user and password, which a tracking address may carry."""
    parts = urlsplit(address)
    # Put together again, sqlite:////folder would lose its empty host.
    return address.replace(f"{parts.netloc}", parts.netloc.rpartition("@")[2], 1) if "@" in parts.netloc else address


def how_to_look(address: str) -> str:
    """Where MLflow shows its runs: a server's own address, else the command for a shell that shows a file's."""
    if urlsplit(address).scheme in ("http", "https") or address.startswith("databricks"):
        return public_address(address)
    return f"mlflow ui --backend-store-uri {shlex.quote(public_address(address))}"
