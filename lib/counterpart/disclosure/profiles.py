"""Balance, score overlap and event time: covariates, bins and weeks that may be shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from counterpart.disclosure.cells import (
    Sum,
    gives_away,
    may_show,
    merge_neighbours,
    rounded,
    shown_days,
    shown_rounded,
)
from counterpart.disclosure.counted import Counted
from counterpart.disclosure.results import Sizes, plain
from counterpart.numerics.balance import find_imbalance
from counterpart.numerics.rates import DAYS_PER_YEAR, SCALE
from counterpart.tables import ARMS

if TYPE_CHECKING:
    import pandas as pd


# A standardised difference of a covariate that few people have is told as "at most" this step or its multiple.
SMD_STEP = 0.1
# A sum of runs is compared with sums of up to three shown counts: there are a thousand sums of runs.
_MAX_TERMS = 4
_FLAGS = ("flag", "category")
_COUNTED = (*_FLAGS, "count")


def release_balance(balance: pd.DataFrame, dictionary: pd.DataFrame, sizes: Sizes) -> list[dict[str, Any]]:
    """BALANCE and its dictionary -> a row per covariate and phase.

    Means of flags and counts come from totals rounded to multiples of 11: exact ones would give away, level by level
    or before less after, how many people lack or have something. Where a count from 1 to 10 is involved the means are
    withheld and the standardised difference is told as an upper bound; so are further levels of such a category, for a
    difference with three digits pins its counts down, and all levels add up to the arm.
    """
    about = {row["covariate_id"]: row for row in dictionary.to_dict("records")}
    rows = balance.to_dict("records")
    withheld = {
        position
        for position, row in enumerate(rows)
        if not all(
            sizes.of(arm, row["phase"]) is not None
            and _may_show_mean(row, arm, str(about[row["covariate_id"]]["kind"]))
            for arm in ARMS
        )
    }
    withheld |= _that_tell_by_complement(rows, about, withheld)
    return [
        _balance_row(row, about[row["covariate_id"]], position not in withheld) for position, row in enumerate(rows)
    ]


def _that_tell_by_complement(
    rows: Sequence[Mapping[str, Any]], about: Mapping[Any, Mapping[str, Any]], withheld: set[int]
) -> set[int]:
    """Levels of a category to withhold beside the small ones: all levels add up to the size of the arm.

    Together the withheld levels of a category have no small count in either arm, so their sum tells none of them.
    """
    categories: dict[tuple[str, str], list[int]] = {}
    for position, row in enumerate(rows):
        if about[row["covariate_id"]]["kind"] == "category":
            column = str(row["name"]).partition("=")[0]
            categories.setdefault((column, str(row["phase"])), []).append(position)
    more: set[int] = set()
    for levels in categories.values():
        hidden = [level for level in levels if level in withheld]
        others = sorted((level for level in levels if level not in withheld), key=lambda level: _size(rows[level]))
        others = [level for level in others if _size(rows[level]) > 0]
        while hidden and others and not all(may_show(_total(rows, hidden, arm)) for arm in ARMS):
            hidden.append(others.pop(0))
        more |= set(hidden)
    return more


def _size(row: Mapping[str, Any]) -> int:
    return sum(int(row[f"n_nonzero_{arm}"]) for arm in ARMS)


def _total(rows: Sequence[Mapping[str, Any]], positions: Sequence[int], arm: str) -> int:
    return sum(int(rows[position][f"n_nonzero_{arm}"]) for position in positions)


def _balance_row(row: Mapping[str, Any], about: Mapping[str, Any], is_shown: bool) -> dict[str, Any]:
    kind = str(about["kind"])
    smd = plain(row["smd"])
    return {
        "name": row["name"],
        "label": about["label"],
        "kind": kind,
        "phase": row["phase"],
        "is_withheld": not is_shown,
        "mean_treated": _mean(row, "treated", kind) if is_shown else None,
        "mean_comparator": _mean(row, "comparator", kind) if is_shown else None,
        "smd": round(smd, 3) if is_shown and smd is not None else None,
        "smd_at_most": None if is_shown or smd is None else _step_above(smd),
        "variance_ratio": plain(row["variance_ratio"], 2) if is_shown else None,
    }


def _may_show_mean(row: Mapping[str, Any], arm: str, kind: str) -> bool:
    n, n_nonzero = int(row[f"n_{arm}"]), int(row[f"n_nonzero_{arm}"])
    return may_show(n_nonzero) and (kind not in _FLAGS or may_show(n - n_nonzero))


def _mean(row: Mapping[str, Any], arm: str, kind: str) -> float | None:
    n, mean = int(row[f"n_{arm}"]), plain(row[f"mean_{arm}"])
    if mean is None or not n:
        return None
    if kind in _FLAGS and mean == 1:
        return 1.0  # that nobody lacks it may be shown; the nearest multiple of 11 may be more than the arm
    return plain(rounded(round(mean * n)) / n if kind in _COUNTED else mean, 3)


def _step_above(smd: float) -> float:
    return round(SMD_STEP * max(1, math.ceil(abs(smd) / SMD_STEP)), 1)


def largest_smd(balance: pd.DataFrame, released: Sequence[Mapping[str, Any]], sizes: Sizes) -> dict[str, Any]:
    """BALANCE and its released rows -> before, after: the largest absolute standardised difference, whoever has it.

    Where a withheld covariate has it, its bound (`before_is_bound`, `after_is_bound`): the value itself would tell the
    small counts it is made of. None where an arm's size is withheld. `before_undefined`, `after_undefined` name the
    covariates that differ without any spread in either arm: worse than every number.
    """
    rows = {(row["name"], row["phase"]): row for row in released}
    largest: dict[str, Any] = {}
    for phase in ("before", "after"):
        worst = find_imbalance(balance, phase)
        value, is_bound = None, False
        if worst.name is not None and all(sizes.of(arm, phase) is not None for arm in ARMS):
            row = rows[worst.name, phase]
            is_bound = bool(row["is_withheld"])
            value = row["smd_at_most"] if is_bound else round(abs(row["smd"]), 3)
        largest |= {phase: value, f"{phase}_is_bound": is_bound, f"{phase}_undefined": list(worst.undefined)}
    return largest


def release_histogram(histogram: pd.DataFrame, sizes: Sizes) -> list[dict[str, Any]]:
    """SCORE_HISTOGRAM with units rounded to multiples of 11; bins with 1 to 10 are withheld (None)."""
    return [
        {
            "phase": row["phase"],
            "arm": row["arm"],
            "bin": int(row["bin"]),
            "n_units": None if sizes.of(row["arm"], row["phase"]) is None else shown_rounded(int(row["n_units"])),
        }
        for row in histogram.to_dict("records")
    ]


def release_event_time(
    event_time: pd.DataFrame, effects: Sequence[Mapping[str, Any]], counted: Counted, sizes: Sizes
) -> list[dict[str, Any]]:
    """EVENT_TIME -> runs of weeks with more than ten events each, and their rates per 1,000 person-years.

    No run, nor several neighbouring ones, leaves a small count beside the shown matched counts of any outcome. For that
    edges are given up; runs do not cross the index date if that can be had. A run at either end may be withheld.
    """
    if sizes.pairs is None or event_time.empty:
        return []
    released = []
    for arm in ARMS:
        weeks = event_time[event_time["arm"] == arm].sort_values("week")
        counts, days = weeks["n_events"].astype(int).tolist(), weeks["days_at_risk"].astype(int).tolist()
        first = int(weeks["week"].iloc[0])
        tells = _run_that_tells(counts, first, _shown_sums(effects, counted, arm), counted)
        for start, end, count in _safe_runs(counts, tells, index_date=-first):
            at_risk = shown_days(sizes.pairs, 7 * (end + 1 - start), sum(days[start : end + 1]))
            rate = count / at_risk * float(SCALE) if count is not None and at_risk else None
            released.append(
                {
                    "arm": arm,
                    "first_week": first + start,
                    "last_week": first + end,
                    "n_events": count,
                    "person_years": None if at_risk is None else plain(at_risk / float(DAYS_PER_YEAR), 4),
                    "rate": plain(rate, 3),
                }
            )
    return released


def _shown_sums(effects: Sequence[Mapping[str, Any]], counted: Counted, arm: str) -> list[Sum]:
    """What the arm's matched counts of all outcomes add up."""
    outcomes = {one.name: one for one in counted.outcomes}
    return [
        counted.of_outcome(outcomes[row["outcome"]], row["horizon"], row[f"events_{arm}"])
        for row in effects
        if row["phase"] == "matched" and row[f"events_{arm}"] is not None
    ]


