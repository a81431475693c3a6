"""A number by month: where its level changes for good, and which months are unlike those around them. Plain lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

Differs = Callable[[float, float], bool]
"""Is the second level so far from the first that it is worth a word?"""

NEIGHBOURS = 7
"""Months before and months after that a month is compared with: a gap of a quarter is less than half of them."""

FEWEST = 4
"""A new level is one of at least so many months: a quarter may be a gap, and the last one is not complete."""


def find_steps(values: Sequence[float], differs: Differs) -> list[int]:
    """Positions from which on the level is another one; ascending. Medians before against after."""
    return sorted(_steps(values, differs, 0))


def _steps(values: Sequence[float], differs: Differs, start: int) -> list[int]:
    places = [place for place in range(FEWEST, len(values) - FEWEST + 1) if differs(*levels_at(values, place))]
    if not places:
        return []
    # Medians change their mind some months early or late; the change itself is the largest step of one month.
    place = max(places, key=lambda here: (abs(values[here] - values[here - 1]), -here))
    return [
        *_steps(values[:place], differs, start),
        start + place,
        *_steps(values[place:], differs, start + place),
    ]


def levels_at(values: Sequence[float], place: int) -> tuple[float, float]:
    """The level before a place and from it on."""
    return median(values[max(0, place - NEIGHBOURS) : place]), median(values[place : place + NEIGHBOURS])


def find_odd(values: Sequence[float], steps: Sequence[int], differs: Differs) -> dict[int, float]:
    """Position -> level around it, of the months that are unlike their neighbours on the same side of all steps."""
    odd = {}
    edges = [0, *steps, len(values)]
    for start, end in pairwise(edges):
        for place in range(start, end):
            around = [
                *values[max(start, place - NEIGHBOURS) : place],
                *values[place + 1 : min(end, place + 1 + NEIGHBOURS)],
            ]
            if len(around) >= FEWEST - 1 and differs(level := median(around), values[place]):
                odd[place] = level
    return odd


def runs_of(places: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending positions -> first and last of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs
