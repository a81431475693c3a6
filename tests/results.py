"""Results of made-up studies, before anybody outside may see them, for tests of what is released of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from counterpart.disclosure import StudyResults
from counterpart.disclosure import release as release_study
from counterpart.numerics.moments import Clusters, sum_products
from counterpart.numerics.rates import Tally, contrast_rates
from counterpart.protocol import Study
from counterpart.tables import (
    ATTRITION,
    BALANCE,
    COVARIATE_DICTIONARY,
    EFFECTS,
    EVENT_TIME,
    INTAKE,
    SCORE_HISTOGRAM,
    Table,
)
from tests.studies import small_study

ARMS = ("treated", "comparator")


STUDY = small_study(
    outcomes={
        "outcomes": [
            {"name": "all", "label": "All", "role": "primary", "events": ["a", "b", "c"], "horizons": [90, 180]},
            {"name": "only_a", "label": "A", "events": ["a"], "horizons": [90]},
            {"name": "only_b", "label": "B", "events": ["b"], "horizons": [90]},
            {"name": "late_a", "label": "Late A", "events": ["a"], "horizons": [90], "start_day": 31},
        ]
    }
)


def release(found: StudyResults, study: Study, *shared: frozenset[str]) -> dict[str, Any]:
    return release_study(found, study, shared)


def table(contract: Table, *rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(contract.columns))


def chain(arm: str, *steps: tuple[str, int, int]) -> list[dict[str, Any]]:
    before = steps[0][1]
    rows = []
    for number, (criterion, units, members) in enumerate(steps):
        rows.append(
            {
                "arm": arm,
                "step": number,
                "criterion": criterion,
                "n_excluded": before - units,
                "n_remaining": units,
                "n_members_remaining": members,
            }
        )
        before = units
    return rows


def effect(outcome: str, horizon: int, phase: str, events: tuple[int, int], **changes: Any) -> dict[str, Any]:
    estimates = {name: 1.0 for name in EFFECTS.columns if name.startswith(("rate", "se_"))}
    n = (200, 400) if phase == "crude" else (150, 150)
    row: dict[str, Any] = {"outcome": outcome, "horizon": horizon, "phase": phase, "role": "", "clustered_by": "member"}
    for position, arm in enumerate(ARMS):
        row |= {
            f"n_{arm}": n[position],
            f"n_complete_{arm}": n[position] - 3,
            f"n_with_event_{arm}": events[position],
            f"n_members_with_event_{arm}": events[position],
            f"events_{arm}": events[position],
            f"days_{arm}": 90 * n[position],
        }
    return row | estimates | changes


def estimated(
    outcome: str, phase: str, events: tuple[np.ndarray, np.ndarray], days: tuple[np.ndarray, np.ndarray]
) -> dict[str, Any]:
    """Events and days in 90 of every unit, by arm, each of another member -> the exact row of EFFECTS.

    Matched, the units of both arms at one position are a pair.
    """
    sums = [Tally(int(events[arm].sum()), int(days[arm].sum())) for arm in range(2)]
    n_treated, n = len(events[0]), len(events[0]) + len(events[1])
    v = np.zeros((n, 4), dtype=int)
    v[:n_treated, 0], v[:n_treated, 1] = events[0], days[0]
    v[n_treated:, 2], v[n_treated:, 3] = events[1], days[1]
    by_member = sum_products(v, np.arange(n))
    in_pairs = (sum_products(v, np.arange(n) % n_treated), by_member) if phase == "matched" else ()
    found = contrast_rates(*sums, Clusters(by_member, *in_pairs), 0.95)
    row = effect(outcome, 90, phase, (sums[0].events, sums[1].events))
    estimates = (found.treated, found.comparator, found.ratio, found.difference)
    for name, one in zip(("rate_treated", "rate_comparator", "rate_ratio", "rate_difference"), estimates, strict=True):
        row |= {name: one.value, f"{name}_lower": one.lower, f"{name}_upper": one.upper}
    for position, arm in enumerate(ARMS):
        with_event = int((events[position] > 0).sum())
        row |= {
            f"n_{arm}": len(events[position]),
            f"n_complete_{arm}": int((days[position] == 90).sum()),
            f"n_with_event_{arm}": with_event,
            f"n_members_with_event_{arm}": with_event,
            f"days_{arm}": sums[position].days,
        }
    return row


def results(**tables: Any) -> StudyResults:
    steps = [
        *chain("treated", ("candidates", 300, 300), ("age", 260, 260), ("cover", 200, 200)),
        *chain("comparator", ("candidates", 900, 500), ("age", 880, 490), ("cover", 400, 300)),
    ]
    empty = {
        "dictionary": table(COVARIATE_DICTIONARY),
        "balance": table(BALANCE),
        "score_histogram": table(SCORE_HISTOGRAM),
        "effects": table(EFFECTS),
        "event_time": table(EVENT_TIME),
        "intake": table(INTAKE),
    }
    matching = {"n_pairs": 150, "n_no_exact_stratum": 20, "n_outside_caliper": 30, "n_pool_exhausted": 0}
    return StudyResults(**{"attrition": table(ATTRITION, *steps), "matching": matching, **empty, **tables})


def balance_row(number: int, phase: str, n_nonzero: tuple[int, int], means: tuple[float, float], smd: float = 0.26):
    n = (200, 400) if phase == "before" else (150, 150)
    return {
        "covariate_id": number,
        "name": f"covariate_{number}",
        "phase": phase,
        "n_treated": n[0],
        "n_comparator": n[1],
        "n_nonzero_treated": n_nonzero[0],
        "n_nonzero_comparator": n_nonzero[1],
        "n_members_nonzero_treated": n_nonzero[0],
        "n_members_nonzero_comparator": n_nonzero[1],
        "most_units_treated": 1,
        "most_units_comparator": 1,
        "mean_treated": means[0],
        "mean_comparator": means[1],
        "spread": 0.5,
        "smd": smd,
        "variance_ratio": 1.234,
    }


def week(arm: str, number: int, n_events: int, days_at_risk: int = 1050) -> dict[str, Any]:
    """A week of the event time; every event is another member's."""
    members = [{"last_week": -27, "n_members": n_events}] if n_events else []
    return {"arm": arm, "week": number, "n_events": n_events, "days_at_risk": days_at_risk, "members": members}


def about(number: int, kind: str) -> dict[str, Any]:
    return {
        "covariate_id": number,
        "name": f"covariate_{number}",
        "label": f"Covariate {number}",
        "kind": kind,
        "window_start": -365,
        "window_end": -1,
    }
