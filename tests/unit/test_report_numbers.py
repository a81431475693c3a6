"""What the report and the summary make of numbers: the headline, checks, bounds, and what cannot be estimated."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.released import CONTROL, effect, largest, limits, released, withheld, without_pairs

from counterpart.report import summarise
from counterpart.report.answer import build_answer, judge_controls
from counterpart.report.plots.love import MORE_THAN, differences_of
from counterpart.report.reading.formats import interval, mean, measure, signed, significant, window
from counterpart.report.table_one import build_table_one


@pytest.mark.parametrize(
    ("ratio", "told"),
    [
        ((0.352, 0.281, 0.441), "was 65% lower with Program than with Therapy"),
        ((2.0, 1.5, 2.6), "was 100% higher with Program than with Therapy"),
        ((0.997, 0.995, 0.999), "was 0.997 times as high with Program as with Therapy"),
        ((0.004, 0.001, 0.016), "was 0.00400 times as high with Program as with Therapy"),
    ],
)
def test_the_answer_is_neither_nothing_nor_all(ratio: tuple[float, float, float], told: str) -> None:
    document = released()
    document["effects"][1] |= limits("rate_ratio", *ratio)
    assert told in re.sub("<.*?>", "", build_answer(document)["headline"])


def test_a_model_that_tells_the_arms_apart_is_not_as_wanted() -> None:
    document = released()
    document["score"] |= {"separated": [], "warnings": []}
    assert statuses(document)["Propensity model"] == "as wanted"
    document["score"] |= {"c_statistic": 1.0}
    assert statuses(document)["Propensity model"] == "look here"


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {name: status for name, status, _ in build_answer(document)["checks"]}


def test_controls_without_an_interval_are_not_counted_among_those_with_one() -> None:
    """One arm has no events: the row is shown, but neither holds nor excludes 1."""
    document = released()
    empty = effect("cough", "Cough", "matched", "negative_control", 90, **(CONTROL | limits("rate_ratio", *[None] * 3)))
    document["effects"].append(empty)
    assert judge_controls(document)[1].startswith("1 of 2 has an interval; every interval holds 1")


def test_the_summary_says_the_same_in_a_few_lines() -> None:
    assert summarise(released()).splitlines() == [
        "A small study",
        "  Program: 1,343 eligible members' index dates",
        "  Therapy: 20,202 eligible candidate dates",
        "  Matched pairs: 1,210",
        "  Largest standardised difference: 0.512 before, 0.052 after",
        "  Imaging, days 1 to 30, crude: rate ratio 0.62 (95% 0.51 to 0.75); "
        "1,300 against 2,100 per 1,000 person-years",
        "  Imaging, days 1 to 30, matched: rate ratio 0.352 (95% 0.281 to 0.441); "
        "1,240 against 3,520 per 1,000 person-years",
        "  Imaging, days 1 to 90, crude: withheld (small counts)",
        "  Imaging, days 1 to 90, matched: withheld (small counts)",
    ]
    assert "Matched pairs: withheld" in summarise(withheld())
    assert "matched: rate ratio not estimable; not estimable against" in summarise(without_pairs())


def test_numbers_keep_their_digits() -> None:
    assert [significant(x) for x in (0.348, 1.2, 1680.0, -12.34, 0.0)] == ["0.348", "1.20", "1,680", "−12.3", "0"]
    assert [signed(-0.0001, 3), signed(-0.25, 2)] == ["0.000", "−0.25"]
    assert [mean(0.5, "flag"), mean(294000.0, "cents"), mean(41.4, "years")] == ["50.0%", "$2,940", "41.4"]
    assert [window((-365, -1)), window((0, 0))] == ["days −365 to −1", "day 0"]


def test_a_difference_without_an_interval_says_so() -> None:
    """One arm has no events: the difference is known, its limits are not, and there is no ratio."""
    row = effect("surgery", "Surgery", "crude", "secondary", events_treated=0, rate_difference=-420.0)
    assert (measure(row, "rate_difference"), interval(row, "rate_difference")) == ("−420", "no interval")
    assert (measure(row, "rate_ratio"), interval(row, "rate_ratio")) == ("not estimable", "")


def test_a_bound_is_told_as_one() -> None:
    document = released(largest_smd=largest(0.512, 0.3, after_is_bound=True))
    assert "0.512 before, at most 0.300 after" in summarise(document)


def test_a_bound_that_is_exceeded_is_told_as_one() -> None:
    """The love plot, Table 1 and the largest difference say that a withheld difference is above 1."""
    far = {"smd_at_most": None, "smd_more_than": 1.0}
    rows = [row | (far if row["smd_at_most"] and row["phase"] == "after" else {}) for row in released()["balance"]]
    document = released(balance=rows, largest_smd=largest(0.512, 1.0) | {"after_is_exceeded": True})
    assert "0.512 before, more than 1.000 after" in summarise(document)
    (bounded,) = [row for group in build_table_one(document) for row in group["rows"] if row["after"]["is_bound"]]
    assert (bounded["after"]["smd"], bounded["after"]["is_off"]) == ("> 1", True)
    assert (1.0, MORE_THAN) in [phases["after"] for _, phases in differences_of(document)]
