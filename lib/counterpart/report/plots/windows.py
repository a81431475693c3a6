"""The design as a diagram: what is looked at on which days around the index date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from counterpart.report.plots.canvas import (
    BAND,
    INK,
    MUTED,
    PALETTE,
    RULE,
    Sheet,
    add_axes,
    add_row_label,
    new_figure,
    shorten,
)
from counterpart.report.reading.words import in_sentence, listed, spell

_COLOURS = {"who": RULE, "known": MUTED, "counted": PALETTE["ink"]}

Bar = tuple[str, int, int, str]


def bars_of(protocol: Mapping[str, Any]) -> list[Bar]:
    """Protocol -> (label, first day, last day, kind) from eligibility to outcomes; equal windows share a bar."""
    cohort, covariates = protocol["cohort"], protocol["covariates"]
    lookback = int(cohort["enrollment"]["lookback_days"])
    bars: list[Bar] = [("Insurance cover", -lookback, 0, "who")]
    bars += [(f"Needs {in_sentence(rule['event'])}", *_days(rule), "who") for rule in cohort["history"]]
    for days, names in _grouped(cohort["exclusions"]):
        label = f"Excludes {in_sentence(names[0])}" if len(names) == 1 else f"Excludes {len(names)} conditions"
        bars.append((label, *days, "who"))
    bars.append((f"Age, sex, region, {covariates['calendar']}", 0, 0, "known"))
    measured = [*covariates["events"]]
    if covariates["charlson"]:
        measured.insert(0, {"event": "Charlson conditions", "window": covariates["charlson_window"]})
    for days, names in _grouped(measured):
        label = f"{len(names)} covariates" if len(names) > 2 else listed([spell(name) for name in names])
        bars.append((label, *days, "known"))
    counted = {(one["start_day"], horizon) for one in protocol["outcomes"]["outcomes"] for horizon in one["horizons"]}
    return [*bars, *((f"Outcomes to day {last}", first, last, "counted") for first, last in sorted(counted))]


def _days(rule: Mapping[str, Any]) -> tuple[int, int]:
    return int(rule["window"][0]), int(rule["window"][1])


def _grouped(rules: Sequence[Mapping[str, Any]]) -> list[tuple[tuple[int, int], list[str]]]:
    groups: dict[tuple[int, int], list[str]] = {}
    for rule in rules:
        names = groups.setdefault(_days(rule), [])
        if rule["event"] not in names:
            names.append(rule["event"])
    return sorted(groups.items())


def draw_windows(document: Mapping[str, Any], sheet: Sheet) -> Figure:
    """One bar a window, day 0 as a line through all of them."""
    bars = bars_of(document["protocol"])
    pitch, left = (34, 14) if sheet.is_narrow else (27, 235)
    figure = new_figure(sheet, 34 + pitch * len(bars) + 44)
    axes = add_axes(figure, left, 34, sheet.width - left - 26, pitch * len(bars))
    first, last = min(bar[1] for bar in bars), max(bar[2] for bar in bars)
    axes.set_xlim(first, last + 1)
    axes.set_ylim(len(bars), 0)
    axes.axvspan(0, 1, color=BAND, zorder=0)
    for row, (label, start, end, kind) in enumerate(bars):
        y = row + (0.72 if sheet.is_narrow else 0.5)
        if start == end:
            axes.plot([start + 0.5], [y], marker="D", markersize=7, color=_COLOURS[kind], zorder=3)
        else:
            axes.barh(y, end + 1 - start, left=start, height=9 / pitch, color=_COLOURS[kind], zorder=2)
        if sheet.is_narrow:
            axes.text(first, row + 0.3, shorten(label, 46), ha="left", va="center", color=INK)
        else:
            add_row_label(axes, first, y, label, 30)
    _mark_index_date(axes, sheet)
    axes.set_yticks([])
    axes.set_xticks(_ticks(bars, sheet))
    axes.set_xlabel("Days from the index date", color=MUTED)
    return figure


def _mark_index_date(axes: Any, sheet: Sheet) -> None:
    axes.axvline(0.5, color=INK, linewidth=1.2, zorder=1)
    axes.annotate(
        "Index date (day 0)",
        (0.5, 0),
        xytext=(0, 8),
        textcoords="offset points",
        ha="right" if sheet.is_narrow else "center",
        va="bottom",
        color=INK,
        fontweight="bold",
    )


def _ticks(bars: Sequence[Bar], sheet: Sheet) -> list[int]:
    """The ends of the windows, the widest first, as far as they have room."""
    first, last = min(bar[1] for bar in bars), max(bar[2] for bar in bars)
    gap = (last - first) * (0.14 if sheet.is_narrow else 0.06)
    kept: list[int] = []
    for day in sorted({0, *(bar[1] for bar in bars), *(bar[2] for bar in bars)}, key=lambda day: (day != 0, -abs(day))):
        if all(abs(day - other) >= gap for other in kept):
            kept.append(day)
    return sorted(kept)
