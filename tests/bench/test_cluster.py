"""A match on a Spark cluster of two executors, one of which is killed: the result is that of one pandas process."""

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

from counterpart import Matching, match

pytestmark = [pytest.mark.spark, pytest.mark.bench]

DRIVER = Path(__file__).with_name("cluster_driver.py")
LONGEST_RUN = 600.0
# One stratum has 30 % of all units, one 20 %; both are cut, the others are solved as they are.
SHARES = [0.3, 0.2, *[0.1] * 5]
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
        6_000_000,
        {"exact": ("stratum",), "score": "logit", "score_scale": "logit", "caliper": 0.2},
    ),
    Case(
        f"{len(COVARIATES)} covariates, Mahalanobis",
        10_000,
        200_000,
        15_000_000,
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
MOMENTS: dict[str, Moment] = {"while parts were matched": is_of_parts, "while tasks were solved": is_of_tasks}


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_cluster(tmp_path_factory.mktemp("cluster"), n_workers=2, worker_memory="2g") as url:
        yield url


def make_units(case: Case) -> pd.DataFrame:
    """Seeded; treated have higher scores and covariates, and rows lie in any order."""
    generator = np.random.default_rng(20)
    n = case.n_treated + case.n_controls
    is_treated = generator.permutation(n) < case.n_treated
    columns = {name: generator.normal(0.3 * is_treated) for name in ("logit", *COVARIATES)}
    stratum = generator.choice(len(SHARES), n, p=SHARES)
    return pd.DataFrame({"id": generator.permutation(n), "treated": is_treated, "stratum": stratum} | columns)


def run(master: str, folder: Path, out: Path, moment: Moment | None) -> Ran:
    """Match the folder's units on the cluster; at the moment, if any, an executor is killed."""
    with running_python(DRIVER, [master, str(folder), str(out)], out) as driver:
        if moment is not None:
            kill_executor(driver, out, moment)
        assert driver.wait(LONGEST_RUN) == 0, (out / "log.txt").read_text()[-3000:]
    found = {name: pd.read_parquet(out / f"{name}.parquet") for name in ORDER}
    return Ran(json.loads((out / "told.json").read_text()), found, *count_tasks(out))


def kill_executor(driver: subprocess.Popen[bytes], out: Path, moment: Moment) -> None:
    """SIGKILL to an executor that has done a task of the stage and is at another."""
    started = out / "started.json"
    wait_until(started.exists, LONGEST_RUN, driver)
    told = json.loads(started.read_text())
    stage = wait_until(lambda: find_stage(out, moment), LONGEST_RUN, driver)
    page = f"{told['page']}/api/v1/applications/{told['application']}/stages/{stage}/0/taskList?length=10000"
    victim = wait_until(lambda: find_busy(read_json(page) or []), LONGEST_RUN, driver)
    process = executor_process(told["application"], victim)
    assert process is not None
    os.kill(process, signal.SIGKILL)


def find_stage(out: Path, moment: Moment) -> int | None:
    """The stage, once a job that has it was started."""
    for job in events(out, "JobStart"):
        for stage in job["Stage Infos"]:
            if moment([json.loads(rdd.get("Scope", "{}")).get("name", "") for rdd in stage["RDD Info"]]):
                return int(stage["Stage ID"])
    return None


def find_busy(tasks: list[dict[str, Any]]) -> str | None:
    """An executor with a task that is done and one that is not."""
    of = {
        status: {task["executorId"] for task in tasks if task["status"] == status} for status in ("SUCCESS", "RUNNING")
    }
    return min(of["SUCCESS"] & of["RUNNING"], default=None)


def events(out: Path, *kinds: str) -> Iterator[dict[str, Any]]:
    """Of the event log, which may be still written."""
    marks = tuple(f'{{"Event":"SparkListener{kind}"' for kind in kinds)
    for file in (out / "events").iterdir():
        with file.open() as lines:
            yield from (json.loads(line) for line in lines if line.startswith(marks) and line.endswith("\n"))


def count_tasks(out: Path) -> tuple[int, int, Counter[str]]:
    """Tasks, those started again, reasons of their ends.

    A stage that is taken up again by a later job has another number, but computes the same partitions of the same RDD.
    """
    rdds = {
        told["Stage Info"]["Stage ID"]: told["Stage Info"]["RDD Info"][0]["RDD ID"]
        for told in events(out, "StageSubmitted")
    }
    starts = [(rdds[told["Stage ID"]], told["Task Info"]["Partition ID"]) for told in events(out, "TaskStart")]
    ends = Counter(told["Task End Reason"]["Reason"] for told in events(out, "TaskEnd"))
    return len(set(starts)), len(starts) - len(set(starts)), ends


def assert_same_bits(found: dict[str, pd.DataFrame], reference: Any) -> None:
    for name, order in ORDER.items():
        assert_frame_equal(as_bits(found[name], order), as_bits(getattr(reference, name), order))


def as_bits(frame: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Sorted; fractions as the whole numbers that have their bits."""
    ordered = frame.sort_values(order, ignore_index=True)
    return ordered.assign(**{name: ordered[name].to_numpy().view("int64") for name in ordered.select_dtypes("float64")})


def row_of(case: Case, what: str, ran: Ran) -> list[str]:
    size = f"{case.name}, {case.n_treated:,} / {case.n_controls:,}"
    lost = ran.ends["ExecutorLostFailure"]
    counts = [f"{n:,}" for n in (ran.n_tasks, ran.n_again, lost, len(ran.found["pairs"]))]
    return [size, what, f"{ran.told['seconds']:.0f}", *counts]


def test_killed_executor(master: str, root: Path, tmp_path: Path) -> None:
    rows = [["treated / controls", "executors", "s", "tasks", "run again", "lost under way", "pairs"]]
    for number, case in enumerate(CASES):
        folder = tmp_path / f"case_{number}"
        folder.mkdir()
        units = make_units(case)
        units.to_parquet(folder / "units.parquet", row_group_size=50_000)
        (folder / "job.json").write_text(json.dumps({"matching": case.settings, "task_bytes": case.task_bytes}))
        reference = match(units, Matching(**case.settings), seed=0)
        calm = run(master, folder, folder / "calm", None)
        print(calm.told["plan"], calm.told["steps"])
        assert calm.told["n_cut"], "the largest strata are cut"
        assert calm.n_again == 0
        assert_same_bits(calm.found, reference)
        rows.append(row_of(case, "undisturbed", calm))
        for at, (what, moment) in enumerate(MOMENTS.items()):
            killed = run(master, folder, folder / f"killed_{at}", moment)
            print(what, killed)
            assert killed.ends["ExecutorLostFailure"]
            assert_same_bits(killed.found, reference)
            rows.append(row_of(case, f"one killed {what}", killed))
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "numpy", "numba"))
    how = f"{datetime.now(timezone.utc):%Y-%m-%d}; {describe_machine()}; Python {python_version()}, {versions}"
    write_section(root / "docs/benchmarks.md", "A killed executor", f"{how}\n\n{table_of(rows)}")
