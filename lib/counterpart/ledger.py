"""MLflow in and out: a study run is a parent run, a stage a child run. Only released (disclosure-checked) values come here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric, Param
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient

from counterpart import __version__
from counterpart.disclosure import safe_text

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

_MAX_PARAM = 5_000


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
    """Runs of one study in one MLflow experiment."""

    def __init__(self, tracking_uri: str, experiment: str) -> None:
        self.tracking_uri = tracking_uri
        mlflow.set_tracking_uri(tracking_uri)
        self.client = MlflowClient(tracking_uri)
        self.experiment = experiment
        found = self.client.get_experiment_by_name(experiment)
        self.experiment_id = found.experiment_id if found else self._create_experiment()

    def _create_experiment(self) -> str:
        try:
            return str(self.client.create_experiment(self.experiment, self._artifact_location()))
        except mlflow.exceptions.MlflowException:  # two first runs at once: the other one made it
            return str(self.client.get_experiment_by_name(self.experiment).experiment_id)

    def _artifact_location(self) -> str | None:
        """Artifacts lie beside a SQLite ledger, not in the folder the command happened to run in."""
        if not self.tracking_uri.startswith("sqlite:///"):
            return None
        return (Path(self.tracking_uri.removeprefix("sqlite:///")).absolute().parent / "artifacts").as_uri()

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
        run = self.client.create_run(self.experiment_id, tags=dict(tags), run_name=name)
        run_id: str = run.info.run_id
        try:
            yield run_id
        except BaseException as problem:
            self.client.set_tag(run_id, "counterpart.failed_with", type(problem).__name__)
            self.client.set_terminated(run_id, "FAILED")
            raise
        self.client.set_terminated(run_id, "FINISHED")

    def log_params(self, run_id: str, content: Mapping[str, Any]) -> None:
        """Settings, flattened to dotted names."""
        params = [Param(name, value) for name, value in flatten(content).items()]
        for start in range(0, len(params), 100):
            self.client.log_batch(run_id, params=params[start : start + 100])

    def log_metrics(self, run_id: str, metrics: Mapping[str, float | int | None]) -> None:
        """Numbers; a suppressed or missing one (None) is left out."""
        now = mlflow.utils.time.get_current_time_millis()
        batch = [Metric(name, float(value), now, 0) for name, value in metrics.items() if value is not None]
        for start in range(0, len(batch), 500):
            self.client.log_batch(run_id, metrics=batch[start : start + 500])

    def log_inputs(self, run_id: str, tables: Mapping[str, tuple[str, int | str]]) -> None:
        """Delta tables a run read, as MLflow datasets: name -> (path, version or result key)."""
        datasets = []
        for name, (path, version) in sorted(tables.items()):
            dataset = MetaDataset(_delta_source(path, version), name=name, digest=str(version))
            datasets.append(
                mlflow.entities.DatasetInput(
                    dataset._to_mlflow_entity(), [mlflow.entities.InputTag("version", str(version))]
                )
            )
        self.client.log_inputs(run_id, datasets)

    def log_document(self, run_id: str, content: Any, name: str) -> None:
        """A JSON artifact."""
        self.client.log_text(run_id, json.dumps(content, indent=2, sort_keys=True, default=str), name)

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """A text artifact."""
        self.client.log_text(run_id, text, name)

    def log_files(self, run_id: str, paths: Sequence[Path], folder: str) -> None:
        """Files as artifacts."""
        for path in paths:
            self.client.log_artifact(run_id, str(path), folder)

    def log_score_model(self, run_id: str, model: Pipeline, example: pd.DataFrame) -> None:
        """The propensity model with its signature, loadable by `mlflow.sklearn.load_model("runs:/<run>/propensity_model")`.

        `example` is a made-up row (zeros), never a member's.
        """
        signature = infer_signature(example, model.predict_proba(example))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "propensity_model"
            mlflow.sklearn.save_model(
                model,
                path,
                signature=signature,
                pip_requirements=["scikit-learn", "pandas"],
                # Saved without pickle; of what the model names, this function is not on the list of safe types.
                skops_trusted_types=["numpy.clip"],
            )
            self.client.log_artifacts(run_id, str(path), "propensity_model")


def _delta_source(path: str, version: int | str) -> Any:
    from mlflow.data.delta_dataset_source import DeltaDatasetSource

    return DeltaDatasetSource(path=path, delta_table_version=version if isinstance(version, int) else None)


def failure_note(problem: BaseException) -> str:
    """What may be said of an unforeseen failure: its kind and its message without anything that looks like an id."""
    return f"{type(problem).__name__}: {safe_text(str(problem))}"
