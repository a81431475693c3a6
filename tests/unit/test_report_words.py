"""What the page says of a study follows its settings: cover, flow, index dates, outcomes, and what to beware of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.released import released
from tests.studies import small_study

from counterpart.codes import CodeLibrary
from counterpart.protocol import code_set_folders, load_study
from counterpart.report.cautions import build_cautions
from counterpart.report.design import build_design
from counterpart.report.reading.words import criterion
from counterpart.stages.origins import find_origins


def design(**sections: Any) -> dict[str, Any]:
    return build_design(small_study(**sections).model_dump(mode="json"))


def cautions(seen_with: dict[str, list[str]] | None = None, **sections: Any) -> dict[str, str]:
    protocol = small_study(**sections).model_dump(mode="json")
    document = released(protocol=protocol, run={"seen_with": seen_with or {}})
    return dict(build_cautions(document)["study"])


@pytest.mark.parametrize(
    ("enrollment", "asked", "excluded"),
    [
        (
            {},
            "Insurance cover (medical) on the index date, begun by day −365; later gaps of up to 45 days are allowed.",
            "Insurance cover begun after day −365, or a gap of more than 45 days since",
        ),
        (
            {"lookback_days": 180, "allowed_gap_days": 0, "benefits": ["medical", "pharmacy"]},
            "Insurance cover (medical and pharmacy) on the index date, begun by day −180; without a gap since.",
            "Insurance cover begun after day −180, or interrupted since",
        ),
        ({"lookback_days": 0}, "Insurance cover (medical) on the index date.", None),
    ],
)
def test_cover_must_have_begun(enrollment: dict[str, Any], asked: str, excluded: str | None) -> None:
    """A gap is bridged between two spans: none is before the first."""
    study = small_study(cohort={"enrollment": enrollment}).model_dump(mode="json")
    assert build_design(study)["eligibility"][1] == asked
    if excluded:
        assert criterion("enrolled_in_lookback", study, "treated") == excluded


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"history": [{"name": "a", "event": "back_pain"}]}, "Without back pain before the index date"),
        (
            {"history": [{"name": "a", "event": "back_pain", "min_days": 2, "min_span_days": 90}]},
            "Fewer than 2 days, 90 or more apart, with back pain",
        ),
        ({"history": [{"name": "a", "event": "back_pain", "min_days": 3}]}, "Fewer than 3 days with back pain"),
        (
            {"history": [{"name": "a", "event": "back_pain", "min_days": 3, "min_span_days": 30}]},
            "Fewer than 3 days, 30 or more from first to last, with back pain",
        ),
        ({"exclusions": [{"name": "a", "event": "cancer"}, {"name": "b", "event": "mri"}]}, "Cancer"),
        (
            {"exclusions": [{"name": "a", "event": "cancer"}, {"name": "b", "event": "cancer", "window": [-30, -1]}]},
            "Cancer, days −365 to 0",
        ),
    ],
)
def test_the_flow_says_what_a_criterion_asks(rules: dict[str, Any], told: str) -> None:
    study = small_study(cohort={"history": [], "exclusions": []} | rules).model_dump(mode="json")
    assert criterion("a", study, "treated") == told


@pytest.mark.parametrize(("take", "is_told"), [("each", True), ("first", False)])
def test_several_candidate_dates_are_told_where_there_can_be_some(take: str, is_told: bool) -> None:
    facts = dict(design(cohort={"comparator": {"label": "T", "index": {"event": "therapy", "take": take}}})["facts"])
    assert ("several candidate dates" in facts["Comparator"]) == is_told
    assert "several candidate dates" not in facts["Treated"]


@pytest.mark.parametrize(
    ("start_days", "told"),
    [
        ((1,), "From the day after the index date to the horizon"),
        ((0,), "From the index date to the horizon"),
        ((7,), "From day 7 after the index date to the horizon"),
        ((15, 1), "From the outcome's first day (day 1 or later, see below) to the horizon"),
    ],
)
def test_follow_up_begins_where_outcomes_do(start_days: tuple[int, ...], told: str) -> None:
    outcomes = [
        {
            "name": f"o{i}",
            "label": f"O{i}",
            "events": ["mri"],
            "start_day": day,
            "role": "secondary" if i else "primary",
        }
        for i, day in enumerate(start_days)
    ]
    assert dict(design(outcomes={"outcomes": outcomes})["facts"])["Follow-up"].startswith(told)


WASHOUT = {"name": "new", "event": "manual", "window": [-365, -1]}


@pytest.mark.parametrize(
    ("exclusions", "is_told"),
    [
        ([], True),
        ([WASHOUT | {"event": "cancer"}], True),
        ([WASHOUT | {"window": [-365, -30]}], True),
        ([WASHOUT | {"supplied_days": 30}], True),
        ([WASHOUT], False),
        ([WASHOUT | {"event": "either"}], False),
    ],
)
def test_treated_who_may_have_been_treated_before(exclusions: list[dict[str, Any]], is_told: bool) -> None:
    told = cautions(
        events={"either": [{"codes": "therapy"}, {"codes": "manual"}]},
        cohort={"treated": {"label": "M", "index": {"event": "manual"}}, "exclusions": exclusions},
    )
    assert ("The treated may have been treated before." in told) == is_told
    assert "The treated may have been treated before." not in cautions()


FILLS, CLAIMS = "Fills are seen only where drugs are covered.", "Services are seen only where they are covered."


@pytest.mark.parametrize(
    ("benefits", "told"),
    [(["medical"], {FILLS}), (["pharmacy"], {CLAIMS}), (["medical", "pharmacy"], set())],
)
def test_cover_that_is_not_asked_for(benefits: list[str], told: set[str]) -> None:
    """Drugs of an outcome without pharmacy cover, and services without medical cover."""
    seen_with = {"therapy": ["medical"], "opioids": ["pharmacy"], "injection": ["medical", "pharmacy"], "concept": []}
    found = cautions(seen_with, cohort={"enrollment": {"benefits": benefits}})
    assert {FILLS, CLAIMS} & set(found) == told
    if told == {FILLS}:
        assert found[FILLS] == (
            "Pharmacy cover is not asked for. Index dates and outcomes read from fills (opioids and injection) are not "
            "seen of members without it, who count as having none."
        )


def test_events_are_seen_with_the_benefit_that_pays_for_them(root: Path) -> None:
    path = root / "conf" / "studies" / "msk_imaging.yaml"
    found = find_origins(load_study(path), CodeLibrary.load(code_set_folders(path)))
    assert found.pop("opioid_analgesics") == ["pharmacy"]
    assert set(map(tuple, found.values())) == {("medical",)}


@pytest.mark.parametrize(("lookback", "is_told"), [(175, False), (174, True)])
def test_weeks_before_the_days_for_which_cover_is_asked_are_told(lookback: int, is_told: bool) -> None:
    document = released()
    protocol = document["protocol"]
    protocol["cohort"] |= {"enrollment": protocol["cohort"]["enrollment"] | {"lookback_days": lookback}}
    protocol["cohort"] |= {"history": [], "exclusions": []}
    protocol["covariates"] |= {"events": [], "charlson": False}
    told = dict(build_cautions(document)["study"]).get("Some look-backs are longer than the cover.", "")
    assert ("the rates by week" in told) == is_told


def test_stays_are_told_where_a_study_has_them() -> None:
    rule = {"name": "r", "event": "back_pain", "min_days": 2}
    by_day, by_stay = (
        build_design(small_study(stays=stays, cohort={"history": [rule]}).model_dump(mode="json"))
        for stays in ([], ["back_pain", "mri"])
    )
    assert "Stays" not in dict(by_day["facts"])
    told = "Back pain and MRI: counted once from admission to discharge, on the first day, and not by day."
    assert dict(by_stay["facts"])["Stays"] == told
    assert by_day["eligibility"][-1].startswith("Back pain on at least 2 days, in ")
    assert by_stay["eligibility"][-1].startswith("Back pain on at least 2 first days of a stay, in ")
