"""The files of counterpart itself, of which keys of results are made, and what is told where it lies in a zip."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterpart.errors import EnvironmentProblem
from counterpart.protocol import code_set_folders, references
from counterpart.stages import STAGES, context, ingestion, study


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


def test_all_code_that_keys_of_results_are_made_of_is_there() -> None:
    """Of a place that is not there a key would not change, whatever becomes of the code that was there."""
    of_stages = (room for stage in STAGES.values() for room in stage.rooms)
    rooms = {*context._FOUNDATION, *study._ROOMS, *ingestion._ROOMS, *of_stages}
    assert not [room for room in sorted(rooms) if not (context.PACKAGE / room).exists()]
