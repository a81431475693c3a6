"""A cohort of which an arm is empty: who was excluded leaves the site, for no report will tell it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.studies import small_study

from counterpart import cli
from counterpart.disclosure import release_empty_cohort
from counterpart.errors import DataError
from counterpart.report import summarise_attrition
from counterpart.tables import ATTRITION


def attrition(**arms: list[tuple[str, int, int]]) -> pd.DataFrame:
    """By arm: criterion, units left, members left."""
    rows: list[dict[str, Any]] = [
        {"arm": arm, "step": step, "criterion": name, "n_remaining": units, "n_members_remaining": members}
        for arm, steps in arms.items()
        for step, (name, units, members) in enumerate(steps)
    ]
    return pd.DataFrame(rows).assign(n_excluded=0)[list(ATTRITION.columns)]


EMPTY = attrition(
    treated=[("candidates", 500, 500), ("known_member", 497, 497), ("age", 0, 0)],
    comparator=[("candidates", 9000, 3000), ("known_member", 9000, 3000), ("age", 7000, 2500)],
)


def test_chains_end_with_the_eligible_and_show_no_small_step() -> None:
    released = release_empty_cohort(EMPTY)
    assert [(row["criteria"], row["n_excluded"], row["n_remaining"]) for row in released["treated"]] == [
        (["candidates"], 0, 500),
        (["known_member", "age"], 500, 0),
    ]
    assert [row["n_remaining"] for row in released["comparator"]] == [9000, 9000, 7000]
    assert summarise_attrition(released, small_study().model_dump(mode="json")).splitlines() == [
        "Nobody is eligible in an arm of the cohort. Index dates excluded, and left:",
        "  Program (treated)",
        "              0           500  First enrolment in the program “Digital”",
        "            500             0  No record of the member (no birth date); or: Age below 18 or above 80",
        "  Therapy (comparator)",
        "              0         9,000  Every therapy in the index window",
        "              0         9,000  No record of the member (no birth date)",
        "          2,000         7,000  Age below 18 or above 80",
    ]


def test_an_arm_of_few_says_nothing_of_them() -> None:
    few = attrition(treated=[("candidates", 7, 7), ("age", 0, 0)], comparator=[("candidates", 0, 0), ("age", 0, 0)])
    assert [row["n_remaining"] for row in release_empty_cohort(few)["treated"]] == [None, 0]
    assert "withheld" in summarise_attrition(release_empty_cohort(few), small_study().model_dump(mode="json"))


def test_a_cohort_that_can_be_matched_is_left_to_its_report() -> None:
    """The report leaves out other steps, for the sake of the pairs."""
    full = attrition(treated=[("candidates", 50, 50)], comparator=[("candidates", 90, 90)])
    with pytest.raises(DataError, match="both arms have eligible units"):
        release_empty_cohort(full)


@pytest.mark.usefixtures("own_logging")
def test_a_failure_tells_a_scheduler_what_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(chosen: object) -> dict[str, Any]:
        problem = DataError("nobody")
        problem.told["attrition"] = {"treated": []}
        raise problem

    monkeypatch.setattr(cli, "_one_stage", fail)
    told = tmp_path / "told.json"
    assert cli.main(["score", "--study", "s.yaml", "--site", "t.yaml", "--json", str(told)]) == 13
    document = json.loads(told.read_text())
    assert (document["status"], document["attrition"]) == ("failed", {"treated": []})
