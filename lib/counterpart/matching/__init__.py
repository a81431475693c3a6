"""Matching: each treated unit gets its nearest controls, exact on strata, inside calipers, a person serving once.

`match` takes a table of one's own, without Spark. The study's own stage is `counterpart.matching.nearest`.
"""

from counterpart.matching.match import match
from counterpart.matching.result import Matched

__all__ = ["Matched", "match"]