def _run_that_tells(
    counts: list[int], first_week: int, shown: list[Sum], counted: Counted
) -> Callable[[int, int], bool]:
    """Would the count from one week's edge to another give a small one away beside the shown ones?"""
    events = next(one.events for one in counted.outcomes if one.role == "primary")

    @cache
    def tells(start: int, end: int) -> bool:
        first, last = 7 * (first_week + start) + 1, 7 * (first_week + end)
        return gives_away(counted.of_days(events, first, last, sum(counts[start:end])), shown, _MAX_TERMS)

    return tells


def _safe_runs(
    counts: list[int], tells: Callable[[int, int], bool], index_date: int
) -> list[tuple[int, int, int | None]]:
    """Runs of weeks (first, last, count) of which no neighbouring ones together tell; the outer ones may have None."""
    may_cut = [True] * (len(counts) + 1)
    worth = {0: 1, len(counts): 1, index_date: 2}
    while True:
        runs = merge_neighbours(counts, may_cut)
        shown = [(start, end + 1) for start, end, count in runs if count is not None]
        telling = [(start, end) for at, (start, _) in enumerate(shown) for _, end in shown[at:] if tells(start, end)]
        if not telling:
            return runs
        # An edge inside before one at either end, and the index date last of all.
        start, end = telling[0]
        may_cut[min((end, start), key=lambda edge: worth.get(edge, 0))] = False
