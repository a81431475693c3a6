"""Parts of a study that do not go together: names, arms, outcomes, stays, and events that are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.studies import BASE, changed

from counterpart.errors import ProtocolError
from counterpart.protocol import load_study


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        # Names that would hide each other
        (
            "cohort.exclusions.0.name",
            "back_pain_history",
            "cohort.exclusions.0.name: 'back_pain_history' is a criterion named before; each needs a name of its own",
        ),
        (
            "cohort.history.0.name",
            "age",
            "cohort.history.0.name: 'age' is a criterion every study has; each needs a name of its own",
        ),
        *[
            (
                "cohort.exclusions.0.name",
                name,
                f"…: {name!r} is a step of the flow every study has; each needs a name of its own",
            )
            for name in ("candidates", "no_exact_stratum", "outside_caliper", "pool_exhausted", "eligible_not_chosen")
        ],
        (
            "covariates.events.1",
            {"event": "imaging", "kind": "flag"},
            "covariates.events.1: there is a covariate 'imaging_flag_365' already; give this one a name of its own",
        ),
        (
            "covariates.events.1.name",
            "age",
            "covariates.events.1: there is a covariate 'age' already; give this one a name of its own",
        ),
        (
            "covariates",
            {"events": [{"event": "cancer", "name": "charlson_index"}]},
            "….events.0: 'charlson_index' is named like one that `charlson: true` brings; give it another name",
        ),
        (
            "events.medical_claim",
            [{"codes": "therapy"}],
            "…: is the event of every claim line already and cannot be another",
        ),
        # Arms
        ("cohort.comparator.label", "Program", "…: 'Program' is the label of the treated arm too"),
        (
            "cohort.treated.index",
            {"event": "therapy"},
            "cohort.comparator.index.event: 'therapy' is the event of the treated arm too: "
            "on such a date nobody is untreated",
        ),
        # What an arm has on its index dates
        (
            "cohort.exclusions.0",
            {"name": "before", "event": "therapy"},
            "….window: day 0 is the index date, on which every comparator unit has 'therapy': none of them would be "
            "left; end the window on day -1",
        ),
        (
            "cohort.history.0",
            {"name": "before", "event": "therapy", "window": [-30, 0]},
            "….window: day 0 is the index date, on which every comparator unit has 'therapy', and the other arm by "
            "chance only; end the window on day -1",
        ),
        (
            "covariates.events.0",
            {"event": "therapy", "kind": "count", "window": [-30, 0]},
            "….window: day 0 is the index date, on which every comparator unit has 'therapy', and the other arm by "
            "chance only; end the window on day -1",
        ),
        (
            "outcomes.outcomes.1",
            {"name": "again", "label": "Again", "events": ["therapy"], "start_day": 0},
            "….start_day: day 0 is the index date, on which every comparator unit has 'therapy'; start on day 1 or "
            "later",
        ),
        # Outcomes
        ("outcomes.outcomes", [], "…: must have at least 1 item (found a list of 0)"),
        (
            "outcomes.outcomes.0.role",
            "secondary",
            "outcomes.outcomes: 0 outcomes have the role primary; exactly one must",
        ),
        (
            "outcomes.outcomes.1.role",
            "primary",
            "outcomes.outcomes: 2 outcomes have the role primary (imaging, later); exactly one must",
        ),
        (
            "outcomes.outcomes.0.role",
            "main",
            "outcomes.outcomes.0.role: must be 'primary', 'secondary' or 'negative_control' (found 'main')",
        ),
        ("outcomes.outcomes.1.name", "imaging", "…: 'imaging' is an outcome named before"),
        ("outcomes.outcomes.0.events", ["mri", "mri"], "…: listed twice: mri"),
        ("outcomes.outcomes.0.horizons", [90, 30, 90], "…: listed twice: 90"),
        ("outcomes.outcomes.0.horizons", [], "…: must have at least 1 item (found a list of 0)"),
        ("outcomes.outcomes.0.horizons", [30, 0], "….1: must be greater than or equal to 1 (found 0)"),
        ("outcomes.outcomes.1.horizons", [90, 14], "….1: day 14 is before start_day 15"),
        (
            "outcomes.outcomes.1.horizons",
            [90, 366],
            "outcomes.outcomes.1.horizons.1: day 366 of even the first index date 2020-01-01 is after the data, "
            "2018-01-01 to 2020-12-31",
        ),
        (
            "outcomes.confidence",
            95,
            "…: must be less than 1 (found 95); it is the level of the intervals, such as 0.95",
        ),
        # Stays
        ("stays", ["mri", "mri"], "…: listed twice: mri"),
        ("stays", ["mrii"], "….0: there is no event or code set 'mrii'; did you mean mri?"),
        ("stays", ["medical_claim"], "….0: 'medical_claim' is the event of every claim line and no stay"),
        (
            "stays",
            ["imaging"],
            "covariates.events.2.kind: what a stay costs is known when it ends, which may be after the index date: "
            "imaging can be a flag or a count",
        ),
        # Events and code sets
        ("cohort.comparator.index.event", "terapy", "…: there is no event or code set 'terapy'; did you mean therapy?"),
        ("cohort.history.0.event", "zz", "…: there is no event or code set 'zz'"),
        ("cohort.exclusions.0.event", "cancr", "…: there is no event or code set 'cancr'; did you mean cancer?"),
        ("covariates.events.2.event", "imagin", "…: there is no event or code set 'imagin'; did you mean imaging?"),
        (
            "outcomes.outcomes.0.events",
            ["imaging", "visit"],
            "….1: there is no event or code set 'visit'; did you mean office_visit?",
        ),
        (
            "events.visit",
            [{"codes": "ofice_visit"}],
            "….0.codes: there is no code set 'ofice_visit'; did you mean office_visit?",
        ),
        (
            "events.visit",
            [{"codes": "therapy", "diagnosis": "bak_pain"}],
            "….0.diagnosis: there is no code set 'bak_pain'; did you mean back_pain?",
        ),
        (
            "events.visit",
            [{"codes": "medical_claim"}],
            "….0.codes: there is no code set 'medical_claim'; it is an event; here only a code set can stand",
        ),
    ],
)
def test_one_contradiction(complaints: Callable[..., list[str]], path: str, value: Any, complaint: str) -> None:
    """`…` stands for the path of what was changed."""
    assert complaints((path, value)) == [complaint.replace("…", path, 1)]


INDEXED_BY_CLAIMS = (
    ("cohort.treated.index", {"event": "manual"}),
    ("events.either", [{"codes": "therapy"}, {"codes": "manual"}]),
)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (
            "cohort.exclusions.0",
            {"name": "a", "event": "manual"},
            "….window: day 0 is … every treated unit has 'manual'",
        ),
        (
            "cohort.exclusions.0",
            {"name": "a", "event": "either"},
            "….window: day 0 is … every treated and comparator unit",
        ),
        ("outcomes.outcomes.1.events", ["mri", "manual"], "….1: 'manual' is shown by the treatment, 'manual', before"),
        ("outcomes.outcomes.1.events", ["either"], "….0: 'either' is shown by the treatment, 'manual', before which"),
        # What nothing is wrong with: a washout, both arms alike, several days asked for, days of supply.
        ("cohort.exclusions.0", {"name": "a", "event": "either", "window": [-365, -1]}, None),
        ("cohort.history.0", {"name": "a", "event": "either", "window": [-365, 0]}, None),
        ("cohort.history.0", {"name": "a", "event": "manual", "window": [-365, 0], "min_days": 2}, None),
        ("cohort.exclusions.0", {"name": "a", "event": "manual", "supplied_days": 30}, None),
        ("covariates.events.0", {"event": "either", "window": [-365, 0]}, None),
        ("outcomes.outcomes.1.events", ["therapy"], None),
    ],
)
def test_arms_that_claims_show(
    complaints: Callable[..., list[str]], write: Callable[[str], Path], path: str, value: Any, complaint: str | None
) -> None:
    """An index event shows every event that has all of its clauses."""
    changes = (*INDEXED_BY_CLAIMS, (path, value))
    if complaint is None:
        load_study(write(yaml.safe_dump(changed(BASE, *changes))))
        return
    (told,) = complaints(*changes)
    assert all(part in told for part in complaint.replace("…", path, 1).split(" … "))


def test_where_code_sets_were_looked_for_is_told_once(write: Callable[[str], Path], root: Path) -> None:
    events = {"a": [{"codes": "zzz"}], "b": [{"codes": "yyy"}]}
    path = write(yaml.safe_dump(BASE | {"events": events}))
    own = path.parent.parent / "codesets"
    looked = f"  (code sets were looked for in {root}/conf/codesets and {own}"
    with pytest.raises(ProtocolError) as problem:
        load_study(path)
    assert str(problem.value).splitlines()[0].endswith(" has 2 problems:")
    assert str(problem.value).splitlines()[-1] == f"{looked})"
    beside = path.parent / "codesets"
    beside.mkdir()
    with pytest.raises(ProtocolError) as problem:
        load_study(path)
    note = f"{looked}; {beside} lies beside the study and is not read: move it to {own})"
    assert str(problem.value).splitlines()[-1] == note
