"""`counterpart match-table --spark`: what is written without Spark, from Parquet and Delta, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.study.conftest import COMPILED_LIGHTLY

from counterpart import Matched, cli, match
from counterpart.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from counterpart.matching.task import Stage

pytestmark = pytest.mark.spark

ASKED = ["--id", "unit", "--treated", "arm", "--exact", "sex", "--score", "ps", "--caliper", "0.2", "--ratio", "2"]
ASKED += ["--seed", "3", "--balance", "age,sex,region"]
TABLES = ("pairs", "unmatched", "weights")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(9)
    n = 300
    units = pd.DataFrame({"unit": [f"{number:05d}" for number in range(n)], "arm": np.arange(n) % 4 == 0})
    units["sex"], units["region"] = random.choice(["F", "M"], n), random.choice(["east", "west", "south"], n)
    units["age"], units["ps"] = random.integers(18, 80, n), 1 / (1 + np.exp(-random.normal(size=n)))
    return units


@pytest.fixture(scope="module")
def in_memory(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is written without Spark."""
    folder = tmp_path_factory.mktemp("in_memory")
    table.to_parquet(folder / "units.parquet")
    assert cli.main(["match-table", str(folder / "units.parquet"), "--out", str(folder / "out"), *ASKED]) == 0
    return folder / "out"


def lay(spark: SparkSession, table: pd.DataFrame, place: Path, kind: str) -> None:
    """The units as the kind of table that is asked for, shuffled, in two files."""
    units = spark.createDataFrame(table.sample(frac=1, random_state=4)).repartition(2)
    writer = units.write.partitionBy("sex") if kind == "parquet" else units.write
    writer.format(kind).save(str(place))
    if kind == "delta":
        # These rows are still in a file.
        spark.sql(f"DELETE FROM delta.`{place}` WHERE unit >= '00200'")
        units.filter("unit >= '00200'").write.format(kind).mode("append").save(str(place))


