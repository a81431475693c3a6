"""A delivery of raw claims: what a site's source names, whatever it lies in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from counterpart.deliveries.catalog import read_catalog
from counterpart.deliveries.delta_tables import require_delta
from counterpart.deliveries.folder import read_folder
from counterpart.deliveries.source_table import Delivery
from counterpart.protocol import Source, TextFiles

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def read_source(
    spark: SparkSession,
    source: Source,
    wanted: Mapping[str, bool],
    separator: str = ",",
    files: Mapping[str, TextFiles] | None = None,
) -> Delivery:
    """The raw tables that a site's source names; `wanted` says which must be there.

    Text files of a folder come as text, as they are; `files` says by table how they are written, where not with the
    separator and otherwise as usual. DataError for what is missing, there twice or cannot be read.
    """
    if source.catalog is None:
        return read_delivery(spark, source.path or "", wanted, separator, files, source.versions)
    tables = read_catalog(spark, source.catalog, wanted, source.versions)
    require_delta(source.versions, tables)
    return Delivery(tables)


def read_delivery(
    spark: SparkSession,
    folder: str,
    wanted: Mapping[str, bool],
    separator: str = ",",
    files: Mapping[str, TextFiles] | None = None,
    versions: Mapping[str, int] | None = None,
) -> Delivery:
    """The raw tables of a folder, Delta tables at these versions, else at the newest: see `read_source`."""
    tables = read_folder(spark, folder, wanted, files or {}, TextFiles(separator=separator), versions or {})
    require_delta(versions or {}, tables)
    return Delivery(tables)
