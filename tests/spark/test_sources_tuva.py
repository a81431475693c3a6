"""Claims in Tuva's layout: one delivery with every rule in it, a later one, and none at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.mapped_claims import some_payer, write_some_payer
from tests.tuva_claims import DELIVERY, raw_claims

from counterpart.codes import decode
from counterpart.deliveries import read_delivery
from counterpart.errors import ContractError, ProtocolError
from counterpart.sources import ClaimsDelivery, IngestContext, Layout, build_claims, source_tables
from counterpart.sources.mapped import mapped_layout
from counterpart.sources.placement import Placement
from counterpart.tables import CLAIMS_TABLES, INTAKE

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

RECEIVED_ON = date(2021, 10, 15)
INTAKE_OF_THE_FIRST = """source         | fate        | rule             | n_rows
                         eligibility    | kept        | as_sent          | 4
                         eligibility    | merged      | adjacent_span    | 1
                         eligibility    | merged      | duplicate        | 1
                         eligibility    | merged      | overlapping_span | 2
                         eligibility    | quarantined | impossible_date  | 3
                         eligibility    | quarantined | null_key         | 2
                         eligibility    | quarantined | reversed_span    | 1
                         medical_claim  | kept        | as_sent          | 7
                         medical_claim  | kept        | unreadable_code  | 1
                         medical_claim  | kept        | mended           | 3
                         medical_claim  | merged      | duplicate        | 1
                         medical_claim  | merged      | reversed         | 2
                         medical_claim  | merged      | superseded       | 1
                         medical_claim  | quarantined | denied           | 1
                         medical_claim  | quarantined | impossible_date  | 6
                         medical_claim  | quarantined | null_key         | 4
                         medical_claim  | quarantined | orphan_reversal  | 1
                         medical_claim  | quarantined | unknown_member   | 2
                         pharmacy_claim | kept        | as_sent          | 3
                         pharmacy_claim | kept        | unreadable_code  | 1
                         pharmacy_claim | kept        | mended           | 1
                         pharmacy_claim | merged      | duplicate        | 1
                         pharmacy_claim | quarantined | denied           | 1
                         pharmacy_claim | quarantined | null_key         | 1
                         pharmacy_claim | quarantined | unknown_member   | 1
                         program_roster | kept        | as_sent          | 4
                         program_roster | kept        | mended           | 1
                         program_roster | merged      | duplicate        | 1
                         program_roster | merged      | later_enrolment  | 1
                         program_roster | quarantined | impossible_date  | 2
                         program_roster | quarantined | null_key         | 3"""


def build(
    raw: Mapping[str, DataFrame],
    delivery: str,
    existing: Mapping[str, DataFrame] | None = None,
    layout: str | Layout = "tuva",
):
    """The delivery; what tests read several times is computed once."""
    context = IngestContext(
        delivery, RECEIVED_ON, Placement(4, by_year=True), existing or {}, lambda _, rows: rows.localCheckpoint()
    )
    made = build_claims(layout, raw, context)
    held = ("enrollment", "medical", "pharmacy", "intake")
    return replace(made, **{name: getattr(made, name).localCheckpoint() for name in held})


@pytest.fixture(scope="module")
def raw(frame: Frame) -> dict[str, DataFrame]:
    return raw_claims(frame, DELIVERY)


@pytest.fixture(scope="module")
def first(raw: dict[str, DataFrame]) -> ClaimsDelivery:
    return build(raw, "first")


def as_tables(delivery: ClaimsDelivery) -> dict[str, DataFrame]:
    return {table.name: getattr(delivery, table.name) for table in CLAIMS_TABLES}


def known(rows: DataFrame) -> DataFrame:
    """Rows with a person_id -> the same with the member's key instead."""
    return rows.withColumn("member_key", F.xxhash64("person_id")).drop("person_id")


def assert_rows(found: DataFrame, text: str, frame: Frame, ddl: str) -> None:
    """The columns of the DDL, person_id standing for the key of the member."""
    columns = [part.split()[0] for part in ddl.split(", ")]
    expected = frame(text, ddl)
    if "person_id" in columns and "person_id" not in found.columns:
        expected, columns = known(expected), [*(name for name in columns if name != "person_id"), "member_key"]
    assertDataFrameEqual(found.select(*columns), expected.select(*columns))


def texts_of(codes: list[int] | int | None) -> str:
    """Codes as a person writes them."""
    listed = codes if isinstance(codes, list) else [] if codes is None else [codes]
    return " ".join(" ".join(decode(code)) for code in listed)


