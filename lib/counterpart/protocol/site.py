"""The site document: where claims and tables live, how the source is laid out, where MLflow listens, Spark settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from counterpart.errors import EnvironmentProblem
from counterpart.protocol.section import Day, Problem, Real, Section, Text, Whole, YesNo
from counterpart.protocol.yaml_text import WrittenReal

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # C: is a disk of Windows
_DISK = re.compile(r"[a-z]:", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{?[a-z_]|^~", re.IGNORECASE)


def is_address(folder: str) -> bool:
    """Does it name its file system (s3a://, abfss://, dbfs:/), rather than be a folder of this machine?"""
    return bool(_ADDRESS.match(folder))


def _written_out(folder: str) -> str:
    """The folder, if it is one as it stands (ValueError). In addresses `$` may be a name's: abfss://$web@account."""
    if _DISK.match(folder):
        raise ValueError(f"{folder!r} is a path of Windows; write one of this machine, such as /mnt/c/data under WSL")
    if not is_address(folder) and _VARIABLE.search(folder):
        raise ValueError(f"{folder!r} is taken as it is written, ~ and $ are not expanded; write the path out")
    return folder


def _as_spark_reads(value: Any) -> Any:
    """YAML's true and 8 as the text Spark takes, 3.10 as it is written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, WrittenReal):
        return value.written
    return str(value) if isinstance(value, int | float) else value


SparkValue = Annotated[str, BeforeValidator(_as_spark_reads)]


Folder = Annotated[Text, AfterValidator(_written_out)]
"""A folder or file of this machine (relative: to where the command runs), or an address that Spark reads."""

Version = Annotated[int, Field(strict=True, ge=0)]


class Source(Section):
    """Raw claims. `path` is a folder; relative paths are relative to the folder the command runs in.

    `catalog` is instead a schema of a catalog, `main.claims` or `claims`, whose tables are named as the layout's.
    `versions` says at which version a Delta table is read, where not at the newest. The layout `mapping` is what the
    document `mapping` says of the columns.
    """

    layout: Literal["tuva", "desynpuf", "omop", "rif", "mapping"]
    path: Folder | None = None
    catalog: str | None = Field(
        default=None, pattern=r"^[^.\s]+(\.[^.\s]+)?$", description="a schema such as main.claims or claims"
    )
    versions: dict[str, Version] = Field(default={})
    mapping: Folder | None = None

    def contradictions(self) -> Iterator[Problem]:
        """Two places or none; a mapping without its document, or the document beside another layout."""
        if self.path is None and self.catalog is None:
            yield ("path",), "is missing: the folder of the claims, or `catalog`, the schema whose tables they are"
        if self.path is not None and self.catalog is not None:
            yield ("catalog",), "stands beside path; the claims lie in one of them"
        if self.layout == "mapping" and self.mapping is None:
            yield ("mapping",), "is missing: layout mapping needs the path of a mapping document (YAML)"
        if self.layout != "mapping" and self.mapping is not None:
            yield ("mapping",), f"is not read: the layout is {self.layout}; write layout: mapping"


class RowRules(Section):
    """What becomes of rows that say something impossible, where a site may be stricter or looser than the default.

    `unreadable_amount`, `unreadable_code` and `unreadable_supply` are of claims, without what cannot be read of them.

    `keep` takes a row as it is, `mend` leaves out what cannot be, `quarantine` rejects the row. `denied_by_amounts` is
    of lines without a word for a denial, of which nothing was allowed: are they denied, or paid with another line or by
    the head? `keep_institutional` takes those of facilities as they are, which are paid by the claim.
    """

    earliest_service: Day = Field(default=date(1900, 1, 1), description="a day such as 2015-01-01")
    after_death: Literal["keep", "quarantine"] = "quarantine"
    after_death_days: Whole = Field(default=30, ge=0, description="days, such as 30")
    negative_quantity: Literal["mend", "quarantine"] = "mend"
    unreadable_amount: Literal["keep", "quarantine"] = "keep"
    unreadable_code: Literal["keep", "quarantine"] = "keep"
    unreadable_supply: Literal["keep", "quarantine"] = "keep"
    unknown_sex: Literal["keep", "quarantine"] = "keep"
    denied_by_amounts: Literal["keep", "keep_institutional", "quarantine"] = "quarantine"


class Upkeep(Section):
    """What is done to the files of the claims tables after an ingest that changed them. Rows never change.

    `optimize` joins small files: of the months or years that the ingest touched, of all, or never. `vacuum` removes
    files that no version of the last `retain_days` needs: older versions can then not be read any more. Delta's log,
    without which a version cannot be read either, is kept as long.
    """

    optimize: Literal["never", "touched", "all"] = "touched"
    vacuum: YesNo = False
    retain_days: Whole = Field(
        default=30, ge=7, description="days, such as 30; Delta deems fewer than 7 unsafe, for a run may still read them"
    )

    def as_properties(self) -> dict[str, str]:
        """The same as properties of a Delta table, which others that clean up after it hold to as well."""
        names = ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration")
        return dict.fromkeys(names, f"interval {self.retain_days} days")


class SparkSettings(Section):
    """How a session is built where there is none yet; on a platform that brings its own, nothing here applies.

    Without a master, spark-submit says where to run. `shuffle_partitions` are 8 in local mode where nothing is said,
    and elsewhere what spark-submit was given.
    """

    master: Text | None = "local[*]"
    driver_memory: str = Field(
        default="4g", pattern=r"^[1-9][0-9]*[kmgtKMGT]$", description="a size such as 4g or 4096m"
    )
    shuffle_partitions: Whole | None = Field(default=None, ge=1)
    conf: dict[str, SparkValue] = Field(default={})


class Site(Section):
    """One installation.

    `warehouse` is the folder (or object-store address) of the Delta tables, `reports` a folder for reports, `mlflow`
    a tracking address (default: a SQLite file in the warehouse's parent folder). `max_quarantined` is the share of a
    source table's rows, denied lines aside, above which ingest stops; `rules` say which rows are rejected.
    `target_lines_per_file` decides the number of member buckets of new claims tables, unless `member_buckets` says it;
    `service_period` says whether they lie by month or by year, where the size of the first delivery is not to.
    `match_task_bytes` is the size from which on a match is cut into tasks and how large these may be (it changes no
    pair); `upkeep` says what is done to the files of the tables.
    """

    name: Text
    warehouse: Folder
    reports: Folder
    mlflow: Text | None = None
    mlflow_experiment: Text | None = None
    source: Source | None = None
    max_quarantined: Real = Field(default=0.05, ge=0, le=1, description="a share of the rows, such as 0.05")
    rules: RowRules = RowRules()
    target_lines_per_file: Whole = Field(default=8_000_000, ge=1_000)
    member_buckets: Whole | None = Field(default=None, ge=1, le=10_000)
    service_period: Literal["month", "year"] | None = None
    match_task_bytes: Whole = Field(default=2**30, ge=2**20)
    upkeep: Upkeep = Upkeep()
    spark: SparkSettings = SparkSettings()

    def contradictions(self) -> Iterator[Problem]:
        """Reports, and MLflow's file beside the warehouse, are written to folders of this machine only."""
        if is_address(self.reports):
            yield (
                ("reports",),
                f"must be a folder of this machine (found {self.reports!r}); a volume or mount is one, such as "
                "/Volumes/main/counterpart/reports on Databricks",
            )
        if self.mlflow is None and self.warehouse.lower().startswith("file:"):
            folder = "/" + self.warehouse[len("file:") :].lstrip("/")
            yield ("warehouse",), f"{self.warehouse!r} is a folder of this machine: write {folder}, or say mlflow"
        elif self.mlflow is None and is_address(self.warehouse):
            yield ("mlflow",), "is missing: beside a warehouse in an object store there is no place for MLflow's file"

    def tracking_uri(self) -> str:
        """MLflow's tracking address: the site's own, else a SQLite file beside the warehouse."""
        if self.mlflow is not None:
            return self.mlflow
        folder = Path(self.warehouse).absolute().parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise EnvironmentProblem(f"{folder} cannot be made, for MLflow's file: {problem.strerror}") from None
        return f"sqlite:///{folder / 'mlflow.db'}"
