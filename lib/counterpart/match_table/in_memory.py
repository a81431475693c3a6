"""A file of units that fits into memory, matched without Spark."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.dataset as ds

from counterpart.errors import DataError, EnvironmentProblem
from counterpart.match_table.request import TABLES, Request, summary_document
from counterpart.matching import balance, match

if TYPE_CHECKING:
    from counterpart.matching import Matched


def match_in_memory(asked: Request) -> None:
    """Match the units of a Parquet or CSV file; pairs, unmatched, weights, balance and summary go to a new folder.

    The folder appears when all is written, or not at all. In CSV, the columns of ids and persons are text.
    """
    out = Path(asked.out or "")
    if out.exists():
        raise asked.out_exists()
    table = _read_units(asked)
    asked.refuse_absent(list(table.columns))
    result = match(table, asked.matching, asked.seed)
    compared = balance(table, result, asked.covariates)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            _write(result, compared, partial)
            partial.chmod(0o755)
            partial.rename(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as problem:
        raise EnvironmentProblem(f"--out {out} cannot be written: {problem.strerror}") from None


def _read_units(asked: Request) -> pd.DataFrame:
    """The columns that are needed, of those that are there; `match` says which are missing."""
    path, matching = Path(asked.units), asked.matching
    if not path.exists():
        raise DataError(f"{path} does not exist; units are a Parquet file or folder, or a CSV file")
    if (path / "_delta_log").exists():
        # Its files hold rows that were taken out as well.
        raise DataError(f"{path} is a Delta table, which only Spark can read: match it with --spark")
    optional = (matching.person, matching.tie_order, matching.score)
    wanted = {matching.id, matching.treated, *optional, *matching.exact, *matching.calipers, *asked.covariates}
    is_csv = path.name.endswith((".csv", ".csv.gz"))
    try:
        if is_csv:
            # Numbers would lose the zeros an id begins with.
            text = {name: "string" for name in (matching.id, matching.person) if name is not None}
            return pd.read_csv(path, usecols=lambda name: name in wanted, dtype=text)
        # The other columns of a wide table are not read at all.
        parts = ds.dataset(path, format="parquet", partitioning="hive", exclude_invalid_files=False)
        return pd.read_parquet(path, columns=[name for name in parts.schema.names if name in wanted])
    except (ValueError, OSError) as problem:
        kind = "CSV" if is_csv else "Parquet"
        raise DataError(f"{path} cannot be read as {kind}: {type(problem).__name__}") from None


def _write(result: Matched[pd.DataFrame], compared: pd.DataFrame, folder: Path) -> None:
    for name in TABLES:
        getattr(result, name).to_parquet(folder / f"{name}.parquet", index=False)
    compared.to_csv(folder / "balance.csv", index=False)
    (folder / "summary.json").write_text(summary_document(result), encoding="utf-8")
