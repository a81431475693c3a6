"""The crosswalk of a delivery, and the one that is kept from delivery to delivery."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.tuva_claims import raw_claims

from counterpart.errors import DataError
from counterpart.sources import ClaimsDelivery, IngestContext, build_claims
from counterpart.sources.crosswalk import KEPT_CROSSWALK, KnownIds, find_known_ids

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

DELIVERY = {
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
}
CROSSWALK = """person_id | same_as
               ann old   | ann
               ann older | ann old
               ann old   | ann
               ann       | ann
               two       | ann
               two       | bob
               round     | about
               about     | round
               unseen    | bob
                         | ann
               bob       | """
KEPT = """person_id | same_as | known_as | is_used
          ann old   | ann     | ann      | true
          ann older | ann old | ann      | true
          unseen    | bob     | bob      | false"""


def context_of(**existing: DataFrame) -> IngestContext:
    return IngestContext("first", date(2021, 10, 15), existing=existing, stage=lambda _, rows: rows.localCheckpoint())


def build(frame: Frame, texts: dict[str, str], **existing: DataFrame) -> ClaimsDelivery:
    return build_claims("tuva", raw_claims(frame, texts), context_of(**existing))


def fates(made: ClaimsDelivery) -> list[str]:
    return sorted(" ".join(map(str, row[1:])) for row in made.intake.collect())


def kept(frame: Frame, text: str) -> DataFrame:
    return frame(text, KEPT_CROSSWALK.ddl)


def members(frame: Frame, name: str) -> DataFrame:
    return frame(f"person_id\n{name}", "person_id string").select(
        "person_id", F.xxhash64("person_id").alias("member_key")
    )


CLAIMS_FATES = [
    "eligibility kept as_sent 2",
    "eligibility merged adjacent_span 1",
    "medical_claim kept as_sent 2",
    "medical_claim merged duplicate 1",
    "medical_claim quarantined unknown_member 1",
    "program_roster kept as_sent 1",
    "program_roster merged later_enrolment 1",
]


def test_a_crosswalk_joins_the_rows_of_several_ids_and_is_kept(frame: Frame) -> None:
    made = build(frame, DELIVERY | {"crosswalk": CROSSWALK})
    assert fates(made) == [
        "crosswalk merged duplicate 1",
        "crosswalk merged looked_up 4",
        "crosswalk quarantined ambiguous_id 2",
        "crosswalk quarantined circular_id 2",
        "crosswalk quarantined null_key 2",
        *CLAIMS_FATES,
    ]
    assert sorted(row.person_id for row in made.members.collect()) == ["ann", "bob"]
    lines = made.medical.select("claim_id", (F.col("member_key") == F.xxhash64(F.lit("ann"))).alias("is_ann"))
    assertDataFrameEqual(lines, frame("claim_id | is_ann\n a | true\n b | true", "claim_id string, is_ann boolean"))
    assert made.crosswalk is not None
    assertDataFrameEqual(made.crosswalk, kept(frame, KEPT))


def test_a_delivery_without_a_crosswalk_uses_the_one_that_was_kept(frame: Frame) -> None:
    """Its accounts say of how many former ids; those of the files are as with the crosswalk beside them."""
    made = build(frame, DELIVERY, crosswalk=kept(frame, KEPT.replace("true", "false")))
    assert fates(made) == ["crosswalk_kept merged looked_up 2", *CLAIMS_FATES]
    assert sorted(row.person_id for row in made.members.collect()) == ["ann", "bob"]
    assert made.crosswalk is not None
    assertDataFrameEqual(made.crosswalk, kept(frame, KEPT))


def known(frame: Frame, told: str, held: str, **existing: DataFrame) -> KnownIds:
    crosswalk = frame(f"person_id | same_as\n{told}", "person_id string, same_as string")
    found = find_known_ids(crosswalk, context_of(crosswalk=kept(frame, held), **existing))
    assert found is not None
    return found


def test_a_later_crosswalk_extends_and_corrects_by_former_id(frame: Frame) -> None:
    held = """person_id | same_as | known_as | is_used
              stays     | ann     | bob      | true
              ann       | bob     | bob      | false
              corrected | eve     | eve      | false
              undone    | eve     | eve      | false
              in doubt  | eve     | eve      | false
              turned    | fay     | fay      | true"""
    told = """new       | ann
              corrected | dan
              undone    | undone
              in doubt  | eve
              in doubt  | dan
              fay       | turned
              dan       | guy"""
    found = known(frame, told, held)
    assert found.rows is not None
    labels = sorted(f"{row.alias} {row.rule}" for row in found.rows.collect())
    assert labels == [
        "corrected looked_up",
        "dan looked_up",
        "fay circular_id",
        "in doubt ambiguous_id",
        "in doubt ambiguous_id",
        "new looked_up",
        "undone looked_up",
    ]
    expected = """alias     | meant | known_as | is_kept
                  stays     | ann   | bob      | true
                  ann       | bob   | bob      | true
                  in doubt  | eve   | eve      | true
                  turned    | fay   | fay      | true
                  new       | ann   | bob      | false
                  corrected | dan   | guy      | false
                  dan       | guy   | guy      | false"""
    assertDataFrameEqual(found.links, frame(expected, "alias string, meant string, known_as string, is_kept boolean"))


@pytest.mark.parametrize(
    ("told", "member", "complaint"),
    [
        ("ann old | ann", "ann old", r"renames members whose rows are in the tables .* into a new warehouse"),
        ("ann | eve", "ann", "renames members whose rows are in the tables under their former ids"),
        ("ann | eve", "bob", "belong to other members than it said before, .* ingest all deliveries into a new"),
        ("ann old | eve", "bob", "belong to other members than it said before"),
        ("ann old | ann old", "bob", "belong to other members than it said before"),
    ],
)
def test_a_crosswalk_does_not_move_what_is_in_the_tables(frame: Frame, told: str, member: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        known(frame, told, KEPT, members=members(frame, member))
