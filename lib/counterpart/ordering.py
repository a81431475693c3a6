"""The one deterministic order: a stable hash of a key and the seed. Nothing else may break a tie or draw a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column


def stable_order(seed: int, *keys: Column | str) -> Column:
    """A pseudo-random BIGINT per key, the same on every machine, partitioning and run.

    xxHash64 of the seed and the keys (Collet 2012), as Spark computes it. Sort by it, then by the keys themselves:
    equal hashes are possible, if not likely.
    """
    return F.xxhash64(F.lit(seed).cast("bigint"), *keys)


def stable_share(seed: int, *keys: Column | str) -> Column:
    """A BIGINT in 0 .. 2^31 - 1 from the stable order: `stable_share(...) < share * 2^31` samples that share."""
    return F.shiftrightunsigned(stable_order(seed, *keys), 33)
