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
from counterpart.scores.sample import Covariate, Sample
from counterpart.stages.publish import _log_model
from counterpart.stages.run import StageRun
from counterpart.tables import ATTRITION

VALUES = np.column_stack([np.arange(600) % 7, np.arange(600) % 2]).astype(float)
SAMPLE = Sample(
    (Covariate(1, "age", "years"), Covariate(2, "sex=F", "category")),
    sparse.csc_array(VALUES),
    np.arange(600) < 200,
    np.ones(600),
    200,
    400,
)
SCORE = {"model": model_to_document(fit_score_model(SAMPLE, Scoring()))}


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
    ("n_treated", "n_comparators", "logged"),
    [(200, 400, "propensity_model"), (7, 400, "propensity_model.txt"), (200, 7, "propensity_model.txt")],
)
def test_the_model_is_logged_where_its_intercept_tells_no_withheld_size(n_treated, n_comparators, logged):
    steps = [
        *chain("treated", ("candidates", 300, 300), ("cover", n_treated, n_treated)),
        *chain("comparator", ("candidates", 900, 900), ("cover", n_comparators, n_comparators)),
    ]
    matching = {"n_pairs": 0, "n_no_exact_stratum": 0, "n_outside_caliper": n_treated, "n_pool_exhausted": 0}
    document = release(results(attrition=table(ATTRITION, *steps), matching=matching), STUDY)
    ledger = Kept()
    runs = [StageRun("score", "key", False, 1.0, "of the score")]
    _log_model(ledger, "of the report", runs, SCORE, document["score"])  # type: ignore[arg-type]  # stands in for one
    assert ledger.logged == [("of the score", logged)]
