"""How a layout reads the files of a site, before anything is ingested: nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.codes import CodeLibrary
from counterpart.deliveries import explain_unreadable_files, read_source
from counterpart.disclosure.explanation import ExplainedTable, Explanation, SourceColumn
from counterpart.errors import ProtocolError
from counterpart.protocol import BROKEN_LINE, Site, Study
from counterpart.sources import Layout, layout_of, source_tables
from counterpart.sources.formats import SAMPLED_ROWS, survey_formats
from counterpart.sources.layout import Lookup, Source, columns_needed, columns_read, has_heading, spell_columns
from counterpart.sources.lineage import Fed, kinds_of, trace_columns
from counterpart.sources.needs import ICD_ON_LINES, find_lacks
from counterpart.stages.context import Progress
from counterpart.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

    Surveyed = Mapping[tuple[str, str], Row]


def explain_source(
    store: Store, site: Site, progress: Progress, study: Study | None, library: CodeLibrary
) -> Explanation:
    """Which source column feeds which of ours, how it is written, and what a study asks for and the claims lack.

    Tables and columns that are missing are told, not complained of: all other errors are those of an ingest.
    """
    if site.source is None:
        raise ProtocolError(
            "the site document has no section `source`; it names the layout and the folder of the claims"
        )
    layout = layout_of(site.source)
    asked = dict.fromkeys(source_tables(layout), False)
    delivered = read_source(store.spark, site.source, asked, layout.separator, layout.files)
    raw = spell_columns(layout, {name: frame.drop(BROKEN_LINE) for name, frame in delivered.tables.items()})
    with explain_unreadable_files(), progress.stage(f"explain: formats of at most {SAMPLED_ROWS:,} rows a table"):
        rows = survey_formats(raw).collect() if raw else []
        surveyed = {(row["source"], row["source_column"]): row for row in rows}
    with progress.stage("explain: columns"):
        traced = trace_columns(store.spark, layout, _as_needed(store, layout, raw))
    tables = list(_tables(layout, raw, traced, surveyed))
    if study is None:
        return Explanation(layout.name, SAMPLED_ROWS, tables)
    lacks = find_lacks(study, library, _given(layout, raw, traced, surveyed))
    told = [(lack.used_by, lack.columns, lack.effect) for lack in lacks]
    return Explanation(layout.name, SAMPLED_ROWS, tables, told, study.name)


def _as_needed(store: Store, layout: Layout, raw: Mapping[str, DataFrame]) -> dict[str, DataFrame]:
    """Frames as a reading expects them: empty ones for tables that must be there, nulls for such columns."""
    nothing = F.lit(None).cast("string")
    frames = {}
    for source in layout.sources:
        needed = columns_needed(source)
        if source.name in raw:
            missing = [name for name in needed if name not in raw[source.name].columns]
            frames[source.name] = raw[source.name].withColumns(dict.fromkeys(missing, nothing))
        elif not source.may_be_absent:
            fields = [T.StructField(name, T.StringType()) for name in dict.fromkeys(needed)]
            frames[source.name] = store.spark.createDataFrame([], T.StructType(fields))
    return frames


def _tables(
    layout: Layout, raw: Mapping[str, DataFrame], traced: Mapping[str, tuple[Fed, ...]], surveyed: Surveyed
) -> Iterator[ExplainedTable]:
    kinds = {source.name: kind for kind, sources, _ in kinds_of(layout) for source in sources}
    feeds: dict[tuple[str, str], dict[str, None]] = {}
    for fed in (one for ours in traced.values() for one in ours):
        for origin in fed.origins:
            feeds.setdefault(origin, {})[fed.name] = None
    for source in layout.sources:
        kind, needed = kinds.get(source.name, "lookup"), columns_needed(source)
        if source.name not in raw:
            yield ExplainedTable(source.name, kind, False, missing=() if source.may_be_absent else needed)
            continue
        columns, ours = raw[source.name].columns, traced.get(source.name, ())
        yield ExplainedTable(
            source.name,
            kind,
            True,
            [_column(source, name, feeds.get((source.name, name), {}), raw, surveyed) for name in columns],
            [name for name in needed if name not in columns],
            [fed.name for fed in ours if fed.is_constant],
            [fed.name for fed in ours if not fed.is_fed],
            has_heading(source, columns),
        )


def _column(
    source: Source | Lookup, name: str, feeds: Mapping[str, None], raw: Mapping[str, DataFrame], surveyed: Surveyed
) -> SourceColumn:
    row = surveyed.get((source.name, name))
    formats = [] if row is None else [(one["format"], one["n_rows"]) for one in row["formats"]]
    n_rows, n_empty = (0, 0) if row is None else (row["n_rows"], row["n_empty"])
    is_read = bool(feeds) or name in columns_read(source, raw[source.name])
    return SourceColumn(name, n_rows, n_empty, formats, list(feeds), is_read)


def _given(
    layout: Layout, raw: Mapping[str, DataFrame], traced: Mapping[str, tuple[Fed, ...]], surveyed: Surveyed
) -> set[str]:
    """Our columns, with their kind, that some table feeds from a column that is not empty in all sampled rows."""

    def is_told(fed: Fed) -> bool:
        filled = (surveyed.get(origin) for origin in fed.origins)
        return fed.is_constant or any(row is not None and row["n_empty"] < row["n_rows"] for row in filled)

    told = {
        f"{kind}.{fed.name}"
        for kind, sources, _ in kinds_of(layout)
        for source in sources
        if source.name in raw
        for fed in traced.get(source.name, ())
        if is_told(fed)
    }
    return told | {ICD_ON_LINES} if layout.icd_on_lines and "medical.procedure" in told else told
