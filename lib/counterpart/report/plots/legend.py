"""The legend of the arms, the same above every plot that has both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from counterpart.report.plots.canvas import ARM_COLOURS, Sheet, add_text, shorten, size_in_pixels
from counterpart.tables import ARMS


def draw_arm_legend(figure: Figure, document: Mapping[str, Any], sheet: Sheet) -> None:
    """A square and the label for each arm: beside each other where there is room, else one above the other."""
    width, height = size_in_pixels(figure)
    for position, arm in enumerate(ARMS):
        left, top = (2, 12 + 22 * position) if sheet.is_narrow else (46 + position * 400, 12)
        figure.add_artist(
            Rectangle(
                (left / width, 1 - (top + 6) / height),
                12 / width,
                12 / height,
                transform=figure.transFigure,
                facecolor=ARM_COLOURS[arm],
                edgecolor="none",
            )
        )
        label = document["protocol"]["cohort"][arm]["label"]
        add_text(figure, left + 20, top, shorten(f"{label} ({arm})", 48))
