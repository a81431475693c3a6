"""The notebook, run from top to bottom as plain Python in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.study]


def test_the_notebook_runs_from_top_to_bottom(root: Path, tmp_path: Path):
    """In a relative folder, as `make run` has it; what it prints counts."""
    notebook = root / "notebooks" / "msk_imaging.py"
    text = notebook.read_text(encoding="utf-8")
    assert text.startswith("# Databricks notebook source\n")
    assert "# COMMAND ----------" in text
    assert not [line for line in text.splitlines() if line.startswith(("%", "!", "dbutils"))]
    environment = os.environ | {"COUNTERPART_DEMO": "demo", "COUNTERPART_MEMBERS": "15000"}
    done = subprocess.run(
        [sys.executable, notebook], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for said in ("treated", "eligible_not_chosen", "rate_ratio", "Figure(", "coverage_end", "report.html", "mlflow ui"):
        assert said in done.stdout, said
    assert {path.name for path in tmp_path.iterdir()} == {"demo"}
