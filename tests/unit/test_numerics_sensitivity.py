"""E-values against published ones (VanderWeele & Ding 2017; the R package EValue)."""

from __future__ import annotations

import pytest

from counterpart.numerics.sensitivity import EValue, e_value

# Half a unit in the last digit that was printed.
FIVE_DIGITS, TWO_DIGITS = 5e-6, 5e-3


@pytest.mark.parametrize(
    ("ratio", "published", "tolerance"),
    [
        (10.73, 20.94777, FIVE_DIGITS),
        (3.9, 7.26303, FIVE_DIGITS),
        (1.8, 3.0, FIVE_DIGITS),
        (0.80, 1.80902, FIVE_DIGITS),
        (0.40, 4.44, TWO_DIGITS),
        (0.69, 2.26, TWO_DIGITS),
        (1.0, 1.0, 0),
    ],
)
def test_published_e_values(ratio, published, tolerance):
    assert e_value(ratio).estimate == pytest.approx(published, abs=tolerance)


def test_the_limit_nearest_to_one_counts():
    assert e_value(10.73, 8.02, 14.36).limit == pytest.approx(15.52336, abs=FIVE_DIGITS)
    assert e_value(1 / 10.73, 1 / 14.36, 1 / 8.02).limit == pytest.approx(15.52336, abs=FIVE_DIGITS)


@pytest.mark.parametrize(("ratio", "lower", "upper"), [(1.2, 0.9, 1.6), (0.8, 0.5, 1.0)])
def test_an_interval_that_holds_one_needs_no_confounder(ratio, lower, upper):
    assert e_value(ratio, lower, upper).limit == 1.0


def test_no_estimate_no_e_value():
    assert e_value(None) == EValue(None, None)
    assert e_value(2.0, None, None).limit is None
