"""Which claims tables are whole: as the last finished ingest left them, not as one that is half-way through.

An ingest changes table after table. Before the first of them it notes in `results` at which versions they stand, and
until it is finished, studies and profiles read these: an ingest that was interrupted, or goes on, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone

from counterpart.errors import DataError
from counterpart.stages.context import Progress
from counterpart.store import BEGUN, INGESTED, Commit, StageResult, Store
from counterpart.tables import CLAIMS_TABLES, Table


@dataclass(frozen=True)
class Begun:
    """An ingest that is not finished: its delivery, the day that counts as received, and the versions it found."""

    delivery: str
    received_on: date
    versions: dict[str, int]


def note_begun(store: Store, delivery: str, received_on: date) -> None:
    """Note an ingest that is about to change the claims tables, unless it goes on with what was begun last.

    What one found that was never finished stays found.
    """
    earlier = find_begun(store)
    if earlier and earlier.delivery == delivery:
        return
    found = {table.name: store.version(table) for table in CLAIMS_TABLES if store.exists(table)}
    inputs = {
        "delivery": delivery,
        "received_on": received_on.isoformat(),
        "versions": earlier.versions if earlier else found,
    }
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
    noted = store.ingests().values()
    finished = {one.result_key: one.finished_at for one in noted if one.stage == INGESTED}
    begun = {one.inputs["delivery"]: one for one in noted if one.stage == BEGUN}
    # Those of before this was noted began when they were finished, as far as anybody knows.
    starts = [begun[delivery].finished_at if delivery in begun else at for delivery, at in finished.items()]
    latest = max(starts, default=None)
    left = [one for delivery, one in begun.items() if delivery not in finished]
    left = [one for one in left if latest is None or one.finished_at > latest]
    if not left:
        return None
    last = max(left, key=lambda one: one.finished_at).inputs
    return Begun(last["delivery"], date.fromisoformat(last["received_on"]), last["versions"])


def whole_tables(store: Store, tables: Sequence[Table], progress: Progress) -> dict[str, Commit]:
    """Table -> the commit to read. DataError if there is none yet."""
    begun = find_begun(store)
    if begun is None:
        return {table.name: store.commit(table) for table in tables}
    if not all(table.name in begun.versions for table in tables):
        raise DataError(
            f"the first ingest into {store.warehouse} is not finished: it is at work, or was interrupted; wait for it, "
            "or run `counterpart ingest` again"
        )
    progress.note(
        "claims tables: an ingest is at work or was interrupted; they are read as it found them "
        "(`counterpart ingest` finishes it)"
    )
    return {table.name: store.commit(table, begun.versions[table.name]) for table in tables}


def whole_deliveries(store: Store) -> list[str]:
    """Keys of the deliveries that are in the tables, in the order in which they were brought in."""
    ingested = [one for one in store.ingests().values() if one.stage == INGESTED]
    return [one.result_key for one in sorted(ingested, key=lambda one: (one.finished_at, one.result_key))]
