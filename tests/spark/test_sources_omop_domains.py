"""OMOP rows in whatever table the vocabulary's domains put them: read by what their code is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from counterpart.codes import decode
from counterpart.sources import ClaimsDelivery, IngestContext, build_claims

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

# Events under short names: the row's id, its standard and its source concept, its day and visit; all of person 1.
EVENTS = {
    "visit_occurrence": """visit id | standard | source | day
                           10       | 9203     | 502    | 2018-03-01
                           11       | 9202     | 0      | 2018-04-01""",
    "condition_occurrence": "condition id | standard | source | day | visit\n 1 | 900 | 401 | 2018-03-01 | 10",
    # Smoking, and an office visit; something that no code system of claims has.
    "observation": """observation id | standard | source | day        | visit
                      1              | 901      | 402    | 2018-03-01 | 10
                      2              | 501      | 501    | 2018-04-01 | 11
                      3              | 902      | 0      | 2018-04-01 | 11""",
    # A body mass index told as a diagnosis.
    "measurement": "measurement id | standard | source | day | visit\n 1 | 903 | 403 | 2018-04-01 | 11",
    # Therapy with its modifier, by concept, by text and by what is no modifier; chemotherapy told as a diagnosis.
    "procedure_occurrence": """procedure id | standard | source | day        | visit | modifier | written
                               1            | 503      | 503    | 2018-04-01 | 11    | 601      | gp
                               2            | 503      | 503    | 2018-04-02 | 11    | 0        | 95
                               3            | 503      | 503    | 2018-04-03 | 11    |          | left side
                               4            | 904      | 404    | 2018-04-04 | 11    |          | """,
    # A drug that was given at the visit, and one that was dispensed.
    "drug_exposure": """drug id | standard | source | day        | visit | days_supply
                        1       | 905      | 504    | 2018-03-01 | 10    |
                        2       | 905      | 701    | 2018-03-02 |       | 30""",
}  # fmt: skip
OTHERS = {
    "person": "person_id | gender_concept_id | year_of_birth\n 1 | 8507 | 1970",
    "observation_period": """person_id | observation_period_start_date | observation_period_end_date
                             1         | 2018-01-01                    | 2018-12-31""",
    "cost": """cost_event_id | cost_domain_id | amount_allowed | revenue_code_source_value
               1             | Drug           | 12.50          | 0636
               2             | Drug           | 7              |
               2             | Observation    | 90             |
               10            | Visit          | 40             | 450
               10            | Visit          | 60             | 0762""",
    "concept": """concept_id | vocabulary_id | concept_code
                  401        | ICD10CM       | M54.5
                  402        | ICD10CM       | Z72.0
                  403        | ICD10CM       | Z68.30
                  404        | ICD10CM       | Z51.11
                  501        | CPT4          | 99213
                  502        | CPT4          | 99284
                  503        | CPT4          | 97140
                  504        | HCPCS         | J3301
                  601        | HCPCS         | GP
                  701        | NDC           | 00025152531
                  900        | SNOMED        | 279039007""",
}
DAYS = {"procedure": "procedure_date", "observation": "observation_date", "measurement": "measurement_date"}


@pytest.fixture(scope="module")
def raw(frame: Frame) -> dict[str, DataFrame]:
    """The tables under the CDM's names, all text."""

    def table(text: str) -> DataFrame:
        return frame(text, ", ".join(f"`{cell.strip()}` string" for cell in text.split("\n", 1)[0].split("|")))

    def events(name: str, text: str) -> DataFrame:
        stem = text.split(" ", 1)[0]
        exposure = "drug_exposure_start_date" if stem == "drug" else f"{stem}_start_date"
        names = {
            f"{stem} id": f"{name}_id", "standard": f"{stem}_concept_id", "source": f"{stem}_source_concept_id",
            "day": DAYS.get(stem, exposure), "visit": "visit_occurrence_id",
            "modifier": "modifier_concept_id", "written": "modifier_source_value",
        }  # fmt: skip
        return table(text).withColumnsRenamed(names).withColumn("person_id", F.lit("1"))

    return {name: table(text) for name, text in OTHERS.items()} | {n: events(n, text) for n, text in EVENTS.items()}


@pytest.fixture(scope="module")
def delivery(raw: dict[str, DataFrame]) -> ClaimsDelivery:
    context = IngestContext("cdm", date(2019, 1, 31), stage=lambda _, rows: rows.localCheckpoint())
    return build_claims("omop", raw, context)


def codes(encoded: list[int]) -> str:
    return " ".join(decode(code)[1] for code in sorted(encoded))


def test_a_row_is_what_its_code_says(delivery: ClaimsDelivery) -> None:
    """A diagnosis stands beside the visit's other rows of its day, whichever table has it, and is no procedure."""
    lines = {"-".join(row["claim_id"].split("-")[:2]): row for row in delivery.medical.collect()}
    read = {
        name: (codes([row["procedure"]]) if row["procedure"] else None, codes(row["diagnoses"]))
        for name, row in lines.items()
    }
    assert read == {
        "visit_occurrence-10": ("99284", "M545 Z720"),
        "visit_occurrence-11": (None, "Z6830"),
        "condition_occurrence-1": (None, "M545"),
        "observation-1": (None, "M545 Z720"),
        "observation-2": ("99213", "Z6830"),
        "observation-3": (None, "Z6830"),
        "measurement-1": (None, "Z6830"),
        "procedure_occurrence-1": ("97140", "Z6830"),
        "procedure_occurrence-2": ("97140", ""),
        "procedure_occurrence-3": ("97140", ""),
        "procedure_occurrence-4": (None, "Z5111"),
        "drug_exposure-1": ("J3301", "M545 Z720"),
    }
    assert {name: row["modifiers"] for name, row in lines.items() if row["modifiers"]} == {
        "procedure_occurrence-1": ["GP"],
        "procedure_occurrence-2": ["95"],
    }
    assert (lines["observation-2"]["allowed_cents"], lines["drug_exposure-1"]["allowed_cents"]) == (9_000, 1_250)
    assert lines["drug_exposure-1"]["place"] == "23"
    assert {name: codes([row["revenue"]]) for name, row in lines.items() if row["revenue"]} == {
        "visit_occurrence-10": "0450",
        "drug_exposure-1": "0636",
    }


def test_drugs_that_are_given_are_no_fills_and_are_accounted_for_once(delivery: ClaimsDelivery) -> None:
    (fill,) = delivery.pharmacy.collect()
    assert (codes([fill["ndc"]]), fill["days_supply"], fill["allowed_cents"]) == ("00025152531", 30, 700)
    fates = [tuple(row)[1:] for row in delivery.intake.filter("source = 'drug_exposure'").collect()]
    assert fates == [("drug_exposure", "kept", "as_sent", 2)]
