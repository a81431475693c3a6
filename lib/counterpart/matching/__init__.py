"""Matching: each treated unit gets its nearest controls, exact on strata, inside calipers, a person serving once.

`match` takes a table of one's own, without Spark, and `balance` says how alike the arms became. The study's own stage
is `counterpart.matching.nearest`.
"""

from counterpart.matching.balance import balance
from counterpart.matching.match import match
from counterpart.matching.result import Matched

__all__ = ["Matched", "balance", "match"]
