"""Event time: the rate of the primary outcome by week before and after the index date, in runs of weeks as steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from counterpart.report.plots.canvas import ARM_COLOURS, INK, MUTED, RULE, Sheet, add_axes, add_text, new_figure
from counterpart.report.plots.legend import draw_arm_legend
from counterpart.tables import ARMS

WEEKS = (-26, 26)


def draw_weeks(document: Mapping[str, Any], sheet: Sheet) -> Figure:
    """A step a run of weeks. A run that is withheld has no step; a run may be as long as all weeks before or after."""
    head = 78 if sheet.is_narrow else 56
    figure = new_figure(sheet, head + 270 + 52)
    draw_arm_legend(figure, document, sheet)
    add_text(figure, 2, head - 20, "Events per 1,000 person-years", color=MUTED)
    axes = add_axes(figure, 52, head, sheet.width - 52 - 14, 270)
    runs = document["event_time"]
    top = max([run["rate"] or 0 for run in runs], default=0) or 1
    axes.set_xlim(*WEEKS)
    axes.set_ylim(0, 1.08 * top)
    for arm in ARMS:
        _draw_steps(axes, [run for run in runs if run["arm"] == arm], arm)
    if not runs:
        axes.text(-13, top / 2, WITHHELD_TEXT, ha="center", va="center", color=MUTED)
    axes.axvline(0, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        "after day 0", (0, 1.08 * top), xytext=(6, -8), textcoords="offset points", ha="left", va="center", color=INK
    )
    axes.annotate(
        "up to day 0", (0, 1.08 * top), xytext=(-6, -8), textcoords="offset points", ha="right", va="center", color=INK
    )
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xticks([-26, -13, 0, 13, 26], ["−26", "−13", "0", "13", "26"])
    axes.set_xlabel("Weeks from the index date", color=MUTED)
    return figure


WITHHELD_TEXT = "withheld"


def _draw_steps(axes: Axes, runs: list[Mapping[str, Any]], arm: str) -> None:
    """Horizontal for each run, joined by thin verticals where two runs meet."""
    previous: float | None = None
    for run in sorted(runs, key=lambda one: one["first_week"]):
        rate, start, end = run["rate"], run["first_week"], run["last_week"] + 1
        if rate is not None:
            axes.plot(
                [start, end], [rate, rate], color=ARM_COLOURS[arm], linewidth=2.6, solid_capstyle="butt", zorder=3
            )
            if previous is not None and start != 0:
                axes.plot([start, start], [previous, rate], color=ARM_COLOURS[arm], linewidth=1, zorder=2)
        else:
            axes.plot([start, end], [0, 0], color=ARM_COLOURS[arm], linewidth=2.6, linestyle=(0, (1, 2)), zorder=3)
        previous = rate
