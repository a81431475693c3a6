"""The ingest stage: a delivery of raw claims -> the claims tables, every source row accounted for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from counterpart.commits import Found
from counterpart.deliveries import Delivery, explain_unreadable_files, read_source
from counterpart.disclosure.cells import share, shown
from counterpart.errors import DataError, ProtocolError
from counterpart.protocol import RowRules, Site, Source, content_hash
from counterpart.records import INGESTED, StageResult
from counterpart.sources import ClaimsDelivery, IngestContext, Layout, build_claims, layout_of, source_tables
from counterpart.sources.accounts import QUARANTINED
from counterpart.sources.crosswalk import FROM_KEPT, KEPT_CROSSWALK
from counterpart.sources.open_cover import OPEN_COVER
from counterpart.sources.placement import Placement
from counterpart.stages.context import Progress, code_version
from counterpart.stages.plan import describe_plan
from counterpart.stages.upkeep import JOINED, keep_up, take_versions
from counterpart.stages.whole import LEFT, find_received_on, note_begun
from counterpart.staging import staging
from counterpart.store import Store
from counterpart.tables import (
    CONCEPT_ANCESTORS,
    ENROLLMENT,
    INTAKE,
    MEDICAL,
    MEMBERS,
    PHARMACY,
    PROGRAM,
    QUARANTINE,
    SMALLEST_SHOWN,
    Table,
)

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    from counterpart.sources.accounts import Stage

_ROOMS = ("sources", "stages/ingestion.py")


@dataclass(frozen=True)
class IngestReport:
    """What became of a delivery. `intake` has the contract INTAKE: a few dozen rows.

    `rosters` names the sources of which a row is a member; `versions` are those of the tables that are Delta tables.
    """

    delivery: str
    is_reused: bool
    intake: pd.DataFrame
    rosters: frozenset[str]
    versions: Mapping[str, int]


def ingest(store: Store, site: Site, progress: Progress, received_on: date) -> IngestReport:
    """Read the site's source and bring the claims tables up to date. A delivery seen before changes nothing.

    Quarantine and intake are written before the claims, and a delivery is finished only when all is written: an
    interrupted ingest is repeated from its first half and gives the same tables.
    """
    source = site.source
    if source is None:
        raise ProtocolError(
            "the site document has no section `source`; it names the layout and the folder of the claims"
        )
    layout = layout_of(source)
    delivered = read_source(store.spark, source, source_tables(layout), layout.separator, layout.files)
    delivery = delivery_key(delivered.fingerprint, layout, site.rules)
    if ingested := store.finished([delivery]).get(delivery):
        progress.note(f"ingest: reused, this delivery is in the tables already (key {delivery})")
        _keep_up(store, site, ingested, progress)
        return IngestReport(delivery, True, _read_intake(store, delivery), layout.rosters, delivered.versions)
    # Before anything is looked at: what others change from now on must not be overwritten.
    found = store.find_versions(_CHANGED)
    start = _begin(store, site, layout, delivered, delivery, progress)
    with progress.stage("ingest"), explain_unreadable_files(), staging(store.spark, store.warehouse, delivery) as stage:
        n_rows = start.n_rows | {
            name: frame.count() for name, frame in delivered.tables.items() if name not in start.n_rows
        }
        context = IngestContext(
            delivery=delivery,
            received_on=start.received_on or received_on,
            placement=start.placement or _placement(store, site, layout, n_rows),
            existing=_read_found(store, found),
            stage=_telling(stage, progress),
            rules=site.rules,
        )
        claims = build_claims(layout, delivered.tables, context)
        progress.doing("adding up the fates of all rows")
        intake = _count(claims, site, n_rows) if start.intake is None else start.intake
        store.require_as_found(_CHANGED, found)
        note_begun(store, delivery, context.received_on, found.versions)
        if start.intake is None:
            _account(store, claims, delivery, intake)
        _tell_kept(intake, progress)
        _tell_denied(intake, progress)
        written = _write_claims(store, claims, context, found, count_lines(layout, n_rows), progress)
        due = _upkeep_due(start, written)
        ingested = _record(store, delivery, delivered, source, store.require_as_found(_CHANGED, found), due)
    _keep_up(store, site, ingested, progress)
    return IngestReport(delivery, False, intake, layout.rosters, delivered.versions)


@dataclass(frozen=True)
class _Start:
    """What is known before an ingest starts.

    `n_rows` of the source tables that tell them, `placement` unless it takes the others', `intake` and `received_on`
    of an earlier ingest of this delivery that was interrupted, `versions` of the tables whose files may be joined.
    """

    n_rows: dict[str, int]
    placement: Placement | None
    intake: pd.DataFrame | None
    received_on: date | None
    has_tables: bool
    versions: Mapping[str, int | None]


def _begin(store: Store, site: Site, layout: Layout, delivered: Delivery, delivery: str, progress: Progress) -> _Start:
    """Look at what is there and say what will be done."""
    with explain_unreadable_files():
        n_rows = delivered.count_cheaply()
    earlier = _read_intake(store, delivery) if store.exists(INTAKE) else None
    intake = None if earlier is None or earlier.empty else earlier
    # What the first half has judged by its day, the second must not judge by another.
    received_on = None if intake is None else find_received_on(store, delivery)
    has_tables = store.exists(MEDICAL)
    is_placed = has_tables or len(n_rows) == len(delivered.sources)
    placement = _placement(store, site, layout, n_rows) if is_placed else None
    for line in describe_plan(site, delivered, n_rows, placement, intake is not None, has_tables, layout.rosters):
        progress.note(line)
    return _Start(n_rows, placement, intake, received_on, has_tables, take_versions(store, intake is not None))


# What a part that is staged holds, as a person would say it.
_WORK = {
    "suspects": "members whose lines need a look",
    "drafts": "reading rows",
    "delivered": "claims that may be known already",
    "held": "what the table has of them",
    "repeated": "lines that came more than once",
    "parted": "these and the others apart",
    "resolved": "versions of lines",
}


def _telling(stage: Stage, progress: Progress) -> Stage:
    """The same, and whoever watches knows which part is being made."""

    def told(part: str, rows: DataFrame) -> DataFrame:
        table, _, work = part.rpartition("_")
        progress.doing(f"{table}: {_WORK[work]}" if work in _WORK else part.replace("_", " "))
        return stage(part, rows)

    return told


def _tell_kept(intake: pd.DataFrame, progress: Progress) -> None:
    n_ids = int(intake.loc[intake["source"] == FROM_KEPT, "n_rows"].sum())
    if n_ids:
        count = f"{n_ids:,}" if shown(n_ids) else f"fewer than {SMALLEST_SHOWN}"
        progress.note(f"ingest: {count} former ids are known from the crosswalk that earlier deliveries left")


def _tell_denied(intake: pd.DataFrame, progress: Progress) -> None:
    """A warning for each table of which so much is denied that it may not be."""
    for name, of_source in intake.groupby("source"):
        n_denied = int(of_source.loc[of_source["rule"] == _DENIED, "n_rows"].sum())
        part = share(n_denied, int(of_source["n_rows"].sum()))
        if part is not None and part > _MOST_DENIED:
            progress.note(
                f"ingest: {part:.0%} of the rows of {name} are denied, and no event is seen in them. Lines of which "
                "nothing was allowed are denied too, unless the site says otherwise (rules.denied_by_amounts): where a "
                "provider is paid by the head, or a facility by the claim, that is no denial"
            )


def delivery_key(fingerprint: str, layout: Layout, rules: RowRules) -> str:
    """What a delivery is known by: its files, and what reads and judges them. Another mapping makes another one."""
    read_by = {"layout": layout.name, "mapping": layout.content, "code": code_version(_ROOMS)}
    read_by["rules"] = content_hash(rules)
    return content_hash({"files": fingerprint, **read_by})


_CLAIMS = (MEMBERS, ENROLLMENT, MEDICAL, PHARMACY, PROGRAM)
# What the next delivery must know beside them.
_KEPT = (KEPT_CROSSWALK, OPEN_COVER)
_CHANGED = (*_CLAIMS, *_KEPT, CONCEPT_ANCESTORS)
_REJECTED_A_FILE = 1_000_000


def _read_found(store: Store, found: Found) -> dict[str, DataFrame]:
    """What the next delivery must know of the tables, as they were found: what is written later is not read back."""
    held = ((table, found.versions[table.name]) for table in (*_CLAIMS, *_KEPT))
    return {table.name: store.read(table, version) for table, version in held if version is not None}


def _placement(store: Store, site: Site, layout: Layout, n_rows: Mapping[str, int]) -> Placement:
    """That of the tables, or one for the rows of a first delivery."""
    if store.exists(MEDICAL):
        return Placement.read(store.properties(MEDICAL))
    n_lines = count_lines(layout, n_rows)
    return Placement.choose(n_lines, site.target_lines_per_file, site.member_buckets, site.service_period)


def count_lines(layout: Layout, n_rows: Mapping[str, int]) -> int:
    """Rows of all source tables of medical claims, or of pharmacy claims if these are more."""
    tables = ({source.table for source in claims} for claims in (layout.medical, layout.pharmacy))
    return max(sum(n_rows.get(name, 0) for name in names) for names in tables)


def _count(claims: ClaimsDelivery, site: Site, n_rows: Mapping[str, int]) -> pd.DataFrame:
    """The fates of all rows. Stops if a source row is not accounted for, or too much is rejected."""
    intake = claims.intake.toPandas()
    _require_all_rows(intake, n_rows)
    _hold_to_threshold(intake, site.max_quarantined)
    return intake


def _account(store: Store, claims: ClaimsDelivery, delivery: str, intake: pd.DataFrame) -> None:
    """Write quarantine and intake."""
    n_files = math.ceil(_count_rejected(intake) / _REJECTED_A_FILE) or 1
    # Few of the rows that many tasks read: each task would leave a file of its own.
    store.replace_where(QUARANTINE, claims.quarantine.repartition(n_files, "row_json"), "delivery", delivery)
    store.replace_where(INTAKE, store.spark.createDataFrame(intake, INTAKE.ddl), "delivery", delivery)


def _read_intake(store: Store, delivery: str) -> pd.DataFrame:
    return store.read(INTAKE).filter(F.col("delivery") == delivery).toPandas()


def _require_all_rows(intake: pd.DataFrame, n_rows: Mapping[str, int]) -> None:
    """In = kept + merged + quarantined, counted from the files themselves."""
    accounted = intake.groupby("source")["n_rows"].sum().to_dict()
    lost = [source for source, n in n_rows.items() if int(accounted.get(source, 0)) != n]
    if lost:
        raise DataError(
            f"rows of {', '.join(sorted(lost))} were lost or doubled on the way: kept, merged and quarantined do not "
            "add up to the rows of the files. Nothing was written"
        )


def _count_rejected(intake: pd.DataFrame) -> int:
    return int(intake.loc[intake["fate"] == QUARANTINED, "n_rows"].sum())


# The rule of lines whose last version is a denial: what became of a claim, and no sign of bad data.
_DENIED = "denied"
# Of a table's rows: more looks like something else than denials.
_MOST_DENIED = 0.2


def _hold_to_threshold(intake: pd.DataFrame, limit: float) -> None:
    for name, of_source in intake.groupby("source"):
        rows = of_source[of_source["rule"] != _DENIED]
        n_rows, n_rejected = int(of_source["n_rows"].sum()), _count_rejected(rows)
        if n_rejected > limit * n_rows:
            reasons = ", ".join(sorted(rows.loc[rows["fate"] == QUARANTINED, "rule"]))
            # The rows of the files are told before: an exact share of them would be a count.
            told = share(n_rejected, n_rows)
            part = f"more than {limit:.1%}" if told is None or told <= limit else f"{told:.0%}"
            raise DataError(
                f"source table {name}: {part} of the rows would be quarantined ({reasons}); the site allows "
                f"{limit:.1%} (max_quarantined). Nothing was written"
            )


def _write_claims(
    store: Store, claims: ClaimsDelivery, context: IngestContext, found: Found, n_lines: int, progress: Progress
) -> list[Table]:
    """Bring the tables up to date; those that changed. ConflictError if one is not as it was found."""
    changed = []
    for table, rows in (
        # First: a delivery that comes after an interrupted one must know which ids the tables do not have.
        (KEPT_CROSSWALK, claims.crosswalk),
        (MEMBERS, claims.members),
        (ENROLLMENT, claims.enrollment),
        # After it: of an interrupted ingest this is then the older, and told by the spans to be so.
        (OPEN_COVER, claims.open_cover),
        (PROGRAM, claims.program),
        (CONCEPT_ANCESTORS, claims.ancestors),
    ):
        if rows is None:
            continue
        progress.doing(f"writing {table.name}")
        if not (store.exists(table) and store.holds_the_same(table, rows)):
            store.replace(table, rows, found)
            changed.append(table)
    properties = context.placement.as_properties()
    for table, added, retired in (
        (MEDICAL, claims.medical, claims.medical_retired),
        (PHARMACY, claims.pharmacy, claims.pharmacy_retired),
    ):
        progress.doing(f"writing {table.name}")
        if store.change_lines(table, added, retired, properties, found, n_lines):
            changed.append(table)
    return changed


def _record(
    store: Store, delivery: str, delivered: Delivery, source: Source, left: Mapping[str, int], due: Mapping[str, Any]
) -> StageResult:
    inputs: dict[str, Any] = {"fingerprint": delivered.fingerprint, "source": source.catalog or source.path}
    inputs |= {"versions": delivered.versions, LEFT: left}
    ingested = StageResult(INGESTED, "", delivery, inputs, {_UPKEEP: due}, datetime.now(timezone.utc))
    store.record(ingested, "", code_version(_ROOMS))
    return ingested


_UPKEEP = "upkeep"


def _upkeep_due(start: _Start, written: Sequence[Table]) -> dict[str, Any]:
    """Which tables are to be kept up once an ingest is finished, and from which versions it started."""
    if not start.has_tables:
        return {}
    # What an interrupted ingest wrote before, it does not write again.
    changed = (*written, *(JOINED if start.intake is not None else ()))
    return {"tables": sorted({table.name for table in changed}), "before": dict(start.versions)}


def _keep_up(store: Store, site: Site, ingested: StageResult, progress: Progress) -> None:
    """The upkeep that is due after an ingest, also where the run that made it did not come to that."""
    due = ingested.metrics.get(_UPKEEP)
    if not due or not due["tables"]:
        return
    tables = [table for table in _CHANGED if table.name in due["tables"]]
    with progress.stage("upkeep"):
        keep_up(store, site.upkeep, tables, due["before"], progress)
    # Of two records of an ingest the later counts.
    at = ingested.finished_at + timedelta(microseconds=1)
    store.record(replace(ingested, metrics={}, finished_at=at), "", code_version(_ROOMS))
