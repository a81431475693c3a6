"""What of the propensity model the ledger gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from tests.results import STUDY, chain, release, results, table

from counterpart.protocol import Scoring
from counterpart.scores.document import model_to_document
from counterpart.scores.model import fit_score_model
from counterpart.scores.sample import ModelCovariate, Sample
from counterpart.stages.publish import _log_model
from counterpart.stages.run import StageRun
from counterpart.tables import ATTRITION


def score_of(n_flags: int) -> dict[str, Any]:
    """What a score stage leaves of a model with so many terms."""
    values = np.column_stack([np.arange(600) % (i + 2) == 0 for i in range(n_flags)]).astype(float)
    flags = tuple(ModelCovariate(i, f"flag{i}", "flag") for i in range(n_flags))
    sample = Sample(flags, sparse.csc_array(values), np.arange(600) < 200, np.ones(600), 200, 400)
    model = fit_score_model(sample, Scoring())
    assert len(model.terms) == n_flags
    return {"model": model_to_document(model)}


class Kept:
    """A ledger that keeps the names of what it was given."""

    def __init__(self) -> None:
        self.logged: list[tuple[str, str]] = []

    def log_score_model(self, run_id: str, *_: Any) -> None:
        self.logged.append((run_id, "propensity_model"))

    def log_text(self, run_id: str, text: str, name: str) -> None:
        assert "not logged" in text
        self.logged.append((run_id, name))


@pytest.mark.parametrize(
    ("n_treated", "n_comparators", "n_terms", "logged"),
    [
        (200, 400, 2, "propensity_model"),
        (7, 400, 2, "propensity_model.txt"),
        (200, 7, 4, "propensity_model.txt"),
        (200, 7, 5, "propensity_model"),
    ],
)
def test_the_model_is_logged_where_its_intercept_tells_no_withheld_size(n_treated, n_comparators, n_terms, logged):
    steps = [
        *chain("treated", ("candidates", 300, 300), ("cover", n_treated, n_treated)),
        *chain("comparator", ("candidates", 900, 900), ("cover", n_comparators, n_comparators)),
    ]
    matching = {"n_pairs": 0, "n_no_exact_stratum": 0, "n_outside_caliper": n_treated, "n_pool_exhausted": 0}
    document = release(results(attrition=table(ATTRITION, *steps), matching=matching), STUDY)
    ledger = Kept()
    runs = [StageRun("score", "key", False, 1.0, "of the score")]
    _log_model(ledger, "of the report", runs, score_of(n_terms), document["score"])  # stands in for one
    assert ledger.logged == [("of the score", logged)]
