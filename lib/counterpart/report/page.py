"""The report page: one HTML file with style and plots inside it, the same bytes for the same released document."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from counterpart.numerics.balance import IMBALANCE, SMD_DENOMINATOR
from counterpart.report.answer import build_answer, crude_controls_off, judge_controls, primary_e_value, primary_rows
from counterpart.report.cautions import build_cautions
from counterpart.report.design import build_design
from counterpart.report.flow import build_flow, describe_unmatched
from counterpart.report.plots import draw_svgs
from counterpart.report.provenance import build_intake, build_model, build_provenance, equipoise
from counterpart.report.reading.formats import cell, count, level, prose, share, significant
from counterpart.report.reading.words import listed
from counterpart.report.results import build_contrasts, build_event_time, build_follow_up
from counterpart.report.table_one import build_table_one
from counterpart.tables import ARMS

_TEMPLATES = Path(__file__).resolve().parent / "templates"

SECTIONS = (
    ("answer", "The answer"),
    ("design", "Design"),
    ("flow", "Flow of members"),
    ("table-one", "Table 1: who is compared"),
    ("overlap", "Overlap of the arms"),
    ("balance", "Balance of covariates"),
    ("event-time", "Before and after the index date"),
    ("outcomes", "Outcomes"),
    ("follow-up", "Complete follow-up"),
    ("controls", "Negative controls"),
    ("e-value", "Unmeasured confounding"),
    ("model", "Propensity model and matching"),
    ("intake", "Source rows"),
    ("limits", "What may not be concluded"),
    ("provenance", "Versions, settings, protocol"),
)
"""Anchor and heading of every section, in the order of reading."""


def render_report(document: Mapping[str, Any], path: Path) -> Path:
    """Write a released document as a self-contained page: no script, no request to anywhere. Gives the path back."""
    return write_page("page.html.j2", _view(document), path)


def write_page(template: str, view: Mapping[str, Any], path: Path) -> Path:
    """Write a page of that template, with the style sheet inside it. Gives the path back."""
    style = Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8"))
    path.write_text(_environment().get_template(template).render(view, style=style), encoding="utf-8")
    return path


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell, "count": lambda value: cell(count(value)), "share": share, "prose": prose}
    return environment


def _view(document: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the template shows, in words and formatted numbers."""
    protocol = document["protocol"]
    return {
        "sections": SECTIONS,
        "heading": dict(SECTIONS),
        "protocol": protocol,
        "labels": {arm: protocol["cohort"][arm]["label"] for arm in ARMS},
        "confidence": level(protocol["outcomes"]["confidence"]),
        "imbalance": IMBALANCE,
        "smd_denominator": SMD_DENOMINATOR,
        "run": document["run"],
        "plots": draw_svgs(document),
        **_of_design(document),
        **_of_results(document),
    }


def _of_design(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "design": build_design(document["protocol"]),
        "flow": build_flow(document),
        "unmatched": describe_unmatched(document),
        "table_one": build_table_one(document),
        "equipoise": equipoise(document),
        "model": build_model(document),
        "intake": build_intake(document),
        "provenance": build_provenance(document),
        "cautions": build_cautions(document),
    }


def _of_results(document: Mapping[str, Any]) -> dict[str, Any]:
    values = primary_e_value(primary_rows(document).get("matched"))
    return {
        "answer": build_answer(document),
        "contrasts": build_contrasts(document, are_controls=False),
        "controls": build_contrasts(document, are_controls=True),
        "controls_say": judge_controls(document),
        "crude_controls": listed(crude_controls_off(document)),
        "follow_up": build_follow_up(document),
        "event_time": build_event_time(document),
        "e_values": None if values is None else [significant(value) for value in values if value is not None],
    }
