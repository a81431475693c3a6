"""The way out: small result tables are gathered, released through disclosure, and only then reported and logged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pyspark.sql import functions as F

from counterpart.disclosure import StudyResults, release, release_empty_cohort
from counterpart.errors import DataError
from counterpart.ledger import Ledger
from counterpart.protocol import Site, content_hash
from counterpart.records import StageResult
from counterpart.report import render_report, save_plots
from counterpart.scores.document import example_input, model_from_document
from counterpart.stages.context import Context
from counterpart.stages.origins import find_origins
from counterpart.stages.reports import make_reports_folder
from counterpart.stages.run import StageRun
from counterpart.stages.shared_codes import find_shared_codes
from counterpart.stages.software import describe_software
from counterpart.stages.study import STAGES
from counterpart.stages.whole import whole_deliveries
from counterpart.tables import (
    ARMS,
    ATTRITION,
    BALANCE,
    COVARIATE_DICTIONARY,
    EFFECTS,
    EVENT_TIME,
    INTAKE,
    SCORE_HISTOGRAM,
    Table,
)

if TYPE_CHECKING:
    import pandas as pd


_NO_MODEL = (
    "The propensity model is not logged: of so few terms its intercept would tell the size of an arm, which is "
    "withheld because it, or what it leaves of another count, is from 1 to 10.\n"
)
# Of so many, the equations that the coefficients solve ask how many have each of the terms together with the others,
# which nobody is told; of one or two flags they can be solved for the size of an arm.
_TERMS_THAT_HIDE_A_SIZE = 5


@dataclass(frozen=True)
class Published:
    """What left the site: the released document, and where it lies as report and as JSON."""

    document: dict[str, Any]
    report: Path
    results: Path


def publish(context: Context, ledger: Ledger, run_id: str, runs: Sequence[StageRun], site: Site) -> Published:
    """Release the results of a finished study, write the report, log everything to the study's run."""
    finished = context.finished or context.store.finished(set(context.keys.values()))
    missing = [name for name in STAGES if context.keys[name] not in finished]
    if missing:
        raise DataError(f"the study is not finished: {', '.join(missing)} not run yet; use `counterpart run`")
    with context.progress.stage("report"):
        score = finished[context.keys["score"]].metrics
        document = release(_gather(context, finished, run_id), context.study, find_shared_codes(context))
        folder = make_reports_folder(site, context.study.name, context.keys["estimate"])
        report = render_report(document, folder / "report.html")
        results = folder / "results.json"
        results.write_text(json.dumps(document, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")
        _log(context, ledger, run_id, document)
        ledger.log_files(run_id, [report, results], "report")
        ledger.log_files(run_id, save_plots(document, folder / "plots"), "plots")
        _log_model(ledger, run_id, runs, score, document["score"])
    return Published(document, report, results)


def tell_empty_arm(context: Context) -> dict[str, Any]:
    """Where an arm of the finished cohort is empty: released attrition, and what the stage warned of. Else nothing.

    Such a study has no report that could say so. Of any other the report has the attrition, with the pairs in it.
    """
    key = context.keys["cohort"]
    cohort = context.store.finished({key}).get(key)
    if cohort is None or all(cohort.metrics[f"n_eligible_{arm}"] for arm in ARMS):
        return {}
    attrition = context.store.collect_result(ATTRITION, key).to_pandas()
    return {"attrition": release_empty_cohort(attrition), "warnings": list(cohort.metrics["warnings"])}


def _gather(context: Context, finished: Mapping[str, StageResult], run_id: str) -> StudyResults:
    """The small tables, whole: criteria x arms, covariates x phases, outcomes x horizons x phases, weeks, bins."""

    def collect(stage: str, table: Table) -> pd.DataFrame:
        return context.store.collect_result(table, context.keys[stage]).to_pandas()

    score = finished[context.keys["score"]].metrics
    return StudyResults(
        attrition=collect("cohort", ATTRITION),
        matching=finished[context.keys["match"]].metrics,
        dictionary=collect("covariates", COVARIATE_DICTIONARY),
        balance=collect("estimate", BALANCE),
        score_histogram=collect("estimate", SCORE_HISTOGRAM),
        effects=collect("estimate", EFFECTS),
        event_time=collect("estimate", EVENT_TIME),
        intake=_intake(context),
        score={**score["model"]["diagnostics"], "warnings": score["warnings"]},
        run=_describe_run(context, finished, run_id),
    )


def _intake(context: Context) -> pd.DataFrame:
    """Fates of the source rows of all deliveries together, each whole in the tables: a few dozen rows."""
    if not context.store.exists(INTAKE):
        return context.spark.createDataFrame([], INTAKE.ddl).toPandas()
    is_whole = F.col("delivery").isin(*whole_deliveries(context.store))
    rows = (
        context.store.read(INTAKE)
        .filter(is_whole)
        .groupBy("source", "fate", "rule")
        .agg(F.sum("n_rows").alias("n_rows"))
    )
    return (
        rows.withColumn("delivery", F.lit("all")).select(*INTAKE.columns).orderBy("source", "fate", "rule").toPandas()
    )


def _describe_run(context: Context, finished: Mapping[str, StageResult], run_id: str) -> dict[str, Any]:
    versions = describe_software(context.spark)
    return {
        "run_id": run_id,
        "versions": versions,
        "code_version": {name: stage.code_version for name, stage in STAGES.items()},
        "protocol_hash": content_hash(context.study),
        "table_versions": dict(context.versions),
        "seen_with": find_origins(context.study, context.library),
        "stages": {
            name: {
                "key": key,
                "finished_at": finished[key].finished_at.isoformat(),
                "warnings": list(finished[key].metrics.get("warnings", ())),
                # Of a stage that was reused from a run with other versions: those.
                "other_versions": dict(
                    set(finished[key].metrics.get("versions", versions).items()) - set(versions.items())
                ),
            }
            for name, key in context.keys.items()
        },
    }


def _log(context: Context, ledger: Ledger, run_id: str, document: dict[str, Any]) -> None:
    tables = {name: (f"{context.store.warehouse}/{name}", version) for name, version in context.versions.items()}
    ledger.log_inputs(run_id, tables)
    ledger.log_metrics(run_id, _metrics(document))
    ledger.log_text(run_id, yaml.safe_dump(context.study.model_dump(mode="json"), sort_keys=False), "protocol.yaml")
    for name in ("attrition", "effects", "balance", "event_time"):
        ledger.log_document(run_id, document[name], f"tables/{name}.json")


def _metrics(document: Mapping[str, Any]) -> dict[str, float | None]:
    """Released numbers worth comparing between runs."""
    metrics: dict[str, float | None] = {
        "n_pairs": document["matching"].get("n_pairs"),
        "largest_smd_before": document["largest_smd"].get("before"),
        "largest_smd_after": document["largest_smd"].get("after"),
    }
    for effect in document["effects"]:
        name = f"{effect['outcome']}.{effect['horizon']}.{effect['phase']}"
        for measure in ("rate_ratio", "rate_ratio_lower", "rate_ratio_upper", "rate_difference"):
            value = effect.get(measure)
            metrics[f"{name}.{measure}"] = value if isinstance(value, int | float) else None
    return metrics


def _log_model(
    ledger: Ledger, run_id: str, runs: Sequence[StageRun], score: Mapping[str, Any], released: Mapping[str, Any]
) -> None:
    """The propensity model goes to the score stage's run, or to the report's where that stage did not run now.

    Its intercept is the logarithm of one arm's size over the other's and what the covariates take from it. So where a
    size is withheld and the terms are few, a note is logged in its place. The study itself reads its own store.
    """
    target = next((run.run_id for run in runs if run.stage == "score"), run_id)
    model = model_from_document(score["model"])
    is_withheld = None in (released["n_treated"], released["n_comparators"])
    if is_withheld and len(model.terms) < _TERMS_THAT_HIDE_A_SIZE:
        ledger.log_text(target, _NO_MODEL, "propensity_model.txt")
        return
    ledger.log_score_model(target, model.to_sklearn(), example_input(model))
