"""One side of the race, in a process of its own: it makes cohort, covariates and outcomes whenever it is told to.

python -m tests.bench.oracle_race spark|duckdb WAREHOUSE STUDY FOLDER

A line on standard input starts a run; each run answers with one line of JSON: seconds by stage. Spark writes every run
into a new folder of results beside links to the same claims tables, so that nothing is reused in a warm session.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

THREADS = 2
MEMORY_GB = 6
STAGES = ("cohort", "covariates", "outcomes")
Answer = dict[str, Any]


def spark_side(warehouse: Path, study: Path, folder: Path) -> Callable[[int], Answer]:

    from counterpart.codes import CodeLibrary
    from counterpart.progress import TerminalProgress
    from counterpart.protocol import load_study
    from counterpart.protocol.site import Site, SparkSettings
    from counterpart.session import build_session
    from counterpart.stages import STAGES as COMPUTED
    from counterpart.stages import Context, prepare
    from counterpart.store import Store

    settings = SparkSettings(master=f"local[{THREADS}]", driver_memory=f"{MEMORY_GB}g")
    spark, _ = build_session(settings)
    library = CodeLibrary.load([study.parent.parent / "codesets"])

    def run(number: int) -> Answer:
        results = link_claims(warehouse, folder / f"results{number}")
        site = Site(name="race", warehouse=str(results), reports=str(results))
        context = Context(spark, site, load_study(study), library, Store(spark, str(results)), TerminalProgress())
        prepare(context)
        seconds = {}
        for name in STAGES:
            started = time.perf_counter()
            COMPUTED[name].compute(context)
            seconds[name] = time.perf_counter() - started
        return {"seconds": seconds, "warehouse": str(results), "result_keys": dict(context.keys)}

    return run


def duckdb_side(warehouse: Path, study: Path, folder: Path) -> Callable[[int], Answer]:
    from tests.bench.oracle import Oracle

    oracle = Oracle(warehouse, study, threads=THREADS, memory_gb=MEMORY_GB)
    return lambda number: {"seconds": oracle.run()}


def link_claims(warehouse: Path, folder: Path) -> Path:
    """A warehouse without results: links to the claims tables of another."""
    folder.mkdir(parents=True)
    for table in ("members", "enrollment", "medical", "pharmacy", "program"):
        (folder / table).symlink_to(warehouse.absolute() / table)
    return folder


def main() -> None:
    side, *paths = sys.argv[1:]
    # What libraries print goes to standard error; the answers have standard output for themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    started = time.perf_counter()
    run = {"spark": spark_side, "duckdb": duckdb_side}[side](*map(Path, paths))
    print(json.dumps({"start": time.perf_counter() - started}), file=answers, flush=True)
    for number, _ in enumerate(sys.stdin):
        print(json.dumps(run(number)), file=answers, flush=True)


if __name__ == "__main__":
    main()
