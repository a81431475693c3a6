"""What must not happen at 100 million members, read from plans on the demo: rows moved that need not be."""

from __future__ import annotations

import re

import pytest
from pyspark.sql import functions as F

from counterpart.application import Application
from counterpart.cohort import clinical_events, label_candidates
from counterpart.events import plan_events
from counterpart.stages import study as stages
from counterpart.tables import COHORT, ENROLLMENT, MEMBERS

pytestmark = [pytest.mark.spark, pytest.mark.study]


@pytest.fixture
def without_broadcast(spark):
    """Spark's own limit is off, as rows of a million people would be over it."""
    limit = spark.conf.get("spark.sql.autoBroadcastJoinThreshold")
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    yield
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", limit)


def plan_of(frame):
    return frame._jdf.queryExecution().executedPlan().toString()


@pytest.mark.parametrize(("most", "expected"), [(10**7, "BroadcastHashJoin"), (0, "SortMergeJoin")])
def test_index_people_are_broadcast_beyond_sparks_own_limit(
    without_broadcast, installation, monkeypatch, most, expected
):
    """Ours alone decides."""
    monkeypatch.setattr(stages, "MOST_BROADCAST", most)
    with Application(installation.site, installation.study) as application:
        context = application._context()
        units = context.store.read_result(COHORT, context.keys["cohort"]).filter(F.col("excluded_by").isNull())
        plan = plan_events(context.study, context.library, ["mri"])
        text = plan_of(stages._member_days(context, units, units.count(), plan, (-365, 0)))
    joins = [line for line in text.splitlines() if "Join [member_key" in line]
    assert joins
    assert all(expected in line for line in joins)
    assert "CartesianProduct" not in text
    assert "BroadcastNestedLoopJoin" not in text
    assert re.search(r"PartitionFilters: \[[^\]]*service_period", text)


def test_candidates_are_moved_by_member_and_by_nothing_else(without_broadcast, installation):
    """Then their demographics, cover and clinical rules meet where they lie."""
    with Application(installation.site, installation.study) as application:
        context = application._context()
        cohort = context.store.read_result(COHORT, context.keys["cohort"])
        candidates = cohort.select("unit_id", "member_key", "arm", "index_date", F.lit(None).alias("first_treated_on"))
        clinical = plan_events(context.study, context.library, clinical_events(context.study))
        members, enrollment = (stages._claims(context, table) for table in (MEMBERS, ENROLLMENT))
        days = stages._member_days(context, candidates, cohort.count(), clinical, (-365, 0)).localCheckpoint()
        labelled = label_candidates(candidates, members, enrollment, days, clinical, context.study)
        moved = re.findall(r"Exchange hashpartitioning\((.*?), \d+\)", plan_of(labelled))
    assert moved
    assert {re.sub(r"#\d+L?", "", by) for by in moved} == {"member_key"}
