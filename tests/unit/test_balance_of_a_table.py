"""Balance of a table that was matched: MatchIt's numbers, small tables, no dependence on the order of rows."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from counterpart import Matched, Matching, balance, match
from counterpart.errors import ContractError, DataError
from counterpart.numerics.weighted import largest_gap, mean_of, sample_of, variance_of

LALONDE = {"age": "age", "educ": "educ", "married": "married", "nodegree": "nodegree", "re74": "re74", "re75": "re75"}
LALONDE |= {f"race={level}": f"race{level}" for level in ("black", "hispan", "white")}
NHEFS = {name: name for name in ("sex", "race", "age", "smokeintensity", "smokeyrs", "wt71")}
NHEFS |= {f"education={level}": f"`factor(education)`{level}" for level in range(1, 6)}
NHEFS |= {f"{name}={level}": f"`factor({name})`{level}" for name in ("exercise", "active") for level in range(3)}


def weighted_as(weights: pd.DataFrame) -> Matched:
    """A match that left these weights (id, weight)."""
    nothing = pd.DataFrame()
    return Matched(nothing, nothing, weights.assign(set_id=0), {}, Matching(treated="treat", score="ps"))


def table(units: pd.DataFrame, result: Matched, covariates: list[str], **options: Any) -> dict[tuple[str, str], Any]:
    found = balance(units, result, covariates, **options)
    return {(row.covariate, row.phase): row for row in found.itertuples()}


@pytest.mark.realdata
@pytest.mark.parametrize(
    "run",
    [
        "nn_logit_1to1_caliper02sd",
        "nn_mahalanobis_1to1",
        "nn_ps_1to1_exact_race",
        "nn_ps_1to1_replace",
        "nn_ps_1to3_caliper02sd",
        "exact_race_married_nodegree",
    ],
)
def test_the_numbers_are_those_of_matchit(public_claims: Path, run: str) -> None:
    """MatchIt 4.7.2 on LaLonde's data, from its own weights: means, differences, variance ratios, distances.

    It divides by the treated's standard deviation. The files have 15 digits; sums in another order may move the last.
    """
    causal = public_claims / "causal"
    units = pd.read_csv(causal / "lalonde.csv").rename(columns={"rownames": "id"})
    weights = pd.read_csv(causal / f"matchit_4_7_2/{run}_weights.csv").rename(columns={"w": "weight"})
    result = weighted_as(weights.loc[weights.weight > 0, ["id", "weight"]])
    found = table(units, result, ["age", "educ", "race", "married", "nodegree", "re74", "re75"], denominator="treated")
    for phase, suffix in (("before", "_unmatched"), ("after", "")):
        peer = pd.read_csv(causal / f"matchit_4_7_2/{run}_balance{suffix}.csv", index_col=0)
        assert_same(found, phase, peer, LALONDE)


@pytest.mark.realdata
@pytest.mark.parametrize("run", ["NHEFS_nn", "NHEFS_logit_cal", "NHEFS_1_2"])
def test_the_numbers_of_nhefs_are_those_of_matchit(public_claims: Path, run: str) -> None:
    """As of LaLonde's data, after matching; levels of education, exercise and activity are flags."""
    causal = public_claims / "causal"
    levels = dict.fromkeys(("education", "exercise", "active"), str)
    units = pd.read_csv(causal / "nhefs_complete.csv", dtype=levels)
    weights = pd.read_csv(causal / f"matchit_4_7_2/{run}_weights.csv")
    # The same rows, under the names that they had among those that are not complete.
    units = units.assign(treat=units.qsmk, id=weights.id)
    assert (weights.treat == units.treat).all()
    result = weighted_as(weights.loc[weights.w > 0, ["id", "w"]].rename(columns={"w": "weight"}))
    found = table(units, result, list(dict.fromkeys(name.split("=")[0] for name in NHEFS)), denominator="treated")
    assert_same(found, "after", pd.read_csv(causal / f"matchit_4_7_2/{run}_balance.csv", index_col=0), NHEFS)


def assert_same(found: dict[tuple[str, str], Any], phase: str, peer: pd.DataFrame, names: dict[str, str]) -> None:
    for ours, theirs in names.items():
        row = found[ours, phase]
        told = [row.mean_treated, row.mean_control, row.smd, row.variance_ratio, row.ks]
        columns = ["Means Treated", "Means Control", "Std. Mean Diff.", "Var. Ratio", "eCDF Max"]
        assert told == pytest.approx(list(peer.loc[theirs, columns]), rel=1e-9, abs=1e-9, nan_ok=True), (ours, phase)


