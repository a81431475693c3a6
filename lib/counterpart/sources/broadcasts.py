"""What every executor is given, so that no wide row is moved to be joined with it.

Spark's own limit of 10 MB, by the size of files, ends at some 1.3 million keys; beyond it all rows of a delivery would
be sorted, and again for each that reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Of Java's memory, in each executor and at the driver, while one join is at work: three million keys of eight bytes.
MOST_BROADCAST_BYTES = 2**28
# Spark keeps rows by a whole number in a table of that and an address, filled to a half at most and just after it has
# grown to a quarter, and beside it the rows, each with the nulls it has and the address of the next.
_BYTES_A_ROW, _BYTES_A_FIELD = 4 * 16 + 8 + 8, 8


def is_small(staged: DataFrame) -> bool:
    """May rows of numbers and days, joined by one number, go to every executor? Counts them: they should be staged."""
    return staged.count() * (_BYTES_A_ROW + _BYTES_A_FIELD * len(staged.columns)) <= MOST_BROADCAST_BYTES


def given_to_all(staged: DataFrame) -> DataFrame:
    """The same, for the smaller side of a join: broadcast if it `is_small`, else as Spark decides."""
    return F.broadcast(staged) if is_small(staged) else staged
