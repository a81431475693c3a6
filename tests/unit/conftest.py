"""What unit tests share: study documents as files and what is told of them, a command that ends, the log as it was."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.studies import BASE, changed

from counterpart import cli
from counterpart.errors import ProtocolError
from counterpart.protocol import load_study

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
def complaints(write: Callable[[str], Path]) -> Callable[..., list[str]]:
    """Load the base study with changes; the problems told, one a line."""

    def told(*changes: tuple[str, Any]) -> list[str]:
        with pytest.raises(ProtocolError) as problem:
            load_study(write(yaml.safe_dump(changed(BASE, *changes))))
        head, *lines = str(problem.value).splitlines()
        lines = [line for line in lines if not line.startswith("  (code sets were looked for in ")]
        assert f" has {len(lines)} problem" in head
        return [line.strip() for line in lines]

    return told


@pytest.fixture
def run_raising(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Any], tuple[int, dict[str, Any]]]:
    """Run a command that ends in the given exception (or returns the given value): exit code and --json."""

    def run(outcome: Any) -> tuple[int, dict[str, Any]]:
        def command(*_: Any) -> dict[str, Any]:
            if isinstance(outcome, BaseException):
                raise outcome
            return dict(outcome)

        monkeypatch.setattr(cli, "_synth", command)
        file = tmp_path / "told" / "run.json"
        code = cli.main(["synth", "--out", str(tmp_path / "out"), "--json", str(file)])
        return code, json.loads(file.read_text())

    return run


@pytest.fixture
def own_logging() -> Iterator[None]:
    """`main` sends warnings to the log and quietens some; the tests after this one want them back."""
    filters = logging.getLogger().filters[:]
    yield
    logging.captureWarnings(False)
    logging.getLogger().filters[:] = filters
    for name in ("py.warnings", "py4j"):
        logging.getLogger(name).setLevel(logging.NOTSET)
