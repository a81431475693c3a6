"""A table of units as the arrays the kernels know: checked, the arms apart, ties decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from counterpart.errors import ContractError, DataError
from counterpart.matching.spread import FIXED_ONE, LARGEST_LOGIT

if TYPE_CHECKING:
    from counterpart.protocol import Matching

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """One element or row per unit, in the table's order.

    `key` decides ties: distinct, smaller first, made of `tie_order`, the stable hash of the id under the seed and, if
    hashes are equal, the id. `logit` is fixed-point (2^-31), None without a score; `person` None where every unit is a
    person. `covariates` (n, d) and `box` (n, b) are the columns of `matching.covariates` and `matching.calipers`.
    `is_control` leaves out whom `one_role` bars.
    """

    is_treated: npt.NDArray[np.bool_]
    is_control: npt.NDArray[np.bool_]
    key: Longs
    stratum: Longs
    person: Longs | None
    logit: Longs | None
    covariates: Floats
    box: Floats


def read_units(table: pd.DataFrame, matching: Matching, seed: int) -> Units:
    """The units of a table. ContractError for missing columns, DataError for values no match can use, with counts."""
    _check_columns(table, matching)
    is_treated = read_arm(table, matching.treated)
    person = None if matching.person is None else _codes(table, matching.person)
    is_control = ~is_treated
    if matching.one_role and person is not None:
        is_control &= ~np.isin(person, person[is_treated])
    return Units(
        is_treated=is_treated,
        is_control=is_control,
        key=_keys(table, matching, seed),
        stratum=_strata(table, matching.exact),
        person=person,
        logit=None if matching.score is None else _logits(table, matching.score, matching.score_scale),
        covariates=read_numbers(table, matching.covariates),
        box=read_numbers(table, tuple(matching.calipers)),
    )


def _check_columns(table: pd.DataFrame, matching: Matching) -> None:
    optional = (matching.person, matching.tie_order, matching.score)
    needed = [matching.id, matching.treated, *(name for name in optional if name), *matching.exact]
    needed += [*matching.covariates, *matching.calipers]
    missing = [name for name in dict.fromkeys(needed) if name not in table.columns]
    if missing:
        raise ContractError(f"matching: the units have no column {', '.join(missing)}; needed are {', '.join(needed)}")


def refuse_missing(table: pd.DataFrame, name: str) -> None:
    """DataError if a value is missing."""
    n_missing = int(table[name].isna().sum())
    if n_missing:
        raise DataError(f"matching: {name} is missing in {n_missing:,} of {len(table):,} units; every unit needs it")


def read_arm(table: pd.DataFrame, name: str) -> npt.NDArray[np.bool_]:
    """Who is treated, from true and false or 1 and 0."""
    refuse_missing(table, name)
    values = table[name]
    if not (
        pd.api.types.is_bool_dtype(values) or (pd.api.types.is_numeric_dtype(values) and values.isin((0, 1)).all())
    ):
        raise DataError(f"matching: {name} must be true and false, or 1 (treated) and 0 (control)")
    return values.to_numpy(dtype=bool)


def _codes(table: pd.DataFrame, name: str) -> Longs:
    refuse_missing(table, name)
    return pd.factorize(table[name])[0].astype(np.int64)


def _strata(table: pd.DataFrame, exact: tuple[str, ...]) -> Longs:
    """Codes of equal values; missing values are equal to each other."""
    if not exact:
        return np.zeros(len(table), dtype=np.int64)
    codes = table.groupby(list(exact), dropna=False, sort=False, observed=True).ngroup()
    return codes.to_numpy(dtype=np.int64)


def _keys(table: pd.DataFrame, matching: Matching, seed: int) -> Longs:
    """What decides a tie, in one place: tie_order, then the stable hash of the id, then the id."""
    refuse_missing(table, matching.id)
    ids = table[matching.id]
    n_again = int(ids.duplicated().sum())
    if n_again:
        raise DataError(f"matching: {n_again:,} of {len(table):,} units have an {matching.id} that was there before")
    hashes = hash_ids(ids, seed)
    if matching.tie_order is None and len(np.unique(hashes)) == len(hashes):
        return hashes
    by: list[Any] = [pd.factorize(ids, sort=True)[0], hashes]
    if matching.tie_order is not None:
        refuse_missing(table, matching.tie_order)
        by.append(pd.factorize(table[matching.tie_order], sort=True)[0])
    keys = np.empty(len(table), dtype=np.int64)
    keys[np.lexsort(by)] = np.arange(len(table))
    return keys


def hash_ids(ids: pd.Series, seed: int) -> Longs:
    """The stable order of ids, whole numbers or text: the bits of `counterpart.ordering.stable_order`."""
    # Numba loads when there is something to match.
    from counterpart.numerics.hashing import hash_longs, hash_texts

    if pd.api.types.is_integer_dtype(ids):
        return hash_longs(ids.to_numpy(dtype=np.int64), seed)
    values = ids.to_numpy(dtype=object)
    if pd.api.types.infer_dtype(values, skipna=False) not in ("string", "empty"):
        raise DataError(f"matching: {ids.name} must be text or whole numbers")
    return hash_texts(values, seed)


def _logits(table: pd.DataFrame, name: str, scale: str) -> Longs:
    score = read_numbers(table, (name,))[:, 0]
    if scale == "probability":
        n_outside = int(((score <= 0) | (score >= 1)).sum())
        if n_outside:
            raise DataError(
                f"matching: {name} is not strictly between 0 and 1 in {n_outside:,} of {len(table):,} units, where the "
                "logit is not finite; give probabilities, or logits with score_scale: logit"
            )
        score = np.log(score) - np.log1p(-score)
    n_large = int((np.abs(score) >= LARGEST_LOGIT).sum())
    if n_large:
        raise DataError(f"matching: {name} is {LARGEST_LOGIT:,} or more in size in {n_large:,} units: no logit is")
    return np.rint(score * FIXED_ONE).astype(np.int64)


def read_numbers(table: pd.DataFrame, names: tuple[str, ...]) -> Floats:
    """The columns as floats, finite each."""
    columns = np.empty((len(table), len(names)))
    for i, name in enumerate(names):
        values = table[name]
        if not pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            raise DataError(f"matching: {name} must hold numbers; give a category as columns of 0 and 1, or as exact")
        refuse_missing(table, name)
        columns[:, i] = values.to_numpy(dtype=np.float64)
        n_infinite = int((~np.isfinite(columns[:, i])).sum())
        if n_infinite:
            raise DataError(f"matching: {name} is not finite in {n_infinite:,} of {len(table):,} units")
    # -0.0 and 0.0 are one value and must have one hash.
    return columns + 0.0
