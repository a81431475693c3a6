"""The comorbidity indices of Charlson and of Elixhauser, of arrays of conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

VAN_WALRAVEN: Mapping[str, int] = MappingProxyType(
    {
        "chf": 7, "carit": 5, "valv": -1, "pcd": 4, "pvd": 2, "hypunc": 0, "hypc": 0, "para": 7, "ond": 6, "cpd": 3,
        "diabunc": 0, "diabc": 0, "hypothy": 0, "rf": 5, "ld": 11, "pud": 0, "aids": 0, "lymph": 9, "metacanc": 12,
        "solidtum": 4, "rheumd": 0, "coag": 3, "obes": -4, "wloss": 6, "fed": 5, "blane": -2, "dane": -2, "alcohol": 0,
        "drug": -7, "psycho": 0, "depre": -3,
    }
)  # fmt: skip
"""Elixhauser's 31 conditions with the points of van Walraven 2009 (Med Care 47:626), in Elixhauser's order."""

ELIXHAUSER_HIERARCHY = (("hypunc", "hypc"), ("diabunc", "diabc"), ("solidtum", "metacanc"))


def charlson(
    flags: npt.NDArray[np.bool_], weights: Weighting = "original", hierarchy: bool = True
) -> npt.NDArray[np.int64]:
    """The index of every row of `flags` (n x 17, in the order of CONDITIONS) -> n points.

    Weights of Charlson 1987 (`original`) or Quan 2011. ValueError for another shape or type: a shifted column would
    otherwise pass unnoticed.
    """
    return _weigh(flags, dict(zip(CONDITIONS, WEIGHTS[weights], strict=True)), HIERARCHY if hierarchy else ())


def elixhauser(flags: npt.NDArray[np.bool_], hierarchy: bool = True) -> npt.NDArray[np.int64]:
    """Van Walraven's score of every row of `flags` (n x 31, in the order of VAN_WALRAVEN) -> n points, also negative.

    ValueError for another shape or type.
    """
    return _weigh(flags, VAN_WALRAVEN, ELIXHAUSER_HIERARCHY if hierarchy else ())


def _weigh(
    flags: npt.NDArray[np.bool_], weights: Mapping[str, int], hierarchy: Sequence[tuple[str, str]]
) -> npt.NDArray[np.int64]:
    if flags.ndim != 2 or flags.shape[1] != len(weights) or flags.dtype != np.bool_:
        raise ValueError(
            f"flags are {flags.dtype} of shape {flags.shape}; they must be bool of shape (n, {len(weights)})"
        )
    names, counted = list(weights), flags.copy()
    for milder, graver in hierarchy:
        counted[:, names.index(milder)] &= ~flags[:, names.index(graver)]
    return counted.astype(np.int64) @ np.array(list(weights.values()), dtype=np.int64)
