"""Documents: what is shipped loads; what is wrong is told at once, where it stands, with what is allowed."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from tests.studies import BASE, changed, small_study

import counterpart
from counterpart.errors import CodeSetError, ProtocolError
from counterpart.protocol import ClaimsIndex, RosterIndex, code_set_folders, load_site, load_study
from counterpart.protocol.study import BUILT_IN_CRITERIA

PACKAGE = Path(counterpart.__file__).parent


@pytest.fixture
def complaints(write: Callable[[str], Path]) -> Callable[..., list[str]]:
    """Load the base study with changes; the problems told, one a line."""

    def told(*changes: tuple[str, Any]) -> list[str]:
        with pytest.raises(ProtocolError) as problem:
            load_study(write(yaml.safe_dump(changed(BASE, *changes))))
        head, *lines = str(problem.value).splitlines()
        lines = [line for line in lines if not line.startswith("  (code sets were looked for in ")]
        assert f" has {len(lines)} problem" in head
        return [line.strip() for line in lines]

    return told


def test_what_is_shipped_loads(root: Path) -> None:
    studies = {path.stem: load_study(path) for path in (root / "conf/studies").glob("*.yaml")}
    sites = {path.stem: load_site(path) for path in (root / "conf/sites").glob("*.yaml")}
    assert {name: study.name for name, study in studies.items()} == {name: name for name in studies}
    assert set(studies) == {"msk_imaging", "chiropractic_imaging", "nsaid_gi_bleed"}
    assert set(sites) == {"local", "synpuf", "gibleed", "rif", "databricks"}
    msk = studies["msk_imaging"]
    assert msk.cohort.treated.index == RosterIndex(program="digital_msk")
    assert msk.cohort.comparator.index == ClaimsIndex(event="pt_visit", take="each")
    assert (msk.data.start, msk.cohort.index_end) == (date(2016, 1, 1), date(2020, 10, 31))
    assert msk.outcomes.primary.name == "lumbar_imaging"
    assert studies["chiropractic_imaging"].cohort.treated.index == ClaimsIndex(event="chiropractic_visit", take="first")


def test_a_clean_document_loads_as_it_is_written(write: Callable[[str], Path]) -> None:
    assert load_study(write(yaml.safe_dump(BASE))) == small_study()


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
def test_one_problem(complaints: Callable[..., list[str]], path: str, value: Any, complaint: str) -> None:
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


def test_a_study_is_frozen() -> None:
    study = small_study()
    for section, name in [(study, "seed"), (study.cohort.age, "min"), (study.outcomes.primary, "horizons")]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, name, 1)


def test_the_checks_hold_without_a_file_too() -> None:
    with pytest.raises(ValidationError) as problem:
        small_study(cohort={"age": {"min": 70, "max": 60}, "index_end": "2025-01-01"})
    assert [error["loc"] for error in problem.value.errors()] == [("cohort", "age", "min")]


# What a document means decides its hash, not how it is written.


def test_an_unknown_code_set_is_found_when_events_are_planned() -> None:
    """Where no file is read, as in a notebook, the plan of the events is what refuses it."""
    from counterpart.codes import CodeLibrary, CodeSet
    from counterpart.events import plan_events

    library = CodeLibrary({"imaging": CodeSet.of("imaging", [])})
    with pytest.raises(CodeSetError, match="there is no code set 'imagin'; the nearest known one is 'imaging'"):
        plan_events(small_study(), library, ["imagin"])


def test_stays_are_no_drugs_and_part_of_a_stage_s_key() -> None:
    from counterpart.codes import CodeLibrary, CodeSet
    from counterpart.events import plan_events
    from counterpart.stages.study import _plain_plan

    rule = {"name": "long_cancer", "event": "cancer", "window": [-60, 0], "supplied_days": 30}
    with pytest.raises(ValidationError, match="no drug is supplied by cancer, which is a stay"):
        small_study(stays=["cancer"], cohort={"exclusions": [rule]})
    library = CodeLibrary({name: CodeSet.of(name, []) for name in ("cancer", "mri")})
    by_day, by_stay, others = (
        _plain_plan(plan_events(small_study(stays=stays), library, ["mri"])) for stays in ([], ["mri"], ["cancer"])
    )
    assert by_day == others
    assert by_day != by_stay


def test_built_in_criteria_are_those_that_the_cohort_judges() -> None:
    tree = ast.parse((PACKAGE / "cohort" / "criteria.py").read_text())
    function = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "_criteria")
    rules = next(node for node in ast.walk(function) if isinstance(node, ast.Dict))
    names = [key.value for key in rules.keys if isinstance(key, ast.Constant)]
    assert (*names, "one_date_per_month") == BUILT_IN_CRITERIA


def test_covariates_are_called_what_the_dictionary_calls_them() -> None:
    from counterpart.covariates import describe_covariates

    events = [
        {"event": "imaging"},
        {"event": "imaging", "kind": "count", "window": [-90, 0]},
        {"event": "imaging", "kind": "cents", "window": [-365, -31], "name": "early_cost"},
    ]
    study = small_study(covariates={"events": events})
    named = [covariate.name for covariate in describe_covariates(study, {"region": ()}) if covariate.event]
    assert named == [flag.covariate_name for flag in study.covariates.events]
    assert named == ["imaging_flag_365", "imaging_count_90_0", "early_cost"]


def test_code_sets_lie_beside_the_studies_and_in_the_package(write: Callable[[str], Path], root: Path) -> None:
    """A study without code sets of its own takes those that are shipped; its own replace their namesakes."""
    shipped = root / "conf" / "codesets"
    own = write("")
    assert code_set_folders(own) == [shipped, own.parent.parent / "codesets"]
    assert code_set_folders(root / "elsewhere" / "studies" / "x.yaml") == [shipped]
    assert code_set_folders(root / "conf" / "studies" / "msk_imaging.yaml") == [shipped]
