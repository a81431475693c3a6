"""Rows that say something impossible, with the site's own rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from tests.tuva_claims import raw_claims

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
                        unborn   | bob    | 1    | 2020-01-01 | 72148 | M545 | 100     | 80   | 2020-08-01
                        amount   | ann    | 1    | 2020-01-01 | 72148 | M545 | 100     | x    | 2020-08-01
                        scrawl   | ann    | 1    | 2020-01-01 | 7214? | M545 | 100     | 80   | 2020-08-01
                        refused  | ann    | 1    | 2020-01-01 | 72148 | M545 | 100     | 80   | 2020-08-01
                        refused  | ann    | 1    | 2020-01-01 | 7214? | M545 | 0       | 0    | 2020-08-02
                        back     | ann    | 1    | 2020-01-01 | 72148 | M545 | 100     | 80   | 2020-08-01
                        back     | ann    | 1    | 2020-01-01 | 7214? | M545 | -100    | -80  | 2020-08-02""",
    "pharmacy_claim": """claim    | person | line | day        | ndc         | days | quantity | paid | paid_on
                         negative | ann    | 1    | 2020-01-01 | 00002322730 | 30   | -60      | 10   | 2020-02-01
                         days     | ann    | 1    | 2020-01-02 | 00002322730 | -30  | 60       | 10   | 2020-02-01
                         some     | ann    | 1    | 2020-01-02 | 00002322730 | some | 60       | 10   | 2020-02-01
                         taken    | ann    | 1    | 2020-01-03 | 00002322730 | 30   | 60       | 10   | 2020-02-01
                         taken    | ann    | 1    | 2020-01-03 | 00002322730 | -30  | -60      | -10  | 2020-03-01""",
}


def build(frame: Frame, texts: dict[str, str], **rules: object) -> ClaimsDelivery:
    return build_raw(raw_claims(frame, texts), **rules)


def build_raw(raw: dict[str, DataFrame], **rules: object) -> ClaimsDelivery:
    return build_claims(
        "tuva",
        raw,
        IngestContext(
            "first",
            date(2021, 10, 15),
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
        "medical_claim kept unreadable_amount 1",
        "medical_claim kept unreadable_code 1",
        "medical_claim merged reversed 2",
        "medical_claim merged superseded 1",
        "medical_claim quarantined after_death 1",
        "medical_claim quarantined denied 1",
        "medical_claim quarantined unknown_member 1",
        "pharmacy_claim kept mended 2",
        "pharmacy_claim kept unreadable_supply 1",
        "pharmacy_claim merged reversed 2",
    ]
    fills = {row.claim_id: (row.quantity, row.days_supply) for row in made.pharmacy.collect()}
    assert fills == {"negative": (None, None), "days": (None, None), "some": (60, None)}


def test_a_site_judges_otherwise(frame: Frame) -> None:
    """What denies or takes back a line does so whatever it cannot say: the line would hold without it."""
    made = build(
        frame,
        DELIVERY,
        earliest_service=date(2019, 1, 1),
        after_death_days=31,
        negative_quantity="quarantine",
        unknown_sex="quarantine",
        unreadable_amount="quarantine",
        unreadable_code="quarantine",
        unreadable_supply="quarantine",
    )
    assert fates(made) == [
        "eligibility kept as_sent 1",
        "eligibility quarantined future_birth 1",
        "eligibility quarantined unknown_sex 1",
        "medical_claim kept as_sent 2",
        "medical_claim merged reversed 2",
        "medical_claim merged superseded 1",
        "medical_claim quarantined denied 1",
        "medical_claim quarantined impossible_date 1",
        "medical_claim quarantined unknown_member 1",
        "medical_claim quarantined unreadable_amount 1",
        "medical_claim quarantined unreadable_code 1",
        "pharmacy_claim merged reversed 2",
        "pharmacy_claim quarantined negative_quantity 2",
        "pharmacy_claim quarantined unreadable_supply 1",
    ]


UNPAID = {
    "eligibility": DELIVERY["eligibility"],
    "medical_claim": """claim     | person | line | start      | hcpcs | dx   | allowed | paid | kind
                        packaged  | cat    | 1    | 2020-01-01 | 72148 | M545 | 100     | 80   | Institutional
                        packaged  | cat    | 2    | 2020-01-01 | 99213 | M545 | 0       | 0    | Institutional
                        capitated | cat    | 1    | 2020-01-01 | 99213 | M545 | 0       | 0    | professional""",
    "pharmacy_claim": """claim  | person | line | day        | ndc         | days | allowed | paid | charge
                         denied | cat    | 1    | 2020-01-01 | 00002322730 | 30   | 0       | 0    | 9""",
}


def test_a_site_says_what_is_denied_where_no_word_does(frame: Frame) -> None:
    raw = raw_claims(frame, UNPAID)
    raw["medical_claim"] = raw["medical_claim"].withColumn("claim_type", F.col("kind"))
    name, line = (F.get_json_object("row_json", f"$.{column}") for column in ("claim_id", "claim_line_number"))
    denied = {}
    for rule in ("quarantine", "keep_institutional", "keep"):
        rejected = build_raw(raw, denied_by_amounts=rule).quarantine.filter("reason = 'denied'")
        denied[rule] = sorted(" ".join(row) for row in rejected.select(name, line).collect())
    assert denied == {
        "quarantine": ["capitated 1", "denied 1", "packaged 2"],
        "keep_institutional": ["capitated 1", "denied 1"],
        "keep": [],
    }
