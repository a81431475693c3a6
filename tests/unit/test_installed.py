"""What is told where counterpart does not lie as files: a zip that was handed to spark-submit."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterpart.errors import EnvironmentProblem
from counterpart.protocol import code_set_folders, references
from counterpart.stages import context


def test_a_zip_for_py_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All code would have one version, and no code set would be known."""
    inside = tmp_path / "counterpart.zip" / "counterpart"
    monkeypatch.setattr(context, "PACKAGE", inside)
    monkeypatch.setattr(references, "shipped_conf", lambda: inside / "conf")
    for asked in (lambda: context.code_version.__wrapped__(("cohort",)), lambda: code_set_folders(tmp_path / "x.yaml")):
        with pytest.raises(
            EnvironmentProblem, match=r"counterpart\.zip.*: counterpart reads its own files: .*--archives"
        ):
            asked()
