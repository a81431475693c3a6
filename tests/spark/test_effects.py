"""Effects on tables small enough to count by hand, and against the same statistics on arrays."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from counterpart.disclosure.profiles import count_members
from counterpart.effects import estimate_effects, summarise_event_time, summarise_scores
from counterpart.numerics.moments import Clusters, sum_products
from counterpart.numerics.rates import Tally, contrast_rates
from counterpart.protocol import Outcome, Outcomes
from counterpart.tables import COHORT, EFFECTS, FOLLOW_UP, MATCHES, OUTCOME_WEEKS, OUTCOMES, SCORES

pytestmark = pytest.mark.spark

YEAR = 365.25
Z = 1.959963984540054
COUNTS = [name for name, kind in EFFECTS.columns.items() if kind == "bigint"]
STATISTICS = [name for name, kind in EFFECTS.columns.items() if kind == "double"]


def asked(*names: str, horizons: tuple[int, ...] = (90,)) -> Outcomes:
    """Outcomes counted from day 1, but `late` from day 15; the first is the primary one."""
    return Outcomes(
        outcomes=tuple(
            Outcome(
                name=name,
                label=name,
                events=("imaging",),
                horizons=horizons,
                start_day=15 if name == "late" else 1,
                role="secondary" if position else "primary",
            )
            for position, name in enumerate(names)
        )
    )


def rows_of(effects) -> dict[tuple[str, int, str], dict]:
    return {(row.outcome, row.horizon, row.phase): row.asDict() for row in effects.collect()}


@pytest.fixture
def cohort(frame):
    """Member 10 is treated as unit 1 and a comparator, earlier, as unit 4. Unit 7 is not eligible."""
    return frame(
        """unit_id | member_key | arm        | excluded_by
           1       | 10         | treated    |
           2       | 20         | comparator |
           3       | 30         | treated    |
           4       | 10         | comparator |
           5       | 50         | treated    |
           6       | 60         | comparator |
           7       | 70         | comparator | age""",
        COHORT.ddl,
    )


@pytest.fixture
def matches(frame):
    return frame("set_id | treated_unit | comparator_unit\n 1 | 1 | 2 \n 3 | 3 | 4", MATCHES.ddl)


OUTCOMES_BY_HAND = """
unit_id | outcome | horizon | n_events | days_at_risk
1       | imaging | 90      | 1        | 90
2       | imaging | 90      | 2        | 90
3       | imaging | 90      | 1        | 30
4       | imaging | 90      | 2        | 30
5       | imaging | 90      | 0        | 80
6       | imaging | 90      | 0        | 80
1       | rare    | 90      | 0        | 90
2       | rare    | 90      | 1        | 90
1       | late    | 90      | 0        | 76
2       | late    | 90      | 0        | 75
1       | other   | 90      | 9        | 90
"""
MATCHED_BY_HAND = {
    "role": "primary",
    "n_treated": 2,
    "n_comparator": 2,
    "n_complete_treated": 1,
    "n_complete_comparator": 1,
    "n_with_event_treated": 2,
    "n_with_event_comparator": 2,
    "n_members_with_event_treated": 2,
    "n_members_with_event_comparator": 2,
    "events_treated": 2,
    "events_comparator": 4,
    "days_treated": 120,
    "days_comparator": 120,
}


def test_a_member_in_two_roles_by_hand(frame, cohort, matches):
    outcomes = frame(OUTCOMES_BY_HAND, OUTCOMES.ddl)
    found = rows_of(estimate_effects(cohort, matches, outcomes, asked("imaging", "rare", "late", "unseen")))
    assert sorted(found) == [
        (name, 90, phase) for name in ("imaging", "late", "rare", "unseen") for phase in ("crude", "matched")
    ]

    matched = found["imaging", 90, "matched"]
    assert {name: matched[name] for name in ("role", *COUNTS)} == MATCHED_BY_HAND
    # Influences on the log rates: units 1, 3: (1 - 90/60)/2 = -1/4, (1 - 30/60)/2 = 1/4; units 2, 4: (2 - 3)/4 = -1/4,
    # (2 - 1)/4 = 1/4. On the log ratio the comparators' change sign: units 1, 2, 3, 4: -1/4, 1/4, 1/4, -1/4.
    # By set: 0, 0. By member 10 (units 1, 4), 20, 30: -1/2, 1/4, 1/4, so 3/2 x 3/8 = 9/16. By unit: 4/3 x 1/4 = 1/3.
    # Two ways: 0 + 9/16 - 1/3 = 11/48.
    error = math.sqrt(11 / 48)
    assert matched["clustered_by"] == "set_and_member"
    assert matched["se_log_rate_ratio"] == pytest.approx(error, rel=1e-14)
    assert matched["rate_ratio"] == 0.5
    assert matched["rate_ratio_lower"] == pytest.approx(0.5 * math.exp(-Z * error), rel=1e-14)
    assert matched["rate_ratio_upper"] == pytest.approx(0.5 * math.exp(Z * error), rel=1e-14)
    assert matched["rate_treated"] == pytest.approx(2 / 120 * YEAR * 1000, rel=1e-14)
    assert matched["rate_difference"] == pytest.approx(-2 / 120 * YEAR * 1000, rel=1e-14)

    crude = found["imaging", 90, "crude"]
    assert [crude[name] for name in COUNTS] == [3, 3, 1, 1, 2, 2, 2, 2, 2, 4, 200, 200]
    assert (crude["rate_ratio"], crude["clustered_by"]) == (0.5, "member")

    rare = found["rare", 90, "matched"]
    assert rare["rate_treated_upper"] == pytest.approx(3.688879454 / 90 * YEAR * 1000, rel=1e-9)  # Garwood, 0 events
    assert [rare[name] for name in ("rate_treated", "rate_treated_lower", "rate_ratio", "clustered_by")] == [
        0,
        0,
        None,
        None,
    ]

    late = found["late", 90, "matched"]  # from day 15 to day 90 are 76 days
    assert (late["n_complete_treated"], late["n_complete_comparator"]) == (1, 0)

    for phase in ("crude", "matched"):
        unseen = found["unseen", 90, phase]
        assert {unseen[name] for name in COUNTS} == {0}
        assert {unseen[name] for name in STATISTICS} == {None}


def test_nobody(frame, cohort, matches):
    """No rows at all; no pairs; one arm only: the contrasts are there, the counts are zero, the rates are null."""
    outcomes = frame("unit_id | outcome | horizon | n_events | days_at_risk\n 1 | imaging | 90 | 1 | 90", OUTCOMES.ddl)
    study = asked("imaging")

    nothing = rows_of(estimate_effects(cohort.limit(0), matches.limit(0), outcomes.limit(0), study))
    assert sorted(nothing) == [("imaging", 90, "crude"), ("imaging", 90, "matched")]
    assert {row[name] for row in nothing.values() for name in COUNTS} == {0}
    assert {row[name] for row in nothing.values() for name in STATISTICS} == {None}

    treated_only = rows_of(estimate_effects(cohort.where("arm = 'treated'"), matches.limit(0), outcomes, study))
    crude, matched = (treated_only["imaging", 90, phase] for phase in ("crude", "matched"))
    assert [crude[name] for name in COUNTS] == [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 90, 0]
    assert crude["rate_treated"] == pytest.approx(1 / 90 * YEAR * 1000, rel=1e-14)
    assert {crude[name] for name in STATISTICS if name != "rate_treated"} == {None}
    assert {matched[name] for name in COUNTS} == {0}

    comparators_only = rows_of(estimate_effects(cohort.where("arm = 'comparator'"), matches.limit(0), outcomes, study))
    assert {row[name] for row in comparators_only.values() for name in COUNTS} == {0}


def seeded_study() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """500 units of 300 members, 120 pairs, two outcomes at two horizons; some units have no day at risk."""
    random = np.random.default_rng(7)
    treated = np.arange(500) < 150
    units = pd.DataFrame(
        {
            "unit_id": random.permutation(10**6)[:500] - 500_000,
            "member_key": random.integers(-150, 150, 500),
            "arm": np.where(treated, "treated", "comparator"),
            "excluded_by": np.where(random.random(500) < 0.1, "age", None),
        }
    )
    eligible = units[units["excluded_by"].isna()]
    of_treated = eligible.loc[eligible["arm"] == "treated", "unit_id"].to_numpy()[:120]
    of_comparators = eligible.loc[eligible["arm"] == "comparator", "unit_id"].to_numpy()[:120]
    pairs = pd.DataFrame(
        {"set_id": of_treated, "treated_unit": of_treated, "comparator_unit": of_comparators, "distance_fixed": 0}
    )
    counted = [
        (unit, outcome, horizon, int(random.poisson(0.4)), int(random.integers(0, horizon + 1)))
        for unit in eligible["unit_id"]
        for outcome in ("imaging", "control")
        for horizon in (30, 90)
    ]
    outcomes = pd.DataFrame(counted, columns=["unit_id", "outcome", "horizon", "n_events", "days_at_risk"])
    return units, pairs, outcomes


def on_arrays(units: pd.DataFrame, pairs: pd.DataFrame, outcomes: pd.DataFrame, phase: str) -> dict[str, object]:
    """The slow and obvious way to one contrast: a dense frame of its units, clusters by hand."""
    in_pairs = pairs.melt("set_id", ["treated_unit", "comparator_unit"], value_name="unit_id")[["set_id", "unit_id"]]
    rows = outcomes.merge(units[units["excluded_by"].isna()], on="unit_id").merge(in_pairs, on="unit_id", how="left")
    if phase == "matched":
        rows = rows[rows["set_id"].notna()]
    is_treated = (rows["arm"] == "treated").to_numpy()
    events, days = rows["n_events"].to_numpy(), rows["days_at_risk"].to_numpy()
    v = np.column_stack([events * is_treated, days * is_treated, events * ~is_treated, days * ~is_treated])
    by_set = by_both = None
    if phase == "matched":
        by_set = sum_products(v, rows["set_id"])
        by_both = sum_products(v, rows["set_id"].astype(int).astype(str) + "/" + rows["member_key"].astype(str))
    tallies = [Tally(int(events[arm].sum()), int(days[arm].sum())) for arm in (is_treated, ~is_treated)]
    found = contrast_rates(*tallies, Clusters(sum_products(v, rows["member_key"]), by_set, by_both), 0.95)
    return {
        "n_treated": int(is_treated.sum()),
        "n_with_event_comparator": int((events[~is_treated] > 0).sum()),
        "n_members_with_event_treated": rows.loc[is_treated & (events > 0), "member_key"].nunique(),
        "n_members_with_event_comparator": rows.loc[~is_treated & (events > 0), "member_key"].nunique(),
        "days_treated": tallies[0].days,
        "rate_treated_lower": found.treated.lower,
        "rate_comparator_upper": found.comparator.upper,
        "rate_ratio": found.ratio.value,
        "rate_ratio_upper": found.ratio.upper,
        "se_log_rate_ratio": found.ratio.standard_error,
        "clustered_by": found.ratio.clustered_by,
        "rate_difference_lower": found.difference.lower,
    }


def test_spark_is_arrays_bit_for_bit_however_rows_are_spread(spark):
    units, pairs, outcomes = seeded_study()
    as_pairs = spark.createDataFrame(pairs, MATCHES.ddl)
    as_units = spark.createDataFrame(units, "unit_id bigint, member_key bigint, arm string, excluded_by string")
    as_outcomes = spark.createDataFrame(
        outcomes, "unit_id bigint, outcome string, horizon int, n_events int, days_at_risk int"
    )
    study = asked("imaging", "control", horizons=(30, 90))

    found = rows_of(estimate_effects(as_units, as_pairs, as_outcomes, study))
    spread = estimate_effects(
        as_units.orderBy("member_key"), as_pairs.repartition(3), as_outcomes.repartition(7, "n_events"), study
    )
    assert rows_of(spread) == found
    for (outcome, horizon, phase), row in found.items():
        observed = outcomes[(outcomes["outcome"] == outcome) & (outcomes["horizon"] == horizon)]
        expected = on_arrays(units, pairs, observed, phase)
        assert {name: row[name] for name in expected} == expected


def test_millions_of_units_are_joined_by_key(frame, cohort, matches):
    outcomes, follow_up, weeks, scores = (
        frame("unit_id\n 1", table.ddl) for table in (OUTCOMES, FOLLOW_UP, OUTCOME_WEEKS, SCORES)
    )
    summaries = (
        estimate_effects(cohort, matches, outcomes, asked("imaging")),
        summarise_event_time(cohort, matches, follow_up, weeks),
        summarise_scores(cohort, matches, scores),
    )
    for summary in summaries:
        plan = summary._jdf.queryExecution().executedPlan().toString()
        assert "CartesianProduct" not in plan
        assert "BroadcastNestedLoopJoin" not in plan


def test_event_time_by_hand(frame, cohort, matches):
    follow_up = frame("unit_id | days\n 1 | 0\n 2 | 10\n 3 | 1000\n 4 | 182\n 5 | 90\n 6 | 90", FOLLOW_UP.ddl)
    weeks = frame(
        "unit_id | week | n_events\n 1 | -1 | 2\n 3 | -1 | 1\n 2 | 1 | 1\n 3 | 25 | 4\n 5 | 3 | 9\n 6 | 3 | 9",
        OUTCOME_WEEKS.ddl,
    )
    series = summarise_event_time(cohort, matches, follow_up, weeks).collect()
    found = {(row.arm, row.week): row[2:4] for row in series}
    assert sorted(found) == [(arm, week) for arm in ("comparator", "treated") for week in range(-26, 26)]
    assert {key: counts for key, counts in found.items() if counts[0]} == {
        ("treated", -1): (3, 14),
        ("treated", 25): (4, 7),
        ("comparator", 1): (1, 3 + 7),
    }
    assert found["treated", 0] == (0, 7)  # unit 1 is followed for no day after its index date
    assert found["comparator", 2] == (0, 7)
    assert found["comparator", 25] == (0, 7)
    assert found["comparator", -26] == (0, 14)
    assert {(row.arm, row.week): [tuple(one) for one in row.members] for row in series if row.members} == {
        ("treated", -1): [(-27, 2)],
        ("treated", 25): [(-1, 1)],
        ("comparator", 1): [(-27, 1)],
    }


def test_members_of_every_run_of_weeks_are_in_the_event_time(spark):
    """30 members with up to three treated index dates each, in pairs: against a count run by run."""
    random = np.random.default_rng(3)
    units = pd.DataFrame({"unit_id": range(120), "member_key": [*random.integers(0, 30, 60), *range(100, 160)]})
    units["arm"] = np.where(units["unit_id"] < 60, "treated", "comparator")
    events = [
        (unit, int(week), 1) for unit in range(60) for week in random.choice(52, random.integers(0, 4), False) - 26
    ]
    cohort = spark.createDataFrame(units).selectExpr("*", "cast(null as string) excluded_by")
    matches = spark.createDataFrame([(unit, unit, unit + 60, 0) for unit in range(60)], MATCHES.ddl)
    follow_up = spark.createDataFrame([(unit, None, None, 200) for unit in range(120)], FOLLOW_UP.ddl)
    weeks = spark.createDataFrame(events, OUTCOME_WEEKS.ddl)
    series = summarise_event_time(cohort, matches, follow_up, weeks).where("arm = 'treated'").orderBy("week").collect()
    told = [row.members for row in series]
    member_of = dict(zip(units["unit_id"], units["member_key"], strict=True))
    for first, last in combinations(range(-26, 26), 2):
        members = {member_of[unit] for unit, week, _ in events if first <= week <= last}
        assert count_members(told[first + 26 : last + 27], first) == len(members)


def test_score_histogram_by_hand(frame, cohort, matches):
    scores = frame(
        """unit_id | preference
           1       | 0.0
           2       | 0.049999
           3       | 0.05
           4       | 1.0
           5       | 0.999
           6       | 0.5
           7       | 0.5""",
        SCORES.ddl,
    )
    found = {(row.phase, row.arm, row.bin): row.n_units for row in summarise_scores(cohort, matches, scores).collect()}
    assert len(found) == 2 * 2 * 20
    assert {key for key, n_units in found.items() if n_units} == {
        *[(phase, "treated", position) for phase in ("before", "after") for position in (0, 1)],
        ("before", "treated", 19),
        *[(phase, "comparator", position) for phase in ("before", "after") for position in (0, 19)],
        ("before", "comparator", 10),
    }
    assert sum(found.values()) == 6 + 4
    of_one = cohort.withColumn("member_key", F.lit(10).cast("bigint"))
    in_one_bin = summarise_scores(of_one, matches, scores.withColumn("preference", F.lit(0.5))).where("n_units > 0")
    assert {(row.phase, row.arm): tuple(row)[2:] for row in in_one_bin.collect()} == {
        ("before", "treated"): (10, 3, 1),
        ("before", "comparator"): (10, 3, 1),
        ("after", "treated"): (10, 2, 1),
        ("after", "comparator"): (10, 2, 1),
    }


def test_profiles_of_nobody(frame, cohort, matches):
    follow_up, weeks, scores = (frame("unit_id\n 1", table.ddl) for table in (FOLLOW_UP, OUTCOME_WEEKS, SCORES))
    nobody = cohort.limit(0)
    series = summarise_event_time(nobody, matches.limit(0), follow_up, weeks).collect()
    bins = summarise_scores(nobody, matches.limit(0), scores).collect()
    assert (len(series), {row[2:4] for row in series}) == (104, {(0, 0)})
    assert not any(row.members for row in series)
    assert (len(bins), {row.n_units for row in bins}) == (80, {0})
