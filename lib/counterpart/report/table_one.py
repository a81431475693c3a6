"""Table 1: covariates of both arms before and after matching, in groups by what they are and when they are measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpart.numerics.balance import IMBALANCE
from counterpart.report.reading.formats import WITHHELD, mean, signed, significant, window
from counterpart.report.reading.words import covariate

PHASES = ("before", "after")


def build_table_one(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Released document -> groups {name, rows}; a row has a label and, by phase, its cells as text."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for row in document["balance"]:
        what, days = covariate(row)
        group = groups.setdefault(_group(row, days, document["protocol"]), {})
        line = group.setdefault(row["name"], {"label": what, **dict.fromkeys(PHASES)})
        line[row["phase"]] = _cells(row)
    return [{"name": name, "rows": list(rows.values())} for name, rows in groups.items()]


def _group(row: Mapping[str, Any], days: str, protocol: Mapping[str, Any]) -> str:
    name = row["name"]
    if name == "age" or name.startswith(("sex=", "region=", "state=")):
        return "Demographics on the index date"
    if name.startswith(("index_month=", "index_year=", "index_decade=")):
        return f"Calendar {name.partition('=')[0].removeprefix('index_')} of the index date"
    if name.startswith("charlson_"):
        return f"Charlson conditions, {window(protocol['covariates']['charlson_window'])}"
    return f"Diagnoses and care, {days}" if days else "Other"


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    has_ratio = row["kind"] not in ("flag", "category")
    return {
        "treated": mean(row["mean_treated"], row["kind"]) if _exists(row, "mean_treated") else "–",
        "comparator": mean(row["mean_comparator"], row["kind"]) if _exists(row, "mean_comparator") else "–",
        "smd": _difference(row),
        "variance_ratio": _ratio(row) if has_ratio else "",
        "is_off": abs(row["smd"] or row["smd_more_than"] or 0) > IMBALANCE,
        "is_bound": row["smd"] is None and not (row["smd_at_most"] is None and row["smd_more_than"] is None),
    }


def _exists(row: Mapping[str, Any], name: str) -> bool:
    return row["is_withheld"] or row[name] is not None


def _difference(row: Mapping[str, Any]) -> str:
    if row["smd"] is not None:
        return signed(row["smd"], 3)
    if row["smd_at_most"] is not None:
        return f"≤ {row['smd_at_most']:g}"
    if row["smd_more_than"] is not None:
        return f"> {row['smd_more_than']:g}"
    return WITHHELD if row["is_withheld"] else "–"


def _ratio(row: Mapping[str, Any]) -> str:
    if row["variance_ratio"] is None:
        return WITHHELD if row["is_withheld"] else "–"
    return significant(row["variance_ratio"], 2)
