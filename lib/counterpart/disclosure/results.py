"""What a study found, before anybody outside may see it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StudyResults:
    """The small result tables of one study, raw. Frames are in the contracts of `tables`; all of them may be empty.

    attrition: ATTRITION, criteria up to the eligible. balance: BALANCE. effects: EFFECTS. event_time: EVENT_TIME.
    score_histogram: SCORE_HISTOGRAM. dictionary: COVARIATE_DICTIONARY. intake: INTAKE. matching: the match's summary.
    score: diagnostics and warnings of the propensity model. run: versions, keys and times of the stages.
    """

    attrition: pd.DataFrame
    matching: Mapping[str, Any]
    dictionary: pd.DataFrame
    balance: pd.DataFrame
    score_histogram: pd.DataFrame
    effects: pd.DataFrame
    event_time: pd.DataFrame
    intake: pd.DataFrame
    score: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """Sizes of the arms that may be named. None: from 1 to 10, or so near another size that it would show this."""

    eligible: Mapping[str, int | None]
    pairs: int | None

    def of(self, arm: str, phase: str) -> int | None:
        """Units of an arm: the eligible before matching (phases before, crude), the pairs after it (after, matched)."""
        return self.eligible[arm] if phase in ("before", "crude") else self.pairs


def plain(value: Any, digits: int | None = None) -> float | None:
    """A number as a float, with as many significant digits as asked for; None for null, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return None
    return float(value) if digits is None else float(f"{float(value):.{digits}g}")


def outward(value: float, digits: int, direction: int) -> float:
    """The nearest number of so many significant digits that is not below (`direction` 1), or not above (-1), `value`.

    What is as good as such a number, to 12 digits, is that number: 2.0000000000001 is not rounded up to 2.1.
    """
    if not value:
        return 0.0
    step = Decimal(10) ** (math.floor(math.log10(abs(value))) - digits + 1)
    steps = Decimal(f"{value:.12g}") / step
    return float(steps.to_integral_value(ROUND_CEILING if direction > 0 else ROUND_FLOOR) * step)
