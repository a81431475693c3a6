"""How much of a source table may be rejected before an ingest stops."""

from __future__ import annotations

import pandas as pd
import pytest

from counterpart.errors import DataError
from counterpart.stages.claims import _hold_to_threshold


def test_denied_lines_do_not_stop_an_ingest() -> None:
    fates = [("kept", "as_sent", 800), ("quarantined", "denied", 150), ("quarantined", "null_key", 50)]
    intake = pd.DataFrame(fates, columns=["fate", "rule", "n_rows"]).assign(source="medical_claim")
    _hold_to_threshold(intake, 0.05)
    with pytest.raises(DataError, match="max_quarantined"):
        _hold_to_threshold(intake, 0.049)
