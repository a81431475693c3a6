"""Source tables that are files: read by the names of their columns, or a message says which cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart.deliveries import read_delivery
from counterpart.deliveries.failures import explain_forbidden_folders
from counterpart.errors import DataError
from counterpart.protocol import BROKEN_LINE

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

WANTED = {"claims": True, "roster": False}


def test_a_folder_that_may_not_be_listed_is_a_message() -> None:
    """The tests may run as root, who is refused nothing: Java's answer is made here."""
    refusal = SimpleNamespace(
        getCondition=MagicMock(side_effect=Py4JError),
        getCause=lambda: None,
        getClass=lambda: SimpleNamespace(getSimpleName=lambda: "AccessDeniedException"),
        _target_id="o1",
        _gateway_client=None,
    )
    message = "claims, or a folder in it, may not be read by the user running this"
    with pytest.raises(DataError, match=message), explain_forbidden_folders("claims"):
        raise Py4JJavaError("refused", refusal)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_csv_parts_are_read_by_name_and_parquet_parts_with_all_columns(
    spark: SparkSession, tmp_path: Path, frame: Frame
) -> None:
    write(tmp_path / "csv/claims/1.csv", 'claim_id,person_id\n007,"a ""b"", c"\n')
    write(tmp_path / "csv/claims/2.csv", "person_id,claim_id,amount\nd,8,1.50\n")
    write(tmp_path / "csv/claims/3.csv", "")
    write(tmp_path / "csv/claims/_SUCCESS", "")
    write(tmp_path / "csv/roster.csv", "person_id\n")
    delivery = read_delivery(spark, str(tmp_path / "csv"), WANTED)
    ddl = "claim_id string, person_id string, amount string"
    expected = frame('claim_id | person_id | amount\n 007 | a "b", c | \n 8 | d | 1.50', ddl)
    assertDataFrameEqual(delivery.tables["claims"].drop(BROKEN_LINE), expected)
    assert (delivery.tables["roster"].columns, delivery.tables["roster"].isEmpty()) == (
        ["person_id", BROKEN_LINE],
        True,
    )
    for place, columns in enumerate((["claim_id", "person_id"], ["claim_id", "amount"])):
        rows = expected.select(*columns).filter(F.col("claim_id") == ("007", "8")[place]).coalesce(1)
        rows.write.parquet(f"{tmp_path}/parquet/claims/{place}")
    (tmp_path / "parquet/roster").mkdir()
    again = read_delivery(spark, str(tmp_path / "parquet"), WANTED)
    assert set(again.tables) == {"claims"}
    found = again.tables["claims"].select("claim_id", "person_id", "amount")
    assertDataFrameEqual(found, frame('claim_id | person_id | amount\n 007 | a "b", c | \n 8 | | 1.50', ddl))
    assert again.fingerprint != delivery.fingerprint
    assert again.fingerprint == read_delivery(spark, str(tmp_path / "parquet"), WANTED).fingerprint


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"/raw does not exist; the site's source\.path names the folder of the raw claims"),
        ({"others.csv": "x\n1\n"}, r"lacks claims; each must be a folder of Parquet or CSV files, one file \(<table>"),
        ({"claims.csv": ""}, "claims has empty files only; a CSV file begins with the names of its columns"),
        ({"claims.parquet": "no Parquet"}, r"claims cannot be read: FAILED_READ_FILE\.CANNOT_READ_FILE_FOOTER"),
        (
            {"claims.csv": "x\n1\n", "CLAIMS.csv": "x\n1\n"},
            "claims is there twice, under names that differ only in case",
        ),
        ({"claims.csv.gz": "no gzip"}, "claims cannot be read: FAILED_READ_FILE"),
        ({"claims/a.csv": "x\n1\n", "claims/b.parquet": ""}, r"neither all \.parquet nor all \.csv, \.csv\.gz, \.txt"),
    ],
)
def test_files_that_cannot_be_read_are_a_message(
    spark: SparkSession, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        write(tmp_path / "raw" / name, text)
    with pytest.raises(DataError, match=message) as told:
        read_delivery(spark, str(tmp_path / "raw"), WANTED)
    assert told.value.__suppress_context__ or told.value.__context__ is None


def test_numbered_files_with_other_separators_are_one_table(spark: SparkSession, tmp_path: Path, frame: Frame) -> None:
    """A mark of byte order is none of the first column's name; quotation marks stay; a history is no year."""
    write(tmp_path / "CLAIMS_2011.csv", '\ufeffx|y\n1|5" pipe\n')
    write(tmp_path / "claims_2012.csv", "x|y\n2|\n")
    write(tmp_path / "claims_history.csv", "x|y\n3|\n")
    found = read_delivery(spark, str(tmp_path), WANTED, "|").tables["claims"].drop(BROKEN_LINE)
    assertDataFrameEqual(found, frame('x | y\n 1 | 5" pipe\n 2 |', "x string, y string"))


def test_parts_that_disagree_on_a_type_are_a_message(spark: SparkSession, tmp_path: Path) -> None:
    for kind in ("int", "string"):
        spark.range(1).select(F.lit(1).cast(kind).alias("line")).write.parquet(f"{tmp_path}/raw/claims/{kind}")
    with pytest.raises(DataError, match="claims cannot be read: CANNOT_MERGE_SCHEMAS"):
        read_delivery(spark, str(tmp_path / "raw"), WANTED)
