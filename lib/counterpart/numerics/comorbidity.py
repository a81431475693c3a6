"""The Charlson comorbidity index of arrays of conditions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

CONDITIONS = (
    "mi", "chf", "pvd", "cevd", "dementia", "cpd", "rheumd", "pud", "mld",
    "diab", "diabwc", "hp", "rend", "canc", "msld", "metacanc", "aids",
)  # fmt: skip

Weighting = Literal["original", "quan2011"]

# In the order of CONDITIONS. Quan 2011 gives AIDS 4 points; an implementation that gives it 2 is in circulation.
WEIGHTS: Mapping[Weighting, tuple[int, ...]] = MappingProxyType(
    {
        "original": (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 6, 6),
        "quan2011": (0, 2, 0, 0, 2, 1, 1, 0, 2, 0, 1, 2, 1, 2, 4, 6, 4),
    }
)

# The milder form counts only where the graver one is absent.
HIERARCHY = (("mld", "msld"), ("diab", "diabwc"), ("canc", "metacanc"))


def charlson(
    flags: npt.NDArray[np.bool_], weights: Weighting = "original", hierarchy: bool = True
) -> npt.NDArray[np.int64]:
    """The index of every row of `flags` (n x 17, in the order of CONDITIONS) -> n points.

    Weights of Charlson 1987 (`original`) or Quan 2011. ValueError for another shape or type: a shifted column would
    otherwise pass unnoticed.
    """
    if flags.ndim != 2 or flags.shape[1] != len(CONDITIONS) or flags.dtype != np.bool_:
        raise ValueError(
            f"flags are {flags.dtype} of shape {flags.shape}; they must be bool of shape (n, {len(CONDITIONS)})"
        )
    counted = flags.copy()
    if hierarchy:
        for milder, graver in HIERARCHY:
            counted[:, CONDITIONS.index(milder)] &= ~flags[:, CONDITIONS.index(graver)]
    return counted.astype(np.int64) @ np.array(WEIGHTS[weights], dtype=np.int64)
