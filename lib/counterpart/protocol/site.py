"""The site document: where claims and tables live, how the source is laid out, where MLflow listens, Spark settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from counterpart.protocol.study import Section


class Source(Section):
    """Raw claims. `path` is a folder; relative paths are relative to the folder the command runs in."""

    layout: Literal["tuva", "desynpuf"]
    path: str
    roster: str | None = None


class SparkSettings(Section):
    """How a session is built where there is none yet. On a platform that brings its own session, nothing here applies."""

    master: str | None = "local[*]"
    driver_memory: str = "4g"
    shuffle_partitions: int = Field(8, ge=1)
    conf: dict[str, str] = {}


class Site(Section):
    """One installation.

    `warehouse` is the folder (or object-store address) of the Delta tables, `reports` a folder for reports, `mlflow`
    a tracking address (default: a SQLite file in the warehouse's parent folder). `max_quarantined` is the share of a source table's rows
    above which ingest stops. `target_lines_per_file` decides the number of member buckets.
    """

    name: str
    warehouse: str
    reports: str
    mlflow: str | None = None
    mlflow_experiment: str | None = None
    source: Source | None = None
    max_quarantined: float = Field(0.05, ge=0, le=1)
    target_lines_per_file: int = Field(8_000_000, ge=1_000)
    spark: SparkSettings = SparkSettings()

    def tracking_uri(self) -> str:
        """MLflow's tracking address: the site's own, else a SQLite file beside the warehouse."""
        if self.mlflow is not None:
            return self.mlflow
        folder = Path(self.warehouse).absolute().parent
        folder.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{folder / 'mlflow.db'}"
