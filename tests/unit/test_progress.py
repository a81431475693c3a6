"""What a person sees while Spark works. No test waits: the pauses between two looks are set to nothing."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from counterpart import progress
from counterpart.progress import WATCHER, TerminalProgress, say

PATIENCE = 10.0
"""Seconds until a test that waits for another thread gives up."""


class Screen(io.StringIO):
    """Keeps what is written, and tells when a text has come."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = ""
        self.came = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.awaited and self.awaited in self.getvalue():
            self.came.set()
        return written


def session(*looks: list[tuple[int, int]]) -> Any:
    """A session whose active stages have (completed, all) tasks, look by look; the last look stays."""
    seen = list(looks)

    class Tracker:
        def getActiveStageIds(self) -> list[int]:
            self.stages = seen.pop(0) if len(seen) > 1 else seen[0]
            return list(range(len(self.stages)))

        def getStageInfo(self, number: int) -> Any:
            done, known = self.stages[number]
            return None if known < 0 else SimpleNamespace(numCompletedTasks=done, numTasks=known)

    return SimpleNamespace(sparkContext=SimpleNamespace(statusTracker=Tracker))


def showing(screen: Screen, is_terminal: bool) -> TerminalProgress:
    shown = TerminalProgress()
    shown.console = Console(file=screen, force_terminal=is_terminal, width=100, highlight=False)
    return shown


def plain(text: str) -> list[str]:
    """Lines without their time."""
    return [re.sub(r"^ *\d+\.\d s  ", "", re.sub(r"\d+\.\d s$", "_ s", line)) for line in text.splitlines()]


def test_without_a_terminal_there_are_plain_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    shown = TerminalProgress()
    shown.note("site here, study small")
    with shown.stage("cohort"):
        pass
    say("a result")
    out, err = capsys.readouterr()
    assert out == "a result\n"
    assert plain(err) == ["site here, study small", "cohort: done in _ s"]
    assert all(re.match(r" +\d+\.\d s  \w", line) for line in err.splitlines())
    assert "\x1b" not in err
    assert set(shown.seconds) == {"cohort"}
    assert 0 <= shown.seconds["cohort"] < PATIENCE


def test_a_long_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalProgress().note("word " * 60 + "end")
    assert capsys.readouterr().err.count("\n") == 1


def test_brackets_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    shown = TerminalProgress()
    for text in ("[red]stop[/red]", "[/]", "reused [abc] :smile:"):
        shown.note(text)
    assert plain(capsys.readouterr().err) == ["[red]stop[/red]", "[/]", "reused [abc] :smile:"]


def test_a_stage_that_takes_long_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0.0)
    screen = Screen()
    screen.awaited = "7 of 12 tasks"
    shown = showing(screen, is_terminal=False)
    with shown.stage("before Spark"):
        pass
    shown.watch(session([], [(3, 4), (0, -1)], [(3, 4), (4, 8)]))
    with shown.stage("match"):
        assert screen.came.wait(PATIENCE)
    screen.awaited = "writing"
    screen.came.clear()
    with shown.stage("ingest"):
        shown.doing("writing medical")
        assert screen.came.wait(PATIENCE)
    lines = plain(screen.getvalue())
    assert lines[-1] == "ingest: done in _ s"
    assert lines[-2] == "ingest, writing medical: 7 of 12 tasks"
    of_match = [line for line in lines if line.startswith("match")]
    assert of_match[:3] == ["match: at work", "match: 3 of 4 tasks", "match: 7 of 12 tasks"]


def test_on_a_terminal_tasks_are_shown_live_and_leave_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_POLL_SECONDS", 0.0)
    screen = Screen()
    screen.awaited = "7/12 tasks"
    shown = showing(screen, is_terminal=True)
    shown.watch(session([(7, 12)]))
    with shown.stage("match [1:1]"):
        assert screen.came.wait(PATIENCE)
        shown.note("a word in between")
        screen.awaited = "match [1:1], packing"
        screen.came.clear()
        shown.doing("packing")
        assert screen.came.wait(PATIENCE)
    text = screen.getvalue()
    assert "match [1:1]" in text
    assert "\x1b[?25l" in text  # the cursor is hidden
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # and comes back
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.splitlines()[-1])
    assert plain(last) == ["match [1:1]: done in _ s"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_session_that_has_ended_stops_nothing(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    """Its tracker raises what it likes, in a thread of its own, where a traceback would quote it."""
    monkeypatch.setattr(progress, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0.0)
    asked = threading.Event()

    def gone() -> Any:
        asked.set()
        raise ConnectionError("P0031415")

    screen = Screen()
    shown = showing(screen, is_terminal)
    shown.watch(SimpleNamespace(sparkContext=SimpleNamespace(statusTracker=gone)))  # a stand-in
    with shown.stage("match"):
        assert asked.wait(PATIENCE)
    assert "P0031415" not in screen.getvalue()
    assert "match: done" in screen.getvalue()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_stage_that_fails_is_not_called_done(is_terminal: bool) -> None:
    screen = Screen()
    shown = showing(screen, is_terminal)

    def fail() -> None:
        with shown.stage("match"):
            assert [thread.name for thread in threading.enumerate()].count(WATCHER) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "done" not in screen.getvalue()
    assert shown.seconds == {}
    assert WATCHER not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([(i, 100) for i in range(101)], [f"synth, {10 * i} of 100" for i in range(1, 11)]),
        ([(i, 3) for i in range(4)], ["synth, 1 of 3", "synth, 2 of 3", "synth, 3 of 3"]),
        ([(25_000, 1_000_000), (250_000, 1_000_000), (260_000, 1_000_000)], ["synth, 250,000 of 1,000,000"]),
        ([(0, 0), (0, 0)], []),
    ],
)
def test_steps_say_a_line_for_every_tenth(
    capsys: pytest.CaptureFixture[str], calls: list[tuple[int, int]], said: list[str]
) -> None:
    step: Callable[[int, int], None] = TerminalProgress().steps("synth")
    for n_done, n_all in calls:
        step(n_done, n_all)
    assert plain(capsys.readouterr().err) == said
