"""What a match returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from counterpart.matching.spread import FIXED_ONE

if TYPE_CHECKING:
    from counterpart.matching.plan import Plan
    from counterpart.matching.solve import Reach
    from counterpart.protocol import Matching

Frame = TypeVar("Frame")

REASONS = ("no_exact_stratum", "outside_caliper", "pool_exhausted")


@dataclass(frozen=True)
class Matched(Generic[Frame]):
    """The match of a table; its frames are of the table's kind, pandas or Spark.

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
    `plan`: how a Spark table was cut into tasks. The frames of a Spark table are lazy over one cached solution, which
    `release` frees.
    """

    pairs: Frame
    unmatched: Frame
    weights: Frame
    summary: dict[str, Any]
    matching: Matching
    plan: Plan | None = None
    _release: Callable[[], None] = field(default=lambda: None, repr=False)

    def release(self) -> None:
        """Free what the frames are computed from, once they are written. Nothing to do for pandas."""
        self._release()


def summarise(
    matching: Matching, reach: Reach, counts: Mapping[str, int], largest: int | None, total: int, seconds: Any
) -> dict[str, Any]:
    """The summary, from counts by name and fixed-point distances (largest of all pairs, and their sum)."""
    n_pairs = counts["n_pairs"]
    return {
        **counts,
        "caliper": matching.caliper,
        "caliper_scale": matching.caliper_scale,
        "caliper_width": None if reach.width_fixed is None else reach.width_fixed / FIXED_ONE,
        "logit_sd": reach.logit_sd,
        "largest_distance": None if largest is None else largest / FIXED_ONE,
        "mean_distance": total / n_pairs / FIXED_ONE if n_pairs else None,
        "total_distance": total / FIXED_ONE,
        "search": "exact",
        "search_because": "asked for" if matching.search == "exact" else "auto: the only search there is",
        "passes": matching.ratio,
        "seconds": seconds,
    }
