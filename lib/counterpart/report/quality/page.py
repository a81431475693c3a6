"""The data-quality page: one HTML file in the look of the study report, the same bytes for the same document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from counterpart.report.page import write_page
from counterpart.report.plots import Plots, draw_svgs
from counterpart.report.quality.months import draw_coding, draw_missing, draw_volume
from counterpart.report.quality.note import LOOK
from counterpart.report.quality.words import RULES, UNITS, column_name, month_name, span_of, system_name, table_of
from counterpart.report.reading.formats import count, dollars, share
from counterpart.report.reading.words import fate, spell

SECTIONS = (
    ("stands-out", "What stands out"),
    ("volume", "Lines, members and cover by month"),
    ("coding", "Code systems"),
    ("columns", "Missing and invalid by column"),
    ("cover", "Cover, and claims outside it"),
    ("amounts", "Amounts"),
    ("lag", "From service to payment"),
    ("intake", "What became of the source rows"),
    ("numbers", "How to read the numbers"),
)
"""Anchor and heading of every section, in the order of reading."""

PLOTS: Plots = {
    "volume": (draw_volume, "Bars of lines, fills and covered members by month; the table below has the numbers."),
    "coding": (draw_coding, "Share of each code system in the codes of its column by month, darker where larger."),
    "missing": (draw_missing, "Share of lines without each column by month, darker where larger."),
}


def render_quality(document: Mapping[str, Any], path: Path) -> Path:
    """Write a released document as a self-contained page. Gives the path back."""
    view = {
        "sections": SECTIONS,
        "heading": dict(SECTIONS),
        "site": document["site"],
        "made_by": document["made_by"],
        "months": span_of(document["months"][0], document["months"][-1]) if document["months"] else "",
        "notes": document["notes"],
        "headline": _headline(document),
        "figures": list(_figures(document)),
        "volume": list(_volume(document)),
        "codes": [_code_row(row) for row in document["codes"]],
        "column_groups": [(spell(part), list(_columns(document, part))) for part in UNITS],
        "spans": list(_spans(document)),
        "gaps": list(_gaps(document)),
        "outside": [_outside_row(row) for row in document["outside"]],
        "amounts": [_amount_row(row) for row in document["amounts"]],
        "lag": document["lag"],
        "lags": [_lag_row(row) for row in document["lag"]["sources"]],
        "intake": [_intake_row(row) for row in document["intake"]],
        "plots": draw_svgs(document, PLOTS),
    }
    return write_page("quality.html.j2", view, path)


def _headline(document: Mapping[str, Any]) -> str:
    if not document["months"]:
        return "There are no claim lines, or too few of them to be shown."
    n_notes = sum(note["status"] == LOOK for note in document["notes"])
    if not n_notes:
        return "Nothing stands out that would need a look before a study."
    return f"{n_notes} {'thing needs' if n_notes == 1 else 'things need'} a look before a study rests on these claims."


def _figures(document: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for name, part in (("Medical claim lines", "medical"), ("Fills", "pharmacy")):
        table = table_of(document, part)
        people = f"of {count(table['n_people'])} members" if table["n_people"] is not None else "members: withheld"
        yield {"name": name, "value": count(table["n_lines"]), "note": people}
    deaths = document["members"]["share_with_death"]
    told = "" if deaths is None else f"date of death known of {share(deaths, 0)}"
    yield {"name": "Members", "value": count(document["members"]["n_members"]), "note": told}


def _volume(document: Mapping[str, Any]) -> Iterator[list[str]]:
    """Month, lines and people of both tables, members with either benefit."""
    series = [
        {row["month"]: row[key] for row in table["by_month"]}
        for table in document["tables"]
        for key in ("n_lines", "n_people")
    ]
    series += [{row["month"]: row["n_members"] for row in cover["by_month"]} for cover in document["cover"]]
    for month in document["months"]:
        yield [month_name(month), *(count(one[month]) for one in series)]
    tables = document["tables"]
    for name, key in (("Before", "n_before"), ("After", "n_after")):
        if any(table[key] != 0 for table in tables):
            yield [name, *(text for table in tables for text in (count(table[key]), "")), "", ""]


def _code_row(row: Mapping[str, Any]) -> list[str]:
    used = [month["month"] for month in row["by_month"] if month["n_codes"]]
    return [
        f"{column_name(row['column'])} ({row['table']})",
        system_name(row["system"]),
        count(row["n_codes"]),
        share(row["share_unrecognised"], 0),
        span_of(used[0], used[-1]) if used else "–",
    ]


def _columns(document: Mapping[str, Any], part: str) -> Iterator[list[str]]:
    for one in document["columns"]:
        if one["table"] == part:
            missing = share(one["share_missing"], 0) if one["may_be_missing"] else "–"
            invalid = share(one["share_invalid"], 0) if one["is_judged"] and one["share_missing"] != 1 else "–"
            yield [column_name(one["column"]), missing, invalid]


def _spans(document: Mapping[str, Any]) -> Iterator[list[str]]:
    by_benefit = [{row["n_spans"]: row["n_members"] for row in one["by_spans"]} for one in document["cover"]]
    numbers = sorted({number for one in by_benefit for number in one})
    for number in numbers:
        more = " or more" if number == numbers[-1] else ""
        yield [f"{number}{more}", *(count(one.get(number, 0)) for one in by_benefit)]
    yield ["Members with cover", *(count(one["n_members"]) for one in document["cover"])]


def _gaps(document: Mapping[str, Any]) -> Iterator[list[str]]:
    by_benefit = [{row["to_days"]: row["n_gaps"] for row in one["gaps"]} for one in document["cover"]]
    ends = sorted({end for one in by_benefit for end in one if end is not None})
    for first, end in zip((0, *ends), ends, strict=False):
        yield [f"{first + 1} to {end} days", *(count(one.get(end, 0)) for one in by_benefit)]
    if any(None in one for one in by_benefit):
        yield ["longer", *(count(one.get(None, 0)) for one in by_benefit)]


def _outside_row(row: Mapping[str, Any]) -> list[str]:
    told = "long after the member's death (30 days)" if row["rule"] == "long_after_death" else RULES[row["rule"]]
    return [f"{spell(UNITS[row['table']])} {told}", count(row["n_lines"]), share(row["share"], 0)]


def _amount_row(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{spell(row['amount'])} ({row['table']})",
        count(row["n_lines"]),
        share(row["share_zero"], 0),
        share(row["share_negative"], 0),
        *(dollars(one["value"]) for one in row["quantiles"]),
    ]


def _lag_row(row: Mapping[str, Any]) -> list[str]:
    days = [count(one["value"]) for one in row["quantiles"]]
    classes = [share(one["share"], 0) for one in row["classes"]]
    return [spell(row["source"]), count(row["n_rows"]), *days, *classes]


def _intake_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"Delivery {row['delivery']}: {row['source']}",
        "n_rows": count(row["n_rows"]),
        "share": share(row["share_quarantined"], 0),
        "fates": [(fate(f"{one['fate']}: {one['rule']}"), count(one["n_rows"])) for one in row["fates"]],
    }
