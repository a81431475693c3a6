"""What a match is expected to take: what is matched where the driver is, and what a plan says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from counterpart import Matching
from counterpart.matching.cost import TASK_BYTES, Search, are_few, room_at_driver, share_searched_again
from counterpart.matching.planning import Plan

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
        pytest.param(10_000, 1_850_000, 0, IN_SPACE, True, id="5 seconds"),
        pytest.param(10_000, 1_852_000, 0, IN_SPACE, False, id="more than 5 seconds"),
        # A quarter of them look again at all controls, 7e-9 s each: 3.5 and 4.4 s more than half a second.
        pytest.param(45_000, 45_000, 0, IN_SPACE, True, id="as many are wanted as are there"),
        pytest.param(50_000, 50_000, 0, IN_SPACE, False, id="as many are wanted, and more are there"),
        pytest.param(27_000, 54_000, 0, IN_SPACE.model_copy(update={"ratio": 2}), False, id="two for each"),
        pytest.param(50_000, 50_000, 0, IN_SPACE.model_copy(update={"replace": True}), True, id="nobody competes"),
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


TOLD = Plan(
    n_treated=50_000,
    n_controls=1_000_000,
    n_strata=4,
    n_cells=90,
    largest_stratum=300_000,
    n_units_moved=800_000,
    n_compared=7_000_000_000,
    most_pairs=49_000,
    cut_by=("sex",),
    n_tasks=6,
    n_cut=0,
    n_parts=0,
    task_bytes=500 * 2**20,
    allowed_bytes=2**30,
    total_bytes=900 * 2**20,
    seconds=6.04,
    longest_task=2.5,
    search=Search(None, "asked for"),
)
SAID = [
    "50,000 treated, 1,000,000 controls; 4 strata, the largest of 300,000 units in reach",
    "6 tasks, cut by sex; at most 49,000 pairs; 7,000,000,000 comparisons",
    "800,000 units and 900 MB in tasks, 500 MB in the largest; some 6.0 s of one core, 2.5 s in the longest task",
]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, ["exact search (asked for)"], id="on the score"),
        pytest.param(
            {"n_searched_again": 1_234},
            [
                "in these seconds 1,234 lists of nearest are made again, having run dry; where those who look lie "
                "together and apart from whom they look at, more run dry and it takes longer",
                "exact search (asked for)",
            ],
            id="in space",
        ),
        pytest.param(
            {"n_searched_again": 0, "search": Search(0.99, "asked for")},
            [
                "the seconds are the exact search's: how much of it the approximate one needs is seen on the way",
                "ann search (asked for)",
            ],
            id="approximately",
        ),
    ],
)
def test_a_plan_says_what_it_knows_and_what_no_plan_foresees(changes: dict[str, object], said: list[str]):
    assert str(replace(TOLD, **changes)).splitlines() == [*SAID, *said]


def test_a_plan_that_cannot_keep_to_its_bytes_says_so():
    told = str(replace(TOLD, allowed_bytes=100 * 2**20, n_cut=1, n_parts=3, is_few=True)).splitlines()
    assert told[1].startswith("6 tasks, cut by sex, 3 parts of too large ones before them; ")
    assert told[2].endswith("more than the 104,857,600 bytes allowed: the smaller arm is in every part of a stratum")
    assert told[-1] == "few enough to be matched on the driver, without tasks"


@pytest.mark.parametrize(("load", "share"), [(0.05, 0.0), (0.5, 0.004), (0.7, 0.029), (0.9, 0.133), (1.0, 0.25)])
def test_lists_run_dry_as_measured(load: float, share: float):
    """Of 3,000 controls in 8 dimensions, lists of 8: 0, 3, 56, 308 and 618 searches for 150 to 3,000 treated."""
    assert share_searched_again(load) == pytest.approx(share, abs=5e-4)
