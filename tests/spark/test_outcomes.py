"""Follow-up and outcomes on tables small enough to count by hand."""

from __future__ import annotations

from pyspark.testing import assertDataFrameEqual
from tests.studies import small_study

from counterpart.events import EventPlan
from counterpart.outcomes import build_follow_up, build_outcomes, build_weeks, find_outcome_days
from counterpart.tables import COHORT, ENROLLMENT, FOLLOW_UP, MEMBERS, OUTCOME_WEEKS, OUTCOMES

DAYS = "member_key bigint, event_date date, event_id int, allowed_cents bigint"
PLAN = EventPlan(("imaging", "mri"), ((), ()), (), {})


def test_follow_up_ends_at_the_first_reason(frame):
    units = frame(
        """unit_id | member_key | arm        | index_date
           1       | 1          | treated    | 2020-03-01
           2       | 2          | comparator | 2020-03-01
           3       | 3          | comparator | 2020-03-01
           4       | 4          | comparator | 2020-03-01
           5       | 5          | comparator | 2020-03-01
           6       | 6          | comparator | 2020-03-01
           7       | 1          | comparator | 2020-01-15""",
        COHORT.ddl,
    )
    # Member 2 is treated next day; 3 had been treated before and is again; 6 dies on the day the cover ends.
    treatments = frame(
        "member_key | treated_on\n 1 | 2020-03-01\n 2 | 2020-03-02\n 3 | 2020-02-01\n 3 | 2020-04-01\n 3 | 2020-05-01",
        "member_key bigint, treated_on date",
    )
    members = frame("member_key | death_date\n 1 |\n 2 |\n 3 |\n 4 | 2020-03-11\n 5 |\n 6 | 2020-05-31", MEMBERS.ddl)
    enrollment = frame(
        """member_key | benefit  | start_date | end_date
           1          | medical  | 2018-01-01 | 2021-12-31
           1          | pharmacy | 2018-01-01 | 2020-03-02
           2          | medical  | 2018-01-01 | 2021-12-31
           3          | medical  | 2018-01-01 | 2021-12-31
           4          | medical  | 2018-01-01 | 2021-12-31
           5          | medical  | 2018-01-01 | 2020-03-31
           5          | medical  | 2020-04-02 | 2021-12-31
           6          | medical  | 2018-01-01 | 2020-05-31""",
        ENROLLMENT.ddl,
    )
    assertDataFrameEqual(
        build_follow_up(units, treatments, members, enrollment, small_study()),
        frame(
            """unit_id | end_date   | censored_by  | days
               1       | 2020-12-31 | data_end     | 305
               2       | 2020-03-01 | treatment    | 0
               3       | 2020-03-31 | treatment    | 30
               4       | 2020-03-11 | death        | 10
               5       | 2020-03-31 | coverage_end | 30
               6       | 2020-05-31 | death        | 91
               7       | 2020-02-29 | treatment    | 45""",
            FOLLOW_UP.ddl,
        ),
    )


def test_cover_ends_with_the_first_of_the_benefits_that_are_asked_for(frame):
    """In whichever order the study names them."""
    units = frame("unit_id | member_key | arm | index_date\n 1 | 1 | treated | 2020-03-01", COHORT.ddl)
    treatments = frame("member_key | treated_on\n 1 | 2020-03-01", "member_key bigint, treated_on date")
    members = frame("member_key | death_date\n 1 |", MEMBERS.ddl)
    enrollment = frame(
        """member_key | benefit  | start_date | end_date
           1          | medical  | 2018-01-01 | 2020-09-30
           1          | pharmacy | 2018-01-01 | 2020-03-31
           1          | pharmacy | 2020-04-03 | 2020-09-30""",
        ENROLLMENT.ddl,
    )
    for benefits in (["medical", "pharmacy"], ["pharmacy", "medical"]):
        study = small_study(cohort={"enrollment": {"benefits": benefits}})
        followed = build_follow_up(units, treatments, members, enrollment, study).collect()
        assert [(str(row["end_date"]), row["days"]) for row in followed] == [("2020-03-31", 30)]


def observed(frame):
    units = frame(
        """unit_id | member_key | arm        | index_date
           1       | 1          | treated    | 2020-03-01
           2       | 1          | comparator | 2020-02-20
           3       | 2          | comparator | 2020-03-01""",
        COHORT.ddl,
    )
    follow_up = frame("unit_id | days\n 1 | 300\n 2 | 9\n 3 | 40", FOLLOW_UP.ddl)
    days = frame(
        """member_key | event_date | event_id
           1          | 2020-02-29 | 0
           1          | 2020-03-01 | 0
           1          | 2020-03-02 | 0
           1          | 2020-03-02 | 1
           1          | 2020-03-31 | 1
           1          | 2020-04-01 | 0
           1          | 2020-05-30 | 0
           1          | 2020-05-31 | 0
           2          | 2020-04-10 | 0
           2          | 2020-04-11 | 0""",
        DAYS,
    )
    return follow_up, find_outcome_days(units, follow_up, days, PLAN, small_study())


def test_outcomes_count_days_1_to_the_horizon_inside_the_follow_up(frame):
    follow_up, days = observed(frame)
    assertDataFrameEqual(
        build_outcomes(follow_up, days, small_study()),
        frame(
            """unit_id | outcome | horizon | n_events | first_event_day | days_at_risk
               1       | imaging | 30      | 3        | 1               | 30
               1       | imaging | 90      | 5        | 1               | 90
               1       | later   | 90      | 2        | 31              | 76
               2       | imaging | 30      | 1        | 9               | 9
               2       | imaging | 90      | 1        | 9               | 9
               2       | later   | 90      | 0        |                 | 0
               3       | imaging | 30      | 0        |                 | 30
               3       | imaging | 90      | 1        | 40              | 40
               3       | later   | 90      | 1        | 40              | 26""",
            OUTCOMES.ddl,
        ),
    )


def test_weeks_of_the_primary_outcome_around_the_index_date(frame):
    _, days = observed(frame)
    assertDataFrameEqual(
        build_weeks(days, small_study()),
        frame(
            """unit_id | week | n_events
               1       | -1   | 2
               1       | 0    | 2
               1       | 4    | 2
               1       | 12   | 2
               2       | 1    | 1
               3       | 5    | 1""",
            OUTCOME_WEEKS.ddl,
        ),
    )


def test_no_units_no_outcomes(frame):
    follow_up, days = observed(frame)
    assert build_outcomes(follow_up.limit(0), days.limit(0), small_study()).isEmpty()
    assert build_weeks(days.limit(0), small_study()).isEmpty()
