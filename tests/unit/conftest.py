"""What unit tests share: study documents as files, and the log as it was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CODE_SETS = ("therapy", "back_pain", "cancer", "imaging", "mri", "manual", "office_visit")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """A study document with code sets beside its folder."""
    (tmp_path / "codesets").mkdir()
    for name in CODE_SETS:
        (tmp_path / "codesets" / f"{name}.csv").touch()
    (tmp_path / "studies").mkdir()

    def to_file(content: str | bytes) -> Path:
        path = tmp_path / "studies" / "small.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


@pytest.fixture
def own_logging() -> Iterator[None]:
    """`main` sends warnings to the log and quietens some; the tests after this one want them back."""
    filters = logging.getLogger().filters[:]
    yield
    logging.captureWarnings(False)
    logging.getLogger().filters[:] = filters
    for name in ("py.warnings", "py4j"):
        logging.getLogger(name).setLevel(logging.NOTSET)
