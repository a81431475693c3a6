"""What a facility does shows on its own day, once and priced once; DRG, type of bill and modifier show by line."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.studies import small_study

from counterpart.codes import CodeLibrary, encode_column
from counterpart.events import EventPlan, build_member_days, plan_events
from counterpart.protocol import Clause, Study
from counterpart.stages.study import _member_days
from counterpart.tables import COHORT, MEDICAL, PHARMACY

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

CODE_SETS = {
    "fusion": ("icd10pcs,0SG0*", "icd9pcs,81.08"),
    "either": ("icd10pcs,0SG1*", "icd10cm,M54.5"),
    "anyhow": ("icd10pcs,0SG0*", "hcpcs,22612"),
    "back_pain": ("icd10cm,M54.5",),
    "extracranial": ("drg,39",),
    "hospital": ("bill_type,011*",),
    "therapy": ("modifier,GP", "modifier,G7*"),
}
EVENTS = {"fusion_for_pain": (Clause(codes="fusion", diagnosis="back_pain"),)}
NAMES = ("fusion", "either", "anyhow", "extracranial", "hospital", "therapy", *EVENTS)

# A line tells the procedures of its whole claim. Most claims are paid on their first line.
LINES = """case               | claim | line | day        | hcpcs | drg  | bill | mods  | dx   | procedures                            | cents
           a later day        | 1     | 1    | 2020-01-01 |       |      |      |       | M545 | 0SG0071@2020-01-03                    | 900
           a later day        | 1     | 2    | 2020-01-01 |       |      |      |       |      | 0SG0071@2020-01-03                    | 50
           a later day        | 1     | 3    | 2020-01-05 |       |      |      |       |      | 0SG0071@2020-01-03                    | 7
           on two days        | 2     | 1    | 2020-02-01 |       |      |      |       | I10  | 0SG0071@2020-02-02,8108@2020-02-04    | 1000
           on two days        | 2     | 2    | 2020-02-04 |       |      |      |       | I10  | 0SG0071@2020-02-02,8108@2020-02-04    | 30
           two of a day       | 3     | 1    | 2020-03-01 |       |      |      |       | M545 | 0SG0071@2020-03-01,8108@2020-03-01    | 10
           its line shows too | 4     | 1    | 2020-04-01 | 22612 |      |      |       |      | 0SG0071@2020-04-03                    | 100
           its line shows too | 4     | 2    | 2020-04-03 |       |      |      |       |      | 0SG0071@2020-04-03                    | 5
           its line shows too | 4     | 3    | 2020-04-04 | 22612 |      |      |       |      | 0SG0071@2020-04-03                    | 3
           before its lines   | 5     | 1    | 2020-05-04 |       |      |      |       | I10  | 0SG0071@2020-05-02                    | 70
           another            | 6     | 1    | 2020-06-01 |       |      |      |       | I10  | 0SB20ZZ@2020-06-01,8109@2020-06-02    | 80
           beside a diagnosis | 7     | 1    | 2020-07-01 |       |      |      |       | M545 | 8108@2020-07-03                       | 60
           group, unpadded    | 8     | 1    | 2020-08-01 |       | 39   | 0111 |       | I10  |                                       | 40
           group              | 8     | 2    | 2020-08-02 |       | 039  | 0111 |       | I10  |                                       | 2
           another group      | 9     | 1    | 2020-09-01 |       | 390  | 131  |       | I10  |                                       | 20
           no zero            | 10    | 1    | 2020-10-01 |       |      | 11G  | 26    | I10  |                                       | 6
           modifiers          | 11    | 1    | 2020-11-01 | 97140 |      | 111  | 59,GP |      |                                       | 4
           modifiers          | 11    | 2    | 2020-11-01 | 97110 |      |      | GP,G7 |      |                                       | 1
           none               | 12    | 1    | 2020-12-01 |       |      |      |       |      |                                       | 9
