"""Covariates on tables small enough to count by hand, and the Charlson index against its array form."""

from __future__ import annotations

import numpy as np
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.studies import small_study

from counterpart.covariates import build_covariates, covariate_events, covariate_reach, describe_covariates
from counterpart.covariates.build import weigh_conditions
from counterpart.events import EventPlan
from counterpart.numerics.comorbidity import CONDITIONS, charlson
from counterpart.tables import COHORT

DAYS = "member_key bigint, event_date date, event_id int, allowed_cents bigint"
LEVELS = {"region": ("south", "unknown")}


def plan_of(covariates):
    names = tuple(dict.fromkeys(covariate_events(covariates)))
    return EventPlan(names, tuple(() for _ in names), (), {})


def named(values, covariates):
    names = F.create_map(*[part for c in covariates for part in (F.lit(c.covariate_id), F.lit(c.name))])
    return values.select("unit_id", names[F.col("covariate_id")].alias("name"), "value")


UNITS = """
unit_id | member_key | arm        | index_date | index_month | age | sex | region
1       | 1          | treated    | 2020-03-31 | 202003      | 44  | F   | south
2       | 1          | comparator | 2020-04-30 | 202004      | 44  | F   | south
3       | 2          | comparator | 2020-03-31 | 202003      | 0   | U   | unknown
"""


def test_windows_end_the_day_before_and_zeros_have_no_row(frame):
    covariates = describe_covariates(small_study(), LEVELS)
    plan = plan_of(covariates)
    # Unit 1 looks at 2019-04-01 to 2020-03-30, and 2020-01-01 to 2020-03-30 for the count.
    days = frame(
        """member_key | event_date | event_id | allowed_cents
           1          | 2019-03-31 | 0        | 1
           1          | 2019-04-01 | 0        | 10
           1          | 2019-12-31 | 0        | 100
           1          | 2020-01-01 | 0        | 1000
           1          | 2020-03-30 | 0        | -5000
           1          | 2020-03-31 | 0        | 100000""",
        DAYS,
    )
    found = named(build_covariates(frame(UNITS, COHORT.ddl), days, plan, covariates), covariates)
    assertDataFrameEqual(
        found.filter("name LIKE 'imaging%'"),
        frame(
            """unit_id | name              | value
               1       | imaging_flag_365  | 1
               1       | imaging_count_90  | 2
               2       | imaging_flag_365  | 1
               2       | imaging_count_90  | 2
               2       | imaging_cents_365 | 96100""",
            "unit_id bigint, name string, value bigint",
        ),
    )
    assertDataFrameEqual(
        found.filter("name NOT LIKE 'imaging%'"),
        frame(
            """unit_id | name               | value
               1       | age                | 44
               1       | sex=F              | 1
               1       | region=south       | 1
               1       | index_month=202003 | 1
               2       | age                | 44
               2       | sex=F              | 1
               2       | region=south       | 1
               2       | index_month=202004 | 1
               3       | sex=U              | 1
               3       | region=unknown     | 1
               3       | index_month=202003 | 1""",
            "unit_id bigint, name string, value bigint",
        ),
    )
    assert covariate_reach(covariates) == (-365, -1)


def test_charlson_flags_and_index(frame):
    covariates = describe_covariates(
        small_study(covariates={"calendar": "decade", "charlson": True, "events": []}), LEVELS
    )
    plan = plan_of(covariates)
    canc, metacanc, diab = (plan.event_id(f"charlson_{name}") for name in ("canc", "metacanc", "diab"))
    days = frame(
        "member_key | event_date | event_id\n"
        + "\n".join(f"1 | 2020-03-0{n} | {event}" for n, event in enumerate((canc, metacanc, diab, diab), start=1)),
        DAYS,
    )
    found = named(build_covariates(frame(UNITS, COHORT.ddl), days, plan, covariates), covariates)
    decades = found.filter("name LIKE 'index%'").groupBy("name", "value").count()
    assert [tuple(row) for row in decades.collect()] == [("index_decade=2020", 1, 3)]
    assertDataFrameEqual(
        found.filter("name LIKE 'charlson%' AND unit_id = 1"),
        frame(
            """unit_id | name              | value
               1       | charlson_canc     | 1
               1       | charlson_metacanc | 1
               1       | charlson_diab     | 1
               1       | charlson_index    | 6""",
            "unit_id bigint, name string, value bigint",
        ),
    )


def test_the_index_in_spark_is_the_index_on_arrays(spark):
    """All combinations of the first and last conditions, which hold the three pairs of the hierarchy."""
    combinations = np.unique(np.random.default_rng(3).integers(0, 2 ** len(CONDITIONS), 2_000))
    flags = (combinations[:, None] >> np.arange(len(CONDITIONS)) & 1).astype(bool)
    expected = charlson(flags, "quan2011")
    frame = spark.createDataFrame(
        [(int(c), int(e)) for c, e in zip(combinations, expected, strict=True)], "bits int, points bigint"
    )
    wrong = frame.filter(weigh_conditions(F.col("bits")) != F.col("points"))
    assert wrong.isEmpty()
