"""What a released study says: a page, plots, a few lines for the terminal. Reads the released document only."""

from counterpart.report.page import render_report
from counterpart.report.plots import draw_plots, save_plots
from counterpart.report.summary import summarise, summarise_attrition

__all__ = ["draw_plots", "render_report", "save_plots", "summarise", "summarise_attrition"]
