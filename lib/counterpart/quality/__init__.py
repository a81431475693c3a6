"""What the claims tables of a site are like, as integer tallies: rows, people, gaps, codes and amounts by month.

    tallies = tally_claims(members, enrollment, medical, pharmacy)

Every tally is an exact integer, so the same tables give the same tallies on any number of cores and partitions. Their
number grows with months and kinds of codes, never with members. They count few people here and there: only
`disclosure` may take them further.
"""

from counterpart.quality.claims import tally_claims

__all__ = ["tally_claims"]
