"""Machine code is not kept longer than the sources it was made of, and whoever waits for it is told."""

from __future__ import annotations

import os
from pathlib import Path

from numba import njit

from counterpart.numerics.compiled import announcing_compilation, forget_older


def test_code_older_than_any_source_is_compiled_again(tmp_path: Path) -> None:
    """The caller's own file is older than its code; the one it calls was changed since."""
    kept, sources = tmp_path / "kept", tmp_path / "sources"
    kept.mkdir()
    sources.mkdir()
    moments = {
        sources / "caller.py": 100,
        sources / "called.py": 300,
        kept / "caller.step-1.py311.nbi": 200,
        kept / "other.step-1.py311.nbi": 400,
    }
    for path, moment in moments.items():
        path.write_text("")
        os.utime(path, (moment, moment))
    forget_older(kept, sources)
    assert [path.name for path in kept.iterdir()] == ["other.step-1.py311.nbi"]


def test_nothing_kept_yet(tmp_path: Path) -> None:
    (tmp_path / "source.py").write_text("")
    forget_older(tmp_path / "not there", tmp_path)
    assert not (tmp_path / "not there").exists()


def test_sources_in_a_zip_say_nothing_of_when_they_changed(tmp_path: Path) -> None:
    (tmp_path / "caller.step-1.py311.nbi").write_text("")
    forget_older(tmp_path, tmp_path / "counterpart.zip" / "counterpart" / "numerics")
    assert [path.name for path in tmp_path.iterdir()] == ["caller.step-1.py311.nbi"]


def test_who_waits_for_machine_code_is_told_once() -> None:
    halved, doubled = njit(lambda number: number / 2), njit(lambda number: number * 2)
    told: list[str] = []
    with announcing_compilation(told.append):
        assert (halved(6), doubled(6)) == (3.0, 12)
    assert len(told) == 1
    assert "compiling the matching code" in told[0]
    with announcing_compilation(told.append):
        assert halved(8) == 4.0
    doubled(1.5)  # outside the block nobody listens
    assert len(told) == 1
