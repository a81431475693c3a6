"""Running a study: content keys first, then each stage unless its key is finished, then release, report and ledger."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from counterpart.errors import DataError
from counterpart.events import plan_events
from counterpart.ledger import Ledger
from counterpart.protocol import content_hash
from counterpart.records import StageResult
from counterpart.stages.context import Context
from counterpart.stages.software import describe_software
from counterpart.stages.study import STAGES, Stage, stage_inputs
from counterpart.stages.vocabulary import fill_descendants
from counterpart.stages.whole import whole_tables
from counterpart.staging import require_writable
from counterpart.tables import CLAIMS_TABLES


@dataclass
class StageRun:
    """How one stage went in this run."""

    stage: str
    result_key: str
    is_reused: bool
    seconds: float
    run_id: str
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def as_told(self) -> dict[str, Any]:
        """What a scheduler may know."""
        return {
            "key": self.result_key,
            "reused": self.is_reused,
            "seconds": round(self.seconds, 3),
            "run_id": self.run_id,
            "warnings": list(self.metrics.get("warnings", ())),
        }


def prepare(context: Context) -> None:
    """Take the commits of the claims tables once, and derive every stage's content key from them."""
    context.commits = whole_tables(context.store, CLAIMS_TABLES, context.progress)
    study = context.study
    plans = [plan_events(study, context.library, stage.events(study)) for stage in STAGES.values()]
    context.library = fill_descendants(
        context.library, [name for plan in plans for name in plan.code_sets], context.store
    )
    keys: dict[str, str] = {}
    context.keys = keys
    for stage in STAGES.values():
        inputs = stage_inputs(stage, context)
        keys[stage.name] = content_hash({"stage": stage.name, "code": stage.code_version, "inputs": inputs})


def run_stages(context: Context, ledger: Ledger, parent: str, names: Sequence[str]) -> list[StageRun]:
    """Compute or reuse the named stages, in order. DataError if a stage's predecessor has not been run."""
    finished = context.finished = context.store.finished(set(context.keys.values()))
    if any(context.keys[name] not in finished for name in names):
        require_writable(context.spark, context.store.warehouse)
    runs = []
    for name in names:
        stage = STAGES[name]
        missing = [before for before in stage.after if context.keys[before] not in finished]
        if missing:
            raise DataError(
                f"stage {name} needs {', '.join(missing)}, not run yet for this study, these claims and this code; "
                f"run `counterpart {missing[0]}` first, or `counterpart run` for all"
            )
        runs.append(_run_stage(context, ledger, parent, stage, finished))
    return runs


def _run_stage(
    context: Context, ledger: Ledger, parent: str, stage: Stage, finished: dict[str, StageResult]
) -> StageRun:
    key = context.keys[stage.name]
    started = time.monotonic()
    tags = {"counterpart.result_key": key, "counterpart.code_version": stage.code_version}
    with ledger.stage_run(parent, stage.name, tags) as run_id:
        is_reused = key in finished
        if is_reused:
            context.progress.note(f"{stage.name}: reused, nothing it depends on has changed (key {key})")
        else:
            with context.progress.stage(stage.name):
                metrics = stage.compute(context) | {"versions": describe_software(context.spark)}
                context.store.hold_to_keys(stage.makes, key)
                finished[key] = _record(context, stage, metrics)
            for warning in metrics.get("warnings", ()):
                context.progress.note(f"{stage.name}: {warning}")
        seconds = time.monotonic() - started
        _log_stage(context, ledger, run_id, stage, is_reused, seconds)
    return StageRun(stage.name, key, is_reused, seconds, run_id, finished[key].metrics)


def _record(context: Context, stage: Stage, metrics: Mapping[str, Any]) -> StageResult:
    inputs = stage_inputs(stage, context)
    result = StageResult(
        stage.name,
        context.study.name,
        context.keys[stage.name],
        inputs,
        metrics,
        datetime.now(timezone.utc).replace(microsecond=0),
    )
    context.store.record(result, content_hash(context.study), stage.code_version)
    return result


def _log_stage(context: Context, ledger: Ledger, run_id: str, stage: Stage, is_reused: bool, seconds: float) -> None:
    inputs = {table.name: (context.store.path(table), context.versions[table.name]) for table in stage.claims}
    ledger.log_inputs(run_id, inputs)
    ledger.log_params(run_id, {"reused": is_reused, **stage_inputs(stage, context)})
    ledger.log_metrics(run_id, {"seconds": seconds})
