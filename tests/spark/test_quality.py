"""Tallies of small claims tables, counted by hand; the same from any partitioning; tables without rows."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from counterpart.codes import encode, encode_column
from counterpart.errors import DataError
from counterpart.protocol import Site, Source
from counterpart.quality import tally_claims
from counterpart.sources.lag import tally_lags
from counterpart.sources.tuva import TUVA
from counterpart.stages import profile_site
from counterpart.stages.profile import _tally_lags
from counterpart.store import Store
from counterpart.tables import ENROLLMENT, MEDICAL, MEMBERS, PHARMACY, Table

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]
Tallied = dict[tuple[str, str, str, str, int], int]

# Ann has a gap from March to May and one inside August; Bob dies on 10 January; Cy has no cover, and nobody knows Di.
PEOPLE = """member_key | birth_date | sex | death_date | residences
            1          | 1980-05-05 | F   |            | [{"from_date": "2020-01-01", "state": "TX"}]
            2          | 1990-02-28 | M   | 2020-01-10 | []
            3          |            | U   |            | """

COVER = """member_key | benefit  | start_date | end_date
           1          | medical  | 2020-01-01 | 2020-02-29
           1          | medical  | 2020-06-01 | 2020-08-10
           1          | medical  | 2020-08-20 | 9999-12-31
           1          | pharmacy | 2020-01-01 | 2020-02-29
           2          | medical  | 2019-12-31 | 2020-01-31"""

LINES = """member | type          | day        | end        | code  | rev | place | bill | spec       | dx         | cents | paid
           1      | professional  | 2020-01-31 | 2020-02-01 | 72148 |     | 11    |      | 65         | M545, 7242 | 12345 | 9999
           1      | institutional | 2020-01-31 |            |       | 320 |       | 131  |            | M545       |       | 0
           1      | dental        | 2020-04-01 | 2020-03-01 | X9999 |     | 1     |      | 2251X0800X | 54X, M     | -250  | -99
           2      | professional  | 2020-01-10 | 2020-01-10 | J1100 |     | 11    |      |            |            | 999   | 1000
           2      | dme           | 2020-02-09 | 2020-02-09 | 0075T |     | 11    |      |            |            | 10099 | 100
           2      | other         | 2020-02-10 | 2020-02-10 | 99213 |     | 11    |      |            |            | 0     | 5
           1      | professional  | 1979-01-01 | 1979-01-01 | 99213 |     | 11    |      |            |            | 1     | 1
           4      | professional  | 2020-01-01 | 2020-01-01 | 99213 |     | 11    |      |            |            | 1     | 1
"""  # noqa: E501  # the lines of a claim side by side

FILLS = """member | day        | code        | days | quantity | cents | paid
           1      | 2020-01-15 | 00093015001 | 30   | 60       | 2500  | 2000
           1      | 2020-03-01 | 00093015001 | 0    | -1       | 2500  | 2000
           2      | 2020-01-05 |             |      |          |       |"""

NAMES = {
    "member_key": "member", "claim_type": "type", "service_date": "day", "dispensing_date": "day",
    "service_end_date": "end", "bill_type": "bill", "specialty": "spec", "allowed_cents": "cents", "paid_cents": "paid",
    "days_supply": "days",
}  # fmt: skip
DDL = (
    "member bigint, type string, day date, end date, code string, rev string, place string, bill string, spec string, "
    "dx string, cents bigint, paid bigint, days int, quantity decimal(12,3)"
)


@pytest.fixture(scope="module")
def claims(frame: Frame) -> tuple[DataFrame, ...]:
    medical = _lines(frame(LINES, DDL), "hcpcs", "procedure").withColumn(
        "modifiers", F.when(F.col("end") == "2020-02-01", F.array(F.lit("26")))
    )
    # What a hospital did, and why it was paid.
    done = F.struct(F.lit(encode("icd10pcs", "0SG0071")).alias("code"), F.col("day"))
    odd = F.struct(F.lit(encode("icd9pcs", "8")).alias("code"), F.col("day"))
    is_stay = F.col("bill") == "131"
    medical = medical.withColumns(
        {"facility_procedures": F.when(is_stay, F.array(done, odd)), "drg": F.when(is_stay, encode("drg", "39"))}
    )
    pharmacy = _lines(frame(FILLS, DDL), "ndc", "ndc")
    return frame(PEOPLE, MEMBERS.ddl), frame(COVER, ENROLLMENT.ddl), _hold(medical, MEDICAL), _hold(pharmacy, PHARMACY)


def _lines(rows: DataFrame, system: str, column: str) -> DataFrame:
    """Codes encoded, columns under their names."""
    codes = F.filter(F.split("dx", ", "), lambda code: code != "")
    versions = F.transform(
        codes, lambda code: encode_column(F.when(code.rlike("^[A-Z]"), "icd10cm").otherwise("icd9cm"), code)
    )
    return rows.withColumns({name: F.col(short) for name, short in NAMES.items()}).withColumns(
        {
            column: encode_column(system, F.col("code")),
            "revenue": encode_column("revenue", F.col("rev")),
            "diagnoses": versions,
            "service_month": F.year("day") * 100 + F.month("day"),
        }
    )


def _hold(lines: DataFrame, table: Table) -> DataFrame:
    """In the table's contract; what no tally asks for is null."""
    given = {name: F.col(name) if name in lines.columns else F.lit(None) for name in table.columns}
    return lines.select(*(given[name].cast(kind).alias(name) for name, kind in table.columns.items()))


def counted(tallies: DataFrame) -> Tallied:
    return {
        (row["topic"], row["part"], row["name"], row["detail"], row["at"]): row["n"]
        for row in tallies.collect()
        if row["n"]
    }


def of(tallies: Tallied, *topics: str) -> Mapping[tuple[str, ...], int]:
    return {key: n for key, n in tallies.items() if key[0] in topics}


@pytest.fixture(scope="module")
def by_hand(claims: tuple[DataFrame, ...]) -> Tallied:
    """The tallies of the claims above, made once."""
    return counted(tally_claims(*claims))


def test_lines_and_people_by_hand(by_hand: Tallied) -> None:
    assert of(by_hand, "lines", "people", "people_ever") == {
        ("lines", "members", "", "", 0): 3,
        ("lines", "medical", "", "", 197901): 1, ("lines", "medical", "", "", 202001): 4,
        ("lines", "medical", "", "", 202002): 2, ("lines", "medical", "", "", 202004): 1,
        ("lines", "pharmacy", "", "", 202001): 2, ("lines", "pharmacy", "", "", 202003): 1,
        ("people", "medical", "", "", 197901): 1, ("people", "medical", "", "", 202001): 3,
        ("people", "medical", "", "", 202002): 1, ("people", "medical", "", "", 202004): 1,
        ("people", "pharmacy", "", "", 202001): 2, ("people", "pharmacy", "", "", 202003): 1,
        ("people_ever", "medical", "", "", 197901): 1, ("people_ever", "medical", "", "", 202001): 2,
        ("people_ever", "pharmacy", "", "", 202001): 2,
    }  # fmt: skip


