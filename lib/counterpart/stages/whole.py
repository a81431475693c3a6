"""Which claims tables are whole: as the last finished ingest left them, not as one that is half-way through.

An ingest changes table after table. Before the first of them it notes in `results` at which versions they stand, and
until it is finished, studies and profiles read these: an ingest that was interrupted, or goes on, changes nothing.

One that was interrupted and never repeated ends when one that began later is finished: its half stays in the tables.
But it may be at work still: therefore a finished ingest notes the versions it left, and what is changed after that is
not read while an earlier one is not finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone

from counterpart.commits import Commit
from counterpart.errors import DataError
from counterpart.records import BEGUN, INGESTED, StageResult
from counterpart.stages.context import Progress
from counterpart.store import Store
from counterpart.tables import CLAIMS_TABLES, CONCEPT_ANCESTORS, Table

LEFT = "left"
"""What a finished ingest calls the versions at which it left the tables."""

_NOTED = (*CLAIMS_TABLES, CONCEPT_ANCESTORS)


@dataclass(frozen=True)
class Begun:
    """An ingest that is not finished: its delivery, the day that counts as received, and the versions it found."""

    delivery: str
    received_on: date
    versions: dict[str, int]


def note_begun(store: Store, delivery: str, received_on: date, found: Mapping[str, int | None]) -> None:
    """Note an ingest that is about to change the tables it `found`, unless it goes on with what was begun last.

    What is not read now because of one that was never finished stays so.
    """
    noted = _noted(store)
    earlier = _begun_last(noted)
    if earlier and earlier.delivery == delivery:
        return
    versions, _ = _whole_versions(store, noted)
    if versions is None:
        at = {table.name: found.get(table.name) for table in _NOTED}
        versions = {name: version for name, version in at.items() if version is not None}
    inputs = {"delivery": delivery, "received_on": received_on.isoformat(), "versions": versions}
    now = datetime.now(timezone.utc)
    store.record(StageResult(BEGUN, "", _begun_key(delivery), inputs, {}, now), "", "")


def find_received_on(store: Store, delivery: str) -> date | None:
    """The day that counts as received of a delivery that was begun."""
    noted = store.ingests().get(_begun_key(delivery))
    return date.fromisoformat(noted.inputs["received_on"]) if noted else None


def _begun_key(delivery: str) -> str:
    return f"begun-{delivery}"


def find_begun(store: Store) -> Begun | None:
    """The ingest that was begun last and is not finished, if no other that began later is."""
    return _begun_last(_noted(store))


def _noted(store: Store) -> Sequence[StageResult]:
    return list(store.ingests().values())


def _begun_last(noted: Sequence[StageResult]) -> Begun | None:
    left, latest = _unfinished(noted)
    left = [one for one in left if latest is None or one.finished_at > latest]
    if not left:
        return None
    last = max(left, key=lambda one: one.finished_at).inputs
    return Begun(last["delivery"], date.fromisoformat(last["received_on"]), last["versions"])


def _unfinished(noted: Sequence[StageResult]) -> tuple[list[StageResult], datetime | None]:
    """Notes of ingests that are not finished, and when the one of the finished that began last began."""
    finished = {one.result_key: one.finished_at for one in noted if one.stage == INGESTED}
    begun = {one.inputs["delivery"]: one for one in noted if one.stage == BEGUN}
    # Those of before this was noted began when they were finished, as far as anybody knows.
    starts = [begun[delivery].finished_at if delivery in begun else at for delivery, at in finished.items()]
    return [one for delivery, one in begun.items() if delivery not in finished], max(starts, default=None)


def _whole_versions(store: Store, noted: Sequence[StageResult]) -> tuple[dict[str, int] | None, str]:
    """Table -> the version to read, and how that is told; None where it is the newest of all tables."""
    begun = _begun_last(noted)
    if begun:
        return begun.versions, "an ingest is at work or was interrupted; they are read as it found them"
    finished = [one for one in noted if one.stage == INGESTED]
    if not finished or not _unfinished(noted)[0]:
        return None, ""
    left = dict(max(finished, key=lambda one: one.finished_at).inputs.get(LEFT, {}))
    if not any(store.has_changed(table, left[table.name]) for table in _NOTED if table.name in left):
        return None, ""
    return left, (
        "an ingest that began before the last is at work or was interrupted; they are read as the last one left them"
    )


def whole_tables(store: Store, tables: Sequence[Table], progress: Progress) -> dict[str, Commit]:
    """Table -> the commit to read. DataError if there is none yet."""
    versions, why = _whole_versions(store, _noted(store))
    if versions is None:
        return {table.name: store.commit(table) for table in tables}
    if not all(table.name in versions for table in tables):
        raise DataError(
            f"the first ingest into {store.warehouse} is not finished: it is at work, or was interrupted; wait for it, "
            "or run `counterpart ingest` again"
        )
    progress.note(f"claims tables: {why} (`counterpart ingest` finishes it)")
    return {table.name: store.commit(table, versions[table.name]) for table in tables}


def whole_version(store: Store, table: Table) -> int | None:
    """The version to read of a table that not every source delivers; None if none did."""
    versions, _ = _whole_versions(store, _noted(store))
    if versions is not None:
        return versions.get(table.name)
    return store.version(table) if store.exists(table) else None


def whole_deliveries(store: Store) -> list[str]:
    """Keys of the deliveries that are in the tables, in the order in which they were brought in."""
    ingested = [one for one in store.ingests().values() if one.stage == INGESTED]
    return [one.result_key for one in sorted(ingested, key=lambda one: (one.finished_at, one.result_key))]
