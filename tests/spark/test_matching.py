"""The study's match: the pairs of the slow way, the reasons of who stays alone, and not a bit of chance."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from tests.oracles.matching import Candidate, assert_good_match, pair_slowly

from counterpart.errors import ContractError, DataError
from counterpart.matching.study import StudyMatches, match_cohort
from counterpart.matching.units import hash_ids
from counterpart.ordering import stable_order
from counterpart.protocol import StudyMatching as Matching

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("in_tasks")]

SEED = 5
ONE = 2**31
# Ours, which the slow way confirms in the same test: MatchIt publishes no "closest" match of these data.
CLOSEST_FIRST_LALONDE = {"pairs": 111, "pool_exhausted": 73, "outside_caliper": 1}
UNITS = "unit_id bigint, member_key bigint, arm string, sex string, age_band string, state string, logit_fixed bigint"


def outcome_of(result: StudyMatches) -> tuple[list[tuple[int, int, int]], dict[int, str]]:
    """Pairs (treated unit, comparator unit, distance), sorted, and the reason of each unmatched unit."""
    pairs = sorted(tuple(row) for row in result.pairs.drop("set_id").collect())
    unmatched = {row.unit_id: row.reason for row in result.unmatched.collect()}
    result.release()
    return pairs, unmatched


def width_of(result: StudyMatches) -> int | None:
    """The caliper in fixed point."""
    width = result.summary["caliper_width"]
    return None if width is None else round(float(width) * ONE)


def candidates_of(units: DataFrame, exact: tuple[str, ...]) -> list[Candidate]:
    keyed = units.withColumn("key", stable_order(SEED, "unit_id")).collect()
    return [
        Candidate(
            row.unit_id,
            row.member_key,
            tuple(row[name] for name in exact),
            row.logit_fixed,
            row.key,
            row.arm == "treated",
        )
        for row in keyed
    ]


def many_cases(n_cases: int) -> pd.DataFrame:
    """Small problems side by side; `state` tells them apart, persons of a case are of its own.

    Persons have one sex but several dates in several age bands; some have dates in both arms; sex and band may be null.
    """
    generator = np.random.default_rng(99)
    frames = []
    for case in range(n_cases):
        n_units, n_levels = generator.integers(1, 22), generator.choice([1, 4, 40])
        member = case * 100 + generator.integers(generator.choice([4, 30]), size=n_units)
        frames.append(
            pd.DataFrame(
                {
                    "member_key": member,
                    "arm": np.where(generator.random(n_units) < 0.4, "treated", "comparator"),
                    "sex": np.array(["F", "M", None])[member % 7 % 3],
                    "age_band": np.array(["18-34", "35-44", None])[generator.integers(0, 3, n_units)],
                    "state": f"case {case}",
                    "logit_fixed": generator.integers(-n_levels, n_levels + 1, n_units) * (ONE // 10),
                }
            )
        )
    units = pd.concat(frames, ignore_index=True)
    return units.assign(unit_id=generator.permutation(len(units)) * 104_729 - 10**7)


@pytest.fixture(scope="module")
def cases(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(many_cases(150)[[column.split()[0] for column in UNITS.split(", ")]], UNITS)


@pytest.mark.parametrize(
    "matching",
    [
        pytest.param(Matching(exact=("sex", "age_band", "state"), caliper=0.2), id="strata, caliper"),
        pytest.param(Matching(exact=("age_band", "state"), caliper=None), id="no caliper, all persons in one task"),
        pytest.param(Matching(exact=(), caliper=0.01, caliper_scale="overall"), id="no strata, tiny caliper"),
    ],
)
def test_many_cases_equal_the_slow_way(cases: DataFrame, matching: Matching):
    result = match_cohort(cases, matching, SEED)
    summary = result.summary
    pairs, unmatched = outcome_of(result)
    width = width_of(result)
    candidates = candidates_of(cases, matching.exact)
    expected, reasons = pair_slowly(candidates, width)
    assert {t: c for t, c, _ in pairs} == expected
    assert unmatched == reasons
    assert_good_match(candidates, pairs, unmatched, width)
    told = Counter(unmatched.values())
    assert summary["n_pairs"] == len(pairs) > 100
    assert {reason: summary[f"n_{reason}"] for reason in told} == told
    assert summary["n_treated"] == len(pairs) + len(unmatched)
    assert summary["largest_distance"] == max(distance for *_, distance in pairs) / ONE


def test_partitions_rows_and_labels_do_not_matter(cases: DataFrame):
    matching = Matching(exact=("sex", "age_band", "state"))
    expected = outcome_of(match_cohort(cases, matching, SEED))
    for arranged in (cases.coalesce(1).orderBy("logit_fixed"), cases.repartition(16, "member_key", "arm")):
        assert outcome_of(match_cohort(arranged, matching, SEED)) == expected
    relabelled = cases.withColumns(
        {"member_key": F.xxhash64("member_key"), "sex": F.concat("sex", F.lit("*")), "state": F.reverse("state")}
    )
    assert outcome_of(match_cohort(relabelled, matching, SEED)) == expected
    assert outcome_of(match_cohort(cases, matching, SEED + 1)) != expected, "ties are broken by the seed"


def test_ties_fall_alike_without_spark(spark: SparkSession):
    """The stable hash of ids, whole numbers and texts of 0 to 70 bytes, is the same bits with and without Spark."""
    texts = ["ü" * n + "x" * (n % 3) for n in range(34)]
    ids = pd.DataFrame({"number": np.arange(34) * 2**57 - 2**60, "text": texts})
    hashed = spark.createDataFrame(ids, "number bigint, text string").select(
        stable_order(SEED, "number").alias("number"), stable_order(SEED, "text").alias("text")
    )
    assert hashed.toPandas().to_dict("list") == {name: list(hash_ids(ids[name], SEED)) for name in ids}


def test_a_worked_example(frame: Callable[[str, str], DataFrame]):
    units = frame(
        """unit_id | member_key | arm        | sex | age_band | logit_fixed
           1       | 10         | treated    | F   | 35-44    | 1000
           2       | 20         | treated    | F   | 45-54    | 2000
           3       | 30         | treated    | F   | 35-44    | 9000
           4       | 40         | treated    | M   | 35-44    | 1000
           5       | 50         | treated    | F   | 35-44    | 1010
           6       | 60         | treated    | M   | 65+      | 0
           11      | 77         | comparator | F   | 35-44    | 1001
           12      | 77         | comparator | F   | 45-54    | 2000
           13      | 88         | comparator | F   | 35-44    | 1030
           14      | 60         | comparator | M   | 65+      | 0
           15      | 99         | comparator | M   | 35-44    | 3000
        """,
        UNITS,
    )
    matching = Matching(exact=("sex", "age_band"), caliper=0.05)
    # Person 77 is at distance 0 in the other stratum, so 1 is left with 88, whom 5 has closer.
    pairs = [(2, 12, 0), (5, 13, 20)]
    reasons = {1: "pool_exhausted", 3: "outside_caliper", 4: "outside_caliper", 6: "no_exact_stratum"}
    result = match_cohort(units, matching, SEED)
    assert 20 <= (width_of(result) or 0) < 1000
    assert [row.set_id for row in result.pairs.orderBy("set_id").collect()] == [2, 5]
    assert outcome_of(result) == (pairs, reasons)


@pytest.mark.parametrize(
    ("keep", "n_treated", "reasons"),
    [
        pytest.param("false", 0, set(), id="no rows"),
        pytest.param("arm = 'comparator'", 0, set(), id="no treated"),
        pytest.param("arm = 'treated' and state < 'case 2'", None, {"no_exact_stratum"}, id="no comparators"),
    ],
)
def test_an_arm_without_units(cases: DataFrame, keep: str, n_treated: int | None, reasons: set[str]):
    units = cases.filter(keep)
    result = match_cohort(units, Matching(exact=("sex", "state")), SEED)
    assert result.summary["n_pairs"] == 0
    assert result.summary["largest_distance"] is None
    assert result.summary["n_treated"] == (units.count() if n_treated is None else n_treated)
    pairs, unmatched = outcome_of(result)
    assert pairs == []
    assert set(unmatched.values()) == reasons


def test_everybody_outside_the_caliper(cases: DataFrame):
    further = F.when(F.col("arm") == "treated", 100 * ONE).otherwise(0)
    far = cases.withColumn("logit_fixed", F.col("logit_fixed") + further)
    matching = Matching(exact=("state",), caliper=0.01, caliper_scale="overall")
    pairs, unmatched = outcome_of(match_cohort(far, matching, SEED))
    assert pairs == []
    assert set(unmatched.values()) == {"outside_caliper", "no_exact_stratum"}


def test_one_stratum_of_30_percent_and_twins(spark: SparkSession):
    """20,000 units, 30 % of them in one stratum, few distinct scores: all have a twin and all are matched."""
    n_pairs = 10_000
    number = np.arange(n_pairs)
    state = np.where(number % 10 < 3, "CA", np.char.add("S", (number % 45).astype(str)))
    one_arm = {"sex": "F", "age_band": "35-44", "state": state, "logit_fixed": (number % 3) * ONE}
    arms = [
        pd.DataFrame({"unit_id": number + first, "member_key": number + first, "arm": arm} | one_arm)
        for arm, first in (("treated", 0), ("comparator", 10**6))
    ]
    units = spark.createDataFrame(pd.concat(arms), UNITS)
    result = match_cohort(units, Matching(exact=("sex", "state")), SEED)
    assert (result.summary["n_pairs"], result.summary["largest_distance"]) == (n_pairs, 0.0)
    result.release()


def test_the_caliper_is_measured_exactly(spark: SparkSession):
    generator = np.random.default_rng(8)
    logit = np.r_[generator.normal(-1, 2, 300), generator.normal(1, 1, 200)]
    units = pd.DataFrame(
        {"arm": ["comparator"] * 300 + ["treated"] * 200, "logit_fixed": np.rint(logit * ONE).astype(np.int64)}
    )
    units["unit_id"] = units["member_key"] = range(len(units))
    frame = spark.createDataFrame(units)
    results = [match_cohort(frame, Matching(caliper_scale=scale, exact=()), SEED) for scale in ("pooled", "overall")]
    pooled, overall = (result.summary for result in results)
    for result in results:
        result.release()
    rounded = units.logit_fixed / ONE
    expected = math.sqrt((rounded[:300].var() + rounded[300:].var()) / 2)
    assert pooled["logit_sd"] == pytest.approx(expected, rel=1e-12)
    assert overall["logit_sd"] == pytest.approx(rounded.std(), rel=1e-12)
    assert pooled["caliper_width"] == pytest.approx(0.2 * expected, abs=1 / ONE)
    assert (pooled["n_treated"], pooled["n_comparators"]) == (200, 300)


def test_units_without_a_score_are_refused(cases: DataFrame):
    unscored = cases.withColumn("logit_fixed", F.when(F.col("logit_fixed") != 0, F.col("logit_fixed")))
    with pytest.raises(DataError, match="without a finite score"):
        match_cohort(unscored, Matching(exact=("sex",)), SEED)


def test_missing_columns_are_told_at_once(cases: DataFrame):
    with pytest.raises(ContractError, match="no column index_month; needed are unit_id"):
        match_cohort(cases, Matching(exact=("sex", "index_month")), SEED)


def test_the_plan_has_no_cross_join(cases: DataFrame):
    result = match_cohort(cases, Matching(exact=("sex", "state")), SEED)
    plan = result.pairs._jdf.queryExecution().toString()
    result.release()
    assert "MapInArrow" in plan
    assert "CartesianProduct" not in plan
    assert "BroadcastNestedLoopJoin" not in plan


@pytest.mark.realdata
def test_lalonde_within_the_logit_caliper(spark: SparkSession, public_claims: Path):
    """What can be compared with MatchIt 4.7.2, and what cannot.

    The caliper can: 0.2 standard deviations of the logit over all units are 0.36090, and taking treated from the
    largest score down inside that caliper gives MatchIt's 117 pairs. We take the closest pair first, which is another
    match; ours is checked against the slow way.
    """
    folder = public_claims / "causal" / "matchit_4_7_2"
    scores = pd.read_csv(folder / "nn_logit_1to1_caliper02sd_weights.csv")
    peer = pd.read_csv(folder / "nn_logit_1to1_caliper02sd_pairs.csv").dropna()
    is_treated = scores.id.str.startswith("NSW")
    units = pd.DataFrame(
        {
            "unit_id": scores.index,
            "member_key": scores.index,
            "arm": np.where(is_treated, "treated", "comparator"),
            "logit_fixed": np.rint(scores.ps * ONE).astype(np.int64),
        }
    )
    frame = spark.createDataFrame(units, "unit_id bigint, member_key bigint, arm string, logit_fixed bigint")
    matching = Matching(exact=(), caliper=0.2, caliper_scale="overall")
    result = match_cohort(frame, matching, SEED)
    width = width_of(result)
    assert width is not None
    assert width / ONE == pytest.approx(0.36090, abs=5e-6)
    pooled = match_cohort(frame, Matching(exact=()), SEED)
    assert pooled.summary["caliper_width"] == pytest.approx(0.26929, rel=2e-5)
    pooled.release()

    # Which of several comparators with one score is taken, MatchIt leaves to its sorting: the scores say it all.
    from_the_top = largest_first(units.to_dict("records"), width)
    score = dict(zip(scores.id, scores.ps, strict=True))
    expected_scores = {row.treated: score[row.mm] for row in peer.itertuples()}
    assert {scores.id[t]: scores.ps[c] for t, c in from_the_top.items()} == pytest.approx(expected_scores, abs=1e-9)
    assert len(peer) == 117

    pairs, unmatched = outcome_of(result)
    expected, reasons = pair_slowly(candidates_of(frame, ()), width)
    assert ({t: c for t, c, _ in pairs}, unmatched) == (expected, reasons)
    assert Counter(unmatched.values()) | {"pairs": len(pairs)} == CLOSEST_FIRST_LALONDE


def largest_first(units: list[dict[str, Any]], width: int) -> dict[int, int]:
    """MatchIt's default order: treated by falling score, each its nearest free comparator, ties to the first row."""
    free = [unit for unit in units if unit["arm"] == "comparator"]
    pairs = {}
    for unit in sorted((u for u in units if u["arm"] == "treated"), key=lambda u: -u["logit_fixed"]):
        nearest = min(free, key=lambda other: abs(other["logit_fixed"] - unit["logit_fixed"]), default=None)
        if nearest and abs(nearest["logit_fixed"] - unit["logit_fixed"]) <= width:
            pairs[unit["unit_id"]] = nearest["unit_id"]
            free.remove(nearest)
    return pairs
