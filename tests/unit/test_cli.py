"""The command line: true exit codes, messages without tracebacks or rows, help, and jobs that are one command each."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from counterpart import __version__, cli, errors
from counterpart.errors import StudyError

COMMANDS = (
    "run",
    "ingest",
    "profile",
    "cohort",
    "covariates",
    "score",
    "match",
    "outcomes",
    "estimate",
    "check",
    "report",
    "match-table",
    "synth",
    "demo",
)

CANARY = "member 'P0031415' of SMITH,JOHN,F was seen on 2020-03-14 at 7 visits (id=P0031415) jo@example.org"
HEAVY = ("pyspark", "mlflow", "pandas", "sklearn", "numpy")

pytestmark = pytest.mark.usefixtures("own_logging")

KINDS = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StudyError)} - {
    StudyError
}


def call(*arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "counterpart", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | env,
        timeout=60,
        check=False,
    )


# Exit codes.
def documented() -> dict[int, str]:
    """Exit codes as the help text tells them."""
    words = " ".join((cli.__doc__ or "").split("Exit codes:")[1].split("\n\n")[0].split())
    return {int(code): what for code, what in re.findall(r"(\d+) ([^;.]+)", words)}


def test_exit_codes_are_documented_and_distinct() -> None:
    codes = [kind.exit_code for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert set(documented()) == {0, 1, 2, *codes, 130}
    assert {10: "study or site document", 13: "data", 15: "environment"}.items() <= documented().items()
    told = call("--help")
    assert told.returncode == 0
    for code, what in documented().items():
        assert f"{code} {what}" in " ".join(told.stdout.split())


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.exit_code))
def test_user_errors(run_raising: Any, capsys: pytest.CaptureFixture[str], kind: type[StudyError]) -> None:
    """One message, as it is; no traceback, not even words of ours around it."""
    code, told = run_raising(kind("matching.caliper is -0.2\nand more"))
    assert code == kind.exit_code
    assert capsys.readouterr() == ("", "counterpart: matching.caliper is -0.2\nand more\n")
    assert told == {
        "command": "synth",
        "version": __version__,
        "status": "failed",
        "exit_code": code,
        "error": {"kind": kind.__name__, "message": "matching.caliper is -0.2\nand more"},
    }


def test_an_interruption(run_raising: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run_raising(KeyboardInterrupt())
    assert (code, told["status"], told["exit_code"]) == (130, "failed", 130)
    assert capsys.readouterr().err == "counterpart: interrupted\n"


@pytest.mark.parametrize(
    "problem",
    [
        ValueError(CANARY),
        KeyError("P0031415"),
        RuntimeError(f"[ROW] {CANARY}\n\tat org.apache.spark P0031415"),
        OSError(2, "No such file", "/claims/P0031415"),
        ModuleNotFoundError("No module named 'P0031415'", name="P0031415"),
        AssertionError(("P0031415", 7)),
    ],
)
def test_an_unforeseen_failure_says_nothing_of_anybody(
    run_raising: Any, capsys: pytest.CaptureFixture[str], problem: Exception
) -> None:
    code, told = run_raising(problem)
    out, err = capsys.readouterr()
    assert (code, told["exit_code"], told["status"]) == (1, 1, "failed")
    assert told["error"]["kind"] == type(problem).__name__
    assert err.startswith(f"counterpart: an unexpected failure, a bug in counterpart: {type(problem).__name__}: ")
    for text in (out, err, json.dumps(told["error"])):
        assert "Traceback" not in text
        assert not re.search(r"0031415|SMITH|2020|[^=]7|example|claims", text), text


def test_the_traceback_is_there_for_who_asks(
    run_raising: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cli.DEBUG, "1")
    code, told = run_raising(ValueError(CANARY))
    assert code == 1
    assert CANARY in capsys.readouterr().err
    assert "SMITH" not in json.dumps(told)


def test_without_spark_the_environment_is_told(run_raising: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run_raising(ModuleNotFoundError("No module named 'pyspark.sql'", name="pyspark.sql"))
    assert (code, told["error"]["kind"]) == (15, "EnvironmentProblem")
    assert "pyspark is not installed here: pip install 'counterpart[local]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["run", "--site", "x.yaml"], "the following arguments are required: --study"),
        (["ingest"], "the following arguments are required: --site"),
        (["run", "--study", "a", "--site", "b", "--received-on", "31.12.2020"], "is not a date like 2021-09-30"),
        (["synth", "--out", "x", "--members", "many"], "invalid int value: 'many'"),
        (["synth", "--out", "x", "--dirt", "much"], "invalid choice: 'much'"),
    ],
)
def test_wrong_arguments(capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


# Entry points.
def test_help_and_version_import_nothing_heavy() -> None:
    """Measured in modules, not in seconds."""
    for arguments in (["--help"], ["run", "--help"], ["--version"], ["fly"]):
        probe = (
            "import sys\nfrom counterpart.cli import main\n"
            f"try: main({arguments!r})\nexcept SystemExit: pass\n"
            f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])"
        )
        told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
        assert told.stdout.splitlines()[-1] == "heavy:"


def test_the_package_is_a_command(tmp_path: Path) -> None:
    told = call("--version")
    assert (told.returncode, told.stdout.strip()) == (0, f"counterpart {__version__}")
    told = call("run", "--study", "no.yaml", "--site", "no.yaml", "--json", "told/run.json", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (10, "")
    assert told.stderr.startswith("counterpart: no.yaml does not exist")
    assert json.loads((tmp_path / "told" / "run.json").read_text())["exit_code"] == 10


def test_each_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as end:
            cli.main([command, "--help"])
        assert end.value.code == 0
        assert f"usage: counterpart {command} " in capsys.readouterr().out


def test_each_job_runs_its_own_command(root: Path) -> None:
    """A job is a few lines that hand its arguments to one command."""
    jobs = {path.stem: path for path in (root / "jobs").glob("*.py")}
    calls = {"run_study": "'run'", "profile_site": "'profile'", "match_table": "'match-table', '--spark'"}
    assert set(jobs) == {*cli.STAGE_NAMES, "ingest", "report", *calls}
    for name, path in jobs.items():
        found = [
            ast.unparse(node)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "run_job"
        ]
        assert found == [f"run_job({calls.get(name, repr(name))})"]
        assert name not in sys.stdlib_module_names  # a script's folder comes first where modules are looked for
        assert f"spark-submit jobs/{name}.py" in path.read_text()


def test_a_job_is_a_script(root: Path, tmp_path: Path) -> None:
    """From any folder, with its exit code handed on."""
    for arguments, code in ((["--help"], 0), ([], 2), (["--study", "no.yaml", "--site", "no.yaml"], 10)):
        job = [sys.executable, str(root / "jobs" / "match.py"), *arguments]
        told = subprocess.run(job, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
        assert told.returncode == code, told.stderr
        assert "Traceback" not in told.stderr
    assert (
        "usage: counterpart match"
        in subprocess.run([*job[:2], "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    )
