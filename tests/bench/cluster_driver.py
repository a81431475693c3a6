"""A driver on a cluster: match the units of a folder there several times, write what was found and what it took.

python cluster_driver.py MASTER FOLDER    (FOLDER has units.parquet and job.json)
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from counterpart import Matching, match

LONGEST_START = 120.0


def start_session(master: str, folder: Path, n_executors: int, java_options: str) -> SparkSession:
    """One core an executor; what happens is written to the event log, and at once to the pages.

    Executors of one machine would read each other's shuffle files from its disk, also those of one that was killed.
    """
    log = folder / "events"
    log.mkdir()
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": java_options,
        "spark.executor.cores": "1",
        "spark.executor.memory": "1g",
        "spark.executor.extraJavaOptions": java_options,
        "spark.executorEnv.PYTHONPATH": os.environ["PYTHONPATH"],
        "spark.cores.max": str(n_executors),
        "spark.default.parallelism": str(n_executors),
        "spark.shuffle.readHostLocalDisk": "false",
        "spark.ui.port": "0",
        "spark.ui.showConsoleProgress": "false",
        "spark.ui.liveUpdate.period": "0",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": log.as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.files.maxPartitionBytes": "8m",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }
    builder = SparkSession.builder.master(master).appName("match")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def await_executors(spark: SparkSession, n_executors: int) -> None:
    """Until all are there, also those started in place of lost ones; the driver is counted too."""
    tracker, deadline = spark.sparkContext._jsc.sc().statusTracker(), time.monotonic() + LONGEST_START
    while len(tracker.getExecutorInfos()) != n_executors + 1:
        assert time.monotonic() < deadline, "executors are missing"
        time.sleep(0.05)


def match_once(units: DataFrame, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """The frames into a folder of the run's own; seconds until they were here, and the plan."""
    out.mkdir()
    start = time.perf_counter()
    result = match(units, Matching(**job["matching"]), seed=0, task_bytes=job["task_bytes"])
    frames = {name: getattr(result, name).toPandas() for name in ("pairs", "unmatched", "weights")}
    seconds = time.perf_counter() - start
    result.release()
    for name, frame in frames.items():
        frame.to_parquet(out / f"{name}.parquet")
    plan = result.plan
    assert plan is not None
    told = {"plan": str(plan), "n_tasks": plan.n_tasks, "n_cut": plan.n_cut, "n_parts": plan.n_parts}
    return told | {"seconds": seconds, "steps": result.summary["seconds"]}


def write_whole(path: Path, told: dict[str, Any]) -> None:
    """A file that is there is complete."""
    path.with_suffix(".part").write_text(json.dumps(told))
    path.with_suffix(".part").rename(path)


def main(master: str, folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    spark = start_session(master, folder, job["n_executors"], job["java_options"])
    context = spark.sparkContext
    write_whole(folder / "started.json", {"page": context.uiWebUrl, "application": context.applicationId})
    units, told = spark.read.parquet(str(folder / "units.parquet")), {}
    for name in job["runs"]:
        await_executors(spark, job["n_executors"])
        context.setJobGroup(name, name)
        told[name] = match_once(units, job, folder / name)
        print(name, told[name], flush=True)
    write_whole(folder / "told.json", told)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
