"""The site document: every complaint with its path and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.studies import changed

from counterpart.errors import ProtocolError
from counterpart.protocol import load_site

SITE: dict[str, Any] = {"name": "here", "warehouse": "w/tables", "reports": "w/reports"}


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("warehose", "x", "…: unknown key; did you mean warehouse?"),
        ("warehouse", "", "…: must not be empty (found '')"),
        ("reports", ..., "…: is missing"),
        ("source.layout", "sas", "…: must be 'tuva', 'desynpuf', 'omop', 'rif' or 'mapping' (found 'sas')"),
        (
            "source",
            {"layout": "mapping", "path": "p"},
            "source.mapping: is missing: layout mapping needs the path of a mapping document (YAML)",
        ),
        (
            "source",
            {"layout": "tuva"},
            "source.path: is missing: the folder of the claims, or `catalog`, the schema whose tables they are",
        ),
        ("source.catalog", "main.claims", "…: stands beside path; the claims lie in one of them"),
        (
            "source.catalog",
            "main.payer.claims",
            "…: cannot be read (found 'main.payer.claims'); it is a schema such as main.claims or claims",
        ),
        ("source.versions", {"claims": -1}, "….claims: must be greater than or equal to 0 (found -1)"),
        ("source.mapping", "m.yaml", "…: is not read: the layout is tuva; write layout: mapping"),
        ("max_quarantined", 5, "…: must be less than or equal to 1 (found 5); it is a share of the rows, such as 0.05"),
        (
            "upkeep.retain_days",
            3,
            "…: must be greater than or equal to 7 (found 3); it is days, such as 30; Delta deems fewer than 7 unsafe, "
            "for a run may still read them",
        ),
        ("upkeep.optimize", "always", "…: must be 'never', 'touched' or 'all' (found 'always')"),
        ("member_buckets", 0, "…: must be greater than or equal to 1 (found 0)"),
        ("service_period", "week", "…: must be 'month' or 'year' (found 'week')"),
        ("spark.driver_memory", "4 GB", "…: cannot be read (found '4 GB'); it is a size such as 4g or 4096m"),
        ("spark.driver_memory", 4, "…: must be text (found 4; put it in quotes); it is a size such as 4g or 4096m"),
        ("spark.shuffle_partitions", 0, "…: must be greater than or equal to 1 (found 0)"),
        ("spark.conf", {"spark.x": [1]}, "….spark.x: must be text (found a list of 1)"),
        *(
            (
                "reports",
                address,
                f"…: must be a folder of this machine (found {address!r}); a volume or mount is one, such as "
                "/Volumes/main/counterpart/reports on Databricks",
            )
            for address in ("s3a://lab/reports", "dbfs:/reports")
        ),
        (
            "warehouse",
            "s3://claims/tables",
            "mlflow: is missing: beside a warehouse in an object store there is no place for MLflow's file",
        ),
        (
            "warehouse",
            "file:///w/tables",
            "…: 'file:///w/tables' is a folder of this machine: write /w/tables, or say mlflow",
        ),
        *[
            (path, value, f"…: {value!r} is taken as it is written, ~ and $ are not expanded; write the path out")
            for path, value in [("warehouse", "~/w"), ("reports", "$HOME/r"), ("source.path", "/a/${USER}/c")]
        ],
        (
            "warehouse",
            "C:\\data",
            "…: 'C:\\\\data' is a path of Windows; write one of this machine, such as /mnt/c/data under WSL",
        ),
    ],
)
def test_one_problem_of_a_site(tmp_path: Path, path: str, value: Any, complaint: str) -> None:
    base = SITE | {"source": {"layout": "tuva", "path": "claims"}}
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump(changed(base, (path, value))))
    with pytest.raises(ProtocolError) as problem:
        load_site(file)
    assert str(problem.value) == f"{file} has 1 problem:\n  {complaint.replace('…', path, 1)}"


def test_spark_settings_may_be_written_as_yaml_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    conf = {"spark.sql.adaptive.enabled": True, "spark.executor.cores": 4, "spark.memory.fraction": 0.6, "spark.x": "y"}
    file.write_text(yaml.safe_dump(SITE | {"spark": {"master": None, "conf": conf}}))
    spark = load_site(file).spark
    assert list(spark.conf.items()) == sorted(zip(conf, ["true", "4", "0.6", "y"], strict=True))
    assert spark.master is None


def test_mlflow_lies_beside_the_warehouse_unless_the_site_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump(SITE))
    assert load_site(file).tracking_uri() == f"sqlite:///{tmp_path}/w/mlflow.db"
    assert (tmp_path / "w").is_dir()
    file.write_text(yaml.safe_dump(SITE | {"warehouse": "dbfs:/claims/tables", "mlflow": "databricks"}))
    assert load_site(file).tracking_uri() == "databricks"


def test_what_looks_like_another_number_stays_as_it_is_written(tmp_path: Path) -> None:
    """A umask of 027 as YAML's octal number would be 23, which lets others read."""
    file = tmp_path / "site.yaml"
    conf = "{spark.umask: 027, spark.time: 3:00, spark.version: 3.10, spark.share: 5e-2, spark.many: 1_000, spark.n: 8}"
    file.write_text(yaml.safe_dump(SITE) + f"spark: {{conf: {conf}}}\n")
    assert list(load_site(file).spark.conf.values()) == ["027", "3:00", "3.10", "5e-2", "1_000", "8"]
