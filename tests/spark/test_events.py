"""Events: which days show what, on literal claim lines."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart.codes import CodeLibrary, encode, encode_column
from counterpart.events import build_member_days, plan_events
from counterpart.protocol import ALL_CLAIMS, Clause, Study
from counterpart.tables import MEDICAL, PHARMACY

CODE_SETS = {
    "back_pain": "system,code,valid_from,valid_to,source\nicd10cm,M54.5,,2021-09-30,t\nicd10cm,M54.50,2021-10-01,,t\n",
    "therapy": "system,code,valid_from,valid_to,source\nhcpcs,97110,,,t\nrevenue,0420,,,t\n",
    "shared_therapy": "system,code,valid_from,valid_to,source\nhcpcs,97140,,,t\n",
    "mri": "system,code,valid_from,valid_to,source\nhcpcs,72148,,,t\n",
    "opioids": "system,code,valid_from,valid_to,source\nndc,00406051201,,,t\n",
    "emergency_place": "system,code,valid_from,valid_to,source\nplace,23,,,t\n",
    "cancer": "system,code,valid_from,valid_to,source\nicd10cm,C00*-C96*,,,t\n",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codesets")
    for name, text in CODE_SETS.items():
        (folder / f"{name}.csv").write_text(text)
    return CodeLibrary.load([folder])


@pytest.fixture(scope="module")
def study():
    therapy = (
        Clause(codes="therapy", diagnosis="back_pain", in_person=True),
        Clause(codes="shared_therapy", diagnosis="back_pain", in_person=True, therapist=True),
    )
    return Study.model_construct(events={"pt_visit": therapy})


LINES = """
case             | claim | service_date | procedure | revenue | place | modifiers | diagnoses     | cents
pt               | 1     | 2020-03-01   | 97110     |         | 11    |           | I10,M545      | 100
no diagnosis     | 2     | 2020-03-02   | 97110     |         | 11    |           | I10           | 100
telehealth place | 3     | 2020-03-03   | 97110     |         | 02    |           | M545          | 100
telehealth mod   | 4     | 2020-03-04   | 97110     |         | 11    | 95        | M545          | 100
shared alone     | 5     | 2020-03-05   | 97140     |         | 11    |           | M545          | 100
shared with GP   | 6     | 2020-03-06   | 97140     |         | 11    | GP        | M545          | 100
revenue          | 7     | 2020-03-07   |           | 0420    |       |           | M545          | 100
old code late    | 8     | 2021-10-01   | 97110     |         | 11    |           | M545          | 100
new code late    | 9     | 2021-10-02   | 97110     |         | 11    |           | M5450         | 100
two lines        | 10    | 2020-03-10   | 97110     |         | 11    |           | M545          | 100
two lines        | 10    | 2020-03-10   | 72148     |         | 11    | TC        | M545          | 250
two claims       | 11    | 2020-03-11   | 72148     |         | 11    | TC        | M545          | 300
two claims       | 12    | 2020-03-11   | 72148     |         | 11    | 26        | M545          | 50
place            | 13    | 2020-03-13   | 99999     |         | 23    |           |               | 70
nothing          | 14    | 2020-03-14   |           |         |       |           |               | 5
cancer           | 15    | 2020-03-15   |           |         |       |           | C509,C960,D00 | 5
"""


def medical_lines(frame, text=LINES):
    raw = frame(
        text,
        "case string, claim bigint, service_date date, procedure string, revenue string, place string, "
        "modifiers string, diagnoses string, cents bigint",
    )
    codes = F.transform(F.split("diagnoses", ","), lambda code: encode_column("icd10cm", code))
    known = {
        "member_key": F.lit(1).cast("bigint"),
        "claim_key": F.col("claim"),
        "service_date": F.col("service_date"),
        "procedure": encode_column("hcpcs", F.col("procedure")),
        "revenue": encode_column("revenue", F.col("revenue")),
        "place": F.col("place"),
        "modifiers": F.split("modifiers", ","),
        "diagnoses": codes,
        "allowed_cents": F.col("cents"),
    }
    columns = [known.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in MEDICAL.columns.items()]
    return raw.select(*columns)


def fills(frame):
    table = frame(
        "member_key | dispensing_date | allowed_cents\n 1 | 2020-03-20 | 900\n 1 | 2020-03-21 | 40", PHARMACY.ddl
    )
    ndc = F.when(F.col("allowed_cents") == 900, F.lit(encode("ndc", "00406051201"))).otherwise(
        F.lit(encode("ndc", "11111111111"))
    )
    return table.withColumn("ndc", ndc)


def days(member_days, plan):
    names = F.create_map(*[part for i, name in enumerate(plan.names) for part in (F.lit(i), F.lit(name))])
    return member_days.select(
        F.date_format("event_date", "yyyy-MM-dd").alias("day"), names[F.col("event_id")].alias("event"), "allowed_cents"
    )


EXPECTED = """
day        | event           | allowed_cents
2020-03-01 | pt_visit        | 100
2020-03-06 | pt_visit        | 100
2020-03-07 | pt_visit        | 100
2021-10-02 | pt_visit        | 100
2020-03-10 | pt_visit        | 350
2020-03-10 | mri             | 350
2020-03-11 | mri             | 350
2020-03-13 | emergency_place | 70
2020-03-15 | cancer          | 5
2020-03-20 | opioids         | 900
"""


def test_events_follow_their_clauses_and_amounts_are_counted_once(frame, library, study):
    plan = plan_events(study, library, ["pt_visit", "mri", "emergency_place", "cancer", "opioids"])
    found = build_member_days(medical_lines(frame), fills(frame), plan, None)
    assertDataFrameEqual(days(found, plan), frame(EXPECTED, "day string, event string, allowed_cents bigint"))


def test_a_place_is_known_however_it_is_written(frame, tmp_path, study):
    """Two digits are compared; what a payer writes otherwise is read as the code sets are."""
    rows = ("place,23,,,t", "place,4*,,,t", "place,OF,,,t")
    (tmp_path / "places.csv").write_text("\n".join(("system,code,valid_from,valid_to,source", *rows, "")))
    plan = plan_events(study, CodeLibrary.load([tmp_path]), ["places"])
    given = ("23", "22", "41", "4", "410", "of", "OF", " 2.3", "2O", "")
    lines = medical_lines(
        frame,
        "claim | service_date | place\n" + "\n".join(f"{n} | 2020-01-{n:02d} |" for n in range(1, len(given) + 1)),
    ).withColumn("place", F.array(*map(F.lit, given))[F.col("claim_key").cast("int") - 1])
    found = build_member_days(lines, fills(frame), plan, None, is_priced=False)
    shown = [given[row[0].day - 1] for row in found.orderBy("event_date").select("event_date").collect()]
    assert shown == ["23", "41", "410", "of", "OF", " 2.3"]


def test_a_specialist_is_known_by_code_or_taxonomy(frame, root, study):
    """However it is written; a code of two digits is not the beginning of a taxonomy."""
    plan = plan_events(study, CodeLibrary.load([root / "conf/codesets"]), ["specialist_referral"])
    given = ("20", "09", "9", "207X00000X", " 208vp0014x", "207R00000X", "2", "14", "25", "65", "2500000000", None)
    lines = medical_lines(
        frame,
        "claim | service_date | cents\n" + "\n".join(f"{n} | 2020-01-{n:02d} | 5" for n in range(1, len(given) + 1)),
    ).withColumn("specialty", F.array(*map(F.lit, given))[F.col("claim_key").cast("int") - 1])
    found = build_member_days(lines, fills(frame), plan, None)
    shown = [given[row[0].day - 1] for row in found.orderBy("event_date").select("event_date").collect()]
    assert shown == ["20", "09", "207X00000X", " 208vp0014x", "14", "25"]


def test_a_procedure_is_of_any_of_its_systems(frame, tmp_path, study):
    """A study may ask for operations by ICD alone, without a code of HCPCS."""
    operations = {"fusion": ("icd10pcs", "0SG0070"), "repair": ("icd9pcs", "8154")}
    for name, (system, code) in operations.items():
        (tmp_path / f"{name}.csv").write_text(f"system,code,valid_from,valid_to,source\n{system},{code},,,t\n")
    codes = F.array(*(F.lit(encode(*code)) for code in operations.values()))
    lines = medical_lines(frame, "claim | service_date | cents\n 1 | 2020-01-01 | 5\n 2 | 2020-01-02 | 7")
    lines = lines.withColumn("procedure", codes[F.col("claim_key").cast("int") - 1])
    plan = plan_events(study, CodeLibrary.load([tmp_path]), operations)
    found = build_member_days(lines, fills(frame), plan, None)
    expected = "day | event | allowed_cents\n2020-01-01 | fusion | 5\n2020-01-02 | repair | 7"
    assertDataFrameEqual(days(found, plan), frame(expected, "day string, event string, allowed_cents bigint"))


@pytest.mark.parametrize("more", [(), (ALL_CLAIMS,)])
def test_without_amounts_the_days_are_the_same(frame, library, study, more):
    plan = plan_events(study, library, ["pt_visit", "mri", "emergency_place", "cancer", "opioids", *more])
    lines = medical_lines(frame), fills(frame), plan, None
    found = build_member_days(*lines, is_priced=False)
    assert found.count() == 10 + 14 * len(more)
    assertDataFrameEqual(found, build_member_days(*lines).drop("allowed_cents"))


@pytest.mark.parametrize("is_limited", [False, True])
def test_a_diagnosis_stands_on_any_line_of_its_claim(frame, library, study, is_limited):
    """Payers that bill by line write it on the line it is for, or on the first only."""
    lines = medical_lines(
        frame,
        """case       | claim | service_date | procedure | diagnoses | cents
           first line | 1     | 2020-03-01   | 99213     | I10,M545  | 100
           first line | 1     | 2020-03-01   | 97110     |           | 100
           other line | 2     | 2020-03-02   | 97110     | S83200A   | 100
           other line | 2     | 2020-03-02   | 99213     | M545      | 100
           no line    | 3     | 2020-03-03   | 97110     | S83200A   | 100
           no line    | 3     | 2020-03-03   | 99213     | M5412     | 100
           elsewhere  | 4     | 2020-03-03   | 99213     | M545      | 100""",
    )
    people = frame(
        "member_key | from_date | to_date\n 1 | 2020-01-01 | 2020-12-31",
        "member_key bigint, from_date date, to_date date",
    )
    plan = plan_events(study, library, ["pt_visit"])
    found = build_member_days(lines, fills(frame), plan, people if is_limited else None)
    expected = "day | event | allowed_cents\n2020-03-01 | pt_visit | 200\n2020-03-02 | pt_visit | 200"
    assertDataFrameEqual(days(found, plan), frame(expected, "day string, event string, allowed_cents bigint"))


def test_fills_of_a_day_add_their_days_of_supply(frame, library, study):
    table = frame(
        """member_key | dispensing_date | days_supply
           1          | 2020-03-20      | 30
           1          | 2020-03-20      | 15
           1          | 2020-03-21      |
           1          | 2020-03-22      | 7""",
        PHARMACY.ddl,
    ).withColumn("ndc", F.lit(encode("ndc", "00406051201")))
    plan = plan_events(study, library, ["opioids", "mri"])
    found = build_member_days(medical_lines(frame), table, plan, None)
    supplied = found.select("event_date", "supplied_days").filter(F.col("event_date") > "2020-03-14")
    expected = "event_date | supplied_days\n2020-03-20 | 45\n2020-03-21 | 0\n2020-03-22 | 7"
    assertDataFrameEqual(supplied, frame(expected, "event_date date, supplied_days bigint"))
    assert [row[0] for row in found.filter("event_date = '2020-03-11'").select("supplied_days").collect()] == [0]


def test_a_fill_in_two_code_sets_of_an_event_counts_once(frame, tmp_path):
    for name in ("opioids", "schedule_two"):
        (tmp_path / f"{name}.csv").write_text(CODE_SETS["opioids"])
    events = {"either": (Clause(codes="opioids"), Clause(codes="schedule_two"))}
    plan = plan_events(Study.model_construct(events=events), CodeLibrary.load([tmp_path]), events)
    table = fills(frame).withColumns({"days_supply": F.lit(30), "claim_id": F.lit("1"), "line_number": F.lit(1)})
    found = build_member_days(medical_lines(frame), table, plan, None)
    assert [tuple(row) for row in found.select("supplied_days", "allowed_cents").collect()] == [(30, 900)]


def test_a_fill_meets_no_condition_of_a_claim(frame, library):
    """It has no diagnosis, place or therapist: a clause that asks for one is shown by claims only."""
    alone, others = Clause(codes="opioids"), ({"diagnosis": "back_pain"}, {"in_person": True}, {"therapist": True})
    events = {"any": (alone,), **{next(iter(more)): (Clause(codes="opioids", **more),) for more in others}}
    plan = plan_events(Study.model_construct(events=events), library, events)
    found = build_member_days(medical_lines(frame), fills(frame), plan, None)
    expected = "day | event | allowed_cents\n2020-03-20 | any | 900"
    assertDataFrameEqual(days(found, plan), frame(expected, "day string, event string, allowed_cents bigint"))
    assert [name for name in events if plan.can_be_filled(name)] == ["any"]


def test_people_limit_members_and_dates_inclusively(frame, library, study):
    people = frame(
        "member_key | from_date | to_date\n 1 | 2020-03-07 | 2020-03-10\n 2 | 2020-01-01 | 2021-01-01",
        "member_key bigint, from_date date, to_date date",
    )
    plan = plan_events(study, library, ["pt_visit"])
    found = build_member_days(medical_lines(frame), fills(frame), plan, people)
    expected = "day | event | allowed_cents\n2020-03-07 | pt_visit | 100\n2020-03-10 | pt_visit | 350"
    assertDataFrameEqual(days(found, plan), frame(expected, "day string, event string, allowed_cents bigint"))


def test_every_claim_line_is_a_medical_claim_and_costs_add_up(frame, library, study):
    plan = plan_events(study, library, [ALL_CLAIMS, "mri"])
    found = build_member_days(medical_lines(frame), fills(frame), plan, None).filter(F.col("event_id") == 0)
    total = found.agg(F.sum("allowed_cents").alias("cents"), F.count("*").alias("days"))
    assertDataFrameEqual(total, frame("cents | days\n 1680 | 14", "cents bigint, days bigint"))


def test_no_lines_no_days(frame, library, study):
    plan = plan_events(study, library, ["pt_visit", "opioids", ALL_CLAIMS])
    nothing = build_member_days(medical_lines(frame).limit(0), fills(frame).limit(0), plan, None)
    assert nothing.isEmpty()


def test_more_signals_than_one_mask_holds(frame, library, tmp_path, study):
    for number in range(130):
        (tmp_path / f"set_{number}.csv").write_text(
            f"system,code,valid_from,valid_to,source\nicd10cm,A{number:03d},,,t\n"
        )
    plan = plan_events(study, CodeLibrary.load([tmp_path]), [f"set_{number}" for number in range(130)])
    lines = medical_lines(
        frame,
        """case | claim | service_date | diagnoses           | cents
           a    | 1     | 2020-01-01   | A000,A061,A062,A129 | 1
           b    | 2     | 2020-01-02   | A124                | 1""",
    )
    expected = """day | event | allowed_cents
        2020-01-01 | set_0   | 1
        2020-01-01 | set_61  | 1
        2020-01-01 | set_62  | 1
        2020-01-01 | set_129 | 1
        2020-01-02 | set_124 | 1"""
    found = build_member_days(lines, fills(frame), plan, None)
    assertDataFrameEqual(days(found, plan), frame(expected, "day string, event string, allowed_cents bigint"))


@pytest.mark.parametrize("is_limited", [False, True])
def test_no_line_is_looked_at_by_a_lambda(frame, library, study, is_limited):
    """Spark runs lambdas uncompiled, and with them the part of the plan that they stand in."""
    people = frame(
        "member_key | from_date | to_date\n 1 | 2020-01-01 | 2020-12-31",
        "member_key bigint, from_date date, to_date date",
    ).localCheckpoint()
    plan = plan_events(study, library, ["pt_visit", "mri", "opioids", ALL_CLAIMS])
    known = medical_lines(frame).localCheckpoint(), fills(frame).localCheckpoint()
    found = build_member_days(*known, plan, people if is_limited else None)
    assert "lambda" not in found._jdf.queryExecution().optimizedPlan().toString().lower()
