"""The command line: arguments, session, user errors, exit codes.

Exit codes: 0 done; 1 an unexpected failure; 2 wrong arguments; 10 study or site document; 11 code set;
12 table contract; 13 data; 14 settings; 15 environment; 16 another run came between; 130 interrupted.

The file of --json says `running` until the command ends, then `done` or `failed`.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpart import __version__
from counterpart.errors import EnvironmentProblem, ProtocolError, SettingsError, StudyError
from counterpart.made_up_options import SAY_DEFAULT, a_day, add_story_options, add_synth_options
from counterpart.match_table.command import add_match_table
from counterpart.progress import TerminalProgress, say

if TYPE_CHECKING:
    from counterpart.application import Application

STAGE_NAMES = ("cohort", "covariates", "score", "match", "outcomes", "estimate")
_JSON_HELP = "write state and results for a scheduler (JSON)"
DEBUG = "COUNTERPART_DEBUG"
_FAILURE_EXIT_CODE = 1
_INTERRUPTED_EXIT_CODE = 130
_SPARK = ("pyspark", "py4j", "delta")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. User errors print one message, nothing prints a row or an id."""
    _quieten_libraries()
    chosen = _parser().parse_args(arguments)
    about: dict[str, Any] = {"command": chosen.command, "version": __version__}
    told: Path | None = getattr(chosen, "json", None)
    try:
        _refuse_addresses(chosen)
        # Before hours of work: can it be written at all? And a run that is killed leaves no older success behind.
        _write_json(told, about | {"status": "running"})
    except (EnvironmentProblem, SettingsError) as problem:
        return int(_failed(problem)["exit_code"])
    with _ended_by_signal() as ending:
        outcome = _carry_out(chosen, ending)
        ending.is_at_work = False
        try:
            _write_json(told, about | outcome)
        except EnvironmentProblem as problem:
            return int(outcome["exit_code"] or _failed(problem)["exit_code"])
    return int(outcome["exit_code"])


def run_job(command: str, *options: str) -> None:
    """One command with the arguments of this process, as a script: SystemExit with its exit code for a failure.

    A script that ends well raises nothing: a platform that runs it in its own Python may take any SystemExit for one.
    """
    exit_code = main([command, *options, *sys.argv[1:]])
    if exit_code:
        raise SystemExit(exit_code)


@dataclass
class _Ending:
    """Did somebody ask the command to end, and is there still work that can be ended?"""

    is_asked: bool = False
    is_at_work: bool = True


@contextmanager
def _ended_by_signal() -> Iterator[_Ending]:
    """SIGTERM, with which schedulers end a task, as Ctrl-C. Once: it then waits for what is cleaned up and told."""
    ending = _Ending()

    def interrupt(number: int, frame: object) -> None:
        if ending.is_at_work and not ending.is_asked:
            ending.is_asked = True
            raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: signals are somebody else's
        yield ending
        return
    try:
        yield ending
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _quieten_libraries() -> None:
    """What went wrong is told in a word, and by us: no warnings, and none of the tracebacks that py4j logs."""
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_is_not_of_py4j)


def _is_not_of_py4j(record: logging.LogRecord) -> bool:
    """Some of py4j logs under no name of its own."""
    return Path(record.pathname).parent.name != "py4j"


def _carry_out(chosen: argparse.Namespace, ending: _Ending) -> dict[str, Any]:
    """What became of the command. Whatever it raises ends here, told in one message."""
    command: Callable[[argparse.Namespace], dict[str, Any]] = chosen.run
    try:
        return {"status": "done", "exit_code": 0, **command(chosen)}
    except (Exception, KeyboardInterrupt) as problem:
        # Ended with Java gone first, what cleans up fails in its own way.
        if isinstance(problem, KeyboardInterrupt) or ending.is_asked:
            return _say_failed("interrupted", "KeyboardInterrupt", _INTERRUPTED_EXIT_CODE)
        return _failed(problem) if isinstance(problem, StudyError) else _unforeseen(problem)


def _failed(problem: StudyError) -> dict[str, Any]:
    return problem.told | _say_failed(str(problem), type(problem).__name__, problem.exit_code)


