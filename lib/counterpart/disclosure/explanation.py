"""What may be told of a source's columns: names, formats and shares, never a value, and no small number of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from counterpart.disclosure.cells import may_show, share
from counterpart.disclosure.text import HIDDEN, is_label

# A file without a heading has somebody's row where names should be.
_NO_NAME = re.compile(r"[\W\d_]*")
_LONG_RUN = re.compile(r"9{5,}")


@dataclass(frozen=True)
class SourceColumn:
    """A column of a source table as it was found. `formats` are (format, rows), the commonest first."""

    name: str
    n_rows: int
    n_empty: int
    formats: Sequence[tuple[str, int]]
    feeds: Sequence[str]
    is_read: bool


@dataclass(frozen=True)
class ExplainedTable:
    """What is told of a source table: its columns, and what is missing of them and of ours.

    Without a heading the names of its columns are the values of somebody's row.
    """

    name: str
    kind: str
    is_delivered: bool
    columns: Sequence[SourceColumn] = ()
    missing: Sequence[str] = ()
    constant: Sequence[str] = ()
    fed_by_nothing: Sequence[str] = ()
    has_heading: bool = True


@dataclass(frozen=True)
class Explanation:
    """A source as a layout reads it. `lacks` are (who asks, our columns, so what) of a study."""

    layout: str
    n_sampled: int
    tables: Sequence[ExplainedTable]
    lacks: Sequence[tuple[str, Sequence[str], str]] | None = None
    study: str = field(default="")


def release_explanation(explanation: Explanation) -> dict[str, Any]:
    """The document that leaves, with `lines` to print. Formats of 1 to 10 rows are left out, such shares withheld."""
    tables = [_table(table) for table in explanation.tables]
    document: dict[str, Any] = {"layout": explanation.layout, "rows_sampled": explanation.n_sampled, "tables": tables}
    if explanation.lacks is not None:
        document["study"] = explanation.study
        document["lacks"] = [
            {"used_by": used_by, "columns": list(columns), "effect": effect}
            for used_by, columns, effect in explanation.lacks
        ]
    return document | {"lines": list(_lines(document))}


def _table(table: ExplainedTable) -> dict[str, Any]:
    return {
        "table": table.name,
        "kind": table.kind,
        "delivered": table.is_delivered,
        "columns": [_column(column, table.has_heading) for column in table.columns],
        "missing": list(table.missing),
        "constant": list(table.constant),
        "fed_by_nothing": list(table.fed_by_nothing),
    }


def _column(column: SourceColumn, is_named: bool) -> dict[str, Any]:
    is_name = is_named and is_label(column.name) and not _NO_NAME.fullmatch(column.name)
    return {
        "name": column.name if is_name or column.is_read else HIDDEN,
        "formats": [_short(written) for written, n_rows in column.formats if n_rows and may_show(n_rows)],
        "share_empty": share(column.n_empty, column.n_rows),
        "feeds": list(column.feeds),
        "read": column.is_read,
    }


def _short(written: str) -> str:
    """Long runs of digits by their length: an NDC is 9{11}."""
    return _LONG_RUN.sub(lambda run: f"9{{{len(run[0])}}}", written)


def _lines(document: Mapping[str, Any]) -> list[str]:
    sampled = f"at most {document['rows_sampled']:,} rows of each table"
    lines = [f"Layout {document['layout']}: formats and empty fields of {sampled}"]
    for table in document["tables"]:
        lines += ["", *_lines_of(table)]
    lines += ["", *_fed_by_no_table(document["tables"])]
    if "lacks" in document:
        lines += ["", f"Study {document['study']}: what the claims cannot tell"]
        lines += [f"  {lack['used_by']}: {', '.join(lack['columns'])}; {lack['effect']}" for lack in document["lacks"]]
        lines += [] if document["lacks"] else ["  nothing: every criterion, covariate and outcome has its columns"]
    return lines


def _fed_by_no_table(tables: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Our columns that no table of a kind feeds, a line a kind."""
    for kind in dict.fromkeys(table["kind"] for table in tables):
        nothing = [set(table["fed_by_nothing"]) for table in tables if table["kind"] == kind and table["delivered"]]
        if nothing and (by_none := set.intersection(*nothing)):
            yield f"No table of {kind} feeds {', '.join(sorted(by_none))}"


def _lines_of(table: Mapping[str, Any]) -> list[str]:
    title = f"{table['kind']}: {table['table']}"
    if not table["delivered"]:
        needed = f"; ingest needs it, with {', '.join(table['missing'])}" if table["missing"] else ""
        return [f"{title}: not delivered{needed}"]
    rows = [
        (column["name"], _written(column), _percent(column["share_empty"]), _goes_to(column))
        for column in table["columns"]
    ]
    widths = [max(len(row[place]) for row in [_HEADING, *rows]) for place in range(3)]
    lines = [title]
    lines += [
        "  " + "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]])
        for row in [_HEADING, *rows]
    ]
    told = {
        "missing (ingest would stop)": "missing",
        "the same in every row": "constant",
        "nothing feeds": "fed_by_nothing",
    }
    return lines + [f"  {words}: {', '.join(table[key])}" for words, key in told.items() if table[key]]


_HEADING = ("source column", "format", "empty", "our columns")


def _written(column: Mapping[str, Any]) -> str:
    """The formats; none where all is empty, or where no format has enough rows to be told."""
    return " or ".join(column["formats"]) or ("-" if column["share_empty"] in (1, None) else "various")


def _percent(share: float | None) -> str:
    return "withheld" if share is None else f"{share:.0%}"


def _goes_to(column: Mapping[str, Any]) -> str:
    return ", ".join(column["feeds"]) or ("finds or judges rows" if column["read"] else "not read")
