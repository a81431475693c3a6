"""The plots of a study, drawn from its released document: as figures, as files, and as SVG inside the page."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from counterpart.report.plots.canvas import NARROW, PALETTE, WIDE, Sheet, drawing, to_svg
from counterpart.report.plots.forest import draw_forest
from counterpart.report.plots.love import draw_love
from counterpart.report.plots.overlap import draw_overlap
from counterpart.report.plots.weeks import draw_weeks
from counterpart.report.plots.windows import draw_windows

__all__ = ["PLOTS", "Plots", "draw_plots", "draw_svgs", "save_plots"]

Draw = Callable[[Mapping[str, Any], Sheet], Figure]
Plots = Mapping[str, tuple[Draw, str]]

PLOTS: Plots = {
    "design": (draw_windows, "Diagram of the study's windows around the index date; the text above lists them."),
    "score_overlap": (
        draw_overlap,
        "Distribution of the preference score in both arms, before and after matching.",
    ),
    "love": (
        draw_love,
        "Absolute standardised difference of every covariate before and after matching; Table 1 has the numbers.",
    ),
    "event_time": (
        draw_weeks,
        "Rate of the primary outcome by week from 26 weeks before to 26 weeks after the index date, in both arms; "
        "the table below has the numbers.",
    ),
    "forest": (
        draw_forest,
        "Rate ratios of all outcomes with intervals, crude and matched; the table has the numbers.",
    ),
    "negative_controls": (
        lambda document, sheet: draw_forest(document, sheet, are_controls=True),
        "Rate ratios of the negative controls with intervals, crude and matched; the table has the numbers.",
    ),
}
"""How each plot is drawn, and what a screen reader says of it."""


def draw_plots(document: Mapping[str, Any], sheet: Sheet = WIDE, plots: Plots = PLOTS) -> dict[str, Figure]:
    """Released document -> figures by name, in light colours."""
    with _quiet(sheet):
        return {name: draw(document, sheet) for name, (draw, _) in plots.items()}


def save_plots(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """The figures as PNG files of that folder, twice the pixels of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for name, figure in draw_plots(document).items():
        path = folder / f"{name}.png"
        with _quiet(WIDE):
            FigureCanvasAgg(figure).print_figure(
                path, format="png", dpi=144, facecolor=PALETTE["paper"], metadata={"Software": None}
            )
        saved.append(path)
    return saved


def draw_svgs(document: Mapping[str, Any], plots: Plots = PLOTS) -> dict[str, Markup]:
    """Every plot as SVG for the page, in a wide and a narrow version of which the style sheet shows one."""
    drawn: dict[str, Markup] = {}
    for kind, sheet in (("wide", WIDE), ("narrow", NARROW)):
        for name, figure in draw_plots(document, sheet, plots).items():
            with _quiet(sheet):
                svg = to_svg(figure, f"{name.replace('_', '-')}-{kind}", plots[name][1], sheet)
            drawn[name] = drawn.get(name, Markup()) + Markup('<div class="{}">{}</div>').format(kind, svg)
    return drawn


@contextmanager
def _quiet(sheet: Sheet) -> Iterator[None]:
    """The settings to draw with; a letter the measuring font lacks is the browser's business."""
    with warnings.catch_warnings(), drawing(sheet):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield
