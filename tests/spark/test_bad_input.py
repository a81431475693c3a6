"""Every kind of bad input in `tests.bad_input`, and whole deliveries that chance has mangled.

Rows of all kinds lie in one delivery and are told apart by a tag, for an ingest costs as much for one as for hundreds.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.bad_input import BAD_INPUT, CANARIES
from tests.bad_rows import Bad
from tests.studies import changed

from counterpart import cli
from counterpart.codes import decode
from counterpart.deliveries import explain_unreadable_files, read_delivery, read_source
from counterpart.errors import StudyError
from counterpart.protocol import Source, load_mapping, load_site
from counterpart.sources import ClaimsDelivery, IngestContext, Layout, build_claims, source_tables
from counterpart.sources.delivery import LAYOUTS
from counterpart.sources.eligibility import build_cover
from counterpart.sources.layout import Source as LayoutSource
from counterpart.sources.layout import check_columns, spell_columns

pytestmark = pytest.mark.spark

RECEIVED_ON = date(2021, 10, 15)
MAPPING: dict[str, Any] = {
    "name": "payer",
    "eligibility": {"spans": {"person_id": "MBR", "start_date": "EFF", "end_date": "TERM"}},
    "medical": {"lines": {"person_id": "MBR", "claim_id": "CLM", "line_number": "LN", "service_date": "FROM"}},
}
SITE = {"name": "here", "warehouse": "w/tables", "reports": "w/reports"}

# A good row of each table; TAG tells the row of a kind, in a column that the tables keep where they can.
GOOD = {
    "medical_claim": "person_id=ann claim_id=TAG claim_line_number=1 claim_type=professional "
    "claim_start_date=2021-03-01 claim_end_date= hcpcs_code=99213 revenue_center_code= place_of_service_code=11 "
    "bill_type_code=TAG paid_amount=80 allowed_amount=100 charge_amount=120 paid_date=2021-03-10 "
    "diagnosis_code_type=icd-10-cm hcpcs_modifier_1= rendering_specialty= diagnosis_code_1=M545",
    "pharmacy_claim": "person_id=ann claim_id=TAG claim_line_number=1 dispensing_date=2021-03-01 "
    "ndc_code=00002322730 days_supply=30 quantity=60 paid_amount=80 allowed_amount=100",
    "eligibility": "person_id=TAG gender=F birth_date=1980-05-05 death_date= enrollment_start_date=2020-01-01 "
    "enrollment_end_date=2021-12-31 state=TAG",
    "program_roster": "person_id=ann program=TAG enrolled_on=2021-03-01 left_on=",
    "crosswalk": "person_id=TAG same_as=ann",
}
PEOPLE = """ann,F,1980-05-05,,2019-01-01,2021-12-31,TX
bob,M,1980-05-05,,2019-01-01,2021-12-31,TX
old,M,1930-05-05,2020-06-30,2019-01-01,2021-12-31,TX
007,M,1980-05-05,,2019-01-01,2021-12-31,TX
"""


def good_row(table: str) -> dict[str, str]:
    return dict(field.partition("=")[::2] for field in GOOD[table].split())


def tag_of(bad: Bad) -> str:
    return f"t{BAD_INPUT.index(bad):03d}x"


# --- one table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", BAD_INPUT, ids=lambda bad: f"{bad.where}: {bad.kind}")
def test_bad_input(bad: Bad, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if bad.where in ("site", "mapping"):
        assert_told(bad, lambda: read_document(bad, tmp_path / "document.yaml"))
    elif bad.where == "files":
        assert_told(bad, lambda: read_files(bad, request.getfixturevalue("spark"), tmp_path / "raw"))
    elif bad.where == "catalog":
        assert_told(bad, lambda: read_schema(bad, request.getfixturevalue("spark")))
    else:
        assert_accounted(bad, request.getfixturevalue("outcome"))


def test_the_table_is_long_and_says_each_thing_once() -> None:
    kinds = Counter((bad.where, bad.kind) for bad in BAD_INPUT)
    assert len(kinds) >= 150
    assert max(kinds.values()) == 1


def assert_told(bad: Bad, read: Callable[[], int]) -> None:
    """The exit code and words of an error without a value in it, or the number of rows."""
    try:
        told = f"read {read()}"
    except StudyError as problem:
        told = f"{problem.exit_code}: {problem}"
    alternatives = [one.partition(": ") for one in bad.gets.split("|")]
    assert any(told.startswith(code) and words in told for code, _, words in alternatives), told
    assert not [canary for canary in CANARIES if canary in told], told


def read_document(bad: Bad, path: Path) -> int:
    load: Callable[[Path], Any] = load_site if bad.where == "site" else load_mapping
    given = bad.given
    if isinstance(given, dict):
        given = yaml.safe_dump(SITE | given)
    if isinstance(given, tuple):
        given = yaml.safe_dump(changed(MAPPING, given))
    if given is not None:
        path.write_bytes(given if isinstance(given, bytes) else given.encode())
    load(path)
    return 0


CLAIMS = Layout(
    "small", (), (LayoutSource("claims", lambda _: {}, ("person_id", "claim_id", "day"), optional=("died",)),), (), ()
)


def read_files(bad: Bad, spark: SparkSession, folder: Path) -> int:
    """The rows of the files, as far as an ingest would read them before it judges any."""
    if isinstance(bad.given, dict):
        write_files(folder, bad.given)
    address = bad.given if isinstance(bad.given, str) else str(folder)
    versions = bad.given.get("@versions", {}) if isinstance(bad.given, dict) else {}
    return n_rows(spark, Source(layout="tuva", path=address, versions=versions))


def read_schema(bad: Bad, spark: SparkSession) -> int:
    """The rows of a table of a schema that is made of statements; see CATALOGS."""
    own = tag_of(bad)
    spark.sql(f"CREATE DATABASE {own}")
    try:
        schema, versions = own, {}
        for one in bad.given:
            if isinstance(one, dict):
                versions = one
            elif " " in one:
                spark.sql(one.replace("SCHEMA", own).replace("ROWS", "'x' AS person_id, 'y' AS claim_id, 'z' AS day"))
            else:
                schema = one.replace("SCHEMA", own)
        return n_rows(spark, Source(layout="tuva", catalog=schema, versions=versions))
    finally:
        spark.sql(f"DROP DATABASE {own} CASCADE")
        spark.catalog.dropTempView("claims")


def n_rows(spark: SparkSession, source: Source) -> int:
    with explain_unreadable_files():
        raw = spell_columns(CLAIMS, read_source(spark, source, {"claims": True}).tables)
        check_columns(CLAIMS, raw)
        return int(raw["claims"].select(F.count("person_id"), F.count("*")).collect()[0][1])


def write_files(folder: Path, files: Mapping[str, Any]) -> None:
    for name, content in files.items():
        if name.startswith("@"):
            continue
        path = folder / name if name else folder
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == "damaged":
            path.write_bytes(damaged_parquet())
        elif isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(folder / content[3:])
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


def damaged_parquet() -> bytes:
    """Its footer is whole, so that only who reads the rows can know."""
    numbers, sink = np.random.default_rng(1).integers(0, 10**9, 50_000).astype(str), io.BytesIO()
    pq.write_table(pa.table(dict.fromkeys(("person_id", "claim_id", "day"), pa.array(numbers))), sink)
    content = bytearray(sink.getvalue())
    content[100:5000] = bytes(4900)
    return bytes(content)


# --- rows -------------------------------------------------------------------------------------------------------------


class Outcome:
    """What became of the rows of all kinds: by tag the reasons of quarantine and what is kept, and the accounts."""

    def __init__(self, made: ClaimsDelivery) -> None:
        self.reasons: dict[str, set[str]] = defaultdict(set)
        self.all_reasons: set[str] = set()
        for row in made.quarantine.collect():
            self.all_reasons.add(row["reason"])
            for value in json.loads(row["row_json"]).values():
                self.reasons[str(value)].add(row["reason"])
        lines = made.medical.filter("line_number < 3").withColumn("service_date", F.col("service_date").cast("string"))
        self.kept = {
            "tuva.medical_claim": {row["bill_type"]: row.asDict() for row in lines.collect()},
            "tuva.pharmacy_claim": {row["claim_id"]: row.asDict() for row in made.pharmacy.collect()},
            "tuva.eligibility": {row["person_id"]: row.asDict() for row in made.members.collect()},
            "tuva.program_roster": {row["program"]: row.asDict() for row in made.program.collect()},
            "tuva.crosswalk": {},
        }
        self.intake = Counter(
            {f"{row['source']} {row['fate']} {row['rule']}": row["n_rows"] for row in made.intake.collect()}
        )


@pytest.fixture(scope="module")
def outcome(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One delivery with a row of every kind."""
    folder = tmp_path_factory.mktemp("rows")
    for table in GOOD:
        lines = [line for bad in BAD_INPUT if bad.where == f"tuva.{table}" for line in lines_of(bad, table)]
        people = PEOPLE if table == "eligibility" else ""
        text = ",".join(good_row(table)) + "\n" + people + "".join(f"{line}\n" for line in lines)
        (folder / f"{table}.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    return Outcome(brought_in(spark, folder))


def brought_in(spark: SparkSession, folder: Path) -> ClaimsDelivery:
    raw = read_delivery(spark, str(folder), source_tables("tuva")).tables
    context = IngestContext("bad", RECEIVED_ON, stage=lambda _, rows: rows.localCheckpoint())
    return build_claims("tuva", raw, context)


def lines_of(bad: Bad, table: str) -> Iterator[str]:
    """The lines of the file that a kind is."""
    given, good, tag = bad.given, good_row(table), tag_of(bad)

    def line(row: Mapping[str, str]) -> str:
        return ",".join(value.replace("TAG", tag).replace("tag", tag) for value in row.values())

    if "=" in given:
        yield ",".join(good) if given["="] == "heading" else given["="]
        return
    row = good | {name: value for name, value in given.items() if name in good}
    for number in range(3, 3 + given["lines"]) if "lines" in given else ():
        yield line(row | {"claim_line_number": str(number)})
    if "lines" not in given:
        fields = line(row).split(",")
        yield ",".join(fields[: len(fields) - given.get("-", 0)]) + given.get("+", "")
    if "again" in given:
        yield line(row | given["again"])


def fates_of(bad: Bad) -> list[str]:
    return [f"{bad.where.partition('.')[2]} {fate}" for fate in bad.gets.split(", ")] * bad.given.get("lines", 1)


CODES = ("procedure", "revenue", "ndc", "diagnoses")


def as_text(code: Any) -> Any:
    """A code, or a list of codes, as it is written without its system."""
    if isinstance(code, list):
        return [as_text(one) for one in code]
    return None if code is None else decode(code)[1]


def assert_accounted(bad: Bad, outcome: Outcome) -> None:
    expected, tag = [fate.split()[1:] for fate in fates_of(bad)], tag_of(bad)
    reasons = {rule for fate, rule in expected if fate == "quarantined"}
    assert outcome.reasons[tag] <= reasons
    assert reasons <= outcome.all_reasons
    if "lines" in bad.given or "=" in bad.given:
        return
    kept = outcome.kept[bad.where].get(tag)
    has_tag = "person_id" not in bad.given or bad.where != "tuva.eligibility"
    if has_tag and bad.where not in ("tuva.pharmacy_claim", "tuva.crosswalk"):
        assert (kept is not None) == any(fate == "kept" for fate, _ in expected)
    for name, value in bad.holds.items():
        assert kept is not None
        assert as_text(kept[name]) == value if name in CODES else kept[name] == value


def test_every_line_of_the_delivery_is_accounted_for(outcome: Outcome) -> None:
    expected = Counter(fate for bad in BAD_INPUT if bad.where.startswith("tuva.") for fate in fates_of(bad))
    expected["eligibility kept as_sent"] += len(PEOPLE.splitlines())
    assert outcome.intake == expected


def test_years_that_no_date_can_have_stop_no_ingest(spark: SparkSession) -> None:
    """`make_date` raises for them, and for 31 February."""
    years = ["2009", "0", "-5", "32767", "9999999", "2147483647", "2008.5", "MMIX"]
    names = [*LAYOUTS["desynpuf"].eligibility[0].required]
    beneficiaries = spark.createDataFrame(
        [(year, f"b{i}", "19400101", None, "1", "45", "12", "12", "12") for i, year in enumerate(years)],
        ", ".join(f"{name} string" for name in names),
    )
    people = spark.createDataFrame(
        [("1", "8507", "1980", "2", "31"), ("2", "8507", "99999", "1", "1"), ("3", "8507", "1980", "13", None),
         ("4", "8507", "1980", "2", "29"), ("5", "8507", None, None, None)],
        "person_id string, gender_concept_id string, year_of_birth string, month_of_birth string, day_of_birth string",
    )  # fmt: skip
    fates = {
        layout: Counter(tuple(row) for row in covered(layout, frame).select("fate", "rule").collect())
        for layout, frame in (("desynpuf", beneficiaries), ("omop", people))
    }
    assert fates["desynpuf"] == {("kept", "as_sent"): 1, ("quarantined", "null_key"): 7}
    assert fates["omop"] == {("merged", "no_cover"): 2, ("quarantined", "impossible_date"): 3}


def covered(layout: str, frame: DataFrame) -> DataFrame:
    source = LAYOUTS[layout].eligibility[0]
    return build_cover([source], {source.name: frame}, IngestContext("years", RECEIVED_ON)).rows


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_file_that_ends_in_its_middle_stops_before_anything_is_written(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for table in GOOD:
        text = ",".join(good_row(table)) + "\n" + ("P0031415,SMITHSON\n" if table == "crosswalk" else "")
        write_files(tmp_path / "raw", {f"{table}.csv": text})
    (tmp_path / "raw/medical_claim.csv").unlink()
    zipped = next(bad.given for bad in BAD_INPUT if bad.kind == "gzip cut off")["claims.csv.gz"]
    write_files(tmp_path / "raw", {"medical_claim.csv.gz": zipped})
    site = SITE | {"warehouse": f"{tmp_path}/tables", "source": {"layout": "tuva", "path": f"{tmp_path}/raw"}}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    code = cli.main(["ingest", "--site", str(tmp_path / "site.yaml"), "--json", str(tmp_path / "told.json")])
    told = json.loads((tmp_path / "told.json").read_text())
    assert (code, told["status"], told["error"]["kind"]) == (13, "failed", "DataError")
    assert "medical_claim.csv.gz cannot be read to its end" in told["error"]["message"]
    printed = "".join(capsys.readouterr())
    assert "Traceback" not in printed
    assert not [canary for canary in CANARIES if canary in printed]
    assert not [path for path in (tmp_path / "tables").rglob("*") if path.is_file()]


# --- chance -----------------------------------------------------------------------------------------------------------

NOISE = (",", '"', "\n", "\r", "\0", "\t", "'", ";", "|", "\\", "\ufeff", "\xa0", "9", "-", "E+11", "NULL", "\udcff")


def mangled(text: str, chance: np.random.Generator) -> str:
    """A line with something put in, cut off, doubled or blanked, or with two of its fields changed about."""
    place, fields = int(chance.integers(0, len(text))), text.split(",")
    one, other = chance.integers(0, len(fields), 2)
    swapped = [*fields]
    swapped[one], swapped[other] = fields[other], fields[one]
    blanked = [*fields[:one], "", *fields[one + 1 :]]
    forms = (text[:place] + str(chance.choice(NOISE)) + text[place:], text[:place], text[place:], ",".join(blanked))
    return str(chance.choice([*forms, ",".join(swapped), f"{text}\n{text}"]))


def test_no_row_of_a_mangled_delivery_is_lost(spark: SparkSession, tmp_path: Path) -> None:
    chance, n_lines = np.random.default_rng(20), {}
    for table in GOOD:
        lines = []
        for number in range(300):
            person = f"p{number % 40}"
            row = good_row(table) | {"person_id": person}
            line = ",".join(value.replace("TAG", f"g{number}") for value in row.values())
            lines.append(mangled(line, chance) if chance.random() < 0.5 else line)
        if table == "crosswalk":
            lines = [f"other{number},p{number}" if number % 3 else mangled("o,p", chance) for number in range(30)]
        text = ",".join(good_row(table)) + "\n" + "\n".join(lines) + "\n"
        (tmp_path / f"{table}.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
        counted = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        n_lines[table] = sum(any(sign > " " for sign in line) for line in counted) - 1
    made = brought_in(spark, tmp_path)
    by_source = made.intake.groupBy("source").agg(F.sum("n_rows").alias("n_rows"))
    accounted = {row["source"]: row["n_rows"] for row in by_source.collect()}
    assert accounted == n_lines
    fates = {row["fate"] for row in made.intake.select("fate").distinct().collect()}
    assert fates == {"kept", "merged", "quarantined"}
    doubled = made.medical.groupBy("member_key", "claim_id", "line_number").count().filter("count > 1")
    assert doubled.isEmpty()
