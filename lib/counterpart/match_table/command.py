"""The command `match-table`: its arguments, and who carries it out.

What reads and matches tables is imported when it has to: `--help` and a wrong argument answer at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from counterpart.progress import TerminalProgress, say

# The settings of `Matching` by what is written for them; a VALUE is YAML, so null and {age: 5} are possible.
MATCHING_OPTIONS = {
    **dict.fromkeys(("id", "treated", "person", "tie_order", "score"), "COLUMN"),
    **dict.fromkeys(("exact", "covariates"), "A,B"),
    **dict.fromkeys(("score_scale", "caliper", "caliper_scale", "calipers", "distance", "covariance"), "VALUE"),
    **dict.fromkeys(("pseudo_inverse", "ratio", "min_ratio", "replace", "reuse", "direction", "order"), "VALUE"),
    **dict.fromkeys(("search", "recall", "one_role"), "VALUE"),
}


def add_match_table(commands: Any) -> None:
    """Add the command to those of a parser."""
    about = "match the units of a table of your own"
    command = commands.add_parser(
        "match-table", help=about, description=f"{about}; docs/matching.md explains every option"
    )
    command.set_defaults(run=_match_table)
    command.add_argument("units", help="Parquet (a file or a folder) or CSV, with --spark Parquet or Delta")
    result = command.add_mutually_exclusive_group(required=True)
    result.add_argument("--out", metavar="DIR", help="a new folder")
    result.add_argument("--plan", action="store_true", help="print the plan only, pair nobody (implies --spark)")
    command.add_argument(
        "--spark", action="store_true", help="match with Spark: tables larger than memory, any address Spark reads"
    )
    command.add_argument("--catalog", action="store_true", help="with --spark: `units` is a catalog table")
    command.add_argument(
        "--task-bytes", type=_bytes, metavar="N", help="with --spark: memory of a task (default 1 GiB)"
    )
    command.add_argument("--seed", type=_seed, default=0, metavar="N", help="decides ties (default 0)")
    command.add_argument("--balance", type=_names, default=(), metavar="A,B", help="covariates to compare")
    for name, what in MATCHING_OPTIONS.items():
        read = _names if what == "A,B" else str
        command.add_argument(f"--{name.replace('_', '-')}", type=read, default=argparse.SUPPRESS, metavar=what)
    command.add_argument("--json", type=Path, metavar="FILE", help="write state and results for a scheduler (JSON)")


def _names(text: str) -> tuple[str, ...]:
    if not text.strip():
        raise argparse.ArgumentTypeError("names no column; leave the option out")
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name")
    return names


def _bytes(text: str) -> int:
    if not text.isdecimal() or int(text) < 2**20:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes, from 1048576 on")
    return int(text)


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = 2**63
    if not -(2**63) <= seed < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from -2^63 to 2^63 - 1")
    return seed


def _match_table(chosen: argparse.Namespace) -> dict[str, Any]:
    from counterpart.errors import SettingsError
    from counterpart.match_table.request import Request, read_matching
    from counterpart.numerics.compiled import announcing_compilation
    from counterpart.protocol.site import is_address

    if not (chosen.spark or chosen.plan):
        if chosen.task_bytes is not None:
            raise SettingsError("--task-bytes is for --spark: in memory nothing is cut into tasks")
        if chosen.catalog:
            raise SettingsError("--catalog is for --spark: without it there is no catalog that knows the name")
        if is_address(chosen.out):
            raise SettingsError(f"--out is {chosen.out}, an address, which only Spark knows: match with --spark")
    given = {name: getattr(chosen, name) for name in MATCHING_OPTIONS if hasattr(chosen, name)}
    values = [name for name in given if MATCHING_OPTIONS[name] == "VALUE"]
    matching = read_matching(given, values)
    asked = Request(
        chosen.units, chosen.out, matching, chosen.balance, chosen.seed, chosen.task_bytes, is_in_catalog=chosen.catalog
    )
    progress = TerminalProgress()
    with announcing_compilation(progress.note):
        if chosen.plan:
            from counterpart.match_table.by_spark import plan_by_spark

            say(str(plan_by_spark(asked, progress)))
            return {}
        if chosen.spark:
            from counterpart.match_table.by_spark import match_by_spark

            match_by_spark(asked, progress)
        else:
            from counterpart.match_table.in_memory import match_in_memory

            match_in_memory(asked)
    say(f"pairs, unmatched, weights, balance and summary are in {chosen.out}")
    return {"out": chosen.out}
