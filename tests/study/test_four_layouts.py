"""One population written in four layouts gives the same cohort, covariates, follow-up and outcomes, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.population.as_mapped import write_mapped
from tests.population.as_omop import write_omop
from tests.population.as_rif import write_rif
from tests.population.as_tuva import write_tuva
from tests.population.people import make_population

from counterpart.codes import CodeLibrary
from counterpart.protocol import Site, Study
from counterpart.stages import STAGES, Context, ingest, prepare
from counterpart.store import Store
from counterpart.tables import COHORT, COVARIATE_DICTIONARY, COVARIATES, FOLLOW_UP, MEMBERS, OUTCOME_WEEKS, OUTCOMES

pytestmark = [pytest.mark.spark, pytest.mark.study]

N_PEOPLE, SEED = 500, 20
LAYOUTS = ("tuva", "omop", "rif", "mapping")
Rows = Counter[tuple[Any, ...]]


class Silent:
    def note(self, _: str) -> None:
        """Nobody looks."""

    def stage(self, _: str) -> Any:
        return nullcontext()


def the_study(root: Path) -> Study:
    """The shipped study on the years of the claims, with what all layouts can say of cost, and both benefits."""
    content = yaml.safe_load((root / "conf/studies/msk_imaging.yaml").read_text())
    content["data"]["start"] = date(2018, 12, 31)
    content["cohort"]["enrollment"]["benefits"] = ["medical", "pharmacy"]
    content["covariates"]["events"] += [
        {"event": "medical_claim", "kind": "count"},
        {"event": "opioid_analgesics", "kind": "cents"},
    ]
    return Study.model_validate(content)


def study_of(spark: SparkSession, folder: Path, source: Mapping[str, str], root: Path) -> dict[str, Rows]:
    """A site of its own: ingested, and the stages whose rows are compared. Table -> its rows by person and date."""
    store = Store(spark, str(folder / "tables"))
    document = {"name": "s", "warehouse": store.warehouse, "reports": "r", "source": source, "max_quarantined": 0.3}
    site = Site.model_validate(document)
    ingest(store, site, Silent(), date(2022, 1, 31))
    library = CodeLibrary.load([root / "conf/codesets"])
    context = Context(spark, site, the_study(root), library, store, Silent())
    prepare(context)
    for name in ("cohort", "covariates", "outcomes"):
        STAGES[name].compute(context)
    return told_by(store, context.keys)


def told_by(store: Store, keys: Mapping[str, str]) -> dict[str, Rows]:
    people = store.read(MEMBERS).select("member_key", "person_id")
    cohort = store.read_result(COHORT, keys["cohort"]).join(people, "member_key", "left").localCheckpoint()
    units = cohort.select("unit_id", "person_id", "arm", "index_date")
    names = store.read_result(COVARIATE_DICTIONARY, keys["covariates"]).select("covariate_id", "name")
    covariates = store.read_result(COVARIATES, keys["covariates"]).join(F.broadcast(names), "covariate_id")
    follow_up, outcomes, weeks = (
        store.read_result(table, keys["outcomes"]).join(units, "unit_id") for table in (FOLLOW_UP, OUTCOMES, OUTCOME_WEEKS)
    )
    unit = ("person_id", "arm", "index_date")
    frames = {
        "cohort": cohort.select(*unit, "excluded_by", "age", "sex", "age_band"),
        # Where somebody lived before there was cover is told by some layouts only.
        "places": cohort.filter("excluded_by IS NULL").select(*unit, "state", "region"),
        "covariates": covariates.join(units, "unit_id").select(*unit, "name", "value"),
        "follow_up": follow_up.select(*unit, "end_date", "censored_by", "days"),
        "outcomes": outcomes.select(*unit, "outcome", "horizon", "n_events", "first_event_day", "days_at_risk"),
        "outcome_weeks": weeks.select(*unit, "week", "n_events"),
    }
    return {name: Counter(map(tuple, frame.collect())) for name, frame in frames.items()}


@pytest.fixture(scope="module")
def told(spark: SparkSession, root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Rows]]:
    """Layout -> table -> rows."""
    population = make_population(N_PEOPLE, SEED)
    folder = tmp_path_factory.mktemp("four")
    write_tuva(population, folder / "tuva/claims")
    write_omop(population, folder / "omop/claims")
    write_rif(population, folder / "rif/claims")
    mapping = write_mapped(population, folder / "mapping/claims")
    sources = {name: {"layout": name, "path": str(folder / name / "claims")} for name in LAYOUTS}
    sources["mapping"]["mapping"] = str(mapping)
    return {name: study_of(spark, folder / name, source, root) for name, source in sources.items()}


@pytest.mark.parametrize("layout", LAYOUTS[1:])
@pytest.mark.parametrize("table", ["cohort", "places", "covariates", "follow_up", "outcomes", "outcome_weeks"])
def test_rows_are_those_of_tuva(told: dict[str, dict[str, Rows]], layout: str, table: str) -> None:
    ours, theirs = told["tuva"][table], told[layout][table]
    assert sorted(map(str, theirs - ours))[:20] == sorted(map(str, ours - theirs))[:20] == []


def test_dump(told):
    t = told["tuva"]
    print({k: len(v) for k, v in t.items()})
    print(Counter((r[1], r[3]) for r in t["cohort"]))
    print(Counter(r[3] for r in t["covariates"]))
    print(Counter(r[4] for r in t["follow_up"]))
    c = Counter()
    for r in t["outcomes"]:
        c[r[1], r[3], r[4]] += r[5]
    print(c)
