"""The covariates stage: what the claims before the index date say of a unit, sparse and long, with a dictionary."""

from counterpart.covariates.build import build_covariates, covariate_events, covariate_reach
from counterpart.covariates.dictionary import Covariate, describe_covariates, dictionary_frame, find_unpriced

__all__ = [
    "Covariate",
    "build_covariates",
    "covariate_events",
    "covariate_reach",
    "describe_covariates",
    "dictionary_frame",
    "find_unpriced",
]
