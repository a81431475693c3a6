"""Which events share codes: by the codes that show them, and by a diagnosis that one asks for."""

from __future__ import annotations

from datetime import date

import pytest
from tests.studies import small_study

from counterpart.codes import CodeLibrary, CodeRange, CodeSet
from counterpart.events import plan_events
from counterpart.stages.shared_codes import group_by_codes

LIBRARY = CodeLibrary(
    {
        name: CodeSet.of(name, ranges)
        for name, ranges in {
            "wide": [CodeRange(10, 19), CodeRange(40, 49)],
            "narrow": [CodeRange(44, 44, date(2020, 1, 1))],
            "between": [CodeRange(20, 39)],
            "xray": [CodeRange(60, 69)],
            "mri": [CodeRange(70, 79)],
        }.items()
    }
)
STUDY = small_study(
    events={
        "imaging": [{"codes": "xray"}, {"codes": "mri"}],
        "xray_for_wide": [{"codes": "xray", "diagnosis": "wide"}],
        "mri_for_wide": [{"codes": "mri", "diagnosis": "wide"}],
    }
)


@pytest.mark.parametrize(
    ("events", "groups"),
    [
        (["wide", "narrow", "between"], ["narrow wide"]),
        (["between", "wide"], []),
        (["xray", "mri"], []),
        (["xray", "imaging", "mri", "between"], ["imaging mri xray"]),
        (["xray_for_wide", "mri_for_wide"], []),  # neither follows from the other
        (["xray_for_wide", "mri_for_wide", "narrow"], ["mri_for_wide narrow xray_for_wide"]),
        (["between", "medical_claim"], ["between medical_claim"]),
        ([], []),
    ],
    ids=str,
)
def test_events_are_grouped_by_the_codes_they_share(events, groups):
    found = group_by_codes(plan_events(STUDY, LIBRARY, events))
    assert [" ".join(sorted(group)) for group in found] == groups
