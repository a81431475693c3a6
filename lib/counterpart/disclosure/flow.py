"""Attrition, one chain per arm from the raw count to the matched pairs, and what was matched."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from counterpart.disclosure.cells import choose_states
from counterpart.disclosure.results import Sizes
from counterpart.errors import DataError
from counterpart.tables import ARMS

if TYPE_CHECKING:
    import pandas as pd

NOT_CHOSEN = "eligible_not_chosen"
_REASONS = ("no_exact_stratum", "outside_caliper", "pool_exhausted")

# What to keep if not all can be shown: the pairs (every result is about them), then the eligible, the raw count.
_WEIGHT_MATCHED, _WEIGHT_ELIGIBLE, _WEIGHT_RAW = 10_000, 1_000, 100

# Criterion, units left, members left; None where these are not known.
_State = tuple[str, int, int | None]


def release_attrition(
    attrition: pd.DataFrame, matching: Mapping[str, Any]
) -> tuple[dict[str, list[dict[str, Any]]], Sizes]:
    """ATTRITION and the pairs -> rows of both chains (steps merged until none is small), and the sizes they show.

    A row names the criteria it merges. Excluded and remaining add up to the row before, and all excluded with the last
    remaining to the first. DataError if they did not before.
    """
    n_pairs = int(matching.get("n_pairs", 0))
    chains = {arm: _chain(attrition[attrition["arm"] == arm], arm, n_pairs, matching) for arm in ARMS}
    kept = {arm: _choose(states, _n_after_eligible(arm)) for arm, states in chains.items()}
    eligible = {}
    for arm, states in chains.items():
        position = len(states) - 1 - _n_after_eligible(arm)
        eligible[arm] = states[position][1] if position in kept[arm] else None
    matched_shown = all(len(chains[arm]) - 1 in kept[arm] for arm in ARMS)
    rows = {arm: _rows(chains[arm], kept[arm]) for arm in ARMS}
    return rows, Sizes(eligible, n_pairs if matched_shown else None)


def release_empty_cohort(attrition: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """ATTRITION of a cohort with an empty arm -> rows of both chains, up to the eligible.

    Of a cohort that can be matched this may not be told: its report leaves out other steps, for the sake of the pairs,
    and two choices of steps tell together what neither does. DataError for such a cohort.
    """
    chains = {arm: _states(attrition[attrition["arm"] == arm]) for arm in ARMS}
    if all(states and states[-1][1] for states in chains.values()):
        raise DataError("attrition: both arms have eligible units; the report tells who was excluded")
    return {arm: _rows(states, _choose(states, 0)) for arm, states in chains.items() if states}


def _n_after_eligible(arm: str) -> int:
    return len(_REASONS) if arm == "treated" else 1


def _chain(steps: pd.DataFrame, arm: str, n_pairs: int, matching: Mapping[str, Any]) -> list[_State]:
    """Raw first, then each criterion, then what matching left over."""
    states = _states(steps) or [("candidates", n_pairs, n_pairs)]
    removed = {NOT_CHOSEN: states[-1][1] - n_pairs}
    if arm == "treated":
        removed = {reason: int(matching.get(f"n_{reason}", 0)) for reason in _REASONS}
    _, left, members = states[-1]
    # Treated members with several index dates each: how many of them are in the pairs, nobody has counted.
    is_known = arm != "treated" or left == members
    for name, count in removed.items():
        left -= count
        # A treated member is one unit; a comparator serves once, so those in the pairs are one unit each too.
        after = left if arm == "treated" else n_pairs
        states.append((name, left, after if is_known else None))
    if left != n_pairs or any(later[1] > earlier[1] for earlier, later in pairwise(states)):
        raise DataError(
            f"attrition of the {arm} arm does not reconcile: the eligible less the unmatched must be the matched pairs"
        )
    return states


def _states(steps: pd.DataFrame) -> list[_State]:
    ordered = steps.sort_values("step").to_dict("records")
    return [(str(row["criterion"]), int(row["n_remaining"]), int(row["n_members_remaining"])) for row in ordered]


def _choose(states: list[_State], n_after_eligible: int) -> list[int]:
    weights = [1] * len(states)
    weights[0] = _WEIGHT_RAW
    weights[-1 - n_after_eligible] = _WEIGHT_ELIGIBLE
    weights[-1] = _WEIGHT_MATCHED
    # Units, members, and the dates members have beyond their first: of each, no small number and no small step.
    numbers = [(units, members, None if members is None else units - members) for _, units, members in states]
    return choose_states(numbers, weights)


def _rows(states: list[_State], kept: list[int]) -> list[dict[str, Any]]:
    """Rows for the shown states; what lies before the first or after the last shown one is a row without numbers."""
    rows = []
    if not kept or kept[0] > 0:
        rows.append(_row([states[0][0]], None, None, None))
    for earlier, here in zip([None, *kept], kept, strict=False):
        first = 0 if earlier is None else earlier + 1
        merged = [name for name, _, _ in states[first : here + 1] if here == 0 or name != states[0][0]]
        excluded = None if earlier is None else states[earlier][1] - states[here][1]
        rows.append(_row(merged, 0 if here == 0 else excluded, *states[here][1:]))
    last = kept[-1] if kept else 0
    if last < len(states) - 1:
        rows.append(_row([name for name, _, _ in states[last + 1 :]], None, None, None))
    return rows


def _row(criteria: list[str], excluded: int | None, remaining: int | None, members: int | None) -> dict[str, Any]:
    return {
        "criteria": criteria,
        "n_excluded": excluded,
        "n_remaining": remaining,
        "n_members_remaining": members,
    }


def release_matching(matching: Mapping[str, Any], sizes: Sizes, treated: list[dict[str, Any]]) -> dict[str, Any]:
    """The pairs, the caliper and the distances; the unmatched as the chain of the treated shows them."""
    criteria = set(_REASONS)
    unmatched = [
        {"reasons": row["criteria"], "n_units": row["n_excluded"]}
        for row in treated
        if set(row["criteria"]) <= criteria
    ]
    hidden = sizes.pairs is None
    return {
        "n_pairs": sizes.pairs,
        "caliper": matching.get("caliper"),
        "caliper_width": _digits(matching.get("caliper_width"), 4),
        "mean_distance": None if hidden else _digits(matching.get("mean_distance"), 4),
        "largest_distance": None if hidden else _digits(matching.get("largest_distance"), 4),
        "unmatched": unmatched,
    }


def _digits(value: Any, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
