"""A Spark standalone cluster on loopback: a master and workers, started and stopped as processes of this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import pyspark
from tests.study.conftest import COMPILED_LIGHTLY

import counterpart

HOME = Path(pyspark.__file__).parent
HOST = "127.0.0.1"
LONGEST_START, LONGEST_END = 60.0, 10.0
_PAUSE_SECONDS = 0.02
Found = TypeVar("Found")


@contextmanager
def start_cluster(folder: Path, n_workers: int, worker_memory: str) -> Iterator[str]:
    """The URL of the master, once all workers of one core each have told it that they are there."""
    port, page = free_port(), free_port()
    where = ["--host", HOST, "--port"]
    with ExitStack() as stack:
        master = ["deploy.master.Master", *where, str(port), "--webui-port", str(page)]
        stack.enter_context(_running(_spark_class(master), folder / "master", folder))
        url, told = f"spark://{HOST}:{port}", f"http://{HOST}:{page}/json/"
        # A worker that finds no master tries again after ten seconds only.
        wait_until(lambda: read_json(told), LONGEST_START)
        for number in range(n_workers):
            own = folder / f"worker_{number}"
            size = ["--cores", "1", "--memory", worker_memory, "--work-dir", str(own / "work")]
            worker = ["deploy.worker.Worker", *where, str(free_port()), "--webui-port", str(free_port()), *size, url]
            stack.enter_context(_running(_spark_class(worker), own, folder))

        wait_until(lambda: _count_workers(told) == n_workers, LONGEST_START)
        yield url


def _count_workers(page: str) -> int:
    return sum(worker["state"] == "ALIVE" for worker in read_json(page)["workers"])


@contextmanager
def running_python(script: Path, arguments: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A driver: a Python program in a process of its own, which ends with the block."""
    with _running([sys.executable, str(script), *arguments], folder, folder.parent) as process:
        yield process


@contextmanager
def _running(command: Sequence[str], folder: Path, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What it says goes to log.txt in the folder; the process and its children end with the block."""
    folder.mkdir(parents=True)
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(folder, home), stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(LONGEST_END)
    # A worker that ends in good order has ended its executors.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _spark_class(arguments: Sequence[str]) -> list[str]:
    name, *others = arguments
    return [str(HOME / "bin" / "spark-class"), f"org.apache.spark.{name}", *others]


def _environment(folder: Path, home: Path) -> dict[str, str]:
    """Spark's own settings in place of those that the set-up of local mode wrote: these silence all logs."""
    settings = home / "conf"
    settings.mkdir(exist_ok=True)
    return os.environ | {
        "SPARK_HOME": str(HOME),
        "SPARK_CONF_DIR": str(settings),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        "SPARK_DAEMON_MEMORY": "512m",
        "SPARK_DAEMON_JAVA_OPTS": COMPILED_LIGHTLY,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": str(Path(counterpart.__file__).parents[1]),
    }


def executor_process(application: str, executor: str) -> int | None:
    """The number of the JVM of an executor; None if there is none."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_text().split("\0")
        except OSError:
            continue
        if "org.apache.spark.executor.CoarseGrainedExecutorBackend" not in words:
            continue
        options = dict(pairwise(words))
        if (options.get("--app-id"), options.get("--executor-id")) == (application, executor):
            return int(file.parent.name)
    return None


def wait_until(
    is_so: Callable[[], Found | None], longest: float, process: subprocess.Popen[bytes] | None = None
) -> Found:
    """What the function finds, asked again until it finds something; AssertionError if the process ends before."""
    deadline = time.monotonic() + longest
    while not (found := is_so()):
        assert process is None or process.poll() is None, "the program ended before"
        assert time.monotonic() < deadline, f"not within {longest:.0f} s"
        time.sleep(_PAUSE_SECONDS)
    return found


def read_json(address: str) -> Any:
    """A page; None while nobody answers, or the handler of another page does, which is there before."""
    try:
        with urlopen(address, timeout=LONGEST_END) as page:
            return json.load(page)
    except (OSError, ValueError):
        return None


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])
