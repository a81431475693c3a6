"""Units in CSV, where nothing says what a column holds: what is measured is numbers, ids and strata are as written."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from counterpart.errors import DataError
from counterpart.matching.refusals import refuse_twice
from counterpart.matching.units import needed_columns
from counterpart.small_counts import in_words

if TYPE_CHECKING:
    from pathlib import Path

    from counterpart.protocol import Matching

# What cannot be written otherwise: 01, +1 and 1.0 are text beside 1.
_PLAIN_WHOLE = r"^(0|-?[1-9][0-9]{0,18})$"
_WHOLE = r"^[+-]?[0-9]+$"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(?i:inf(inity)?)$"
_FLAG = r"^(True|TRUE|true|False|FALSE|false)$"
# Among numbers; elsewhere they may be a region or a name.
_NO_NUMBER = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")


def read_csv(path: Path, matching: Matching, covariates: Collection[str]) -> pa.Table:
    """The columns that are needed, of those that are there. Only an empty field is missing, or NA among numbers.

    Score, covariates and calipers are numbers, and so is the order of ties where it can be. Ids, persons and strata are
    text as it is written, or whole numbers where all of a column are written plainly: then as in Parquet, to the hash.

    DataError for rows that do not fit the heading; ValueError and OSError for what is no CSV.
    """
    table = _read_text(path, {*needed_columns(matching), *covariates})
    return pa.table({name: _typed(table.column(name), name, matching) for name in table.column_names})


def _read_text(path: Path, wanted: Collection[str]) -> pa.Table:
    wrong: list[int] = []

    def note(row: csv.InvalidRow) -> str:
        wrong.append(row.number)
        return "skip"

    parse = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note)
    with csv.open_csv(path, parse_options=parse) as opened:
        names = opened.schema.names
    refuse_twice(names, wanted)
    present = [name for name in names if name in wanted] or names[:1]
    kinds = dict.fromkeys(present, pa.string())
    as_text = csv.ConvertOptions(
        include_columns=present, column_types=kinds, null_values=[""], strings_can_be_null=True
    )
    # One thread knows the number of a row.
    one_thread = csv.ReadOptions(use_threads=False)
    wrong.clear()
    table = csv.read_csv(path, read_options=one_thread, parse_options=parse, convert_options=as_text)
    if wrong:
        raise DataError(
            f"{path} has {in_words(len(wrong))} rows with more or fewer fields than the heading, the first of them row "
            f"{wrong[0]:,} (the heading is row 1); a field with a comma is put in quotes"
        )
    return table


def _typed(values: Any, name: str, matching: Matching) -> Any:
    if name in (matching.treated, matching.score, *matching.covariates, *matching.calipers):
        return _as_numbers(values)
    if name in (matching.id, matching.person, *matching.exact):
        return _as_written(values)
    return _as_numbers(values)


def _as_written(values: Any) -> Any:
    """Equal are only values that are written alike."""
    if _are_all(values, _PLAIN_WHOLE):
        try:
            return values.cast(pa.int64())
        except pa.ArrowInvalid:  # 19 digits may be too many
            return values
    if _are_all(values, _FLAG):
        flags = values.cast(pa.bool_())
        return flags if pc.count_distinct(flags) == pc.count_distinct(values) else values
    return values


def _as_numbers(values: Any) -> Any:
    """Whole numbers, others, or true and false; text where one of them is none of these."""
    bare = pc.utf8_trim_whitespace(values)
    bare = pc.if_else(pc.is_in(bare, value_set=pa.array(_NO_NUMBER)), pa.scalar(None, pa.string()), bare)
    unsigned = pc.replace_substring(bare, "+", "", max_replacements=1)
    if _are_all(bare, _WHOLE):
        try:
            return unsigned.cast(pa.int64())
        except pa.ArrowInvalid:
            return unsigned.cast(pa.float64())
    if _are_all(bare, _NUMBER):
        return unsigned.cast(pa.float64())
    return bare.cast(pa.bool_()) if _are_all(bare, _FLAG) else values


def _are_all(values: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern), min_count=0).as_py())
