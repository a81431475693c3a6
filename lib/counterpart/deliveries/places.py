"""Folders of this machine and addresses of object stores, as Hadoop sees them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from counterpart.deliveries.failures import condition_of
from counterpart.errors import EnvironmentProblem
from counterpart.protocol.site import is_address

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

File = tuple[str, int, int]
"""Address, bytes, modified at (milliseconds): what the content of a file is known by."""


def absolute(folder: str) -> str:
    """An address as it is; a folder of this machine from its root, for Delta makes tables at absolute places only."""
    return folder.rstrip("/") if is_address(folder) else str(Path(folder).absolute())


def file_system(spark: SparkSession, folder: str) -> tuple[Any, Any]:
    """Hadoop's file system and path: the same for a disk and an object store. EnvironmentProblem if there is none."""
    jvm: Any = spark._jvm
    try:
        path = jvm.org.apache.hadoop.fs.Path(folder)
        # The session's, which platforms give the keys to a store, not the context's.
        return path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), path
    except (Py4JJavaError, PySparkException) as problem:
        raise EnvironmentProblem(
            f"{folder} cannot be reached ({condition_of(problem)}): it must be a folder of this machine, or an "
            "address whose file system Spark has"
        ) from None


def file_of(status: Any) -> File:
    """A file from Hadoop's status of it."""
    return str(status.getPath()), int(status.getLen()), int(status.getModificationTime())