@pytest.fixture(scope="module")
def matched() -> tuple[pd.DataFrame, Matched]:
    """t1 gets c1 and c2, t2 c3 and c2: c2 weighs a half twice. t3 has nobody."""
    units = pd.DataFrame(
        {
            "id": ["t1", "t2", "t3", "c1", "c2", "c3", "c4"],
            "treated": [True, True, True, False, False, False, False],
            "logit": [0.0, 1.0, 9.0, 0.1, 0.5, 1.1, -5.0],
            "age": [40.0, 50.0, 90.0, 30.0, 60.0, 50.0, 20.0],
            "sex": ["F", "M", "F", "F", "F", "M", "M"],
            "smokes": [1, 0, 1, 1, 1, 0, 0],
            "constant": [7.1] * 7,
        }
    )
    settings = Matching(
        id="id", score="logit", score_scale="logit", caliper=0.6, caliper_scale="raw", ratio=2, replace=True
    )
    return units, match(units, settings)


def test_a_worked_example(matched: tuple[pd.DataFrame, Matched]) -> None:
    units, result = matched
    found = table(units, result, ["age", "sex", "smokes", "constant"])
    before, after = found["age", "before"], found["age", "after"]
    assert (before.mean_treated, before.mean_control) == (60.0, 40.0)
    # Variances of 40, 50, 90 and of 30, 60, 50, 20.
    spread = math.sqrt((700 + 1000 / 3) / 2)
    assert before.smd == pytest.approx(20 / spread, rel=1e-15)
    assert before.variance_ratio == pytest.approx(2.1, rel=1e-15)
    # c1 and c3 weigh a half each, c2 one: (15 + 60 + 25) / 2.
    assert (after.mean_treated, after.mean_control) == (45.0, 50.0)
    assert after.smd == pytest.approx(-5 / spread, rel=1e-15), "divided by the spread of before"
    # Treated 40 and 50: 50. Controls: 2 / (4 - 1.5) * (0.5 * 400 + 100 + 0).
    assert after.variance_ratio == pytest.approx(50 / 240, rel=1e-15)
    # At 40: half of the treated, a quarter of the controls; at 50: all, a half.
    assert after.ks == 0.5
    women = found["sex=F", "before"]
    assert (women.mean_treated, women.mean_control) == pytest.approx((2 / 3, 1 / 2))
    assert women.smd == pytest.approx((1 / 6) / math.sqrt((2 / 9 + 1 / 4) / 2))
    assert math.isnan(women.variance_ratio)
    assert found["smokes", "after"].ks == pytest.approx(abs(0.5 - 0.75))
    for phase in ("before", "after"):
        assert (found["constant", phase].smd, found["constant", phase].ks) == (0.0, 0.0)
    assert {row.smd_denominator for row in found.values()} == {
        "pooled standard deviation of the two arms before matching"
    }


def test_the_order_of_rows_is_of_no_consequence(matched: tuple[pd.DataFrame, Matched]) -> None:
    random = np.random.default_rng(5)
    units = pd.DataFrame({"id": np.arange(400), "treated": np.arange(400) % 4 == 0})
    units["logit"], units["x"] = random.normal(size=400), np.round(random.normal(size=400), 1) / 3
    settings = Matching(score="logit", score_scale="logit", ratio=3)
    expected = balance(units, match(units, settings), ["x"])
    shuffled = units.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(balance(shuffled, match(shuffled, settings), ["x"]), expected, check_exact=True)


def test_the_type_of_ids_is_of_no_consequence(matched: tuple[pd.DataFrame, Matched]) -> None:
    """Categories that nobody has, Arrow's dictionaries, and a table of other types than the matched one."""
    units, result = matched
    expected = balance(units, result, ["age"])
    kinds = [
        units.id.astype("category").cat.add_categories(["nobody"]),
        pd.Series(pd.arrays.ArrowExtensionArray(pa.array(units.id).dictionary_encode())),
        units.id.astype("string[pyarrow]"),
    ]
    for ids in kinds:
        typed = units.assign(id=ids)
        again = match(typed, result.matching)
        for table, found in ((typed, again), (units, again), (typed, result)):
            pd.testing.assert_frame_equal(balance(table, found, ["age"]), expected, check_exact=True)


def test_the_gap_between_distributions_is_that_of_scipy() -> None:
    random = np.random.default_rng(6)
    for n_one, n_other, digits in ((1, 1, 1), (7, 30, 0), (200, 90, 1), (300, 300, 6)):
        one, other = (np.round(random.normal(size=n), digits) for n in (n_one, n_other))
        found = largest_gap(sample_of(one, np.ones(n_one)), sample_of(other, np.full(n_other, 0.2)))
        assert found == pytest.approx(stats.ks_2samp(one, other).statistic, abs=1e-12)


