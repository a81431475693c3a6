"""What was planted, written down beside the claims. No study reads it; tests and benchmarks do."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from counterpart.synthetic import layout, planted
from counterpart.synthetic.dirt import FATES, Tally
from counterpart.synthetic.settings import SynthSettings

SCORE_PARTS = ".scores"


def write_truth(settings: SynthSettings, folder: Path, counts: Counter[str], dirt: Tally) -> None:
    """truth/planted.json, truth/dirt.json and truth/scores.parquet; the parts of the scores are used up."""
    _write_json(folder / "truth" / "planted.json", planted_document(settings, counts))
    _write_json(folder / "truth" / "dirt.json", dirt_document(dirt))
    parts = sorted((folder / SCORE_PARTS).iterdir())
    with pq.ParquetWriter(folder / "truth" / "scores.parquet", layout.SCORES, store_schema=False) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))
    for part in parts:
        part.unlink()
    (folder / SCORE_PARTS).rmdir()


def planted_document(settings: SynthSettings, counts: Counter[str]) -> dict[str, Any]:
    """The planted ratios by outcome and horizon, the models, the settings that decide the content, and the counts."""
    return {
        "program": planted.PROGRAM,
        "rate_ratios": {
            planted.OUTCOME_NAMES[name]: {
                str(horizon): planted.rate_ratio_of(name, settings.rate_ratio) for horizon in planted.HORIZONS
            }
            for name in planted.OUTCOMES
        },
        "negative_controls": [planted.OUTCOME_NAMES[name] for name in planted.NEGATIVE_CONTROLS],
        "enrolment_model": {
            "intercept": planted.ENROLMENT_INTERCEPT,
            "coefficients": {name: coefficient for name, (coefficient, _) in planted.DRIVERS.items()},
            "centres": {name: centre for name, (_, centre) in planted.DRIVERS.items()},
        },
        "outcome_models": {
            planted.OUTCOME_NAMES[name]: {"per_90_days": model.per_90_days, **model.coefficients}
            for name, model in planted.OUTCOMES.items()
        },
        "settings": {
            "members": settings.members,
            "seed": settings.seed,
            "rate_ratio": settings.rate_ratio,
            "dirt": settings.dirt,
            "hidden_confounding": settings.hidden_confounding,
            "bystanders": settings.bystanders,
            "start": settings.start.isoformat(),
            "end": settings.end.isoformat(),
            "block_members": settings.block_members,
            "blocks_per_file": settings.blocks_per_file,
        },
        "counts": dict(sorted(counts.items())),
    }


def dirt_document(dirt: Tally) -> dict[str, dict[str, dict[str, Any]]]:
    """Dirty rows by table and kind, with what a correct cleaning makes of them."""
    document: dict[str, dict[str, dict[str, Any]]] = {}
    for (table, kind), n_rows in sorted(dirt.items()):
        fate, rule = FATES[kind]
        document.setdefault(table, {})[kind] = {"rows": n_rows, "fate": fate, "rule": rule}
    return document


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
