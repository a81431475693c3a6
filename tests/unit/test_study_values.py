"""What is wrong with a value of a study is told where it stands, with what is allowed, and all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.studies import BASE, small_study

from counterpart.protocol import load_study


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        # Unknown keys
        ("titel", "x", "…: unknown key; did you mean title?"),
        ("matching.calliper", 0.1, "…: unknown key; did you mean caliper?"),
        ("cohort.exclusions.0.windows", [-9, -1], "…: unknown key; did you mean window?"),
        ("cohort.age.zzz", 1, "…: unknown key; known keys: bands, max, min"),
        (
            "events.visit",
            [{"codes": "therapy", "inperson": True}],
            "….0.inperson: unknown key; did you mean in_person?",
        ),
        (
            "cohort.treated.index.evnt",
            "x",
            "…: unknown key; known keys: program (an index has either program, or event and take)",
        ),
        ("cohort.comparator.index.programme", "x", "…: unknown key; known keys: event, take"),
        # Wrong types: nothing is guessed
        ("title", ..., "…: is missing"),
        ("question", "  ", "…: must not be empty (found '  ')"),
        (
            "cohort.treated.label",
            False,
            "…: must be text (found false; put it in quotes; YAML reads yes, no, on and off so)",
        ),
        ("seed", 1.5, "…: must be a whole number (found 1.5)"),
        ("seed", "7", "…: must be a whole number (found '7')"),
        ("seed", True, "…: must be a whole number (found true)"),
        ("cohort.age", 18, "…: must be a section with the keys min, max, bands (found 18)"),
        ("cohort.exclusions", None, "…: must be a list (found nothing; delete it or fill it)"),
        (
            "scoring",
            None,
            "…: must be a section with the keys max_treated, max_comparators, ridge, min_units, max_iterations "
            "(found nothing; delete it or fill it)",
        ),
        ("cautions", [None], "….0: must be text (found nothing; put it in quotes)"),
        (
            "events",
            {False: [{"codes": "mri"}]},
            "….false: must be text (found false; put it in quotes; YAML reads yes, no, on and off so)",
        ),
        ("cohort.age.bands", [], "…: must have at least 1 item (found a list of 0)"),
        *[
            (
                "cohort.history.0.window",
                window,
                f"…: must be two days, the first and the last, such as [-365, -1] (found {found})",
            )
            for window, found in [([-9], "a list of 1"), ([-9, -5, -1], "a list of 3"), (-9, "-9")]
        ],
        ("name", "My study", "…: must be small letters, digits and underscores, a letter first (found 'My study')"),
        ("covariates.charlson", "yes", "…: must be true or false (found 'yes')"),
        ("events.visit", [], "…: must have at least 1 item (found a list of 0)"),
        (
            "events.A visit",
            [{"codes": "therapy"}],
            "…: must be small letters, digits and underscores, a letter first (found 'A visit')",
        ),
        # Days
        ("cohort.index_end", "2020-02-30", "…: is not a day of the calendar (found '2020-02-30')"),
        ("data.end", 20201231, "…: must be a day, written like 2020-01-31 (found 20201231)"),
        ("data.end", "31.12.2020", "…: must be a day, written like 2020-01-31 (found '31.12.2020')"),
        ("data.end", "9999-12-31", "…: must be a day of the years 1900 to 2199 (found '9999-12-31')"),
        ("data.start", "0001-01-01", "…: must be a day of the years 1900 to 2199 (found '0001-01-01')"),
        ("data.start", "2021-01-01", "data.end: 2020-12-31 is before start 2021-01-01"),
        ("cohort.index_end", "2019-12-31", "…: 2019-12-31 is before index_start 2020-01-01"),
        ("cohort.index_end", "2021-01-01", "…: 2021-01-01 is not inside the data, 2018-01-01 to 2020-12-31"),
        ("cohort.index_start", "2017-01-01", "…: 2017-01-01 is not inside the data, 2018-01-01 to 2020-12-31"),
        # Counts that are not shown
        ("scoring.min_units", 0, "…: must be greater than or equal to 1 (found 0)"),
        ("scoring.min_units", 5, "…: 5 is a limit inside the counts that are not shown; it must be 1 or at least 11"),
        ("scoring.min_units", 10, "…: 10 is a limit inside the counts that are not shown; it must be 1 or at least 11"),
        # Windows
        ("cohort.exclusions.0.supplied_days", 32, "…: 32 days do not fit into the 31 days of the window"),
        ("cohort.exclusions.0.supplied_days", 0, "…: must be greater than or equal to 1 (found 0)"),
        ("cohort.exclusions.0.window", [0, -9], "…: the window starts on day 0, after its end on day -9"),
        (
            "covariates.events.0.window",
            [-9, 1],
            "…: the window ends on day 1; it must end on day 0, the index date, or before",
        ),
        (
            "covariates.charlson_window",
            [-999999, -1],
            "…: the window starts on day -999999; the earliest is day -36500",
        ),
        ("cohort.history.0.min_days", 400, "…: 400 days do not fit into the 365 days of the window"),
        (
            "cohort.history.0.min_span_days",
            365,
            "…: 365 days apart do not fit into the window, whose ends are 364 days apart",
        ),
        (
            "cohort.enrollment.lookback_days",
            731,
            "…: 731 days before index_start 2020-01-01 begin before the data, 2018-01-01 to 2020-12-31",
        ),
        # Matching
        *[
            (
                "matching.caliper",
                value,
                f"matching.caliper: must be {allowed} (found {found}); "
                "it is in standard deviations of the logit of the score, or null for no caliper",
            )
            for value, allowed, found in [
                (-0.2, "greater than 0", "-0.2"),
                (0, "greater than 0", "0"),
                (20, "less than or equal to 10", "20"),
                (True, "a number", "true"),
                ("0.2", "a number", "'0.2'"),
                (float("nan"), "a number", "nan"),
                (float("inf"), "a number", "inf"),
            ]
        ],
        (
            "matching.exact",
            ["sex", "zip"],
            "matching.exact.1: must be 'sex', 'age_band', 'region', 'state' or 'index_month' (found 'zip')",
        ),
        ("matching.exact", ["sex", "sex"], "…: listed twice: sex"),
        (
            "matching",
            {"search": "exact", "recall": 0.9},
            "matching.recall: is of the searches ann and auto; the exact search finds all",
        ),
        *[
            (
                f"matching.{name}",
                value,
                f"…: a study matches 1:1 on the score without replacement; this cannot be set (found {found})",
            )
            for name, value, found in [
                ("ratio", 2, "2"),
                ("replace", True, "true"),
                ("covariance", "treated", "'treated'"),
                ("tie_order", "cost", "'cost'"),
                ("distance", "mahalanobis", "'mahalanobis'"),
                ("covariates", ["age"], "a list of 1"),
                ("calipers", {"age": 5}, "a section"),
            ]
        ],
        ("matching.caliper_scale", "raw", "…: must be 'pooled' or 'overall' (found 'raw')"),
        (
            "matching",
            ["sex"],
            "…: must be a section with the keys exact, caliper, caliper_scale, search, recall (found a list of 1)",
        ),
        # Ages
        ("cohort.age", {"min": 70, "max": 60}, "….min: 70 is above max 60"),
        ("cohort.age.bands", [18, 65, 45], "…: [18, 65, 45] must ascend; each is the first age of its band"),
        ("cohort.age.min", 12, "cohort.age.bands: the first band starts at 18, above the minimum age 12"),
    ],
)
def test_one_wrong_value(complaints: Callable[..., list[str]], path: str, value: Any, complaint: str) -> None:
    """`…` stands for the path of what was changed."""
    assert complaints((path, value)) == [complaint.replace("…", path, 1)]


def test_all_problems_at_once_each_with_its_path(complaints: Callable[..., list[str]]) -> None:
    """Misspelt keys are read on as what they mean, so that they hide neither each other nor a contradiction."""
    found = complaints(
        ("title", ...),
        ("titel", "x"),
        ("seed", -1),
        ("cohort.index_end", "2020-06-31"),
        ("cohort.history.0.min_day", 400),
        ("cohort.history.0.min_days", ...),
        ("cohort.exclusions.0.event", "canser"),
        ("matching", {"caliper": -1, "exact": ["zip"]}),
        ("outcomes.outcomes.1.name", "imaging"),
    )
    assert sorted(found) == [
        "cohort.exclusions.0.event: there is no event or code set 'canser'; did you mean cancer?",
        "cohort.history.0.min_day: unknown key; did you mean min_days?",
        "cohort.history.0.min_days: 400 days do not fit into the 365 days of the window",
        "cohort.index_end: is not a day of the calendar (found '2020-06-31')",
        "matching.caliper: must be greater than 0 (found -1); "
        "it is in standard deviations of the logit of the score, or null for no caliper",
        "matching.exact.0: must be 'sex', 'age_band', 'region', 'state' or 'index_month' (found 'zip')",
        "outcomes.outcomes.1.name: 'imaging' is an outcome named before",
        "seed: must be greater than or equal to 0 (found -1)",
        "titel: unknown key; did you mean title?",
    ]


def test_several_contradictions_of_one_section_are_told_together(complaints: Callable[..., list[str]]) -> None:
    found = complaints(
        ("cohort.index_end", "2019-06-30"), ("cohort.comparator.label", "Program"), ("cohort.exclusions.0.name", "age")
    )
    assert [line.partition(":")[0] for line in found] == [
        "cohort.index_end",
        "cohort.comparator.label",
        "cohort.exclusions.0.name",
    ]


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        ({"take": "first", "program": "x"}, ["take: unknown key; known keys: program"]),
        ({"program": "x", "event": "therapy"}, ["event: unknown key; known keys: program"]),
        ({"programm": "x"}, ["programm: unknown key; did you mean program?"]),
        ({"evnt": "manual"}, ["evnt: unknown key; did you mean event?"]),
        ({"event": "manual", "take": "last"}, ["take: must be 'first' or 'each' (found 'last')"]),
        ({"take": "first"}, ["event: is missing"]),
        ({}, ["program: is missing"]),
    ],
)
def test_an_index_is_of_one_kind(complaints: Callable[..., list[str]], index: Any, complaint: list[str]) -> None:
    """Problems are told for the kind that is meant, never for both."""
    either = " (an index has either program, or event and take)"
    told = complaints(("cohort.treated.index", index))
    assert [line.removeprefix("cohort.treated.index.").removesuffix(either) for line in told] == complaint


def test_an_index_that_is_no_section(complaints: Callable[..., list[str]]) -> None:
    told = complaints(("cohort.treated.index", "digital_msk"))
    assert told == [
        "cohort.treated.index: must be a section, {program: ...} or {event: ..., take: first or each} "
        "(found 'digital_msk')"
    ]


def test_what_holds_anyway_may_be_written(write: Callable[[str], Path]) -> None:
    text = yaml.safe_dump(BASE | {"matching": {"ratio": 1, "covariates": [], "calipers": {}, "tie_order": None}})
    assert load_study(write(text)) == small_study()
