"""Replacements under ids of their own: which claim they are of, and what is told where that is not to be known."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

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
}


def texts(spark: SparkSession, columns: str, *rows: str) -> DataFrame:
    """Text columns; an empty cell is null."""
    cells = [tuple(cell or None for cell in row.split("|")) for row in rows]
    return spark.createDataFrame(cells, ", ".join(f"{name} string" for name in columns.split()))


def test_a_replacement_of_a_replacement_is_of_the_first_claim(spark: SparkSession) -> None:
    layout = mapped_layout(SourceMapping.model_validate(DOCUMENT))

    def ingest(*rows: str, **existing: DataFrame) -> ClaimsDelivery:
        raw = {"spans": texts(spark, "m a", "1|2020-01-01", "2|2020-01-01")}
        raw["lines"] = texts(spark, "m o c n s f p", *rows)
        checkpoint = {"stage": lambda _, rows: rows.localCheckpoint(), "existing": existing}
        return build_claims(layout, raw, IngestContext("a", date(2021, 1, 1), **checkpoint))

    first = ingest(
        *("1||A1|1|1|1|72148", "1|A1|A2|1|2|7|72149", "1|A2|A3|1|3|7|72158"),  # a replacement of a replacement
        *("1||B1|1|1|1|72148", "1|B1|B2|1|2|7|72149", "1|B2|B3|1|3|8|"),  # a void of a replacement
        *("1||C1|1|1|1|72148", "1|C1|C2|1|2|7|72149", "1|C1|C3|1|3|7|72158"),  # two replacements of the first
        *("1|D1|D2|1|1|7|72148", "1|D2|D1|1|2|7|72149", "1|D2|D3|1|3|7|72158"),  # a circle, and what leads into it
        *("1|E1|E2|1|1|7|72148", "1|E8|E9|1|1|8|"),  # of claims that nobody has
        *("1||F1|1|1|1|72148", "1||F2|1|1|1|72149"),
        *("1|F1|F3|1|2|7|72158", "1|F2|F3|2|2|7|72158", "1|F3|F4|1|3|7|72195"),  # one that replaces two
        "2|A2|Z9|1|1|7|72148",  # of another member's claim
    )
    assert lines_of(first) == {
        ("A1", 1): "72158", ("C1", 1): "72158", ("E1", 1): "72148", ("F1", 1): "72158", ("F2", 2): "72158",
        ("F3", 1): "72195", ("A2", 1): "72148",
    }  # fmt: skip
    assert fates_of(first) == {
        "kept as_sent": 4, "kept unknown_original": 3, "merged superseded": 8, "quarantined denied": 1,
        "quarantined circular_original": 3, "quarantined unknown_original": 1,
    }  # fmt: skip
    held = {name: getattr(first, name) for name in ("members", "enrollment", "program", "medical", "pharmacy")}
    second = ingest("1|C1|C4|1|4|7|72195", "1|A3|A4|1|4|7|72195", **held)
    assert lines_of(second) == {("C1", 1): "72195", ("A3", 1): "72195"}
    assert fates_of(second) == {"kept as_sent": 1, "kept unknown_original": 1}
    assert second.medical_retired is not None
    assert [row[0] for row in second.medical_retired.select("claim_id").collect()] == ["C1"]


def lines_of(made: ClaimsDelivery) -> dict[tuple[str, int], str]:
    found = made.medical.select("claim_id", "line_number", "procedure").collect()
    return {(claim, line): decode(code)[1] for claim, line, code in found}


def fates_of(made: ClaimsDelivery) -> dict[str, int]:
    found = made.intake.filter("source = 'lines'").select("fate", "rule", "n_rows").collect()
    return {f"{fate} {rule}": n for fate, rule, n in found}
