"""A file of units that fits into memory, matched without Spark."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from counterpart.errors import DataError, EnvironmentProblem
from counterpart.match_table.csv_units import read_csv
from counterpart.match_table.request import TABLES, Request, summary_document
from counterpart.matching import balance, match
from counterpart.matching.refusals import refuse_twice
from counterpart.matching.units import needed_columns

if TYPE_CHECKING:
    from counterpart.matching import Matched


def match_in_memory(asked: Request) -> None:
    """Match the units of a Parquet or CSV file; pairs, unmatched, weights, balance and summary go to a new folder.

    The folder appears when all is written, or not at all.
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
    path = Path(asked.units)
    if not path.exists():
        raise DataError(f"{path} does not exist; units are a Parquet file or folder, or a CSV file")
    if (path / "_delta_log").exists():
        # Its files hold rows that were taken out as well.
        raise DataError(f"{path} is a Delta table, which only Spark can read: match it with --spark")
    is_csv = path.name.endswith((".csv", ".csv.gz"))
    try:
        if is_csv:
            return _as_frame(read_csv(path, asked.matching, asked.covariates))
        wanted = {*needed_columns(asked.matching), *asked.covariates}
        # The other columns of a wide table are not read at all.
        parts = ds.dataset(path, format="parquet", partitioning="hive", exclude_invalid_files=False)
        refuse_twice(parts.schema.names, wanted)
        return _as_frame(parts.to_table([name for name in parts.schema.names if name in wanted]))
    except (pa.ArrowException, ValueError, OSError) as problem:
        kind = "CSV" if is_csv else "Parquet"
        raise DataError(f"{path} cannot be read as {kind}: {type(problem).__name__}") from None


def _as_frame(table: pa.Table) -> pd.DataFrame:
    """Columns as they are called in the file, whatever pandas wrote down as its index."""
    frame = table.to_pandas(ignore_metadata=True)
    for name in table.column_names:
        kind, values = table.schema.field(name).type, table.column(name)
        if values.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
            # As floats, whole numbers above 2^53 would be equal to their neighbours.
            frame[name] = values.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _write(result: Matched[pd.DataFrame], compared: pd.DataFrame, folder: Path) -> None:
    for name in TABLES:
        getattr(result, name).to_parquet(folder / f"{name}.parquet", index=False)
    compared.to_csv(folder / "balance.csv", index=False)
    (folder / "summary.json").write_text(summary_document(result), encoding="utf-8")
