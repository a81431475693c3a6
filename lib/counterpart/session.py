"""The Spark session: built here for one machine, taken as it is where a platform brings its own."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from counterpart.cluster import is_alone, refuse_connect, require_classic
from counterpart.errors import EnvironmentProblem, StudyError
from counterpart.local_spark import require_delta, require_java
from counterpart.protocol import SparkSettings

logger = logging.getLogger(__name__)

# What results depend on, so set on every session: an overflow is an error, and a day begins at midnight UTC.
SEMANTICS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # Delta refuses a version that was written longer ago than its files are kept once it is replaced, even a minute
    # ago: a study would lose the version that it works on to an ingest. Whether the files are there is for VACUUM.
    "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration": "false",
}

# Spark's messages quote the rows they stumble over, and what a driver says ends in a scheduler's log. Errors reach us
# as exceptions all the same.
SILENCE = {"spark.log.level": "OFF"}

# What is joined by member and unit need not be moved where it lies by member already.
MOVES = {"spark.sql.requireAllClusterKeysForCoPartition": "false"}

LOCAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # A host name that does not resolve must not matter, and nobody outside needs to reach this driver.
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    # The driver is the machine here, and nothing is collected but what a site's settings bound.
    "spark.driver.maxResultSize": "0",
    # Tables are found by path: no Hive metastore, so no Derby files in the working directory.
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Delta reads a table's state in 50 tasks by default, each of which generates code: seconds per table on two cores.
    "spark.databricks.delta.snapshotPartitions": "1",
    # VACUUM looks for files in as many tasks as this says, 10,000 by default: 40 seconds a table on two cores.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    # Every query's plan is written out for the web page that is off: with all details, a tenth of the driver's time.
    "spark.sql.ui.explainMode": "simple",
    # A study has more plans than the 100 compiled ones that Spark keeps: a third of a warm run was compiling again.
    "spark.sql.codegen.cache.maxEntries": "2000",
    # A table of a gigabyte is nine tasks by Spark's own measure, and the last of nine keeps one of two cores.
    "spark.sql.files.maxPartitionBytes": "16m",
    # A file counts as so many bytes more: with the usual four million, a task would read four commits of Delta's log.
    "spark.sql.files.openCostInBytes": "64k",
    # A task writes up to so many partitions beside one another before it sorts its rows by partition: a stage's result
    # is one partition, by which all rows were sorted.
    "spark.sql.maxConcurrentOutputFileWriters": "8",
    # Java's own limit, of bytes: a longer method is never compiled, and Spark would run the ingest's in such.
    "spark.sql.codegen.hugeMethodLimit": "8000",
    # pyspark 4 notes the caller of every Column for its error messages: some tenth of a small warm run.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}

# pyspark asks Java for these by name for each function and literal, and Java looks for two of them in the wrong
# packages first, through 300 jars: half the time in which plans are written.
ASKED_FOR = ("functions", "org.apache.spark.sql.functions", "PythonUtils", "PythonSQLUtils")

# Spark's own 200 are for a cluster: on one machine small shuffles would be tasks that do nothing.
FEW_PARTITIONS = 8

# Work in batches has no pauses to keep short: a tenth less CPU than with Java's default collector. Most of what Spark
# runs in a study it runs for seconds: Java's second compiler took a quarter of the CPU of an ingest of 100,000 members,
# and takes a sixth where a method has to prove itself ten times as long.
JAVA_OPTIONS = (
    "-XX:+UseParallelGC -XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)


@contextmanager
def open_session(settings: SparkSettings) -> Iterator[SparkSession]:
    """The session of these settings, in which a command is carried out; stopped at its end if it was started here.

    Errors as of `build_session`. A failure that is nobody's is an EnvironmentProblem too if Java proves to be gone.
    """
    spark, is_ours = build_session(settings)
    failure: BaseException | None = None
    try:
        yield spark
    except BaseException as problem:
        failure = problem
        raise
    finally:
        try:
            if is_ours:
                spark.stop()
        except (OSError, Py4JNetworkError):  # nothing answers that could be stopped
            if failure is not None and not isinstance(failure, (StudyError, KeyboardInterrupt)):
                raise EnvironmentProblem(
                    "Spark's Java process is gone: somebody ended it, or the system did for want of memory (Java's "
                    "share is driver_memory of the site, or --driver-memory of spark-submit). Start again: stages of "
                    "a study that are finished are not done again"
                ) from failure


def build_session(settings: SparkSettings) -> tuple[SparkSession, bool]:
    """The session of these settings, and whether it was started here (and so is ours to stop).

    A session that is there is taken as it is but for ANSI mode and time zone. EnvironmentProblem without Java or Delta,
    over Spark Connect, and where a cluster's executors have no counterpart.
    """
    silence_row_quotes()
    refuse_connect()
    # Not whether one is active: that is asked of a thread, and a platform may call us in another than its own.
    is_ours = SparkContext._active_spark_context is None
    spark = (
        start_session(settings) if is_ours else SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    )
    require_classic(spark)
    for name, value in SEMANTICS.items():
        spark.conf.set(name, value)
    require_delta_in(spark)
    if not is_alone(spark.sparkContext.master or ""):
        require_ours_on_executors(spark)
    remember_java_names(spark)
    return spark, is_ours


def start_session(settings: SparkSettings) -> SparkSession:
    """A new session: local mode with everything it needs, or the cluster that spark-submit or the platform names."""
    is_local = settings.master is not None and is_alone(settings.master)
    if is_local and starts_java():
        require_java()
        require_delta()
    wanted = {**SEMANTICS, **SILENCE, **MOVES}
    n_partitions = settings.shuffle_partitions or (FEW_PARTITIONS if is_local else None)
    if n_partitions is not None:
        wanted["spark.sql.shuffle.partitions"] = str(n_partitions)
    if is_local:
        # Joined to one a core or so, unequal tasks leave cores idle; what is small is joined all the same.
        wanted["spark.sql.adaptive.coalescePartitions.minPartitionNum"] = str(n_partitions)
        wanted |= local_settings(settings)
    builder = SparkSession.builder.appName("counterpart")
    if settings.master is not None:
        builder = builder.master(settings.master)
    for name, value in {**wanted, **settings.conf}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def settings_without_site() -> SparkSettings:
    """All cores of this machine; what spark-submit was given, where that started us."""
    return SparkSettings() if starts_java() else SparkSettings(master=None)


def starts_java() -> bool:
    """Will the session start its own JVM? Not under spark-submit or in a platform's driver."""
    return "PYSPARK_GATEWAY_PORT" not in os.environ and SparkContext._gateway is None


