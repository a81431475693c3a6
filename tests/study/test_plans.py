"""What must not happen at 100 million members, read from plans on the demo: no line is shuffled to find its member."""

from __future__ import annotations

import re

import pytest
from pyspark.sql import functions as F

from counterpart.application import Application
from counterpart.events import plan_events
from counterpart.stages import study as stages
from counterpart.tables import COHORT

pytestmark = [pytest.mark.spark, pytest.mark.study]


@pytest.mark.parametrize(("most", "expected"), [(10**7, "BroadcastHashJoin"), (0, "SortMergeJoin")])
def test_index_people_are_broadcast_beyond_sparks_own_limit(spark, installation, monkeypatch, most, expected):
    """Spark's limit is off, as a million people would be over it; ours alone decides."""
    monkeypatch.setattr(stages, "MOST_BROADCAST", most)
    limit = spark.conf.get("spark.sql.autoBroadcastJoinThreshold")
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    try:
        with Application(installation.site, installation.study) as application:
            context = application._context()
            units = context.store.read_result(COHORT, context.keys["cohort"]).filter(F.col("excluded_by").isNull())
            plan = plan_events(context.study, context.library, ["mri"])
            days = stages._member_days(context, units, plan, (-365, 0))
            text = days._jdf.queryExecution().executedPlan().toString()
    finally:
        spark.conf.set("spark.sql.autoBroadcastJoinThreshold", limit)
    joins = [line for line in text.splitlines() if "Join [member_key" in line]
    assert joins
    assert all(expected in line for line in joins)
    assert "CartesianProduct" not in text
    assert "BroadcastNestedLoopJoin" not in text
    assert re.search(r"PartitionFilters: \[[^\]]*service_period", text)
