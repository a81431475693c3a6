"""counterpart: matched-cohort studies on insurance claims, as Spark jobs over Delta tables, kept in MLflow."""

import os

__version__ = "0.1.0"

# Claims live in closed networks: no dependency may call home. Set before any of them is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
