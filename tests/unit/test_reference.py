"""docs/study.md and docs/site.md tell every key there is, with its default and all that it allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from counterpart.protocol import Site, Study
from counterpart.protocol.section import Section

Keys = dict[str, FieldInfo]
_HEADING = re.compile(r"#+ ((?:`[a-z._]+`(?:, )?)+): ")


def sections_of(model: type[Section], path: str) -> Iterator[tuple[str, Keys]]:
    """Path and keys of a section and all below it."""
    keys = {name: model.model_fields[name] for name in model.written_keys()}
    yield path, keys
    for name, field in keys.items():
        below = name if "." not in path and path in ("study", "site") else f"{path}.{name}"
        for inner in models_in(field.annotation):
            yield from sections_of(inner, below)


def models_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in get_args(annotation) for found in models_in(part)]


def merged(model: type[Section], name: str) -> dict[str, Keys]:
    """Keys by path; the two kinds of an index stand at one."""
    found: dict[str, Keys] = {}
    for path, keys in sections_of(model, name):
        found[path] = {**found.get(path, {}), **keys}
    return found


def told(page: str) -> dict[str, dict[str, list[str]]]:
    """Path -> key -> the other cells of its row, as the page has them."""
    found: dict[str, dict[str, list[str]]] = {}
    paths: list[str] = []
    for line in page.splitlines():
        heading = _HEADING.match(line)
        if line.startswith("#"):
            paths = re.findall(r"`([a-z._]+)`", heading[1]) if heading else []
        elif line.startswith("| ") and not line.startswith("| key "):
            key, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            for path in paths:
                found.setdefault(path, {})[key] = cells
    return found


def literals_in(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return [value for value in get_args(annotation) if isinstance(value, str)]
    if isinstance(annotation, type):
        return []
    return [value for part in get_args(annotation) for value in literals_in(part)]


def default_in_words(field: FieldInfo) -> set[str]:
    """How the page may tell the default."""
    default = field.default
    if field.is_required():
        return {"required"}
    if isinstance(default, Section):
        return {"its defaults"}
    if default is None or default in ((), {}):
        return {"none"}
    if isinstance(default, bool):
        return {str(default).lower()}
    if isinstance(default, tuple):
        return {f"[{', '.join(map(str, default))}]"}
    return {default.isoformat() if isinstance(default, date) else str(default)}


PAGES = [("study", Study), ("site", Site)]
IN_OTHER_WORDS = {
    ("site", "mlflow"): "a SQLite file beside the warehouse",
    ("site", "mlflow_experiment"): "the study's name",
    ("covariates.events", "name"): "made",
    ("covariates.events", "label"): "made",
}
"""Defaults that depend on something else."""


@pytest.mark.parametrize(("name", "model"), PAGES)
def test_a_page_has_every_key_in_the_order_of_the_models(root: Path, name: str, model: type[Section]) -> None:
    rows, keys = told((root / "docs" / f"{name}.md").read_text()), merged(model, name)
    # One table may be for several paths, of which one has fewer keys.
    rows = {
        path: {key: row for key, row in table.items() if key in keys.get(path, table)} for path, table in rows.items()
    }
    assert {path: list(table) for path, table in rows.items()} == {path: list(table) for path, table in keys.items()}


@pytest.mark.parametrize(("name", "model"), PAGES)
def test_a_page_tells_defaults_and_what_is_allowed(root: Path, name: str, model: type[Section]) -> None:
    rows, wrong = told((root / "docs" / f"{name}.md").read_text()), []
    for path, keys in merged(model, name).items():
        for key, field in keys.items():
            allowed, default, meaning = rows[path][key]
            expected = {IN_OTHER_WORDS[path, key]} if (path, key) in IN_OTHER_WORDS else default_in_words(field)
            wrong += [f"{path}.{key}: the default is {expected}, told is {default}"] * (default not in expected)
            wrong += [
                f"{path}.{key}: {value} is not told" for value in literals_in(field.annotation) if value not in allowed
            ]
            bounds = [
                getattr(rule, name)
                for rule in field.metadata
                for name in ("ge", "gt", "le", "lt")
                if hasattr(rule, name)
            ]
            far = [bound for bound in bounds if abs(bound) < 2**62 and not re.search(rf"\b{bound}\b", allowed)]
            wrong += [f"{path}.{key}: the bound {bound} is not told" for bound in far]
            wrong += [f"{path}.{key}: without a meaning"] * (not meaning)
    assert wrong == []
