"""Small studies for tests: a valid document with what a test wants to say changed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from counterpart.protocol import Study

BASE: dict[str, Any] = {
    "name": "small",
    "title": "A small study",
    "question": "Does it?",
    "seed": 7,
    "data": {"start": "2018-01-01", "end": "2020-12-31"},
    "cohort": {
        "index_start": "2020-01-01",
        "index_end": "2020-06-30",
        "treated": {"label": "Program", "index": {"program": "digital"}},
        "comparator": {"label": "Therapy", "index": {"event": "therapy"}},
        "age": {"min": 18, "max": 80, "bands": [18, 45, 65]},
        "enrollment": {"lookback_days": 365, "allowed_gap_days": 30},
        "history": [{"name": "back_pain_history", "event": "back_pain", "min_days": 2, "min_span_days": 90}],
        "exclusions": [{"name": "red_flag_cancer", "event": "cancer", "window": [-30, 0]}],
    },
    "covariates": {
        "charlson": False,
        "events": [
            {"event": "imaging", "kind": "flag"},
            {"event": "imaging", "kind": "count", "window": [-90, -1]},
            {"event": "imaging", "kind": "cents"},
        ],
    },
    "outcomes": {
        "outcomes": [
            {
                "name": "imaging",
                "label": "Imaging",
                "role": "primary",
                "events": ["imaging", "mri"],
                "horizons": [30, 90],
            },
            {"name": "later", "label": "Late imaging", "events": ["imaging"], "horizons": [90], "start_day": 15},
        ]
    },
}


def small_study(**changes: Any) -> Study:
    """The base study with sections replaced; `cohort={"age": {...}}` changes that key of the section only."""
    document = deepcopy(BASE)
    for section, content in changes.items():
        if isinstance(content, dict) and isinstance(document.get(section), dict):
            document[section] |= content
        else:
            document[section] = content
    return Study.model_validate(document)


def changed(base: dict[str, Any], *changes: tuple[str, Any]) -> dict[str, Any]:
    """The document with values put at dotted paths; `...` takes the key away."""
    document = deepcopy(base)
    for dotted, value in changes:
        *path, last = [int(part) if part.isdigit() else part for part in dotted.split(".")]
        section: Any = document
        for part in path:
            section = section[part] if isinstance(section, list) else section.setdefault(part, {})
        if value is ...:
            del section[last]
        else:
            section[last] = value
    return document
