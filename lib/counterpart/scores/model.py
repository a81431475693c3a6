"""The score model: fitted terms, what went wrong on the way, and the same model as a scikit-learn pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from counterpart.numerics.logistic import LogisticFit, fit_logistic
from counterpart.scores.transforms import TRANSFORMS, TRANSFORMS_OF_KIND

if TYPE_CHECKING:
    from counterpart.protocol import Scoring
    from counterpart.scores.sample import ModelCovariate, Sample


@dataclass(frozen=True)
class Term:
    """`coefficient` times the transformed value of a covariate, in logits."""

    covariate_id: int
    name: str
    transform: str
    coefficient: float

    @property
    def label(self) -> str:
        """`age` or `square(age)`."""
        return _label(self.name, self.transform)


@dataclass(frozen=True)
class Diagnostics:
    """How the fit went. Counts are of units and not yet checked for small cells.

    `left_out` and `separated` name terms, `is_separated` says that all of them together tell the arms apart (see
    LogisticFit); `n_extreme` counts sampled units with a fitted probability of 0 or 1.
    """

    n_treated: int
    n_comparators: int
    n_sampled_treated: int
    n_sampled_comparators: int
    treated_share: float
    c_statistic: float
    converged: bool
    n_iterations: int
    n_extreme: int
    left_out: dict[str, str]
    separated: tuple[str, ...]
    is_separated: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the study must be told, in sentences without counts of units."""
        told = []
        if not self.converged:
            told.append(f"The propensity model did not converge in {self.n_iterations} iterations.")
        if self.separated:
            told.append(f"Separated (their best coefficient is infinite): {', '.join(self.separated)}.")
        if self.is_separated:
            told.append("The covariates together tell the arms apart without error.")
        if self.n_extreme:
            told.append("Some fitted probabilities are numerically 0 or 1: the arms do not overlap there.")
        return tuple(told)


@dataclass(frozen=True)
class ScoreModel:
    """Logit of the propensity = intercept + sum of the terms, for the eligible population (not for the sample).

    `treated_share` is the share of treated among all eligible units, to which the preference score is relative.
    """

    terms: tuple[Term, ...]
    intercept: float
    treated_share: float
    covariates: tuple[str, ...]
    diagnostics: Diagnostics

    def to_sklearn(self) -> Pipeline:
        """The same model on a wide table: one column per covariate of the dictionary, zeros filled in.

        `predict_proba(...)[:, 1]` is the propensity. Built from NumPy and scikit-learn alone, so it loads anywhere.
        """
        columns = [(term.label, TRANSFORMS[term.transform].for_sklearn(), [term.name]) for term in self.terms]
        coefficients = [term.coefficient for term in self.terms]
        if not self.terms:  # scikit-learn has no model without columns
            columns, coefficients = [("none", TRANSFORMS["identity"].for_sklearn(), [self.covariates[0]])], [0.0]
        transform = ColumnTransformer(columns, verbose_feature_names_out=False)
        transform.fit(pd.DataFrame(np.zeros((2, len(self.covariates))), columns=list(self.covariates)))
        logistic = LogisticRegression().fit(np.zeros((2, len(coefficients))), [0, 1])
        logistic.coef_, logistic.intercept_ = np.array([coefficients]), np.array([self.intercept])
        return Pipeline([("terms", transform), ("logistic", logistic)])


def fit_score_model(sample: Sample, scoring: Scoring) -> ScoreModel:
    """Fit the protocol's model on a sample; weights make the intercept that of the eligible population."""
    plan = [(column, transform) for column, one in enumerate(sample.covariates) for transform in _transforms_of(one)]
    design = _transformed(sample.values, plan)
    fit = fit_logistic(
        design,
        sample.is_treated,
        sample.weights,
        ridge=scoring.ridge,
        min_units=scoring.min_units,
        max_iterations=scoring.max_iterations,
    )
    names = [_label(sample.covariates[column].name, transform) for column, transform in plan]
    terms = tuple(
        Term(sample.covariates[column].covariate_id, sample.covariates[column].name, transform, float(coefficient))
        for i, ((column, transform), coefficient) in enumerate(zip(plan, fit.coefficients, strict=True))
        if i not in fit.left_out
    )
    return ScoreModel(
        terms=terms,
        intercept=fit.intercept,
        treated_share=sample.n_treated / (sample.n_treated + sample.n_comparators),
        covariates=tuple(covariate.name for covariate in sample.covariates),
        diagnostics=_diagnose(sample, fit, names),
    )


def _transforms_of(covariate: ModelCovariate) -> tuple[str, ...]:
    return TRANSFORMS_OF_KIND[covariate.kind]


def _label(name: str, transform: str) -> str:
    return name if transform == "identity" else f"{transform}({name})"


def _transformed(values: sparse.csc_array, plan: list[tuple[int, str]]) -> sparse.csc_array:
    """Units x terms. Transforms keep zero at zero, so only stored values change."""
    columns = []
    for column, transform in plan:
        one = values[:, [column]].copy()
        one.data = TRANSFORMS[transform].on_array(one.data)
        columns.append(one)
    design = sparse.csc_array(sparse.hstack(columns)) if columns else sparse.csc_array((values.shape[0], 0))
    design.eliminate_zeros()
    return design


def _diagnose(sample: Sample, fit: LogisticFit, names: list[str]) -> Diagnostics:
    n_sampled, n_sampled_treated = len(sample.is_treated), int(sample.is_treated.sum())
    return Diagnostics(
        n_treated=sample.n_treated,
        n_comparators=sample.n_comparators,
        n_sampled_treated=n_sampled_treated,
        n_sampled_comparators=n_sampled - n_sampled_treated,
        treated_share=sample.n_treated / (sample.n_treated + sample.n_comparators),
        c_statistic=fit.c_statistic,
        converged=fit.converged,
        n_iterations=fit.n_iterations,
        n_extreme=fit.n_extreme,
        left_out={names[column]: reason for column, reason in fit.left_out.items()},
        separated=tuple(names[column] for column in fit.separated),
        is_separated=fit.is_separated,
    )
