"""Spark on one machine: the Java it needs, the Delta jars beside it and the settings with which both are found.

`python -m counterpart.local_spark java` says whether Java will do; it needs nothing but Python, so that set-up can ask
before it downloads anything. `... install` fetches the Delta jars once into the Spark of this environment and writes
its `conf/spark-defaults.conf`: from then on `counterpart` and a plain `spark-submit` find Delta with no network and no
flags. `... check` says whether all is in place. A Spark from elsewhere (SPARK_HOME, Databricks) is left alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from counterpart.errors import EnvironmentProblem, StudyError

OLDEST_JAVA = 17
SCALA = "2.13"

# Of the 33 files (87 MB) that Delta asks for, Spark has 26 (74 MB) already and mostly newer: they stay where they are.
SHIPPED_BY_SPARK = (
    "com.fasterxml.*",
    "com.github.luben",
    "com.google.*",
    "commons-*",
    "io.airlift",
    "javax.annotation",
    "org.apache.*",
    "org.locationtech.*",
    "org.roaringbitmap",
    "org.slf4j",
    "org.xerial.*",
)

DEFAULTS = """\
# Written by counterpart's set-up (python -m counterpart.local_spark install): every session of this Spark finds Delta.
spark.jars                       {jars}
spark.sql.extensions             io.delta.sql.DeltaSparkSessionExtension
spark.sql.catalog.spark_catalog  org.apache.spark.sql.delta.catalog.DeltaCatalog
spark.pyspark.python             {python}
spark.driver.memory              4g
"""

LOG4J = """\
# Written by counterpart's set-up. Spark's messages quote the rows they stumble over, and rows are people: none appears.
# What fails reaches counterpart as an exception. To see Spark's log on made-up claims, point SPARK_CONF_DIR elsewhere.
status = off
# Without an appender Spark would take its own defaults.
appender.nowhere.type = Null
appender.nowhere.name = nowhere
rootLogger.level = off
rootLogger.appenderRef.nowhere.ref = nowhere
# A session started from Python counts as a shell, whose own logger would otherwise raise the level again, and say so.
logger.shell.name = org.apache.spark.api.python.PythonGatewayServer
logger.shell.level = off
"""


def find_java() -> str:
    """The `java` that Spark will start: JAVA_HOME's, else the first on PATH."""
    home = os.environ.get("JAVA_HOME")
    if home:
        return str(Path(home) / "bin" / "java")
    return shutil.which("java") or "java"


def java_version(java: str) -> int | None:
    """The major version that `java -version` tells, None where it does not run."""
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    # Up to Java 8 the version is 1.8, from 9 on the major number comes first.
    found = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    return int(found.group(1)) if found else None


def require_java() -> int:
    """The major version of the Java that Spark will start; EnvironmentProblem where it is missing or too old."""
    java = find_java()
    found = java_version(java)
    if found is not None and found >= OLDEST_JAVA:
        return found
    origin = "JAVA_HOME" if os.environ.get("JAVA_HOME") else "PATH"
    what = f"Java {found} ({java}, from {origin})" if found else f"none that runs ({java}, from {origin})"
    raise EnvironmentProblem(
        f"Spark needs Java {OLDEST_JAVA} or newer; found {what}.\n"
        f"  Debian, Ubuntu:  apt install openjdk-{OLDEST_JAVA}-jre-headless\n"
        f"  Fedora, RHEL:    dnf install java-{OLDEST_JAVA}-openjdk-headless\n"
        f"  macOS:           brew install openjdk@{OLDEST_JAVA}\n"
        f"  Installed somewhere else already? Set JAVA_HOME to its folder."
    )


def own_spark() -> Path | None:
    """The Spark inside this environment's pyspark package; None without pyspark or where SPARK_HOME names another."""
    package = find_spec("pyspark")
    if package is None or package.origin is None:
        return None
    home = Path(package.origin).resolve().parent
    elsewhere = os.environ.get("SPARK_HOME")
    is_own = (home / "jars").is_dir() and (not elsewhere or Path(elsewhere).resolve() == home)
    return home if is_own else None


def delta_coordinate() -> str:
    """The Maven coordinate of the jar that belongs to the installed delta-spark and pyspark packages."""
    try:
        delta, spark = version("delta-spark"), version("pyspark")
    except PackageNotFoundError as missing:
        raise EnvironmentProblem(f"{missing.name} is not installed: pip install 'counterpart[local]'") from None
    spark_line = ".".join(spark.split(".")[:2])
    return f"io.delta:delta-spark_{spark_line}_{SCALA}:{delta}"


