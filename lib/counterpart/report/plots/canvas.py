"""A sheet to draw on in CSS pixels, and the way from a figure to SVG that follows the page's colours and font."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Each colour is the light value of the page's CSS variable of that name: a PNG has it, in an SVG the variable stands
# instead. All differ, so that the way back is unique; report.css must say the same.
PALETTE = {
    "ink": "#17212b",
    "muted": "#566370",
    "rule": "#cbd3da",
    "band": "#f0f3f5",
    "paper": "#fefefe",
    "treated": "#0d6a8f",
    "treated-soft": "#b9dae8",
    "comparator": "#a8560f",
    "comparator-soft": "#f1d3b5",
}
ARM_COLOURS = {"treated": PALETTE["treated"], "comparator": PALETTE["comparator"]}
ARM_FILLS = {"treated": PALETTE["treated-soft"], "comparator": PALETTE["comparator-soft"]}
INK, MUTED, RULE, BAND, PAPER = (PALETTE[name] for name in ("ink", "muted", "rule", "band", "paper"))

# A point of the figure is a CSS pixel, so 12 is 12 px on the page.
_PIXELS_PER_INCH = 72
_RC: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a label with dollar signs is a label
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.unicode_minus": True,
    "path.simplify": False,
}


@dataclass(frozen=True)
class Sheet:
    """Wide for desktop, paper and PNG; narrow for a phone, where labels stand above what they name. Pixels."""

    width: int
    font: float

    @property
    def is_narrow(self) -> bool:
        """Is there no room for labels beside the drawing?"""
        return self.width < 600


WIDE = Sheet(width=860, font=12.5)
NARROW = Sheet(width=350, font=11.5)


@contextmanager
def drawing(sheet: Sheet) -> Iterator[None]:
    """Matplotlib's settings for everything drawn or saved inside."""
    with mpl.rc_context(_RC | {"font.size": sheet.font}):
        yield


def new_figure(sheet: Sheet, height: float) -> Figure:
    """An empty sheet of that height in pixels."""
    return Figure(figsize=(sheet.width / _PIXELS_PER_INCH, height / _PIXELS_PER_INCH), dpi=_PIXELS_PER_INCH)


def size_in_pixels(figure: Figure) -> tuple[float, float]:
    """Width and height of a sheet."""
    width, height = figure.get_size_inches() * _PIXELS_PER_INCH
    return float(width), float(height)


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in pixels from the upper left corner: only a hairline below, no clipping."""
    total_width, total_height = size_in_pixels(figure)
    axes = figure.add_axes(
        (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
    )
    axes.set_facecolor("none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(colors=MUTED, length=4, width=1, color=RULE, pad=4)
    axes.margins(0)
    return axes


def add_mark_box(figure: Figure, left: float, top: float, width: float) -> Axes:
    """A place for a mark of a legend, 16 pixels high; its units are pixels from its own upper left corner."""
    axes = add_axes(figure, left, top, width, 16)
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(16, 0)
    return axes


def add_text(figure: Figure, left: float, top: float, text: str, **style: object) -> None:
    """Text at a place in pixels from the upper left corner."""
    width, height = size_in_pixels(figure)
    defaults = {"color": INK, "va": "center", "ha": "left"}
    figure.text(left / width, 1 - top / height, text, **{**defaults, **style})  # type: ignore[arg-type]  # style by name


def add_row_label(axes: Axes, x: float, y: float, text: str, n_characters: int) -> None:
    """What a row of the axes is about, to the left of them, cut to so many characters; x and y in their units."""
    axes.annotate(
        shorten(text, n_characters),
        (x, y),
        xytext=(-13, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color=INK,
    )


def shorten(text: str, n_characters: int) -> str:
    """The text in one line of at most so many characters."""
    return textwrap.shorten(text, n_characters, placeholder="…") or text[: n_characters - 1] + "…"


def to_svg(figure: Figure, name: str, description: str, sheet: Sheet) -> Markup:
    """A figure as an inline SVG element: the page's variables as colours, text as text, nothing from outside.

    `name` makes its ids unique on the page; `description` is what a screen reader says.
    """
    buffer = io.StringIO()
    with drawing(sheet), mpl.rc_context({"svg.hashsalt": name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    body = buffer.getvalue()
    body = body[body.index("<svg") :]
    view_box = re.search(r'viewBox="([^"]*)"', body)
    opening = (
        f'<svg class="plot" role="img" aria-label="{escape(description)}" '
        f'viewBox="{view_box[1] if view_box else ""}" style="max-width: {sheet.width}px">'
    )
    return Markup(opening + _follow_page(body[body.index(">") + 1 :], name))


def _follow_page(svg: str, name: str) -> str:
    # Matplotlib's own style element would reach the whole page; report.css says the same of `.plot` alone.
    svg = re.sub(r"<(metadata|clipPath|style)\b.*?</\1>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' clip-path="[^"]*"', "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r'\b(id|href)="(#?)', rf'\1="\2{name}-', svg)
    svg = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--sans)", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", svg)
    for variable, colour in PALETTE.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg
