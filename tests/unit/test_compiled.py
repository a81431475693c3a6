"""Machine code is not kept longer than the sources it was made of."""

from __future__ import annotations

import os
from pathlib import Path

from counterpart.numerics.compiled import forget_older


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
