"""What the table `results` says: which stages and ingests are finished, from what, and what they made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

# An ingest that is finished, and one that is about to change tables, which is no finished stage.
INGESTED, BEGUN = "ingest", "ingest_begun"


@dataclass(frozen=True)
class StageResult:
    """A finished stage: its content key, the key or version of everything it read, and small metrics."""

    stage: str
    study: str
    result_key: str
    inputs: Mapping[str, Any]
    metrics: Mapping[str, Any]
    finished_at: datetime


def row_of(result: StageResult) -> dict[str, Any]:
    """The row of a stage, but for the protocol and the code that made it."""
    return {
        "stage": result.stage,
        "study": result.study,
        "result_key": result.result_key,
        "inputs_json": json.dumps(dict(result.inputs), sort_keys=True),
        "metrics_json": json.dumps(dict(result.metrics), sort_keys=True),
        "finished_at": result.finished_at,
    }


def result_of(row: Any) -> StageResult:
    """A row back again; `finished_at` in microseconds since 1970."""
    return StageResult(
        row["stage"],
        row["study"],
        row["result_key"],
        json.loads(row["inputs_json"]),
        json.loads(row["metrics_json"]),
        datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=row["finished_at"]),
    )
