"""Do the arms overlap? Preference scores of both, treated upwards and comparators downwards, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from counterpart.report.plots.canvas import (
    ARM_COLOURS,
    ARM_FILLS,
    BAND,
    INK,
    MUTED,
    RULE,
    Sheet,
    add_axes,
    add_text,
    new_figure,
)
from counterpart.report.plots.legend import draw_arm_legend
from counterpart.report.reading.bins import EQUIPOISE, shares_by_bin
from counterpart.tables import ARMS

_TITLES = {"before": "Before matching: all eligible", "after": "After matching: the pairs"}


def draw_overlap(document: Mapping[str, Any], sheet: Sheet) -> Figure:
    """Two panels on one scale; a withheld bin is a dashed box without height."""
    shares = {(phase, arm): shares_by_bin(document, phase, arm) for phase in _TITLES for arm in ARMS}
    top = max([share or 0 for bins in shares.values() for share in bins], default=0) or 0.1
    stacked = sheet.is_narrow
    width = sheet.width - 62 if stacked else (sheet.width - 62 - 46) / 2
    legend, panel = (62, 210) if stacked else (34, 250)
    figure = new_figure(sheet, legend + (2 if stacked else 1) * (panel + 76))
    draw_arm_legend(figure, document, sheet)
    for position, (phase, title) in enumerate(_TITLES.items()):
        left = 46 if stacked else 46 + position * (width + 46)
        upper = legend + 30 + (position * (panel + 76) if stacked else 0)
        add_text(figure, left, upper - 14, title, fontweight="bold")
        axes = add_axes(figure, left, upper, width, panel)
        for arm, sign in zip(ARMS, (1, -1), strict=True):
            _draw_arm(axes, shares[phase, arm], arm, sign, top)
        _finish(axes, top)
    return figure


def _draw_arm(axes: Axes, bins: list[float | None], arm: str, sign: int, top: float) -> None:
    width = 1 / max(len(bins), 1)
    for position, share in enumerate(bins):
        if share is None:
            axes.bar(
                (position + 0.5) * width,
                sign * top * 0.045,
                width=width * 0.8,
                color="none",
                edgecolor=ARM_COLOURS[arm],
                linestyle=(0, (2, 2)),
                linewidth=1,
            )
        elif share:
            axes.bar(
                (position + 0.5) * width,
                sign * share,
                width=width * 0.94,
                color=ARM_FILLS[arm],
                edgecolor=ARM_COLOURS[arm],
                linewidth=1,
            )


def _finish(axes: Axes, top: float) -> None:
    axes.axvspan(*EQUIPOISE, color=BAND, zorder=0)
    axes.axhline(0, color=INK, linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(-1.08 * top, 1.08 * top)
    axes.yaxis.set_major_locator(MaxNLocator(6, symmetric=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):.0%}"))
    axes.set_xticks([0, 0.3, 0.5, 0.7, 1], ["0", "0.3", "0.5", "0.7", "1"])
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("Preference score", color=MUTED)
