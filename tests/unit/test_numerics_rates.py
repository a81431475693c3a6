"""Rates, ratios and differences against published values, statsmodels, closed forms and a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from counterpart.numerics.moments import Clusters, sum_products
from counterpart.numerics.rates import Estimate, RateContrast, Tally, contrast_rates, no_event_limit

# statsmodels iterates to its own tolerance (set to 1e-14 on the deviance); ours is closed form.
STATSMODELS = 1e-7
# Rational arithmetic, rounded once or twice.
EXACT = 1e-14
YEAR = 365.25


def contrast(treated: np.ndarray, events: np.ndarray, days: np.ndarray, clusters: Clusters, confidence: float = 0.95):
    tallies = [Tally(int(events[arm].sum()), int(days[arm].sum())) for arm in (treated, ~treated)]
    return contrast_rates(*tallies, clusters, confidence)


def vectors(treated: np.ndarray, events: np.ndarray, days: np.ndarray) -> np.ndarray:
    return np.column_stack([events * treated, days * treated, events * ~treated, days * ~treated])


def two_way(
    treated: np.ndarray, events: np.ndarray, days: np.ndarray, sets: np.ndarray, members: np.ndarray
) -> Clusters:
    v = vectors(treated, events, days)
    return Clusters(sum_products(v, members), sum_products(v, sets), sum_products(v, sets * 10**6 + members))


@pytest.fixture(scope="module")
def pairs() -> dict[str, np.ndarray]:
    """150 pairs; 40 members are treated in one and comparator in another, 30 others are treated in two."""
    random = np.random.default_rng(20210930)
    n_pairs = 150
    treated = np.repeat([True, False], n_pairs)
    members = np.arange(2 * n_pairs)
    members[n_pairs + 10 : n_pairs + 50] = members[60:100]
    members[100:130] = members[20:50]
    days = random.integers(1, 91, 2 * n_pairs)
    own = random.gamma(2, 0.5, 2 * n_pairs)[members]
    events = random.poisson(own * np.where(treated, 0.006, 0.012) * days)
    return {
        "treated": treated,
        "events": events,
        "days": days,
        "sets": np.tile(np.arange(n_pairs), 2),
        "members": members,
    }


def test_fluoroscopy_and_breast_cancer():
    """Stata's example (iri 41 15 28010 19017; data of Rothman's textbook): ratio 1.855759, difference .000675
    (.0000749, .0012751) per person-year. The published limits are Poisson's. Here each of the 47,027 person-years is a
    unit with 0 or 1 event: binomial, so the squared error is smaller by the factor 1 - rate, a thousandth at most.
    """
    clusters = Clusters(  # v is (1, 1, 0, 0) 41 times, (0, 1, 0, 0) 27,969 times, and so on
        sum_products(
            np.repeat([(1, 1, 0, 0), (0, 1, 0, 0), (0, 0, 1, 1), (0, 0, 0, 1)], [41, 27969, 15, 19002], axis=0),
            np.arange(28010 + 19017),
        )
    )
    found = contrast_rates(Tally(41, 28010), Tally(15, 19017), clusters, 0.95)
    per_unit = 1000 * YEAR  # a "day" of this example is a person-year
    assert found.ratio.value == pytest.approx(1.855759, abs=5e-7)
    assert found.ratio.standard_error == pytest.approx(math.sqrt(1 / 41 + 1 / 15), rel=1e-3)
    assert found.difference.value / per_unit == pytest.approx(0.000675, abs=5e-7)
    assert found.difference.lower / per_unit == pytest.approx(0.0000749, abs=1e-6)
    assert found.difference.upper / per_unit == pytest.approx(0.0012751, abs=1e-6)


# The identity link may leave the domain of the Poisson family; at the estimate, a positive rate, it does not.
in_domain = pytest.mark.filterwarnings("ignore:The Identity link function does not respect the domain")


@in_domain
@pytest.mark.parametrize("by", ["members", "sets"])
def test_one_way_is_the_poisson_regression_of_statsmodels(pairs, by):
    treated, events, days = pairs["treated"], pairs["events"], pairs["days"]
    clusters = Clusters(sum_products(vectors(treated, events, days), pairs[by]))
    assert_is_statsmodels(contrast(treated, events, days, clusters), pairs, pairs[by])


@in_domain
def test_two_ways_are_the_poisson_regression_of_statsmodels(pairs):
    found = contrast(pairs["treated"], pairs["events"], pairs["days"], two_way(**pairs))
    assert found.ratio.clustered_by == "set_and_member"
    assert_is_statsmodels(found, pairs, np.column_stack([pairs["sets"], pairs["members"]]))


def assert_is_statsmodels(found: RateContrast, pairs: dict[str, np.ndarray], groups: np.ndarray) -> None:
    """Where we have G/(G-1), statsmodels has G/(G-1) (n-1)/(n-k) with k = 2 parameters: that factor is taken out."""
    treated, events, days = pairs["treated"], pairs["events"], pairs["days"]
    shrink = math.sqrt((len(events) - 2) / (len(events) - 1))
    robust = {"cov_type": "cluster", "cov_kwds": {"groups": groups}, "tol": 1e-14, "maxiter": 200}
    ones = np.ones_like(days)
    log_link = sm.GLM(events, np.column_stack([ones, treated]), family=sm.families.Poisson(), offset=np.log(days))
    fit = log_link.fit(**robust)
    assert found.ratio.value == pytest.approx(math.exp(fit.params[1]), rel=STATSMODELS)
    assert found.ratio.standard_error == pytest.approx(fit.bse[1] * shrink, rel=STATSMODELS)
    assert found.comparator.standard_error == pytest.approx(fit.bse[0] * shrink, rel=STATSMODELS)

    family = sm.families.Poisson(link=sm.families.links.Identity())
    identity = sm.GLM(events, np.column_stack([days, days * treated]), family=family)
    fit = identity.fit(start_params=[events[~treated].sum() / days[~treated].sum(), 0], **robust)
    assert found.difference.value == pytest.approx(fit.params[1] * 1000 * YEAR, rel=STATSMODELS)
    assert found.difference.standard_error == pytest.approx(fit.bse[1] * shrink * 1000 * YEAR, rel=STATSMODELS)


def test_worked_example_by_hand():
    """Four units, each a cluster. Treated: 1 event in 10 days, 1 in 30; comparators: 3 in 20 days, 1 in 20.

    Influences on the log rate: (1 - 10/20)/2 = 1/4 and (1 - 30/20)/2 = -1/4; (3 - 2)/4 = 1/4 and (1 - 2)/4 = -1/4.
    Variance of the log ratio: 4/3 x 4/16 = 1/3; of one log rate: 4/3 x 2/16 = 1/6.
    """
    treated = np.array([True, True, False, False])
    events, days = np.array([1, 1, 3, 1]), np.array([10, 30, 20, 20])
    found = contrast(treated, events, days, Clusters(sum_products(vectors(treated, events, days), range(4))))
    z = 1.959963984540054
    assert found.treated.value == pytest.approx(2 / 40 * 1000 * YEAR, rel=EXACT)
    assert found.comparator.value == pytest.approx(4 / 40 * 1000 * YEAR, rel=EXACT)
    assert found.ratio == Estimate(
        0.5,
        pytest.approx(0.5 * math.exp(-z / math.sqrt(3)), rel=EXACT),
        pytest.approx(0.5 * math.exp(z / math.sqrt(3)), rel=EXACT),
        pytest.approx(1 / math.sqrt(3), rel=EXACT),
        "member",
    )
    assert found.treated.standard_error == pytest.approx(1 / math.sqrt(6), rel=EXACT)
    # Influences on the daily rates: (1/2, -1/2)/40 and (1, -1)/40; variance 4/3 x 2.5/1600 = 1/480.
    assert found.difference.standard_error == pytest.approx(1000 * YEAR / math.sqrt(480), rel=EXACT)
    assert found.difference.upper == pytest.approx(1000 * YEAR * (-0.05 + z / math.sqrt(480)), rel=EXACT)


def test_pairs_that_agree_perfectly_fall_back_to_members():
    """Both units of every pair have the same events and days: the sets show no spread, the members do."""
    treated = np.repeat([True, False], 3)
    events, days = np.tile([0, 1, 2], 2), np.tile([90, 60, 30], 2)
    clusters = two_way(treated, events, days, sets=np.tile([1, 2, 3], 2), members=np.arange(6))
    found = contrast(treated, events, days, clusters).ratio
    assert (found.value, found.clustered_by) == (1.0, "member")
    assert found.lower < 1 < found.upper


def test_a_wider_confidence_widens_and_keeps_the_estimate(pairs):
    narrow, wide = (
        contrast(pairs["treated"], pairs["events"], pairs["days"], two_way(**pairs), level) for level in (0.8, 0.99)
    )
    for name in ("treated", "comparator", "ratio", "difference"):
        inner, outer = getattr(narrow, name), getattr(wide, name)
        assert outer.lower < inner.lower < inner.value == outer.value < inner.upper < outer.upper


def test_no_events_in_an_arm():
    """The exact upper limit of 0 events is 3.688879 (Garwood 1936, at 95 %); a ratio and its interval do not exist."""
    clusters = Clusters(sum_products([(0, 365, 0, 0), (0, 0, 2, 365), (0, 0, 1, 100)], range(3)))
    found = contrast_rates(Tally(0, 365), Tally(3, 465), clusters, 0.95)
    assert found.treated == Estimate(0.0, 0.0, pytest.approx(3.688879454 / 365 * YEAR * 1000, rel=1e-9))
    assert found.ratio == Estimate()
    assert found.difference == Estimate(-found.comparator.value)
    assert contrast_rates(Tally(3, 465), Tally(0, 365), clusters, 0.95).ratio == Estimate()


def test_nobody_at_risk():
    nobody = Clusters(sum_products(np.empty((0, 4)), []))
    assert contrast_rates(Tally(0, 0), Tally(0, 0), nobody, 0.95) == RateContrast(*[Estimate()] * 4)
    one_arm = contrast_rates(Tally(2, 90), Tally(0, 0), Clusters(sum_products([(2, 90, 0, 0)], [1])), 0.95)
    assert one_arm.treated == Estimate(pytest.approx(2 / 90 * YEAR * 1000, rel=EXACT))
    assert (one_arm.comparator, one_arm.ratio, one_arm.difference) == (Estimate(),) * 3


def test_limits_of_no_events_shrink_with_time():
    assert no_event_limit(36525, 0.9) == pytest.approx(-math.log(0.05) / 100 * 1000, rel=EXACT)


def test_intervals_cover_as_often_as_they_say():
    """600 studies of 250 pairs with a shared cause per pair and per member; a third of the treated are comparators too.

    True ratio 0.4. The share of 95 % intervals that hold it has a Monte Carlo error of 0.9 points: three are allowed.
    """
    random = np.random.default_rng(40)
    n_studies, n_pairs = 600, 250
    treated = np.repeat([True, False], n_pairs)
    sets = np.tile(np.arange(n_pairs), 2)
    members = np.arange(2 * n_pairs)
    members[n_pairs : n_pairs + 80] = members[100:180]
    covered = 0
    for _ in range(n_studies):
        days = np.minimum(random.geometric(0.01, 2 * n_pairs), 90)
        shared = random.gamma(4, 0.25, n_pairs)[sets] * random.gamma(2, 0.5, 2 * n_pairs)[members]
        events = random.poisson(shared * np.where(treated, 0.4, 1.0) * 0.008 * days)
        ratio = contrast(treated, events, days, two_way(treated, events, days, sets, members)).ratio
        covered += ratio.lower <= 0.4 <= ratio.upper
    assert covered / n_studies == pytest.approx(0.95, abs=0.027)
