"""The ways to show counts without showing a small one: leave states out of a chain, round, pool, or hide a sum."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise, product
from typing import TypeVar

from counterpart.tables import SMALLEST_SHOWN

# Sums of more than this many shown counts are not searched for small differences: an exact decomposition of an outcome
# (all imaging = X-ray + CT + MRI + other) has five.
_MAX_TERMS = 5

Name = TypeVar("Name")


def may_show(count: int) -> bool:
    """Zero, or more than ten."""
    return count == 0 or count >= SMALLEST_SHOWN


def shown(count: int) -> int | None:
    """The count if it may leave, else None: for a single number that nothing else is a part of."""
    return count if may_show(count) else None


def rounded(count: int) -> int:
    """The nearest multiple of 11.

    Eleven neighbouring counts have the same multiple, so whatever exact count is subtracted from it, the difference
    can be 0 or above 10: no difference from a rounded count is known to be one from 1 to 10.
    """
    return SMALLEST_SHOWN * ((count + SMALLEST_SHOWN // 2) // SMALLEST_SHOWN)


def behind_rounded(told: int) -> tuple[int, int]:
    """The fewest and the most events that are shown as this multiple of 11; none are none."""
    half = SMALLEST_SHOWN // 2
    return (max(SMALLEST_SHOWN, told - half), told + half) if told else (0, 0)


def shown_rounded(count: int) -> int | None:
    """The count rounded if it may leave, else None."""
    return rounded(count) if may_show(count) else None


def share(part: int, whole: int) -> float | None:
    """The part in whole percents, of counts rounded to multiples of 11; None where it or the rest is small."""
    if not whole or None in (shown(part), shown(whole - part)):
        return None
    if part in (0, whole):
        return part / whole
    # Neither none nor all, whatever the rounding says.
    return min(max(round(rounded(part) / rounded(whole), 2), 0.01), 0.99)


def shown_complete(n: int, n_complete: int) -> int | None:
    """Of n units whose number is shown, those followed to the end: the others are rounded to multiples of 11.

    From none to five others are told as none, so nobody knows that there is one. None where the whole multiple does not
    leave 11 units.
    """
    others = rounded(n - n_complete)
    if n_complete and n - others - SMALLEST_SHOWN // 2 < SMALLEST_SHOWN:
        return None
    return n - others if n_complete else 0


def shown_days(n: int, window: int, days: int) -> int | None:
    """Days at risk of n units in a window of so many days: what they lost is rounded to multiples of 11 windows.

    As many units may have lost that, or others less; exact days would tell that one to ten left, and of a short window
    how many. None where fewer than 11 units' time would be left.
    """
    step = SMALLEST_SHOWN * window
    told = n * window - step * ((2 * (n * window - days) + step) // (2 * step))
    if days and told < step:
        return None
    return told if days else 0


def behind_days(n: int, window: int, told: int) -> tuple[float, float]:
    """The fewest and the most days that `shown_days` shows as so many."""
    half = SMALLEST_SHOWN * window / 2
    return (told - half, min(told + half, n * window)) if told else (0, 0)


def choose_states(states: Sequence[tuple[int | None, ...]], weights: Sequence[int]) -> list[int]:
    """Of a chain of states (each at most, or each at least, the one before), the positions that may be shown.

    Each shown state, and each step from one shown state to the next, has only numbers that may be shown; so has every
    difference of two shown states, being a sum of such steps. Of all such choices the one with the largest sum of
    weights is taken; a state of weight 0 or less is never shown. A number that is None is not shown, and is in no step;
    after it, none of its place may be shown again. Time: states squared.
    """
    best: list[tuple[int, list[int]]] = []
    for here, state in enumerate(states):
        if weights[here] <= 0 or not all(number is None or may_show(number) for number in state):
            best.append((0, []))
            continue
        before = [best[i] for i in range(here) if best[i][1] and _may_step(states[i], state)]
        weight, path = max(before, key=lambda found: found[0], default=(0, []))
        best.append((weight + weights[here], [*path, here]))
    return max(best, key=lambda found: found[0], default=(0, []))[1]


def _may_step(earlier: tuple[int | None, ...], later: tuple[int | None, ...]) -> bool:
    return all(a is None or b is None or may_show(abs(a - b)) for a, b in zip(earlier, later, strict=True))


def merge_neighbours(counts: Sequence[int], may_cut: Sequence[bool] | None = None) -> list[tuple[int, int, int | None]]:
    """Counts in a row of bins -> (first bin, last bin, their count): as many runs as can be shown.

    A run that cannot be shown whatever it is merged with has None. `may_cut[i]` allows a run to end before bin i (0 is
    the start, `len(counts)` the end).
    """
    if not counts:
        return []
    edges = [(sum(counts[:edge]),) for edge in range(len(counts) + 1)]
    ends = {0, len(counts)}
    weights = [len(counts) + 1 if edge in ends else 1 for edge in range(len(edges))]
    if may_cut is not None:
        weights = [weight if allowed else 0 for weight, allowed in zip(weights, may_cut, strict=True)]
    cuts = choose_states(edges, weights)
    runs: list[tuple[int, int, int | None]] = [
        (start, end - 1, edges[end][0] - edges[start][0]) for start, end in pairwise(cuts)
    ]
    first, last = (cuts[0], cuts[-1]) if cuts else (0, 0)
    head: list[tuple[int, int, int | None]] = [(0, first - 1, None)] if first else []
    tail: list[tuple[int, int, int | None]] = [(last, len(counts) - 1, None)] if last < len(counts) else []
    return head + runs + tail


def pool_small(counts: Mapping[str, int]) -> list[tuple[tuple[str, ...], int | None]]:
    """Disjoint parts of a shown total -> groups with their counts; small parts are pooled until they may be shown.

    A pool of one is joined by the next smallest part, so that the total less the others does not give it away; so is
    a pool whose sum tells every part, being made of ones only, or of tens.
    """
    ascending = sorted((count, name) for name, count in counts.items() if count)
    pool = [(count, name) for count, name in ascending if not may_show(count)]
    rest = ascending[len(pool) :]
    while pool and rest and (len(pool) == 1 or _tells_a_part([count for count, _ in pool])):
        pool.append(rest.pop(0))
    groups: list[tuple[tuple[str, ...], int | None]] = [((name,), count) for count, name in reversed(rest)]
    if pool:
        counts_of_pool = [count for count, _ in pool]
        total = None if _tells_a_part(counts_of_pool) else sum(counts_of_pool)
        groups.append((tuple(sorted(name for _, name in pool)), total))
    return groups + [((name,), 0) for name, count in sorted(counts.items()) if not count]


def _tells_a_part(pool: Sequence[int]) -> bool:
    """Is the sum of the pool small, or does it leave one way only to fill parts that have from 1 to 10 each?"""
    return not may_show(sum(pool)) or set(pool) in ({1}, {SMALLEST_SHOWN - 1})


def rounded_parts(
    parts: Mapping[Name, int], withheld: Collection[Name] = ()
) -> tuple[int | None, dict[Name, int | None]]:
    """Disjoint parts -> their sum and they themselves, rounded to multiples of 11; parts of 1 to 10 are None.

    So are those of `withheld`, which are small in another count. The sum is that of the parts as they are shown: it
    tells nothing that they do not, and is None where none can be shown. Rounded on its own it would say more: five
    withheld parts beside a sum of 55 might be tens.
    """
    told = {name: None if name in withheld else shown_rounded(count) for name, count in parts.items()}
    known = [count for count in told.values() if count is not None]
    is_nothing_known = bool(told) and not any(known) and len(known) < len(told)
    return (None if is_nothing_known else sum(known)), told


@dataclass(frozen=True)
class Sum:
    """A shown count, as what it adds up: the disjoint `atoms` (event and days) whose counts nobody is told.

    `shared` are those of its events that share codes with other events, as (name of all that do, days): one event may
    hold another there, or be several others at once, and what a difference counts is not known.
    """

    atoms: frozenset[tuple[str, int]]
    count: int
    shared: frozenset[tuple[str, int]] = frozenset()

    def touches(self, other: Sum) -> bool:
        """May the two count the same day of somebody?"""
        return bool(self.atoms & other.atoms or self.shared & other.shared)


def gives_away(candidate: Sum, already_shown: Sequence[Sum], n_terms: int = _MAX_TERMS) -> bool:
    """Would showing `candidate` beside the others let a count from 1 to 10 be had by adding and subtracting?

    Looks at sums and differences of up to `n_terms` counts that leave a set of whole atoms, each equally often; atoms
    of a count of zero are known to be zero. Where two of the counts share codes, every sum of 1 to 10 is one too many.
    The count itself is looked at first.
    """
    if not may_show(candidate.count):
        return True
    related = _connected(candidate, already_shown)
    empty = frozenset(atom for each in (candidate, *related) if each.count == 0 for atom in each.atoms)
    return any(
        _is_small_remainder(candidate, total, chosen, signs, empty)
        for total, chosen, signs in _signed_sums(related, n_terms - 1)
        if 0 < abs(candidate.count + total) < SMALLEST_SHOWN * (len(chosen) + 1)
    )


def _connected(candidate: Sum, others: Sequence[Sum]) -> tuple[Sum, ...]:
    """The sums that touch the candidate, or one that does, and so on; equal ones once."""
    rest = list(dict.fromkeys(others))
    related: list[Sum] = []
    near = [other for other in rest if other.touches(candidate)]
    while near:
        related += near
        rest = [other for other in rest if other not in near]
        near = [other for other in rest if any(other.touches(one) for one in related)]
    return tuple(related)


@lru_cache(maxsize=8)
def _signed_sums(shown: tuple[Sum, ...], n_terms: int) -> list[tuple[int, tuple[Sum, ...], tuple[int, ...]]]:
    """Sums of one to `n_terms` of the counts, of which at least one is subtracted: (value, counts, their signs)."""
    return [
        (sum(sign * one.count for sign, one in zip(signs, chosen, strict=True)), chosen, signs)
        for size in range(1, min(len(shown), n_terms) + 1)
        for chosen in combinations(shown, size)
        for signs in product((-1, 1), repeat=size)
        if -1 in signs
    ]


def _is_small_remainder(
    candidate: Sum, total: int, others: Sequence[Sum], signs: Sequence[int], empty: frozenset[tuple[str, int]]
) -> bool:
    count = candidate.count + total
    if not may_show(abs(count)) and any(a.shared & b.shared for a, b in combinations((candidate, *others), 2)):
        return True
    signed = [(candidate.atoms, 1), *((other.atoms, sign) for other, sign in zip(others, signs, strict=True))]
    times = 0
    for atom in (atom for atoms, _ in signed for atom in atoms if atom not in empty):
        often = sum(sign for atoms, sign in signed if atom in atoms)
        if often and times and often != times:
            return False  # as nearly always, and soon
        times = often or times
    return times != 0 and not may_show(abs(count // times))
