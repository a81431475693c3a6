"""What a study found, before anybody outside may see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

ARMS = ("treated", "comparator")


@dataclass(frozen=True)
class StudyResults:
    """The small result tables of one study, raw. Frames are in the contracts of `tables`; all of them may be empty.

    attrition: ATTRITION, criteria up to the eligible. balance: BALANCE. effects: EFFECTS. event_time: EVENT_TIME.
    score_histogram: SCORE_HISTOGRAM. dictionary: COVARIATE_DICTIONARY. intake: INTAKE.
    matching: n_pairs, unmatched (reason -> units), caliper (SD), caliper_width, mean_distance, max_distance (logit).
    score: diagnostics of the propensity model. run: versions, table_versions, code_version, stages, run_ids.
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
    """The sizes of the arms that may be named. None: between 1 and 10, or so close to another size that it would show one."""

    eligible: Mapping[str, int | None]
    pairs: int | None

    def of(self, arm: str, phase: str) -> int | None:
        """Units of an arm: the eligible before matching (also called crude), the pairs after (also called matched)."""
        return self.eligible[arm] if phase in ("before", "crude") else self.pairs
