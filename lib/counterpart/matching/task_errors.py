"""User errors that a task of Spark meets: whoever asked for the match gets them as they are, not wrapped by Spark.

What a task raises comes to the driver as text, a traceback inside the message of an error of Spark's. So the task
writes kind and message between marks, and the driver looks for the marks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from counterpart.errors import StudyError

Stage = Callable[[Iterator[Any]], Iterator[Any]]
_MARKS = ("counterpart-says:", ":counterpart-said")
_SAID = re.compile(f"{_MARKS[0]}(.*?){_MARKS[1]}")


def telling(stage: Stage) -> Stage:
    """The same stage of tasks; the user errors it raises are known to `as_raised`."""

    def tell(batches: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from stage(batches)
        except StudyError as problem:
            said = json.dumps([type(problem).__name__, str(problem)])
            raise RuntimeError(f"{_MARKS[0]}{said}{_MARKS[1]}") from None

    return tell


@contextmanager
def as_raised() -> Iterator[None]:
    """What a task that is `telling` raises in this block, raised here: the same StudyError, without Spark's words."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as problem:
        said = _SAID.search(_words_of(problem))
        if said is None:
            raise
        kind, message = json.loads(said[1])
        kinds = {one.__name__: one for one in StudyError.__subclasses__()}
        raise kinds.get(kind, StudyError)(message) from None


def _words_of(problem: Any) -> str:
    """Its message and Java's trace, which names what led to it; Spark leaves that out of the message unless asked."""
    return f"{problem}\n{getattr(problem, '_stackTrace', '')}"
