"""Propensity scores: a logistic model fitted on a bounded sample, applied to everyone in Spark."""

from counterpart.scores.apply import score_units
from counterpart.scores.model import Diagnostics, ScoreModel, Term, fit_score_model
from counterpart.scores.sample import Sample, collect_sample

__all__ = ["Diagnostics", "Sample", "ScoreModel", "Term", "collect_sample", "fit_score_model", "score_units"]
