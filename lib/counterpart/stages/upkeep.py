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
from counterpart.tables import MEDICAL, PHARMACY, Table

JOINED = (MEDICAL, PHARMACY)
"""Tables to which ingests add files. The others that they change are replaced; results of studies are not touched."""

_PARTITION = re.compile(r"/service_period=(\d+)/member_bucket=(\d+)/")


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
        if table.name in before and upkeep.optimize != "never":
            _join_files(store, table, before[table.name] if upkeep.optimize == "touched" else None, progress)
        if upkeep.vacuum:
            for line in tell_lost(store, table, upkeep.retain_days):
                progress.note(line)
            store.remove_files(table, upkeep.retain_days)
            progress.note(
                f"upkeep: {table.name}: removed files older than {upkeep.retain_days} days that no kept version uses"
            )


def _join_files(store: Store, table: Table, since: int | None, progress: Progress) -> None:
    files = store.files(table)
    touched = files if since is None else files - store.files(table, since)
    periods = choose_periods(files, touched)
    if not periods:
        return
    if not store.join_files(table, periods):
        progress.note(f"upkeep: {table.name}: another run changed it meanwhile; its files stay as they are")
    elif (left := len(store.files(table))) < len(files):  # those of a gigabyte are large enough
        progress.note(f"upkeep: {table.name}: {len(files):,} files joined to {left:,}, in {len(periods):,} periods")


def choose_periods(files: set[str], touched: set[str]) -> list[int]:
    """The service periods of touched files that have several files in a partition."""
    n_files = Counter(_PARTITION.findall(" ".join(files)))
    shared = {int(period) for (period, _), n in n_files.items() if n > 1}
    return sorted(shared & {int(period) for period, _ in _PARTITION.findall(" ".join(touched))})


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
