"""The score model as JSON and back, so that a finished stage can be reported again without another fit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from counterpart.scores.model import Diagnostics, ScoreModel, Term


def model_to_document(model: ScoreModel) -> dict[str, Any]:
    """The model as plain values; `model_from_document` gives an equal model back."""
    return asdict(model)


def model_from_document(document: dict[str, Any]) -> ScoreModel:
    """The model of `model_to_document`, also after JSON made lists of its tuples."""
    diagnostics = {**document["diagnostics"], "separated": tuple(document["diagnostics"]["separated"])}
    return ScoreModel(
        terms=tuple(Term(**term) for term in document["terms"]),
        intercept=document["intercept"],
        treated_share=document["treated_share"],
        covariates=tuple(document["covariates"]),
        diagnostics=Diagnostics(**diagnostics),
    )


def example_input(model: ScoreModel) -> pd.DataFrame:
    """One made-up row of the model's input, all zeros: it shows the columns and is nobody's."""
    return pd.DataFrame([[0.0] * len(model.covariates)], columns=list(model.covariates))
