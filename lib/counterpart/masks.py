"""Sets of small numbers in words of bits: what an aggregation can fold without holding a list.

A set of up to 62 numbers is one bigint column; more take more columns. The columns of a set are called NAME_0, NAME_1,
and so on; of a set that nothing was folded into they are 0 or, after an outer join, null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column

_BITS_PER_WORD = 62


def fold_numbers(number: str, n_numbers: int, name: str) -> list[Column]:
    """Aggregates: the set of the numbers (0 to `n_numbers` - 1; others and nulls are left out) of a group's rows."""
    return [
        F.coalesce(F.bit_or(_bit_in_word(number, word)), F.lit(0)).cast("bigint").alias(f"{name}_{word}")
        for word in range(_n_words(n_numbers))
    ]


def has_number(name: str, number: int) -> Column:
    """Is the number in the set? Null where the set is."""
    word, bit = divmod(number, _BITS_PER_WORD)
    return F.col(f"{name}_{word}").bitwiseAND(F.lit(1 << bit)) != 0


def _bit_in_word(number: str, word: int) -> Column:
    first = word * _BITS_PER_WORD
    is_inside = F.col(number).between(first, first + _BITS_PER_WORD - 1)
    return F.when(is_inside, F.expr(f"shiftleft(1L, {number} - {first})"))


def _n_words(n_numbers: int) -> int:
    return max(1, -(-n_numbers // _BITS_PER_WORD))
