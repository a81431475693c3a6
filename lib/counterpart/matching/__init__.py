"""Matching: each treated unit gets the comparator nearest on the score, exact on strata, a person serving once."""

from counterpart.matching.caliper import Caliper, measure_caliper
from counterpart.matching.nearest import MatchResult, match_nearest

__all__ = ["Caliper", "MatchResult", "match_nearest", "measure_caliper"]
