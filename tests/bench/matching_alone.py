"""One of our matches, alone in its process: `python -m tests.bench.matching_alone HOW FOLDER`.

The folder has what `matching_peer` reads and job.json: the settings of `Matching`, and how many runs. HOW is
  kernel   the scores as arrays, on one core: the pairing alone
  pandas   `match` of a pandas table
  spark    `match` of units.parquet by a session with a site's own settings for two cores, until the pairs are counted
  driver   the same where a task may take 12 GiB: all is matched where the driver is
Writes told-HOW.json: seconds of each run (the first is cold), pairs, total distance, and what else it told.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from counterpart import Matching, match, plan
from counterpart.matching.cost import TASK_BYTES
from counterpart.numerics.pairing import Side, pair_nearest

UNIT = 2.0**31


def kernel(folder: Path, job: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    problem = json.loads((folder / "problem.json").read_text())
    scores = np.load(folder / "logit.npy")
    np.rint(np.multiply(scores, UNIT, out=scores), out=scores)
    whole = scores.astype(np.int64)
    del scores
    n, caliper = problem["treated"], int(problem["caliper"] * UNIT)

    def run() -> dict[str, Any]:
        pairs = pair_nearest(Side(whole[:n]), Side(whole[n:]), caliper)
        return {"pairs": len(pairs.distance), "total": float(pairs.distance.sum()) / UNIT}

    return run


def in_pandas(folder: Path, job: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    units, matching = pd.read_parquet(folder / "units.parquet"), Matching(**job["matching"])
    return lambda: _told(match(units, matching).summary)


def on_spark(folder: Path, job: dict[str, Any], task_bytes: int = TASK_BYTES) -> Callable[[], dict[str, Any]]:
    from counterpart.protocol.site import SparkSettings
    from counterpart.session import build_session

    spark, _ = build_session(SparkSettings(master="local[2]", driver_memory="6g"))
    units, matching = spark.read.parquet(str(folder / "units.parquet")), Matching(**job["matching"])
    said = plan(units, matching, task_bytes)
    print(said, file=sys.stderr, flush=True)

    def run() -> dict[str, Any]:
        result = match(units, matching, task_bytes=task_bytes)
        counted = result.pairs.count()
        predicted = {"predicted": said.seconds, "predicted_again": said.n_searched_again, "parts": said.n_parts}
        told = _told(result.summary) | predicted
        result.release()
        assert counted == told["pairs"]
        return told

    return run


def _told(summary: Any) -> dict[str, Any]:
    names = ("search", "recall", "uncertified", "searched_again")
    found = {name: summary[name] for name in names if name in summary}
    return found | {"pairs": summary["n_pairs"], "total": summary["total_distance"], "steps": summary["seconds"]}


HOW = {
    "kernel": kernel,
    "pandas": in_pandas,
    "spark": on_spark,
    "driver": partial(on_spark, task_bytes=12 * 2**30),
}


def main(how: str, folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    run = HOW[how](folder, job)
    seconds, told = [], {}
    for _ in range(job["runs"]):
        start = time.perf_counter()
        told = run()
        seconds.append(time.perf_counter() - start)
        print(how, f"{seconds[-1]:.3f} s", told, file=sys.stderr, flush=True)
    (folder / f"told-{how}.json").write_text(json.dumps(told | {"runs": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
