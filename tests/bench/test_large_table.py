"""A table of units with a stratum of 30 %, by `counterpart match-table --spark`; part of `make bench-matching`.

COUNTERPART_BENCH_UNITS     how many (default 100,000,000, which take ten minutes and 13 GB)
COUNTERPART_BENCH_REPORT    document to write (default docs/benchmarks.md)
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.bench.document import table_of, write_section
from tests.bench.oracle_measure import GB, Measured, describe_machine, measure

pytestmark = pytest.mark.bench

N_UNITS = int(os.environ.get("COUNTERPART_BENCH_UNITS", "100000000"))
UNITS_A_FILE = 5_000_000
LARGEST_SHARE, N_STATES = 0.3, 50
ASKED = ["--exact", "state", "--score", "logit", "--score-scale", "logit", "--balance", "age,logit", "--spark"]
# What a distance may be off, in logits: they are whole numbers of 2^-31.
ROUNDING = 2e-9


def write_units(folder: Path, n_units: int) -> pd.DataFrame:
    """A hundredth of them treated, whose logits are 1.2 standard deviations higher; the table but for its ages."""
    folder.mkdir()
    harmonic = 1 / np.arange(2, N_STATES + 1)
    shares = np.append(LARGEST_SHARE, (1 - LARGEST_SHARE) * harmonic / harmonic.sum())
    kept = []
    for first in range(0, n_units, UNITS_A_FILE):
        n = min(UNITS_A_FILE, n_units - first)
        random = np.random.default_rng([7, first])
        treated = random.random(n) < 0.01
        units = pd.DataFrame(
            {
                "id": np.arange(first, first + n) * 7919 % 1_000_000_007,
                "treated": treated,
                "state": random.choice(N_STATES, n, p=shares).astype(np.int8),
                "logit": random.normal(size=n) * 1.2 + np.where(treated, 0.72, -0.72) - 4.6,
            }
        )
        ages = pa.array(random.integers(18, 90, n))
        table = pa.Table.from_pandas(units, preserve_index=False).append_column("age", ages)
        pq.write_table(table, folder / f"{first // UNITS_A_FILE:03d}.parquet")
        kept.append(units)
    return pd.concat(kept, ignore_index=True).set_index("id")


def count_blocking(units: pd.DataFrame, pairs: pd.DataFrame, most: int = 20_000) -> int:
    """Of so many treated of the largest stratum, those with a nearer control that is free or in a worse pair."""
    inside = units[units.state == units.state.mode()[0]]
    worst: npt.NDArray[np.float64] = np.full(len(inside), np.inf)
    worst[inside.index.get_indexer(pairs.control_id[pairs.control_id.isin(inside.index)])] = pairs.distance[
        pairs.control_id.isin(inside.index)
    ]
    is_control = ~inside.treated.to_numpy()
    order = np.argsort(inside.logit.to_numpy()[is_control], kind="stable")
    logit, worst = inside.logit.to_numpy()[is_control][order], worst[is_control][order]
    asked = pairs[pairs.treated_id.isin(inside.index)].sample(n=most, random_state=1, replace=True)
    n_blocking = 0
    own = inside.logit.loc[asked.treated_id].to_numpy()
    for mine, distance in zip(own, asked.distance, strict=True):
        near = slice(*np.searchsorted(logit, [mine - distance, mine + distance]))
        is_nearer = np.abs(logit[near] - mine) < distance - ROUNDING
        n_blocking += bool((is_nearer & (distance < worst[near] - ROUNDING)).any())
    return n_blocking


def test_a_table_larger_than_a_task(root: Path, tmp_path: Path) -> None:
    """Everybody is accounted for, no pair blocks another, and the balance is that of NumPy."""
    units = write_units(tmp_path / "units", N_UNITS)
    command = [sys.executable, "-m", "counterpart", "match-table", str(tmp_path / "units"), *ASKED]
    run = measure([*command, "--out", str(tmp_path / "out")], root)
    assert run.exit_code == 0, run.said
    pairs, unmatched = (pd.read_parquet(tmp_path / "out" / f"{name}.parquet") for name in ("pairs", "unmatched"))
    assert pairs.treated_id.is_unique
    assert pairs.control_id.is_unique
    told = pd.concat([pairs.treated_id, unmatched.treated_id])
    assert told.is_unique
    assert set(told) == set(units.index[units.treated])
    treated, controls = units.loc[pairs.treated_id], units.loc[pairs.control_id]
    assert not controls.treated.any()
    assert (treated.state.to_numpy() == controls.state.to_numpy()).all()
    apart = np.abs(treated.logit.to_numpy() - controls.logit.to_numpy())
    np.testing.assert_allclose(pairs.distance, apart, rtol=0, atol=ROUNDING)
    assert count_blocking(units, pairs) == 0
    compared = pd.read_csv(tmp_path / "out" / "balance.csv").set_index(["covariate", "phase"])
    means = units.groupby("treated").logit.mean()
    assert compared.mean_treated["logit", "before"] == pytest.approx(means[True], rel=1e-12)
    assert compared.mean_control["logit", "before"] == pytest.approx(means[False], rel=1e-12)
    usual = root / "docs" / "benchmarks.md" if N_UNITS >= 100_000_000 else tmp_path / "benchmarks.md"
    document = Path(os.environ.get("COUNTERPART_BENCH_REPORT", usual))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    write_section(document, "A table with a stratum of 30 %", tell(run, summary))


def tell(run: Measured, summary: dict[str, Any]) -> str:
    """The section of the document."""
    plan = summary["plan"]
    rows = [["step", "s", "JVM GB", "Python GB"]]
    rows += [
        [stage.name, f"{stage.seconds:.0f}", f"{stage.jvm_peak / GB:.1f}", f"{stage.python_peak / GB:.1f}"]
        for stage in run.stages
    ]
    sizes = (
        f"{plan['n_treated']:,} treated, {plan['n_controls']:,} controls, {N_STATES} strata, the largest of "
        f"{plan['largest_stratum']:,} units"
    )
    how = (
        f"{run.seconds:.0f} s from the command to its end, at most {run.peak / GB:.1f} GB in all processes; "
        f"{plan['n_tasks']} tasks, and {plan['n_parts']} parts of strata too large for one before them"
    )
    return (
        f"`counterpart match-table --spark` with a driver of 4 GB, from Parquet: {sizes}. {summary['n_pairs']:,} pairs "
        f"in {how}. Two covariates are compared, before and after; of one nearly all values differ. By NumPy: "
        "everybody is in a pair or has a reason, and of 20,000 treated of the largest stratum none has a nearer "
        f"control that is free or in a worse pair. {datetime.now(timezone.utc).date()}; {describe_machine()}; pyspark "
        f"{version('pyspark')}.\n\n{table_of(rows)}"
    )
