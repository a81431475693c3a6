"""Counts in messages."""

from __future__ import annotations

import pytest

from counterpart.small_counts import in_words, part_in_words


@pytest.mark.parametrize(("count", "told"), [(0, "0"), (1, "1 to 10"), (10, "1 to 10"), (11, "11"), (4321, "4,321")])
def test_few_are_told_as_such(count, told):
    assert in_words(count) == told


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (240, 1000, "240 of 1,000"),
        (1000, 1000, "1,000 of 1,000"),
        (3, 1000, "1 to 10 of 1,000"),
        (3, 12, "1 to 10 of 12"),
        (3, 7, "1 to 10 of 1 to 10"),
        (997, 1000, "all but 1 to 10 of 1,000"),
    ],
)
def test_neither_a_part_nor_the_rest_is_small(part, whole, told):
    assert part_in_words(part, whole) == told
