"""What a scheduler is told: a JSON file that is there while a command runs, and whole when it ends."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterpart import __version__, cli, errors

pytestmark = pytest.mark.usefixtures("own_logging")


def test_json_of_a_run_that_went_well(run_raising: Any) -> None:
    told = run_raising(
        {"n": np.int64(12), "x": np.float64(0.5), "none": float("nan"), "path": Path("a/b"), "t": (1, 2)}
    )[1]
    assert told == {
        "command": "synth",
        "version": __version__,
        "status": "done",
        "exit_code": 0,
        "n": 12,
        "x": 0.5,
        "none": None,
        "path": "a/b",
        "t": [1, 2],
    }


def test_json_says_running_while_it_runs_and_is_replaced_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed leaves no older success behind, and nobody ever reads half a document."""
    file = tmp_path / "run.json"
    file.write_text('{"status": "done"}')
    seen: list[Any] = []
    replace = Path.replace

    def replaced(self: Path, target: Path) -> Path:
        seen.append((self.parent == target.parent, json.loads(self.read_text())["status"]))
        return replace(self, target)

    def command(_: Any) -> dict[str, Any]:
        seen.append(json.loads(file.read_text())["status"])
        return {}

    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(cli, "_synth", command)
    assert cli.main(["synth", "--out", "x", "--json", str(file)]) == 0
    assert seen == [(True, "running"), "running", (True, "done")]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_json_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(cli, "_synth", lambda _: pytest.fail("it ran"))
    for path in (tmp_path / "file" / "run.json", tmp_path / "folder"):
        assert cli.main(["synth", "--out", "x", "--json", str(path)]) == 15
        assert f"counterpart: --json {path} cannot be written: " in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_an_address_is_no_place_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would become a folder called dbfs: where the command runs, and the exit code would say that all is well."""
    monkeypatch.chdir(tmp_path)
    for option, address in (("--json", "dbfs:/told.json"), ("--json", "s3a://lab/told.json"), ("--out", "gs://lab/x")):
        arguments = ["synth", *([] if option == "--out" else ["--out", "x"]), option, address]
        assert cli.main(arguments) == 14
        assert f"counterpart: {option} is {Path(address)}, an address; it must be a place" in capsys.readouterr().err
    assert cli.main(["demo", "--folder", "abfss://lab/demo"]) == 14
    assert cli.main(["match-table", "units.csv", "--score", "ps", "--out", "s3a://lab/matched"]) == 14
    assert "--out is s3a://lab/matched, an address, which only Spark knows" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_json_to_a_pipe_leaves_it_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As /dev/stdout, which root could replace by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(cli, "_synth", lambda _: {})
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert cli.main(["synth", "--out", "x", "--json", str(pipe)]) == 0
    told = os.read(reader, 4096).decode()
    os.close(reader)
    assert re.findall(r'"status": "(\w+)"', told) == ["running", "done"]
    assert pipe.is_fifo()


def test_json_that_cannot_be_written_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Work done without its document is a failure; a failure keeps its own code."""
    file = tmp_path / "told" / "run.json"

    def command_in_a_folder_that_goes(problem: Exception | None) -> Callable[[Any], dict[str, Any]]:
        def command(_: Any) -> dict[str, Any]:
            file.unlink()
            file.mkdir()
            if problem:
                raise problem
            return {}

        return command

    for problem, code in ((None, 15), (errors.DataError("no rows"), 13)):
        monkeypatch.setattr(cli, "_synth", command_in_a_folder_that_goes(problem))
        assert cli.main(["synth", "--out", "x", "--json", str(file)]) == code
        file.rmdir()
    assert "Traceback" not in capsys.readouterr().err
