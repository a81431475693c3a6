"""What a study believes of the delivered claims and is not so is told: days without lines, a program nobody is in."""

from __future__ import annotations

import pytest
from tests.studies import small_study

from counterpart.stages.delivered import tell_uncovered_months, tell_unknown_program
from counterpart.tables import MEDICAL

pytestmark = pytest.mark.spark


@pytest.mark.parametrize(
    ("months", "told"),
    [
        ("201901 201906 202012", []),
        ("201801 202101", []),
        ("201901 202011", ["2020-12-31"]),
        ("201902 202012", ["2019-01-01"]),
        ("202003", ["2019-01-01", "2020-12-31"]),
        ("", []),
    ],
)
@pytest.mark.parametrize("by_year", [False, True])
def test_months_without_lines(frame, months, told, by_year):
    """The data of the study end on 2020-12-31, and its first look-back begins on 2019-01-01."""
    rows = [f"1 | {month} | {int(month) // 100 * 100 if by_year else month}" for month in months.split()]
    lines = frame("\n".join(["member_key | service_month | service_period", *rows]), MEDICAL.ddl)
    found = tell_uncovered_months({"medical": lines}, small_study())
    assert len(found) == len(told)
    for sentence, day in zip(found, told, strict=True):
        assert sentence.startswith("The table medical has no line in the month of ")
        assert day in sentence
        assert not any(f"{month[:4]}-{month[4:]}" in sentence.replace(day, "") for month in months.split())


@pytest.mark.parametrize(
    ("programs", "told"),
    [
        ("digital other", None),
        ("", "It has no row at all."),
        ("Digital", "Its rows are of one other program."),
        ("a b", "Its rows are of 2 other programs."),
    ],
)
def test_a_program_that_nobody_is_in(frame, programs, told):
    rows = [f"1 | {program}" for program in programs.split()]
    roster = frame("\n".join(["member_key | program", *rows]), "member_key bigint, program string")
    found = tell_unknown_program(roster, small_study())
    assert [told in sentence for sentence in found] == ([] if told is None else [True])


def test_a_treatment_that_claims_show_needs_no_roster(frame):
    study = small_study(cohort={"treated": {"label": "M", "index": {"event": "manual"}}})
    assert tell_unknown_program(frame("member_key | program\n", "member_key bigint, program string"), study) == []
