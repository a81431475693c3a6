"""Matching beside other libraries: the same problems, in turns, each matcher alone; `make bench-matching`.

COUNTERPART_BENCH_PEERS     Python of the environment that has the other libraries (build/peers/bin/python)
COUNTERPART_BENCH_LARGEST   most controls of a problem (default 100,000,000); peers get at most 200,000 in 20
                            dimensions, where they take minutes, unless COUNTERPART_BENCH_PATIENT is set
COUNTERPART_BENCH_REPORT    document to write (default docs/benchmarks.md)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.bench.document import table_of, write_section
from tests.bench.matching_peer import IN_SPACE, LSH_RADIUS, ON_SCORE, ON_SPARK, RECALL, WITHOUT_CALIPER
from tests.bench.oracle_measure import GB, Measured, describe_machine, measure

pytestmark = [pytest.mark.bench, pytest.mark.realdata]

LARGEST = int(os.environ.get("COUNTERPART_BENCH_LARGEST", "100000000"))
LARGEST_OF_PEERS = LARGEST if os.environ.get("COUNTERPART_BENCH_PATIENT") else 200_000
SECONDS_OF_A_PEER = 300
RUNS = 4
ROWS_A_GROUP = 1_000_000
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

ON_THE_SCORE = {"score": "logit", "score_scale": "logit"}
BY_COVARIATES = ON_THE_SCORE | {"caliper_scale": "overall", "distance": "mahalanobis"}


def make_problem(
    root: Path, folder: Path, sizes: tuple[int, int], d: int, matching: Mapping[str, Any], **told: Any
) -> Path:
    """The seeded problem in the folder: as arrays for peers and the kernel, as units.parquet for us."""
    n_treated, n_controls = sizes
    generator = root.parent / "shared" / "bench" / "matching_data.py"
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, generator, str(n_treated), str(n_controls), str(d), folder], check=True)
    caliper = json.loads((folder / "meta.json").read_text())["caliper"]
    problem = {"treated": n_treated, "caliper": caliper, "neighbours": 100, "threads": 1, "runs": RUNS - 1}
    (folder / "problem.json").write_text(json.dumps(problem | told))
    names = [f"x{k}" for k in range(d)] if d > 1 else []
    settings = dict(matching) | ({"covariates": names} if names else {})
    (folder / "job.json").write_text(json.dumps({"matching": settings, "runs": told.get("runs", RUNS)}))
    logit = np.fromfile(folder / "lps.f64")
    np.save(folder / "logit.npy", logit)
    (folder / "lps.f64").unlink()
    points = np.memmap(folder / "Z.f64", mode="r").view(np.float64).reshape(-1, d) if names else None
    if points is not None:
        np.save(folder / "points.npy", points)
    _write_units(folder / "units.parquet", n_treated, logit, points)
    if points is not None:
        (folder / "Z.f64").unlink()
    return folder


def _write_units(path: Path, n_treated: int, logit: np.ndarray, points: np.ndarray | None) -> None:
    fields = [("id", pa.int64()), ("treated", pa.bool_()), ("logit", pa.float64())]
    n_points = 0 if points is None else points.shape[1]
    schema = pa.schema([*fields, *[(f"x{k}", pa.float64()) for k in range(n_points)]])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(logit), ROWS_A_GROUP):
            rows = slice(start, min(start + ROWS_A_GROUP, len(logit)))
            ids = np.arange(rows.start, rows.stop)
            columns = [ids, ids < n_treated, logit[rows]]
            columns += [] if points is None else [points[rows, k] for k in range(n_points)]
            writer.write_table(pa.table(columns, schema=schema))


def ours(root: Path, folder: Path, how: str) -> tuple[dict[str, Any], Measured]:
    """What our match of the folder told, and the process as seen from outside."""
    threads = {} if how == "spark" else ONE_THREAD
    command = ["env", *[f"{name}={value}" for name, value in threads.items()], sys.executable]
    seen = measure([*command, "-m", "tests.bench.matching_alone", how, str(folder)], root)
    assert seen.exit_code == 0, "\n".join(seen.said[-20:])
    return json.loads((folder / f"told-{how}.json").read_text()), seen


def race_peers(folder: Path, names: Sequence[str], seconds: float, threads: int = 1) -> dict[str, dict[str, Any]]:
    """What each peer that is installed takes and finds; `error` in words where it does not end well."""
    python = Path(os.environ.get("COUNTERPART_BENCH_PEERS", "build/peers/bin/python")).absolute()
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        script = Path(__file__).with_name("matching_peer.py")
        limits = ONE_THREAD | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        interpreter = sys.executable if name in ON_SPARK else python
        command = [interpreter, script, name, folder]
        alone = {"PATH": os.environ["PATH"], "PYSPARK_PYTHON": sys.executable, **limits}
        try:
            ran = subprocess.run(command, capture_output=True, text=True, env=alone, timeout=seconds, cwd=folder)
        except subprocess.TimeoutExpired:
            found[name] = {"error": f"not done after {seconds:.0f} s"}
            continue
        if ran.returncode:
            print(f"{name}: {ran.stderr.strip().splitlines()[-1]}")
            found[name] = {"error": "not installed here" if "ModuleNotFoundError" in ran.stderr else "failed"}
        else:
            found[name] = json.loads(ran.stdout.splitlines()[-1])
    return found


def seconds_of(told: Mapping[str, Any]) -> float:
    """Median of the warm runs; the only run where there was one."""
    return median(told["runs"][1:] or told["runs"])


def tell_ours(how: str, size: str, told: Mapping[str, Any], seen: Measured, least: float) -> list[str]:
    names = {
        "kernel": "the kernel, one core",
        "pandas": "`match`, pandas, one core",
        "spark": "`match`, Spark local[2] from Parquet",
        "driver": "the same, a task of 12 GiB allowed: at the driver",
    }
    predicted = f" ({tell_predicted(told)})" if "predicted" in told else ""
    took = seconds_of(told)
    row = [size, names[how] + predicted, f"{took:.3f}" if took < 1 else f"{took:.2f}", f"{took / least:.1f}"]
    return [*row, f"{told['pairs']:,}", f"{told['total']:,.2f}", f"{seen.peak / GB:.1f}"]


def tell_predicted(told: Mapping[str, Any]) -> str:
    """What the plan said, and beside it how many lists did run dry."""
    seconds = f"predicted {told['predicted']:.1f} s of one core"
    if told["predicted_again"] is None:
        return seconds
    return f"{seconds}, {told['predicted_again']:,} lists made again; {told['searched_again']:,} were"


def tell_peer(name: str, size: str, told: Mapping[str, Any], least: float) -> list[str]:
    if "error" in told:
        return [size, name, told["error"], "", "", "", ""]
    row = [size, name, f"{told['seconds']:.2f}", f"{told['seconds'] / least:.1f}"]
    return [*row, f"{told['pairs']:,}", f"{told['total']:,.2f}", ""]


HEAD = ["treated / controls", "matcher", "s", "times ours", "pairs", "total distance", "peak GB"]


def race(root: Path, folder: Path, d: int, sizes: Sequence[tuple[int, int]], hows: Sequence[str]) -> list[list[str]]:
    """The table of a race; `times ours` compares with the first of our ways."""
    rows = [HEAD]
    for n_treated, n_controls in sizes:
        if n_controls > LARGEST:
            continue
        is_huge = n_controls > 10_000_000
        problem = make_problem(
            root,
            folder / f"{n_controls}",
            (n_treated, n_controls),
            d,
            BY_COVARIATES if d > 1 else ON_THE_SCORE,
            **({"runs": 2} if is_huge else {}),
        )
        size, least, found = f"{n_treated:,} / {n_controls:,}", 0.0, []
        for how in [*hows, *(["driver"] if is_huge else [])]:
            # A hundred million rows of pandas would not leave Spark's matcher the memory it is to be measured with.
            if is_huge and how == "pandas":
                continue
            told, seen = ours(root, problem, how)
            least = least or seconds_of(told)
            found.append(told)
            rows.append(tell_ours(how, size, told, seen, least))
        assert len({told["pairs"] for told in found}) == 1, "all of our ways find the same"
        peers: list[str] = []
        if n_controls <= LARGEST_OF_PEERS:
            peers = [*IN_SPACE, *ON_SPARK] if d > 1 else [*ON_SCORE]
        for name, told in race_peers(problem, peers, SECONDS_OF_A_PEER).items():
            rows.append(tell_peer(name, size, told, least))
            # Who pairs closest first from lists loses some; who takes the treated in turn may pair more, and worse.
            assert d == 1 or told.get("pairs", 0) <= found[0]["pairs"]
        shutil.rmtree(problem)
    return rows


def document(root: Path) -> Path:
    return Path(os.environ.get("COUNTERPART_BENCH_REPORT", root / "docs/benchmarks.md"))


def describe_run() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "numpy", "numba"))
    return f"{datetime.now(timezone.utc):%Y-%m-%d}; {describe_machine()}; Python {sys.version.split()[0]}, {versions}"


HOW_RACED = (
    f"1:1 without replacement in a caliper of 0.2 SD, closest first; medians of {RUNS - 1} runs after one that warms "
    "up. Ours on one core but for Spark, peers with one thread. Peak is the memory of all processes, with the input. "
)


def test_on_covariates(root: Path, tmp_path: Path) -> None:
    sizes = [(2_000, 20_000), (10_000, 200_000), (50_000, 1_000_000)]
    rows = race(root, tmp_path, 20, sizes, ("pandas", "spark"))
    how = (
        f"{HOW_RACED}Neighbour libraries find 100 neighbours for each treated unit, from which pairs are taken closest "
        "first: who has all 100 taken or outside the caliper stays alone. Spark ML joins, on both cores, what it finds "
        f"nearer than {LSH_RADIUS:.0f}. A peer is stopped after {SECONDS_OF_A_PEER} s. {describe_run()}."
    )
    write_section(document(root), "Matching, 20 dimensions", f"{how}\n\n{table_of(rows)}")


def test_on_one_score(root: Path, tmp_path: Path) -> None:
    sizes = [(2_000, 20_000), (10_000, 200_000), (50_000, 1_000_000), (500_000, 10_000_000), (1_000_000, 100_000_000)]
    rows = race(root, tmp_path, 1, sizes, ("kernel", "pandas", "spark"))
    how = (
        f"{HOW_RACED}The kernel gets arrays of whole numbers and gives positions; `match` checks the table, makes keys "
        "from ids, and gives pairs, reasons, weights and a summary. 100,000,000 controls: one warm run, no pandas. "
        f"{describe_run()}."
    )
    write_section(document(root), "Matching, one score", f"{how}\n\n{table_of(rows)}")


def test_in_fifty_dimensions_without_a_caliper(root: Path, tmp_path: Path) -> None:
    """Everybody with everybody: ours on Spark beside FAISS in one process, both with two threads."""
    sizes = (50_000, 5_000_000) if LARGEST >= 5_000_000 else (LARGEST // 100, LARGEST)
    free = BY_COVARIATES | {"score": None, "caliper": None, "search": "auto"}
    free = {name: value for name, value in free.items() if name not in ("score_scale", "caliper_scale")}
    problem = make_problem(root, tmp_path / "wide", sizes, 50, free, caliper=None, neighbours=10, threads=2, runs=1)
    told, seen = ours(root, problem, "spark")
    (name,) = WITHOUT_CALIPER
    theirs = race_peers(problem, [name], 3600, threads=2)[name]
    took, size = seconds_of(told), f"{sizes[0]:,} / {sizes[1]:,}"
    recall = "1 (exact)" if told["search"] == "exact" else f"{told['recall']:.4f}"
    rows = [
        ["treated / controls", "matcher", "s", "recall", "pairs", "total distance", "where the time goes"],
        [
            size,
            f"`match`, Spark local[2] from Parquet ({tell_predicted(told)})",
            f"{took:.0f}",
            recall,
            f"{told['pairs']:,}",
            f"{told['total']:,.2f}",
            _steps(told["steps"]),
        ],
    ]
    if "error" in theirs:
        rows.append([size, name, theirs["error"], *[""] * 4])
    else:
        rows.append(
            [
                size,
                f"{name}, one process, two threads, {theirs['probed']:,} of {theirs['cells']:,} cells probed",
                f"{theirs['seconds']:.0f}",
                f"{theirs['recall']:.4f}",
                f"{theirs['pairs']:,}",
                f"{theirs['total']:,.2f}",
                _steps(theirs["steps"]) + f" ({theirs['searched']:,} searched)",
            ]
        )
    how = (
        f"1:1 without replacement, no caliper, Mahalanobis distance. `search: auto` took the {told['search']} search, "
        f"cut into {told['parts']} parts; at most {seen.peak / GB:.1f} GB in all processes. FAISS gets whitened points "
        f"as arrays, probes so many cells that the nearest control of {RECALL:.0%} of 400 audited units is found, and "
        f"lists 10 neighbours each, from which pairs are taken closest first; of a search that was cut off the seconds "
        f"are those of all at the speed seen. One run each, one after the other. {describe_run()}."
    )
    write_section(document(root), "Matching, 50 dimensions, no caliper", f"{how}\n\n{table_of(rows)}")


def _steps(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())
