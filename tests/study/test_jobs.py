"""The jobs under a real spark-submit: same tables on other cores, partitions and file order, and nothing leaks."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F
from tests.study.conftest import CANARY, COMPILED_LIGHTLY, Installation, install
from tests.study.test_reuse import assert_same_results, assert_same_rows

from counterpart import cli

pytestmark = [pytest.mark.spark, pytest.mark.study]

# Nine digits or more, or letters with digits: what person ids, claim ids and keys look like.
TOKEN = re.compile(rb"-?\d{9,}|[A-Z]+\d[A-Z0-9-]*")


def start(root: Path, folder: Path, job: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """A job in a process of its own, started in `folder`. spark-submit sends both of its streams to standard output."""
    command = [Path(sys.executable).parent / "spark-submit", "--driver-memory", "2g"]
    command += ["--driver-java-options", COMPILED_LIGHTLY, root / "jobs" / f"{job}.py", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK", "PYSPARK"))}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, start_new_session=True, **streams)


def submit(root: Path, folder: Path, job: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A job, run to its end."""
    running = start(root, folder, job, *arguments)
    stdout, stderr = running.communicate()
    return subprocess.CompletedProcess(running.args, running.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def shuffled(claims: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same claims in other files: rows reversed and dealt to seven files."""
    folder = tmp_path_factory.mktemp("shuffled")
    for source in ("eligibility", "medical_claim", "pharmacy_claim", "program_roster"):
        rows = ds.dataset(claims / source).to_table()
        (folder / source).mkdir()
        for number in range(7):
            dealt = rows.take(pa.array(range(len(rows) - 1 - number, -1, -7), pa.int64()))
            pq.write_table(dealt, folder / source / f"{6 - number}.parquet")
    return folder


@pytest.fixture(scope="module")
def submitted(root, installation, shuffled, tmp_path_factory):
    """The whole study by spark-submit: one core and 5 shuffle partitions, where the other run has two and 2."""
    made = install(
        tmp_path_factory.mktemp("submitted"), shuffled, installation.study, master="local[1]", shuffle_partitions=5
    )
    told = made.folder / "told.json"
    done = submit(root, made.folder, "run_study", "--study", made.study, "--site", made.site, "--json", told)
    assert done.returncode == 0, done.stdout + done.stderr
    (made.folder / "stdout.txt").write_text(done.stdout)
    (made.folder / "stderr.txt").write_text(done.stderr)
    made.told = json.loads(told.read_text())
    return made


def test_the_tables_are_the_same_to_the_bit(spark, installation, submitted):
    """Sorted alike or not: claims tables and results as multisets of rows."""
    assert_same_rows(
        spark, installation, submitted, ["members", "enrollment", "medical", "pharmacy", "program"], "true"
    )
    assert_same_results(spark, installation, submitted)
    for part in ("effects", "balance", "attrition", "matching", "event_time", "score_histogram", "score"):
        assert submitted.told["results"][part] == installation.told["results"][part], part


@pytest.fixture(scope="module")
def profiles(spark, installation, submitted):
    """The data-quality documents of both runs; what they wrote and told lies with the rest that the runs left."""
    told = []
    for made in (installation, submitted):
        file = made.folder / "profile_told.json"
        assert cli.main(["profile", "--site", str(made.site), "--json", str(file)]) == 0
        told.append(json.loads(file.read_text()))
        assert json.loads(Path(told[-1]["paths"]["results"]).read_text()) == told[-1]["profile"]
    return [one["profile"] for one in told]


def test_the_profiles_are_the_same(profiles, installation):
    """Of other files, cores and partitions: all but the name of the site, versions, and the key of the delivery."""
    one, other = ({**profile, "site": "", "made_by": {}} for profile in profiles)
    for profile in (one, other):
        for row in profile["intake"]:
            row.pop("key")
    assert one == other
    medical, pharmacy = one["tables"]
    assert medical["n_lines"] > pharmacy["n_lines"] > 10_000
    assert len(one["months"]) == 34
    assert {row["source"] for row in one["lag"]["sources"]} == {"medical_claim", "pharmacy_claim"}
    assert {row["system"] for row in one["codes"]} >= {"icd10cm", "hcpcs", "ndc"}
    assert {row["source"] for row in one["intake"]} >= {"eligibility", "medical_claim", "program_roster"}


def test_nothing_outside_the_store_names_a_member(spark, claims, submitted, profiles):
    """Every person id, claim id, member key and unit id of the run, searched in all that the run left and said."""
    known = ids_of(spark, claims, submitted)
    outside = [
        path for path in submitted.folder.rglob("*") if path.is_file() and submitted.warehouse not in path.parents
    ]
    names = {path.name for path in outside}
    assert {
        "stdout.txt",
        "stderr.txt",
        "told.json",
        "report.html",
        "mlflow.db",
        "profile.html",
        "profile.json",
    } <= names
    assert any(path.name.startswith("MLmodel") for path in outside)
    for path in outside:
        content = path.read_bytes()
        assert CANARY.encode() not in content, path.name
        leaked = {token for token in TOKEN.findall(content) if token in known}
        assert not leaked, f"{path.name}: {len(leaked)} ids"


def ids_of(spark, claims: Path, site: Installation) -> set[bytes]:
    """All of them, for a few thousand members."""
    raw = [
        column
        for source in ("eligibility", "medical_claim", "pharmacy_claim", "program_roster")
        for column in ds.dataset(claims / source).to_table(columns=["person_id"]).columns
    ]
    claim_ids = ds.dataset(claims / "medical_claim").to_table(columns=["claim_id"]).columns
    ids = {str(value) for column in (*raw, *claim_ids) for value in column.unique().to_pylist() if value}
    tables = [("members", "member_key"), ("medical", "claim_key"), ("cohort", "unit_id")]
    for name, column in tables:
        rows = spark.read.format("delta").load(str(site.warehouse / name)).select(F.col(column).cast("string"))
        ids |= set(rows.distinct().toPandas()[column])
    assert CANARY in ids
    assert len(ids) > 10_000
    return {value.encode() for value in ids}


def test_a_broken_protocol_ends_with_its_code_and_all_its_problems(root, installation, tmp_path):
    study = tmp_path / "broken.yaml"
    study.write_text(
        installation.study.read_text().replace("caliper: 0.2", "calliper: -0.2").replace("2020-10-31", "x")
    )
    done = submit(root, tmp_path, "match", "--study", study, "--site", installation.site)
    assert done.returncode == 10
    assert "matching.calliper: unknown key; did you mean caliper?" in done.stdout + done.stderr
    assert "cohort.index_end" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not [path for path in tmp_path.iterdir() if path != study]


@pytest.fixture
def with_claims(installation, claims, tmp_path) -> Installation:
    """A site with claims tables and nothing else."""
    made = install(tmp_path / "alone", claims, installation.study)
    for name in ("members", "enrollment", "medical", "pharmacy", "program"):
        shutil.copytree(installation.warehouse / name, made.warehouse / name)
    return made


def test_a_job_that_a_scheduler_ends_says_so(root, with_claims):
    """The signal reaches spark-submit's Java process too, which is gone before Python has told anybody."""
    made = with_claims
    told = made.folder / "told.json"
    running = start(root, made.folder, "cohort", "--study", made.study, "--site", made.site, "--json", told)
    wait_until(running, lambda: "RUNNING" in stage_states(made))
    os.killpg(running.pid, signal.SIGTERM)
    stdout, stderr = running.communicate()
    wait_until_gone(running.pid)
    assert running.returncode == 128 + signal.SIGTERM  # Java's
    assert json.loads(told.read_text())["error"] == {"kind": "KeyboardInterrupt", "message": "interrupted"}
    assert stage_states(made) == ["FAILED"]
    assert "Traceback" not in stdout + stderr


def stage_states(made: Installation) -> list[str]:
    """What the ledger says of the stages it knows."""
    file = made.folder / "mlflow.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ledger:
        return [state for (state,) in ledger.execute("select status from runs where name = 'cohort'")]


def wait_until(running: subprocess.Popen[str], is_so: Callable[[], bool]) -> None:
    """Until then, or the job ends, which is a failure."""
    while not is_so():
        with suppress(subprocess.TimeoutExpired):
            running.wait(timeout=0.1)
            pytest.fail(running.communicate()[0])


def wait_until_gone(group: int) -> None:
    """Java is gone before Python, which writes to a pipe of Java's and not to ours."""
    with suppress(ProcessLookupError):
        for _ in range(300):
            os.killpg(group, 0)
            time.sleep(0.1)
        pytest.fail("the driver is still there, half a minute after it was told to end")


def test_a_stage_alone_says_what_must_run_before_it(spark, with_claims, capsys):
    """As a command: what a command ends with, a job does, as that of the broken protocol shows."""
    made = with_claims
    assert cli.main(["covariates", "--study", str(made.study), "--site", str(made.site)]) == 13
    said = "".join(capsys.readouterr())
    assert "stage covariates needs cohort" in said
    assert "Traceback" not in said
