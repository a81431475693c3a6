"""How alike the arms of a matched table are, before and after."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from counterpart.errors import ContractError
from counterpart.matching.units import decoded, read_arm, read_numbers, refuse_missing_in
from counterpart.numerics.balance import SMD_DENOMINATOR
from counterpart.numerics.weighted import Counts, Floats, WeightedSample, largest_gap, mean_of, sample_of, variance_of

if TYPE_CHECKING:
    from counterpart.matching.result import Matched
    from counterpart.numerics.pairs import Flags

Denominator = Literal["pooled", "treated", "controls"]
Arms = tuple[WeightedSample, WeightedSample]
"""Treated and controls."""

_DENOMINATORS = {
    "pooled": SMD_DENOMINATOR,
    "treated": "standard deviation of the treated before matching",
    "controls": "standard deviation of the controls before matching",
}


def balance(units: Any, result: Matched[Any], covariates: Sequence[str], denominator: Denominator = "pooled") -> Any:
    """Covariates of a table that was matched -> one row per covariate and phase, `before` and `after`.

    Columns: covariate, phase, mean_treated, mean_control, smd (standardised mean difference, treated minus control, and
    in `smd_denominator` what it was divided by), variance_ratio (treated over control; not of flags), ks (the largest
    distance between the two distribution functions). NaN where undetermined: different means without any spread have
    no smd. Before, every unit weighs 1, after as in `result.weights`. Columns of 0 and 1 and of true and false are
    flags, with variance p(1 - p); text and categories become a flag per level, `name=level`.

    A Spark table gives a Spark table of the same numbers; a task holds one covariate, some 60 bytes for each value that
    an arm has with one weight.

    ContractError for missing columns, DataError for values that are missing or not finite.
    """
    if denominator not in _DENOMINATORS:
        raise ContractError(f"balance: the denominator is {denominator!r}; known are {', '.join(_DENOMINATORS)}")
    matching = result.matching
    missing = [name for name in (matching.id, matching.treated, *covariates) if name not in units.columns]
    if missing:
        raise ContractError(f"balance: the units have no column {', '.join(missing)}")
    if not isinstance(units, pd.DataFrame):
        from counterpart.matching.balance_frame import balance_frame

        return balance_frame(units, result, covariates, denominator)
    is_treated, weights = read_arm(units, matching.treated), _weights_after(units[matching.id], result)
    rows = [row for name in covariates for row in compare_column(units[[name]], is_treated, weights, denominator)]
    return pd.DataFrame(rows, columns=list(BALANCE_COLUMNS))


BALANCE_COLUMNS = (
    "covariate",
    "phase",
    "mean_treated",
    "mean_control",
    "smd",
    "variance_ratio",
    "ks",
    "smd_denominator",
)
"""The columns of a balance."""


def compare_column(
    column: pd.DataFrame,
    is_treated: Flags,
    weights_after: Floats,
    denominator: Denominator,
    counts: Counts | None = None,
) -> list[dict[str, Any]]:
    """The rows of one column (a table of it alone) of all units, or of as many units each as `counts` says."""
    phases = {"before": np.ones(len(column)), "after": weights_after}
    counted = np.ones(len(column), dtype=np.int64) if counts is None else counts
    rows: list[dict[str, Any]] = []
    for name, values in _values_of(column):
        is_flag = bool(np.isin(values, (0.0, 1.0)).all())
        arms: dict[str, Arms] = {}
        for phase, weights in phases.items():
            treated, controls = (sample_of(values[a], weights[a], counted[a]) for a in (is_treated, ~is_treated))
            arms[phase] = treated, controls
        spread = _spread(arms["before"], is_flag, denominator)
        rows += [{"covariate": name, "phase": phase, **_compare(*arms[phase], spread, is_flag)} for phase in phases]
    return [row | {"smd_denominator": _DENOMINATORS[denominator]} for row in rows]


def refuse_unknown(n_unknown: int) -> None:
    """ContractError if the match is of another table."""
    if n_unknown:
        raise ContractError(f"balance: {n_unknown:,} matched ids are not in this table of units")


def _weights_after(ids: pd.Series, result: Matched[Any]) -> Floats:
    """Weights in the order of the units, 0 for those in no set."""
    units, matched = decoded(ids), decoded(result.weights["id"])
    weights = result.weights["weight"].groupby(matched, sort=False).agg(math.fsum)
    refuse_unknown(int((~weights.index.isin(units)).sum()))
    return units.map(weights).fillna(0.0).to_numpy(dtype=np.float64)


def _values_of(column: pd.DataFrame) -> Iterator[tuple[str, Floats]]:
    name = str(column.columns[0])
    if pd.api.types.is_numeric_dtype(column[name]) or pd.api.types.is_bool_dtype(column[name]):
        yield name, read_numbers(column, (name,))[:, 0]
        return
    refuse_missing_in(column, name)
    text = column[name].astype("string")
    for level in sorted(text.unique()):
        yield f"{name}={level}", (text == level).to_numpy(dtype=np.float64)


def _spread(before: Arms, is_flag: bool, denominator: Denominator) -> float:
    treated, controls = (variance_of(sample, is_flag) for sample in before)
    variance = {"pooled": (treated + controls) / 2, "treated": treated, "controls": controls}[denominator]
    return math.sqrt(variance) if variance >= 0 else math.nan


def _compare(treated: WeightedSample, controls: WeightedSample, spread: float, is_flag: bool) -> dict[str, float]:
    means = mean_of(treated), mean_of(controls)
    difference = means[0] - means[1]
    smd = 0.0 if difference == 0 else difference / spread if spread > 0 else math.nan
    ratio = math.nan
    if not is_flag:
        variances = variance_of(treated, False), variance_of(controls, False)
        ratio = variances[0] / variances[1] if variances[1] > 0 else math.nan
    return {
        "mean_treated": means[0],
        "mean_control": means[1],
        "smd": smd,
        "variance_ratio": ratio,
        "ks": largest_gap(treated, controls),
    }
