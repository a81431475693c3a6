"""The forest plot: rate ratios with their intervals on a log scale, crude and matched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from counterpart.report.plots.canvas import (
    INK,
    MUTED,
    PAPER,
    RULE,
    Sheet,
    add_axes,
    add_mark_box,
    add_row_label,
    add_text,
    new_figure,
    shorten,
)
from counterpart.report.reading.contrasts import Contrast, contrasts_of
from counterpart.report.reading.formats import interval, measure

_TICKS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 10, 20)
# Intervals beyond these end in an arrow.
_REACH = (0.04, 25.0)


def draw_forest(document: Mapping[str, Any], sheet: Sheet, are_controls: bool = False) -> Figure:
    """Two rows a contrast: matched above, filled; crude below, hollow."""
    contrasts = contrasts_of(document, are_controls)
    pitch, left, right = (58, 14, 138) if sheet.is_narrow else (42, 270, 230)
    height = pitch * max(len(contrasts), 1)
    figure = new_figure(sheet, 34 + height + 50)
    axes = add_axes(figure, left, 34, sheet.width - left - right, height)
    axes.set_xscale("log")
    axes.set_xlim(*_limits(contrasts))
    axes.set_ylim(max(len(contrasts), 1), 0)
    if not sheet.is_narrow:
        axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for position, (label, phases) in enumerate(contrasts):
        axes.axhline(position, color=RULE, linewidth=0.6, zorder=0.5)
        _draw_contrast(axes, position, label, phases, sheet)
    _finish(axes, figure, sheet, left)
    return figure


def _limits(contrasts: Sequence[Contrast]) -> tuple[float, float]:
    ends = [
        row[f"rate_ratio_{end}"]
        for _, phases in contrasts
        for row in phases.values()
        for end in ("lower", "upper")
        if row.get(f"rate_ratio_{end}")
    ]
    lower, upper = min([0.45, *ends]) / 1.15, max([2.2, *ends]) * 1.15
    return max(lower, _REACH[0]), min(upper, _REACH[1])


def _draw_contrast(
    axes: Axes, position: int, label: str, phases: Mapping[str, Mapping[str, Any]], sheet: Sheet
) -> None:
    first, last = axes.get_xlim()
    if sheet.is_narrow:
        axes.text(first, position + 0.18, shorten(label, 50), va="center", color=INK)
        # 1 is marked beside the intervals only, so that the line does not cross the labels.
        axes.plot([1, 1], [position + 0.36, position + 0.9], color=INK, linewidth=1, zorder=1)
    else:
        add_row_label(axes, first, position + 0.5, label, 36)
    rows = [(phase, phases[phase]) for phase in ("matched", "crude") if phase in phases]
    for (phase, row), at in zip(rows, (0.47, 0.78) if sheet.is_narrow else (0.3, 0.7), strict=False):
        y = position + at
        _draw_interval(axes, y, row, phase)
        colour = INK if phase == "matched" else MUTED
        told = _told(row)
        gap = 10 if sheet.is_narrow else 16
        size = 10.5 if sheet.is_narrow else sheet.font
        axes.annotate(
            told, (last, y), xytext=(gap, 0), textcoords="offset points", va="center", color=colour, fontsize=size
        )


def _told(row: Mapping[str, Any]) -> str:
    limits = interval(row, "rate_ratio")
    return measure(row, "rate_ratio") + (f" ({limits})" if limits else "")


def _draw_interval(axes: Axes, y: float, row: Mapping[str, Any], phase: str) -> None:
    first, last = axes.get_xlim()
    ratio, lower, upper = (row.get(f"rate_ratio{end}") for end in ("", "_lower", "_upper"))
    colour = INK if phase == "matched" else MUTED
    if lower and upper:
        axes.plot([max(lower, first), min(upper, last)], [y, y], color=colour, linewidth=1.6, zorder=2)
        for limit, edge, marker in ((lower, first, "<"), (upper, last, ">")):
            if (limit < edge) if marker == "<" else (limit > edge):
                axes.plot([edge], [y], marker=marker, markersize=6, color=colour, zorder=3)
    if ratio and first <= ratio <= last:
        face = colour if phase == "matched" else PAPER
        axes.plot(
            [ratio],
            [y],
            marker="s",
            markersize=8,
            color=colour,
            markerfacecolor=face,
            markeredgewidth=1.4,
            zorder=4,
            clip_on=False,
        )


def _finish(axes: Axes, figure: Figure, sheet: Sheet, left: float) -> None:
    first, last = axes.get_xlim()
    ticks = [tick for tick in _TICKS if first <= tick <= last]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([])
    axes.set_xlabel("Rate ratio, log scale (below 1: fewer among the treated)", color=MUTED)
    if sheet.is_narrow:
        axes.set_xlabel("Rate ratio, log scale", color=MUTED)
    x = 2.0 if sheet.is_narrow else left
    for name, offset in (("matched", 0), ("crude", 104)):
        marks = add_mark_box(figure, x + offset, 4, 26)
        colour, face = (INK, INK) if name == "matched" else (MUTED, PAPER)
        marks.plot([2, 24], [8, 8], color=colour, linewidth=1.6)
        marks.plot([13], [8], marker="s", markersize=8, color=colour, markerfacecolor=face, markeredgewidth=1.4)
        add_text(figure, x + offset + 32, 12, name)
