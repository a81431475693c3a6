"""An Airflow DAG: the claims are brought up to date, their quality page is written, every study is run on them.

It needs Airflow 3 with its standard provider. Nothing of counterpart's or Spark's has to be in Airflow's environment:
each task is a job by spark-submit. Link this file into the folder of DAGs; docs/schedules.md explains the variables.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, BaseOperator

# A link is followed to the checkout that it points to; a copy needs the variable. Other paths are relative to it.
HOME = Path(os.environ.get("COUNTERPART_HOME") or Path(__file__).resolve().parents[2])
SITE = os.environ.get("COUNTERPART_SITE", "conf/sites/local.yaml")
STUDIES = shlex.split(os.environ.get("COUNTERPART_STUDIES", "conf/studies/msk_imaging.yaml"))
SUBMIT = shlex.split(os.environ.get("COUNTERPART_SUBMIT") or shlex.quote(str(HOME / ".venv/bin/spark-submit")))
SCHEDULE = os.environ.get("COUNTERPART_SCHEDULE", "@daily") or None
SHARED = os.environ.get("COUNTERPART_TOLD") or None
AT_ONCE = int(os.environ.get("COUNTERPART_AT_ONCE", "1"))

# Wrong arguments, documents, code sets, tables, data and settings are the same at the next try.
FOR_PEOPLE = frozenset({2, *range(10, 15)})
# Of what a job tells, that by which other tasks find its results; the results themselves are in the ledger.
TOLD = ("study", "run_id", "mlflow", "paths", "result_keys", "table_versions", "delivery")
NOTHING_TOLD = (
    "it told nothing, so nobody knows what became of it; COUNTERPART_TOLD must name a folder that a driver elsewhere "
    "in the cluster shares with Airflow's workers"
)
# At a time-out; a task that somebody stops is given five by Airflow, and its driver then ends on its own.
SECONDS_TO_END = 60


class CounterpartJob(BaseOperator):
    """One job of counterpart's by spark-submit: what it says is the task's log, what it tells a scheduler its XCom.

    What only people can mend fails at once; all else is tried again, and stages that are done are not done again.
    """

    template_fields: Sequence[str] = ("arguments",)

    def __init__(self, *, job: str, arguments: Sequence[str], **others: Any) -> None:
        super().__init__(**others)
        self.job = job
        self.arguments = list(arguments)
        self.process = SubprocessHook()
        self.is_stopped = False

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the job to its end."""
        if self.is_stopped:
            raise AirflowException(f"{self.job} was stopped before it started")
        with TemporaryDirectory(dir=SHARED) as folder:
            file = Path(folder, "told.json")
            command = [*SUBMIT, str(HOME / "jobs" / f"{self.job}.py"), *self.arguments, "--json", str(file)]
            exit_code = self.process.run_command(command, cwd=str(HOME)).exit_code
            told = json.loads(file.read_text()) if file.is_file() else {}
        # Of a driver in the cluster, spark-submit may end with 0 whatever became of it.
        if exit_code or told.get("status") != "done":
            raise self._failure(exit_code, told)
        return {name: told[name] for name in TOLD if name in told}

    def _failure(self, exit_code: int, told: dict[str, Any]) -> AirflowException:
        is_silent = not (exit_code or told)
        why = NOTHING_TOLD if is_silent else told.get("error", {}).get("message", "its log says why")
        is_for_people = is_silent or (exit_code or told.get("exit_code")) in FOR_PEOPLE
        failure = AirflowFailException if is_for_people else AirflowException
        return failure(f"{self.job} ended with exit code {exit_code}: {why}")

    def on_kill(self) -> None:
        """End the job: spark-submit goes at once, the driver behind it has time to tell the ledger."""
        self.is_stopped = True
        leader = self.process.sub_process
        if leader is None:
            return
        with suppress(ProcessLookupError):  # raised when nobody is left of the group that it leads
            os.killpg(leader.pid, signal.SIGTERM)
            for _ in range(SECONDS_TO_END):
                leader.poll()
                os.killpg(leader.pid, 0)
                time.sleep(1)
            os.killpg(leader.pid, signal.SIGKILL)


with DAG(
    dag_id="counterpart",
    description="Claims, their quality page, and every study on them",
    doc_md=__doc__,
    schedule=SCHEDULE,
    start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
    # A run takes what lies in the source now: runs missed have nothing to catch up on, and two would be one too many.
    catchup=False,
    max_active_runs=1,
    max_active_tasks=AT_ONCE,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True},
    tags=["counterpart"],
) as dag:
    # The day on which the run began, so that a try after midnight judges the rows as the first one did.
    received = ["--received-on", "{{ dag_run.start_date | ds }}"]
    ingest = CounterpartJob(task_id="ingest", job="ingest", arguments=["--site", SITE, *received])
    profile = CounterpartJob(task_id="profile", job="profile_site", arguments=["--site", SITE])
    studies = [
        CounterpartJob(
            task_id=Path(study).stem, job="run_study", arguments=["--study", study, "--site", SITE, "--no-ingest"]
        )
        for study in STUDIES
    ]
    ingest >> [profile, *studies]
