"""A place beside a site's tables for frames that are read more than once."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError

from counterpart.deliveries import file_system
from counterpart.errors import EnvironmentProblem

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_STALE_SECONDS = 2 * 24 * 3600
_BEGUN = re.compile(r"-(\d+)-[0-9a-f]{8}$")


@contextmanager
def staging(spark: SparkSession, warehouse: str, name: str) -> Iterator[Callable[[str, DataFrame], DataFrame]]:
    """Writes frames and returns them read back; what it wrote is gone at the end of the block."""
    place = _place(warehouse)
    _sweep(spark, place)
    folder = f"{place}/{name}-{int(time.time())}-{secrets.token_hex(4)}"
    _make_folder(spark, warehouse, folder)

    def stage(part: str, rows: DataFrame) -> DataFrame:
        rows.write.mode("overwrite").parquet(f"{folder}/{part}")
        return spark.read.schema(rows.schema).parquet(f"{folder}/{part}")

    try:
        yield stage
    finally:
        _delete(spark, folder)


def require_writable(spark: SparkSession, warehouse: str) -> None:
    """EnvironmentProblem if nothing can be written to the warehouse: said before hours of work, not after."""
    folder = f"{_place(warehouse)}/{secrets.token_hex(4)}"
    _make_folder(spark, warehouse, folder)
    _delete(spark, folder)


def _place(warehouse: str) -> str:
    return f"{warehouse}/_staging"


def _make_folder(spark: SparkSession, warehouse: str, folder: str) -> None:
    system, path = file_system(spark, folder)
    try:
        is_made = system.mkdirs(path)
    except Py4JJavaError:
        is_made = False
    if not is_made:
        raise EnvironmentProblem(
            f"{warehouse} cannot be written; the site's `warehouse` names a folder that the user running this may "
            "write to"
        )


def _sweep(spark: SparkSession, folder: str) -> None:
    """Remove what runs that were killed left behind; what is younger may belong to one that is at work."""
    system, path = file_system(spark, folder)
    if system.exists(path):
        for status in system.listStatus(path):
            if _is_stale(system, status, time.time() - _STALE_SECONDS):
                system.delete(status.getPath(), True)


def _is_stale(system: Any, status: Any, limit: float) -> bool:
    """Was a folder begun before the time, and nothing written to it since?

    Object stores have no folders, and say of each that it was changed just now: its name tells when it was begun.
    """
    begun = _BEGUN.search(status.getPath().getName())
    if (float(begun[1]) if begun else status.getModificationTime() / 1000) >= limit:
        return False
    files = system.listFiles(status.getPath(), True)
    while files.hasNext():
        if files.next().getModificationTime() / 1000 >= limit:
            return False
    return True


def _delete(spark: SparkSession, folder: str) -> None:
    system, path = file_system(spark, folder)
    system.delete(path, True)
