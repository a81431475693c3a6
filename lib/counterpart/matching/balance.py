"""How alike the arms of a matched table are, before and after."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from counterpart.errors import ContractError
from counterpart.matching.units import read_arm, read_numbers, refuse_missing
from counterpart.numerics.balance import SMD_DENOMINATOR
from counterpart.numerics.weighted import Floats, Sample, largest_gap, mean_of, variance_of

if TYPE_CHECKING:
    from counterpart.matching.result import Matched

Denominator = Literal["pooled", "treated", "controls"]

_DENOMINATORS = {
    "pooled": SMD_DENOMINATOR,
    "treated": "standard deviation of the treated before matching",
    "controls": "standard deviation of the controls before matching",
}


def balance(
    units: pd.DataFrame, result: Matched, covariates: Sequence[str], denominator: Denominator = "pooled"
) -> pd.DataFrame:
    """Covariates of a table that was matched -> one row per covariate and phase, `before` and `after`.

    Columns: covariate, phase, mean_treated, mean_control, smd (standardised mean difference, treated minus control, and
    in `smd_denominator` what it was divided by), variance_ratio (treated over control; not of flags), ks (the largest
    distance between the two distribution functions). NaN where undetermined: different means without any spread have
    no smd. Before, every unit weighs 1, after as in `result.weights`. Columns of 0 and 1 and of true and false are
    flags, with variance p(1 - p); text and categories become a flag per level, `name=level`.

    ContractError for missing columns, DataError for values that are missing or not finite.
    """
    if denominator not in _DENOMINATORS:
        raise ContractError(f"balance: the denominator is {denominator!r}; known are {', '.join(_DENOMINATORS)}")
    matching = result.matching
    missing = [name for name in (matching.id, matching.treated, *covariates) if name not in units.columns]
    if missing:
        raise ContractError(f"balance: the units have no column {', '.join(missing)}")
    is_treated = read_arm(units, matching.treated)
    phases = {"before": np.ones(len(units)), "after": _weights_after(units[matching.id], result)}
    rows = []
    for name, values in _values_of(units, covariates):
        is_flag = bool(np.isin(values, (0.0, 1.0)).all())
        arms = {
            phase: (Sample(values[is_treated], weights[is_treated]), Sample(values[~is_treated], weights[~is_treated]))
            for phase, weights in phases.items()
        }
        spread = _spread(arms["before"], is_flag, denominator)
        rows += [{"covariate": name, "phase": phase, **_compare(*arms[phase], spread, is_flag)} for phase in phases]
    names = ("covariate", "phase", "mean_treated", "mean_control", "smd", "variance_ratio", "ks")
    return pd.DataFrame(rows, columns=list(names)).assign(smd_denominator=_DENOMINATORS[denominator])


def _weights_after(ids: pd.Series, result: Matched) -> Floats:
    """Weights in the order of the units, 0 for those in no set."""
    weights = result.weights.groupby("id", sort=False)["weight"].agg(math.fsum)
    unknown = ~weights.index.isin(ids)
    if unknown.any():
        raise ContractError(f"balance: {int(unknown.sum()):,} matched ids are not in this table of units")
    return ids.map(weights).fillna(0.0).to_numpy(dtype=np.float64)


def _values_of(units: pd.DataFrame, covariates: Sequence[str]) -> Iterator[tuple[str, Floats]]:
    for name in covariates:
        if pd.api.types.is_numeric_dtype(units[name]) or pd.api.types.is_bool_dtype(units[name]):
            yield name, read_numbers(units, (name,))[:, 0]
            continue
        refuse_missing(units, name)
        text = units[name].astype("string")
        for level in sorted(text.unique()):
            yield f"{name}={level}", (text == level).to_numpy(dtype=np.float64)


def _spread(before: tuple[Sample, Sample], is_flag: bool, denominator: Denominator) -> float:
    treated, controls = (variance_of(sample, is_flag) for sample in before)
    variance = {"pooled": (treated + controls) / 2, "treated": treated, "controls": controls}[denominator]
    return math.sqrt(variance) if variance >= 0 else math.nan


def _compare(treated: Sample, controls: Sample, spread: float, is_flag: bool) -> dict[str, float]:
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
