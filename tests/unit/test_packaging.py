"""The wheel: built from the checkout, installed into a clean environment, used from outside it. No network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging


def run(command: list[str | Path], folder: Path) -> str:
    """What a command says, from a folder and with nothing of Python's in the environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    told = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what it is made of: a build leaves files behind."""
    sources = tmp_path_factory.mktemp("sources")
    for name in ("lib", "conf"):
        shutil.copytree(root / name, sources / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".*"))
    for name in ("setup.py", "pyproject.toml", "LICENSE", "README.md"):
        if (root / name).exists():
            shutil.copy(root / name, sources)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "."]
    run([*build, "--quiet", "--wheel-dir", "built"], sources)
    (built,) = (sources / "built").glob("counterpart-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with the wheel; its dependencies are borrowed from the tests' own environment."""
    place = tmp_path_factory.mktemp("clean")
    venv.create(place / "venv", with_pip=False, symlinks=True)
    python = place / "venv" / "bin" / "python"
    run(
        [sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--no-deps", "--no-index", wheel],
        place,
    )
    packages = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], place).strip()
    # A path line adds no more than the folder: the checkout's own editable installation there stays unseen.
    Path(packages, "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


def test_it_runs_from_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    import counterpart

    assert run([installed / "counterpart", "--version"], tmp_path).strip() == f"counterpart {counterpart.__version__}"
    assert run([installed / "python", "-m", "counterpart", "--version"], tmp_path).split()[0] == "counterpart"


LOAD = """
import sys
from pathlib import Path
import counterpart
from counterpart.codes import CodeLibrary
from counterpart.protocol import load_mapping, load_site, load_study
from counterpart.shipped import shipped_conf
conf = shipped_conf()
assert Path(counterpart.__file__).is_relative_to(sys.prefix), counterpart.__file__
assert conf.is_relative_to(sys.prefix), conf
library = CodeLibrary.load([conf / "codesets"])
print(*sorted(load_study(path).name for path in (conf / "studies").glob("*.yaml")))
print(*sorted(load_site(path).name for path in (conf / "sites").glob("*.yaml")))
print(*sorted(path.stem for path in (conf / "codesets").glob("*.csv")))
print(library["low_back_pain"].name)
print(*sorted(load_mapping(path).name for path in (conf / "mappings").glob("*.yaml")))
"""


def test_it_carries_studies_sites_and_code_sets(installed: Path, tmp_path: Path, root: Path) -> None:
    studies, sites, code_sets, one, mappings = run([installed / "python", "-c", LOAD], tmp_path).splitlines()
    assert studies.split() == sorted(path.stem for path in (root / "conf" / "studies").glob("*.yaml"))
    assert len(sites.split()) == len(list((root / "conf" / "sites").glob("*.yaml")))
    assert code_sets.split() == sorted(path.stem for path in (root / "conf" / "codesets").glob("*.csv"))
    assert one == "low_back_pain"
    assert mappings.split() == sorted(path.stem for path in (root / "conf" / "mappings").glob("*.yaml"))


def test_it_holds_every_file_of_the_package(wheel: Path, root: Path) -> None:
    """A template or a style sheet that setup.py does not name would be missed on somebody's cluster only."""
    package = root / "lib" / "counterpart"
    files = {path.relative_to(package) for path in package.rglob("*") if path.is_file()}
    caches = {file for file in files if any(part.startswith((".", "__pycache__")) for part in file.parts)}
    wanted = {f"counterpart/{file}" for file in files - caches}
    missing = wanted - set(zipfile.ZipFile(wheel).namelist())
    assert not missing, f"name them in setup.py's package_data: {sorted(missing)}"


def test_it_never_replaces_a_platforms_spark(wheel: Path) -> None:
    contents = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in contents.namelist() if name.endswith(".dist-info/METADATA"))
    told = Parser().parsestr(contents.read(metadata).decode())
    needs = told.get_all("Requires-Dist")
    spark = sorted(need for need in needs if "spark" in need)
    assert spark == ['delta-spark==4.4.0; extra == "local"', 'pyspark==4.2.0; extra == "local"']
    assert set(told["Requires-Python"].split(",")) == {">=3.10", "<3.13"}
    assert "Apache-2.0" in (told["License"], told["License-Expression"])