def _unforeseen(problem: Exception) -> dict[str, Any]:
    missing = (problem.name or "").partition(".")[0] if isinstance(problem, ModuleNotFoundError) else ""
    if missing in _SPARK:
        return _failed(
            EnvironmentProblem(
                f"{missing} is not installed here: pip install 'counterpart[local]', or run on a platform with Spark"
            )
        )
    from counterpart.disclosure.text import safe_text

    if os.environ.get(DEBUG):
        traceback.print_exc()
    kind = type(problem).__name__
    return _say_failed(
        f"an unexpected failure, a bug in counterpart: {kind}: {safe_text(str(problem))}\n"
        f"(set {DEBUG}=1 for the traceback; it may quote rows)",
        kind,
        _FAILURE_EXIT_CODE,
    )


def _say_failed(message: str, kind: str, exit_code: int) -> dict[str, Any]:
    # Under spark-submit the JVM passes on what is said, and a signal to both may have ended it first.
    with suppress(OSError):
        print(f"counterpart: {message}", file=sys.stderr, flush=True)
    return {"status": "failed", "error": {"kind": kind, "message": message}, "exit_code": exit_code}


def _refuse_addresses(chosen: argparse.Namespace) -> None:
    """SettingsError for an address where only a folder or file of this machine is written: it would become one."""
    from counterpart.protocol.site import is_address

    for name in ("json", "folder", "out"):
        place = getattr(chosen, name, None)
        if isinstance(place, Path) and is_address(str(place)):
            raise SettingsError(f"--{name} is {place}, an address; it must be a place of this machine")


def _write_json(path: Path | None, document: dict[str, Any]) -> None:
    """The whole document or the one before, never half of it. EnvironmentProblem if it cannot be written."""
    if path is None:
        return
    text = json.dumps(_plain(document), indent=2, sort_keys=True, allow_nan=False) + "\n"
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe, or /dev/stdout: nothing to replace
            path.write_text(text, encoding="utf-8")
            return
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as problem:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise EnvironmentProblem(f"--json {path} cannot be written: {problem.strerror}") from None