def delta_problem(home: Path) -> str | None:
    """What keeps the Spark in `home` from finding Delta; None if nothing does."""
    defaults = home / "conf" / "spark-defaults.conf"
    listed = re.search(r"^spark\.jars\s+(.+?)\s*$", defaults.read_text(), re.MULTILINE) if defaults.is_file() else None
    if listed is None:
        return f"{defaults} names no Delta jars"
    jars = [Path(jar) for jar in listed.group(1).split(",")]
    absent = [jar for jar in jars if not jar.is_file()]
    if absent:
        return f"{defaults} names {absent[0]}, which does not exist"
    _, artifact, wanted = delta_coordinate().split(":")
    if not any(jar.name.endswith(f"{artifact}-{wanted}.jar") for jar in jars):
        return f"{defaults} names no {artifact}-{wanted}.jar, which the installed delta-spark needs"
    return None


def require_delta() -> None:
    """EnvironmentProblem if this environment's own Spark would start without Delta."""
    home = own_spark()
    problem = delta_problem(home) if home else None
    if problem:
        raise EnvironmentProblem(
            f"Delta Lake is not set up: {problem}. Run `make setup` in a checkout, else "
            f"`{sys.executable} -m counterpart.local_spark install` (needs the network, or --from a folder of jars)"
        )


def resolve_jars(home: Path, scratch: Path) -> Path:
    """Let Spark's Ivy fetch Delta into `scratch`; returns the folder of jars."""
    nothing = scratch / "nothing.py"
    nothing.write_text("")
    # An empty script: spark-submit resolves the packages, runs it and ends without starting a session.
    command = [str(home / "bin" / "spark-submit"), "--master", "local[1]", "--packages", delta_coordinate()]
    command += ["--exclude-packages", ",".join(f"{group}:*" for group in SHIPPED_BY_SPARK)]
    command += ["--conf", f"spark.jars.ivy={scratch}", str(nothing)]
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(scratch),
        "PYSPARK_PYTHON": sys.executable,
    }
    environment.pop("PYSPARK_DRIVER_PYTHON", None)
    run = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if run.returncode:
        raise EnvironmentProblem(
            f"{delta_coordinate()} could not be fetched from a Maven repository "
            f"(a mirror can be named in DEFAULT_ARTIFACT_REPOSITORY). Spark said:\n{run.stdout[-3000:]}"
        )
    return scratch / "jars"


def install_delta(jars_from: Path | None = None) -> Path:
    """Put the Delta jars and the settings that name them into this environment's Spark; returns its folder.

    `jars_from` is a folder of jars fetched earlier, for machines without a network.
    """
    home = own_spark()
    if home is None:
        raise EnvironmentProblem(
            "this environment has no Spark of its own: pip install 'counterpart[local]', and unset SPARK_HOME"
        )
    with tempfile.TemporaryDirectory() as scratch:
        source = jars_from or resolve_jars(home, Path(scratch))
        wanted = sorted(jar for jar in source.glob("*.jar") if re.match(r"(io\.)?(delta|unitycatalog)", jar.name))
        folder = home / "delta"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        jars = [Path(shutil.copy(jar, folder)) for jar in wanted]
    write_settings(home, jars)
    problem = delta_problem(home)
    if problem:
        raise EnvironmentProblem(f"{jars_from or 'the repository'} did not hold what is needed: {problem}")
    return home


def write_settings(home: Path, jars: list[Path]) -> None:
    """Write the settings into Spark's own `conf`, and let the environment's spark-submit find that Spark."""
    conf = home / "conf"
    conf.mkdir(exist_ok=True)
    listed = ",".join(str(jar) for jar in jars)
    (conf / "spark-defaults.conf").write_text(DEFAULTS.format(jars=listed, python=sys.executable))
    (conf / "log4j2.properties").write_text(LOG4J)
    # Outside an activated environment, spark-submit asks PATH's python3 for its Spark, but looks for this name first.
    beside_scripts = Path(sys.executable).parent / "spark-distribution"
    if (beside_scripts.parent / "find_spark_home.py").is_file() and not beside_scripts.exists():
        beside_scripts.unlink(missing_ok=True)
        beside_scripts.symlink_to(home)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m counterpart.local_spark", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("java", help="is there a Java that Spark can use?")
    install = actions.add_parser("install", help="fetch the Delta jars and write Spark's settings")
    install.add_argument(
        "--from", dest="jars_from", type=Path, help="a folder of jars fetched earlier: no network is used"
    )
    actions.add_parser("check", help="does this environment's Spark find Delta?")
    chosen = parser.parse_args(arguments)
    try:
        java = require_java()
        if chosen.action == "install":
            print(f"Delta Lake is set up in {install_delta(chosen.jars_from)}")
        elif chosen.action == "check":
            require_delta()
            print(f"Java {java}; {delta_coordinate()}")
    except StudyError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
