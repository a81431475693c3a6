"""What tests share: one Spark session, tables written as text, the public claims beside the checkout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROOT = Path(__file__).resolve().parents[1]
# The files that use the study which tests/study/conftest.py runs once, and those on the public claims it ingests once.
ON_THE_DEMO = (
    "test_study.py",
    "test_reuse.py",
    "test_no_future.py",
    "test_nobody.py",
    "test_jobs.py",
    "test_airflow.py",
    "test_oracle.py",
    "test_plans.py",
)
ON_SYNPUF = ("test_chiropractic.py", "test_synpuf_reading.py")
SHARED = dict.fromkeys(ON_THE_DEMO, "demo") | dict.fromkeys(ON_SYNPUF, "synpuf")
# Hundreds of plans of few rows: making and compiling Java for each took a third of an ingest's CPU time. What is run by
# spark-submit has code made, as in use, and is compared with the session's to the bit.
INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
# Of a thousand queries each Spark would keep all for a web page that is off.
FORGOTTEN = dict.fromkeys(
    ("spark.ui.retainedJobs", "spark.ui.retainedStages", "spark.sql.ui.retainedExecutions"), "50"
) | {"spark.ui.retainedTasks": "1000"}
PUBLIC_CLAIMS = ROOT.parent / "shared" / "data"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several processes: tests that share what is costly share one, so that it is made once; others their file."""
    from xdist.scheduler import LoadScopeScheduling

    class ByWhatTheyShare(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return SHARED.get(Path(file).name, file)

    return ByWhatTheyShare(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo's tests, which take longest, first; skip what reads public claims where these are absent."""
    items.sort(key=lambda item: item.path.name not in ON_THE_DEMO)
    if PUBLIC_CLAIMS.is_dir():
        return
    absent = pytest.mark.skip(reason="the public claims are not beside the checkout (../shared/data)")
    for item in items:
        if "realdata" in item.keywords:
            item.add_marker(absent)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def public_claims() -> Path:
    """The folder of public claims; for tests marked realdata."""
    return PUBLIC_CLAIMS


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one session of all tests: two cores, two partitions, Delta."""
    from counterpart.protocol import SparkSettings
    from counterpart.session import build_session

    folder = tmp_path_factory.mktemp("spark")
    settings = SparkSettings(
        master="local[2]",
        # What is kept of 1,800 tests' plans filled 2 GB: a fifth of the CPU went into looking for more.
        driver_memory="3g",
        # Two: with 200 partitions the smallest test takes minutes.
        shuffle_partitions=2,
        conf={
            "spark.default.parallelism": "2",
            **INTERPRETED,
            **FORGOTTEN,
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.local.dir": str(folder / "scratch"),
        },
    )
    session, _ = build_session(settings)
    yield session
    session.stop()


@pytest.fixture
def in_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of tests have few units, which would otherwise be matched where the driver is."""
    monkeypatch.setattr("counterpart.matching.cost.FEW_SECONDS", -1)


@pytest.fixture(scope="session")
def frame(spark: SparkSession) -> Callable[[str, str], DataFrame]:
    """Rows written as an ASCII table -> DataFrame with a DDL schema.

    The first line names the columns, `|` divides cells, an empty cell is null; arrays, maps and structs are JSON.
    Columns of the schema that the text leaves out are null.

    frame('''member_key | start_date
             1          | 2020-01-01''', "member_key bigint, start_date date, end_date date")
    """

    def build(text: str, ddl: str) -> DataFrame:
        return parse_table(spark, text, ddl)

    return build


def parse_table(spark: SparkSession, text: str, ddl: str) -> DataFrame:
    """The work of the fixture `frame`."""
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    schema = T.StructType.fromDDL(ddl)
    lines = [line for line in text.splitlines() if line.strip() and not set(line) <= set("-+| ")]
    is_framed = lines[0].strip().startswith("|")
    bare = [line.strip()[1:-1] if is_framed else line for line in lines]
    header, *rows = [[cell.strip() for cell in line.split("|")] for line in bare]
    unknown = sorted(set(header) - set(schema.names))
    uneven = [row for row in rows if len(row) != len(header)]
    if unknown or uneven:
        raise ValueError(f"columns not in the schema: {unknown}; rows of another length than the header: {uneven}")
    cells = [tuple(cell or None for cell in row) for row in rows]
    strings = spark.createDataFrame(cells, T.StructType([T.StructField(name, T.StringType()) for name in header]))
    nested = (T.ArrayType, T.MapType, T.StructType)

    def column(field: T.StructField):
        if field.name not in header:
            return F.lit(None).cast(field.dataType).alias(field.name)
        if isinstance(field.dataType, nested):
            return F.from_json(field.name, field.dataType).alias(field.name)
        return F.col(field.name).cast(field.dataType).alias(field.name)

    return strings.select(*(column(field) for field in schema))
