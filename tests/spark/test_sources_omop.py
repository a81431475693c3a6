"""OMOP CDM read as claims: codes and concepts, visits and days, people and periods, costs, ids that are no ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart.codes import CodeLibrary, decode, encode
from counterpart.errors import CodeSetError, ContractError
from counterpart.events import build_member_days, plan_events
from counterpart.protocol import Clause, Study
from counterpart.sources import LAYOUTS, ClaimsDelivery, IngestContext, build_claims
from counterpart.sources.fields import UNREADABLE
from counterpart.sources.layout import MEDICAL_FORM, spell_columns
from counterpart.sources.omop_vocabulary import code_concepts
from counterpart.stages.vocabulary import fill_descendants
from counterpart.store import Store
from counterpart.tables import CONCEPT_ANCESTORS, INTAKE

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

# Columns in DDL, then their rows. Ids as floats, as Eunomia stores them; one table has names in capitals.
TABLES = {
    "person": (
        "person_id double, gender_concept_id double, year_of_birth double, month_of_birth double, day_of_birth double, "
        "location_id double",
        """1 | 8507 | 1970 | 5 | 6 | 90
           2 | 8532 | 1980 |   |   |
           3 | 0    | 1990 | 2 |   |""",
    ),
    "location": ("location_id double, state string", "90 | TX"),
    "observation_period": (
        "PERSON_ID double, OBSERVATION_PERIOD_START_DATE string, OBSERVATION_PERIOD_END_DATE string",
        """1 | 2010-01-01 | 2019-12-31
           2 | 2010-01-01 | 2014-12-31
           2 | 2015-01-01 | 2019-12-31
           3 | 2019-12-31 | 2010-01-01
           4 | 2010-01-01 | 2019-12-31""",
    ),
    "payer_plan_period": ("person_id double, payer_plan_period_start_date date", "1 | 2010-01-01"),
    "death": ("person_id double, death_date date", "2 | 2019-12-30\n 4 | 2019-12-30"),
    "visit_occurrence": (
        "visit_occurrence_id double, person_id double, visit_concept_id double, visit_start_date date, "
        "visit_end_date date, provider_id double",
        """10 | 1 | 9203 | 2018-03-01 | 2018-03-02 | 7
           11 | 2 | 9202 | 2018-04-01 |            |""",
    ),
    "condition_occurrence": (
        "condition_occurrence_id double, person_id double, condition_concept_id double, "
        "condition_source_concept_id double, condition_start_date date, visit_occurrence_id double",
        """100 | 1 | 192671 | 35208414 | 2018-03-01 | 10
           100 | 1 | 192671 | 0        | 2018-05-01 |
           101 | 1 | 0      |          | 2018-03-01 | 10
           102 | 5 | 192671 | 0        | 2018-03-01 |
           103 | 1 | 192671 | 0        | 1960-03-01 |
           104 | 1 | 192671 | 0        |            |""",
    ),
    "procedure_occurrence": (
        "procedure_occurrence_id double, person_id double, procedure_concept_id double, "
        "procedure_source_concept_id double, procedure_date date, visit_occurrence_id double, provider_id double",
        """200 | 1 | 2211747 | 1010187 | 2018-03-01 | 10 | 7
           201 | 1 | 2211747 | 0 | 2018-03-02 | 10 | 8""",
    ),
    "drug_exposure": (
        "drug_exposure_id double, person_id double, drug_concept_id double, drug_source_concept_id double, "
        "drug_exposure_start_date date, days_supply double, quantity double",
        """5 | 1 | 1118088 | 45011828 | 2018-02-01 | 30 | 60
           5 | 1 | 1118088 | 45011828 | 2018-02-01 | 30 | 60
           5 | 1 | 1118084 | 0        | 2018-06-01 | 0  |
           6 | 1 | 0       | 45011829 | 2018-07-01 | 30 | 60
           7 | 1 | 0       | 0        | 2018-08-01 | 30.5 | 60""",
    ),
    "cost": (
        "cost_event_id double, cost_domain_id string, total_paid double, amount_allowed double, total_cost double, "
        "drg_source_value double",
        """200 | Procedure | 80.10 | 100.25 | 400 | 39
           200 | Procedure | 1     |        | 2   | 460
           5   | Drug      | 7     | 9      |     |
           999 | Visit     | 7     | 9      |     |""",
    ),
    "provider": ("provider_id double, specialty_concept_id double", "7 | 38004490\n 8 | 0"),
    "concept": (
        "concept_id double, vocabulary_id string, concept_code string",
        """35208414 | ICD10CM            | K92.2
           192671   | SNOMED             | 74474003
           2211747  | CPT4               | 72148
           1010187  | CPT4               | 1010187
           45011828 | NDC                | 00025152531
           45011829 | NDC                | 000251525
           38004490 | Medicare Specialty | 65""",
    ),
    "concept_ancestor": (
        "ancestor_concept_id double, descendant_concept_id double",
        """1118084 | 1118084
           1118084 | 1118088
           1118084 | 1118088
           1118084 |""",
    ),
}

EVENTS = ("condition_occurrence", "procedure_occurrence", "drug_exposure")
# Columns that a site added to its tables of events: nothing of the model's.
ADDED = (
    "paid",
    "allowed",
    "visit_concept",
    "specialty_code",
    "revenue_center",
    "drg_code",
    "modifier_code",
    "line_code",
)

INTAKE_ROWS = """source               | fate        | rule            | n_rows
                 person               | merged      | no_cover        | 3
                 observation_period   | kept        | as_sent         | 2
                 observation_period   | merged      | adjacent_span   | 1
                 observation_period   | quarantined | reversed_span   | 1
                 observation_period   | quarantined | unknown_member  | 1
                 payer_plan_period    | merged      | no_cover        | 1
                 death                | merged      | no_cover        | 1
                 death                | quarantined | unknown_member  | 1
                 visit_occurrence     | kept        | as_sent         | 2
                 condition_occurrence | kept        | as_sent         | 3
                 condition_occurrence | quarantined | unknown_member  | 1
                 condition_occurrence | quarantined | impossible_date | 1
                 condition_occurrence | quarantined | null_key        | 1
                 procedure_occurrence | kept        | as_sent         | 2
                 drug_exposure        | kept        | as_sent         | 2
                 drug_exposure        | kept        | unreadable_code | 1
                 drug_exposure        | kept        | unreadable_supply | 1
                 drug_exposure        | merged      | duplicate       | 1
                 cost                 | merged      | looked_up       | 4
                 provider             | merged      | looked_up       | 2
                 concept              | merged      | looked_up       | 7
                 location             | merged      | looked_up       | 1
                 concept_ancestor     | kept        | as_sent         | 2
                 concept_ancestor     | merged      | duplicate       | 1
                 concept_ancestor     | quarantined | null_key        | 1"""


@pytest.fixture(scope="module")
def raw(frame: Frame) -> dict[str, DataFrame]:
    headings = {name: " | ".join(part.split()[0] for part in ddl.split(",")) for name, (ddl, _) in TABLES.items()}
    tables = {name: frame(f"{headings[name]}\n{rows}", ddl) for name, (ddl, rows) in TABLES.items()}
    added = dict.fromkeys(ADDED, F.lit("85.20"))
    return {name: rows.withColumns(added) if name in EVENTS else rows for name, rows in tables.items()}


def build(raw: dict[str, DataFrame]) -> ClaimsDelivery:
    context = IngestContext("cdm", date(2020, 1, 31), stage=lambda _, rows: rows.localCheckpoint())
    made = build_claims("omop", raw, context)
    return replace(made, **{name: getattr(made, name).localCheckpoint() for name in ("medical", "pharmacy")})


@pytest.fixture(scope="module")
def delivery(raw: dict[str, DataFrame]) -> ClaimsDelivery:
    return build(raw)


def codes(encoded: list[int] | None) -> list[str]:
    return sorted(" ".join(decode(code)) for code in encoded or [])


def test_every_row_of_every_table_is_accounted_for(delivery: ClaimsDelivery, frame: Frame) -> None:
    expected = frame(INTAKE_ROWS, INTAKE.ddl).drop("delivery")
    assertDataFrameEqual(delivery.intake.drop("delivery"), expected)


def test_people_and_their_cover(delivery: ClaimsDelivery) -> None:
    """A day of birth that is not told is the middle of what is; a death without a person is nobody's."""
    people = {row["person_id"]: row for row in delivery.members.collect()}
    assert {who: (row["birth_date"], row["sex"]) for who, row in people.items()} == {
        "1": (date(1970, 5, 6), "M"),
        "2": (date(1980, 7, 1), "F"),
        "3": (date(1990, 2, 15), "U"),
    }
    assert {who: row["death_date"] for who, row in people.items() if row["death_date"]} == {"2": date(2019, 12, 30)}
    assert [place["state"] for place in people["1"]["residences"]] == ["TX"]
    spans = delivery.enrollment.join(delivery.members, "member_key").collect()
    assert sorted((row["person_id"], row["benefit"], row["start_date"], row["end_date"]) for row in spans) == [
        (person, benefit, date(2010, 1, 1), date(2019, 12, 31))
        for person in ("1", "2")
        for benefit in ("medical", "pharmacy")
    ]


