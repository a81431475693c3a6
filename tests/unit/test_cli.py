"""The command line: true exit codes, messages without tracebacks or rows, a JSON file a scheduler can rely on."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from counterpart import __version__, cli, errors
from counterpart.errors import StudyError
from counterpart.protocol import content_hash, load_study

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


@pytest.fixture
def run_raising(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Any], tuple[int, dict[str, Any]]]:
    """Run a command that ends in the given exception (or returns the given value): exit code and --json."""

    def run(outcome: Any) -> tuple[int, dict[str, Any]]:
        def command(*_: Any) -> dict[str, Any]:
            if isinstance(outcome, BaseException):
                raise outcome
            return dict(outcome)

        monkeypatch.setattr(cli, "_synth", command)
        file = tmp_path / "told" / "run.json"
        code = cli.main(["synth", "--out", str(tmp_path / "out"), "--json", str(file)])
        return code, json.loads(file.read_text())

    return run


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


# Documents are judged before Spark is touched.


@pytest.mark.parametrize("command", ["run", "cohort", "estimate", "report"])
def test_wrong_documents_are_told_together_and_before_spark(
    command: str, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study.yaml"
    document = yaml.safe_load((root / "conf/studies/msk_imaging.yaml").read_text())
    document["matching"]["calliper"] = document["matching"].pop("caliper")
    document["outcomes"]["outcomes"][0]["events"] = ["xray", "mry"]
    study.write_text(yaml.safe_dump(document))
    monkeypatch.setitem(sys.modules, "counterpart.application", None)  # importing it would fail
    code = cli.main([command, "--study", str(study), "--site", str(tmp_path / "nowhere.yaml")])
    assert code == 10
    assert capsys.readouterr().err.splitlines() == [
        f"counterpart: {tmp_path}/nowhere.yaml does not exist; a site document is a YAML file",
        f"{study} has 2 problems:",
        "  matching.calliper: unknown key; did you mean caliper?",
        "  outcomes.outcomes.0.events.1: there is no event or code set 'mry'; did you mean mri?",
        f"  (code sets were looked for in {root}/conf/codesets)",
    ]


@pytest.mark.parametrize("command", ["run", "cohort"])
def test_days_of_supply_of_no_drug_are_told_before_an_ingest(
    command: str, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study.yaml"
    document = yaml.safe_load((root / "conf/studies/msk_imaging.yaml").read_text())
    document["cohort"]["exclusions"][0]["supplied_days"] = 90
    study.write_text(yaml.safe_dump(document))
    monkeypatch.setattr("counterpart.application.open_session", None)  # starting Spark would fail
    code = cli.main([command, "--study", str(study), "--site", str(root / "conf/sites/local.yaml")])
    assert code == 11
    assert capsys.readouterr().err.splitlines() == [
        "counterpart: cohort.exclusions red_flag_cancer: supplied_days are days of supply of a drug, and cancer has no "
        "codes of drugs (ndc or omop)"
    ]


def test_a_check_says_what_was_read_and_where_without_a_session(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "codesets").mkdir()
    (tmp_path / "studies").mkdir()
    own = tmp_path / "codesets" / "oral_steroids.csv"
    own.write_text("system,code,valid_from,valid_to,source\nndc,00054001725,,,own\n")
    study, file = tmp_path / "studies" / "msk_imaging.yaml", tmp_path / "told.json"
    study.write_text((root / "conf/studies/msk_imaging.yaml").read_text())
    site = tmp_path / "site.yaml"
    source = {"layout": "mapping", "path": "claims", "mapping": str(root / "conf/mappings/example_payer.yaml")}
    site.write_text(yaml.safe_dump({"name": "x", "warehouse": "w", "reports": "r", "source": source}))
    monkeypatch.setattr("pyspark.sql.SparkSession.builder", None)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", "--study", str(study), "--site", str(site), "--json", str(file)]) == 0
    out, told = capsys.readouterr().out, json.loads(file.read_text())
    expected = content_hash(load_study(study))
    assert told["study"]["protocol_hash"] == expected
    assert f"protocol hash {expected}\n" in out
    assert "    mri: lumbar_mri; revenue_mri with low_back_pain\n" in out
    assert "    pt_visit: physical_therapy with low_back_pain in person; physical_therapy_shared with" in out
    assert "    medical_claim: every claim line\n" in out
    assert f"    in {tmp_path}/codesets: oral_steroids\n" in out
    assert {
        name for name, found in told["study"]["code_sets"].items() if found["folder"] != f"{root}/conf/codesets"
    } == {"oral_steroids"}
    assert told["site"]["warehouse"] == f"{tmp_path}/w"
    assert "facility" in told["site"]["source"]["tables"]
    assert cli.main(["check", "--study", str(study)]) == 0
    assert "site" not in capsys.readouterr().out.splitlines()[-1].partition(" ")[0]
    own.write_text("system,code,valid_from,valid_to,source\nndc,0*,,,own\n")
    assert cli.main(["check", "--study", str(study)]) == 11
    assert f"{own}: the range 00000000000 to 09999999999 spans" in capsys.readouterr().err
    site.write_text(yaml.safe_dump({"name": "x"}))
    assert cli.main(["check", "--study", str(tmp_path / "no.yaml"), "--site", str(site)]) == 10
    assert "no.yaml does not exist" in capsys.readouterr().err


def test_what_cannot_be_told_at_the_end_is_known_before_the_ingest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report that cannot be written, and an MLflow that does not answer."""

    class Places:
        def __enter__(self) -> Places:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def require_places(self) -> None:
            raise errors.EnvironmentProblem("MLflow cannot be used")

    monkeypatch.setattr(cli, "_open", lambda *_: Places())
    assert cli.main(["run", "--study", "x", "--site", "y"]) == 15
    assert capsys.readouterr().err == "counterpart: MLflow cannot be used\n"


