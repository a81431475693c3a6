"""Time on an axis of months: the same for all plots of a site, so that what happened in a month lies below itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from counterpart.report.plots.canvas import (
    BAND,
    INK,
    MUTED,
    PALETTE,
    RULE,
    Sheet,
    add_axes,
    add_row_label,
    add_text,
    new_figure,
    shorten,
)
from counterpart.report.quality.coding import shares_by_system
from counterpart.report.quality.words import code_name, column_name

_USUAL, _ODD = PALETTE["treated"], PALETTE["comparator"]
_PANEL, _HEAD, _FOOT = 116, 34, 34
NOTHING_TEXT = "No month has enough lines."


def draw_volume(document: Mapping[str, Any], sheet: Sheet) -> Figure:
    """Lines, fills and covered members, a panel each. Months that a note names stand out; withheld ones are dashed."""
    panels = _volumes(document)
    figure = new_figure(sheet, len(panels) * (_HEAD + _PANEL) + _FOOT)
    for number, (title, key, by_month) in enumerate(panels):
        top = number * (_HEAD + _PANEL) + _HEAD
        add_text(figure, 2, top - 16, title, fontweight="bold")
        axes = _add_months(figure, document, sheet, top, _PANEL, left=58, is_last=number == len(panels) - 1)
        marked = {month for note in document["notes"] if note["table"] == key for month in note["months"]}
        _draw_bars(axes, by_month, document["months"], marked)
    return figure


def _volumes(document: Mapping[str, Any]) -> list[tuple[str, str, dict[int, int | None]]]:
    """Title, what notes call it, count by month."""
    names = {"medical": "Medical claim lines", "pharmacy": "Fills"}
    panels = [
        (names[one["table"]], one["table"], {row["month"]: row["n_lines"] for row in one["by_month"]})
        for one in document["tables"]
    ]
    panels += [
        (
            f"Members with {one['benefit']} cover",
            f"{one['benefit']}_cover",
            {row["month"]: row["n_members"] for row in one["by_month"]},
        )
        for one in document["cover"]
    ]
    return panels


def _draw_bars(axes: Axes, counts: Mapping[int, int | None], months: Sequence[int], marked: set[int]) -> None:
    top = max([count or 0 for count in counts.values()], default=0) or 1
    axes.set_ylim(0, 1.12 * top)
    for place, month in enumerate(months):
        count, colour = counts[month], _ODD if month in marked else _USUAL
        if count:
            axes.bar(place + 0.5, count, width=0.86, color=colour, linewidth=0)
        elif count is None:
            axes.bar(place + 0.5, 0.06 * top, width=0.7, color="none", edgecolor=colour, linestyle=(0, (2, 2)))
        if month in marked:
            axes.plot([place + 0.5], [1.07 * top], marker="v", markersize=6, color=_ODD, linestyle="none")
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_short))
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def draw_coding(document: Mapping[str, Any], sheet: Sheet) -> Figure:
    """A row for each column and system: how much of the column's codes it has in a month; darker is more."""
    rows = [
        (
            code_name(one["column"], one["system"]),
            shares_by_system(document, one["table"], one["column"])[one["system"]],
        )
        for one in document["codes"]
    ]
    return _draw_shares(document, rows, sheet, _USUAL)


def draw_missing(document: Mapping[str, Any], sheet: Sheet) -> Figure:
    """A row for each column of medical claims and fills: the share of lines without it in a month; darker is more."""
    rows = [
        (
            f"{column_name(one['column'])} ({'fills' if one['table'] == 'pharmacy' else 'medical'})",
            {row["month"]: row["share"] for row in one["by_month"] if row["share"] is not None},
        )
        for one in document["columns"]
        if one["may_be_missing"] and one["table"] != "members"
    ]
    return _draw_shares(document, rows, sheet, _ODD)


def _draw_shares(
    document: Mapping[str, Any], rows: Sequence[tuple[str, Mapping[int, float]]], sheet: Sheet, colour: str
) -> Figure:
    pitch, left = (38, 2) if sheet.is_narrow else (24, 232)
    figure = new_figure(sheet, 8 + pitch * max(len(rows), 1) + _FOOT)
    axes = _add_months(figure, document, sheet, 8, pitch * max(len(rows), 1), left=left, is_last=True)
    axes.set_ylim(max(len(rows), 1), 0)
    axes.set_yticks([])
    low, high = (0.5, 0.92) if sheet.is_narrow else (0.14, 0.86)
    for number, (label, shares) in enumerate(rows):
        if sheet.is_narrow:
            axes.text(0, number + 0.28, shorten(label, 46), ha="left", va="center", color=INK)
        else:
            add_row_label(axes, 0, number + 0.5, label, 34)
        axes.add_patch(_box(0, number + low, len(document["months"]), high - low, BAND, 1.0))
        for start, end, tone in _tones([shares.get(month) for month in document["months"]]):
            if tone:
                axes.add_patch(_box(start, number + low, end - start, high - low, colour, tone))
    return figure


def _tones(shares: Sequence[float | None]) -> list[tuple[int, int, float]]:
    """Neighbouring months of the same tone as one box: tenths, and any share above zero can be seen."""
    runs: list[tuple[int, int, float]] = []
    for place, value in enumerate(shares):
        tone = 0.0 if not value else max(0.12, round(value, 1))
        if runs and runs[-1][2] == tone:
            runs[-1] = (runs[-1][0], place + 1, tone)
        else:
            runs.append((place, place + 1, tone))
    return runs


def _box(left: float, top: float, width: float, height: float, colour: str, tone: float) -> Rectangle:
    return Rectangle((left, top), width, height, facecolor=colour, edgecolor="none", alpha=tone)


def _add_months(
    figure: Figure, document: Mapping[str, Any], sheet: Sheet, top: float, height: float, left: float, is_last: bool
) -> Axes:
    """Axes on which a month is one unit, with a tick where a year, or in a short series a quarter, begins."""
    months = document["months"]
    axes = add_axes(figure, left, top, sheet.width - left - 14, height)
    axes.set_xlim(0, max(len(months), 1))
    every = 12 if len(months) > 30 else 3
    ticks = [place for place, month in enumerate(months) if (month % 100 - 1) % every == 0]
    most = 5 if sheet.is_narrow else 12
    ticks = ticks[:: max(1, -(-len(ticks) // most))]
    axes.set_xticks(ticks, [_tick(months[place], every) for place in ticks] if is_last else [""] * len(ticks))
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("left")
    if not months:
        axes.text(0.5, 0.5, NOTHING_TEXT, transform=axes.transAxes, ha="center", va="center", color=MUTED)
    return axes


def _tick(month: int, every: int) -> str:
    return str(month // 100) if every == 12 else f"{month // 100}-{month % 100:02d}"


def _short(value: float, _: object) -> str:
    """An axis has room for 1,200 and 3.4M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 10 * size or (value >= size and size > 1e3):
            return f"{value / size:,.3g}{letter}"
    return f"{value:,.0f}"
