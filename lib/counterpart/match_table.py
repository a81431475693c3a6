"""A file of units matched into a folder: `counterpart match-table`."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.dataset as ds
import yaml

from counterpart.errors import ContractError, DataError, EnvironmentProblem, ProtocolError, SettingsError
from counterpart.matching import balance, match
from counterpart.protocol import Matching, read_section

if TYPE_CHECKING:
    from counterpart.matching import Matched


def match_table(
    units: Path, settings: Mapping[str, Any], values: Collection[str], balanced: Sequence[str], seed: int, out: Path
) -> None:
    """Match the units of a Parquet or CSV file; pairs, unmatched, weights, balance and summary go to a new folder.

    `settings` are those of `Matching`; the text of those named in `values` is YAML. `balanced` are the covariates whose
    balance is written beside those of the distance. The folder appears when all is written, or not at all. In CSV,
    the columns of ids and persons are text.
    """
    if out.exists():
        raise SettingsError(f"--out {out} exists already; name a new folder")
    matching = _read_settings(settings, values)
    covariates = tuple(dict.fromkeys((*matching.covariates, *balanced)))
    table = _read_units(units, matching, covariates)
    missing = [name for name in covariates if name not in table.columns]
    if missing:
        raise ContractError(f"{units} has no column {', '.join(missing)}, whose balance is asked for")
    result = match(table, matching, seed)
    compared = balance(table, result, covariates)
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


def _read_settings(settings: Mapping[str, Any], values: Collection[str]) -> Matching:
    content = dict(settings)
    for name in values:
        try:
            content[name] = yaml.safe_load(content[name])
        except yaml.YAMLError:
            raise ProtocolError(f"--{name.replace('_', '-')} {content[name]!r} is not valid YAML") from None
    return read_section(content, Matching, "the command")


def _read_units(path: Path, matching: Matching, covariates: Sequence[str]) -> pd.DataFrame:
    """The columns that are needed, of those that are there; `match` says which are missing."""
    if not path.exists():
        raise DataError(f"{path} does not exist; units are a Parquet file or folder, or a CSV file")
    optional = (matching.person, matching.tie_order, matching.score)
    wanted = {matching.id, matching.treated, *optional, *matching.exact, *matching.calipers, *covariates}
    is_csv = path.name.endswith((".csv", ".csv.gz"))
    try:
        if is_csv:
            # Numbers would lose the zeros an id begins with.
            text = {name: "string" for name in (matching.id, matching.person) if name is not None}
            return pd.read_csv(path, usecols=lambda name: name in wanted, dtype=text)
        # The other columns of a wide table are not read at all.
        known = ds.dataset(path, format="parquet", exclude_invalid_files=False).schema.names
        return pd.read_parquet(path, columns=[name for name in known if name in wanted])
    except (ValueError, OSError) as problem:
        kind = "CSV" if is_csv else "Parquet"
        raise DataError(f"{path} cannot be read as {kind}: {type(problem).__name__}") from None


def _write(result: Matched, compared: pd.DataFrame, folder: Path) -> None:
    for name in ("pairs", "unmatched", "weights"):
        getattr(result, name).to_parquet(folder / f"{name}.parquet", index=False)
    compared.to_csv(folder / "balance.csv", index=False)
    document = {"settings": result.matching.model_dump(mode="json"), **result.summary}
    (folder / "summary.json").write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
