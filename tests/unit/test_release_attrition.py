"""The flow of members that leaves the site: it reconciles, and no step or difference of steps is small."""

from __future__ import annotations

from typing import Any

import pytest
from tests.results import STUDY, chain, release, results, table

from counterpart.errors import DataError
from counterpart.tables import ATTRITION


def shown_rows(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["criteria"], row["n_excluded"], row["n_remaining"]) for row in rows]


def test_attrition_reconciles_from_the_raw_count_to_the_pairs():
    released = release(results(), STUDY)["attrition"]
    assert shown_rows(released["treated"]) == [
        (["candidates"], 0, 300),
        (["age"], 40, 260),
        (["cover"], 60, 200),
        (["no_exact_stratum"], 20, 180),
        (["outside_caliper"], 30, 150),
        (["pool_exhausted"], 0, 150),
    ]
    assert shown_rows(released["comparator"])[-1] == (["eligible_not_chosen"], 250, 150)


def test_a_criterion_that_removes_few_is_merged_with_its_neighbour():
    steps = [
        *chain("treated", ("candidates", 300, 300), ("age", 297, 297), ("cover", 200, 200)),
        *chain("comparator", ("candidates", 900, 500), ("cover", 400, 300)),
    ]
    released = release(results(attrition=table(ATTRITION, *steps)), STUDY)["attrition"]
    assert shown_rows(released["treated"])[:2] == [(["candidates"], 0, 300), (["age", "cover"], 100, 200)]


def test_members_in_pairs_are_not_told_where_treated_members_have_several_dates():
    """300 dates of 100 members, 250 pairs: how many members these are of, nobody has counted."""
    steps = [
        *chain("treated", ("candidates", 600, 200), ("cover", 300, 100)),
        *chain("comparator", ("candidates", 900, 500), ("cover", 400, 300)),
    ]
    matching = {"n_pairs": 250, "n_no_exact_stratum": 20, "n_outside_caliper": 30, "n_pool_exhausted": 0}
    released = release(results(attrition=table(ATTRITION, *steps), matching=matching), STUDY)["attrition"]
    told = [(row["n_remaining"], row["n_members_remaining"]) for row in released["treated"]]
    assert told == [(600, 200), (300, 100), (280, None), (250, None), (250, None)]
    assert released["comparator"][-1]["n_members_remaining"] == 250  # a comparator serves once


def test_attrition_that_does_not_reconcile_is_refused():
    matching = {"n_pairs": 150, "n_no_exact_stratum": 20, "n_outside_caliper": 29, "n_pool_exhausted": 0}
    with pytest.raises(DataError, match="does not reconcile"):
        release(results(matching=matching), STUDY)
