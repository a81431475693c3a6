"""Matching a pandas table, without Spark."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from counterpart.matching.cost import choose_search, may_be_approximate
from counterpart.matching.frames import columns_of_pairs, columns_of_unmatched, columns_of_weights, summary_of
from counterpart.matching.result import Matched
from counterpart.matching.solve import count_compared, measure_metric, measure_reach, solve
from counterpart.matching.units import read_units

if TYPE_CHECKING:
    from counterpart.matching.units import Longs
    from counterpart.protocol import Matching


def match_pandas(units: pd.DataFrame, matching: Matching, seed: int) -> Matched[pd.DataFrame]:
    """As `match` says."""
    start = perf_counter()
    read = read_units(units, matching, seed)
    reach = measure_reach(read, matching)
    is_read = perf_counter()
    search = choose_search(matching, count_compared(read, matching) if may_be_approximate(matching) else 0)
    solution = solve(read, matching, reach, measure_metric(read, matching), search)
    is_solved = perf_counter()

    def take(name: str, rows: Longs) -> Any:
        return units[name].take(rows).array

    pairs = pd.DataFrame(columns_of_pairs(take, read, matching, solution))
    unmatched = pd.DataFrame(columns_of_unmatched(take, matching, solution))
    weights = pd.DataFrame(columns_of_weights(take, matching, solution))
    seconds = {"read": is_read - start, "solve": is_solved - is_read, "write": perf_counter() - is_solved}
    summary = summary_of(read, matching, reach, search, solution) | {"seconds": seconds}
    return Matched(pairs, unmatched, weights, summary, matching)
