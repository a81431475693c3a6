"""How strong an unmeasured cause would have to be to explain an estimate away."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class EValue:
    """E-values of the estimate and of the confidence limit nearest to 1. None where there is no estimate or limit."""

    estimate: float | None
    limit: float | None


def e_value(ratio: float | None, lower: float | None = None, upper: float | None = None) -> EValue:
    """E-value of a positive rate or risk ratio and its interval (VanderWeele & Ding 2017).

    The least strength of association, as a ratio, that a confounder would need with both the treatment and the outcome
    to move the estimate (or the limit) to 1. An interval that holds 1 needs none: its E-value is 1. The ratio must
    approximate a risk or rate ratio; an odds ratio does for rare outcomes only.
    """
    if ratio is None:
        return EValue(None, None)
    if lower is None or upper is None:
        return EValue(_shift_to_one(ratio), None)
    limit = 1.0 if lower <= 1 <= upper else _shift_to_one(lower if ratio > 1 else upper)
    return EValue(_shift_to_one(ratio), limit)


def _shift_to_one(ratio: float) -> float:
    away_from_one = max(ratio, 1 / ratio)
    return away_from_one + math.sqrt(away_from_one * (away_from_one - 1))
