"""The notebooks, run from top to bottom as plain Python in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.study.conftest import COMPILED_LIGHTLY

pytestmark = [pytest.mark.spark, pytest.mark.study]


def run_notebook(notebook: Path, folder: Path, **environment: str) -> str:
    """What it prints. A Databricks notebook without magic that plain Python would not understand."""
    text = notebook.read_text(encoding="utf-8")
    assert text.startswith("# Databricks notebook source\n")
    assert "# COMMAND ----------" in text
    assert not [line for line in text.splitlines() if line.startswith(("%", "!", "dbutils"))]
    done = subprocess.run(
        [sys.executable, notebook],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_study_runs_from_top_to_bottom(root: Path, tmp_path: Path):
    """In a relative folder, as `make run` has it; what it prints counts."""
    printed = run_notebook(
        root / "notebooks" / "msk_imaging.py",
        tmp_path,
        COUNTERPART_DEMO="demo",
        COUNTERPART_MEMBERS="12000",
        PYSPARK_SUBMIT_ARGS=f"--driver-java-options '{COMPILED_LIGHTLY}' pyspark-shell",
    )
    for said in ("treated", "eligible_not_chosen", "rate_ratio", "Figure(", "coverage_end", "report.html", "mlflow ui"):
        assert said in printed, said
    assert {path.name for path in tmp_path.iterdir()} == {"demo"}


def test_a_table_of_ones_own_is_matched_without_spark(root: Path, tmp_path: Path):
    """The planted effect, -100, is found again; the crude difference has the wrong sign."""
    printed = run_notebook(root / "notebooks" / "match_a_table.py", tmp_path)
    crude, matched = map(int, re.search(r"crude ([+-]\d+), matched ([+-]\d+)", printed).groups())
    assert crude > 0
    assert -105 <= matched <= -95
    differences = re.findall(r"^\d+ .* after .*$", printed, re.MULTILINE)
    assert len(differences) == 5
    assert all(abs(float(row.split()[5])) < 0.05 for row in differences)
