"""A match on a Spark cluster of two executors, one of which is killed: the result is that of one pandas process.

COUNTERPART_BENCH_REPORT    document to write (default docs/benchmarks.md)
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tests.bench.cluster import executor_process, read_json, running_python, start_cluster, wait_until
from tests.bench.document import table_of, write_section
from tests.bench.oracle_measure import describe_machine
from tests.study.conftest import COMPILED_LIGHTLY

from counterpart import Matching, match

pytestmark = [pytest.mark.spark, pytest.mark.bench]

DRIVER = Path(__file__).with_name("cluster_driver.py")
LONGEST_RUN, LONGEST_STAGE = 600.0, 60.0
N_WORKERS = 2
FIRST, CALM = "first", "undisturbed"
# One stratum has 30 % of all units, one 20 %; both are cut, the others are solved as they are.
SHARES = [0.3, 0.2, *[0.05] * 10]
COVARIATES = tuple(f"x{k}" for k in range(6))
ORDER = {"pairs": ["treated_id", "control_id"], "unmatched": ["treated_id"], "weights": ["set_id", "id"]}


@dataclass(frozen=True)
class Case:
    """A problem, and the bytes of a task, few enough that the largest strata are cut."""

    name: str
    n_treated: int
    n_controls: int
    task_bytes: int
    settings: dict[str, Any]


CASES = (
    Case(
        "one score",
        20_000,
        600_000,
        7_000_000,
        {"exact": ("stratum",), "score": "logit", "score_scale": "logit", "caliper": 0.2},
    ),
    Case(
        f"{len(COVARIATES)} covariates, Mahalanobis",
        10_000,
        200_000,
        14_000_000,
        {"exact": ("stratum",), "distance": "mahalanobis", "covariates": COVARIATES, "caliper": None},
    ),
)


@dataclass(frozen=True)
class Ran:
    """A run on the cluster. `n_again`: tasks started beyond the first time; `ends`: how tasks ended, by reason."""

    told: dict[str, Any]
    found: dict[str, pd.DataFrame]
    n_tasks: int
    n_again: int
    ends: Counter[str]


def is_of_parts(scopes: list[str]) -> bool:
    """The stage that matches parts reads what was packed, and writes for the next merge."""
    return "MapInArrow" in scopes and scopes[0] == "Exchange" and "Exchange" in scopes[1:]


def is_of_tasks(scopes: list[str]) -> bool:
    """The stage that solves tasks reads what was packed or merged, and keeps what it finds."""
    return "MapInArrow" in scopes and scopes[0] != "Exchange" and "Exchange" in scopes[1:]


Moment = Callable[[list[str]], bool]
MOMENTS: dict[str, Moment] = {
    "killed while parts were matched": is_of_parts,
    "killed while tasks were solved": is_of_tasks,
}


@pytest.fixture(scope="module")
def measured(root: Path) -> Iterator[list[list[str]]]:
    """Rows of the table, which is written once all cases have theirs."""
    rows: list[list[str]] = []
    yield rows
    if len(rows) == len(CASES) * (1 + len(MOMENTS)):
        document = Path(os.environ.get("COUNTERPART_BENCH_REPORT", root / "docs/benchmarks.md"))
        write_section(document, "A killed executor", describe(rows))


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_cluster(tmp_path_factory.mktemp("cluster"), N_WORKERS, worker_memory="2g") as url:
        yield url


def make_units(case: Case) -> pd.DataFrame:
    """Seeded; treated have higher scores and covariates, and rows lie in any order."""
    generator = np.random.default_rng(20)
    n = case.n_treated + case.n_controls
    is_treated = generator.permutation(n) < case.n_treated
    columns = {name: generator.normal(0.3 * is_treated) for name in ("logit", *COVARIATES)}
    stratum = generator.choice(len(SHARES), n, p=SHARES)
    return pd.DataFrame({"id": generator.permutation(n), "treated": is_treated, "stratum": stratum} | columns)


def run(master: str, case: Case, folder: Path) -> dict[str, Ran]:
    """Match the folder's units on the cluster, run after run; in those of MOMENTS an executor is killed."""
    runs = [FIRST, CALM, *MOMENTS]
    job = {"matching": case.settings, "task_bytes": case.task_bytes, "runs": runs}
    (folder / "job.json").write_text(json.dumps(job | {"n_executors": N_WORKERS, "java_options": COMPILED_LIGHTLY}))
    with running_python(DRIVER, [master, str(folder)], folder / "driver") as driver:
        pages = find_pages(driver, folder)
        for name in MOMENTS:
            kill_executor(driver, folder, pages, name)
        assert driver.wait(LONGEST_RUN) == 0, (folder / "driver/log.txt").read_text()[-3000:]
    told = json.loads((folder / "told.json").read_text())
    return {name: Ran(told[name], read_frames(folder / name), *count_tasks(folder, name)) for name in runs}


def read_frames(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ORDER}


def find_pages(driver: subprocess.Popen[bytes], folder: Path) -> str:
    """Where the driver tells of its application. The first page asked for takes seconds, so it is asked for here."""
    started = folder / "started.json"
    wait_until(started.exists, LONGEST_RUN, driver)
    told = json.loads(started.read_text())
    pages = f"{told['page']}/api/v1/applications/{told['application']}"
    wait_until(lambda: read_json(f"{pages}/executors"), LONGEST_RUN, driver)
    return pages


