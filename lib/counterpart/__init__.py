"""counterpart: matched-cohort studies on insurance claims, as Spark jobs over Delta tables, kept in MLflow."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Claims live in closed networks: no dependency may call home. Set before any of them is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

_LAZY = {
    "Matching": "counterpart.protocol",
    "Matched": "counterpart.matching",
    "match": "counterpart.matching",
    "plan": "counterpart.matching",
    "balance": "counterpart.matching",
}
"""Public names by the module that has them: importing counterpart loads nothing."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'counterpart' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


if TYPE_CHECKING:
    from counterpart.matching import Matched, balance, match, plan
    from counterpart.protocol import Matching

__all__ = ["Matched", "Matching", "__version__", "balance", "match", "plan"]