def _plain(value: Any) -> Any:
    """The value as JSON has it: no NumPy numbers, and null for what is not a number."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="counterpart",
        description="Matched-cohort studies on insurance claims.",
        epilog=__doc__.split("\n\n", 1)[1],
    )
    parser.add_argument("--version", action="version", version=f"counterpart {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = _study_command(commands, "run", "ingest, every stage of a study, and the report", _run)
    run.add_argument("--no-ingest", action="store_true", help="take the claims tables as they are")
    ingest = _study_command(
        commands, "ingest", "bring the claims tables up to date with the site's source", _ingest, needs_study=False
    )
    ingest.add_argument(
        "--explain",
        action="store_true",
        help="write nothing: say which source column feeds which of ours, and with --study what the study misses",
    )
    _study_command(commands, "profile", "a data-quality page of the site's claims tables", _profile, needs_study=False)
    for name in STAGE_NAMES:
        _study_command(commands, name, f"the stage {name} of a study", _one_stage)
    _add_check(commands)
    _study_command(commands, "report", "release the results of a study and write its report", _report)
    add_match_table(commands)
    _add_synth(commands)
    _add_demo(commands)
    return parser


def _study_command(
    commands: Any, name: str, about: str, run: Callable[..., Any], needs_study: bool = True
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    command.set_defaults(run=run)
    if needs_study:
        command.add_argument("--study", type=Path, required=True, help="the study document (YAML)")
    else:
        command.add_argument(
            "--study",
            type=Path,
            help="read by ingest --explain only; accepted so that all jobs take the same arguments",
        )
    command.add_argument("--site", type=Path, required=True, help="the site document (YAML)")
    command.add_argument("--json", type=Path, metavar="FILE", help=_JSON_HELP)
    command.add_argument(
        "--received-on",
        type=a_day,
        default=None,
        help="date of the delivery (ingest, run): service dates after it are impossible",
    )
    return command


def _add_check(commands: Any) -> None:
    about = "read study, site, mapping and code sets, say what they hold or what is wrong; starts no Spark"
    check = commands.add_parser("check", help=about, description=about)
    check.set_defaults(run=_check)
    check.add_argument("--study", type=Path, required=True, help="the study document (YAML)")
    check.add_argument("--site", type=Path, help="the site document (YAML)")
    check.add_argument("--json", type=Path, metavar="FILE", help=_JSON_HELP)


def _add_synth(commands: Any) -> None:
    synth = commands.add_parser("synth", help="write made-up claims with a planted effect")
    synth.set_defaults(run=_synth)
    add_synth_options(synth)
    synth.add_argument("--json", type=Path, metavar="FILE", help=_JSON_HELP)


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser("demo", help="made-up claims, the whole study, and what was planted")
    demo.set_defaults(run=_demo)
    add_story_options(demo)
    demo.add_argument(
        "--folder", type=Path, default=Path("demo"), help=f"where claims, tables, reports and MLflow go{SAY_DEFAULT}"
    )
    demo.add_argument("--json", type=Path, metavar="FILE", help=_JSON_HELP)


# The commands. Spark, MLflow and the stages are imported when a command needs them: `--help` and a wrong argument
# answer at once.


def _synth(chosen: argparse.Namespace) -> dict[str, Any]:
    from counterpart.synthetic import SynthSettings, synthesise

    settings = SynthSettings(
        members=chosen.members,
        seed=chosen.seed,
        rate_ratio=chosen.rate_ratio,
        dirt=chosen.dirt,
        hidden_confounding=chosen.hidden_confounding,
        bystanders=chosen.bystanders,
        start=chosen.start,
        end=chosen.end,
        workers=chosen.workers,
    )
    progress = TerminalProgress()
    with progress.stage("synth"):
        report = synthesise(settings, chosen.out, progress.steps("synth: blocks of members"))
    say(f"{report.lines:,} claim lines of {report.members:,} made-up members in {report.out}")
    return {"out": str(chosen.out)}


def _require_documents(site: Path | None, study: Path | None) -> None:
    """ProtocolError with what is wrong in either, before Spark is even imported."""
    from counterpart.protocol import load_mapping, load_site, load_study

    def load_source(path: Path) -> None:
        source = load_site(path).source
        if source is not None and source.mapping is not None:
            load_mapping(Path(source.mapping))

    problems = []
    for load, path in ((load_source, site), (load_study, study)):
        try:
            if path is not None:
                load(path)
        except ProtocolError as problem:
            problems.append(str(problem))
    if problems:
        raise ProtocolError("\n".join(problems))


def _open(site: Path, study: Path | None) -> Application:
    """The documents first: what is wrong in them is told together."""
    _require_documents(site, study)
    from counterpart.application import Application

    return Application(site, study)


def _check(chosen: argparse.Namespace) -> dict[str, Any]:
    _require_documents(chosen.site, chosen.study)
    from counterpart.check import check_documents

    told = check_documents(chosen.study, chosen.site)
    for line in told.pop("lines"):
        say(line)
    return told


def _ingest(chosen: argparse.Namespace) -> dict[str, Any]:
    if chosen.explain:
        with _open(chosen.site, chosen.study) as application:
            return application.explain_source()
    with _open(chosen.site, None) as application:
        return application.ingest(chosen.received_on)


def _profile(chosen: argparse.Namespace) -> dict[str, Any]:
    with _open(chosen.site, None) as application:
        return application.profile()


def _one_stage(chosen: argparse.Namespace) -> dict[str, Any]:
    with _open(chosen.site, chosen.study) as application:
        return application.run_stages([chosen.command])


def _report(chosen: argparse.Namespace) -> dict[str, Any]:
    with _open(chosen.site, chosen.study) as application:
        return application.publish_finished()


def _run(chosen: argparse.Namespace) -> dict[str, Any]:
    with _open(chosen.site, chosen.study) as application:
        application.require_places()
        ingested = {} if chosen.no_ingest else application.ingest(chosen.received_on)
        return {**ingested, **application.run_study()}


def _demo(chosen: argparse.Namespace) -> dict[str, Any]:
    from counterpart.demo import run_demo

    return run_demo(chosen.folder, chosen.members, chosen.seed, chosen.rate_ratio, chosen.dirt)


if __name__ == "__main__":
    raise SystemExit(main())
