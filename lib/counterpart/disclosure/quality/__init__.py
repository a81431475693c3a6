"""The way out for a site's tallies: every count rounded to a multiple of 11 or withheld, every share of such counts."""

from counterpart.disclosure.quality.release import release_quality
from counterpart.disclosure.quality.tallied import SiteTallies

__all__ = ["SiteTallies", "release_quality"]
