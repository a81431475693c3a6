"""How a command ends: by SIGTERM as by Ctrl-C, as a script, in a thread of somebody else's."""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from py4j.java_gateway import GatewayClient, GatewayParameters
from py4j.protocol import Py4JNetworkError

from counterpart import cli, errors, session
from counterpart.protocol import SparkSettings

pytestmark = pytest.mark.usefixtures("own_logging")


def test_a_job_that_is_told_to_end_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGTERM is how schedulers and platforms stop a task; who called the command has their own handler back."""
    file = tmp_path / "run.json"
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli, "_synth", lambda _: signal.raise_signal(signal.SIGTERM))
    assert cli.main(["synth", "--out", "x", "--json", str(file)]) == 130
    assert json.loads(file.read_text())["status"] == "failed"
    assert capsys.readouterr().err == "counterpart: interrupted\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_fails_while_a_job_ends_is_not_what_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Java may be gone first: cleaning up then fails in its own way. And a second signal waits until all is told."""
    file = tmp_path / "run.json"

    def command(_: Any) -> dict[str, Any]:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            raise ConnectionRefusedError("nobody listens")

    write = cli._write_json

    def write_disturbed(*told: Any) -> None:
        if told[1]["status"] != "running":
            signal.raise_signal(signal.SIGTERM)
        write(*told)

    monkeypatch.setattr(cli, "_synth", command)
    monkeypatch.setattr(cli, "_write_json", write_disturbed)
    assert cli.main(["synth", "--out", "x", "--json", str(file)]) == 130
    assert json.loads(file.read_text())["error"] == {"kind": "KeyboardInterrupt", "message": "interrupted"}
    assert capsys.readouterr().err == "counterpart: interrupted\n"
    monkeypatch.setattr(cli, "_synth", lambda _: {})
    assert cli.main(["synth", "--out", "x", "--json", str(file)]) == 0
    assert json.loads(file.read_text())["status"] == "done"


def test_a_command_in_another_thread_leaves_signals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python lets only the main thread handle them."""
    monkeypatch.setattr(cli, "_synth", lambda _: {})
    codes: list[int] = []
    thread = Thread(target=lambda: codes.append(cli.main(["synth", "--out", "x"])))
    thread.start()
    thread.join()
    assert codes == [0]


def test_a_script_raises_only_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that runs it in its own Python may take any SystemExit, 0 too, for a failure."""
    outcomes = iter([{}, errors.DataError("no rows")])

    def command(_: Any) -> dict[str, Any]:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(cli, "_synth", command)
    monkeypatch.setattr(sys, "argv", ["synth.py", "--out", "x"])
    cli.run_job("synth")
    with pytest.raises(SystemExit) as end:
        cli.run_job("synth")
    assert end.value.code == 13


@pytest.mark.parametrize("error", [None, errors.DataError("no rows"), KeyboardInterrupt()])
def test_what_was_known_before_is_told_though_java_is_gone(
    monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    assert left_by(monkeypatch, error) is error


def test_java_that_is_gone_is_told_where_it_is_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = left_by(monkeypatch, RuntimeError("while receiving"))
    assert isinstance(problem, errors.EnvironmentProblem)
    assert "Spark's Java process is gone" in str(problem)


def test_py4j_logs_no_traceback_of_its_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A connection that is closed before the answer, and one to where nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = Thread(target=lambda: server.accept()[0].close())
        gone.start()
        client = GatewayClient(gateway_parameters=GatewayParameters(port=server.getsockname()[1]))

        def command(_: Any) -> dict[str, Any]:
            client.send_command("x\n", retry=False)
            gone.join()
            server.close()
            with pytest.raises(Py4JNetworkError):
                client.send_command("x\n", retry=False)
            raise KeyboardInterrupt

        monkeypatch.setattr(cli, "_synth", command)
        assert cli.main(["synth", "--out", "x"]) == 130
    assert caplog.text == ""
    assert capsys.readouterr().err == "counterpart: interrupted\n"


def left_by(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> BaseException | None:
    """What comes out of a command that ends with the error, where stopping the session finds nobody who answers."""

    def stop() -> None:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(session, "build_session", lambda _: (SimpleNamespace(stop=stop), True))
    try:
        with session.open_session(SparkSettings()):
            if error is not None:
                raise error
    except BaseException as problem:
        return problem
    return None
