"""A million members: the whole study in a 6 GB driver, and its first stages against DuckDB on the same files.

COUNTERPART_BENCH_MEMBERS   how many members (default 1,000,000; 20,000 to try it out)
COUNTERPART_BENCH_FOLDER    where claims and tables go; claims that are there already are used
COUNTERPART_BENCH_REPORT    document to write (default docs/benchmarks.md; below 100,000 members one in the folder)

Times are reported, never asserted: what must hold is that the study ends well and that both sides give the same rows.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.bench.document import table_of, write_section
from tests.bench.oracle import COMPARED, Oracle
from tests.bench.oracle_measure import GB, MB, Measured, event_log_settings, measure, when_and_where
from tests.bench.oracle_race import MEMORY_GB, STAGES, THREADS

pytestmark = [pytest.mark.bench, pytest.mark.scale]

MEMBERS = int(os.environ.get("COUNTERPART_BENCH_MEMBERS", "1000000"))
WARM_RUNS = 3
_SMALL = 100_000


@dataclass(frozen=True)
class Bench:
    """Where everything lies: `claims` may be from an earlier run, `made` is new."""

    claims: Path
    made: Path
    study: Path
    root: Path
    report: Path

    @property
    def warehouse(self) -> Path:
        return self.made / "tables"


@pytest.fixture(scope="module")
def bench(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    given = os.environ.get("COUNTERPART_BENCH_FOLDER")
    folder = Path(given).absolute() if given else tmp_path_factory.mktemp("scale")
    made = folder / "bench"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    usual = root / "docs/benchmarks.md" if MEMBERS >= _SMALL else made / "benchmarks.md"
    report = Path(os.environ.get("COUNTERPART_BENCH_REPORT", usual))
    return Bench(folder / "claims", made, root / "conf/studies/msk_imaging.yaml", root, report)


@pytest.fixture(scope="module")
def studied(bench: Bench) -> tuple[Measured | None, Measured]:
    """The claims made (unless they are there) and the whole study run on them, watched."""
    program = [sys.executable, "-m", "counterpart"]
    made = None
    if not bench.claims.exists():
        made = measure([*program, "synth", "--members", str(MEMBERS), "--out", str(bench.claims)], bench.made)
        assert made.exit_code == 0, "\n".join(made.said)
    planted = json.loads((bench.claims / "truth/planted.json").read_text())
    assert planted["settings"]["members"] == MEMBERS, "COUNTERPART_BENCH_FOLDER holds claims of another size"
    event_log = bench.made / "events"
    spark = {"master": f"local[{THREADS}]", "driver_memory": f"{MEMORY_GB}g", "conf": event_log_settings(event_log)}
    site = {
        "name": "bench",
        "warehouse": str(bench.warehouse),
        "reports": str(bench.made / "reports"),
        "source": {"layout": "tuva", "path": str(bench.claims)},
        "spark": spark,
    }
    (bench.made / "site.yaml").write_text(yaml.safe_dump(site))
    documents = ["--study", str(bench.study), "--site", str(bench.made / "site.yaml")]
    run = measure([*program, "run", *documents, "--json", str(bench.made / "run.json")], bench.made, event_log)
    return made, run


def test_the_whole_study_ends_well(bench: Bench, studied: tuple[Measured | None, Measured]) -> None:
    made, run = studied
    assert run.exit_code == 0, "\n".join(run.said[-40:])
    assert {"ingest", *STAGES, "score", "match", "estimate", "report"} <= {stage.name for stage in run.stages}
    told = json.loads((bench.made / "run.json").read_text())
    assert told["status"] == "done"
    with Oracle(bench.warehouse, bench.study) as oracle:
        n_lines, n_fills = oracle.count("medical"), oracle.count("pharmacy")
    write_section(bench.report, f"The whole study, {MEMBERS:,} members", tell_study(made, run, n_lines, n_fills))


def test_spark_and_duckdb_give_the_same_rows(bench: Bench, studied: tuple[Measured | None, Measured]) -> None:
    with racer("spark", bench) as spark, racer("duckdb", bench) as duckdb:
        starts = {"Spark": spark.hear()["start"], "DuckDB": duckdb.hear()["start"]}
        runs = [(spark.run(), duckdb.run()) for _ in range(1 + WARM_RUNS)]
    last = runs[-1][0]
    with Oracle(Path(last["warehouse"]), bench.study, memory_gb=MEMORY_GB) as oracle:
        oracle.run()
        for table, rows in oracle.differences(last["result_keys"]).items():
            assert rows.empty, f"{table}: rows that only one side has\n{rows.to_string()}"
        counts = {table: oracle.count(table) for table in COMPARED}
    seconds = [(theirs["seconds"], ours["seconds"]) for theirs, ours in runs]
    write_section(bench.report, f"Spark and DuckDB, {MEMBERS:,} members", tell_race(starts, seconds, counts))


@dataclass(frozen=True)
class Racer:
    """A side of the race: a process that waits."""

    process: subprocess.Popen[str]

    def hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        assert line, "a side of the race ended without an answer; its log lies in the folder"
        return json.loads(line)

    def run(self) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return self.hear()


@contextmanager
def racer(side: str, bench: Bench) -> Iterator[Racer]:
    paths = [str(bench.warehouse), str(bench.study), str(bench.made / side)]
    command = [sys.executable, "-m", "tests.bench.oracle_race", side, *paths]
    with (
        (bench.made / f"{side}.log").open("w") as log,
        subprocess.Popen(
            command, cwd=bench.root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        try:
            yield Racer(process)
        finally:
            process.communicate()


def tell_study(made: Measured | None, run: Measured, n_lines: int, n_fills: int) -> str:
    rows = [("stage", "s", "CPU s", "read MB", "written MB", "shuffled MB", "spilled MB", "JVM GB", "Python GB")]
    for stage in run.stages:
        sizes = [f"{part / MB:,.0f}" for part in (stage.read, stage.written, stage.shuffled, stage.spilled)]
        peaks = [f"{part / GB:.1f}" for part in (stage.jvm_peak, stage.python_peak)]
        rows.append((stage.name, f"{stage.seconds:.0f}", f"{stage.cpu_seconds:.0f}", *sizes, *peaks))
    synth = f" The claims were made in {made.seconds:.0f} s." if made else ""
    return (
        f"{MEMBERS:,} members, {n_lines:,} final claim lines, {n_fills:,} fills. `counterpart run` on local[{THREADS}] "
        f"with a driver of {MEMORY_GB} GB took {run.seconds:.0f} s from the command to its end, and at most "
        f"{run.peak / GB:.1f} GB for the JVM and all Python processes.{synth} {when_and_where()}\n\n"
        f"{table_of(rows)}\n\n"
        "CPU seconds are those of Spark's tasks; what the driver and Python do comes on top. Peaks "
        "are resident memory, shared pages divided, sampled twice a second."
    )


def tell_race(
    starts: dict[str, float], seconds: Sequence[tuple[dict[str, float], dict[str, float]]], counts: dict[str, int]
) -> str:
    rows = [("", "Spark cold", "Spark warm", "DuckDB cold", "DuckDB warm", "ratio cold", "ratio warm")]
    for name in (*STAGES, "all"):
        parts = STAGES if name == "all" else (name,)
        totals = [[sum(side[part] for part in parts) for side in run] for run in seconds]
        cold, warm = totals[0], [statistics.median(side) for side in zip(*totals[1:], strict=True)]
        times = [f"{value:.2f} s" for value in (cold[0], warm[0], cold[1], warm[1])]
        rows.append((name, *times, f"{cold[0] / cold[1]:.1f}", f"{warm[0] / warm[1]:.1f}"))
    compared = ", ".join(f"{table} {n:,}" for table, n in counts.items())
    return (
        f"The stages cohort, covariates and outcomes (with attrition and follow-up), {MEMBERS:,} members, both sides "
        f"with {THREADS} threads and {MEMORY_GB} GB, in turns. Cold is the first run of a process, warm the median of "
        f"{WARM_RUNS} more. Session start apart: Spark {starts['Spark']:.1f} s, DuckDB {starts['DuckDB']:.1f} s. "
        f"{when_and_where()}\n\n{table_of(rows)}\n\n"
        "Spark writes Delta tables and holds them to their keys after each stage; DuckDB keeps its tables in memory, "
        "and looks for the events of all three stages at once (the time stands with cohort). "
        f"The rows are the same, all of them: {compared}, attrition."
    )
