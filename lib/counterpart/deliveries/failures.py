"""What Spark says when raw claims cannot be read, in words that quote no row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException

from counterpart.errors import DataError
from counterpart.text_tables import file_name

SPARK_PROBLEMS = (PySparkException, Py4JJavaError)


def condition_of(problem: PySparkException | Py4JJavaError) -> str:
    """Spark's name for what went wrong, or Java's; its message would quote files and values."""
    error = _telling(problem)
    try:
        return str(error.getCondition() or type(error).__name__)
    except Py4JError:
        return str(error.getClass().getSimpleName())


def _telling(problem: PySparkException | Py4JJavaError) -> Any:
    """Of what led to a problem of Java's the part that Spark has a name for: what threads wait for comes wrapped."""
    if not isinstance(problem, Py4JJavaError):
        return problem
    error: Any = problem.java_exception
    while error is not None:
        with suppress(Py4JError):  # none of Spark's
            if error.getCondition():
                return error
        error = error.getCause()
    return problem.java_exception


# What Java's own files and Hadoop's file systems call it.
_FORBIDDEN = ("AccessDeniedException", "AccessControlException")


@contextmanager
def explain_forbidden_folders(folder: str) -> Iterator[None]:
    """DataError where a folder that is listed may not be read."""
    try:
        yield
    except Py4JJavaError as problem:
        if condition_of(problem) not in _FORBIDDEN:
            raise
        raise DataError(f"{folder}, or a folder in it, may not be read by the user running this") from None


@contextmanager
def explain_unreadable_files() -> Iterator[None]:
    """DataError where a file proves unreadable in its middle: gzip that was cut off, a damaged page of Parquet.

    So does one that a VACUUM took away from under the version of a Delta table that is read.
    """
    try:
        yield
    except SPARK_PROBLEMS as problem:
        condition = condition_of(problem)
        if not condition.startswith("FAILED_READ_FILE"):
            raise
        if condition.endswith("FILE_NOT_EXIST"):
            raise DataError(
                f"file {_file_of(problem)} is gone ({condition}): somebody took it away after the source table was "
                "listed, or a VACUUM after the version of the Delta table that is read (ingest a version it still "
                "has); or the user running this may not read it"
            ) from None
        raise DataError(
            f"file {_file_of(problem)} cannot be read to its end ({condition}): it is damaged or cut off, or has a "
            "line of more than 20,480 fields"
        ) from None


def _file_of(problem: PySparkException | Py4JJavaError) -> str:
    return file_name(str(_telling(problem).getMessageParameters().get("path")))
