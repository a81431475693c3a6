"""A table of units as the arrays the kernels know: checked, the arms apart, ties decided."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from counterpart.matching import refusals
from counterpart.matching.spread import LARGEST_LOGIT
from counterpart.numerics.pairs import FIXED_ONE

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
    `is_control` leaves out whom `one_role` bars. `has_counterpart` says of the units that look for counterparts
    whether their stratum holds a unit of another person and the other arm.
    """

    is_treated: npt.NDArray[np.bool_]
    is_control: npt.NDArray[np.bool_]
    key: Longs
    stratum: Longs
    person: Longs | None
    logit: Longs | None
    covariates: Floats
    box: Floats
    has_counterpart: npt.NDArray[np.bool_]

    def arms(self, direction: str) -> tuple[Longs, Longs]:
        """Rows that look for counterparts, and rows they look among."""
        treated, controls = np.flatnonzero(self.is_treated), np.flatnonzero(self.is_control)
        return (controls, treated) if direction == "control_to_treated" else (treated, controls)


def read_units(table: pd.DataFrame, matching: Matching, seed: int) -> Units:
    """The units of a table. ContractError for missing columns, DataError for values no match can use, with counts."""
    _check_columns(table, matching)
    is_treated = read_arm(table, matching.treated)
    person = None if matching.person is None else _codes(table, matching.person)
    is_control = _may_be_controls(is_treated, person, matching)
    stratum = codes_of_strata(table, list(matching.exact), len(table))
    rows = np.flatnonzero(is_treated), np.flatnonzero(is_control)
    focal, pool = rows[::-1] if matching.direction == "control_to_treated" else rows
    return Units(
        is_treated=is_treated,
        is_control=is_control,
        key=_keys(table, matching, seed),
        stratum=stratum,
        person=person,
        logit=None if matching.score is None else _logits(table, matching.score, matching.score_scale),
        covariates=_measured(table, matching.covariates),
        box=_measured(table, tuple(matching.calipers)),
        has_counterpart=_have_counterparts(stratum, person, focal, pool),
    )


def _may_be_controls(
    is_treated: npt.NDArray[np.bool_], person: Longs | None, matching: Matching
) -> npt.NDArray[np.bool_]:
    if not matching.one_role or person is None:
        return ~is_treated
    return ~is_treated & ~np.isin(person, person[is_treated])


def units_of(table: pa.Table, keys: Longs, matching: Matching) -> Units:
    """Units of Spark in the engine's columns (see `columns`), checked there, with `stratum`.

    In a task `has_counterpart` is one of them: known of the whole table, where a task may have a part.
    """
    is_treated = _numbers(table, "is_treated").astype(bool)
    person = None
    if matching.person is not None:
        person = pd.factorize(table.column("person").to_pandas())[0].astype(np.int64)
    units = Units(
        is_treated=is_treated,
        is_control=_may_be_controls(is_treated, person, matching),
        key=keys,
        stratum=_numbers(table, "stratum"),
        person=person,
        logit=None if matching.score is None else _numbers(table, "logit"),
        covariates=_matrix(table, "covariate", len(matching.covariates)),
        box=_matrix(table, "caliper", len(matching.calipers)),
        has_counterpart=np.zeros(table.num_rows, dtype=bool),
    )
    if "has_counterpart" in table.column_names:
        return replace(units, has_counterpart=_numbers(table, "has_counterpart").astype(bool))
    focal, pool = units.arms(matching.direction)
    return replace(units, has_counterpart=_have_counterparts(units.stratum, person, focal, pool))


def _numbers(table: pa.Table, name: str) -> Any:
    return table.column(name).to_numpy()


def _matrix(table: pa.Table, name: str, n_columns: int) -> Any:
    columns = np.empty((table.num_rows, n_columns))
    for i in range(n_columns):
        columns[:, i] = _numbers(table, f"{name}_{i}")
    # -0.0 and 0.0 are one value and must have one hash.
    return columns + 0.0


