"""The session: what every study relies on, and what it keeps to itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from py4j.java_gateway import JVMView
from py4j.protocol import Py4JError
from pyspark import sql as spark_sql
from pyspark.errors import PySparkAttributeError
from pyspark.sql import Row
from pyspark.sql import functions as F
from tests.study.conftest import COMPILED_LIGHTLY

import counterpart
from counterpart import Matching, match, plan
from counterpart.cluster import is_alone, require_classic
from counterpart.errors import EnvironmentProblem
from counterpart.matching import task
from counterpart.protocol import SparkSettings
from counterpart.session import (
    ASKED_FOR,
    build_session,
    remember_java_names,
    require_delta_in,
    require_ours_on_executors,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark


def test_delta_tables_are_written_read_merged_and_travelled(spark: SparkSession, tmp_path: Path) -> None:
    """With only Delta's own jars beside Spark's: all that the store asks of them."""
    from delta.tables import DeltaTable

    place = str(tmp_path / "counts")
    spark.createDataFrame([(1, 10), (2, 20)], "k int, n int").write.format("delta").partitionBy("k").save(place)
    table = DeltaTable.forPath(spark, place)
    changes = spark.createDataFrame([(2, 22), (3, 33)], "k int, n int")
    merge = table.alias("t").merge(changes.alias("c"), "t.k = c.k")
    merge.whenMatchedUpdate(set={"n": "c.n"}).whenNotMatchedInsertAll().execute()
    assert sorted(spark.read.format("delta").load(place).collect()) == [Row(1, 10), Row(2, 22), Row(3, 33)]
    assert sorted(spark.read.format("delta").option("versionAsOf", 0).load(place).collect()) == [Row(1, 10), Row(2, 20)]


def test_an_active_session_is_taken_and_stays_its_owners(spark: SparkSession) -> None:
    taken, is_ours = build_session(SparkSettings())
    assert taken is spark
    assert not is_ours
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"


def test_a_session_is_its_owners_in_any_thread(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform may call us in a thread in which no session is active: it is taken, and not stopped."""
    found = []
    monkeypatch.setattr(spark_sql.SparkSession, "getActiveSession", lambda: None)
    thread = Thread(target=lambda: found.append(build_session(SparkSettings(conf={"spark.x": "ours"}))))
    thread.start()
    thread.join()
    assert found == [(spark, False)]
    assert spark.conf.get("spark.x", None) is None


class Connected:
    """A session of Spark Connect, of which Java cannot be asked."""

    @property
    def _jvm(self) -> None:
        raise PySparkAttributeError("[JVM_ATTRIBUTE_NOT_SUPPORTED]")


def test_spark_connect_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "needs a classic Spark session: .* dedicated .* not serverless"
    with pytest.raises(EnvironmentProblem, match=message):
        require_classic(Connected())
    for told in (match, plan):
        with pytest.raises(EnvironmentProblem, match=message):
            told(Table(), Matching(score="ps"))
    monkeypatch.setenv("SPARK_REMOTE", "sc://localhost")
    with pytest.raises(EnvironmentProblem, match=message):
        build_session(SparkSettings())


Table = type("Table", (), {"__module__": "pyspark.sql.connect.dataframe", "sparkSession": Connected()})


@pytest.mark.parametrize(
    ("says", "told"),
    [("No module named 'counterpart'", r"\(no module counterpart\)"), ("out of space", r"\(PYTHON_EXCEPTION\)")],
)
def test_executors_without_counterpart_are_told_before_the_work(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, says: str, told: str
) -> None:
    require_ours_on_executors(spark)

    def fail(batches: Iterator[Any]) -> Iterator[Any]:
        raise ImportError(says)
        yield from batches

    monkeypatch.setattr(task, "pass_on", fail)
    with pytest.raises(EnvironmentProblem, match=f"executors cannot run counterpart {told}: .* --archives"):
        require_ours_on_executors(spark)


def test_a_cluster_is_what_is_not_this_process() -> None:
    masters = (
        "local",
        "local[2]",
        "local[*]",
        "local[2,1]",
        "yarn",
        "k8s://x",
        "spark://x:7077",
        "local-cluster[1,1,1]",
    )
    assert [is_alone(master) for master in masters] == [True] * 4 + [False] * 4


