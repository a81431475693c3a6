"""How a covariate enters the score: the one place that says it, for arrays, for Spark and for scikit-learn.

Counts and cents enter as log(1 + x), negative amounts (more reversed than paid) as 0; flags, categories and years as
they are; years also squared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pyspark.sql import functions as F
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

if TYPE_CHECKING:
    from pyspark.sql import Column

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Transform:
    """One function said three times. All map 0 to 0, so that a sparse table stays sparse."""

    on_array: Callable[[Floats], Floats]
    on_column: Callable[[Column], Column]
    for_sklearn: Callable[[], BaseEstimator]


def _sklearn_log1p() -> BaseEstimator:
    # NumPy's functions only: the logged model loads where counterpart is not installed.
    not_negative = FunctionTransformer(np.clip, kw_args={"a_min": 0, "a_max": None}, feature_names_out="one-to-one")
    return make_pipeline(not_negative, FunctionTransformer(np.log1p, feature_names_out="one-to-one"))


TRANSFORMS = {
    "identity": Transform(
        on_array=lambda values: values,
        on_column=lambda value: value,
        for_sklearn=lambda: FunctionTransformer(feature_names_out="one-to-one"),
    ),
    "square": Transform(
        on_array=np.square,
        on_column=lambda value: value * value,
        for_sklearn=lambda: FunctionTransformer(np.square, feature_names_out="one-to-one"),
    ),
    "log1p": Transform(
        on_array=lambda values: np.log1p(np.maximum(values, 0)),
        on_column=lambda value: F.log1p(F.greatest(value, F.lit(0.0))),
        for_sklearn=_sklearn_log1p,
    ),
}

TRANSFORMS_OF_KIND = {
    "flag": ("identity",),
    "category": ("identity",),
    "count": ("log1p",),
    "cents": ("log1p",),
    "years": ("identity", "square"),
}
