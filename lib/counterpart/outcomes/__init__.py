"""The outcomes stage: how long each unit is followed, and what happens to it."""

from counterpart.outcomes.counts import build_outcomes, build_weeks, find_outcome_days, outcome_events, reach_of
from counterpart.outcomes.follow_up import build_follow_up

__all__ = ["build_follow_up", "build_outcomes", "build_weeks", "find_outcome_days", "outcome_events", "reach_of"]
