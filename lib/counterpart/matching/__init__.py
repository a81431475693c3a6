"""Matching: each treated unit gets its nearest controls, exact on strata, inside calipers, a person serving once.

`match` takes a table of one's own, pandas (without Spark) or Spark; `plan` says what a Spark table will take, and
`balance` how alike the arms became.
"""

from counterpart.matching.balance import balance
from counterpart.matching.match import match, plan
from counterpart.matching.result import Matched

__all__ = ["Matched", "balance", "match", "plan"]
