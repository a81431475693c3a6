"""Rates, ratios and differences of every outcome and horizon, who was followed to the horizon, and event time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpart.report.answer import complete_share, primary_rows
from counterpart.report.reading.contrasts import contrasts_of
from counterpart.report.reading.formats import NOT_ESTIMABLE, count, interval, measure, share, significant, window
from counterpart.tables import ARMS

_CLUSTERS = {"member": "members", "set_and_member": "pairs and members", "set": "pairs"}


def build_contrasts(document: Mapping[str, Any], are_controls: bool) -> list[dict[str, Any]]:
    """EFFECTS -> a block per outcome and horizon: label, is it primary, a line of cells per phase, matched first."""
    primary = list(primary_rows(document).values())
    return [
        {
            "label": label,
            "is_primary": next(iter(phases.values())) in primary,
            "lines": [_line(phase, phases[phase]) for phase in ("matched", "crude") if phase in phases],
        }
        for label, phases in contrasts_of(document, are_controls)
    ]


def _line(phase: str, row: Mapping[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = {"phase": phase, "is_rounded": row["is_rounded"], "is_withheld": row["is_withheld"]}
    for arm in ARMS:
        line[f"events_{arm}"] = count(row[f"events_{arm}"])
        years = row[f"person_years_{arm}"]
        line[f"person_years_{arm}"] = significant(years, 4)
    for name in ("rate_treated", "rate_comparator", "rate_ratio", "rate_difference"):
        line[name] = measure(row, name)
        line[f"{name}_interval"] = interval(row, name)
    line["clustered_by"] = _CLUSTERS.get(str(row["clustered_by"]), "")
    return line


def build_follow_up(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """EFFECTS -> horizon and phase: of how many units of each arm the whole time to the horizon was observed."""
    found: dict[tuple[int, str], Mapping[str, Any]] = {}
    for row in document["effects"]:
        found.setdefault((row["horizon"], row["phase"]), row)
    ordered = sorted(found.items(), key=lambda one: (one[0][0], one[0][1] != "matched"))
    return [{"horizon": horizon, "phase": phase, **_complete(row)} for (horizon, phase), row in ordered]


def _complete(row: Mapping[str, Any]) -> dict[str, str]:
    cells = {}
    for arm in ARMS:
        n, n_complete, part = row[f"n_{arm}"], row[f"n_complete_{arm}"], complete_share(row, arm)
        cells[f"n_{arm}"] = count(n)
        # A rounded count that reaches the size of the arm says that few or none are missing, and no more.
        is_all = n and n_complete is not None and n_complete >= n
        cells[f"n_complete_{arm}"] = "all or nearly all" if is_all else count(n_complete)
        cells[f"share_{arm}"] = "" if part is None or is_all else share(part, 0)
    return cells


def build_event_time(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """EVENT_TIME -> runs of weeks in words: arm, weeks, events, person-years, rate."""
    return [
        {
            "arm": document["protocol"]["cohort"][run["arm"]]["label"],
            "weeks": window((run["first_week"], run["last_week"])).replace("day", "week"),
            "n_events": count(run["n_events"]),
            "person_years": significant(run["person_years"], 4),
            "rate": NOT_ESTIMABLE if run["rate"] is None and run["person_years"] == 0 else significant(run["rate"]),
        }
        for run in document["event_time"]
    ]