def test_cover_by_hand(by_hand: Tallied) -> None:
    assert of(by_hand, "outside") == {
        ("outside", "medical", "outside_cover", "", 197901): 1,
        ("outside", "medical", "outside_cover", "", 202001): 1,  # Di's
        ("outside", "medical", "outside_cover", "", 202002): 2,  # Bob's cover ends in January
        ("outside", "medical", "outside_cover", "", 202004): 1,
        ("outside", "medical", "before_birth", "", 197901): 1,
        ("outside", "medical", "after_death", "", 202002): 2,
        ("outside", "medical", "long_after_death", "", 202002): 1,  # 9 February is day 30
        ("outside", "pharmacy", "outside_cover", "", 202001): 1,  # medical cover is no pharmacy cover
        ("outside", "pharmacy", "outside_cover", "", 202003): 1,
    }  # fmt: skip
    assert of(by_hand, "cover_begins", "cover_ends", "spans", "gaps") == {
        ("cover_begins", "medical", "", "", 201912): 1, ("cover_begins", "medical", "", "", 202001): 1,
        ("cover_begins", "medical", "", "", 202006): 1, ("cover_begins", "medical", "", "", 202009): 1,
        ("cover_begins", "pharmacy", "", "", 202001): 1,
        ("cover_ends", "medical", "", "", 202002): 1, ("cover_ends", "medical", "", "", 202003): 1,
        ("cover_ends", "medical", "", "", 202009): 1, ("cover_ends", "pharmacy", "", "", 202003): 1,
        ("spans", "medical", "", "", 3): 1, ("spans", "medical", "", "", 1): 1, ("spans", "pharmacy", "", "", 1): 1,
        ("gaps", "medical", "", "", 31): 1, ("gaps", "medical", "", "", 92): 1,  # March to May
    }  # fmt: skip


def test_codes_by_hand(by_hand: Tallied) -> None:
    by_month = ((197901, 1), (202001, 3), (202002, 2), (202004, 1))
    assert of(by_hand, "codes", "unrecognised") == {
        **{("codes", "medical", "procedure", "hcpcs", month): n for month, n in by_month},
        ("unrecognised", "medical", "procedure", "hcpcs", 202004): 1,
        ("codes", "medical", "revenue", "revenue", 202001): 1,
        ("codes", "medical", "diagnoses", "icd10cm", 202001): 2, ("codes", "medical", "diagnoses", "icd9cm", 202001): 1,
        ("codes", "medical", "diagnoses", "icd10cm", 202004): 1, ("codes", "medical", "diagnoses", "icd9cm", 202004): 1,
        ("unrecognised", "medical", "diagnoses", "icd10cm", 202004): 1,
        ("unrecognised", "medical", "diagnoses", "icd9cm", 202004): 1,
        **{("codes", "medical", "place", "place", month): n for month, n in by_month},
        ("unrecognised", "medical", "place", "place", 202004): 1,
        ("codes", "medical", "bill_type", "bill_type", 202001): 1,
        ("codes", "medical", "drg", "drg", 202001): 1,
        ("codes", "medical", "facility_procedures", "icd10pcs", 202001): 1,
        ("codes", "medical", "facility_procedures", "icd9pcs", 202001): 1,
        ("unrecognised", "medical", "facility_procedures", "icd9pcs", 202001): 1,
        **{("codes", "medical", "specialty", "specialty", month): 1 for month in (202001, 202004)},
        ("codes", "pharmacy", "ndc", "ndc", 202001): 1, ("codes", "pharmacy", "ndc", "ndc", 202003): 1,
    }  # fmt: skip


def test_values_that_are_missing_or_wrong_and_amounts_by_hand(by_hand: Tallied) -> None:
    missing = of(by_hand, "missing").items()
    in_january = {key[2]: n for key, n in missing if key[1:2] == ("medical",) and key[4] == 202001}
    assert in_january == {
        "service_end_date": 1, "procedure": 1, "revenue": 3, "place": 1, "bill_type": 3, "drg": 3, "specialty": 3,
        "diagnoses": 2, "facility_procedures": 3, "modifiers": 3, "concepts": 4, "allowed_cents": 1,
    }  # fmt: skip
    assert of(by_hand, "invalid") == {
        **{("invalid", "medical", name, "", 202004): 1
           for name in ("claim_type", "service_end_date", "allowed_cents", "paid_cents")},
        **{("invalid", "pharmacy", name, "", 202003): 1 for name in ("days_supply", "quantity")},
    }  # fmt: skip
    amounts = {(key[1], key[2], key[4]): n for key, n in of(by_hand, "amounts").items()}
    assert amounts == {
        **{("medical", "allowed_cents", cents): n
           for cents, n in ((12000, 1), (-200, 1), (900, 1), (10000, 1), (0, 3))},
        **{("medical", "paid_cents", cents): n for cents, n in ((9900, 1), (0, 5), (1000, 1), (100, 1))},
        ("pharmacy", "allowed_cents", 2500): 2, ("pharmacy", "paid_cents", 2000): 2,
    }  # fmt: skip
    assert of(by_hand, "missing", "deaths").items() >= {
        ("missing", "members", "birth_date", "", 0): 1, ("missing", "members", "sex", "", 0): 1,
        ("missing", "members", "state", "", 0): 2, ("deaths", "members", "", "", 0): 1,
    }.items()  # fmt: skip