def test_an_event_is_a_claim_with_the_diagnoses_of_its_visit_and_day(delivery: ClaimsDelivery) -> None:
    lines = {row["claim_id"]: row for row in delivery.medical.collect()}
    bleeding = ["omop 192671", "omop 35208414"]
    assert {name: (codes(row["diagnoses"]), codes(row["concepts"])) for name, row in lines.items()} == {
        "visit_occurrence-10-9203-20180301": (["icd10cm K922"], sorted([*bleeding, "omop 9203"])),
        "visit_occurrence-11-9202-20180401": ([], ["omop 9202"]),
        "condition_occurrence-100-192671-20180301": (["icd10cm K922"], bleeding),
        "condition_occurrence-100-192671-20180501": ([], ["omop 192671"]),
        "condition_occurrence-101-0-20180301": ([], []),
        "procedure_occurrence-200-2211747-20180301": (
            ["icd10cm K922"],
            sorted([*bleeding, "omop 2211747", "omop 1010187"]),
        ),
        "procedure_occurrence-201-2211747-20180302": ([], ["omop 2211747"]),
    }
    image = lines["procedure_occurrence-200-2211747-20180301"]
    assert (image["drg"], image["facility_procedures"]) == (encode("drg", "39"), None)
    assert image["procedure"] == encode("hcpcs", "72148")
    assert (image["place"], image["specialty"], image["allowed_cents"], image["paid_cents"]) == (
        "23",
        "65",
        10_225,
        8_110,
    )
    assert lines["procedure_occurrence-201-2211747-20180302"]["specialty"] is None


