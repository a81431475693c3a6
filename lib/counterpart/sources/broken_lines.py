"""Lines of text files that are no rows: set aside before anything is read from them, and accounted for.

A line is a row: a line break in a quoted field, or a quotation mark that is never closed, breaks its own line and no
other. What has more or fewer fields than the heading is quarantined, for its fields may stand under wrong names; so is
the heading itself where it stands among the rows again, as in files put together from several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.protocol import BROKEN_LINE
from counterpart.sources.accounts import QUARANTINED, IngestContext, fate, row_as_json, stack
from counterpart.sources.fields import quoted
from counterpart.sources.layout import Layout, Lookup, Source, columns_needed, columns_read

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    Raw = Mapping[str, DataFrame]


def select_whole_lines(layout: Layout, raw: Raw) -> dict[str, DataFrame]:
    """Raw frames -> the same without the lines that are no rows, and without the column that tells them."""
    whole = {
        source.name: frame.filter(F.col(BROKEN_LINE).isNull() & ~_is_heading(source)).drop(BROKEN_LINE)
        for source, frame in _text_tables(layout, raw)
    }
    return {**raw, **whole}


def label_broken_lines(layout: Layout, raw: Raw, context: IngestContext) -> list[DataFrame]:
    """Raw frames -> line that is no row, with `fate` and `rule`; no frame where no table is text."""
    labels = fate(
        (F.col(BROKEN_LINE).isNotNull(), QUARANTINED, "broken_line"),
        (F.lit(True), QUARANTINED, "repeated_heading"),
    )
    broken = [
        frame.filter(F.col(BROKEN_LINE).isNotNull() | _is_heading(source)).select(
            F.lit(source.name).alias("source"),
            row_as_json(columns_read(source, frame), F.lit(True)).alias("row_json"),
            *labels,
        )
        for source, frame in _text_tables(layout, raw)
    ]
    return [context.stage("broken_lines", stack(broken))] if broken else []


def _text_tables(layout: Layout, raw: Raw) -> Iterator[tuple[Source | Lookup, DataFrame]]:
    given = ((source, raw[source.name]) for source in layout.sources if source.name in raw)
    return ((source, frame) for source, frame in given if BROKEN_LINE in frame.columns)


def _is_heading(source: Source | Lookup) -> Column:
    """Does the first column that must be there hold its own name?"""
    # Not all of them: Spark derives what a filter says of every copy of a column, and plans for minutes.
    name = columns_needed(source)[0]
    return F.coalesce(F.lower(F.trim(F.col(quoted(name)))) == name.lower(), F.lit(False))
