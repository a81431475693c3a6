"""The cohort: candidates, criteria, attrition, on tables small enough to check by eye."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.studies import small_study

from counterpart.codes import CodeLibrary
from counterpart.cohort import build_candidates, criteria_names, label_candidates, require_drugs, summarise_attrition
from counterpart.cohort.demographics import age_band_of, age_on, region_of, state_on
from counterpart.errors import CodeSetError
from counterpart.events import EventPlan, plan_events
from counterpart.tables import ATTRITION, COHORT, ENROLLMENT, MEMBERS, PROGRAM

DAYS = "member_key bigint, event_date date, event_id int, allowed_cents bigint, supplied_days bigint"


def plan_of(*names):
    return EventPlan(names, tuple(() for _ in names), (), {})


def test_demographics_on_the_index_date(frame):
    people = frame(
        """case         | birth      | day        | residences
           birthday     | 1980-03-01 | 2020-03-01 | [{"from_date":"2019-01-01","state":"TX"}]
           day before   | 1980-03-02 | 2020-03-01 | [{"from_date":"2019-01-01","state":"TX"},{"from_date":"2020-03-02"}]
           moved today  | 1955-03-01 | 2020-03-01 | [{"from_date":"2019-01-01"},{"from_date":"2020-03-01","state":"NY"}]
           leap, common | 2000-02-29 | 2021-02-28 | []
           leap, passed | 2000-02-29 | 2021-03-01 | [{"from_date":"2022-01-01","state":"CA"}]
           no birth date |            | 2020-03-01 | [{"from_date":"2019-01-01","state":"XX"}]""",
        "case string, birth date, day date, residences array<struct<from_date:date,state:string>>",
    )
    age, state = age_on(F.col("birth"), F.col("day")), state_on(F.col("residences"), F.col("day"))
    told = people.select(
        "case",
        age.alias("age"),
        age_band_of(age, (18, 45, 65)).alias("band"),
        state.alias("state"),
        region_of(state).alias("region"),
    )
    assertDataFrameEqual(
        told,
        frame(
            """case          | age | band  | state   | region
               birthday      | 40  | 18-44 | TX      | south
               day before    | 39  | 18-44 | TX      | south
               moved today   | 65  | 65+   | NY      | northeast
               leap, common  | 20  | 18-44 | unknown | unknown
               leap, passed  | 21  | 18-44 | unknown | unknown
               no birth date |     |       | XX      | unknown""",
            "case string, age int, band string, state string, region string",
        ),
    )


def test_candidates_of_a_roster_and_of_visits(frame):
    study = small_study()
    program = frame(
        """member_key | program | enrolled_on
           1          | digital | 2020-02-01
           2          | digital | 2021-02-01
           3          | other   | 2020-02-01""",
        PROGRAM.ddl,
    )
    visits = frame(
        """member_key | event_date | event_id
           1          | 2020-01-31 | 0
           1          | 2020-02-01 | 0
           2          | 2019-12-31 | 0
           2          | 2020-06-30 | 0
           2          | 2020-07-01 | 0""",
        DAYS,
    )
    units = build_candidates(study, program, visits, plan_of("therapy")).drop("unit_id")
    assertDataFrameEqual(
        units,
        frame(
            """member_key | arm        | index_date | first_treated_on
               1          | treated    | 2020-02-01 | 2020-02-01
               2          | treated    | 2021-02-01 | 2021-02-01
               1          | comparator | 2020-01-31 | 2020-02-01
               1          | comparator | 2020-02-01 | 2020-02-01
               2          | comparator | 2020-06-30 | 2021-02-01""",
            "member_key bigint, arm string, index_date date, first_treated_on date",
        ),
    )


def test_candidates_where_treatment_shows_in_claims(frame):
    """The first treatment inside the window is the index date, even of somebody treated before it."""
    treated = {"label": "Manual", "index": {"event": "manual", "take": "first"}}
    study = small_study(cohort={"treated": treated})
    plan = plan_of("manual", "therapy")
    days = frame(
        """member_key | event_date | event_id
           1          | 2019-06-01 | 0
           1          | 2020-03-01 | 0
           1          | 2020-04-01 | 0
           1          | 2020-05-01 | 1""",
        DAYS,
    )
    units = build_candidates(study, frame("member_key | program\n", PROGRAM.ddl), days, plan).drop("unit_id")
    assertDataFrameEqual(
        units,
        frame(
            """member_key | arm        | index_date | first_treated_on
               1          | treated    | 2020-03-01 | 2019-06-01
               1          | comparator | 2020-05-01 | 2019-06-01""",
            "member_key bigint, arm string, index_date date, first_treated_on date",
        ),
    )


# unit_id = member_key * 10 + n. Every member but the first breaks one rule at the index date, 2020-05-01.
UNITS = """
unit_id | member_key | arm        | index_date | first_treated_on
10      | 1          | treated    | 2020-05-01 | 2020-05-01
20      | 2          | treated    | 2020-07-01 | 2020-07-01
30      | 3          | comparator | 2020-05-01 | 2020-05-01
31      | 3          | comparator | 2020-04-30 | 2020-05-01
40      | 4          | comparator | 2020-05-01 |
50      | 5          | comparator | 2020-05-01 |
60      | 6          | comparator | 2020-05-01 |
70      | 7          | comparator | 2020-05-01 |
80      | 8          | comparator | 2020-05-01 |
90      | 9          | comparator | 2020-05-01 |
100     | 10         | comparator | 2020-05-01 |
110     | 11         | comparator | 2020-05-01 |
111     | 11         | comparator | 2020-05-20 |
112     | 11         | comparator | 2020-06-01 |
120     | 12         | comparator | 2020-05-01 |
"""
PEOPLE = """
member_key | birth_date | sex | death_date
1          | 1970-01-01 | F   |
2          | 1970-01-01 | F   |
3          | 1970-01-01 | M   |
5          | 1970-01-01 | M   | 2020-04-30
6          | 2003-01-01 | M   |
7          | 1970-01-01 | M   | 2020-05-01
8          | 1970-01-01 | M   |
9          | 1970-01-01 | M   |
10         | 1970-01-01 | M   |
11         | 1970-01-01 | M   |
12         | 1970-01-01 | M   |
"""
SPANS = """
member_key | benefit  | start_date | end_date
1          | medical  | 2019-05-02 | 2020-05-01
2          | medical  | 2018-01-01 | 2020-12-31
3          | medical  | 2018-01-01 | 2020-12-31
5          | medical  | 2018-01-01 | 2020-12-31
6          | medical  | 2018-01-01 | 2020-12-31
7          | pharmacy | 2018-01-01 | 2020-12-31
8          | medical  | 2018-01-01 | 2019-12-31
8          | medical  | 2020-02-01 | 2020-12-31
9          | medical  | 2018-01-01 | 2019-12-31
9          | medical  | 2020-01-31 | 2020-12-31
10         | medical  | 2018-01-01 | 2020-12-31
11         | medical  | 2018-01-01 | 2020-12-31
12         | medical  | 2018-01-01 | 2020-12-31
"""


def history_of(members):
    """Back pain on two days 90 days apart for each member, inside every look-back used here."""
    rows = [f"{member} | {day} | 0" for member in members for day in ("2019-09-01", "2019-11-30")]
    return "\n".join(rows)


EXCLUDED_BY = """
unit_id | excluded_by
10      |
20      | index_date_in_window
30      | not_treated_by_index_date
31      |
40      | known_member
50      | alive_on_index_date
60      | age
70      | enrolled_on_index_date
80      | enrolled_in_lookback
90      |
100     | back_pain_history
110     |
111     | one_date_per_month
112     |
120     | red_flag_cancer
"""


def test_every_criterion_excludes_the_unit_that_breaks_it_and_no_other(frame):
    days = frame(
        "member_key | event_date | event_id\n"
        + history_of([1, 2, 3, 5, 6, 7, 8, 9, 11, 12])
        # Member 10: two days 89 days apart. Member 12: cancer on the last day of the window; member 11 a day before.
        + "\n10 | 2019-09-01 | 0\n10 | 2019-11-29 | 0\n12 | 2020-04-01 | 1\n11 | 2020-03-31 | 1",
        DAYS,
    )
    # One look-back day more than 2019-05-02..2020-05-01 holds: the first member is enrolled 365 days before.
    cohort = label(frame, UNITS, days)
    assertDataFrameEqual(
        cohort.select("unit_id", "excluded_by"),
        frame(EXCLUDED_BY, "unit_id bigint, excluded_by string"),
    )
    attrition = summarise_attrition(cohort, small_study())
    n_units = cohort.groupBy("arm").agg(F.count("*").alias("n_units"))
    reconciled = attrition.groupBy("arm").agg(
        F.sum("n_excluded").alias("excluded"), F.min("n_remaining").alias("left"), F.max("n_remaining").alias("raw")
    )
    sums = reconciled.join(n_units, "arm").select(
        "arm", (F.col("excluded") + F.col("left")).alias("sum"), "raw", "n_units", "left"
    )
    assertDataFrameEqual(
        sums,
        frame(
            "arm | sum | raw | n_units | left\n treated | 2 | 2 | 2 | 1\n comparator | 13 | 13 | 13 | 4",
            "arm string, sum bigint, raw bigint, n_units bigint, left bigint",
        ),
    )
    last = attrition.filter("criterion = 'one_date_per_month'").drop("step")
    assertDataFrameEqual(
        last,
        frame(
            """arm        | criterion          | n_excluded | n_remaining | n_members_remaining
               treated    | one_date_per_month | 0          | 1           | 1
               comparator | one_date_per_month | 1          | 4           | 3""",
            ATTRITION.ddl.replace("`step` int, ", ""),
        ),
    )


def test_days_of_supply_exclude_and_single_fills_do_not(frame):
    """Index dates on day 0 = 2020-05-01; 90 days in a row of the 366 that end on it, whatever comes after."""
    steroids = {"name": "steroid_supply", "event": "steroids", "window": [-365, 0], "supplied_days": 90}
    study = small_study(cohort={"exclusions": [steroids], "history": []})
    days = frame(
        """member_key | event_date | event_id | supplied_days
           1          | 2019-06-01 | 0        | 60
           1          | 2019-06-15 | 0        | 30
           3          | 2019-06-01 | 0        | 60
           3          | 2019-08-01 | 0        | 89
           6          | 2020-02-02 | 0        | 89
           6          | 2020-05-01 | 0        | 30
           7          | 2020-02-03 | 0        | 90
           9          | 2019-05-01 | 0        | 400
           11         | 2020-05-02 | 0        | 400""",
        DAYS,
    )
    units = "unit_id | member_key | arm | index_date\n" + "\n".join(
        f"{member} | {member} | treated | 2020-05-01" for member in (1, 3, 6, 7, 9, 11, 12)
    )
    plan = plan_of("steroids")
    candidates = frame(units, "unit_id bigint, member_key bigint, arm string, index_date date, first_treated_on date")
    spans = "member_key | benefit | start_date | end_date\n" + "\n".join(
        f"{member} | medical | 2018-01-01 | 2020-12-31" for member in (1, 3, 6, 7, 9, 11, 12)
    )
    people = PEOPLE.replace("2003-01-01", "1970-01-01")
    told = label_candidates(candidates, frame(people, MEMBERS.ddl), frame(spans, ENROLLMENT.ddl), days, plan, study)
    excluded = told.filter("excluded_by is not null").select("member_key", "excluded_by")
    expected = "member_key | excluded_by\n1 | steroid_supply\n6 | steroid_supply"
    assertDataFrameEqual(excluded, frame(expected, "member_key bigint, excluded_by string"))


def test_days_of_supply_are_of_drugs(root):
    """Of an event that no fill can show nobody would ever be excluded."""
    library = CodeLibrary.load([root / "conf" / "codesets"])
    for event, is_drug in (("oral_steroids", True), ("long_term_steroids", False), ("medical_claim", False)):
        rule = {"name": "steroids", "event": event, "supplied_days": 90}
        study = small_study(cohort={"exclusions": [rule], "history": []})
        plan = plan_events(study, library, [event])
        if is_drug:
            require_drugs(study, plan)
            continue
        with pytest.raises(CodeSetError, match=f"exclusions steroids: .* {event} has no codes of drugs .ndc or omop"):
            require_drugs(study, plan)


def label(frame, units, days):
    plan = plan_of("back_pain", "cancer")
    candidates = frame(units, "unit_id bigint, member_key bigint, arm string, index_date date, first_treated_on date")
    return label_candidates(
        candidates, frame(PEOPLE, MEMBERS.ddl), frame(SPANS, ENROLLMENT.ddl), days, plan, small_study()
    )


@pytest.mark.parametrize("n_partitions", [1, 7])
def test_the_cohort_does_not_depend_on_partitions(frame, n_partitions):
    days = frame("member_key | event_date | event_id\n" + history_of(range(1, 13)), DAYS)
    whole = label(frame, UNITS, days)
    plan = plan_of("back_pain", "cancer")
    candidates = frame(UNITS, "unit_id bigint, member_key bigint, arm string, index_date date, first_treated_on date")
    parts = label_candidates(
        candidates.repartition(n_partitions),
        frame(PEOPLE, MEMBERS.ddl).repartition(n_partitions),
        frame(SPANS, ENROLLMENT.ddl).orderBy(F.desc("start_date")),
        days.orderBy(F.desc("event_date")),
        plan,
        small_study(),
    )
    assertDataFrameEqual(whole, parts)


def test_no_candidates_give_an_attrition_of_zeros(frame):
    empty = label(frame, UNITS, frame("member_key | event_date\n", DAYS)).limit(0)
    attrition = summarise_attrition(frame("unit_id | arm\n", COHORT.ddl), small_study())
    assert empty.isEmpty()
    steps = len(criteria_names(small_study())) + 1
    told = attrition.agg(
        F.count("*").alias("rows"), F.sum("n_excluded").alias("excluded"), F.sum("n_remaining").alias("left")
    )
    assertDataFrameEqual(
        told, frame(f"rows | excluded | left\n {2 * steps} | 0 | 0", "rows bigint, excluded bigint, left bigint")
    )
