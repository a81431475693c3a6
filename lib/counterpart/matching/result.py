"""What a match returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from counterpart.protocol import Matching

REASONS = ("no_exact_stratum", "outside_caliper", "pool_exhausted")


@dataclass(frozen=True)
class Matched:
    """The match of a table.

    `pairs`: one row per pair, with set_id (the id of the unit that was given counterparts), treated_id, control_id,
    distance (logits for the distance score), score_difference (treated minus control, in logits; only with a score)
    and the exact columns. `unmatched`: one row per treated unit without a set (control_id where direction is
    control_to_treated), with its reason:

    - no_exact_stratum: no other person has a unit of the other arm in its stratum;
    - outside_caliper: some have, none of them inside the calipers;
    - pool_exhausted: some are inside, but serve in better pairs (or fewer than `min_ratio` do not).

    `weights`: one row per unit and set, with id, weight and set_id. Treated weigh 1, the controls of a set 1 / their
    number, so that weighted means estimate the effect in the matched treated (with control_to_treated it is the other
    way round). A control of several sets has several rows.

    `summary`: counts, distances, the caliper, the search used and why, and seconds by step. `matching`: the settings.
    """

    pairs: pd.DataFrame
    unmatched: pd.DataFrame
    weights: pd.DataFrame
    summary: dict[str, Any]
    matching: Matching