"""  # noqa: E501  # the lines of a claim side by side

DAYS = """day        | event           | allowed_cents
          2020-01-01 | either          | 950
          2020-01-03 | fusion          | 950
          2020-01-03 | anyhow          | 950
          2020-01-03 | fusion_for_pain | 950
          2020-02-02 | fusion          | 1000
          2020-02-02 | anyhow          | 1000
          2020-02-04 | fusion          | 30
          2020-03-01 | fusion          | 10
          2020-03-01 | anyhow          | 10
          2020-03-01 | either          | 10
          2020-03-01 | fusion_for_pain | 10
          2020-04-01 | anyhow          | 0
          2020-04-03 | anyhow          | 105
          2020-04-03 | fusion          | 105
          2020-04-04 | anyhow          | 3
          2020-05-02 | anyhow          | 0
          2020-05-02 | fusion          | 0
          2020-07-01 | either          | 60
          2020-07-03 | fusion          | 60
          2020-07-03 | fusion_for_pain | 60
          2020-08-01 | extracranial    | 40
          2020-08-01 | hospital        | 40
          2020-08-02 | extracranial    | 2
          2020-08-02 | hospital        | 2
          2020-10-01 | hospital        | 6
          2020-11-01 | hospital        | 5
          2020-11-01 | therapy         | 5"""


def lines_of(frame: Frame, text: str) -> DataFrame:
    """Lines of a member in the table's contract; procedures are written `code@day`."""
    heading = [cell.strip() for cell in text.split("\n", 1)[0].split("|")]
    rows = frame(text, ", ".join(f"{name} string" for name in heading))

    def procedure(one):
        code, day = F.split_part(one, F.lit("@"), F.lit(1)), F.split_part(one, F.lit("@"), F.lit(2))
        system = F.when(F.length(code) == 7, "icd10pcs").otherwise("icd9pcs")
        return F.struct(encode_column(system, code).alias("code"), day.cast("date").alias("day"))

    diagnosis = F.when(F.col("dx").isNotNull(), F.array(encode_column("icd10cm", F.col("dx"))))
    known = {
        "member_key": F.col("member") if "member" in heading else F.lit(1),
        "claim_key": F.col("claim"),
        "claim_id": F.col("claim"),
        "line_number": F.col("line"),
        "service_date": F.col("day"),
        "service_period": F.date_format(F.col("day").cast("date"), "yyyyMM"),
        "procedure": encode_column("hcpcs", F.col("hcpcs")),
        "modifiers": F.split("mods", ","),
        "drg": encode_column("drg", F.col("drg")),
        "bill_type": F.col("bill"),
        "diagnoses": diagnosis,
        "facility_procedures": F.transform(F.split("procedures", ","), procedure),
        "allowed_cents": F.col("cents"),
    }
    return rows.select(*(known.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in MEDICAL.columns.items()))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> CodeLibrary:
    folder = tmp_path_factory.mktemp("codesets")
    other = dict.fromkeys(("cancer", "imaging", "mri"), ("hcpcs,1*",))
    for name, rows in (CODE_SETS | other).items():
        lines = ["system,code,valid_from,valid_to,source", *(f"{row},,,t" for row in rows), ""]
        (folder / f"{name}.csv").write_text("\n".join(lines))
    return CodeLibrary.load([folder])


@pytest.fixture(scope="module")
def lines(frame: Frame) -> DataFrame:
    return lines_of(frame, LINES).localCheckpoint()


@pytest.fixture(scope="module")
def no_fills(frame: Frame) -> DataFrame:
    return frame("member_key | ndc\n", PHARMACY.ddl)


def plan_of(library: CodeLibrary, *names: str) -> EventPlan:
    return plan_events(Study.model_construct(events=EVENTS), library, names)


def told(days: DataFrame, plan: EventPlan) -> DataFrame:
    names = F.create_map(*[part for i, name in enumerate(plan.names) for part in (F.lit(i), F.lit(name))])
    event = names[F.col("event_id")].alias("event")
    return days.select(F.col("event_date").cast("string").alias("day"), event, "allowed_cents")


def test_procedures_show_on_their_own_days_and_lines_on_theirs(frame, library, lines, no_fills) -> None:
    """However many lines repeat a procedure; of a claim and event an amount counts once, and none ahead of its day."""
    plan = plan_of(library, *NAMES)
    expected = frame(DAYS, "day string, event string, allowed_cents bigint")
    assertDataFrameEqual(told(build_member_days(lines, no_fills, plan, None), plan), expected)
    unpriced = build_member_days(lines, no_fills, plan, None, is_priced=False)
    days = told(unpriced.withColumn("allowed_cents", F.lit(0).cast("bigint")), plan)
    assertDataFrameEqual(days, expected.withColumn("allowed_cents", F.lit(0).cast("bigint")))