def needed_columns(matching: Matching) -> list[str]:
    """The columns that the settings name, each once."""
    optional = (matching.person, matching.tie_order, matching.score)
    needed = [matching.id, matching.treated, *(name for name in optional if name), *matching.exact]
    return list(dict.fromkeys([*needed, *matching.covariates, *matching.calipers]))


def _check_columns(table: pd.DataFrame, matching: Matching) -> None:
    needed = needed_columns(matching)
    refusals.refuse_absent([name for name in needed if name not in table.columns], needed)
    refusals.refuse_twice(list(table.columns), needed)


def refuse_missing_in(table: pd.DataFrame, name: str) -> None:
    """DataError if a value is missing."""
    refusals.refuse_missing(name, int(table[name].isna().sum()), len(table))


def read_arm(table: pd.DataFrame, name: str) -> npt.NDArray[np.bool_]:
    """Who is treated, from true and false or 1 and 0."""
    refuse_missing_in(table, name)
    values = table[name]
    if not (
        pd.api.types.is_bool_dtype(values) or (pd.api.types.is_numeric_dtype(values) and values.isin((0, 1)).all())
    ):
        raise refusals.no_arm(name)
    return values.to_numpy(dtype=bool)


def _codes(table: pd.DataFrame, name: str) -> Longs:
    refuse_missing_in(table, name)
    with _comparing(name):
        return pd.factorize(table[name])[0].astype(np.int64)


def codes_of_strata(table: pd.DataFrame, exact: list[str], n_units: int) -> Longs:
    """Codes of equal values in all the exact columns; missing values are equal to each other."""
    if not exact:
        return np.zeros(n_units, dtype=np.int64)
    # Columns, not names: an index may be called as one of them.
    columns = [_missing_in_one_way(table[name]) for name in exact]
    with _comparing(*exact):
        codes = table.groupby(columns, dropna=False, sort=False, observed=True).ngroup()
    return codes.to_numpy(dtype=np.int64)


def _missing_in_one_way(values: pd.Series) -> pd.Series:
    """A float that pandas lets be missing may be not a number besides."""
    if isinstance(values.dtype, np.dtype) or not pd.api.types.is_float_dtype(values):
        return values
    return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)


@contextmanager
def _comparing(*names: str) -> Iterator[None]:
    try:
        yield
    except TypeError:
        raise refusals.not_comparable(names) from None


def _keys(table: pd.DataFrame, matching: Matching, seed: int) -> Longs:
    """What decides a tie, in one place: tie_order, then the stable hash of the id, then the id."""
    refuse_missing_in(table, matching.id)
    if matching.tie_order is not None:
        refuse_missing_in(table, matching.tie_order)
    ids, ties = table[matching.id], None if matching.tie_order is None else _in_order(table[matching.tie_order])
    hashes = hash_ids(ids, seed)
    with _comparing(matching.tie_order or matching.id):
        keys, n_again = rank_ties(ids, hashes, ties)
    refusals.refuse_repeated(matching.id, n_again, len(table))
    return keys


def decoded(values: pd.Series) -> pd.Series:
    """Values of a category, or of Arrow's dictionary, as what they stand for."""
    kind = values.dtype
    if isinstance(kind, pd.ArrowDtype) and pa.types.is_dictionary(kind.pyarrow_dtype):
        return values.astype(pd.ArrowDtype(kind.pyarrow_dtype.value_type))
    if isinstance(kind, pd.CategoricalDtype):
        return values.astype(object if values.hasnans else kind.categories.dtype)
    return values


def _in_order(ties: pd.Series) -> pd.Series:
    """Categories without an order of their own stand in that of their values, not in that of their first rows."""
    has_order = isinstance(ties.dtype, pd.CategoricalDtype) and bool(ties.dtype.ordered)
    return ties if has_order else decoded(ties)


