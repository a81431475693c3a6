"""Matching beside other libraries: the same problems, one thread each, in turns; `make bench-matching`.

COUNTERPART_BENCH_PEERS     Python of the environment that has the other libraries (build/peers/bin/python)
COUNTERPART_BENCH_LARGEST   most controls of a problem (default 1,000,000); peers get at most 200,000 in 20 dimensions,
                            where they take minutes, unless COUNTERPART_BENCH_PATIENT is set
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.bench.document import table_of, write_section
from tests.bench.matching_peer import MATCHERS
from tests.bench.oracle_measure import describe_machine

from counterpart import Matching, match, plan

pytestmark = [pytest.mark.spark, pytest.mark.bench, pytest.mark.realdata]

LARGEST = int(os.environ.get("COUNTERPART_BENCH_LARGEST", "1000000"))
LARGEST_OF_PEERS = LARGEST if os.environ.get("COUNTERPART_BENCH_PATIENT") else 200_000
D = 20
SIZES = [(2_000, 20_000), (10_000, 200_000), (50_000, 1_000_000)]
ROUNDS = 3
NAMES = tuple(f"x{k}" for k in range(D))
IN_SPACE = Matching(
    score="logit", score_scale="logit", caliper_scale="overall", distance="mahalanobis", covariates=NAMES
)
ON_SCORE = Matching(score="logit", score_scale="logit")


def make_problem(root: Path, folder: Path, n_treated: int, n_controls: int, d: int) -> pd.DataFrame:
    """The seeded problem in the folder, as the peers read it; as a table for us."""
    generator = root.parent / "shared" / "bench" / "matching_data.py"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, generator, str(n_treated), str(n_controls), str(d), folder], check=True)
    told = json.loads((folder / "meta.json").read_text())
    logit = np.fromfile(folder / "lps.f64")
    points = np.fromfile(folder / "Z.f64").reshape(-1, d) if d > 1 else logit[:, None]
    np.save(folder / "points.npy", points)
    np.save(folder / "logit.npy", logit)
    (folder / "problem.json").write_text(json.dumps({"treated": n_treated, "caliper": told["caliper"]}))
    n = n_treated + n_controls
    columns = dict(zip(NAMES, points.T, strict=True)) if d > 1 else {}
    return pd.DataFrame({"id": np.arange(n), "treated": np.arange(n) < n_treated, "logit": logit} | columns)


def race_peers(folder: Path) -> dict[str, dict[str, Any]]:
    """What each peer that is installed takes and finds."""
    python = os.environ.get("COUNTERPART_BENCH_PEERS", "build/peers/bin/python")
    alone = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found = {}
    for name in MATCHERS:
        script = Path(__file__).with_name("matching_peer.py")
        ran = subprocess.run([python, script, name, folder], capture_output=True, text=True, env=alone)
        if ran.returncode:
            print(f"{name}: {ran.stderr.strip().splitlines()[-1]}")
        else:
            found[name] = json.loads(ran.stdout.splitlines()[-1])
    return found


def clock(run: Callable[[], Any]) -> tuple[float, Any]:
    """Median of some runs after one that warms up, and what the last gave."""
    run()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = run()
        times.append(time.perf_counter() - start)
    return median(times), found


def on_spark(units: Any, matching: Matching) -> Any:
    """Matched and counted."""
    result = match(units, matching)
    n_pairs = result.pairs.count()
    result.release()
    return n_pairs


@pytest.mark.parametrize(("matching", "d", "title"), [(IN_SPACE, D, "20 dimensions"), (ON_SCORE, 1, "one score")])
def test_matching_beside_other_libraries(
    spark, root: Path, tmp_path: Path, matching: Matching, d: int, title: str
) -> None:
    head = ["treated / controls", "matcher", "s", "times ours", "pairs", "total distance"]
    rows = [head]
    for n_treated, n_controls in SIZES:
        if n_controls > LARGEST:
            continue
        folder = tmp_path / f"{n_treated}"
        table = make_problem(root, folder, n_treated, n_controls, d)
        seconds, result = clock(lambda table=table: match(table, matching))
        size = f"{n_treated:,} / {n_controls:,}"
        total = result.summary["total_distance"]
        rows.append([size, "`match`, pandas", f"{seconds:.3f}", "1", f"{len(result.pairs):,}", f"{total:,.2f}"])
        table.to_parquet(folder / "units.parquet")
        units = spark.read.parquet(str(folder / "units.parquet"))
        said = plan(units, matching)
        on_cluster, n_pairs = clock(lambda units=units: on_spark(units, matching))
        assert n_pairs == len(result.pairs), "Spark finds what pandas finds"
        predicted = f"`match`, Spark local[2] from Parquet (predicted {said.seconds:.1f} s of one core)"
        rows.append([size, predicted, f"{on_cluster:.2f}", f"{on_cluster / seconds:.1f}", f"{n_pairs:,}", ""])
        if d == 1 or n_controls > LARGEST_OF_PEERS:
            continue
        for name, told in race_peers(folder).items():
            times = f"{told['seconds'] / seconds:.1f}"
            rows.append([size, name, f"{told['seconds']:.2f}", times, f"{told['pairs']:,}", f"{told['total']:,.2f}"])
            assert told["pairs"] <= len(result.pairs)
    how = (
        f"1:1 without replacement in a caliper of 0.2 SD, closest first; medians of {ROUNDS} warm runs. Neighbour "
        "libraries find 100 neighbours for each treated unit, from which pairs are taken closest first: who has all "
        f"100 taken or outside the caliper stays alone. {describe_machine()}."
    )
    write_section(root / "docs/benchmarks.md", f"Matching, {title}", f"{how}\n\n{table_of(rows)}")
