"""Clinical events: which days of a member show what the study's event definitions name.

One pass over the claim lines answers for every event at once: the codes of a line are exploded, joined to ONE broadcast
table of code ranges, and folded into bit masks per claim and day, on which the clauses of the events are evaluated.
Fills, and the procedures of facilities with days of their own, are a pass each, where a study asks for their codes.
"""

from counterpart.events.days import build_member_days
from counterpart.events.plan import DRUG_SYSTEMS, LONGEST_CLAIM_DAYS, EventPlan, Signal, plan_events

__all__ = [
    "DRUG_SYSTEMS",
    "LONGEST_CLAIM_DAYS",
    "EventPlan",
    "Signal",
    "build_member_days",
    "plan_events",
]
