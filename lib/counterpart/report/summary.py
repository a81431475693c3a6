"""The study in a few lines, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def summarise(document: Mapping[str, Any]) -> str:
    """Released document -> arms, pairs, largest standardised difference, and the primary outcome crude and matched."""
    cohort = document["protocol"]["cohort"]
    score, matching, largest = document["score"], document["matching"], document["largest_smd"]
    labels = {"treated": cohort["treated"]["label"], "comparator": cohort["comparator"]["label"]}
    lines = [
        document["protocol"]["title"],
        f"  {labels['treated']}: {_count(score['n_treated'])} eligible members' index dates",
        f"  {labels['comparator']}: {_count(score['n_comparators'])} eligible candidate dates",
        f"  Matched pairs: {_count(matching['n_pairs'])}",
        f"  Largest standardised difference: {_number(largest['before'])} before, {_number(largest['after'])} after",
    ]
    primary = [row for row in document["effects"] if row["role"] == "primary"]
    return "\n".join(lines + [_effect_line(row) for row in primary])


def _effect_line(row: Mapping[str, Any]) -> str:
    what = f"  {row['label']}, days {row['start_day']}-{row['horizon']}, {row['phase']}:"
    if row["is_withheld"]:
        return f"{what} withheld (small counts)"
    interval = f"{_number(row['rate_ratio_lower'])} to {_number(row['rate_ratio_upper'])}"
    rates = f"{_number(row['rate_treated'])} against {_number(row['rate_comparator'])} per 1,000 person-years"
    return f"{what} rate ratio {_number(row['rate_ratio'])} (95 % {interval}); {rates}"


def _count(value: int | None) -> str:
    return "withheld (1 to 10)" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
