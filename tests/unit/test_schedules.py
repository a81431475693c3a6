"""The Databricks bundle: the platform's own model of a job knows its keys, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.sdk.service.jobs import JobSettings

from counterpart.cli import _parser
from counterpart.protocol import load_site, load_study

FILES = "/Workspace/files"


@pytest.fixture(scope="module")
def bundle(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "databricks.yml").read_text())


@pytest.fixture(scope="module")
def resources(root: Path, bundle: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The one file that the bundle includes, variables and the workspace's folder put in; and the folder it lies in."""
    (file,) = (path for pattern in bundle["include"] for path in root.glob(pattern))
    known = {f"var.{name}": variable["default"] for name, variable in bundle["variables"].items()}
    known["workspace.file_path"] = FILES
    text = re.sub(r"\$\{([\w.]+)\}", lambda found: str(known[found[1]]), file.read_text())
    return file.parent, yaml.safe_load(text)["resources"]


def test_the_platform_knows_every_key_of_the_job(resources: tuple[Path, dict[str, Any]]) -> None:
    """Its model drops what it does not know, and what comes back is what it took."""
    for job in resources[1]["jobs"].values():
        assert JobSettings.from_dict(job).as_dict() == job


def test_every_task_is_a_job_of_ours_with_arguments_it_takes(
    root: Path, bundle: dict[str, Any], resources: tuple[Path, dict[str, Any]]
) -> None:
    folder, content = resources
    (job,) = content["jobs"].values()
    for task in job["tasks"]:
        script = (folder / task["spark_python_task"]["python_file"]).resolve()
        assert script.parent == root / "jobs"
        (command,) = re.findall(r'run_job\("(\w+)"\)', script.read_text())
        chosen = _parser().parse_args([command, *task["spark_python_task"]["parameters"]])
        assert load_site(root / chosen.site.relative_to(FILES)).name == "databricks"
        if chosen.study:
            assert load_study(root / chosen.study.relative_to(FILES)).name == "msk_imaging"
        (library,) = task["libraries"]
        assert (folder / library["whl"]).resolve() == root / "dist" / "*.whl"
    build = bundle["artifacts"]["wheel"]["build"]
    assert build.split()[-3:] == ["--wheel-dir", "dist", "."]
    assert build.startswith("rm -rf dist build/lib && ")


def test_nothing_reads_the_tables_before_the_ingest_is_done(resources: tuple[Path, dict[str, Any]]) -> None:
    (job,) = resources[1]["jobs"].values()
    first, *others = job["tasks"]
    assert first["task_key"] == "ingest"
    assert [task["depends_on"] for task in others] == [[{"task_key": "ingest"}]] * len(others)
