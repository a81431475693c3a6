"""The score model without Spark: what a reader of the study is told of the fit."""

from __future__ import annotations

import json

import numpy as np
from scipy import sparse

from counterpart.protocol import Scoring
from counterpart.scores.document import model_from_document, model_to_document
from counterpart.scores.model import ScoreModel, fit_score_model
from counterpart.scores.sample import ModelCovariate, Sample


def fitted(ages: np.ndarray, visits: np.ndarray, is_treated: np.ndarray) -> ScoreModel:
    covariates = (ModelCovariate(1, "age", "years"), ModelCovariate(2, "visits", "count"))
    values = sparse.csc_array(np.column_stack([ages, visits]).astype(float))
    n_treated = int(is_treated.sum())
    weights = np.ones(len(is_treated))
    return fit_score_model(
        Sample(covariates, values, is_treated, weights, n_treated, len(is_treated) - n_treated), Scoring()
    )


def test_covariates_that_tell_the_arms_apart_are_told_under_the_ridge():
    """3 to 8 visits in all 1,000 treated, 1 to 2 in 20,000 comparators, with the settings of every study."""
    random = np.random.default_rng(4)
    is_treated = np.arange(21_000) < 1_000
    visits = np.where(is_treated, random.integers(3, 9, 21_000), random.integers(1, 3, 21_000))
    model = fitted(random.integers(20, 65, 21_000), visits, is_treated)
    told = model.diagnostics
    assert told.is_separated
    assert told.separated == ("log1p(visits)",)
    assert "The covariates together tell the arms apart without error." in told.warnings
    assert model_from_document(json.loads(json.dumps(model_to_document(model)))) == model


def test_arms_that_overlap_have_no_warning():
    random = np.random.default_rng(4)
    is_treated = np.arange(4_000) < 1_000
    model = fitted(random.integers(20, 65, 4_000), random.integers(0, 9, 4_000), is_treated)
    assert (model.diagnostics.is_separated, model.diagnostics.warnings) == (False, ())