def local_settings(settings: SparkSettings) -> dict[str, str]:
    """The settings of local mode, which site settings may override. Python workers run this interpreter."""
    # Without it, workers start the first python3 on PATH, which has no pandas.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    local = {**LOCAL, "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "counterpart-spark-warehouse")}
    if starts_java():
        local["spark.driver.memory"] = settings.driver_memory
        local["spark.driver.extraJavaOptions"] = JAVA_OPTIONS
    else:
        # A heap cannot grow once Java runs: saying what holds is better than a setting that is ignored.
        logger.info("spark.driver_memory of the site is not used: this driver is running already (--driver-memory)")
    return local


def silence_row_quotes() -> None:
    """Stop pyspark 4 from printing the message of every exception it raises: it quotes the value that failed."""
    with suppress(ImportError):  # before 4.0 it prints nothing
        from pyspark.logger import PySparkLogger

        for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
            PySparkLogger.getLogger(name).disabled = True


def remember_java_names(spark: SparkSession) -> None:
    """Ask Java once for the classes of which pyspark makes columns.

    What a platform does not tell now is asked when it is needed, as ever.
    """
    java: Any = spark._jvm
    for name in ASKED_FOR:
        with suppress(Py4JError):
            setattr(java, name, getattr(java, name))


def require_ours_on_executors(spark: SparkSession) -> None:
    """EnvironmentProblem if a task cannot import what ours will: said before hours of work, not by the first match."""
    # By name: the task imports its module, as those of a match do, and with it pandas, pyarrow and numba.
    from counterpart.matching.task import pass_on

    try:
        spark.range(0, 1, 1, 1).mapInArrow(pass_on, "id bigint").collect()
    except PySparkException as problem:
        missing = re.search(r"No module named '?([\w.]+)", str(problem))
        why = f"no module {missing[1]}" if missing else problem.getCondition() or type(problem).__name__
        raise EnvironmentProblem(
            f"the cluster's executors cannot run counterpart ({why}): each needs it, with pandas and pyarrow, in the "
            "Python of PYSPARK_PYTHON. Install it there, or ship an environment with --archives (docs/schedules.md)"
        ) from None


def require_delta_in(spark: SparkSession) -> None:
    """EnvironmentProblem if the session cannot read Delta tables. Databricks has its own Delta, under other names."""
    extensions = spark.conf.get("spark.sql.extensions", "") or ""
    if "DATABRICKS_RUNTIME_VERSION" in os.environ or "DeltaSparkSessionExtension" in extensions:
        return
    raise EnvironmentProblem(
        f"this Spark {spark.version} session has no Delta Lake: start it with --packages io.delta:delta-spark_... and "
        "--conf spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension "
        "--conf spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog"
    )