def test_members(first: ClaimsDelivery, frame: Frame) -> None:
    expected = """person_id | birth_date | sex | death_date | residences
         ann | 1980-05-05 | F | | [{"from_date":"2019-01-01","state":"TX"},{"from_date":"2020-03-01","state":"NY"}]
         bob | 1990-02-28 | M | 2021-02-28 | [{"from_date":"2019-01-01","state":"CA"}]
         eve | 1970-01-01 | U | | []"""
    kinds = "birth_date date, sex string, death_date date, residences array<struct<from_date:date,state:string>>"
    members = frame(expected, f"person_id string, {kinds}")
    members = members.withColumn("member_key", F.xxhash64("person_id")).select(first.members.columns)
    assertDataFrameEqual(first.members, members)


def test_enrollment(first: ClaimsDelivery, frame: Frame) -> None:
    spans = """person_id | start_date | end_date
               ann       | 2019-01-01 | 2020-12-31
               ann       | 2021-01-02 | 9999-12-31
               bob       | 2019-01-01 | 2021-09-30
               eve       | 2021-01-01 | 2022-12-31"""
    cover = known(frame(spans, "person_id string, start_date date, end_date date"))
    both = cover.withColumn("benefit", F.explode(F.array(F.lit("medical"), F.lit("pharmacy"))))
    assertDataFrameEqual(first.enrollment, both.select(first.enrollment.columns))


def test_final_lines(first: ClaimsDelivery, frame: Frame) -> None:
    lines = """claim_id  | person_id | line_number | service_date | service_end_date | allowed_cents | paid_cents
               plain     | ann       | 1           | 2020-01-31   | 2020-02-01       | 10000         | 8001
               plain     | ann       | 2           | 2020-01-31   | 2020-01-31       |               |
               plain     | bob       | 1           | 2020-01-31   | 2020-01-31       | 10000         | 8000
               unclean   | ann       | 1           | 2020-02-29   | 2020-02-29       | 10000         | 8000
               unreadable| ann       | 1           | 2020-02-29   | 2020-02-29       | 10000         | 8000
               ICD-9     | ann       | 1           | 2015-09-30   | 2015-09-30       | 10000         | 8000
               twice     | ann       | 1           | 2020-03-01   | 2020-03-01       | 10000         | 8000
               adjusted  | ann       | 1           | 2020-03-01   | 2020-03-01       | 9000          | 8000
               last day  | ann       | 1           | 2021-10-15   | 2021-10-15       | 10000         | 8000
               ends ahead| ann       | 1           | 2021-10-15   | 2021-10-16       | 10000         | 8000
               birthday  | ann       | 1           | 1980-05-05   | 1980-05-05       | 10000         | 8000"""
    ddl = (
        "claim_id string, person_id string, line_number int, service_date date, service_end_date date, "
        "allowed_cents bigint, paid_cents bigint"
    )
    assert_rows(first.medical, lines, frame, ddl)
    rows = first.medical.filter("claim_id <> 'plain' OR paid_cents = 8001").collect()
    codes = {row.claim_id: (texts_of(row.procedure), texts_of(row.diagnoses)) for row in rows}
    usual = ("hcpcs 72148", "icd10cm M545")
    assert codes == {
        "plain": ("hcpcs 72148", "icd10cm M545 icd10cm M5416"),
        "unclean": ("hcpcs 72148", "icd10cm M5450"),
        "unreadable": ("", "icd10cm M545"),
        "ICD-9": ("hcpcs 72148", "icd9cm 7242"),
        "birthday": ("hcpcs 72148", "icd9cm 7242"),
        "twice": usual,
        "adjusted": usual,
        "last day": usual,
        "ends ahead": usual,
    }
    assert {(row.claim_type, row.place) for row in rows} == {("professional", "02")}
    assert {row.claim_id: (row.service_month, row.service_period) for row in rows}["ICD-9"] == (201509, 201500)
    assert all(row.member_bucket in range(4) for row in rows)


def test_fills(first: ClaimsDelivery, frame: Frame) -> None:
    fills = """claim_id| person_id | line_number | dispensing_date | days_supply | quantity | allowed_cents | paid_cents
               fill      | bob       | 1           | 2020-01-31      | 30          | 60.5     | 1234          | 1000
               hyphens   | bob       | 1           | 2020-02-01      | 30          |          | 1234          | 1000
               ten digits| bob       | 1           | 2020-02-02      | 30          | 1        | 1234          | 1000
               twice     | bob       | 1           | 2020-02-03      | 30          | 1        | 1234          | 1000
               no charge | bob       | 1           | 2020-02-04      | 30          | 1        | 0             | 0"""
    ddl = (
        "claim_id string, person_id string, line_number int, dispensing_date date, days_supply int, "
        "quantity decimal(12,3), allowed_cents bigint, paid_cents bigint"
    )
    assert_rows(first.pharmacy, fills, frame, ddl)
    products = {row.claim_id: texts_of(row.ndc) for row in first.pharmacy.collect()}
    ndc = "ndc 00002322730"
    assert products == {"fill": ndc, "hyphens": ndc, "ten digits": "", "twice": ndc, "no charge": ndc}


