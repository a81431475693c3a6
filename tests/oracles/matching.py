"""What any match must keep, and the same answer by a slow and obvious way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Candidate:
    """A unit as the oracle sees it: `key` breaks ties, `person` says whose unit it is."""

    unit: int
    person: int
    stratum: object
    score: int
    key: int
    is_treated: bool


def pair_slowly(candidates: list[Candidate], caliper: int | None) -> tuple[dict[int, int], dict[int, str]]:
    """Sort all allowed pairs by (distance, treated key, comparator key) and take what is still free.

    ({treated unit: comparator unit}, {unmatched treated unit: reason}).
    """
    treated = [unit for unit in candidates if unit.is_treated]
    comparators = [unit for unit in candidates if not unit.is_treated]
    same_stratum = [
        (abs(t.score - c.score), t.key, c.key, t, c)
        for t, c in product(treated, comparators)
        if t.stratum == c.stratum and t.person != c.person
    ]
    reachable = [pair for pair in same_stratum if caliper is None or pair[0] <= caliper]
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for *_, t, c in sorted(reachable, key=lambda pair: pair[:3]):
        if t.unit not in pairs and c.person not in used:
            pairs[t.unit] = c.unit
            used.add(c.person)
    with_stratum = {t.unit for *_, t, _ in same_stratum}
    with_reach = {t.unit for *_, t, _ in reachable}
    reasons = {
        t.unit: "pool_exhausted"
        if t.unit in with_reach
        else "outside_caliper"
        if t.unit in with_stratum
        else "no_exact_stratum"
        for t in treated
        if t.unit not in pairs
    }
    return pairs, reasons


def assert_good_match(
    candidates: list[Candidate], pairs: list[tuple[int, int, int]], unmatched: dict[int, str], caliper: int | None
) -> None:
    """The invariants of a one-to-one match; `pairs` are (treated unit, comparator unit, distance)."""
    by_unit = {unit.unit: unit for unit in candidates}
    treated = {unit.unit for unit in candidates if unit.is_treated}
    assert {t for t, _, _ in pairs} | set(unmatched) == treated, "each treated unit is paired or has a reason"
    assert not {t for t, _, _ in pairs} & set(unmatched), "nobody is both paired and unmatched"
    assert len({t for t, _, _ in pairs}) == len(pairs), "a treated unit is in one pair"
    served = [by_unit[c].person for _, c, _ in pairs]
    assert len(set(served)) == len(served), "a person serves once as comparator"
    for t, c, distance in pairs:
        assert (by_unit[t].is_treated, by_unit[c].is_treated) == (True, False), "a pair has one unit of each arm"
        assert by_unit[t].person != by_unit[c].person, "nobody is paired with themselves"
        assert by_unit[t].stratum == by_unit[c].stratum, "a pair lies in one stratum"
        assert distance == abs(by_unit[t].score - by_unit[c].score), "the distance is the score difference"
        assert caliper is None or distance <= caliper, "a pair lies inside the caliper"
    _assert_nothing_left(by_unit, {t: (c, d) for t, c, d in pairs}, set(served), caliper)
    assert set(unmatched.values()) <= {"no_exact_stratum", "outside_caliper", "pool_exhausted"}


def _assert_nothing_left(
    by_unit: dict[int, Candidate], pairs: dict[int, tuple[int, int]], served: set[int], caliper: int | None
) -> None:
    """No unmatched treated unit could still have been paired with somebody unused."""
    idle = [unit for unit in by_unit.values() if not unit.is_treated and unit.person not in served]
    for unit in by_unit.values():
        if unit.is_treated and unit.unit not in pairs:
            for other in idle:
                if other.stratum == unit.stratum and other.person != unit.person:
                    in_reach = caliper is None or abs(other.score - unit.score) <= caliper
                    assert not in_reach, "a free comparator was left"


def pair_by_the_rules(
    candidates: list[Candidate],
    distance: Callable[[Candidate, Candidate], int | None],
    ratio: int = 1,
    reuse: int | None = 1,
    turn: Callable[[Candidate], int] | None = None,
) -> dict[int, list[int]]:
    """Controls of each treated unit in the order they were won; `distance` is None for who may not pair.

    All the first control, then all the next. Closest pair first, or (`turn`) one treated unit after the other.
    """
    treated = [unit for unit in candidates if unit.is_treated]
    controls = [unit for unit in candidates if not unit.is_treated]
    possible = [
        (d, t.key, c.key, t, c)
        for t, c in product(treated, controls)
        if t.person != c.person and t.stratum == c.stratum and (d := distance(t, c)) is not None
    ]
    possible.sort(key=lambda pair: (turn(pair[3]) if turn else 0, *pair[:3]))
    won: dict[int, list[int]] = {}
    persons: dict[int, set[int]] = {unit.unit: set() for unit in treated}
    served: Counter[int] = Counter()
    for round_number in range(ratio):
        for *_, t, c in possible:
            is_waiting = len(won.get(t.unit, [])) == round_number
            if is_waiting and c.person not in persons[t.unit] and (reuse is None or served[c.person] < reuse):
                won.setdefault(t.unit, []).append(c.unit)
                persons[t.unit].add(c.person)
                served[c.person] += 1
    return won
