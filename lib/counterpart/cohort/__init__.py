"""Candidate person-dates of both arms, eligibility as named criteria, attrition. No rule reads the future."""

from counterpart.cohort.attrition import summarise_attrition
from counterpart.cohort.candidates import build_candidates, index_events, index_scan, treatment_dates
from counterpart.cohort.criteria import clinical_events, criteria_names, label_candidates, lookback_of, require_drugs

__all__ = [
    "build_candidates",
    "clinical_events",
    "criteria_names",
    "index_events",
    "index_scan",
    "label_candidates",
    "lookback_of",
    "require_drugs",
    "summarise_attrition",
    "treatment_dates",
]
