"""A driver on a cluster: match the units of a folder there, write what was found and what it took.

python cluster_driver.py MASTER FOLDER OUT    (FOLDER has units.parquet and job.json, OUT is this process's own)
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter

from pyspark.sql import SparkSession

from counterpart import Matching, match


def start_session(master: str, out: Path) -> SparkSession:
    """One core an executor; what happens is written to the event log, and at once to the pages."""
    log = out / "events"
    log.mkdir()
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.executor.cores": "1",
        "spark.executor.memory": "1g",
        "spark.executorEnv.PYTHONPATH": os.environ["PYTHONPATH"],
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
        "spark.sql.files.maxPartitionBytes": "4m",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }
    builder = SparkSession.builder.master(master).appName("match")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def write_whole(path: Path, told: dict[str, object]) -> None:
    """A file that is there is complete."""
    path.with_suffix(".part").write_text(json.dumps(told))
    path.with_suffix(".part").rename(path)


def main(master: str, folder: Path, out: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    spark = start_session(master, out)
    context = spark.sparkContext
    write_whole(out / "started.json", {"page": context.uiWebUrl, "application": context.applicationId})
    units = spark.read.parquet(str(folder / "units.parquet"))
    start = perf_counter()
    result = match(units, Matching(**job["matching"]), seed=0, task_bytes=job["task_bytes"])
    for name in ("pairs", "unmatched", "weights"):
        getattr(result, name).toPandas().to_parquet(out / f"{name}.parquet")
    seconds = perf_counter() - start
    result.release()
    plan = result.plan
    assert plan is not None
    told = {
        "seconds": seconds,
        "plan": str(plan),
        "n_tasks": plan.n_tasks,
        "n_cut": plan.n_cut,
        "n_parts": plan.n_parts,
    }
    write_whole(out / "told.json", told | {"steps": result.summary["seconds"]})
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
