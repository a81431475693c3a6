"""The only way out of the site for anything derived from members.

Nothing leaves with a member id, a date of one person, or a count of people or events from 1 to 10 (CMS cell size
suppression policy), nor with numbers from which such a count follows by adding and subtracting: see docs/disclosure.md.
"""

from counterpart.disclosure.explanation import release_explanation
from counterpart.disclosure.flow import release_empty_cohort
from counterpart.disclosure.intake import release_intake
from counterpart.disclosure.quality import SiteTallies, release_quality
from counterpart.disclosure.release import release
from counterpart.disclosure.results import StudyResults
from counterpart.disclosure.text import safe_text

__all__ = [
    "SiteTallies",
    "StudyResults",
    "release",
    "release_empty_cohort",
    "release_explanation",
    "release_intake",
    "release_quality",
    "safe_text",
]
