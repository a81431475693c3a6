"""Released documents for tests of what reads them: one with some of everything, one withheld, one without pairs."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.studies import small_study


def effect(outcome: str, label: str, phase: str, role: str, horizon: int = 30, **values: Any) -> dict[str, Any]:
    """A row of released effects; without values it is withheld."""
    row: dict[str, Any] = {
        "outcome": outcome, "label": label, "role": role, "horizon": horizon, "start_day": 1, "phase": phase,
        "is_withheld": not values, "is_rounded": phase == "crude",
        "n_treated": 1210, "n_comparator": 1210, "n_complete_treated": 1210, "n_complete_comparator": 1001,
        "person_years_treated": 99.38, "person_years_comparator": 98.11,
        "events_treated": None, "events_comparator": None, "clustered_by": None,
    }  # fmt: skip
    for name in ("rate_treated", "rate_comparator", "rate_ratio", "rate_difference"):
        row |= dict.fromkeys((name, f"{name}_lower", f"{name}_upper"))
    return row | values


def limits(name: str, value: float, lower: float, upper: float) -> dict[str, float]:
    return {name: value, f"{name}_lower": lower, f"{name}_upper": upper}


MATCHED = {
    "events_treated": 123, "events_comparator": 345, "clustered_by": "set_and_member",
    **limits("rate_treated", 1240.0, 1020.0, 1480.0), **limits("rate_comparator", 3520.0, 3110.0, 3990.0),
    **limits("rate_ratio", 0.352, 0.281, 0.441), **limits("rate_difference", -2280.0, -2770.0, -1790.0),
}  # fmt: skip
CRUDE = {
    "events_treated": 132, "events_comparator": 5500, "clustered_by": "member",
    **limits("rate_treated", 1300.0, 1100.0, 1600.0), **limits("rate_comparator", 2100.0, 2000.0, 2200.0),
    **limits("rate_ratio", 0.62, 0.51, 0.75), **limits("rate_difference", -800.0, -1000.0, -600.0),
}  # fmt: skip
CONTROL = {
    "events_treated": 44, "events_comparator": 41, "clustered_by": "set_and_member",
    **limits("rate_treated", 443.0, 329.0, 595.0), **limits("rate_comparator", 418.0, 308.0, 568.0),
    **limits("rate_ratio", 1.06, 0.691, 1.63), **limits("rate_difference", 25.0, -157.0, 207.0),
}  # fmt: skip


def step(*criteria: str, excluded: int | None, remaining: int | None, members: int | None) -> dict[str, Any]:
    return {
        "criteria": list(criteria),
        "n_excluded": excluded,
        "n_remaining": remaining,
        "n_members_remaining": members,
    }


def balance(name: str, label: str, kind: str, **phases: tuple[float, float, float] | float) -> list[dict[str, Any]]:
    """Rows of one covariate: (treated, comparator, SMD) by phase, or a bound where it is withheld."""
    rows = []
    for phase, values in phases.items():
        is_withheld = not isinstance(values, tuple)
        treated, comparator, smd = (None, None, None) if not isinstance(values, tuple) else values
        rows.append(
            {
                "name": name,
                "label": label,
                "kind": kind,
                "phase": phase,
                "is_withheld": is_withheld,
                "mean_treated": treated,
                "mean_comparator": comparator,
                "smd": smd,
                "smd_at_most": values if is_withheld else None,
                "smd_more_than": None,
                "variance_ratio": None,
            }
        )
    return rows


def histogram() -> list[dict[str, Any]]:
    return [
        {"phase": phase, "arm": arm, "bin": number, "n_units": None if number == 0 else 11 * number}
        for phase in ("before", "after")
        for arm in ("treated", "comparator")
        for number in range(20)
    ]


def largest(before: float | None, after: float | None, after_is_bound: bool = False) -> dict[str, Any]:
    return {
        "before": before,
        "after": after,
        "before_is_bound": False,
        "after_is_bound": after_is_bound,
        "before_is_exceeded": False,
        "after_is_exceeded": False,
        "before_undefined": [],
        "after_undefined": [],
    }


# Beside the base study (tests/studies.py).
OF_STUDY: dict[str, Any] = {
    "outcomes": {
        "outcomes": [
            {
                "name": "imaging",
                "label": "Imaging",
                "role": "primary",
                "events": ["imaging", "mri"],
                "horizons": [30, 90],
            },
            {"name": "nail", "label": "Ingrowing nail", "role": "negative_control", "events": ["nail"]},
        ]
    },
    "covariates": {"charlson": True},
    "cautions": ["Joining is a choice."],
}

ATTRITION = {
    "treated": [
        step("candidates", excluded=0, remaining=2321, members=2321),
        step("age", excluded=0, remaining=2321, members=2321),
        step("back_pain_history", "red_flag_cancer", excluded=978, remaining=1343, members=1343),
        step("no_exact_stratum", "outside_caliper", excluded=133, remaining=1210, members=1210),
    ],
    "comparator": [
        step("candidates", excluded=0, remaining=70707, members=9191),
        step("one_date_per_month", excluded=50505, remaining=20202, members=9191),
        step("eligible_not_chosen", excluded=18992, remaining=1210, members=1210),
    ],
}

MATCHING = {
    "n_pairs": 1210, "caliper": 0.2, "caliper_width": 0.1711, "mean_distance": 0.0238,
    "largest_distance": 0.1686,
    "unmatched": [{"reasons": ["no_exact_stratum", "outside_caliper"], "n_units": 133}],
}  # fmt: skip

SCORE = {
    "n_treated": 1343, "n_comparators": 20202, "n_sampled_treated": 1343, "n_sampled_comparators": 20202,
    "c_statistic": 0.719, "converged": True, "n_iterations": 9, "left_out": {"sex=U": "rare"},
    "separated": ["charlson_hp"], "warnings": ["Separated (their best coefficient is infinite): charlson_hp."],
}  # fmt: skip

BALANCE = [
    *balance("age", "Age, years", "years", before=(41.4, 49.6, -0.512), after=(41.5, 41.7, -0.013)),
    *balance("sex=U", "Sex unknown", "category", before=0.1, after=(0.0, 0.0, 0.0)),
    *balance("charlson_hp", "Charlson: hp", "flag", before=(0.0, 0.0163, -0.061), after=0.2),
    *balance(
        "imaging_cents_365", "Imaging: allowed cents of, days -365 to -1", "cents",
        before=(294000.0, 241000.0, 0.138), after=(258000.0, 239000.0, 0.052),
    ),
]  # fmt: skip

EFFECTS = [
    effect("imaging", "Imaging", "crude", "primary", **CRUDE),
    effect("imaging", "Imaging", "matched", "primary", **MATCHED),
    effect("imaging", "Imaging", "crude", "primary", 90),
    effect("imaging", "Imaging", "matched", "primary", 90),
    effect("nail", "Ingrowing nail", "crude", "negative_control", 90),
    effect("nail", "Ingrowing nail", "matched", "negative_control", 90, **CONTROL),
]

EVENT_TIME = [
    {"arm": arm, "first_week": first, "last_week": last, "n_events": n, "person_years": 12.5, "rate": rate}
    for arm in ("treated", "comparator")
    for first, last, n, rate in ((-26, -1, 777, 886.0), (0, 12, None, None), (13, 25, 0, 0.0))
]

INTAKE = [
    {"source": "medical_claim", "fates": ["kept: as_sent"], "n_rows": 4433168},
    {"source": "medical_claim", "fates": ["quarantined: null_key", "merged: reversed"], "n_rows": None},
    {"source": "medical_claim", "fates": ["in"], "n_rows": 4433999},
]

RUN = {
    "run_id": "4c3639", "protocol_hash": "ee74a1",
    "versions": {"counterpart": "0.1.0", "delta": "4.4.0", "spark": "4.2.0"},
    "code_version": {"cohort": "2d48cf"}, "table_versions": {"medical": 1},
    "stages": {"cohort": {"key": "fd3721", "finished_at": "2026-11-25T03:42:47+00:00"}},
}  # fmt: skip


def released(**changes: Any) -> dict[str, Any]:
    """A released document with some of everything; the changes replace whole parts."""
    document = {
        "protocol": small_study(**OF_STUDY).model_dump(mode="json"),
        "attrition": ATTRITION,
        "matching": MATCHING,
        "score": SCORE,
        "balance": BALANCE,
        "largest_smd": largest(0.512, 0.052),
        "score_histogram": histogram(),
        "effects": EFFECTS,
        "event_time": EVENT_TIME,
        "intake": INTAKE,
        "run": RUN,
    }
    return deepcopy(document) | changes


def withheld() -> dict[str, Any]:
    """Everything that can be withheld is."""
    hidden = [effect(**{key: row[key] for key in ("outcome", "label", "phase", "role", "horizon")})
              for row in released()["effects"]]  # fmt: skip
    for row in hidden:
        for name in ("n", "n_complete", "person_years"):
            row |= {f"{name}_treated": None, f"{name}_comparator": None}
    nothing = [step("candidates", excluded=None, remaining=None, members=None)]
    return released(
        attrition={"treated": nothing, "comparator": nothing},
        matching=dict.fromkeys(released()["matching"]) | {"caliper": 0.2, "unmatched": []},
        score=dict.fromkeys(released()["score"])
        | {"converged": True, "n_iterations": 9, "left_out": {}, "separated": [], "warnings": []},
        balance=[row | {"is_withheld": True} | dict.fromkeys(("mean_treated", "mean_comparator", "smd", "smd_at_most"))
                 for row in released()["balance"]],
        largest_smd=largest(None, None),
        score_histogram=[row | {"n_units": None} for row in histogram()],
        effects=hidden,
        event_time=[],
        intake=[],
        run={},
    )  # fmt: skip


def without_pairs() -> dict[str, Any]:
    """Nobody was matched: zero is shown, and nothing can be estimated."""
    empty = {"events_treated": 0, "events_comparator": 0}
    rows = [row for row in released()["effects"] if row["phase"] == "crude"]
    rows += [
        effect("imaging", "Imaging", "matched", "primary", **empty)
        | {f"{name}_{arm}": 0 for name in ("n", "n_complete", "person_years") for arm in ("treated", "comparator")}
    ]
    return released(
        matching=released()["matching"] | {"n_pairs": 0, "mean_distance": None, "largest_distance": None},
        balance=[row for row in released()["balance"] if row["phase"] == "before"],
        largest_smd=largest(0.512, None),
        score_histogram=[row | {"n_units": 0 if row["phase"] == "after" else row["n_units"]} for row in histogram()],
        effects=rows,
        event_time=[],
    )
