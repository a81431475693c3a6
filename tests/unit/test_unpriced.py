"""Amounts that nothing is told of are not claims that nobody has."""

from __future__ import annotations

import pytest
from tests.studies import small_study

from counterpart.covariates import describe_covariates, find_unpriced

FLAG, CENTS = {"event": "imaging"}, {"event": "imaging", "kind": "cents"}


@pytest.mark.parametrize(
    ("asked", "found", "unpriced"),
    [
        ([CENTS], [], {"imaging"}),
        ([CENTS], ["imaging_cents_365"], set()),
        ([FLAG, CENTS], ["imaging_flag_365"], {"imaging"}),
        # No flag either: nothing shows it, which is told as such.
        ([FLAG, CENTS], [], set()),
        ([FLAG], [], set()),
        ([{"event": "medical_claim", "kind": "cents"}], [], {"medical_claim"}),
    ],
)
def test_cents_without_an_amount(asked: list[dict[str, str]], found: list[str], unpriced: set[str]) -> None:
    study = small_study(covariates={"events": asked, "charlson": False})
    covariates = describe_covariates(study, {"region": ()})
    ids = {covariate.covariate_id for covariate in covariates if covariate.name in found}
    assert find_unpriced(covariates, ids) == unpriced
