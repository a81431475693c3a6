"""A source table as it lies there, and the delivery that all of them are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class SourceTable:
    """One source table.

    `kind` is what it is, in a word a person reads. `known_by` tells what its rows are known by, as plain values: to ask
    may cost a pass over the rows of a view. `version` is Delta's, None for all others. `n_files` and `n_bytes` are
    None where nobody tells them. `is_counted_cheaply`: its rows can be counted without reading them.
    """

    frame: DataFrame
    kind: str
    known_by: Callable[[], Any]
    version: int | None = None
    n_files: int | None = None
    n_bytes: int | None = None
    is_counted_cheaply: bool = False


@dataclass(frozen=True)
class Delivery:
    """Raw claims by source table: what lies in a folder or a schema at one moment."""

    sources: Mapping[str, SourceTable]

    @property
    def tables(self) -> dict[str, DataFrame]:
        """The frames by source table."""
        return {name: source.frame for name, source in self.sources.items()}

    @property
    def versions(self) -> dict[str, int]:
        """The version of each source table that has one: these are read, whatever is written meanwhile."""
        return {name: source.version for name, source in self.sources.items() if source.version is not None}

    def count_cheaply(self) -> dict[str, int]:
        """Rows of the source tables that say how many they have: in Parquet's footers, in Delta's log."""
        return {name: source.frame.count() for name, source in self.sources.items() if source.is_counted_cheaply}

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits, the same for the same content."""
        known_by = {name: source.known_by() for name, source in self.sources.items()}
        return hashlib.sha256(json.dumps(known_by, sort_keys=True).encode()).hexdigest()[:16]
