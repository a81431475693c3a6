"""Matching a pandas table, without Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from counterpart.matching.frames import columns_of_pairs, columns_of_unmatched, columns_of_weights, summary_of
from counterpart.matching.laps import Laps
from counterpart.matching.result import Matched
from counterpart.matching.solve import solve_units
from counterpart.matching.units import read_units

if TYPE_CHECKING:
    from counterpart.matching.units import Longs
    from counterpart.protocol import Matching


def match_pandas(units: pd.DataFrame, matching: Matching, seed: int) -> Matched[pd.DataFrame]:
    """As `match` says."""
    laps = Laps()
    read = read_units(units, matching, seed)
    laps.end("read")
    solved = solve_units(read, matching)
    solution = solved.solution
    laps.end("solve")

    def take(name: str, rows: Longs) -> Any:
        return units[name].take(rows).array

    pairs = pd.DataFrame(columns_of_pairs(take, read, matching, solution))
    unmatched = pd.DataFrame(columns_of_unmatched(take, matching, solution))
    weights = pd.DataFrame(columns_of_weights(take, matching, solution))
    laps.end("write")
    summary = summary_of(read, matching, solved) | {"seconds": laps.seconds}
    return Matched(pairs, unmatched, weights, summary, matching)