def test_java_is_asked_once_for_what_columns_are_made_of(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = JVMView.__getattr__
    monkeypatch.setattr(JVMView, "__getattr__", lambda view, name: asked.append(name) or ask(view, name))
    rows = spark.range(3).select(F.array(F.lit("a"), F.concat(F.lit("b"), "id")).alias("texts"))
    longer = rows.select(F.transform("texts", lambda text: F.length(text)).alias("lengths"))
    assert longer.head() == Row(lengths=[1, 2])
    assert not set(asked) & set(ASKED_FOR)


def test_what_a_platform_does_not_tell_of_java_stops_nobody() -> None:
    class Guarded:
        def __getattr__(self, name: str) -> str:
            if name == "PythonUtils":
                raise Py4JError("not on the list")
            return name

    java = Guarded()
    remember_java_names(SimpleNamespace(_jvm=java))
    assert set(vars(java)) == set(ASKED_FOR) - {"PythonUtils"}


def test_a_session_without_delta_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = SimpleNamespace(version="4.2.0", conf=SimpleNamespace(get=lambda name, default: default))
    with pytest.raises(EnvironmentProblem, match="has no Delta Lake: start it with --packages"):
        require_delta_in(bare)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.0")
    require_delta_in(bare)


def test_tables_written_as_text(frame: Callable[[str, str], DataFrame]) -> None:
    rows = frame(
        """
        | member_key | start_date | codes      |
        |------------|------------|------------|
        | 1          | 2020-02-29 | ["A","B"]  |
        | 2          |            |            |
        """,
        "member_key bigint, start_date date, codes array<string>, paid_cents bigint",
    )
    told = [(row.member_key, str(row.start_date), row.codes, row.paid_cents) for row in rows.collect()]
    assert told == [(1, "2020-02-29", ["A", "B"], None), (2, "None", None, None)]


FAILING = """
import sys
from pyspark.errors import PySparkException
from counterpart.protocol import SparkSettings
from counterpart.session import build_session
spark, is_ours = build_session(SparkSettings(master="local[1]", driver_memory="1g", shuffle_partitions=1))
rows = spark.createDataFrame([("CANARY-4711",)], "person_id string")

def refuse(batches):
    for batch in batches:
        raise ValueError(batch.person_id[0])

for failing in (
    rows.selectExpr("cast(person_id as date)"),
    rows.select(rows.person_id.cast("int")),
    rows.mapInPandas(refuse, "person_id string"),
):
    try:
        failing.collect()
    except PySparkException as error:
        print(error.getCondition())
print(is_ours, spark.conf.get("spark.driver.memory"), sys.argv[1:])
spark.stop()
spark, _ = build_session(SparkSettings(master=None, conf={"spark.ui.enabled": "false"}))
print(spark.conf.get("spark.sql.shuffle.partitions"))
spark.stop()
"""


@pytest.mark.parametrize("through", ["python", "spark-submit"])
def test_a_failing_task_prints_no_row(through: str, tmp_path: Path) -> None:
    """A new process, as a command and as a job: no flags, nothing of the row on stdout or stderr, no files left."""
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    command = [sys.executable]
    if through == "spark-submit":
        command = [str(Path(sys.executable).parent / through), "--conf", "spark.sql.shuffle.partitions=77"]
        command += ["--driver-java-options", COMPILED_LIGHTLY]
    environment = {**os.environ, "PYTHONPATH": str(Path(counterpart.__file__).parents[1])}
    told = subprocess.run(
        [*command, str(script), "x"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    memory = "4g" if through == "spark-submit" else "1g"
    # Where no master is named, what Java was started with holds.
    partitions = "77" if through == "spark-submit" else "1"
    lines = [*["CAST_INVALID_INPUT"] * 2, "PYTHON_EXCEPTION", f"True {memory} ['x']", partitions]
    assert told.stdout.splitlines() == lines
    assert "CANARY" not in told.stderr
    assert [line for line in told.stderr.splitlines() if "incubator" not in line] == []
    assert [path.name for path in tmp_path.iterdir()] == ["failing.py"], "no warehouse, no Derby, no metastore"
