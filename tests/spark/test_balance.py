"""Balance on the sparse table: by hand, against dense arrays, and against known figures for LaLonde's data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from counterpart.effects import summarise_balance
from counterpart.tables import COHORT, COVARIATE_DICTIONARY, COVARIATES, MATCHES

pytestmark = pytest.mark.spark

DICTIONARY = """covariate_id | name       | kind
                1            | age        | years
                2            | diabetes   | flag
                3            | cost       | cents
                4            | east       | category
                5            | never_seen | count
                6            | program    | flag"""


READ = (
    *("n_treated", "n_comparator", "n_nonzero_treated", "n_nonzero_comparator"),
    *("mean_treated", "mean_comparator", "smd", "variance_ratio"),
)


def rows_of(balance, columns=READ) -> dict[tuple[str, str], tuple]:
    """(name, phase) -> the columns."""
    return {(row["name"], row["phase"]): tuple(row[name] for name in columns) for row in balance.collect()}


@pytest.fixture
def cohort(frame):
    return frame(
        """unit_id | member_key | arm        | excluded_by
           1       | 1          | treated    |
           2       | 2          | treated    |
           3       | 3          | comparator |
           4       | 4          | comparator |
           5       | 5          | comparator |
           6       | 6          | comparator | cancer""",
        COHORT.ddl,
    )


def test_zeros_count_and_the_denominator_is_of_before(frame, cohort):
    covariates = frame(
        """unit_id | covariate_id | value
           1       | 1            | 50
           2       | 1            | 54
           3       | 1            | 50
           4       | 1            | 56
           5       | 1            | 65
           6       | 1            | 1000
           1       | 2            | 1
           3       | 2            | 1
           1       | 3            | 3000000000000
           3       | 3            | 3000000000000
           5       | 3            | 70000
           5       | 4            | 1
           1       | 6            | 1
           2       | 6            | 1""",
        COVARIATES.ddl,
    )
    matches = frame("set_id | treated_unit | comparator_unit\n 1 | 1 | 3\n 2 | 2 | 4", MATCHES.ddl)
    found = rows_of(summarise_balance(cohort, covariates, frame(DICTIONARY, COVARIATE_DICTIONARY.ddl), matches))

    assert len(found) == 2 * 6
    # Ages 50, 54 (variance 8) against 50, 56, 65 (mean 57, variance 57); after: 50, 56 (mean 53, variance 18).
    spread = ((8 + 57) / 2) ** 0.5
    assert found["age", "before"] == (2, 3, 2, 3, 52.0, 57.0, pytest.approx(-5 / spread, rel=1e-15), 8 / 57)
    assert found["age", "after"] == (2, 2, 2, 2, 52.0, 53.0, pytest.approx(-1 / spread, rel=1e-15), 8 / 18)
    # Shares 1/2 and 1/3: variances 1/4 and 2/9.
    spread = ((1 / 4 + 2 / 9) / 2) ** 0.5
    assert found["diabetes", "before"] == (2, 3, 1, 1, 0.5, 1 / 3, pytest.approx(1 / 6 / spread, rel=1e-14), None)
    assert found["diabetes", "after"] == (2, 2, 1, 1, 0.5, 0.5, 0.0, None)
    # 30 billion dollars, squared and summed, are far beyond BIGINT.
    costs = [np.array([3e12, 0]), np.array([3e12, 0, 7e4])]
    spread = (sum(cost.var(ddof=1) for cost in costs) / 2) ** 0.5
    assert found["cost", "before"][4:7] == (
        1.5e12,
        3000000070000 / 3,
        pytest.approx((1.5e12 - costs[1].mean()) / spread),
    )
    assert found["cost", "after"][6:] == (0.0, 1.0)
    # A comparator that was not matched: its category is gone after.
    assert found["east", "after"] == (2, 2, 0, 0, 0.0, 0.0, 0.0, None)
    # Nobody has a value: no difference. All treated and no comparator: a difference that no number measures.
    assert found["never_seen", "before"] == (2, 3, 0, 0, 0.0, 0.0, 0.0, None)
    assert found["program", "after"] == (2, 2, 2, 0, 1.0, 0.0, None, None)


def test_nobody(frame, cohort):
    """No rows, no treated, no pairs: every covariate has its two rows all the same."""
    dictionary = frame(DICTIONARY, COVARIATE_DICTIONARY.ddl)
    covariates = frame("unit_id | covariate_id | value\n 1 | 1 | 50\n 3 | 1 | 40", COVARIATES.ddl)
    matches = frame("set_id | treated_unit | comparator_unit\n 1 | 1 | 3", MATCHES.ddl).limit(0)

    nothing = rows_of(summarise_balance(cohort.limit(0), covariates.limit(0), dictionary, matches))
    assert set(nothing.values()) == {(0, 0, 0, 0, None, None, None, None)}
    assert len(nothing) == 2 * 6

    no_treated = rows_of(summarise_balance(cohort.where("arm = 'comparator'"), covariates, dictionary, matches))
    assert no_treated["age", "before"] == (0, 3, 0, 1, None, 40 / 3, None, None)
    assert no_treated["age", "after"] == (0, 0, 0, 0, None, None, None, None)

    no_dictionary = summarise_balance(cohort, covariates, dictionary.limit(0), matches)
    assert rows_of(no_dictionary) == {}


MEMBERS = tuple(f"{name}_{arm}" for name in ("n_members_nonzero", "most_units") for arm in ("treated", "comparator"))


def test_members_are_counted_beside_their_index_dates(spark, frame):
    """Comparators 2 and 3 have a row of dates each, treated 1 has two; one date of 2 and of 1 is in a pair."""
    dates = [(1, 1, "treated"), (2, 1, "treated"), *((unit, 2 + unit % 2, "comparator") for unit in range(3, 9))]
    cohort = spark.createDataFrame(
        [(*date, None) for date in dates], "unit_id bigint, member_key bigint, arm string, excluded_by string"
    )
    ones = [(unit, 2, 1) for unit in (1, 2, 4, 6, 8)] + [(unit, 5, 1) for unit in (3, 4, 5, 6)]
    covariates = spark.createDataFrame(ones, COVARIATES.ddl)
    matches = frame("set_id | treated_unit | comparator_unit\n 1 | 1 | 4", MATCHES.ddl)
    dictionary = frame(DICTIONARY, COVARIATE_DICTIONARY.ddl)
    found = rows_of(summarise_balance(cohort, covariates, dictionary, matches), MEMBERS)
    assert found["diabetes", "before"] == (1, 1, 2, 3)
    assert found["diabetes", "after"] == (1, 1, 1, 1)
    assert found["never_seen", "before"] == (0, 2, 2, 3)
    assert found["never_seen", "after"] == (0, 1, 1, 1)
    assert found["east", "before"] == (0, 0, 2, 3)

    many = spark.range(300).selectExpr("id AS unit_id", "id AS member_key", "'treated' AS arm", "null AS excluded_by")
    values = many.selectExpr("unit_id", "2 AS covariate_id", "1L AS value")
    counted = rows_of(summarise_balance(many, values, dictionary, matches.limit(0)), (*MEMBERS, "spread"))
    assert counted["diabetes", "before"] == (300, 0, 1, 0, None)


def dense_smd(values: pd.Series, units: pd.DataFrame, is_in_phase: pd.Series, is_flag: bool) -> float:
    """The slow and obvious way: fill in the zeros, take means and variances of arrays."""
    filled = units["unit_id"].map(values).fillna(0)
    treated = units["arm"] == "treated"
    arms = [filled[treated], filled[~treated]]
    spread = (sum(arm.var(ddof=0 if is_flag else 1) for arm in arms) / 2) ** 0.5
    means = [filled[arm & is_in_phase].mean() for arm in (treated, ~treated)]
    return (means[0] - means[1]) / spread


def test_dense_arrays_agree_and_the_spread_of_rows_does_not_matter(spark):
    random = np.random.default_rng(11)
    units = pd.DataFrame({"unit_id": random.permutation(9000)[:400], "member_key": 1, "arm": "comparator"})
    units.loc[:120, "arm"] = "treated"
    pairs = pd.DataFrame({"set_id": range(100), "treated_unit": units["unit_id"][:100].to_numpy()})
    pairs["comparator_unit"] = units["unit_id"][200:300].to_numpy()
    kinds = ["flag", "count", "cents", "years", "category"]
    values = {
        number: pd.Series(
            {
                unit: int(random.integers(1, 2 if kind in ("flag", "category") else 10**9))
                for unit in units["unit_id"].sample(150, random_state=number)
            }
        )
        for number, kind in enumerate(kinds)
    }
    sparse = [(int(unit), number, int(value)) for number, column in values.items() for unit, value in column.items()]
    dictionary = spark.createDataFrame(
        [(number, kind, kind) for number, kind in enumerate(kinds)], "covariate_id int, name string, kind string"
    )
    covariates = spark.createDataFrame(sparse, COVARIATES.ddl)
    cohort = spark.createDataFrame(units, "unit_id bigint, member_key bigint, arm string").selectExpr(
        "*", "cast(null as string) excluded_by"
    )
    matches = spark.createDataFrame(pairs, "set_id bigint, treated_unit bigint, comparator_unit bigint")

    found = rows_of(summarise_balance(cohort, covariates, dictionary, matches))
    assert (
        rows_of(summarise_balance(cohort.repartition(3), covariates.repartition(7, "value"), dictionary, matches))
        == found
    )
    is_matched = units["unit_id"].isin([*pairs["treated_unit"], *pairs["comparator_unit"]])
    for number, kind in enumerate(kinds):
        for phase, is_in_phase in (("before", is_matched | True), ("after", is_matched)):
            expected = dense_smd(values[number], units, is_in_phase, is_flag=kind in ("flag", "category"))
            # NumPy sums in doubles; ours are integers.
            assert found[kind, phase][6] == pytest.approx(expected, rel=1e-10)


@pytest.mark.realdata
def test_lalonde(spark, public_claims):
    """LaLonde's 614: the known standardised differences with the pooled SD, to the five digits they are given with.

    They pin both variances: p(1 - p) for flags (with n - 1 black would be 1.66772), n - 1 for the rest. Earnings are in
    dollars with up to seven decimals; here they are in millionths, rounded.
    """
    people = pd.read_csv(public_claims / "causal" / "lalonde.csv")
    people["black"] = (people["race"] == "black").astype(int)
    published = {
        "age": -0.24190,
        "educ": 0.04476,
        "black": 1.67083,
        "married": -0.72076,
        "nodegree": 0.23549,
        "re74": -0.59575,
        "re75": -0.28700,
    }
    flags = ("black", "married", "nodegree")
    scale = {"re74": 10**6, "re75": 10**6}
    sparse = [
        (unit, number, round(value * scale.get(name, 1)))
        for number, name in enumerate(published)
        for unit, value in enumerate(people[name])
        if value != 0
    ]
    kinds = [(number, name, "flag" if name in flags else "count") for number, name in enumerate(published)]
    arms = [(unit, unit, "treated" if treat else "comparator", None) for unit, treat in enumerate(people["treat"])]
    found = rows_of(
        summarise_balance(
            spark.createDataFrame(arms, "unit_id bigint, member_key bigint, arm string, excluded_by string"),
            spark.createDataFrame(sparse, COVARIATES.ddl),
            spark.createDataFrame(kinds, "covariate_id int, name string, kind string"),
            spark.createDataFrame([], MATCHES.ddl),
        )
    )
    assert {name: round(found[name, "before"][6], 5) for name in published} == published
    assert {found[name, "before"][:2] for name in published} == {(185, 429)}
