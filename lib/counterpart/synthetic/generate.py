"""The whole data set: blocks of members to files, on several cores, in constant memory, and nothing half-written."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterpart.errors import SettingsError
from counterpart.synthetic import layout, truth
from counterpart.synthetic.block import make_block
from counterpart.synthetic.dirt import Tally
from counterpart.synthetic.settings import SynthReport, SynthSettings

Progress = Callable[[int, int], None]
POLL_SECONDS = 0.25
_PLAIN_COLUMNS = {"claim_id"}  # nearly all different: a dictionary would only cost time
_ticks: Queue[int] | None = None  # a worker's end of the queue that reports finished blocks


@dataclass(frozen=True)
class Written:
    """Counts of one file of each table."""

    counts: Counter[str]
    dirt: Tally


def synthesise(settings: SynthSettings, out: Path, progress: Progress | None = None) -> SynthReport:
    """Write the data set to the new folder `out`; `progress` hears the members done and all members.

    Files and their content depend on the settings alone, never on the number of workers. Raises SettingsError when
    `out` exists or cannot be made.
    """
    started = time.monotonic()
    out = Path(out)
    workplace = _make_workplace(out)
    try:
        written = _write_files(settings, workplace, progress or (lambda done, of: None))
        truth.write_truth(settings, workplace, written.counts, written.dirt)
        workplace.chmod(0o755)
        workplace.rename(out)
    except BaseException:
        shutil.rmtree(workplace, ignore_errors=True)
        raise
    return _report(settings, out, written, time.monotonic() - started)


def _make_workplace(out: Path) -> Path:
    """A hidden folder beside `out`, which takes its name when all is written."""
    if out.exists():
        raise SettingsError(f"the folder {out} exists already; name a new one or remove it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise SettingsError(f"the folder {out} cannot be made: {error.strerror}") from error
    for table in (*layout.TABLES, "truth", truth.SCORE_PARTS):
        (workplace / table).mkdir()
    return workplace


def _write_files(settings: SynthSettings, folder: Path, progress: Progress) -> Written:
    n_workers = min(settings.workers or os.cpu_count() or 1, settings.n_files)
    counts: Counter[str] = Counter()
    dirt: Tally = Counter()
    files = _in_turn(settings, folder, progress) if n_workers == 1 else _at_once(settings, folder, progress, n_workers)
    for written in files:
        counts.update(written.counts)
        dirt.update(written.dirt)
    return Written(counts, dirt)


def _in_turn(settings: SynthSettings, folder: Path, progress: Progress) -> Iterator[Written]:
    done = 0

    def tick(n_members: int) -> None:
        nonlocal done
        done += n_members
        progress(done, settings.members)

    for file in range(settings.n_files):
        yield write_file(settings, folder, file, tick)


def _at_once(settings: SynthSettings, folder: Path, progress: Progress, n_workers: int) -> Iterator[Written]:
    """Files on several processes; progress arrives by a queue, results as files are finished."""
    context = get_context("spawn")  # a fork would copy the locks of whatever threads the caller runs
    ticks: Queue[int] = context.Queue()
    done = 0
    with ProcessPoolExecutor(n_workers, context, initializer=_listen, initargs=(ticks,)) as pool:
        waiting = {pool.submit(_write_file_and_tick, settings, folder, file) for file in range(settings.n_files)}
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                while not ticks.empty():
                    done += ticks.get()
                    progress(done, settings.members)
                for future in finished:
                    yield future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if done < settings.members:
        progress(settings.members, settings.members)


def _listen(ticks: Queue[int]) -> None:
    """A worker learns where to report its blocks."""
    global _ticks
    _ticks = ticks


def _write_file_and_tick(settings: SynthSettings, folder: Path, file: int) -> Written:
    assert _ticks is not None
    return write_file(settings, folder, file, _ticks.put)


def write_file(settings: SynthSettings, folder: Path, file: int, tick: Callable[[int], None]) -> Written:
    """One file of each table: the blocks of the file, a row group each. One block is in memory at a time."""
    counts: Counter[str] = Counter()
    dirt: Tally = Counter()
    with ExitStack() as open_files:
        files = {
            table: open_files.enter_context(RowGroups(folder / table / f"part-{file:05d}.parquet"))
            for table in (*layout.TABLES, truth.SCORE_PARTS)
        }
        for number in settings.blocks_of(file):
            block = make_block(settings, number)
            for table, rows in (block.tables | {truth.SCORE_PARTS: block.scores}).items():
                files[table].append(rows)
            counts.update(block.counts)
            dirt.update(block.dirt)
            tick(len(settings.members_of(number)))
    return Written(counts, dirt)


@dataclass
class RowGroups:
    """A Parquet file that takes one table after another as row groups; codes are stored as the text they mean."""

    path: Path
    _writer: pq.ParquetWriter | None = None

    def __enter__(self) -> RowGroups:
        return self

    def append(self, rows: pa.Table) -> None:
        """Add a row group."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self.path,
                rows.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=[name for name in rows.schema.names if name not in _PLAIN_COLUMNS],
                store_schema=False,
            )
        self._writer.write_table(rows, row_group_size=max(rows.num_rows, 1))

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()


def _report(settings: SynthSettings, out: Path, written: Written, seconds: float) -> SynthReport:
    counts = written.counts
    return SynthReport(
        out=out,
        members=counts["members"],
        medical_lines=counts["medical_claim"],
        pharmacy_lines=counts["pharmacy_claim"],
        eligibility_rows=counts["eligibility"],
        enrolments=counts["enrolled_members"],
        comparator_members=counts["comparator_members"],
        candidate_dates=counts["candidate_dates"],
        dirty_rows=sum(written.dirt.values()),
        files=settings.n_files * len(layout.TABLES),
        seconds=seconds,
    )
