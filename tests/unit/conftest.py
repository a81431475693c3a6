"""Study documents as files, for tests that read them."""

from __future__ import annotations

from collections.abc import Callable
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
