"""Rows that say something impossible, with the site's own rules; and members who have had several ids."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.tuva_claims import raw_claims

from counterpart.errors import DataError
from counterpart.protocol import RowRules
from counterpart.sources import ClaimsDelivery, IngestContext, build_claims

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

DELIVERY = {
    "eligibility": """person | gender | born       | died       | from       | to         | state
                      ann    | F      | 1980-05-05 | 2020-06-30 | 2019-01-01 | 2020-12-31 | TX
                      bob    | M      | 2021-10-16 |            | 2019-01-01 |            | TX
                      cat    | 9      | 1990-01-01 |            | 2019-01-01 | 2020-12-31 | TX""",
    "medical_claim": """claim    | person | line | start      | hcpcs | dx   | allowed | paid | paid_on
                        day 30   | ann    | 1    | 2020-07-30 | 72148 | M545 | 100     | 80   | 2020-08-01
                        day 31   | ann    | 1    | 2020-07-31 | 72148 | M545 | 100     | 80   | 2020-08-01
                        early    | cat    | 1    | 2018-12-31 | 72148 | M545 | 100     | 80   | 2020-08-01
                        unborn   | bob    | 1    | 2020-01-01 | 72148 | M545 | 100     | 80   | 2020-08-01""",
    "pharmacy_claim": """claim    | person | line | day        | ndc         | days | quantity | paid | paid_on
                         negative | ann    | 1    | 2020-01-01 | 00002322730 | 30   | -60      | 10   | 2020-02-01
                         days     | ann    | 1    | 2020-01-02 | 00002322730 | -30  | 60       | 10   | 2020-02-01
                         taken    | ann    | 1    | 2020-01-03 | 00002322730 | 30   | 60       | 10   | 2020-02-01
                         taken    | ann    | 1    | 2020-01-03 | 00002322730 | -30  | -60      | -10  | 2020-03-01""",
}


def build(frame: Frame, texts: dict[str, str], existing: DataFrame | None = None, **rules: object) -> ClaimsDelivery:
    raw = raw_claims(frame, texts)
    return build_claims(
        "tuva",
        raw,
        IngestContext(
            "first",
            date(2021, 10, 15),
            existing={} if existing is None else {"members": existing},
            stage=lambda _, rows: rows.localCheckpoint(),
            rules=RowRules.model_validate(rules),
        ),
    )


def fates(made: ClaimsDelivery) -> list[str]:
    return sorted(" ".join(map(str, row[1:])) for row in made.intake.collect())


def test_impossible_rows_are_mended_or_rejected(frame: Frame) -> None:
    made = build(frame, DELIVERY)
    assert fates(made) == [
        "eligibility kept as_sent 2",
        "eligibility quarantined future_birth 1",
        "medical_claim kept as_sent 2",
        "medical_claim quarantined after_death 1",
        "medical_claim quarantined unknown_member 1",
        "pharmacy_claim kept mended 2",
        "pharmacy_claim merged reversed 2",
    ]
    fills = {row.claim_id: (row.quantity, row.days_supply) for row in made.pharmacy.collect()}
    assert fills == {"negative": (None, None), "days": (None, None)}


def test_a_site_judges_otherwise(frame: Frame) -> None:
    made = build(
        frame,
        DELIVERY,
        earliest_service=date(2019, 1, 1),
        after_death_days=31,
        negative_quantity="quarantine",
        unknown_sex="quarantine",
    )
    assert fates(made) == [
        "eligibility kept as_sent 1",
        "eligibility quarantined future_birth 1",
        "eligibility quarantined unknown_sex 1",
        "medical_claim kept as_sent 2",
        "medical_claim quarantined impossible_date 1",
        "medical_claim quarantined unknown_member 1",
        "pharmacy_claim merged reversed 2",
        "pharmacy_claim quarantined negative_quantity 2",
    ]


CROSSWALK = """person_id | same_as
               ann old   | ann
               ann older | ann old
               ann old   | ann
               ann       | ann
               two       | ann
               two       | bob
               round     | about
               about     | round
                         | ann
               bob       | """

RENAMED = {
    "eligibility": """person    | gender | born       | died | from       | to         | state
                      ann older | F      | 1980-05-05 |      | 2019-01-01 | 2019-06-30 | TX
                      ann       | F      | 1980-05-05 |      | 2019-07-01 | 2020-12-31 | TX
                      bob       | M      | 1980-05-05 |      | 2019-07-01 | 2020-12-31 | TX""",
    "medical_claim": """claim | person    | line | start      | hcpcs | dx   | allowed | paid | paid_on
                        a     | ann       | 1    | 2019-07-30 | 72148 | M545 | 100     | 80   | 2020-08-01
                        b     | ann old   | 1    | 2019-07-30 | 72148 | M545 | 100     | 80   | 2020-08-01
                        a     | ann older | 1    | 2019-07-30 | 72148 | M545 | 100     | 80   | 2020-08-01
                        c     | two       | 1    | 2019-07-30 | 72148 | M545 | 100     | 80   | 2020-08-01""",
    "pharmacy_claim": "claim | person | line | day | ndc | days | quantity | allowed | paid | paid_on",
    "program_roster": """person  | program | enrolled_on | left_on
                         ann old | back    | 2020-03-01  |
                         ann     | back    | 2020-04-01  | """,
    "crosswalk": CROSSWALK,
}


def test_a_crosswalk_joins_the_rows_of_several_ids(frame: Frame) -> None:
    made = build(frame, RENAMED)
    assert fates(made) == [
        "crosswalk merged duplicate 1",
        "crosswalk merged looked_up 3",
        "crosswalk quarantined ambiguous_id 2",
        "crosswalk quarantined circular_id 2",
        "crosswalk quarantined null_key 2",
        "eligibility kept as_sent 2",
        "eligibility merged adjacent_span 1",
        "medical_claim kept as_sent 2",
        "medical_claim merged duplicate 1",
        "medical_claim quarantined unknown_member 1",
        "program_roster kept as_sent 1",
        "program_roster merged later_enrolment 1",
    ]
    assert sorted(row.person_id for row in made.members.collect()) == ["ann", "bob"]
    lines = made.medical.select("claim_id", (F.col("member_key") == F.xxhash64(F.lit("ann"))).alias("is_ann"))
    assertDataFrameEqual(lines, frame("claim_id | is_ann\n a | true\n b | true", "claim_id string, is_ann boolean"))


def test_a_crosswalk_does_not_rename_what_is_in_the_tables(frame: Frame) -> None:
    known = frame("person_id\nann old", "person_id string").select(
        "person_id", F.xxhash64("person_id").alias("member_key")
    )
    with pytest.raises(DataError, match=r"renames members whose rows are in the tables .* into a new warehouse"):
        build(frame, RENAMED, known)
