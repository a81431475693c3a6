"""`match`: a table of units in, pairs, weights and reasons out. `plan`: what that would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from counterpart.cluster import require_classic
from counterpart.errors import ContractError
from counterpart.matching.cost import TASK_BYTES
from counterpart.matching.in_memory import match_pandas
from counterpart.matching.refusals import refuse_seed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from counterpart.matching.planning import Plan
    from counterpart.matching.result import Matched
    from counterpart.protocol import Matching


def match(
    units: pd.DataFrame | DataFrame, matching: Matching, seed: int = 0, task_bytes: int = TASK_BYTES
) -> Matched[Any]:
    """Match a table of units, one row each, as the settings say; see `Matching` for its columns.

    The pairs are those that taking the best possible pair again and again would find, ranked by (distance, treated
    key, control key), where a key is tie_order and then a stable hash of the id under the seed. They depend on nothing
    else: not on the order of rows, on partitions and cores, on pandas or Spark, or on how candidates are searched.

    A pandas table is matched here, a Spark table by Spark (what fits one task, here too); the result is of
    the same kind. On Spark a task takes `task_bytes` at most, as predicted, or some three times what the smaller arm of
    a stratum takes, if that is more.

    ContractError for missing columns and a seed that is none, DataError for values that no match can use,
    EnvironmentProblem for a table of Spark Connect.
    """
    refuse_seed(seed)
    if isinstance(units, pd.DataFrame):
        return match_pandas(units, matching, seed)
    if not _is_spark(units):
        kind = type(units).__name__
        raise ContractError(f"matching: units must be a pandas or a Spark DataFrame; they are of type {kind}")
    from counterpart.matching.distributed import match_frame

    require_classic(units.sparkSession)
    return match_frame(units, matching, seed, task_bytes)


def plan(units: DataFrame, matching: Matching, task_bytes: int = TASK_BYTES) -> Plan:
    """How `match` would cut a Spark table into tasks, and what they will take: print it. Nothing is paired.

    Errors as of `match`.
    """
    from counterpart.matching.distributed import plan_frame

    require_classic(units.sparkSession)
    return plan_frame(units, matching, task_bytes)


def _is_spark(units: object) -> bool:
    """Without importing Spark, which pandas tables do not need."""
    return any(kind.__module__.startswith("pyspark.sql") for kind in type(units).__mro__)
