"""Which columns of a source each of our columns is made of: read off the plans of a layout's own reading functions.

Nothing needs to be declared, so nothing can be declared wrong. Frames without rows are enough: no claim is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from counterpart.sources.layout import COVER_FORM, LINE, MEDICAL_FORM, PHARMACY_FORM, ROSTER_FORM, Layout, Source

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    Node = dict[str, Any]

Origin = tuple[str, str]
"""A source table and a column of it."""

# What rows are judged by and what no study reads; spans after a row's first are fed by what feeds the first.
_NOT_TOLD = (
    *("has_unreadable_date", "has_unreadable_amount", "has_unreadable_code", "has_unreadable_supply", "is_mended"),
    *("is_unknown", "is_without_cover", "own_claim_id", "more_medical", "more_pharmacy", "is_denied_by_amounts"),
)
# Columns that nothing feeds have one of these values in every row.
_SAY_NOTHING: tuple[Any, ...] = (None, False, "U", "other", [])


@dataclass(frozen=True)
class Fed:
    """One of our columns in the rows of one source table: what it is made of, or that it is a constant, or nothing."""

    name: str
    origins: tuple[Origin, ...]
    is_constant: bool = False

    @property
    def is_fed(self) -> bool:
        """Does anything say what its value is?"""
        return bool(self.origins) or self.is_constant


def kinds_of(layout: Layout) -> Iterator[tuple[str, tuple[Source, ...], Mapping[str, str]]]:
    """Each kind of source table, with its tables and the form that their rows are read into."""
    yield "eligibility", layout.eligibility, COVER_FORM
    yield "medical", layout.medical, MEDICAL_FORM
    yield "pharmacy", layout.pharmacy, PHARMACY_FORM
    yield "roster", layout.roster, ROSTER_FORM


def trace_columns(spark: SparkSession, layout: Layout, raw: Mapping[str, DataFrame]) -> dict[str, tuple[Fed, ...]]:
    """Source table -> our columns in the order of its form, and what feeds each. `raw` has a frame for every table."""
    names = {f"source_{number}": name for number, name in enumerate(raw)}
    empty = {name: spark.createDataFrame([], raw[name].schema).alias(token) for token, name in names.items()}
    prepared = layout.prepare(empty)
    return {
        source.name: tuple(_trace(source, form, prepared[source.name], names))
        for _, sources, form in kinds_of(layout)
        for source in sources
        if source.name in prepared
    }


def _trace(source: Source, form: Mapping[str, str], frame: DataFrame, names: Mapping[str, str]) -> Iterator[Fed]:
    row = source.rows(frame, form)
    if "is_denied_by_amounts" in row:
        # One answer, from whichever of the two a layout has.
        row["is_denied"] |= row["is_denied_by_amounts"]
    plan = _Plan.of(frame.select(*(column.alias(f"our_{name}") for name, column in row.items())), names)
    origins = {name: plan.origins_of(f"our_{name}") for name in row}
    constants = _constants(frame.sparkSession, {name: row[name] for name in row if not origins[name]})
    of_lines = plan.fields_of("our_lines", tuple(LINE)) if origins.get("lines") else set()
    # A modifier may stand behind its procedure. Where no column is for modifiers, none are to be expected all the same.
    of_lines -= {"modifiers"}
    if "modifiers" in origins:
        origins["modifiers"] = tuple(one for one in origins["modifiers"] if one not in origins["procedure"])
    for name in form:
        if name in of_lines:
            yield Fed(name, origins["lines"])
        elif name not in _NOT_TOLD and name != "lines":
            yield Fed(name, origins[name], constants.get(name) not in _SAY_NOTHING)


def _constants(spark: SparkSession, columns: Mapping[str, Column]) -> dict[str, Any]:
    """The values of columns that read no field."""
    (values,) = (
        spark.sql("SELECT 1").select(F.lit(1), *(column.alias(name) for name, column in columns.items())).collect()
    )
    return values.asDict()


@dataclass(frozen=True)
class _Plan:
    """The expressions of an analysed plan by what they define. `names` are the source tables by their alias in it."""

    defined: Mapping[int, Sequence[Node]]
    """Expression id of an alias, or of what a generator makes -> the expressions below it."""
    named: Mapping[str, int]
    """Name of a column of the topmost projection -> its expression id."""
    names: Mapping[str, str]

    @classmethod
    def of(cls, frame: DataFrame, names: Mapping[str, str]) -> _Plan:
        nodes = json.loads(frame._jdf.queryExecution().analyzed().toJSON())
        defined: dict[int, Sequence[Node]] = {}
        for expression in _expressions(nodes):
            for place, node in enumerate(expression):
                if _kind(node) == "Alias":
                    defined[_id(node)] = expression[place + 1 : _end(expression, place)]
        for node in nodes:
            if _kind(node) == "Generate":
                (generator,) = _expressions(node["generator"])
                defined |= {_id(attribute): generator for attribute, *_ in node["generatorOutput"]}
        named = {one[0]["name"]: _id(one[0]) for one in nodes[0]["projectList"]}
        return cls(defined, named, names)

    def origins_of(self, name: str) -> tuple[Origin, ...]:
        """The source columns below a column of the topmost projection, in the order in which they are named."""
        found: dict[Origin, None] = {}
        waiting, seen = [self.named[name]], set()
        while waiting:
            here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            for node in self.defined.get(here, ()):
                if _kind(node) != "AttributeReference":
                    continue
                table = self.names.get(str(node["qualifier"]).strip("[]"))
                if table is None:
                    waiting.append(_id(node))
                else:
                    found[table, node["name"]] = None
        return tuple(found)

    def fields_of(self, name: str, fields: Sequence[str]) -> set[str]:
        """Of the fields of the structs below a column, those that are more than a null everywhere."""
        expression = self.defined[self.named[name]]
        told: dict[str, bool] = {}
        for place, node in enumerate(expression):
            if _kind(node) != "CreateNamedStruct":
                continue
            parts = list(_children(expression, place))
            for key, value in zip(parts[::2], parts[1::2], strict=True):
                field = str(key[0].get("value"))
                told[field] = told.get(field, True) and any(_says_something(one) for one in value)
        return {field for field in fields if told.get(field, False)}


def _says_something(node: Node) -> bool:
    is_value = _kind(node) == "Literal" and node.get("value") is not None
    return is_value or _kind(node) in ("AttributeReference", "NamedLambdaVariable", "UnresolvedNamedLambdaVariable")


def _expressions(value: Any) -> Iterator[list[Node]]:
    """Every expression in a plan's JSON: a list of its nodes, parents before children."""
    if isinstance(value, list):
        if value and isinstance(value[0], dict) and ".expressions." in str(value[0].get("class")):
            yield value
            return
        for part in value:
            yield from _expressions(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _expressions(part)


def _kind(node: Node) -> str:
    return str(node["class"]).rpartition(".")[2]


def _id(node: Node) -> int:
    return int(node["exprId"]["id"])


def _end(expression: Sequence[Node], place: int) -> int:
    """Where the part of an expression ends that begins at a place."""
    waiting = 1
    while waiting:
        waiting += int(expression[place]["num-children"]) - 1
        place += 1
    return place


def _children(expression: Sequence[Node], place: int) -> Iterator[Sequence[Node]]:
    start = place + 1
    for _ in range(int(expression[place]["num-children"])):
        end = _end(expression, start)
        yield expression[start:end]
        start = end
