"""What is matched where the driver is, and what in tasks."""

from __future__ import annotations

import pytest

from counterpart import Matching
from counterpart.matching.cost import TASK_BYTES, are_few, room_at_driver

ON_SCORE = Matching(score="ps")
IN_SPACE = Matching(score="ps", distance="mahalanobis", covariates=tuple("abcde"))


@pytest.mark.parametrize(
    ("n_treated", "n_controls", "n_texts", "matching", "is_few"),
    [
        pytest.param(0, 0, 0, ON_SCORE, True, id="nobody"),
        # 2^30 / 110 bytes a unit.
        pytest.param(1, 9_761_288, 0, ON_SCORE, True, id="just fits"),
        pytest.param(1, 9_761_289, 0, ON_SCORE, False, id="one too many"),
        pytest.param(1, 9_761_288, 1, ON_SCORE, False, id="ids of text"),
        pytest.param(1, 2_933_719, 1, ON_SCORE, True, id="fewer ids of text"),
        pytest.param(1, 9_761_288, 0, ON_SCORE.model_copy(update={"exact": ("sex",)}), False, id="an exact column"),
        # 9 x 3e-11 s a distance: 5 s are 18.5 thousand million of them.
        pytest.param(100_000, 185_000, 0, IN_SPACE, True, id="5 seconds"),
        pytest.param(100_000, 186_000, 0, IN_SPACE, False, id="more than 5 seconds"),
    ],
)
def test_what_is_few(n_treated: int, n_controls: int, n_texts: int, matching: Matching, is_few: bool):
    assert are_few(n_treated, n_controls, n_texts, matching, TASK_BYTES) is is_few


def test_a_site_with_smaller_tasks_has_a_smaller_driver():
    assert are_few(10, 80, 0, ON_SCORE, 10_000)
    assert not are_few(10, 81, 0, ON_SCORE, 10_000)


@pytest.mark.parametrize(
    ("allowed", "room"),
    [("0", 5_000), ("1g", 5_000), ("4k", 4_096), ("4KB", 4_096), ("4999", 4_999), ("4096b", 4_096), ("1m", 5_000)],
)
def test_spark_is_not_asked_for_more_than_it_lets_the_driver_have(allowed: str, room: int):
    assert room_at_driver(5_000, allowed) == room