def test_tables_without_rows(spark: SparkSession) -> None:
    empty = [spark.createDataFrame([], table.ddl) for table in (MEMBERS, ENROLLMENT, MEDICAL, PHARMACY)]
    assert counted(tally_claims(*empty)) == {}


def test_days_to_payment_as_delivered(frame: Frame, spark: SparkSession) -> None:
    """Paid on the day, a month late, before the service, never, and after more than two years."""
    needed = {
        name: ", ".join(f"{column} string" for column in _columns(name))
        for name in ("eligibility", "medical_claim", "pharmacy_claim")
    }
    lines = """claim_id | claim_start_date | paid_date
               a        | 2020-01-01       | 2020-01-01
               b        | 2020-01-01       | 2020-02-01
               c        | 2020-01-01       | 2019-12-01
               d        | 2020-01-01       |
               e        | 2020-01-01       | 2023-01-01"""
    raw = {name: spark.createDataFrame([], ddl) for name, ddl in needed.items()} | {
        "medical_claim": frame(lines, needed["medical_claim"])
    }
    lags = tally_lags(TUVA, raw)
    assert lags is not None
    assert counted(lags) == {
        **{("lag", "medical", "medical_claim", "", days): 1 for days in (-1, 0, 31, 731)},
        ("lag_unknown", "medical", "medical_claim", "", 0): 1,
    }


def _columns(name: str) -> tuple[str, ...]:
    source = next(source for source in TUVA.sources if source.name == name)
    return (*source.required, *(f"{stem}1" for stem in source.numbered), *source.optional)


def test_a_site_without_claims_is_told_what_to_do(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("nothing")
    site = Site(name="none", warehouse=str(folder), reports=str(folder / "reports"))
    with pytest.raises(DataError, match=r"table members does not exist in .*; run `counterpart ingest` first"):
        profile_site(Store(spark, site.warehouse), site, None)  # nothing is shown before
    assert not (folder / "reports").exists()


def test_files_damaged_since_the_ingest_tell_no_days_to_payment(spark: SparkSession, tmp_path: Path) -> None:
    """Cut off in the middle: found only when read, and the tables are profiled all the same."""
    for source in (*TUVA.eligibility, *TUVA.medical, *TUVA.pharmacy):
        heading = _columns(source.name)
        rows = [",".join(f"{zlib.crc32(f'{row} {name}'.encode())}" for name in heading) for row in range(3_000)]
        packed = gzip.compress("\n".join([",".join(heading), *rows]).encode())
        cut = packed[: len(packed) // 2] if source.name == "medical_claim" else packed
        (tmp_path / f"{source.name}.csv.gz").write_bytes(cut)
    claims = Source(layout="tuva", path=str(tmp_path))
    site = Site(name="cut", warehouse=str(tmp_path / "tables"), reports=str(tmp_path), source=claims)
    lags, why = _tally_lags(Store(spark, site.warehouse), site)
    assert lags is None
    assert why == "the files of the site's source cannot be read any more as they were delivered"
