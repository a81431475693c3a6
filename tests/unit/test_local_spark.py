"""The machine's Java and Delta jars: what is said when they are missing, wrong or right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from counterpart import local_spark
from counterpart.errors import EnvironmentProblem

LIB = Path(local_spark.__file__).parents[1]
JARS = ("io.delta_delta-spark_4.2_2.13-4.4.0.jar", "io.delta_delta-storage-4.4.0.jar")


@pytest.fixture
def java_saying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a `java` into JAVA_HOME that prints a version banner."""

    def put(banner: str) -> None:
        java = tmp_path / "bin" / "java"
        java.parent.mkdir()
        java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{banner}\nEND\n")
        java.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    return put


@pytest.mark.parametrize(
    ("banner", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "21" 2023-09-19 LTS', 21),
        ('openjdk version "25.0.3-ea" 2026-04-21', 25),
        ('java version "1.8.0_392"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Dx="1"\nopenjdk version "17.0.9"', 17),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_java_versions_are_read(java_saying: Callable[[str], None], banner: str, major: int | None) -> None:
    java_saying(banner)
    assert local_spark.java_version(local_spark.find_java()) == major


def test_an_old_java_is_refused(java_saying: Callable[[str], None]) -> None:
    java_saying('openjdk version "11.0.22" 2024-01-16')
    with pytest.raises(
        EnvironmentProblem, match=r"needs Java 17 or newer; found Java 11 \(.*/bin/java, from JAVA_HOME\)"
    ):
        local_spark.require_java()


def test_a_missing_java_is_said_before_anything_else_is_needed(tmp_path: Path) -> None:
    """As set-up runs it: a bare interpreter, nothing installed, no java anywhere."""
    bare = [sys.executable, "-S", "-m", "counterpart.local_spark", "java"]
    told = subprocess.run(
        bare, env={"PATH": str(tmp_path), "PYTHONPATH": str(LIB)}, capture_output=True, text=True, check=False
    )
    assert told.returncode == EnvironmentProblem.exit_code
    assert "needs Java 17 or newer; found none that runs (java, from PATH)" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Spark without Delta, as pip leaves it in a folder with a blank, with pyspark 4.2.0 and delta-spark 4.4.0."""
    (tmp_path / "a checkout" / "spark" / "jars").mkdir(parents=True)
    versions = {"delta-spark": "4.4.0", "pyspark": "4.2.0"}
    monkeypatch.setattr(local_spark, "version", versions.__getitem__)
    monkeypatch.setattr(local_spark, "own_spark", lambda: tmp_path / "a checkout" / "spark")
    return tmp_path / "a checkout" / "spark"


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    folder = tmp_path / "fetched"
    folder.mkdir()
    for name in (*JARS, "org.apache.hadoop_hadoop-client-api-3.4.2.jar"):
        (folder / name).write_bytes(b"")
    return folder


def test_jars_from_a_folder_are_installed_without_a_network(home: Path, jars: Path) -> None:
    assert local_spark.delta_problem(home) == f"{home}/conf/spark-defaults.conf names no Delta jars"
    assert local_spark.install_delta(jars) == home
    assert local_spark.delta_problem(home) is None
    assert sorted(jar.name for jar in (home / "delta").iterdir()) == sorted(JARS), "what Spark ships is left out"
    local_spark.require_delta()


def test_what_went_missing_is_named(home: Path, jars: Path) -> None:
    local_spark.install_delta(jars)
    (home / "delta" / JARS[1]).unlink()
    with pytest.raises(
        EnvironmentProblem, match=r"names .*delta-storage-4\.4\.0\.jar, which does not exist.*make setup"
    ):
        local_spark.require_delta()


def test_jars_of_another_version_are_refused(home: Path, jars: Path) -> None:
    (jars / JARS[0]).rename(jars / "io.delta_delta-spark_4.2_2.13-4.3.0.jar")
    with pytest.raises(EnvironmentProblem, match=r"did not hold what is needed.*delta-spark_4\.2_2\.13-4\.4\.0\.jar"):
        local_spark.install_delta(jars)


def test_installing_again_replaces_the_old_jars(home: Path, jars: Path) -> None:
    (home / "delta").mkdir()
    (home / "delta" / "io.delta_delta-spark_4.1_2.13-4.1.0.jar").write_bytes(b"")
    local_spark.install_delta(jars)
    assert sorted(jar.name for jar in (home / "delta").iterdir()) == sorted(JARS)


def test_a_spark_from_elsewhere_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    assert local_spark.own_spark() is None
    local_spark.require_delta()
    with pytest.raises(EnvironmentProblem, match="unset SPARK_HOME"):
        local_spark.install_delta()