def test_the_gap_between_weighted_distributions_is_the_largest_at_any_value() -> None:
    """By fractions, at every value that anybody has: units that weigh nothing, ties, arms of one value among them."""
    random = np.random.default_rng(8)
    for _ in range(300):
        arms = [(random.integers(0, 6, n), random.integers(0, 4, n)) for n in random.integers(1, 12, 2)]
        if not all(eighths.any() for _, eighths in arms):
            continue

        def share(arm: tuple[np.ndarray, np.ndarray], at: int) -> Fraction:
            values, eighths = arm
            return Fraction(int(eighths[values <= at].sum()), int(eighths.sum()))

        one, other = (sample_of(values.astype(float), eighths / 8) for values, eighths in arms)
        expected = max(abs(share(arms[0], at) - share(arms[1], at)) for at in range(6))
        assert largest_gap(one, other) == pytest.approx(float(expected), abs=1e-12)


def test_what_is_counted_together_gives_the_same_bits() -> None:
    """Units of one value and weight as one element with their number, or as an element each."""
    random = np.random.default_rng(12)
    counts = random.integers(1, 3_000, 40)
    for scale in (1e-9, 1.0, 1e200):
        values, weights = random.normal(size=40) * scale, 1 / random.integers(1, 8, 40)
        each = sample_of(np.repeat(values, counts), np.repeat(weights, counts))
        together = sample_of(values[::-1], weights[::-1], counts[::-1])
        assert all(map(np.array_equal, each, together))
        one_by_one = math.fsum(np.repeat(weights * values, counts)) / math.fsum(np.repeat(weights, counts))
        assert mean_of(together) == one_by_one
    millions = sample_of(np.array([0.1, 0.7]), np.array([1.0, 1 / 3]), np.array([10**8 + 1, 3 * 10**8 - 7]))
    exact = [Fraction(weight) * int(n) for weight, n in zip(millions.weights, millions.counts, strict=True)]
    terms = zip((millions.weights * millions.values).tolist(), millions.counts.tolist(), strict=True)
    weighed = sum(Fraction(term) * n for term, n in terms)
    assert mean_of(millions) == float(weighed) / float(sum(exact))


def test_a_variance_needs_two_units_that_weigh() -> None:
    assert variance_of(sample_of(np.array([1.0, 2.0, 4.0]), np.ones(3)), False) == pytest.approx(7 / 3)
    assert math.isnan(variance_of(sample_of(np.array([1.0]), np.ones(1)), False))
    assert math.isnan(variance_of(sample_of(np.array([1.0, 2.0]), np.array([1.0, 0.0])), False))


def test_what_cannot_be_told_is_not_told(matched: tuple[pd.DataFrame, Matched]) -> None:
    units, result = matched
    nobody = Matched(result.pairs, result.unmatched, result.weights.iloc[:0], {}, result.matching)
    row = table(units, nobody, ["age"])["age", "after"]
    assert all(math.isnan(value) for value in (row.mean_treated, row.mean_control, row.smd, row.variance_ratio, row.ks))
    apart = units.assign(constant=units.treated.astype(int) * 2.5)
    assert math.isnan(table(apart, result, ["constant"])["constant", "before"].smd)
    huge = table(units.assign(age=units.age * 1e200), result, ["age"])["age", "before"]
    assert huge.mean_treated != huge.mean_control
    assert math.isnan(huge.smd)
    assert math.isnan(huge.variance_ratio)


def test_tables_that_do_not_fit_are_refused(matched: tuple[pd.DataFrame, Matched]) -> None:
    units, result = matched
    with pytest.raises(ContractError, match="no column height"):
        balance(units, result, ["height"])
    with pytest.raises(ContractError, match="known are pooled, treated, controls"):
        balance(units, result, ["age"], denominator="overall")
    with pytest.raises(ContractError, match="5 matched ids are not in this table"):
        balance(units.assign(id=[f"other {n}" for n in range(7)]), result, ["age"])
    with pytest.raises(DataError, match="sex is missing in 1 to 10 of 1 to 10 units"):
        balance(units.assign(sex=[None, *units.sex[1:]]), result, ["sex"])
    with pytest.raises(DataError, match="age is not finite in 1 to 10 of 1 to 10"):
        balance(units.assign(age=[math.inf, *units.age[1:]]), result, ["age"])
