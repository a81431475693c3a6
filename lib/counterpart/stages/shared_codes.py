"""Which events of a study share codes, so that one may hold days of the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from counterpart.codes import CodeRange
from counterpart.events import EventPlan, plan_events
from counterpart.protocol import ALL_CLAIMS
from counterpart.stages.context import Context


def find_shared_codes(context: Context) -> list[frozenset[str]]:
    """Groups of the outcomes' events that share codes, directly or through others."""
    names = [event for outcome in context.study.outcomes.outcomes for event in outcome.events]
    return group_by_codes(plan_events(context.study, context.library, names))


def group_by_codes(plan: EventPlan) -> list[frozenset[str]]:
    """The events of a plan in groups of two and more. Dates on which codes hold are not looked at."""
    groups = {name: frozenset({name}) for name in plan.names}
    for one, other in combinations(plan.names, 2):
        if groups[one] != groups[other] and _share(plan, one, other):
            joined = groups[one] | groups[other]
            groups |= dict.fromkeys(joined, joined)
    return sorted({group for group in groups.values() if len(group) > 1}, key=sorted)


def _share(plan: EventPlan, one: str, other: str) -> bool:
    """Is there a code that shows both, or shows one and is a diagnosis that the other asks for?

    Two events that ask for one diagnosis beside codes of their own share nothing: neither follows from the other.
    """
    if ALL_CLAIMS in (one, other):
        return True
    codes = {name: _ranges(plan, name, with_diagnosis=False) for name in (one, other)}
    asked = {name: _ranges(plan, name, with_diagnosis=True) for name in (one, other)}
    return _meet(codes[one], asked[other]) or _meet(asked[one], codes[other])


def _ranges(plan: EventPlan, name: str, with_diagnosis: bool) -> list[CodeRange]:
    clauses = plan.clauses[plan.event_id(name)]
    used = {clause.codes for clause in clauses}
    if with_diagnosis:
        used |= {clause.diagnosis for clause in clauses if clause.diagnosis}
    return [code_range for code_set in used for code_range in plan.code_sets[code_set].ranges]


def _meet(left: Sequence[CodeRange], right: Sequence[CodeRange]) -> bool:
    """Is a code in a range of both?"""
    ordered = sorted((code_range.low, code_range.high, side) for side in (0, 1) for code_range in (left, right)[side])
    reach = [-1, -1]
    for low, high, side in ordered:
        if low <= reach[1 - side]:
            return True
        reach[side] = max(reach[side], high)
    return False
