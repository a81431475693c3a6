"""What kind of Spark a session is of: Spark Connect, one process, a cluster."""

from __future__ import annotations

import os
from typing import Any

from counterpart.errors import EnvironmentProblem


def refuse_connect() -> None:
    """EnvironmentProblem where a session would be one of Spark Connect."""
    if "SPARK_REMOTE" in os.environ or "SPARK_CONNECT_MODE_ENABLED" in os.environ:
        raise _no_classic_session()


def require_classic(spark: Any) -> None:
    """EnvironmentProblem for a session of Spark Connect, as serverless and shared clusters have it."""
    # There, asking for it is an AttributeError.
    if getattr(spark, "_jvm", None) is None:
        raise _no_classic_session()


def _no_classic_session() -> EnvironmentProblem:
    return EnvironmentProblem(
        "counterpart needs a classic Spark session: spark-submit, or a Databricks cluster of dedicated (single-user) "
        "access mode; not serverless, a cluster of standard (shared) access mode or Spark Connect (SPARK_REMOTE)"
    )


def is_alone(master: str) -> bool:
    """Is this process all there is? (local-cluster is for tests of clusters.)"""
    return master == "local" or master.startswith("local[")
