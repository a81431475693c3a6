"""Documents: what is shipped loads, a study is frozen and checked without a file too, and stages read it as it says."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from tests.studies import BASE, small_study

import counterpart
from counterpart.errors import CodeSetError
from counterpart.protocol import ClaimsIndex, RosterIndex, code_set_folders, load_site, load_study
from counterpart.protocol.study import BUILT_IN_CRITERIA

PACKAGE = Path(counterpart.__file__).parent


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


def test_a_study_is_frozen() -> None:
    study = small_study()
    for section, name in [(study, "seed"), (study.cohort.age, "min"), (study.outcomes.primary, "horizons")]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, name, 1)


def test_the_checks_hold_without_a_file_too() -> None:
    with pytest.raises(ValidationError) as problem:
        small_study(cohort={"age": {"min": 70, "max": 60}, "index_end": "2025-01-01"})
    assert [error["loc"] for error in problem.value.errors()] == [("cohort", "age", "min")]


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