def test_program(first: ClaimsDelivery, frame: Frame) -> None:
    enrolments = """person_id | program | enrolled_on | left_on
                    ann       | back    | 2020-03-01  | 2020-04-01
                    ann       | knee    | 2020-09-01  |
                    bob       | back    | 2020-05-01  | 2020-06-01
                    bob       | hip     | 2020-05-01  |
                    zoe       | back    | 2020-05-01  |"""
    assert_rows(first.program, enrolments, frame, "person_id string, program string, enrolled_on date, left_on date")


def test_every_source_row_is_accounted_for(first: ClaimsDelivery, raw: dict[str, DataFrame], frame: Frame) -> None:
    assert_rows(first.intake, INTAKE_OF_THE_FIRST, frame, "source string, fate string, rule string, n_rows bigint")
    n_told = {
        row["source"]: row["n"] for row in first.intake.groupBy("source").agg(F.sum("n_rows").alias("n")).collect()
    }
    assert n_told == {name: text.count("\n") for name, text in DELIVERY.items()}


def test_rejected_rows_are_kept_as_they_came_with_the_reason(first: ClaimsDelivery, frame: Frame) -> None:
    rejected = """reason          | name
                  denied          | denied
                  impossible_date | ahead
                  impossible_date | backwards
                  impossible_date | bad date
                  impossible_date | bad end
                  impossible_date | long ago
                  impossible_date | unborn
                  null_key        |
                  null_key        | no date
                  null_key        | no line
                  null_key        | no person
                  orphan_reversal | orphan
                  unknown_member  | stranger
                  unknown_member  | uncovered"""
    lines = first.quarantine.filter("source = 'medical_claim' AND delivery = 'first'")
    named = lines.select("reason", F.get_json_object("row_json", "$.claim_id").alias("name"))
    assertDataFrameEqual(named, frame(rejected, "reason string, name string"))
    (row,) = lines.filter("reason = 'denied'").select("row_json").collect()
    assert row[0].startswith('{"person_id":"ann","claim_id":"denied","claim_line_number":"1",')


# --- a later delivery, and none -------------------------------------------------------------------------------------


LATER = {
    "eligibility": """person | gender | born       | died       | from       | to         | state
                      ann    | female | 1980-05-06 |            | 2021-01-02 | 2021-06-30 | NY
                      bob    | U      |            | 2021-03-02 | 2021-10-01 | 2021-12-31 | NV
                      flo    | F      | 2000-02-29 |            | 2021-01-01 | 2021-12-31 | NY""",
    "medical_claim": """claim   | person | line | start      | hcpcs | dx   | allowed | paid | paid_on
                        plain   | ann    | 1    | 2020-02-01 | 72148 | M545 | 100     | 80   | 2021-10-01
                        twice   | ann    | 1    | 2020-03-01 | 72148 | M545 | -100    | -80  | 2021-10-01
                        adjusted| ann    | 1    | 2020-03-01 | 72148 | M545 | 90      | 80   | 2020-04-01
                        unclean | ann    | 1    | 2020-02-29 | 72148 | M545 | 0       | 0    | 2021-10-01
                        new     | flo    | 1    | 2021-10-01 | 97110 | M545 | 50      | 40   | 2021-10-02""",
    "pharmacy_claim": "claim | person | line | day | ndc | days | quantity | allowed | paid | charge | paid_on",
    "program_roster": """person | program | enrolled_on | left_on
                         ann    | back    | 2020-03-01  | 2020-05-01
                         ann    | knee    | 2020-08-01  |
                         bob    | back    | 2021-01-01  | """,
}


