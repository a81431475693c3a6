"""The driver is killed in every stage; the study, started again, ends with the tables of a run that nobody touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.study.conftest import Installation, install
from tests.study.conftest import claims as claims
from tests.study.conftest import installation as installation
from tests.study.conftest import study_document as study_document
from tests.study.test_reuse import assert_same_results

pytestmark = [pytest.mark.spark, pytest.mark.bench]

# The first table of each stage: once it is there, the stage is at work and not yet recorded.
BEGUN = ("members", "cohort", "covariates", "scores", "matches", "follow_up", "effects")
LONGEST_RUN = 600.0


def start(site: Installation) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "counterpart", "run", "--study", str(site.study), "--site", str(site.site)]
    command += ["--json", str(site.folder / "told.json")]
    with (site.folder / "log.txt").open("ab") as log:
        return subprocess.Popen(command, cwd=site.folder, stdout=log, stderr=log, start_new_session=True)


def kill_when(running: subprocess.Popen[bytes], table: Path) -> None:
    """SIGKILL to the driver, its JVM and its workers as soon as the table has a first commit."""
    deadline = time.monotonic() + LONGEST_RUN
    while not list(table.glob("_delta_log/*.json")):
        assert running.poll() is None, "the run ended before the stage began"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def test_killed_in_every_stage(spark, installation, claims, tmp_path):
    site = install(tmp_path / "killed", claims, installation.study)
    for name in BEGUN:
        kill_when(start(site), site.warehouse / name)
    assert start(site).wait(LONGEST_RUN) == 0, (site.folder / "log.txt").read_text()[-2000:]
    site.told = json.loads((site.folder / "told.json").read_text())
    assert_same_results(spark, installation, site)
