"""What many a match is tried with, and all that it says; other units are fixtures (tests/spark/conftest.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from counterpart import Matched

SEED = 3
SCORED: dict[str, Any] = {"score": "score", "score_scale": "logit"}
# Seconds, and what took them, are of another run and another cut of the work.
TIMES = {"seconds", "searched_again"}


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


def table_of(n_treated: int, n_controls: int) -> pd.DataFrame:
    """Units alike in all but their ids and arms, the treated first."""
    n = n_treated + n_controls
    ids = [f"unit {i}" for i in range(n)]
    return pd.DataFrame({"id": ids, "treated": np.arange(n) < n_treated, "ps": 0.5, "x": 1.0})