def test_ingest_takes_a_study_and_does_not_read_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All jobs take the same arguments."""
    code = cli.main(["ingest", "--study", str(tmp_path / "no.yaml"), "--site", str(tmp_path / "nowhere.yaml")])
    assert code == 10
    assert "no.yaml" not in capsys.readouterr().err


def test_settings_are_judged_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "claims"
    assert cli.main(["synth", "--out", str(out), "--members", "0", "--rate-ratio", "-1"]) == 14
    assert capsys.readouterr().err.startswith(
        "counterpart: members is 0; allowed is 1 to 1,000,000,000; rate_ratio is -1"
    )
    assert not out.exists()


# What a scheduler is told.


def test_json_of_a_run_that_went_well(run_raising: Any) -> None:
    told = run_raising(
        {"n": np.int64(12), "x": np.float64(0.5), "none": float("nan"), "path": Path("a/b"), "t": (1, 2)}
    )[1]
    assert told == {
        "command": "synth",
        "version": __version__,
        "status": "done",
        "exit_code": 0,
        "n": 12,
        "x": 0.5,
        "none": None,
        "path": "a/b",
        "t": [1, 2],
    }


def test_json_says_running_while_it_runs_and_is_replaced_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed leaves no older success behind, and nobody ever reads half a document."""
    file = tmp_path / "run.json"
    file.write_text('{"status": "done"}')
    seen: list[Any] = []
    replace = Path.replace

    def replaced(self: Path, target: Path) -> Path:
        seen.append((self.parent == target.parent, json.loads(self.read_text())["status"]))
        return replace(self, target)

    def command(_: Any) -> dict[str, Any]:
        seen.append(json.loads(file.read_text())["status"])
        return {}

    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(cli, "_synth", command)
    assert cli.main(["synth", "--out", "x", "--json", str(file)]) == 0
    assert seen == [(True, "running"), "running", (True, "done")]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_json_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(cli, "_synth", lambda _: pytest.fail("it ran"))
    for path in (tmp_path / "file" / "run.json", tmp_path / "folder"):
        assert cli.main(["synth", "--out", "x", "--json", str(path)]) == 15
        assert f"counterpart: --json {path} cannot be written: " in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_an_address_is_no_place_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would become a folder called dbfs: where the command runs, and the exit code would say that all is well."""
    monkeypatch.chdir(tmp_path)
    for option, address in (("--json", "dbfs:/told.json"), ("--json", "s3a://lab/told.json"), ("--out", "gs://lab/x")):
        arguments = ["synth", *([] if option == "--out" else ["--out", "x"]), option, address]
        assert cli.main(arguments) == 14
        assert f"counterpart: {option} is {Path(address)}, an address; it must be a place" in capsys.readouterr().err
    assert cli.main(["demo", "--folder", "abfss://lab/demo"]) == 14
    assert cli.main(["match-table", "units.csv", "--score", "ps", "--out", "s3a://lab/matched"]) == 14
    assert "--out is s3a://lab/matched, an address, which only Spark knows" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_json_to_a_pipe_leaves_it_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As /dev/stdout, which root could replace by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(cli, "_synth", lambda _: {})
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert cli.main(["synth", "--out", "x", "--json", str(pipe)]) == 0
    told = os.read(reader, 4096).decode()
    os.close(reader)
    assert re.findall(r'"status": "(\w+)"', told) == ["running", "done"]
    assert pipe.is_fifo()


def test_json_that_cannot_be_written_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Work done without its document is a failure; a failure keeps its own code."""
    file = tmp_path / "told" / "run.json"

    def command_in_a_folder_that_goes(problem: Exception | None) -> Callable[[Any], dict[str, Any]]:
        def command(_: Any) -> dict[str, Any]:
            file.unlink()
            file.mkdir()
            if problem:
                raise problem
            return {}

        return command

    for problem, code in ((None, 15), (errors.DataError("no rows"), 13)):
        monkeypatch.setattr(cli, "_synth", command_in_a_folder_that_goes(problem))
        assert cli.main(["synth", "--out", "x", "--json", str(file)]) == code
        file.rmdir()
    assert "Traceback" not in capsys.readouterr().err


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
