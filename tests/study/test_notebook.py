"""The notebooks, run from top to bottom as plain Python: where a session runs already, and without Spark."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.study.conftest import BYSTANDERS, START

from counterpart.synthetic import SynthSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.study]


def require_no_magic(notebook: Path) -> None:
    """A Databricks notebook of nothing that plain Python would not understand."""
    text = notebook.read_text(encoding="utf-8")
    assert text.startswith("# Databricks notebook source\n")
    assert "# COMMAND ----------" in text
    assert not [line for line in text.splitlines() if line.startswith(("%", "!", "dbutils"))]


def test_the_study_runs_from_top_to_bottom(
    spark: SparkSession,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """In a relative folder, as `make run` has it; what it prints counts.

    In a session that is there, as on Databricks, and with as few bystanders and years as the demo of the other tests.
    """
    notebook = root / "notebooks" / "msk_imaging.py"
    require_no_magic(notebook)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERPART_DEMO", "demo")
    monkeypatch.setenv("COUNTERPART_MEMBERS", "12000")
    few = partial(SynthSettings, bystanders=BYSTANDERS, start=START)
    monkeypatch.setattr("counterpart.demo.SynthSettings", few)
    runpy.run_path(str(notebook), run_name="__main__")
    printed = capsys.readouterr().out
    for said in ("treated", "eligible_not_chosen", "rate_ratio", "Figure(", "coverage_end", "report.html", "mlflow ui"):
        assert said in printed, said
    assert {path.name for path in tmp_path.iterdir()} == {"demo"}


def test_a_table_of_ones_own_is_matched_without_spark(root: Path, tmp_path: Path):
    """The planted effect, -100, is found again; the crude difference has the wrong sign."""
    notebook = root / "notebooks" / "match_a_table.py"
    require_no_magic(notebook)
    done = subprocess.run(
        [sys.executable, notebook], cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    crude, matched = map(int, re.search(r"crude ([+-]\d+), matched ([+-]\d+)", printed).groups())
    assert crude > 0
    assert -105 <= matched <= -95
    differences = re.findall(r"^\d+ .* after .*$", printed, re.MULTILINE)
    assert len(differences) == 5
    assert all(abs(float(row.split()[5])) < 0.05 for row in differences)
