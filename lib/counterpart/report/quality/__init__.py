"""What released tallies of a site say: notes in plain words, a page, plots. Reads the released document only."""

from counterpart.report.quality.notes import find_notes
from counterpart.report.quality.page import render_quality

__all__ = ["find_notes", "render_quality"]