def test_an_emergency_is_the_first_day_of_its_visit(raw: dict[str, DataFrame], frame: Frame) -> None:
    """262 goes on as a stay; how an emergency visit of two days went on is not known."""
    rows = {
        "visit_occurrence": """10 | 1 | 262  | 2018-03-01 | 2018-03-03 |
                               11 | 1 | 9203 | 2018-04-01 | 2018-04-02 |
                               12 | 1 | 9201 | 2018-05-01 | 2018-05-01 |""",
        "procedure_occurrence": """1 | 1 | 2211747 | 0 | 2018-03-01 | 10 |
                                   2 | 1 | 2211747 | 0 | 2018-03-02 | 10 |
                                   3 | 1 | 2211747 | 0 | 2018-03-03 | 10 |
                                   4 | 1 | 2211747 | 0 | 2018-04-01 | 11 |
                                   5 | 1 | 2211747 | 0 | 2018-04-02 | 11 |
                                   6 | 1 | 2211747 | 0 | 2018-05-01 | 12 |
                                   7 | 1 | 2211747 | 0 | 2018-05-01 |    |""",
    }
    ddl = {name: TABLES[name][0] for name in rows}
    tables = {
        name: frame(" | ".join(part.split()[0] for part in ddl[name].split(",")) + f"\n{rows[name]}", ddl[name])
        for name in rows
    }
    layout = LAYOUTS["omop"]
    prepared = layout.prepare(spell_columns(layout, {**raw, **tables}))
    found = {}
    for source in layout.medical:
        if source.name in rows:
            read = source.rows(prepared[source.name], MEDICAL_FORM)
            lines = prepared[source.name].select(read["claim_id"].alias("claim"), read["place"].alias("place"))
            found |= {"-".join(row["claim"].split("-")[:2]): row["place"] for row in lines.collect()}
    visits, done = {"10": "23", "11": "23", "12": "21"}, ["23", "21", "21", "23", None, "21", None]
    expected = {f"visit_occurrence-{visit}": place for visit, place in visits.items()}
    assert found == expected | {f"procedure_occurrence-{n}": place for n, place in enumerate(done, start=1)}


def test_a_drug_is_a_fill_with_product_and_concepts(delivery: ClaimsDelivery) -> None:
    """Twice the same row is one; the same id with another concept is another fill."""
    fills = {row["claim_id"]: row for row in delivery.pharmacy.collect()}
    assert {name: (codes(row["concepts"]), row["days_supply"]) for name, row in fills.items()} == {
        "drug_exposure-5-1118088-20180201": (["omop 1118088", "omop 45011828"], 30),
        "drug_exposure-5-1118084-20180601": (["omop 1118084"], None),
        "drug_exposure-6-0-20180701": (["omop 45011829"], 30),
        "drug_exposure-7-0-20180801": ([], None),
    }
    assert fills["drug_exposure-5-1118088-20180201"]["ndc"] == encode("ndc", "00025152531")


