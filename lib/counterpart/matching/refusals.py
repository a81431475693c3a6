"""What no match can use, by column and count, in the same words whoever counted: NumPy or Spark.

Never an id, and no count from 1 to 10: messages are printed, logged and handed to schedulers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from counterpart.errors import ContractError, DataError
from counterpart.matching.spread import LARGEST_LOGIT
from counterpart.small_counts import in_words, part_in_words

if TYPE_CHECKING:
    from counterpart.protocol import Matching

LARGEST_WHOLE = 2**53
"""Below it every whole number is a float."""


def refuse_seed(seed: object) -> None:
    """ContractError if it is no whole number of 64 bits, which the hash takes."""
    is_whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not (is_whole and -(2**63) <= seed < 2**63):  # type: ignore[operator]  # known to be a whole number
        raise ContractError(f"matching: the seed must be a whole number from -2^63 to 2^63 - 1; it is {seed!r}")


def refuse_absent(missing: Sequence[str], needed: Sequence[str]) -> None:
    """ContractError if columns are not there."""
    if missing:
        raise ContractError(f"matching: the units have no column {', '.join(missing)}; needed are {', '.join(needed)}")


def refuse_twice(names: Sequence[str], needed: Collection[str]) -> None:
    """ContractError if a column is there more than once: nobody could say which is meant."""
    counts = Counter(names)
    twice = sorted(name for name in needed if counts[name] > 1)
    if twice:
        raise ContractError(f"matching: the units have more than one column {', '.join(twice)}")


def refuse_counted(counts: Counter[str], matching: Matching) -> None:
    """DataError for what was counted in the engine's columns (see `columns`), under the names of the settings.

    Counts: `n_units`, `n_no_arm`, `n_outside` and `n_large` of scores, and by column `missing_`, `infinite_` and, of
    whole numbers, `inexact_`.
    """
    n_units = counts["n_units"]
    if counts["n_no_arm"]:
        raise no_arm(matching.treated)
    refuse_missing(matching.treated, counts["missing_is_treated"], n_units)
    for own, name in (("unit", matching.id), ("person", matching.person), ("tie", matching.tie_order)):
        if name is not None:
            refuse_missing(name, counts[f"missing_{own}"], n_units)
    numbers = {f"covariate_{i}": name for i, name in enumerate(matching.covariates)}
    numbers |= {f"caliper_{i}": name for i, name in enumerate(matching.calipers)}
    numbers |= {} if matching.score is None else {"score": matching.score}
    for own, name in numbers.items():
        refuse_missing(name, counts[f"missing_{own}"], n_units)
        refuse_infinite(name, counts[f"infinite_{own}"], n_units)
        refuse_inexact(name, counts[f"inexact_{own}"], n_units)
    if matching.score is not None:
        if matching.score_scale == "probability":
            refuse_outside(matching.score, counts["n_outside"], n_units)
        refuse_large(matching.score, counts["n_large"])


def refuse_missing(name: str, n_missing: int, n_units: int) -> None:
    """DataError if a value is missing."""
    if n_missing:
        raise DataError(
            f"matching: {name} is missing in {part_in_words(n_missing, n_units)} units; every unit needs it"
        )


def refuse_infinite(name: str, n_infinite: int, n_units: int) -> None:
    """DataError if a value is infinite, or no number."""
    if n_infinite:
        raise DataError(f"matching: {name} is not finite in {part_in_words(n_infinite, n_units)} units")


def refuse_inexact(name: str, n_inexact: int, n_units: int) -> None:
    """DataError for whole numbers that as floats are not apart from their neighbours."""
    if n_inexact:
        raise DataError(
            f"matching: {name} is {LARGEST_WHOLE:,} (2^53) or more in size in {part_in_words(n_inexact, n_units)} "
            "units, where differences of whole numbers are not exact; subtract a constant, or give it as exact"
        )


def refuse_outside(name: str, n_outside: int, n_units: int) -> None:
    """DataError if a probability has no logit."""
    if n_outside:
        raise DataError(
            f"matching: {name} is not strictly between 0 and 1 in {part_in_words(n_outside, n_units)} units, where the "
            "logit is not finite; give probabilities, or logits with score_scale: logit"
        )


def refuse_large(name: str, n_large: int) -> None:
    """DataError if a logit is too large for fixed point."""
    if n_large:
        raise DataError(
            f"matching: {name} is {LARGEST_LOGIT:,} or more in size in {in_words(n_large)} units; "
            "no logit is that large"
        )


def refuse_repeated(name: str, n_again: int, n_units: int) -> None:
    """DataError if an id names several units."""
    if n_again:
        raise DataError(
            f"matching: {part_in_words(n_again, n_units)} units have a value of {name} that another unit already has"
        )


def no_arm(name: str) -> DataError:
    """The column of arms holds something else."""
    return DataError(f"matching: {name} must be true and false, or 1 (treated) and 0 (control)")


def no_id(name: str) -> DataError:
    """Ids are neither text nor whole numbers."""
    return DataError(f"matching: {name} must be text or whole numbers")


def no_unicode(name: str) -> DataError:
    """Ids hold half of a character, which no file and no other system takes."""
    return DataError(f"matching: {name} holds text that is not valid Unicode (lone surrogates)")


def not_comparable(names: Sequence[str]) -> DataError:
    """Values of which nobody can say whether they are equal."""
    return DataError(f"matching: {', '.join(names)} must hold values that can be compared, not lists or the like")


def no_number(name: str) -> DataError:
    """A column that is measured holds no numbers."""
    return DataError(f"matching: {name} must hold numbers; give a category as columns of 0 and 1, or as exact")
