"""`python -m counterpart.matching` compiles the kernels now: else the first match of an installation waits for them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from counterpart.matching.in_memory import match_pandas
from counterpart.protocol import Matching


def compile_kernels() -> None:
    """Match a small table by one score and by covariates; the machine code is kept where Numba keeps it."""
    n = 200
    number = np.arange(n)
    units = pd.DataFrame({"id": number, "treated": number % 4 == 0, "person": number // 2, "score": np.sin(number)})
    units = units.assign(x=np.cos(7.0 * number), y=number % 5.0, text=[f"{i}" for i in number])
    by_score = Matching(score="score", score_scale="logit", person="person")
    match_pandas(units, by_score, seed=0)
    match_pandas(units, by_score.model_copy(update={"id": "text", "person": None}), seed=0)
    # As a study's units come: in strata, and collected by Arrow, whose arrays may not be written to.
    collected = pa.Table.from_pandas(units).to_pandas(split_blocks=True)
    match_pandas(collected, by_score.model_copy(update={"exact": ("y",)}), seed=0)
    by_covariates = {"distance": "mahalanobis", "covariates": ("x", "y")}
    match_pandas(units, Matching.model_validate({**by_score.model_dump(), **by_covariates}), seed=0)


if __name__ == "__main__":
    compile_kernels()
