"""Text files of one source table -> a frame of text columns, with the lines that do not fit the heading marked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import types as T

from counterpart.errors import DataError
from counterpart.protocol import BROKEN_LINE, TextFiles

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

    Heading = tuple[str, ...]

_ENCODINGS = {"utf-8": "UTF-8", "latin-1": "ISO-8859-1"}
# UTF-16 read as UTF-8 has NULs, every other encoding what stands for characters that cannot be read.
_NO_TEXT = ("\0", "\ufffd")


def read_text_table(spark: SparkSession, table: str, addresses: Sequence[str], written: TextFiles) -> DataFrame:
    """Text columns by name, and BROKEN_LINE. Parts may differ in the order of their columns and in which they have.

    DataError if all files are empty, or a file has a heading that is no text or that no other file shares a name with.
    """
    reader = _reader(spark, written)
    by_heading: dict[Heading, list[str]] = {}
    for address in addresses:
        if heading := _heading_of(reader, table, address, written):
            by_heading.setdefault(heading, []).append(address)
    if not by_heading:
        raise DataError(f"source table {table} has empty files only; a CSV file begins with the names of its columns")
    _require_kinship(table, by_heading)
    parts = [reader.schema(_schema(heading)).csv(same) for heading, same in by_heading.items()]
    return reduce(lambda above, below: above.unionByName(below, allowMissingColumns=True), parts)


def _reader(spark: SparkSession, written: TextFiles) -> DataFrameReader:
    # Only where commas separate are fields quoted: elsewhere a quotation mark is a character like any other.
    usual = '"' if written.separator == "," else ""
    quote = usual if written.quote is None else written.quote
    reader = spark.read.option("header", True).option("sep", written.separator).option("quote", quote)
    reader = reader.option("encoding", _ENCODINGS[written.encoding]).option("columnNameOfCorruptRecord", BROKEN_LINE)
    return reader.option("escape", quote) if quote else reader


def _heading_of(reader: DataFrameReader, table: str, address: str, written: TextFiles) -> Heading:
    """Names of a file's columns, without blanks around them; none if the file is empty. A name twice has its place."""
    given = tuple(reader.csv(address).columns)
    if any(sign in name for name in given for sign in _NO_TEXT):
        raise DataError(
            f"source table {table}: file {file_name(address)} does not begin with text in {written.encoding}; "
            "text files are UTF-8, or what files.encoding of a mapping says; compressed ones end in .gz"
        )
    bare = tuple(name.strip() for name in given)
    return bare if len({name.lower() for name in bare}) == len(bare) else given


def _require_kinship(table: str, by_heading: dict[Heading, list[str]]) -> None:
    """A file without a heading has somebody's values for names, and shares none with the others."""
    names = [{name.lower() for name in heading} for heading in by_heading]
    for own, addresses in zip(names, by_heading.values(), strict=True):
        others = set().union(*(other for other in names if other is not own))
        if len(names) > 1 and not own & others:
            raise DataError(
                f"source table {table}: file {file_name(addresses[0])} shares no name of a column with the other files "
                "of the table; each file begins with the names of its columns"
            )


def file_name(address: str) -> str:
    """The last part of an address."""
    return address.rstrip("/").rpartition("/")[2]


def _schema(heading: Heading) -> T.StructType:
    return T.StructType([T.StructField(name, T.StringType()) for name in (*heading, BROKEN_LINE)])
