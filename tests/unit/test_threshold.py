"""How much of a source table may be rejected before an ingest stops."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.notes import Notes

from counterpart.errors import DataError
from counterpart.stages.ingestion import _hold_to_threshold, _tell_denied


def test_denied_lines_do_not_stop_an_ingest() -> None:
    fates = [("kept", "as_sent", 800), ("quarantined", "denied", 150), ("quarantined", "null_key", 50)]
    intake = pd.DataFrame(fates, columns=["fate", "rule", "n_rows"]).assign(source="medical_claim")
    _hold_to_threshold(intake, 0.05)
    with pytest.raises(DataError, match="max_quarantined"):
        _hold_to_threshold(intake, 0.049)


def test_many_denials_are_told_and_no_small_number() -> None:
    """A fifth is not told, nor a share that would be a count from 1 to 10."""
    tables = {"medical_claim": (701, 299), "pharmacy_claim": (800, 200), "small": (15, 9)}
    fates = [
        (name, *fate, n)
        for name, counts in tables.items()
        for fate, n in zip((("kept", "as_sent"), ("quarantined", "denied")), counts, strict=True)
    ]
    progress = Notes()
    _tell_denied(pd.DataFrame(fates, columns=["source", "fate", "rule", "n_rows"]), progress)
    assert [told[:65] for told in progress.said] == [
        "ingest: 30% of the rows of medical_claim are denied, and no event"
    ]
