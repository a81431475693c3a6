"""The study's match stage: the scored cohort through `match`, pairs and reasons in the study's own tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.errors import ContractError, DataError
from counterpart.matching.cost import TASK_BYTES
from counterpart.matching.match import match
from counterpart.matching.result import REASONS
from counterpart.numerics.pairs import FIXED_ONE
from counterpart.tables import MATCHES, UNMATCHED, conform

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from counterpart.matching.planning import Plan
    from counterpart.protocol import Matching

_TOLD = ("caliper", "caliper_scale", "logit_sd", "caliper_width", "largest_distance", "mean_distance")


@dataclass(frozen=True)
class StudyMatches:
    """The match. `pairs` has the contract MATCHES, `unmatched` UNMATCHED; `summary` is what may be logged of it.

    Both frames read one solved frame that stays cached until `release`.
    """

    pairs: DataFrame
    unmatched: DataFrame
    summary: dict[str, int | float | str | None]
    plan: Plan | None
    release: Callable[[], None]


def match_cohort(units: DataFrame, matching: Matching, seed: int, task_bytes: int = TASK_BYTES) -> StudyMatches:
    """Unit -> pair, and unit -> unmatched treated unit.

    `units` has unit_id, member_key, arm, logit_fixed (2^-31) and the columns of `matching.exact`; a person serves at
    most once as comparator, over all its candidate dates, and never for itself; its treated dates are not restricted.
    Errors and `task_bytes` as those of `match`.
    """
    absent = [name for name in ("arm", "logit_fixed") if name not in units.columns]
    if absent:
        raise ContractError(f"matching: the units have no column {', '.join(absent)}")
    # Fixed point as a float and back again is exact below 2^53.
    logit = F.col("logit_fixed") / F.lit(float(FIXED_ONE))
    scored = units.withColumns({"is_treated": F.col("arm") == "treated", "logit": logit})
    try:
        result = match(scored, matching, seed, task_bytes)
    except DataError:
        # Its words have counts, and a count may be of one person.
        raise DataError(
            "matching: the cohort has units that no match can use: without a finite score, or there twice"
        ) from None
    pairs = result.pairs.select(
        "set_id",
        F.col("treated_id").alias("treated_unit"),
        F.col("control_id").alias("comparator_unit"),
        F.rint(F.col("distance") * FIXED_ONE).cast("bigint").alias("distance_fixed"),
    )
    told = result.summary
    summary = {"n_treated": told["n_treated"], "n_comparators": told["n_controls"], "n_pairs": told["n_pairs"]}
    summary |= {name: told[name] for name in (*[f"n_{reason}" for reason in REASONS], *_TOLD)}
    unmatched = result.unmatched.withColumnRenamed("treated_id", "unit_id")
    return StudyMatches(conform(pairs, MATCHES), conform(unmatched, UNMATCHED), summary, result.plan, result.release)
