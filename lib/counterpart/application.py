"""One command at work: documents, session, store and ledger opened in order; what a scheduler is told at the end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from counterpart.codes import CodeLibrary
from counterpart.disclosure import release_explanation, release_intake
from counterpart.errors import DataError
from counterpart.ledger import Ledger, how_to_look, public_address
from counterpart.progress import TerminalProgress, say
from counterpart.protocol import Site, Study, code_set_folders, content_hash, load_site, load_study
from counterpart.report import summarise, summarise_attrition
from counterpart.report.quality.summary import summarise_quality
from counterpart.session import open_session
from counterpart.stages import (
    STAGES,
    Context,
    Published,
    StageRun,
    explain_source,
    ingest,
    make_reports_folder,
    prepare,
    profile_site,
    publish,
    require_codes,
    run_stages,
    tell_empty_arm,
)
from counterpart.store import Store

if TYPE_CHECKING:
    from types import TracebackType


class Application:
    """A site, and for most commands a study on it. A context manager: a session it started is stopped."""

    def __init__(self, site: Path, study: Path | None) -> None:
        self.site: Site = load_site(site)
        self.study: Study | None = load_study(study) if study else None
        self.library = CodeLibrary.load(code_set_folders(study) if study else [])
        if self.study:
            require_codes(self.study, self.library)
        self.progress = TerminalProgress()
        self._open = ExitStack()
        self._opened: Ledger | None = None

    def __enter__(self) -> Self:
        self.progress.note(f"site {self.site.name}" + (f", study {self.study.name}" if self.study else ""))
        self.spark = self._open.enter_context(open_session(self.site.spark))
        self.progress.watch(self.spark)
        self.store = Store(self.spark, self.site.warehouse, self.site.upkeep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def ingest(self, received_on: date | None) -> dict[str, Any]:
        """Bring the claims tables up to date; print what became of every source row."""
        received = received_on or datetime.now(timezone.utc).date()
        done = ingest(self.store, self.site, self.progress, received)
        released = release_intake(done.intake, done.rosters)
        for line in released["lines"]:
            say(line)
        told = {"key": done.delivery, "reused": done.is_reused, "source_versions": dict(done.versions)}
        return {"delivery": told, "intake": released["rows"]}

    def explain_source(self) -> dict[str, Any]:
        """Say how the layout reads the site's files, and what a study, if given, asks for and the claims lack."""
        explanation = explain_source(self.store, self.site, self.progress, self.study, self.library)
        released = release_explanation(explanation)
        for line in released.pop("lines"):
            say(line)
        return {"explanation": released}

    def profile(self) -> dict[str, Any]:
        """Write the data-quality page of the claims tables; print what stands out."""
        profile = profile_site(self.store, self.site, self.progress)
        say(summarise_quality(profile.document))
        say(f"Profile: {profile.page}")
        return {"profile": profile.document, "paths": {"page": str(profile.page), "results": str(profile.results)}}

    def run_stages(self, names: Sequence[str]) -> dict[str, Any]:
        """Run single stages of the study, each after those it needs."""
        context, ledger = self._context(), self._ledger()
        with ledger.study_run(f"{context.study.name}: {', '.join(names)}", self._tags()) as run_id:
            runs = self._run(context, ledger, run_id, names)
        told = self._told(context, run_id) | {"stages": {run.stage: run.as_told() for run in runs}}
        return told | (self._tell_empty_arm(context) if "cohort" in names else {})

    def run_study(self) -> dict[str, Any]:
        """All stages and the report, as one parent run."""
        self.require_places()
        context, ledger = self._context(), self._ledger()
        with ledger.study_run(context.study.name, self._tags()) as run_id:
            ledger.log_params(run_id, {"protocol": context.study.model_dump(mode="json"), "seed": context.study.seed})
            runs = self._run(context, ledger, run_id, list(STAGES))
            published = publish(context, ledger, run_id, runs, self.site)
        return self._present(context, run_id, published) | {"stages": {run.stage: run.as_told() for run in runs}}

    def require_places(self) -> None:
        """EnvironmentProblem if the report cannot be written or MLflow not be used: said before hours of work."""
        make_reports_folder(self.site)
        self._ledger()

    def publish_finished(self) -> dict[str, Any]:
        """The report of a study whose stages are all finished."""
        context, ledger = self._context(), self._ledger()
        with ledger.study_run(f"{context.study.name}: report", self._tags()) as run_id:
            published = publish(context, ledger, run_id, [], self.site)
        return self._present(context, run_id, published)

    def _run(self, context: Context, ledger: Ledger, run_id: str, names: Sequence[str]) -> list[StageRun]:
        try:
            return run_stages(context, ledger, run_id, names)
        except DataError as problem:
            problem.told |= self._tell_empty_arm(context)
            raise

    def _tell_empty_arm(self, context: Context) -> dict[str, Any]:
        """Say who was excluded where nobody is left of an arm: no report will."""
        told = tell_empty_arm(context)
        if told:
            say(summarise_attrition(told["attrition"], context.study.model_dump(mode="json")))
        return told

    def _context(self) -> Context:
        if self.study is None:
            raise ValueError("this command was opened without a study")
        context = Context(self.spark, self.site, self.study, self.library, self.store, self.progress)
        prepare(context)
        return context

    def _ledger(self) -> Ledger:
        if self._opened is None:
            name = self.study.name if self.study else "counterpart"
            self._opened = Ledger(self.site.tracking_uri(), self.site.mlflow_experiment or name)
        return self._opened

    def _tags(self) -> dict[str, str]:
        study = self.study
        return {"counterpart.study": study.name, "counterpart.protocol_hash": content_hash(study)} if study else {}

    def _told(self, context: Context, run_id: str) -> dict[str, Any]:
        return {
            "study": context.study.name,
            "protocol_hash": content_hash(context.study),
            "run_id": run_id,
            "mlflow": public_address(self.site.tracking_uri()),
            "table_versions": dict(context.versions),
            "result_keys": dict(context.keys),
        }

    def _present(self, context: Context, run_id: str, published: Published) -> dict[str, Any]:
        say(summarise(published.document))
        say(f"Report:  {published.report}")
        say(f"MLflow:  {how_to_look(self.site.tracking_uri())}   (run {run_id})")
        paths = {"report": str(published.report), "results": str(published.results)}
        return self._told(context, run_id) | {"results": published.document, "paths": paths}