def test_a_later_delivery_appends_and_corrects_by_key(first: ClaimsDelivery, frame: Frame) -> None:
    later = build(raw_claims(frame, LATER), "later", as_tables(first))
    ddl = "claim_id string, person_id string, line_number int, service_date date, paid_cents bigint"
    added = """claim_id | person_id | line_number | service_date | paid_cents
               plain    | ann       | 1           | 2020-02-01   | 8000
               new      | flo       | 1           | 2021-10-01   | 4000"""
    retired = """claim_id | person_id | line_number | service_period
                 plain    | ann       | 1           | 202000
                 twice    | ann       | 1           | 202000
                 unclean  | ann       | 1           | 202000"""
    assert_rows(later.medical, added, frame, ddl)
    ddl = "claim_id string, person_id string, line_number int, service_period int"
    assert_rows(later.medical_retired, retired, frame, ddl)
    assert later.pharmacy.isEmpty()
    assert later.pharmacy_retired.isEmpty()
    members = """person_id | birth_date | sex | death_date | moves
                 ann       | 1980-05-06 | F   |            | TX 2019-01-01, NY 2020-03-01
                 bob       | 1990-02-28 | M   | 2021-03-02 | CA 2019-01-01, NV 2021-10-01
                 eve       | 1970-01-01 | U   |            |
                 flo       | 2000-02-29 | F   |            | NY 2021-01-01"""
    moves = F.array_join(F.transform("residences", lambda one: F.concat_ws(" ", one["state"], one["from_date"])), ", ")
    told = later.members.withColumn("moves", F.nullif(moves, F.lit("")))
    assert_rows(told, members, frame, "person_id string, birth_date date, sex string, death_date date, moves string")
    spans = """person_id | start_date | end_date
               ann       | 2019-01-01 | 2020-12-31
               ann       | 2021-01-02 | 2021-06-30
               bob       | 2019-01-01 | 2021-12-31
               eve       | 2021-01-01 | 2022-12-31
               flo       | 2021-01-01 | 2021-12-31"""
    medical = later.enrollment.filter("benefit = 'medical'")
    assert_rows(medical, spans, frame, "person_id string, start_date date, end_date date")
    program = """person_id | program | enrolled_on | left_on
                 ann       | back    | 2020-03-01  | 2020-05-01
                 ann       | knee    | 2020-08-01  |
                 bob       | back    | 2020-05-01  | 2020-06-01
                 bob       | hip     | 2020-05-01  |
                 zoe       | back    | 2020-05-01  |"""
    assert_rows(later.program, program, frame, "person_id string, program string, enrolled_on date, left_on date")
    intake = """source         | fate        | rule             | n_rows
                eligibility    | kept        | as_sent          | 1
                eligibility    | merged      | adjacent_span    | 1
                eligibility    | merged      | corrected_span   | 1
                medical_claim  | kept        | as_sent          | 2
                medical_claim  | merged      | duplicate        | 1
                medical_claim  | merged      | reversed         | 1
                medical_claim  | quarantined | denied           | 1
                program_roster | kept        | as_sent          | 2
                program_roster | merged      | later_enrolment  | 1"""
    assert_rows(later.intake, intake, frame, "source string, fate string, rule string, n_rows bigint")


def test_no_rows_and_no_roster(raw: dict[str, DataFrame]) -> None:
    nothing = build({name: rows.limit(0) for name, rows in raw.items() if name != "program_roster"}, "empty")
    assert (nothing.medical_retired, nothing.pharmacy_retired) == (None, None)
    frames = [*as_tables(nothing).values(), nothing.quarantine, nothing.intake]
    assert [rows.isEmpty() for rows in frames] == [True] * 7
    assert nothing.intake.columns == list(INTAKE.columns)


# --- the same population in other words -----------------------------------------------------------------------------


def test_a_mapping_of_a_payers_files_gives_the_same_tables(
    first: ClaimsDelivery, spark: SparkSession, tmp_path: Path
) -> None:
    write_some_payer(tmp_path)
    layout = mapped_layout(some_payer())
    files = read_delivery(spark, str(tmp_path), source_tables(layout), layout.separator, layout.files)
    mapped = build(files.tables, "first", layout=layout)
    for name, rows in as_tables(mapped).items():
        assertDataFrameEqual(rows, getattr(first, name))
    fates = [
        {(row.source, row.fate, row.rule): row.n_rows for row in made.intake.collect()} for made in (first, mapped)
    ]
    ours = {
        "members": "eligibility",
        "lines": "medical_claim",
        "scripts": "pharmacy_claim",
        "enrolled": "program_roster",
    }
    assert {(ours[source], fate, rule): n for (source, fate, rule), n in fates[1].items()} == fates[0]


# --- what is not there ------------------------------------------------------------------------------------------------


def test_missing_tables_and_columns_are_all_named_before_anything_is_read(raw: dict[str, DataFrame]) -> None:
    incomplete = {"eligibility": raw["eligibility"].drop("state", "birth_date"), "medical_claim": raw["medical_claim"]}
    with pytest.raises(ContractError) as told:
        build(incomplete, "incomplete")
    message = str(told.value)
    assert message.startswith("the claims are not in layout tuva: table eligibility lacks birth_date, state (found ")
    assert "table pharmacy_claim is missing (found eligibility, medical_claim)" in message
    assert "program_roster" not in message


def test_an_unknown_layout_is_named() -> None:
    with pytest.raises(ProtocolError, match=r"source\.layout is 'sas'; known layouts are desynpuf, omop, rif, tuva"):
        source_tables("sas")
    assert source_tables("tuva") == {
        "eligibility": True, "medical_claim": True, "pharmacy_claim": True, "program_roster": False, "crosswalk": False,
    }  # fmt: skip
