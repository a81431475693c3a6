"""Upkeep of the claims tables after an ingest that changed them: small files joined, old ones removed. No row changes.

Both write new versions of a table, so they happen here, before a study takes the versions it reads, and never on a
table that the ingest left as it was: no study is computed again because of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone

from counterpart.protocol import Upkeep
from counterpart.stages.context import Progress
from counterpart.store import Store
from counterpart.tables import MEDICAL, PHARMACY, RESULTS, Table

JOINED = (MEDICAL, PHARMACY)
"""Tables to which ingests add files. The others that they change are replaced; results of studies are not touched."""

_PARTITION = re.compile(r"/service_period=(\d+)/member_bucket=(\d+)/")
# Corrections of one night touch nearly all months, with few lines each: to join each month every night would write the
# whole table again. Until then some files more are opened for each partition.
_MANY_FILES = 8
# Of stages, a file each: a study adds eight.
_MANY_RECORDS = 100


def take_versions(store: Store, is_repeated: bool = False) -> dict[str, int | None]:
    """The versions, before an ingest, of the tables whose files may be joined after it.

    None if it was interrupted and `is_repeated`: from which version its first half started nobody knows any more.
    """
    tables = [table for table in JOINED if store.exists(table)]
    return {table.name: None if is_repeated else store.version(table) for table in tables}


def keep_up(
    store: Store,
    upkeep: Upkeep,
    changed: Sequence[Table],
    before: Mapping[str, int | None],
    progress: Progress,
) -> None:
    """Join and remove files of the tables that an ingest has changed, and say what was done.

    `before`: the versions from which it started, or None where all files are to be looked at; a table that it made has
    one file a partition.
    """
    for table in changed:
        if store.set_properties(table, upkeep.as_properties()):
            progress.note(f"upkeep: {table.name}: versions are kept for {upkeep.retain_days} days from now on")
        if table.name in before and upkeep.optimize == "all":
            _join_files(store, table, None, 2, progress)
        elif table.name in before and upkeep.optimize == "touched":
            _join_files(store, table, before[table.name], _MANY_FILES, progress)
        if upkeep.vacuum:
            for line in tell_lost(store, table, upkeep.retain_days):
                progress.note(line)
            store.remove_files(table, upkeep.retain_days)
            progress.note(
                f"upkeep: {table.name}: removed files older than {upkeep.retain_days} days that no kept version uses"
            )
    if upkeep.optimize != "never" and store.exists(RESULTS) and len(store.files(RESULTS)) >= _MANY_RECORDS:
        store.join_files(RESULTS)


def _join_files(store: Store, table: Table, since: int | None, at_least: int, progress: Progress) -> None:
    files = store.files(table)
    touched = files if since is None else files - store.files(table, since)
    partitions = choose_partitions(files, touched, at_least)
    if not partitions:
        return
    if not store.join_files(table, _lie_in(partitions)):
        progress.note(f"upkeep: {table.name}: another run changed it meanwhile; its files stay as they are")
    elif (left := len(store.files(table))) < len(files):  # those of a gigabyte are large enough
        n_periods = len({period for period, _ in partitions})
        progress.note(f"upkeep: {table.name}: {len(files):,} files joined to {left:,}, in {n_periods:,} periods")


def choose_partitions(files: set[str], touched: set[str], at_least: int) -> list[tuple[int, int]]:
    """The partitions (service period, member bucket) of touched files that have so many files."""
    n_files = Counter(_PARTITION.findall(" ".join(files)))
    written = set(_PARTITION.findall(" ".join(touched)))
    return sorted((int(period), int(bucket)) for period, bucket in written if n_files[period, bucket] >= at_least)


def _lie_in(partitions: Sequence[tuple[int, int]]) -> str:
    """The partitions as a condition: periods that have the same buckets together."""
    buckets: dict[int, tuple[int, ...]] = {}
    for period, bucket in partitions:
        buckets[period] = (*buckets.get(period, ()), bucket)
    of_buckets: dict[tuple[int, ...], list[int]] = {}
    for period, chosen in buckets.items():
        of_buckets.setdefault(chosen, []).append(period)
    alike = (
        f"(service_period IN ({', '.join(map(str, periods))}) AND member_bucket IN ({', '.join(map(str, chosen))}))"
        for chosen, periods in of_buckets.items()
    )
    return " OR ".join(alike)


def tell_lost(store: Store, table: Table, retain_days: int) -> Iterator[str]:
    """A line for each version that finished studies have read and whose files a VACUUM now would remove."""
    limit = datetime.now(timezone.utc) - timedelta(days=retain_days)
    old = [version for version, at in store.written_at(table).items() if at < limit]
    readers = _readers(store, table)
    if not old or not readers:
        return
    # What was taken out by then is what goes. Of a version whose commits are gone from the log nothing can be read now.
    needed = store.files(table, max(old))
    for version in sorted(set(readers) & set(old)):
        gone = sorted(store.files(table, version) - needed)
        if gone and store.has_file(gone[0]):
            yield (
                f"upkeep: {table.name}: version {version} cannot be read any more, its files are older than "
                f"{retain_days} days; read by {', '.join(readers[version])}, whose results stay"
            )


def _readers(store: Store, table: Table) -> dict[int, Sequence[str]]:
    """Version of a table -> the studies that have read it."""
    read = {
        (int(result.inputs["tables"][table.name]), result.study)
        for result in store.finished().values()
        if table.name in result.inputs.get("tables", {})
    }
    return {version: sorted(study for at, study in read if at == version) for version, _ in read}