def rank_ties(ids: pd.Series, hashes: Longs, ties: pd.Series | None) -> tuple[Longs, int]:
    """Distinct keys by (tie_order, hash, id), in any part of a table the same order; and how many ids were repeated."""
    # Sorted, because NumPy's unique takes ten times as long. Whoever has a hash of one's own has such an id.
    in_order = np.sort(hashes)
    are_distinct = not bool((in_order[1:] == in_order[:-1]).any())
    if are_distinct and ties is None:
        return hashes, 0
    n_again = 0 if are_distinct else int(ids.duplicated().sum())
    by: list[Any] = [pd.factorize(ids, sort=True)[0], hashes]
    if ties is not None:
        by.append(pd.factorize(ties, sort=True)[0])
    keys = np.empty(len(ids), dtype=np.int64)
    keys[np.lexsort(by)] = np.arange(len(ids))
    return keys, n_again


def hash_ids(ids: pd.Series, seed: int) -> Longs:
    """The stable order of ids, whole numbers or text: the bits of `counterpart.ordering.stable_order`."""
    # Numba loads when there is something to match.
    from counterpart.numerics.hashing import hash_longs, hash_texts

    plain, name = decoded(ids), str(ids.name)
    if pd.api.types.is_integer_dtype(plain):
        return hash_longs(plain.to_numpy(dtype=np.int64), seed)
    values = plain.to_numpy(dtype=object)
    kind = pd.api.types.infer_dtype(values, skipna=False)
    try:
        if kind == "integer":
            return hash_longs(values.astype(np.int64), seed)
        if kind in ("string", "empty"):
            return hash_texts(values, seed)
    except UnicodeEncodeError:
        raise refusals.no_unicode(name) from None
    except OverflowError:
        pass  # more than 64 bits
    raise refusals.no_id(name)


def _logits(table: pd.DataFrame, name: str, scale: str) -> Longs:
    score = read_numbers(table, (name,))[:, 0]
    if scale == "probability":
        refusals.refuse_outside(name, int(((score <= 0) | (score >= 1)).sum()), len(table))
        score = logit_of(score)
    refusals.refuse_large(name, int((np.abs(score) >= LARGEST_LOGIT).sum()))
    return np.rint(score * FIXED_ONE).astype(np.int64)


def logit_of(probability: Any) -> Any:
    """The logit, by the one formula whose bits decide distances, with and without Spark."""
    return np.log(probability) - np.log1p(-probability)


def read_numbers(table: pd.DataFrame, names: tuple[str, ...]) -> Floats:
    """The columns as floats, finite each."""
    columns = np.empty((len(table), len(names)))
    for i, name in enumerate(names):
        values = table[name]
        if not pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            raise refusals.no_number(name)
        refuse_missing_in(table, name)
        columns[:, i] = values.to_numpy(dtype=np.float64)
        refusals.refuse_infinite(name, int((~np.isfinite(columns[:, i])).sum()), len(table))
    # -0.0 and 0.0 are one value and must have one hash.
    return columns + 0.0


def _measured(table: pd.DataFrame, names: tuple[str, ...]) -> Floats:
    """The columns as floats that tell all their values apart."""
    columns = read_numbers(table, names)
    for i, name in enumerate(names):
        if pd.api.types.is_integer_dtype(table[name]):
            n_inexact = int((np.abs(columns[:, i]) >= refusals.LARGEST_WHOLE).sum())
            refusals.refuse_inexact(name, n_inexact, len(table))
    return columns


def _have_counterparts(stratum: Longs, person: Longs | None, focal: Longs, pool: Longs) -> npt.NDArray[np.bool_]:
    n_strata, found = int(stratum.max(initial=-1)) + 1, np.zeros(len(stratum), dtype=bool)
    if person is None and n_strata <= 1:
        found[focal] = len(pool) > 0
        return found
    if person is None:
        found[focal] = (np.bincount(stratum[pool], minlength=n_strata) > 0)[stratum[focal]]
        return found
    first, last = np.full(n_strata, np.iinfo(np.int64).max), np.full(n_strata, -1)
    np.minimum.at(first, stratum[pool], person[pool])
    np.maximum.at(last, stratum[pool], person[pool])
    own, at = person[focal], stratum[focal]
    found[focal] = (last[at] >= 0) & ((first[at] != own) | (last[at] != own))
    return found
