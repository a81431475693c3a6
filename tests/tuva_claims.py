"""One delivery in Tuva's layout, written down: a row for every rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from counterpart.sources.delivery import LAYOUTS

# Short names for wide columns, so that a row of the tables below fits a line.
NAMES = {
    "person": "person_id", "claim": "claim_id", "line": "claim_line_number", "type": "claim_type",
    "start": "claim_start_date", "end": "claim_end_date", "hcpcs": "hcpcs_code", "mod": "hcpcs_modifier_1",
    "revenue": "revenue_center_code", "place": "place_of_service_code", "dx": "diagnosis_code_1",
    "dx2": "diagnosis_code_2", "coding": "diagnosis_code_type", "allowed": "allowed_amount", "paid": "paid_amount",
    "charge": "charge_amount", "paid_on": "paid_date", "day": "dispensing_date", "ndc": "ndc_code",
    "days": "days_supply", "born": "birth_date", "died": "death_date", "from": "enrollment_start_date",
    "to": "enrollment_end_date",
}  # fmt: skip

ELIGIBILITY = """person   | gender | born       | died       | from       | to         | state
                 ann      | female | 1980-05-05 |            | 2019-01-01 | 2019-12-31 | TX
                 ann      | female | 1980-05-05 |            | 2020-01-01 | 2020-06-30 | Texas
                 ann      | female | 1980-05-05 |            | 2020-03-01 | 2020-12-31 | new york
                 ann      | female | 1980-05-05 |            | 2020-03-01 | 2020-12-31 | new york
                 ann      | female | 1980-05-05 |            | 2021-01-02 |            | XX
                 bob      | M      | 1990-02-28 | 2021-03-01 | 20190101   | 2021-09-30 | ca
                 bob      | 1      | 1990-02-28 | 2021-02-28 | 2019-02-01 | 2019-02-28 | CA
                 cy       |        |            |            | 2020-01-01 | 2019-12-31 | TX
                 cy       |        |            |            |            | 2019-12-31 | TX
                 dee      | F      | 2001-01-01 |            | 2000-01-01 | 2000-12-31 | TX
                 dee      | F      | 2001-01-01 |            | 1850-01-01 | 2020-12-31 | TX
                 dee      | F      | 2001-01-01 |            | 2020-02-30 | 2020-12-31 | TX
                          | F      | 2001-01-01 |            | 2020-01-01 | 2020-12-31 | TX
                 eve      | X      | 1970-01-01 |            | 2021-01-01 | 2022-12-31 | """

MEDICAL = """claim| person | line | start      | end        | hcpcs   | dx     | dx2   | allowed | paid   | paid_on
    plain     | ann    | 1    | 2020-01-31 | 2020-02-01 | 72148   | M54.5  | M5416 | 100     | 80.005 | 2020-02-01
    plain     | ann    | 2.0  | 2020-01-31 |            |         |        |       |         |        |
    plain     | bob    | 1    | 2020-01-31 |            | 72148   | M545   |       | 100     | 80     | 2020-02-01
    unclean   | ann    | 1    | 2020-02-29 |            | 7214 8  | m54.50 | M5450 | 100     | 80     | 2020-03-01
    unreadable| ann    | 1    | 2020-02-29 |            | 72148#  | N/A    | M545  | 100     | 80     | 2020-03-01
    ICD-9     | ann    | 1    | 2015-09-30 |            | 72148   | 724.2  |       | 100     | 80     | 2015-10-01
    twice     | ann    | 1    | 2020-03-01 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
    twice     | ann    | 1    | 2020-03-01 |            | 72148   | m54.5  |       | 100     | 80     | 2020-03-01
    denied    | ann    | 1    | 2020-03-01 |            | 72148   | M545   |       | 0       | 0      | 2020-03-01
    reversed  | ann    | 1    | 2020-03-01 |            | 72148   | M545   |       | 100     | 0      | 2020-03-01
    reversed  | ann    | 1    | 2020-03-01 |            | 72148   | M545   |       | -100    | 0      | 2020-04-01
    orphan    | ann    | 1    | 2020-03-01 |            | 72148   | M545   |       | -100    | -80    | 2020-04-01
    adjusted  | ann    | 1    | 2020-03-01 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
    adjusted  | ann    | 1    | 2020-03-01 |            | 72148   | M545   |       | 90      | 80     | 2020-04-01
    no person |        | 1    | 2020-03-01 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
              | ann    | 1    | 2020-03-01 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
    no line   | ann    |      | 2020-03-01 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
    no date   | ann    | 1    |            |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
    bad date  | ann    | 1    | 2020-13-01 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
    bad end   | ann    | 1    | 2020-03-01 | someday    | 72148   | M545   |       | 100     | 80     | 2020-03-01
    long ago  | ann    | 1    | 1899-12-31 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
    ahead     | ann    | 1    | 2021-10-16 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
    ends ahead| ann    | 1    | 2021-10-15 | 2021-10-16 | 72148   | M545   |       | 100     | 80     | 2020-03-01
    last day  | ann    | 1    | 2021-10-15 | 2021-10-15 | 72148   | M545   |       | 100     | 80     | 2021-10-15
    backwards | ann    | 1    | 2020-03-02 | 2020-03-01 | 72148   | M545   |       | 100     | 80     | 2020-03-01
    unborn    | ann    | 1    | 1980-05-04 |            | 72148   | 7242   |       | 100     | 80     | 2020-03-01
    birthday  | ann    | 1    | 1980-05-05 |            | 72148   | 7242   |       | 100     | 80     | 2020-03-01
    stranger  | zoe    | 1    | 2020-03-01 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01
    uncovered | cy     | 1    | 2020-03-01 |            | 72148   | M545   |       | 100     | 80     | 2020-03-01"""

PHARMACY = """claim| person | line | day        | ndc          | days | quantity | allowed | paid | charge | paid_on
    fill      | bob    | 1    | 2020-01-31 | 00002322730  | 30.0 | 60.5     | 12.34   | 10   | 20     | 2020-02-01
    hyphens   | bob    | 1    | 20200201   | 0002-3227-30 | 30   |          | 12.34   | 10   | 20     | 2020-02-01
    ten digits| bob    | 1    | 2020-02-02 | 0002322730   | 30   | 1        | 12.34   | 10   | 20     | 2020-02-01
    twice     | bob    | 1    | 2020-02-03 | 00002322730  | 30   | 1        | 12.34   | 10   | 20     | 2020-02-01
    twice     | bob    | 1    | 2020-02-03 | 00002322730  | 30   | 1        | 12.34   | 10   | 20     | 2020-02-01
    denied    | bob    | 1    | 2020-02-04 | 00002322730  | 30   | 1        | 0       | 0    | 20     | 2020-02-01
    no charge | bob    | 1    | 2020-02-04 | 00002322730  | 30   | 1        | 0       | 0    | 0      | 2020-02-01
    undated   | bob    | 1    |            | 00002322730  | 30   | 1        | 12.34   | 10   | 20     | 2020-02-01
    stranger  | zoe    | 1    | 2020-02-04 | 00002322730  | 30   | 1        | 12.34   | 10   | 20     | 2020-02-01"""

ROSTER = """person | program  | enrolled_on | left_on
            ann    | back     | 2020-03-01  | 2020-04-01
            ann    | back     | 2020-09-01  |
            ann    | knee     | 2020-09-01  |
            bob    | back     | 2020-05-01  | 2020-06-01
            bob    | back     | 2020-05-01  | 2020-06-01
            zoe    | back     | 2020-05-01  |
                   | back     | 2020-05-01  |
            bob    |          | 2020-05-01  |
            bob    | knee     |             |
            bob    | hip      | 2020-05-32  |
            bob    | hip      | 2020-05-01  | 2020-04-30
            bob    | hip      | 1820-05-01  | """

DELIVERY = {
    "eligibility": ELIGIBILITY,
    "medical_claim": MEDICAL,
    "pharmacy_claim": PHARMACY,
    "program_roster": ROSTER,
}


def raw_claims(frame: Callable[[str, str], DataFrame], texts: Mapping[str, str]) -> dict[str, DataFrame]:
    """Texts -> frames as CSV gives them: the layout's required columns and those written down, all text."""
    sources = {source.name: source for source in LAYOUTS["tuva"].sources}
    raw = {}
    for name, text in texts.items():
        heading = [column.strip() for column in text.split("\n", 1)[0].split("|")]
        rows = frame(text, ", ".join(f"`{column}` string" for column in heading))
        rows = rows.withColumnsRenamed({column: NAMES.get(column, column) for column in heading})
        missing = [column for column in sources[name].required if column not in rows.columns]
        raw[name] = rows.withColumns(dict.fromkeys(missing, F.lit(None).cast("string")))
    if "medical_claim" in raw:
        every_line = {"claim_type": "Professional", "place_of_service_code": "2", "charge_amount": "120"}
        raw["medical_claim"] = raw["medical_claim"].withColumns({n: F.lit(told) for n, told in every_line.items()})
    return raw
