"""What the settings of a match rule out, told all at once; the study's section is the same model."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from counterpart.protocol import Matching, StudyMatching


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"score": None}, "score: the distance is that of the score: name its column"),
        ({"covariates": ("age",)}, "covariates: are not used by the distance score; take mahalanobis or euclidean"),
        ({"distance": "mahalanobis"}, "covariates: the distance mahalanobis needs some"),
        (
            {"distance": "euclidean", "covariates": ("age",), "pseudo_inverse": True},
            "pseudo_inverse: is for the distance mahalanobis only",
        ),
        (
            {"distance": "mahalanobis", "covariates": ("age",), "score": None},
            "caliper: is on the score: name its column, or write null for no caliper",
        ),
        (
            {"distance": "mahalanobis", "covariates": ("age",), "score": None, "caliper": None, "order": "largest"},
            "order: largest is by the score: name its column",
        ),
        ({"min_ratio": 2}, "min_ratio: 2 is above ratio 1"),
        ({"reuse": 2}, "reuse: without `replace: true` a control serves once"),
        ({"order": "data"}, "order: data is the order of the column tie_order, which is not named"),
        ({"one_role": True}, "one_role: needs the column person, which says whose unit it is"),
        ({"search": "ann"}, "search: on the score alone the exact search is the fastest; take exact or auto"),
        (
            {"exact": ("sex", "distance")},
            "exact: the pairs have a column 'distance' of their own "
            "(as set_id, treated_id, control_id, distance, score_difference); rename it",
        ),
        (
            {"exact": ("Set_ID",)},
            "exact: the pairs have a column 'Set_ID' of their own "
            "(as set_id, treated_id, control_id, distance, score_difference); rename it",
        ),
        ({"id": "ps"}, "id: the column 'ps' has two meanings (id, treated, score, tie_order)"),
    ],
)
def test_what_cannot_be_true_together(settings: dict[str, Any], complaint: str):
    with pytest.raises(ValidationError) as problem:
        Matching(**{"score": "ps"} | settings)
    assert [f"{error['loc'][0]}: {error['msg']}" for error in problem.value.errors()] == [complaint]


@pytest.mark.parametrize("reuse", [0, 10**9 + 1, 10**20])
def test_a_control_is_used_a_billion_times_at_most(reuse: int):
    """Kernels count in 64 bits; null is any number."""
    with pytest.raises(ValidationError, match="reuse"):
        Matching(score="ps", replace=True, reuse=reuse)


def test_contradictions_are_told_together():
    with pytest.raises(ValidationError) as problem:
        Matching(score="ps", min_ratio=3, reuse=2, order="data")
    assert [error["loc"] for error in problem.value.errors()] == [("min_ratio",), ("reuse",), ("order",)]


def test_a_study_brings_its_own_columns():
    section = StudyMatching()
    assert isinstance(section, Matching)
    assert (section.id, section.person, section.score, section.exact[0]) == ("unit_id", "member_key", "logit", "sex")
    with pytest.raises(ValidationError, match="this cannot be set"):
        StudyMatching(id="other")
