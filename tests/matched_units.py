"""Units that many a match is tried on, and all that a match says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from counterpart import Matched

SEED = 3
SCORED: dict[str, Any] = {"score": "score", "score_scale": "logit"}
# Counts, distances and the caliper; the seconds are another run's.
TIMES = {"seconds"}


def table_of(n_units: int = 1_500) -> pd.DataFrame:
    """Few values everywhere, so that much ties; persons with several dates in several strata; missing strata."""
    generator = np.random.default_rng(17)
    person = generator.integers(0, n_units // 2, n_units)
    return pd.DataFrame(
        {
            "id": generator.permutation(n_units) * 104_729 - 10**6,
            "treated": generator.random(n_units) < 0.3,
            "person": person,
            "state": np.array(["CA", "CA", "TX", "NY", None], dtype=object)[person % 5],
            "band": np.array(["a", "b", None], dtype=object)[generator.integers(0, 3, n_units)],
            "score": generator.integers(-40, 41, n_units) / 64,
            "age": generator.integers(0, 9, n_units).astype(float),
            "cost": generator.integers(0, 99, n_units).astype(float),
            "visit": generator.integers(0, 3, n_units),
        }
    )


def units_of(spark: SparkSession, table: pd.DataFrame) -> DataFrame:
    """Rows of two partitions, so that nothing is in the table's order."""
    return spark.createDataFrame(table.sample(frac=1, random_state=1)).repartition(2, "visit").persist()


def content_of(result: Matched[Any]) -> dict[str, Any]:
    """All that a result says, sorted, and freed."""
    frames = {name: getattr(result, name) for name in ("pairs", "unmatched", "weights")}
    rows = {}
    for name, found in frames.items():
        shown = found if isinstance(found, pd.DataFrame) else found.toPandas()
        shown = shown.astype(object).where(shown.notna(), None)
        rows[name] = (list(shown.columns), sorted(shown.itertuples(index=False, name=None), key=str))
    result.release()
    return rows | {"summary": {name: told for name, told in result.summary.items() if name not in TIMES}}
