"""Tables of a warehouse that is empty yet; units that many a match is tried on, in pandas and in Spark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from counterpart.store import Store


@pytest.fixture
def store(spark: SparkSession, tmp_path: Path) -> Store:
    """A warehouse of this test's own, in which no table is yet."""
    from counterpart.store import Store

    return Store(spark, f"{tmp_path}/tables/")


@pytest.fixture(scope="session")
def tied_table() -> pd.DataFrame:
    """Few values everywhere, so that much ties; persons with several dates in several strata; missing strata."""
    n_units = 1_500
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


@pytest.fixture(scope="session")
def tied_units(spark: SparkSession, tied_table: pd.DataFrame) -> DataFrame:
    """The same units: rows of two partitions, so that nothing is in the table's order."""
    return spark.createDataFrame(tied_table.sample(frac=1, random_state=1)).repartition(2, "visit").persist()