@pytest.mark.parametrize(("first", "last", "days"), [
    ("2020-01-03", "2020-02-02", ["2020-01-03", "2020-02-02"]),
    ("2020-01-04", "2020-02-01", []),
    ("2020-02-03", "2020-05-02", ["2020-02-04", "2020-03-01", "2020-04-03", "2020-05-02"]),
])  # fmt: skip
def test_windows_hold_the_days_of_procedures(frame, library, lines, no_fills, first, last, days) -> None:
    """Lines may lie before, and a line inside brings in no procedure from outside."""
    plan = plan_of(library, "fusion")
    people = frame(
        f"member_key | from_date | to_date\n 1 | {first} | {last}", "member_key long, from_date date, to_date date"
    )
    found = build_member_days(lines, no_fills, plan, people, is_priced=False).orderBy("event_date")
    assert [str(row["event_date"]) for row in found.collect()] == days


def test_a_stage_reads_the_lines_of_the_year_before_its_window(frame, library, no_fills) -> None:
    """The claim of a long stay is billed on its first day."""
    text = """member | claim | line | day        | hcpcs | drg | bill | mods | dx | procedures         | cents
              1      | 1     | 1    | 2019-04-05 |       |     |      |      |    | 0SG0071@2020-03-20 | 900
              2      | 2     | 1    | 2020-03-01 |       |     |      |      |    | 0SG0071@2020-04-20 | 900"""
    tables = {MEDICAL.name: lines_of(frame, text), PHARMACY.name: no_fills}
    context = SimpleNamespace(
        study=small_study(),
        versions=dict.fromkeys(tables, 0),
        store=SimpleNamespace(read=lambda one, _: tables[one.name]),
    )
    units = frame("unit_id | member_key | index_date\n 1 | 1 | 2020-03-31\n 2 | 2 | 2020-03-31", COHORT.ddl)
    found = _member_days(context, units, 2, plan_of(library, "fusion"), (-90, -1), is_priced=True).collect()
    assert [(row["member_key"], str(row["event_date"]), row["allowed_cents"]) for row in found] == [
        (1, "2020-03-20", 900)
    ]


def test_only_plans_with_procedures_of_icd_read_more(library, lines, no_fills) -> None:
    """Not a column of theirs is read by others, and none of DRG, bill or modifier."""
    plain, fusion, hospital = (plan_of(library, name) for name in ("back_pain", "fusion", "hospital"))
    assert (plain.days_before, fusion.days_before) == (0, 365)
    for plan, columns in ((plain, set()), (fusion, {"facility_procedures"}), (hospital, {"bill_type"})):
        made = build_member_days(lines, no_fills, plan, None)._jdf.queryExecution().optimizedPlan().toString()
        above = "\n".join(line for line in made.splitlines() if "LogicalRDD" not in line)
        assert {name for name in ("facility_procedures", "drg", "bill_type") if name in above} == columns
        assert "lambda" not in above


def test_days_of_one_drg_are_a_stay(frame, library, lines, no_fills) -> None:
    study = small_study(stays=["extracranial", "fusion"], events={})
    plan = plan_events(study, library, ["extracranial", "fusion"])
    found = build_member_days(lines, no_fills, plan, None).orderBy("event_date")
    assert [(str(row["event_date"]), row["event_id"]) for row in found.collect()] == [
        *((day, 1) for day in ("2020-01-03", "2020-02-02", "2020-02-04", "2020-03-01", "2020-04-03", "2020-05-02")),
        ("2020-07-03", 1),
        ("2020-08-01", 0),
    ]


def test_no_procedures_no_days(library, lines, no_fills) -> None:
    plan = plan_of(library, "fusion", "fusion_for_pain")
    for rows in (lines.limit(0), lines.filter("claim_id IN ('8', '12')")):
        assert build_member_days(rows, no_fills, plan, None).isEmpty()
