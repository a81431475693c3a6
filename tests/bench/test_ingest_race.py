"""The ingest of generated claims, watched, next to DuckDB writing the same sorted partitions; `make bench-ingest`.

COUNTERPART_BENCH_MEMBERS   how many members (default 1,000,000, some 50 million lines), or several: 100000,1000000
COUNTERPART_BENCH_FOLDER    where claims and tables go; claims that are there already are used
COUNTERPART_BENCH_REPORT    document to write (default docs/benchmarks.md; below 100,000 members one in the folder)
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import duckdb
import pytest
import yaml
from tests.bench.document import table_of, write_section
from tests.bench.ingest_peer import MEMORY_GB, THREADS
from tests.bench.oracle_measure import GB, MB, Measured, event_log_settings, measure, when_and_where

pytestmark = [pytest.mark.bench, pytest.mark.scale]

SIZES = [int(size) for size in os.environ.get("COUNTERPART_BENCH_MEMBERS", "1000000").split(",")]
_SMALL = 100_000


def test_ingest_beside_duckdb(root: Path, tmp_path: Path) -> None:
    given = os.environ.get("COUNTERPART_BENCH_FOLDER")
    folder = Path(given).absolute() if given else tmp_path
    rows = [
        ("members", "lines", "writer", "s", "times", "lines a second", "peak GB", "shuffled MB", "written MB", "files")
    ]
    for n_members in SIZES:
        claims = folder / f"claims{n_members}"
        if not claims.exists():
            synth = [sys.executable, "-m", "counterpart", "synth", "--members", str(n_members), "--out", str(claims)]
            assert measure(synth, folder).exit_code == 0
        n_lines = count_lines(claims)
        made = folder / "made"
        shutil.rmtree(made, ignore_errors=True)
        ours = ingest(claims, made)
        assert ours.exit_code == 0, "\n".join(ours.said[-40:])
        peer = [sys.executable, "-m", "tests.bench.ingest_peer", str(claims), str(made / "duckdb"), "1"]
        theirs = measure(peer, root)
        assert theirs.exit_code == 0, "\n".join(theirs.said[-10:])
        base = theirs.stages[0].seconds
        for name, run, tables in (("`counterpart ingest`", ours, made / "tables"), ("DuckDB", theirs, made / "duckdb")):
            stage = run.stages[0]
            files = [file for table in ("medical", "pharmacy") for file in (tables / table).rglob("*.parquet")]
            told = (f"{stage.seconds:,.0f}", f"{stage.seconds / base:.1f}", f"{n_lines / stage.seconds:,.0f}")
            sizes = (f"{run.peak / GB:.1f}", f"{stage.shuffled / MB:,.0f}" if name != "DuckDB" else "")
            written = sum(file.stat().st_size for file in files) / MB
            rows.append((f"{n_members:,}", f"{n_lines:,}", name, *told, *sizes, f"{written:,.0f}", f"{len(files):,}"))
    usual = root / "docs/benchmarks.md" if max(SIZES) >= _SMALL else folder / "benchmarks.md"
    how = (
        f"`counterpart ingest` on local[{THREADS}] with a driver of {MEMORY_GB} GB against DuckDB with as many threads "
        "and as much memory, which writes the same columns of the same Parquet files into the same partitions, sorted "
        "alike, and applies no rule: what it writes has duplicates, reversals and rows that must be rejected. One run "
        f"each, one after the other; the start of a session apart. {when_and_where()}"
    )
    report = Path(os.environ.get("COUNTERPART_BENCH_REPORT", usual))
    write_section(report, "Ingest beside DuckDB", f"{how}\n\n{table_of(rows)}")


def count_lines(claims: Path) -> int:
    """Rows of both tables of claim lines."""
    tables = (f"'{claims}/{table}/**/*.parquet'" for table in ("medical_claim", "pharmacy_claim"))
    with duckdb.connect() as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {files}").fetchone() for files in tables]
    return sum(count[0] for count in counts if count)


def ingest(claims: Path, made: Path) -> Measured:
    """The command, with its own session."""
    made.mkdir(parents=True)
    events = made / "events"
    spark = {"master": f"local[{THREADS}]", "driver_memory": f"{MEMORY_GB}g", "conf": event_log_settings(events)}
    site = {
        "name": "bench",
        "warehouse": str(made / "tables"),
        "reports": str(made / "reports"),
        "source": {"layout": "tuva", "path": str(claims)},
        "spark": spark,
    }
    (made / "site.yaml").write_text(yaml.safe_dump(site))
    program = [sys.executable, "-m", "counterpart", "ingest", "--site", str(made / "site.yaml")]
    return measure(program, made, events)
