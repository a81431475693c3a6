"""Documents and settings are judged by the command line before Spark is touched or anything is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from counterpart import cli, errors
from counterpart.protocol import content_hash, load_study

pytestmark = pytest.mark.usefixtures("own_logging")


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
