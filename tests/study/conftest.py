"""A small demo, made once: claims with a planted effect and every kind of dirt, ingested and studied."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from counterpart.application import Application
from counterpart.synthetic import SynthSettings, synthesise

MEMBERS = 12_000
SEED = 11


@dataclass
class Installation:
    """A site in a folder of its own."""

    folder: Path
    site: Path
    study: Path

    @property
    def warehouse(self) -> Path:
        return self.folder / "tables"

    def run(self) -> dict[str, Any]:
        with Application(self.site, self.study) as application:
            return {**application.ingest(None), **application.run_study()}


def install(folder: Path, claims: Path, study: Path, layout: str = "tuva", **spark: Any) -> Installation:
    """A site document for the claims, with everything else below the folder."""
    site = folder / "site.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "name": folder.name,
        "warehouse": str(folder / "tables"),
        "reports": str(folder / "reports"),
        "source": {"layout": layout, "path": str(claims)},
        "max_quarantined": 0.2,
        "spark": {"master": "local[2]", "driver_memory": "2g", "shuffle_partitions": 2} | spark,
    }
    site.write_text(yaml.safe_dump(content))
    return Installation(folder, site, study)


@pytest.fixture(scope="session")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "claims"
    synthesise(SynthSettings(members=MEMBERS, seed=SEED, dirt="typical"), folder, None)
    return folder


@pytest.fixture(scope="session")
def study_document(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped study with fewer strata: a few thousand members would leave most of 400 strata empty."""
    content = yaml.safe_load((root / "conf/studies/msk_imaging.yaml").read_text())
    content["matching"] |= {"exact": ["sex", "age_band"]}
    folder = tmp_path_factory.mktemp("conf") / "studies"
    folder.mkdir()
    shutil.copytree(root / "conf/codesets", folder.parent / "codesets")
    path = folder / "msk_imaging.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def installation(
    spark: Any, claims: Path, study_document: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """The demo, run once from end to end."""
    made = install(tmp_path_factory.mktemp("site"), claims, study_document)
    made.told = made.run()
    return made