def kill_executor(driver: subprocess.Popen[bytes], folder: Path, pages: str, run: str) -> None:
    """SIGKILL, at the run's moment, to an executor that has done a task of the stage and is at another."""
    stage = wait_until(lambda: find_stage(folder, run), LONGEST_RUN, driver)
    page = f"{pages}/stages/{stage}/0/taskList?length=1000"
    victim = wait_until(lambda: find_busy(read_json(page) or []), LONGEST_STAGE, driver)
    process = executor_process(pages.rpartition("/")[2], victim)
    assert process is not None
    os.kill(process, signal.SIGKILL)


def find_stage(folder: Path, run: str) -> int | None:
    """The stage at which the run is to be disturbed, once a job that has it was started."""
    for job in events(folder, "JobStart", run):
        for stage in job["Stage Infos"]:
            if MOMENTS[run]([json.loads(rdd.get("Scope", "{}")).get("name", "") for rdd in stage["RDD Info"]]):
                return int(stage["Stage ID"])
    return None


def find_busy(tasks: list[dict[str, Any]]) -> str | None:
    """An executor with a task that is done and one that is not."""
    of = {
        status: {task["executorId"] for task in tasks if task["status"] == status} for status in ("SUCCESS", "RUNNING")
    }
    return min(of["SUCCESS"] & of["RUNNING"], default=None)


def events(folder: Path, kind: str, run: str | None = None) -> Iterator[dict[str, Any]]:
    """Of the event log, which may be still written; of one run, where events tell it."""
    mark, group = f'{{"Event":"SparkListener{kind}"', f'"spark.jobGroup.id":"{run}"'
    for file in (folder / "events").iterdir():
        with file.open() as lines:
            for line in lines:
                if line.startswith(mark) and line.endswith("\n") and (run is None or group in line):
                    yield json.loads(line)


def count_tasks(folder: Path, run: str) -> tuple[int, int, Counter[str]]:
    """Tasks of the run, those started again, and how they ended.

    A stage that a later job takes up again has another number, but computes the same partitions of the same RDD.
    """
    submitted = list(events(folder, "StageSubmitted", run))
    rdds = {told["Stage Info"]["Stage ID"]: told["Stage Info"]["RDD Info"][0]["RDD ID"] for told in submitted}
    started, ended = (
        [told for told in events(folder, kind) if told["Stage ID"] in rdds] for kind in ("TaskStart", "TaskEnd")
    )
    tasks = Counter((rdds[told["Stage ID"]], told["Task Info"]["Partition ID"]) for told in started)
    ends = Counter(told["Task End Reason"]["Reason"] for told in ended)
    return len(tasks), tasks.total() - len(tasks), ends


def assert_same_bits(found: dict[str, pd.DataFrame], reference: Any) -> None:
    for name, order in ORDER.items():
        assert_frame_equal(as_bits(found[name], order), as_bits(getattr(reference, name), order))


def as_bits(frame: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Sorted; fractions as the whole numbers that have their bits."""
    ordered = frame.sort_values(order, ignore_index=True)
    return ordered.assign(**{name: ordered[name].to_numpy().view("int64") for name in ordered.select_dtypes("float64")})


def row_of(case: Case, what: str, ran: Ran) -> list[str]:
    size = f"{case.name}, {case.n_treated:,} / {case.n_controls:,}"
    counts = [
        ran.n_tasks,
        ran.n_again,
        ran.ends["ExecutorLostFailure"],
        ran.ends["FetchFailed"],
        len(ran.found["pairs"]),
    ]
    plan = f"{ran.told['n_tasks']}, {ran.told['n_parts']}"
    return [size, what, plan, f"{ran.told['seconds']:.1f}", *[f"{n:,}" for n in counts]]


def describe(rows: list[list[str]]) -> str:
    head = ["treated / controls", "executor", "tasks, parts of the plan", "s", "Spark's tasks", "run again"]
    head += ["lost at work", "found no shuffle file", "pairs"]
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "numpy", "numba"))
    how = (
        f"`match` from Parquet on a standalone cluster on loopback, {N_WORKERS} executors of one core, which get "
        "shuffle files from each other and not from the common disk. SIGKILL goes to an executor that has done a task "
        "of the stage and is at another; the cluster starts one in its place. Pairs, unmatched and weights of all runs "
        "are, to the bit, those of the pandas path in one process. One session each, warm; seconds until all three "
        "frames are at the driver. Run again are tasks started more than once; what a lost executor had cached is "
        "found again inside later tasks. "
        f"{datetime.now(timezone.utc):%Y-%m-%d}; {describe_machine()}; Python {python_version()}, {versions}."
    )
    return f"{how}\n\n{table_of([head, *rows])}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.split(",")[0])
def test_killed_executor(master: str, case: Case, tmp_path: Path, measured: list[list[str]]) -> None:
    units = make_units(case)
    units.to_parquet(tmp_path / "units.parquet", row_group_size=50_000)
    reference = match(units, Matching(**case.settings), seed=0)
    ran = run(master, case, tmp_path)
    print(ran[CALM].told["plan"])
    for name in ran:
        print(
            name,
            ran[name].told["seconds"],
            ran[name].told["steps"],
            ran[name].n_tasks,
            ran[name].n_again,
            ran[name].ends,
        )
        assert_same_bits(ran[name].found, reference)
    measured += [row_of(case, name, ran[name]) for name in (CALM, *MOMENTS)]
    assert 0 < ran[CALM].told["n_cut"] < ran[CALM].told["n_tasks"], "the largest strata are cut, others are not"
    assert ran[CALM].n_again == 0
    for name in MOMENTS:
        assert ran[name].ends["ExecutorLostFailure"], "a task was lost, and the match ended"
        assert 0 < ran[name].n_again < ran[name].n_tasks / 2
