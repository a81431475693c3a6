"""Measuring a command from outside: time and memory by stage, what its Spark tasks read, shuffled and spilled."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

MB, GB = 2**20, 2**30
_DONE = re.compile(r"(\w+): done in ([\d.]+) s")
_PAUSE_SECONDS = 0.5


@dataclass
class Stage:
    """What one stage of a study took; bytes."""

    name: str
    start: float
    end: float
    read: int = 0
    written: int = 0
    shuffled: int = 0
    spilled: int = 0
    cpu_seconds: float = 0.0
    jvm_peak: int = 0
    python_peak: int = 0

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass
class Measured:
    """A finished command. `memory` holds (time, bytes of the JVM, bytes of all Python processes)."""

    exit_code: int
    seconds: float
    stages: list[Stage]
    said: list[str]
    memory: list[tuple[float, int, int]] = field(repr=False)

    @property
    def peak(self) -> int:
        return max((jvm + python for _, jvm, python in self.memory), default=0)


def measure(command: Sequence[str], cwd: Path, event_log: Path | None = None) -> Measured:
    """Run a command of the package and watch it; stages are told by its lines `<stage>: done in x s`."""
    started, stages, said = time.time(), [], []
    with subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        memory: list[tuple[float, int, int]] = []
        watcher = threading.Thread(target=_watch_memory, args=(process, memory), daemon=True)
        watcher.start()
        for line in process.stderr or ():
            said.append(line.rstrip())
            if done := _DONE.search(line):
                stages.append(Stage(done[1], time.time() - float(done[2]), time.time()))
        process.wait()
        watcher.join()
    if event_log is not None:
        _add_tasks(stages, event_log)
    for stage in stages:
        inside = [(jvm, python) for at, jvm, python in memory if stage.start <= at <= stage.end]
        stage.jvm_peak = max((jvm for jvm, _ in inside), default=0)
        stage.python_peak = max((python for _, python in inside), default=0)
    return Measured(process.returncode, time.time() - started, stages, said, memory)


def event_log_settings(folder: Path) -> dict[str, str]:
    """Spark settings for a log that `measure` reads."""
    folder.mkdir(parents=True)
    return {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": folder.absolute().as_uri(),
        "spark.eventLog.compress": "false",
        # Hadoop does not count vectored reads of local files: 0.1 MB of 18 stood in the log.
        "spark.hadoop.parquet.hadoop.vectored.io.enabled": "false",
    }


def _add_tasks(stages: Sequence[Stage], event_log: Path) -> None:
    """Add every task to the stage in whose time it ended."""
    for task in _tasks(event_log):
        ended = task["Task Info"]["Finish Time"] / 1000
        metrics = task.get("Task Metrics")
        stage = next((stage for stage in stages if stage.start <= ended <= stage.end + 0.1), None)
        if stage is None or not metrics:
            continue
        stage.read += metrics["Input Metrics"]["Bytes Read"]
        stage.written += metrics["Output Metrics"]["Bytes Written"]
        stage.shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
        stage.spilled += metrics["Disk Bytes Spilled"]
        stage.cpu_seconds += metrics["Executor CPU Time"] / 1e9


def _tasks(event_log: Path) -> Iterator[dict]:
    for file in sorted(path for path in event_log.rglob("*") if path.is_file()):
        with file.open() as lines:
            yield from (json.loads(line) for line in lines if '"Event":"SparkListenerTaskEnd"' in line)


def _watch_memory(process: subprocess.Popen[str], memory: list[tuple[float, int, int]]) -> None:
    while process.poll() is None:
        sizes = [_proportional_size(number) for number in _family(process.pid)]
        jvm = sum(size for name, size in sizes if name == "java")
        memory.append((time.time(), jvm, sum(size for name, size in sizes if name != "java")))
        time.sleep(_PAUSE_SECONDS)


def _family(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # The name is in brackets and may hold anything; the parent is the second word behind it.
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            children.setdefault(parent, []).append(int(folder.name))
    family, ahead = [], [root]
    while ahead:
        family.append(ahead.pop())
        ahead += children.get(family[-1], [])
    return family


def _proportional_size(number: int) -> tuple[str, int]:
    """Name and bytes of a process; what it shares with others is divided among them."""
    folder = Path("/proc") / str(number)
    try:
        name = (folder / "comm").read_text().strip()
        pss = re.search(r"^Pss:\s+(\d+) kB", (folder / "smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return "", 0
    return name, int(pss[1]) * 1024 if pss else 0


def describe_machine() -> str:
    """Processor, cores, memory."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    name = model[1].strip() if model else platform.machine()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}"


def when_and_where() -> str:
    """The day, the machine, and the versions that a benchmark ran with."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "delta-spark", "duckdb"))
    today = datetime.now(timezone.utc).date()
    return f"{today}; {describe_machine()}; Python {sys.version.split()[0]}, {packages}."
