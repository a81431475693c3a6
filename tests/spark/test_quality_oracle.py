"""What the profile counts, beside hand-written SQL in DuckDB: every tally is the same."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pytest
from tests.bench.oracle_claims import make_rough_claims

from counterpart.codes import CodeLibrary, decode, encode
from counterpart.quality import tally_claims
from counterpart.quality.code_systems import FORMATS
from counterpart.tables import ENROLLMENT, MEDICAL, MEMBERS, PHARMACY, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

SQL = Path(__file__).parents[1] / "oracles" / "tallies.sql"
TABLES = (MEMBERS, ENROLLMENT, MEDICAL, PHARMACY)
MEMBERS_MADE = 500
KEY = ["topic", "part", "name", "detail", "at"]
# Begins and ends of cover are counted so that no span is spread over its months; what they come to is compared.
BEGINS, ENDS = "cover_begins", "cover_ends"
# Every so many rows have something else in a column: what is missing, invalid, or no code of its system.
SPOILT: Mapping[Table, Mapping[str, tuple[int, tuple[Any, ...]]]] = {
    MEMBERS: {"birth_date": (9, (None,)), "sex": (7, ("U", None)), "residences": (11, ([], None))},
    MEDICAL: {
        "claim_type": (7, ("other", "dme", "dental", None)),
        "service_end_date": (5, (None, date(2015, 1, 1), date(2022, 1, 1))),
        "procedure": (13, (encode("hcpcs", "X9999"), encode("icd10pcs", "0SG00A0"), None)),
        "revenue": (3, (encode("revenue", "320"), encode("revenue", "ABC"))),
        "place": (8, ("1", "11", None)),
        "bill_type": (4, ("131", "0131", "13")),
        "drg": (6, (encode("drg", "39"), encode("drg", "OTH"))),
        "facility_procedures": (
            7,
            ([], [(encode("icd10pcs", "0SG00A0"), date(2020, 1, 1)), (encode("icd9pcs", "8"), date(2020, 1, 2))]),
        ),
        "specialty": (6, ("65", "2251X0800X", "physio")),
        "diagnoses": (10, ([], None, [encode("icd9cm", "7242"), encode("icd9cm", "M"), encode("icd10cm", "54X")])),
        "modifiers": (3, (["GP", "95"], [])),
        "allowed_cents": (9, (-1, -12_345, 999, 1_000, 123_456_789, 0, None)),
        "paid_cents": (8, (10_099, -100, None)),
    },
    PHARMACY: {
        "ndc": (9, (None,)),
        "days_supply": (7, (0, -1, 366, 367, None)),
        "quantity": (6, (Decimal("0.000"), Decimal("-1.5"), Decimal("0.001"), None)),
        "concepts": (5, ([], [encode("omop", "192671")])),
        "allowed_cents": (9, (-1, 5, None)),
    },
}


def spoil(rows: list[tuple[Any, ...]], table: Table) -> list[tuple[Any, ...]]:
    columns = list(table.columns)
    spoilt = [list(row) for row in rows]
    for name, (every, values) in SPOILT.get(table, {}).items():
        for turn, row in enumerate(spoilt[::every]):
            row[columns.index(name)] = values[turn % len(values)]
    return [tuple(row) for row in spoilt]


@pytest.fixture(scope="module")
def folder(spark: SparkSession, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Difficult claims, one Parquet file a table."""
    folder = tmp_path_factory.mktemp("profile")
    claims = make_rough_claims(MEMBERS_MADE, 5, CodeLibrary.load([root / "conf/codesets"]))
    for table in TABLES:
        rows = spoil(getattr(claims, table.name), table)
        spark.createDataFrame(rows, table.ddl).coalesce(1).write.parquet(str(folder / table.name))
    return folder


@pytest.fixture(scope="module")
def tallies(spark: SparkSession, folder: Path) -> pd.DataFrame:
    return tally_claims(*(spark.read.parquet(str(folder / table.name)) for table in TABLES)).filter("n > 0").toPandas()


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as database:
        for table in TABLES:
            database.execute(f"create view {table.name} as from '{folder / table.name}/*.parquet'")
        found = database.execute(
            "select distinct unnest(coalesce(diagnoses, []) || [procedure, revenue, drg]) from medical "
            "union select unnest(facility_procedures).code from medical "
            "union select ndc from pharmacy"
        ).fetchall()
        # The plain functions in Python, not the columns that Spark computes.
        texts = pd.DataFrame([(code, *decode(code)) for (code,) in found if code], columns=["code", "system", "text"])
        formats = pd.DataFrame(FORMATS.items(), columns=["system", "pattern"])
        for name, rows in (("code_texts", texts), ("formats", formats)):
            database.register(f"given_{name}", rows)
            database.execute(f"create table {name} as from given_{name}")
        database.execute(SQL.read_text())
        yield database


def test_every_tally_is_that_of_the_sql(tallies: pd.DataFrame, database: duckdb.DuckDBPyConnection) -> None:
    ours = tallies[~tallies["topic"].isin([BEGINS, ENDS])]
    theirs = database.execute("select * from tallies where n > 0").df()
    both = ours.merge(theirs, on=KEY, how="outer", suffixes=("", "_sql"))
    differ = both[both["n"] != both["n_sql"]]
    assert differ.empty, f"tallies that differ\n{differ.to_string(max_rows=40)}"
    assert set(ours["topic"]) == {
        *("lines", "people", "people_ever", "outside", "missing", "invalid", "codes", "unrecognised", "amounts"),
        *("spans", "gaps", "deaths"),
    }


def test_covered_members_are_those_with_a_day_of_cover(
    tallies: pd.DataFrame, database: duckdb.DuckDBPyConnection
) -> None:
    for part, theirs in database.execute("from covered order by all").df().groupby("part"):
        steps: dict[int, int] = dict.fromkeys(theirs["at"], 0)
        for topic, sign in ((BEGINS, 1), (ENDS, -1)):
            rows = tallies[(tallies["topic"] == topic) & (tallies["part"] == part)]
            for at, n in zip(rows["at"], rows["n"], strict=True):
                steps[at] = steps.get(at, 0) + sign * n
        covered = dict(zip(sorted(steps), accumulate(steps[at] for at in sorted(steps)), strict=True))
        assert {at: covered[at] for at in theirs["at"]} == dict(zip(theirs["at"], theirs["n"], strict=True)), part
