"""Plots follow the page in colour and font, on paper and on screen, and are saved as files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.released import released

import counterpart.report as report_package
from counterpart.report import draw_plots, save_plots
from counterpart.report.plots.canvas import PALETTE
from counterpart.report.plots.windows import bars_of

CSS = (Path(report_package.__file__).parent / "templates" / "report.css").read_text()


@pytest.mark.parametrize("calendar", ["month", "year", "decade"])
def test_the_windows_name_the_calendar_of_the_study(calendar: str) -> None:
    protocol = released()["protocol"]
    protocol["covariates"]["calendar"] = calendar
    assert (f"Age, sex, region, {calendar}", 0, 0, "known") in bars_of(protocol)


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def test_figures_have_the_light_colours_of_the_page() -> None:
    light, dark, printed = (colours(block) for block in re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL))
    assert {name: light[name] for name in PALETTE} == PALETTE
    assert len(set(PALETTE.values())) == len(PALETTE)
    assert printed == light
    assert set(dark) == set(light)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_stand_out_from_the_paper(scheme: int) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    scale = colours(re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL)[scheme])
    paper = luminance(scale["paper"])
    for name in ("ink", "muted", "treated", "comparator", "good", "look"):
        brighter, darker = sorted((luminance(scale[name]), paper), reverse=True)
        assert (brighter + 0.05) / (darker + 0.05) >= 4.5, name


def test_plots_are_saved_as_files(tmp_path: Path) -> None:
    paths = save_plots(released(), tmp_path / "plots")
    assert [path.stem for path in paths] == list(draw_plots(released()))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    again = save_plots(released(), tmp_path / "again")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
