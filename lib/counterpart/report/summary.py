"""The study in a few lines, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpart.report.reading.formats import NOT_ESTIMABLE, count, interval, largest_difference, level, measure
from counterpart.report.reading.words import criterion, outcome_days


def summarise(document: Mapping[str, Any]) -> str:
    """Released document -> arms, pairs, largest standardised difference, and the primary outcome crude and matched."""
    protocol, score, largest = document["protocol"], document["score"], document["largest_smd"]
    cohort = protocol["cohort"]
    before, after = (largest_difference(largest, phase) for phase in ("before", "after"))
    lines = [
        protocol["title"],
        f"  {cohort['treated']['label']}: {count(score['n_treated'])} eligible members' index dates",
        f"  {cohort['comparator']['label']}: {count(score['n_comparators'])} eligible candidate dates",
        f"  Matched pairs: {count(document['matching']['n_pairs'])}",
        f"  Largest standardised difference: {before} before, {after} after",
    ]
    confidence = level(protocol["outcomes"]["confidence"])
    primary = [row for row in document["effects"] if row["role"] == "primary"]
    return "\n".join(lines + [_effect_line(row, confidence) for row in primary])


def summarise_attrition(attrition: Mapping[str, Any], protocol: Mapping[str, Any]) -> str:
    """Released attrition of a study that ends there -> a line for each criterion: excluded, left, and what it is."""
    lines = ["Nobody is eligible in an arm of the cohort. Index dates excluded, and left:"]
    for arm, rows in attrition.items():
        lines.append(f"  {protocol['cohort'][arm]['label']} ({arm})")
        for row in rows:
            names = "; or: ".join(criterion(name, protocol, arm) for name in row["criteria"])
            lines.append(f"  {count(row['n_excluded']):>13} {count(row['n_remaining']):>13}  {names}")
    return "\n".join(lines)


def _effect_line(row: Mapping[str, Any], confidence: str) -> str:
    what = f"  {row['label']}, {outcome_days(row)}, {row['phase']}:"
    if row["is_withheld"]:
        return f"{what} withheld (small counts)"
    rates = f"{measure(row, 'rate_treated')} against {measure(row, 'rate_comparator')} per 1,000 person-years"
    ratio, limits = measure(row, "rate_ratio"), interval(row, "rate_ratio")
    if ratio == NOT_ESTIMABLE:
        return f"{what} rate ratio {ratio}; {rates}"
    told = limits if row["rate_ratio_lower"] is None else f"{confidence} {limits}"
    return f"{what} rate ratio {ratio} ({told}); {rates}"