def test_events_by_concept_count_once(delivery: ClaimsDelivery, tmp_path: Path) -> None:
    """An event of descendants, one told by code and concept at once, and a procedure with a diagnosis by concept."""
    heading = "system,code,valid_from,valid_to,source\n"
    (tmp_path / "celecoxib.csv").write_text(f"{heading}omop,1118084+,,,t\nndc,00025152531,,,t\n")
    (tmp_path / "bleeding.csv").write_text(f"{heading}omop,192671,,,t\n")
    (tmp_path / "mri.csv").write_text(f"{heading}hcpcs,72148,,,t\n")
    library = CodeLibrary.load([tmp_path])
    below = {encode("omop", "1118084"): [encode("omop", one) for one in ("1118084", "1118088")]}
    library = library.replacing([library["celecoxib"].with_descendants(below)])
    mri = (Clause(codes="mri", diagnosis="bleeding"),)
    study = Study.model_construct(events={"mri_for_bleeding": mri})
    plan = plan_events(study, library, ["celecoxib", "bleeding", "mri_for_bleeding"])
    found = build_member_days(delivery.medical, delivery.pharmacy, plan, None).collect()
    assert sorted((plan.names[row["event_id"]], str(row["event_date"]), row["allowed_cents"]) for row in found) == [
        ("bleeding", "2018-03-01", 10_225),
        ("bleeding", "2018-05-01", 0),
        ("celecoxib", "2018-02-01", 900),
        ("celecoxib", "2018-06-01", 900),
        ("mri_for_bleeding", "2018-03-01", 10_225),
    ]


def test_descendants_come_from_what_the_source_delivered(
    spark: SparkSession, delivery: ClaimsDelivery, tmp_path: Path
) -> None:
    heading = "system,code,valid_from,valid_to,source\n"
    (tmp_path / "celecoxib.csv").write_text(f"{heading}omop,1118084+,,,t\n")
    (tmp_path / "other.csv").write_text(f"{heading}omop,5+,,,t\n")
    library, store = CodeLibrary.load([tmp_path]), Store(spark, str(tmp_path / "tables"))
    with pytest.raises(CodeSetError, match=r"celecoxib: the descendants .* delivered no concept_ancestor"):
        fill_descendants(library, ["celecoxib"], store)
    store.replace(CONCEPT_ANCESTORS, delivery.ancestors)
    filled = fill_descendants(library, ["celecoxib", "celecoxib"], store)
    assert filled["celecoxib"].contains(encode("omop", "1118088"), date(2018, 1, 1))
    assert filled["other"].ancestors
    assert fill_descendants(library, [], store) is library


def test_an_ndc_of_nine_digits_is_a_product_and_no_code(frame: Frame) -> None:
    concepts = frame(
        """concept_id | vocabulary_id | concept_code
           1          | NDC           | 591034901
           2          | NDC           | 00591034901
           3          | CPT4          | 72148
           4          | SNOMED        | 279039007""",
        "concept_id bigint, vocabulary_id string, concept_code string",
    )
    codes = {row["code_concept"]: row["code"] and decode(row["code"])[1] for row in code_concepts(concepts).collect()}
    assert codes == {1: UNREADABLE, 2: "00591034901", 3: "72148"}


def test_tables_that_a_cdm_may_lack(raw: dict[str, DataFrame]) -> None:
    """Without vocabulary, visits, cost and the like: the concepts are there, the codes are not; no rows, no lines."""
    needed = ("person", "observation_period", "condition_occurrence", "drug_exposure")
    made = build({name: raw[name] for name in needed})
    assert {tuple(codes(row["concepts"])) for row in made.medical.collect()} == {
        ("omop 192671", "omop 35208414"),
        ("omop 192671",),
        (),
    }
    looked_up = made.medical.select("procedure", "revenue", "place", "specialty", "allowed_cents", "paid_cents")
    assert {tuple(row) for row in looked_up.collect()} == {(None,) * 6}
    assert made.medical.filter(F.size("diagnoses") > 0).isEmpty()
    assert made.ancestors is None
    empty = build({name: raw[name].limit(0) for name in needed})
    assert [rows.count() for rows in (empty.medical, empty.pharmacy, empty.members)] == [0, 0, 0]


def test_what_is_missing_is_named(raw: dict[str, DataFrame]) -> None:
    with pytest.raises(ContractError) as caught:
        build({"person": raw["person"].drop("year_of_birth"), "drug_exposure": raw["drug_exposure"]})
    told = str(caught.value)
    assert "table person lacks year_of_birth" in told
    assert "table observation_period is missing" in told
    assert "table condition_occurrence is missing" in told
