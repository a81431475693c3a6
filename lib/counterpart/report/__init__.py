"""What a released study says: a page for people, a few lines for the terminal. Reads the released document only."""

from counterpart.report.page import render_report
from counterpart.report.summary import summarise

__all__ = ["render_report", "summarise"]
