"""Replacements under ids of their own: which claim they are of, and what is told where that is not to be known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from counterpart.codes import decode
from counterpart.protocol import SourceMapping
from counterpart.sources import ClaimsDelivery, IngestContext, build_claims
from counterpart.sources.mapped import mapped_layout

pytestmark = pytest.mark.spark

DOCUMENT: dict[str, Any] = {
    "name": "payer",
    "eligibility": {"spans": {"person_id": "m", "start_date": "a"}},
    "medical": {
        "lines": {
            "person_id": "m",
            "claim_id": ["o", "c"],
            "line_number": "n",
            "service_date": {"constant": "2020-01-01"},
            "sequence": "s",
            "procedure": "p",
            "replacement": {"column": "f", "any_of": ["7"]},
            "void": {"column": "f", "any_of": ["8"]},
        }
    },
    "pharmacy": {
        "fills": {
            "person_id": "m",
            "claim_id": ["o", "c"],
            "dispensing_date": {"constant": "2020-01-01"},
            "sequence": "s",
            "ndc": "p",
            "replacement": {"column": "f", "any_of": ["7"]},
            "may_be_absent": True,
        }
    },
}
KEY = ("member_key", "claim_id", "line_number", "service_period")
Held = dict[str, DataFrame]


def texts(spark: SparkSession, columns: str, *rows: str) -> DataFrame:
    """Text columns; an empty cell is null."""
    cells = [tuple(cell or None for cell in row.split("|")) for row in rows]
    return spark.createDataFrame(cells, ", ".join(f"{name} string" for name in columns.split()))


def build(
    spark: SparkSession, rows: Sequence[str], held: Held, fills: Sequence[str] = (), **lines: Any
) -> ClaimsDelivery:
    document = DOCUMENT | {"medical": {"lines": DOCUMENT["medical"]["lines"] | lines}}
    layout = mapped_layout(SourceMapping.model_validate(document))
    people = sorted({row.split("|")[0] for row in (*rows, *fills)})
    raw = {"spans": texts(spark, "m a", *(f"{person}|2020-01-01" for person in people))}
    raw["lines"] = texts(spark, "m o c n s f p", *rows)
    if fills:
        raw["fills"] = texts(spark, "m o c s f p", *fills)
    return build_claims(layout, raw, context_of(held))


def context_of(held: Held) -> IngestContext:
    return IngestContext("a", date(2021, 1, 1), stage=lambda _, rows: rows.localCheckpoint(), existing=held)


def brought_in(held: Held, made: ClaimsDelivery) -> Held:
    """The tables after a delivery."""
    names = ("members", "enrollment", "open_cover", "program", "claim_aliases")
    tables = {name: rows for name in names if (rows := getattr(made, name)) is not None}
    for name in ("medical", "pharmacy"):
        tables[name], retired = getattr(made, name), getattr(made, f"{name}_retired")
        if retired is not None:
            tables[name] = held[name].join(retired, list(KEY), "left_anti").unionByName(tables[name])
    return held | {name: rows.localCheckpoint() for name, rows in tables.items()}


def rows_of(held: Held) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, held["medical"].collect()), key=repr)


def told_of(held: Held) -> dict[str, set[str]]:
    """Person -> claim, line and procedure of the final lines."""
    lines = held["medical"].join(held["members"].select("member_key", "person_id"), "member_key")
    told: dict[str, set[str]] = {}
    for person, claim, line, code in lines.select("person_id", "claim_id", "line_number", "procedure").collect():
        told.setdefault(person, set()).add(f"{claim} {line} {decode(code)[1]}")
    return told


def test_a_replacement_of_a_replacement_is_of_the_first_claim(spark: SparkSession) -> None:
    first = build(
        spark,
        (
            *("1||A1|1|1|1|72148", "1|A1|A2|1|2|7|72149", "1|A2|A3|1|3|7|72158"),  # a replacement of a replacement
            *("1||B1|1|1|1|72148", "1|B1|B2|1|2|7|72149", "1|B2|B3|1|3|8|"),  # a void of a replacement
            *("1||C1|1|1|1|72148", "1|C1|C2|1|2|7|72149", "1|C1|C3|1|3|7|72158"),  # two replacements of the first
            *("1|D1|D2|1|1|7|72148", "1|D2|D1|1|2|7|72149", "1|D2|D3|1|3|7|72158"),  # a circle, and what leads into it
            *("1|E1|E2|1|1|7|72148", "1|E8|E9|1|1|8|"),  # of claims that nobody has
            *("1||F1|1|1|1|72148", "1||F2|1|1|1|72149"),
            *("1|F1|F3|1|2|7|72158", "1|F2|F3|2|2|7|72158", "1|F3|F4|1|3|7|72195"),  # one that replaces two
            "2|A2|Z9|1|1|7|72148",  # of another member's claim
        ),
        {},
    )
    assert lines_of(first) == {
        ("A1", 1): "72158", ("C1", 1): "72158", ("E1", 1): "72148", ("F1", 1): "72158", ("F2", 2): "72158",
        ("F3", 1): "72195", ("A2", 1): "72148",
    }  # fmt: skip
    assert fates_of(first) == {
        "kept as_sent": 4, "kept unknown_original": 3, "merged superseded": 8, "quarantined denied": 1,
        "quarantined circular_original": 3, "quarantined unknown_original": 1,
    }  # fmt: skip
    # What was made before such ids were kept has no table of them.
    held = brought_in({}, first)
    del held["claim_aliases"]
    second = build(spark, ("1|C1|C4|1|4|7|72195", "1|A3|A4|1|4|7|72195"), held)
    assert lines_of(second) == {("C1", 1): "72195", ("A3", 1): "72195"}
    assert fates_of(second) == {"kept as_sent": 1, "kept unknown_original": 1}
    assert second.medical_retired is not None
    assert [row[0] for row in second.medical_retired.select("claim_id").collect()] == ["C1"]


# Person -> the rows of three deliveries, and what holds in the end, in whichever deliveries the rows come. Columns: the
# claim that is corrected, the row's own, line, sequence, frequency code, procedure.
CASES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "one after the other": (("|C|1|1|1|70001", "C|R|1|2|7|70002", "R|S|1|3|7|70003"), {"C 1 70003"}),
    "the second before the first": (("|C|1|1|1|70001", "R|S|1|3|7|70003", "C|R|1|2|7|70002"), {"C 1 70003"}),
    "the last first": (("R|S|1|3|7|70003", "C|R|1|2|7|70002", "|C|1|1|1|70001"), {"C 1 70003"}),
    "the original in the middle": (("R|S|1|3|7|70003", "|C|1|1|1|70001", "C|R|1|2|7|70002"), {"C 1 70003"}),
    "a void at the end": (("|C|1|1|1|70001", "C|R|1|2|7|70002", "R|V|1|3|8|"), set()),
    "a void before what it voids": (("|C|1|1|1|70001", "R|V|1|3|8|", "C|R|1|2|7|70002"), set()),
    "a void first of all": (("R|V|1|3|8|", "C|R|1|2|7|70002", "|C|1|1|1|70001"), set()),
    "a void before its claim": (("C|V|1|3|8|", "", "|C|1|1|1|70001"), set()),
    "billed anew after a void": (("|C|1|1|1|70001", "C|V|1|3|8|", "|C|1|4|1|70004"), {"C 1 70004"}),
    "late, and after a void": (("C|V|1|3|8|", "|C|1|4|1|70004", "|C|1|1|1|70001"), {"C 1 70004"}),
    "a line that is dropped": (
        ("|C|1|1|1|70001,|C|2|1|1|70005", "R|S|1|3|7|70003", "C|R|1|2|7|70002,C|R|2|2|7|70006"), {"C 1 70003"},
    ),
    "lines of other numbers": (
        ("|C|1|1|1|70001", "C|R|1|2|7|70002,C|R|2|3|7|70005", "C|S|3|4|7|70003,C|Q|4|1|7|70006"), {"C 3 70003"},
    ),
    "a line that is newer": (
        ("|C|1|1|1|70001", "R|S|1|3|7|70003,R|S|2|3|7|70007", "C|R|1|2|7|70002,|C|1|9|1|70009"),
        {"C 1 70009", "C 2 70007"},
    ),
    "two in the last": (("|C|1|1|1|70001", "", "R|S|1|3|7|70003,C|R|1|2|7|70002"), {"C 1 70003"}),
    "two in the first": (("|C|1|1|1|70001,R|S|1|3|7|70003", "", "C|R|1|2|7|70002"), {"C 1 70003"}),
    "all again": (
        ("|C|1|1|1|70001", "C|R|1|2|7|70002,R|S|1|3|7|70003",
         "|C|1|1|1|70001,C|R|1|2|7|70002,R|S|1|3|7|70003"), {"C 1 70003"},
    ),
    "the first again": (("|C|1|1|1|70001", "C|R|1|2|7|70002", "|C|1|1|1|70001"), {"C 1 70002"}),
    "four of them": (
        ("|C|1|1|1|70001,R|S|1|3|7|70003", "S|T|1|4|7|70004", "C|R|1|2|7|70002"), {"C 1 70004"},
    ),
    "of two claims": (
        ("|C|1|1|1|70001,|D|1|1|1|70011", "C|R|1|2|7|70002,D|R|2|2|7|70012", "R|S|1|3|7|70003"),
        {"C 1 70002", "D 2 70012", "R 1 70003"},
    ),
    "of nobody's": (("", "X|R|1|2|7|70002", "R|S|1|3|7|70003"), {"X 1 70003"}),
}  # fmt: skip


def delivered(case: int, person: str) -> list[str]:
    return [f"{person}|{row}" for row in CASES[person][0][case].split(",") if row]


def test_however_a_chain_is_delivered_the_same_lines_hold(spark: SparkSession) -> None:
    circle = ("circle|A|B|1|1|7|70001", "circle|B|A|1|2|7|70002", "circle|A|Z|1|3|7|70003")
    deliveries = [[row for person in CASES for row in delivered(number, person)] for number in range(3)]
    whole = brought_in({}, build(spark, [row for rows in deliveries for row in rows], {}))
    held: Held = {}
    fills = ("a void at the end||C|1|1|00000000001", "a void at the end|D|R|2|7|00000000002")
    for rows, row, of_pharmacy in zip(deliveries, circle, (fills, (), ()), strict=True):
        before, made = held, build(spark, [*rows, row], held, of_pharmacy)
        held = brought_in(held, made)
    assert told_of(whole) == {person: lines for person, (_, lines) in CASES.items() if lines}
    assert told_of(held) == {**told_of(whole), "circle": {"A 1 70001"}}
    assert fates_of(made)["quarantined circular_original"] == 1
    circular = held["members"].filter("person_id = 'circle'").select("member_key")
    assert rows_of(held | {"medical": held["medical"].join(circular, "member_key", "left_anti")}) == rows_of(whole)
    assert aliases_of(held, "a void at the end") == {
        ("medical", "R", "C", 2, False), ("medical", "V", "R", 3, True), ("pharmacy", "R", "D", 2, False),
    }  # fmt: skip
    assert aliases_of(held, "of two claims") == {("medical", "R", None, 2, False), ("medical", "S", "R", 3, False)}
    # Interrupted after the lines were written, and repeated.
    existing = held | {"pharmacy": before["pharmacy"]}
    again = brought_in(existing, build(spark, [*deliveries[2], circle[2]], existing))
    assert rows_of(again) == rows_of(held)
    assert aliases_of(again) == aliases_of(held)


def test_a_claim_that_is_a_row_is_taken_to_the_one_it_is_of_with_all_its_lines(spark: SparkSession) -> None:
    sections = {"line_number": None, "procedure": None, "lines": {"procedure": ["n", "p"]}}
    held = brought_in({}, build(spark, ("1||C|70001|1|1|70005", "1|R|S|70003|3|7|70004"), {}, **sections))
    assert told_of(held) == {"1": {"C 1 70001", "C 2 70005", "R 1 70003", "R 2 70004"}}
    for _ in range(2):
        held = brought_in(held, build(spark, ["1|C|R|70002|2|7|70006"], held, **sections))
        assert told_of(held) == {"1": {"C 1 70003", "C 2 70004"}}


def aliases_of(held: Held, person: str = "%") -> set[tuple[Any, ...]]:
    members = held["members"].filter(F.col("person_id").like(person)).select("member_key")
    kept = held["claim_aliases"].join(members, "member_key", "left_semi")
    return set(map(tuple, kept.select("claims", "sent_as", "corrects", "sent_on", "is_void").collect()))


def lines_of(made: ClaimsDelivery) -> dict[tuple[str, int], str]:
    found = made.medical.select("claim_id", "line_number", "procedure").collect()
    return {(claim, line): decode(code)[1] for claim, line, code in found}


def fates_of(made: ClaimsDelivery) -> dict[str, int]:
    found = made.intake.filter("source = 'lines'").select("fate", "rule", "n_rows").collect()
    return {f"{fate} {rule}": n for fate, rule, n in found}
