"""What a person sees while Spark works: stage, tasks done, elapsed time. Live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_POLL_SECONDS = 0.5
_PLAIN_LINE_SECONDS = 30.0
WATCHER = "progress"
"""The name of the thread that shows a stage; it lives as long as the stage."""


class TerminalProgress:
    """Progress on standard error, so that standard output holds results only."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.started = time.monotonic()
        self.spark: SparkSession | None = None
        self.seconds: dict[str, float] = {}
        self._doing = ""

    def watch(self, spark: SparkSession) -> None:
        """Follow the tasks of this session."""
        self.spark = spark

    def note(self, text: str) -> None:
        """One line with the time since the start."""
        # As text, never as markup: a name may hold brackets.
        line = Text.assemble((f"{time.monotonic() - self.started:7.1f} s", "dim"), f"  {text}")
        self.console.print(line, soft_wrap=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show a stage while it runs; say how long it took."""
        started = time.monotonic()
        self._doing = ""
        done = threading.Event()
        show = self._show_live if self.console.is_terminal else self._show_plain
        watcher = threading.Thread(target=show, args=(name, done), name=WATCHER, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        self.seconds[name] = time.monotonic() - started
        self.note(f"{name}: done in {self.seconds[name]:.1f} s")

    def doing(self, what: str) -> None:
        """What the stage at work is doing now: shown with its name, for one long task tells nothing."""
        self._doing = what

    def _name(self, stage: str) -> str:
        return f"{stage}, {self._doing}" if self._doing else stage

    def steps(self, name: str) -> Callable[[int, int], None]:
        """A callback for work outside Spark that knows how far it is: a line for every tenth."""
        said = 0

        def step(n_done: int, n_all: int) -> None:
            nonlocal said
            tenth = 10 * n_done // max(n_all, 1)
            if tenth > said:
                said = tenth
                self.note(f"{name}, {n_done:,} of {n_all:,}")

        return step

    def _tasks(self) -> tuple[int, int]:
        """Tasks done and tasks known of the Spark stages that run now."""
        if self.spark is None:
            return 0, 0
        try:
            tracker = self.spark.sparkContext.statusTracker()
            stages = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
        except (
            Exception
        ):  # a session that ends, or a platform that shows no tasks: what is shown must not stop the work
            return 0, 0
        known = [stage for stage in stages if stage is not None]
        return sum(stage.numCompletedTasks for stage in known), sum(stage.numTasks for stage in known)

    def _show_live(self, name: str, done: threading.Event) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[tasks]}", markup=False),
        )
        with Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True) as bar:
            task: TaskID = bar.add_task(name, total=None, tasks="")
            while not done.wait(_POLL_SECONDS):
                n_done, n_known = self._tasks()
                tasks = f"{n_done}/{n_known} tasks" if n_known else ""
                bar.update(task, description=self._name(name), completed=n_done, total=n_known or None, tasks=tasks)

    def _show_plain(self, name: str, done: threading.Event) -> None:
        while not done.wait(_PLAIN_LINE_SECONDS):
            n_done, n_known = self._tasks()
            self.note(f"{self._name(name)}: " + (f"{n_done} of {n_known} tasks" if n_known else "at work"))


def say(text: str) -> None:
    """A result, on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