def sorted_rows(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(list(rows.columns[:3]), ignore_index=True)


@pytest.mark.parametrize(("kind", "name"), [("parquet", "units"), ("delta", "in_tasks")])
def test_the_same_is_written_as_without(
    spark: SparkSession, table: pd.DataFrame, in_memory: Path, tmp_path: Path, capsys, request, kind: str, name: str
) -> None:
    if name == "in_tasks":
        request.getfixturevalue("in_tasks")
    lay(spark, table, tmp_path / name, kind)
    out, told = tmp_path / "made" / "out", tmp_path / "told.json"
    asked = [str(tmp_path / name), "--out", str(out), *ASKED, "--spark", "--json", str(told)]
    assert cli.main(["match-table", *asked]) == 0
    for part in TABLES:
        written, expected = (pd.read_parquet(folder / f"{part}.parquet") for folder in (out, in_memory))
        assert len(written) > 0
        pd.testing.assert_frame_equal(sorted_rows(written), sorted_rows(expected), check_exact=True)
    assert (out / "balance.csv").read_text() == (in_memory / "balance.csv").read_text()
    summary, expected = (json.loads((folder / "summary.json").read_text()) for folder in (out, in_memory))
    assert ("plan" in summary) == (name == "in_tasks")
    assert {**summary, "seconds": 0, "plan": 0} == {**expected, "seconds": 0, "plan": 0}
    assert json.loads(told.read_text())["out"] == str(out)
    printed = capsys.readouterr()
    assert not [unit for unit in table.unit if unit in printed.out + printed.err]
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert cli.main(["match-table", *asked]) == 14
    assert "exists already" in capsys.readouterr().err


def test_folders_named_for_a_column_hold_it_without_spark_too(
    spark: SparkSession, table: pd.DataFrame, in_memory: Path, tmp_path: Path
) -> None:
    lay(spark, table, tmp_path / "units", "parquet")
    assert sorted(path.name for path in (tmp_path / "units").glob("sex=*")) == ["sex=F", "sex=M"]
    assert cli.main(["match-table", str(tmp_path / "units"), "--out", str(tmp_path / "out"), *ASKED]) == 0
    written, expected = (pd.read_parquet(folder / "pairs.parquet") for folder in (tmp_path / "out", in_memory))
    pd.testing.assert_frame_equal(
        sorted_rows(written.astype({"sex": str})), sorted_rows(expected), check_exact=True, check_dtype=False
    )


@pytest.fixture(scope="module")
def schema(spark: SparkSession, table: pd.DataFrame) -> Iterator[str]:
    """A schema of the session's catalog with the units as a Delta table, as Parquet, and as a view of one of them."""
    spark.sql("CREATE SCHEMA lab")
    units = spark.createDataFrame(table.sample(frac=1, random_state=4))
    units.write.format("delta").saveAsTable("lab.units")
    units.write.format("parquet").saveAsTable("lab.units_2020")
    spark.sql("CREATE VIEW lab.those_of_age AS SELECT * FROM lab.units WHERE age >= 18")
    yield "lab"
    spark.sql("DROP SCHEMA lab CASCADE")


@pytest.mark.parametrize("name", ["lab.units", "lab.units_2020", "LAB.those_of_age", "spark_catalog.lab.units"])
def test_a_table_of_the_catalog_by_its_name(schema: str, in_memory: Path, tmp_path: Path, name: str) -> None:
    asked = ["match-table", name, "--catalog", "--spark", "--out", str(tmp_path / "out"), *ASKED]
    assert cli.main(asked) == 0
    written, expected = (pd.read_parquet(folder / "pairs.parquet") for folder in (tmp_path / "out", in_memory))
    pd.testing.assert_frame_equal(sorted_rows(written), sorted_rows(expected), check_exact=True)
    assert (tmp_path / "out" / "balance.csv").read_text() == (in_memory / "balance.csv").read_text()


@pytest.mark.parametrize("name", ["lab.nothing", "nowhere.units", "nowhere.lab.units", "lab..units", "a.b.c.d"])
def test_a_name_that_the_catalog_does_not_have(schema: str, tmp_path: Path, capsys, name: str) -> None:
    assert cli.main(["match-table", name, "--catalog", "--spark", "--out", str(tmp_path / "out"), *ASKED]) == 13
    printed = capsys.readouterr().err
    assert f"catalog table {name} cannot be read (" in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


def test_a_plan_pairs_nobody(spark: SparkSession, table: pd.DataFrame, tmp_path: Path, capsys) -> None:
    lay(spark, table, tmp_path / "units", "parquet")
    assert cli.main(["match-table", str(tmp_path / "units"), "--plan", *ASKED]) == 0
    assert "75 treated, 225 controls; 2 strata" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["units"]


def damaged(table: pd.DataFrame, place: Path) -> None:
    """A file whose rows are cut off, with its footer whole."""
    table.to_parquet(place)
    content = bytearray(place.read_bytes())
    content[4:1500] = bytes(1496)
    place.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "changes", "code", "message"),
    [
        pytest.param("nothing", [], 13, "nothing does not exist", id="no units"),
        pytest.param("units.csv", [], 13, "has other files than Parquet, or none", id="csv"),
        pytest.param("empty", [], 13, "has other files than Parquet, or none", id="empty folder"),
        pytest.param("mixed", [], 13, "has other files than Parquet, or none", id="text among Parquet"),
        pytest.param("damaged.parquet", [], 13, "damaged.parquet cannot be read to its end", id="damaged"),
        pytest.param("units.parquet", ["--score", "height"], 12, "no column height", id="column"),
        pytest.param("units.parquet", ["--balance", "height"], 12, "no column height", id="covariate"),
        pytest.param("units.parquet", ["--score", "age"], 13, "not strictly between 0 and 1", id="values"),
        pytest.param("units.parquet", ["--out", "units.parquet/out"], 15, "cannot be written", id="out in a file"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(
    spark: SparkSession, table: pd.DataFrame, tmp_path: Path, monkeypatch, capsys, name, changes, code, message
) -> None:
    monkeypatch.chdir(tmp_path)
    table.to_parquet("units.parquet")
    table.to_csv("units.csv")
    for folder in ("empty", "mixed"):
        Path(folder).mkdir()
    table.to_parquet("mixed/0.parquet")
    table.to_csv("mixed/1.csv")
    damaged(table, Path("damaged.parquet"))
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["match-table", name, "--spark", "--out", "out", *ASKED, *changes]) == code
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("in_tasks")
def test_what_a_task_refuses_is_told_as_by_the_driver(
    spark: SparkSession, table: pd.DataFrame, tmp_path: Path, monkeypatch, capsys
) -> None:
    """One line and its own exit code, as without tasks: nothing of Spark's, and no traceback."""

    def refusing(_: object) -> Stage:
        def refuse_all(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            raise DataError("matching: 300,000 strata are too many")
            yield from batches

        return refuse_all

    table.to_parquet(tmp_path / "units.parquet")
    monkeypatch.setattr("counterpart.matching.distributed.solver", refusing)
    told = tmp_path / "told.json"
    asked = [str(tmp_path / "units.parquet"), "--spark", "--out", str(tmp_path / "out"), "--json", str(told), *ASKED]
    assert cli.main(["match-table", *asked]) == 13
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("counterpart: ")]
    assert said == ["counterpart: matching: 300,000 strata are too many"]
    assert json.loads(told.read_text())["error"]["kind"] == "DataError"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["told.json", "units.parquet"]


def test_a_folder_that_comes_meanwhile_is_left_alone(
    spark: SparkSession, table: pd.DataFrame, tmp_path: Path, monkeypatch, capsys
) -> None:
    from counterpart.match_table import by_spark

    def meanwhile(*_: object) -> None:
        (tmp_path / "out").mkdir()

    table.to_parquet(tmp_path / "units.parquet")
    monkeypatch.setattr(by_spark, "_write", meanwhile)
    arguments = ["match-table", str(tmp_path / "units.parquet"), "--spark", "--out", str(tmp_path / "out"), *ASKED]
    assert cli.main(arguments) == 14
    assert "exists already" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out", "units.parquet"]


@pytest.mark.parametrize("lost", TABLES)
def test_a_row_that_is_not_written_is_no_success(
    spark: SparkSession, table: pd.DataFrame, tmp_path: Path, monkeypatch, capsys, lost: str
) -> None:
    from counterpart.match_table import by_spark

    def match_and_lose(*asked: object) -> Matched:
        result = match(*asked)
        rows = getattr(result, lost)
        return replace(result, **{lost: rows.limit(rows.count() - 1)})

    table.to_parquet(tmp_path / "units.parquet")
    monkeypatch.setattr(by_spark, "match", match_and_lose)
    arguments = ["match-table", str(tmp_path / "units.parquet"), "--spark", "--out", str(tmp_path / "out"), *ASKED]
    assert cli.main(arguments) == 1
    assert f"{lost} do not reconcile" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["units.parquet"]


def test_the_job(root: Path, table: pd.DataFrame, in_memory: Path, tmp_path: Path) -> None:
    """By spark-submit, whose settings hold; from any folder, and nothing is left there but what was asked for."""
    table.to_parquet(tmp_path / "units.parquet")
    submit = [Path(sys.executable).parent / "spark-submit", "--master", "local[1]", "--driver-memory", "1g"]
    # Spark's own 200 partitions would each be a task.
    submit += ["--conf", "spark.sql.shuffle.partitions=3", "--driver-java-options", COMPILED_LIGHTLY]
    command = [*submit, root / "jobs" / "match_table.py", "units.parquet", "--out", "out", *ASKED]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK", "PYSPARK"))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written, expected = (pd.read_parquet(folder / "pairs.parquet") for folder in (tmp_path / "out", in_memory))
    pd.testing.assert_frame_equal(sorted_rows(written), sorted_rows(expected), check_exact=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "units.parquet"]
