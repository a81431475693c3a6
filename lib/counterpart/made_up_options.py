"""The options of the commands that make claims up, with the shell's defaults; Python's are the settings' own."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

SAY_DEFAULT = " (default %(default)s)"
"""Ends the help of an option."""


def add_story_options(command: argparse.ArgumentParser) -> None:
    """How many members, and what happens to them."""
    add = command.add_argument
    add("--members", type=int, default=100_000, metavar="N", help=f"how many are made up{SAY_DEFAULT}")
    add("--seed", type=int, default=1, metavar="N", help=f"decides all chance{SAY_DEFAULT}")
    add("--rate-ratio", type=float, default=0.40, metavar="X", help=f"planted ratio of imaging rates{SAY_DEFAULT}")
    add("--dirt", choices=("none", "typical"), default="typical", help=f"what real deliveries have{SAY_DEFAULT}")


def add_synth_options(command: argparse.ArgumentParser) -> None:
    """All of them."""
    add_story_options(command)
    add, first, last = command.add_argument, date(2016, 1, 1), date(2021, 9, 30)
    add("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    add("--start", type=a_day, default=first, metavar="DAY", help=f"first day of service{SAY_DEFAULT}")
    add("--end", type=a_day, default=last, metavar="DAY", help=f"last day of service{SAY_DEFAULT}")
    hidden = f"strength of a cause no claim shows{SAY_DEFAULT}"
    add("--hidden-confounding", type=float, default=0.0, metavar="X", help=hidden)
    written = f"share of the members without an index date that is written{SAY_DEFAULT}"
    add("--bystanders", type=float, default=1.0, metavar="SHARE", help=written)
    add("--workers", type=int, default=None, metavar="N", help="processes (default: one per core)")


def a_day(text: str) -> date:
    """A date as an argument."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2021-09-30") from None
