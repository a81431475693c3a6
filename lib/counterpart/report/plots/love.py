"""The love plot: absolute standardised difference of every covariate before and after matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from counterpart.numerics.balance import IMBALANCE
from counterpart.report.plots.canvas import (
    BAND,
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
from counterpart.report.reading.words import covariate

Difference = tuple[float, str]
"""An absolute standardised difference and its mark: a bound points to where the difference may lie."""

EXACT, AT_MOST, MORE_THAN = "o", "<", ">"


def differences_of(document: Mapping[str, Any]) -> list[tuple[str, dict[str, Difference | None]]]:
    """Label and difference by phase of every covariate, the largest before matching first."""
    found: dict[str, tuple[str, dict[str, Difference | None]]] = {}
    for row in document["balance"]:
        what, days = covariate(row)
        label = f"{what} ({days})" if days else what
        found.setdefault(row["name"], (label, {"before": None, "after": None}))[1][row["phase"]] = _difference(row)
    return sorted(found.values(), key=lambda one: -(one[1]["before"] or (0.0, EXACT))[0])


def _difference(row: Mapping[str, Any]) -> Difference | None:
    if row["smd"] is not None:
        return abs(row["smd"]), EXACT
    if row["smd_more_than"] is not None:
        return row["smd_more_than"], MORE_THAN
    return None if row["smd_at_most"] is None else (row["smd_at_most"], AT_MOST)


def draw_love(document: Mapping[str, Any], sheet: Sheet) -> Figure:
    """A row a covariate: hollow before, filled after, a bracket where only a bound may be shown, a line at 0.1."""
    rows = differences_of(document)
    pitch, left = (31, 10) if sheet.is_narrow else (18, 400)
    head = 58 if sheet.is_narrow else 40
    figure = new_figure(sheet, head + pitch * max(len(rows), 1) + 48)
    axes = add_axes(figure, left, head, sheet.width - left - 26, pitch * max(len(rows), 1))
    values = [one[0] for _, phases in rows for one in phases.values() if one]
    reach = max([2 * IMBALANCE, *values]) * 1.05
    axes.set_xlim(0, reach)
    axes.set_ylim(max(len(rows), 1), 0)
    axes.axvspan(0, IMBALANCE, color=BAND, zorder=0)
    if not sheet.is_narrow:
        axes.axvline(IMBALANCE, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for position, (label, phases) in enumerate(rows):
        y = position + (0.74 if sheet.is_narrow else 0.5)
        axes.axhline(y, color=RULE, linewidth=0.6, zorder=0.5)
        if sheet.is_narrow:
            axes.text(0, position + 0.3, shorten(label, 60), va="center", color=INK, fontsize=10.5)
            # The limit stands beside the marks only, so that it does not cross the labels.
            axes.plot([IMBALANCE, IMBALANCE], [position + 0.55, position + 0.95], color=INK, linewidth=1, zorder=1)
        else:
            add_row_label(axes, 0, y, label, 54)
        for phase in ("before", "after"):
            _mark(axes, y, phases[phase], phase)
    axes.set_yticks([])
    axes.set_xlabel("Absolute standardised difference", color=MUTED)
    _draw_legend(figure, sheet, left)
    return figure


def _mark(axes: Axes, y: float, difference: Difference | None, phase: str) -> None:
    """A disc at a difference; at a bound a triangle that points to where the difference may lie."""
    if difference is None:
        return
    value, mark = difference
    colour = MUTED if phase == "before" else INK
    axes.plot(
        [value],
        [y],
        marker=mark,
        markersize=7,
        color=colour,
        markerfacecolor=PAPER if phase == "before" else colour,
        markeredgewidth=1.4,
        zorder=4 if mark == EXACT else 3,
        clip_on=False,
    )


def _draw_legend(figure: Figure, sheet: Sheet, left: float) -> None:
    """The marks and what they mean, drawn with the marks themselves."""
    places = [(0, 10), (140, 10), (0, 32)] if sheet.is_narrow else [(left - 6, 12), (left + 140, 12), (left + 216, 12)]
    meanings = (("before matching", "before"), ("after", "after"), ("a bound (small counts)", "bound"))
    for (x, top), (name, kind) in zip(places, meanings, strict=True):
        axes = add_mark_box(figure, x, top - 8, 44)
        if kind == "bound":
            _mark(axes, 8, (7, AT_MOST), "before")
            _mark(axes, 8, (21, AT_MOST), "after")
        else:
            _mark(axes, 8, (7, EXACT), kind)
        add_text(figure, x + (34 if kind == "bound" else 18), top, name)
