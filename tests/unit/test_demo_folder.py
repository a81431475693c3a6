"""The folder of the demonstration: somebody's own files are never touched, and settings are judged before a write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterpart import cli


def test_a_demo_folder_made_otherwise_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = tmp_path / "demo" / "claims" / "truth"
    truth.mkdir(parents=True)
    made_with = {"members": 500, "seed": 1, "rate_ratio": 0.4, "dirt": "none"}
    (truth / "planted.json").write_text(json.dumps({"settings": made_with}))
    code = cli.main(["demo", "--folder", str(tmp_path / "demo"), "--members", "600"])
    assert code == 14
    assert capsys.readouterr().err == (
        f"counterpart: {tmp_path}/demo holds a demo made with members 500, not 600; dirt none, not typical; "
        "remove the folder or choose another with --folder\n"
    )
    assert not (tmp_path / "demo" / "site.yaml").exists()


def test_demo_settings_are_judged_before_anything_is_written(tmp_path: Path) -> None:
    assert cli.main(["demo", "--folder", str(tmp_path / "demo"), "--members", "0"]) == 14
    assert not (tmp_path / "demo").exists()


def test_a_demo_folder_without_its_truth_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody's own claims, perhaps: nothing in it is touched."""
    (tmp_path / "demo" / "claims").mkdir(parents=True)
    (tmp_path / "demo" / "claims" / "mine.csv").touch()
    assert cli.main(["demo", "--folder", str(tmp_path / "demo")]) == 14
    assert "holds claims that no demo made" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "demo").rglob("*") if path.is_file()] == ["mine.csv"]


def test_the_demo_has_the_shipped_site_in_its_folder(tmp_path: Path) -> None:
    from counterpart.demo import write_demo_site
    from counterpart.protocol import load_site

    site = load_site(write_demo_site(tmp_path))
    assert (site.warehouse, site.reports) == (str(tmp_path / "tables"), str(tmp_path / "reports"))
    assert site.source is not None
    assert (site.source.layout, site.source.path) == ("tuva", str(tmp_path / "claims"))
    assert site.tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
