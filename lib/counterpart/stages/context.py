"""What a stage is given, and the content key that says whether its work is already done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pyspark import StorageLevel

from counterpart.codes import CodeLibrary
from counterpart.commits import Commit
from counterpart.errors import EnvironmentProblem
from counterpart.protocol import Site, Study
from counterpart.records import StageResult
from counterpart.shipped import NO_FILES
from counterpart.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Answer = TypeVar("Answer")
PACKAGE = Path(__file__).resolve().parent.parent

# What every stage's rows rest on, beside the stage's own folder.
_FOUNDATION = (
    "tables.py",
    "codes",
    "spans.py",
    "ordering.py",
    "masks.py",
    "small_frames.py",
    "events",
    "numerics",
    "sources/placement.py",
)


class Progress(Protocol):
    """Says what is going on. Given by the command line; texts carry no ids."""

    def note(self, text: str) -> None:
        """One line."""

    def stage(self, name: str) -> Any:
        """A context manager around the work of one stage."""

    def doing(self, what: str) -> None:
        """What the stage at work is doing now."""


@dataclass
class Context:
    """One run of one study on one site."""

    spark: SparkSession
    site: Site
    study: Study
    library: CodeLibrary
    store: Store
    progress: Progress
    commits: Mapping[str, Commit] = field(default_factory=dict)
    """Of the claims tables, taken once at the start: the whole run reads one state."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """Content key by stage."""

    finished: dict[str, StageResult] | None = None
    """Finished stages of these keys, once it was asked."""

    systems: frozenset[str] | None = None
    """Code systems of the claims, once a stage had to ask for them: all lines are read for that."""

    @property
    def versions(self) -> dict[str, int]:
        """Delta versions of the claims tables that the run reads."""
        return {name: commit.version for name, commit in self.commits.items()}


def _count(frame: DataFrame) -> int:
    return frame.count()


@cache
def code_version(rooms: tuple[str, ...]) -> str:
    """SHA-256 (first 12 digits) of the source files that make a stage's rows.

    Git is not asked: an installed wheel has none, and a work tree may differ from its commit. EnvironmentProblem if
    there are no files, for then all code would have one version.
    """
    digest = hashlib.sha256()
    is_empty = True
    for room in sorted((*_FOUNDATION, *rooms)):
        path = PACKAGE / room
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.exists():
                is_empty = False
                digest.update(file.relative_to(PACKAGE).as_posix().encode())
                digest.update(file.read_bytes())
    if is_empty:
        raise EnvironmentProblem(f"{PACKAGE} holds no source files: {NO_FILES}")
    return digest.hexdigest()[:12]


def kept(frame: DataFrame) -> AbstractContextManager[tuple[DataFrame, int]]:
    """The frame computed once and held for the length of the block, and its number of rows."""
    return kept_answering(frame, _count)


@contextmanager
def kept_answering(frame: DataFrame, question: Callable[[DataFrame], Answer]) -> Iterator[tuple[DataFrame, Answer]]:
    """The frame computed once and held (memory, then disk) for the length of the block, and the answer to a question.

    The question must look at all rows: it fills the frame at once, so that Spark knows its true size when it plans the
    joins that follow.
    """
    held = frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield held, question(held)
    finally:
        held.unpersist()
