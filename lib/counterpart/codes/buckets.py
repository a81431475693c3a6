"""The buckets of a range of codes: the system and first three characters, by which claims meet code sets."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache

from counterpart.codes.encoding import BUCKET_SHIFT, NUMERIC, SYSTEM_SHIFT, SYSTEMS, decode

# 36 + 36^2 + 36^3 beginnings of up to three letters and digits exist; no range of a sensible number code needs more.
MAX_BUCKETS = 47_988
_ALPHANUMERIC = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NUMERIC_SYSTEMS = frozenset(SYSTEMS[name] for name in NUMERIC)


def buckets_of(low: int, high: int) -> Sequence[int]:
    """Buckets of a range that codes can fall into, ascending. ValueError if they are too many to be listed."""
    system = low >> SYSTEM_SHIFT
    first, last = low >> BUCKET_SHIFT, high >> BUCKET_SHIFT
    if system in _NUMERIC_SYSTEMS:
        if last - first >= MAX_BUCKETS:
            ends = " to ".join(decode(end)[1] for end in (low, high))
            raise ValueError(
                f"the range {ends} spans {last + 1 - first:,} buckets of codes; at most {MAX_BUCKETS:,} are allowed, "
                "use longer prefixes"
            )
        return range(first, last + 1)
    offset = system << (SYSTEM_SHIFT - BUCKET_SHIFT)
    beginnings = _beginnings()
    inside = beginnings[bisect_left(beginnings, first - offset) : bisect_right(beginnings, last - offset)]
    return [offset + beginning for beginning in inside]


@cache
def _beginnings() -> list[int]:
    """All beginnings of codes, as numbers: one to three letters and digits, left-aligned in three bytes."""
    ones = [bytes([a]) for a in _ALPHANUMERIC]
    twos = [a + b for a in ones for b in ones]
    threes = [ab + c for ab in twos for c in ones]
    return sorted(int.from_bytes(text.ljust(3, b"\0"), "big") for text in (*ones, *twos, *threes))
