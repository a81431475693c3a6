"""The versions of the software that a run is made with."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

from counterpart import __version__

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def describe_software(spark: SparkSession) -> dict[str, str]:
    """Version by name of what the numbers of a study can depend on."""
    versions = {"counterpart": __version__, "python": platform.python_version(), "spark": spark.version}
    java: Any = spark._jvm
    with suppress(TypeError):  # Databricks has a Delta of its own, under other names
        versions["delta"] = str(java.io.delta.package.VERSION())
    return versions | {name: installed(name) for name in ("mlflow", "scikit-learn", "numpy", "pandas")}
