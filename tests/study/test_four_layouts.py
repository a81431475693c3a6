"""One population written in four layouts gives the same cohort, covariates, follow-up and outcomes, row by row.

What all four can say, and so the population does (`tests/population/people.py`):

- cover is whole months of medical and pharmacy benefits together (RIF tells months, Tuva tells no benefits);
- nobody moves (a CDM has one place for a person), and where somebody lived before there was cover is not compared;
- facilities are paid by claim, so the whole amount stands on a first line; a line has one modifier; a visit is a claim;
- no imaging or therapy is known by its revenue centre alone, for which a CDM has no row;
- what a facility does, by ICD, is done on a day of one of its lines, for in a CDM it is a line;
- denied, voided, corrected and repeated lines are sent as each layout sends them; a CDM holds what was left.

The study is the shipped one, with what hospitals do by ICD and DRG. Costs are of all claims and of fills: what a CDM
says of the cost of an event is that of its own row, not of the claim.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from pyspark.sql import DataFrame, SparkSession
from tests.bench.oracle import live_files
from tests.notes import Notes
from tests.population.as_mapped import write_mapped
from tests.population.as_omop import write_omop
from tests.population.as_rif import write_rif
from tests.population.as_tuva import write_tuva
from tests.population.people import make_population
from tests.study.conftest import bring_in

from counterpart.codes import CodeLibrary
from counterpart.protocol import Site, Source, Study
from counterpart.sources import ClaimsDelivery
from counterpart.stages import STAGES, Context, prepare
from counterpart.store import Store
from counterpart.tables import (
    ATTRITION,
    CLAIMS_TABLES,
    COHORT,
    COVARIATE_DICTIONARY,
    COVARIATES,
    FOLLOW_UP,
    MEMBERS,
    OUTCOME_WEEKS,
    OUTCOMES,
    conform,
)

pytestmark = [pytest.mark.spark, pytest.mark.study]

N_PEOPLE, SEED = 900, 20
# Whoever has these is excluded.
SELDOM_ELIGIBLE = {"charlson_canc", "charlson_metacanc", "charlson_aids"}
RECEIVED_ON = date(2022, 1, 31)
WRITERS = {"tuva": write_tuva, "omop": write_omop, "rif": write_rif, "mapping": write_mapped}
# The people of the first layout are 1,000,001 and on, those of the second 2,000,001: four studies are one.
APART = 1_000_000
READ = (MEMBERS, COHORT, ATTRITION, COVARIATES, COVARIATE_DICTIONARY, FOLLOW_UP, OUTCOMES, OUTCOME_WEEKS)
UNIT = "person, arm, index_date"
COMPARED = {
    "cohort": f"select layout, {UNIT}, excluded_by, age, sex, age_band from units",
    "places": f"select layout, {UNIT}, state, region from units where excluded_by is null",
    "covariates": f"""select layout, {UNIT}, name, value
                      from covariates join covariate_dictionary using (covariate_id) join units using (unit_id)""",
    "follow_up": f"select layout, {UNIT}, end_date, censored_by, days from follow_up join units using (unit_id)",
    "outcomes": f"""select layout, {UNIT}, outcome, horizon, n_events, first_event_day, days_at_risk
                    from outcomes join units using (unit_id)""",
    "outcome_weeks": f"select layout, {UNIT}, week, n_events from outcome_weeks join units using (unit_id)",
}


@dataclass
class Told:
    """Table -> layout -> its rows; and the names that the study has for what could happen."""

    rows: dict[str, dict[str, Counter[tuple[Any, ...]]]] = field(default_factory=dict)
    criteria: set[str] = field(default_factory=set)
    covariates: set[str] = field(default_factory=set)


# What a facility does, and why it was paid for a stay.
CODE_SETS = {
    "rehabilitation": ("icd10pcs,F07*",),
    "lumbar_operation": ("icd10pcs,0SG0*", "icd10pcs,0SG1*"),
    "unspecified_stay": ("drg,039",),
}


def the_study(root: Path) -> Study:
    """The shipped study on the years of the claims; both benefits, days with claims, and the cost of fills as well.

    Procedures of facilities, some of which ask for a diagnosis beside them, and DRGs are counted too.
    """
    content = yaml.safe_load((root / "conf/studies/msk_imaging.yaml").read_text())
    content["data"]["start"] = date(2018, 12, 31)
    content["cohort"]["enrollment"]["benefits"] = ["medical", "pharmacy"]
    content["covariates"]["events"] += [
        {"event": "medical_claim", "kind": "count"},
        {"event": "opioid_analgesics", "kind": "cents"},
        {"event": "rehabilitation", "kind": "count"},
        {"event": "back_rehabilitation", "kind": "count", "window": [-90, -1]},
    ]
    content["events"] |= {
        "back_rehabilitation": [{"codes": "rehabilitation", "diagnosis": "low_back_pain"}],
        # The one has no DRG of the other: each is seen by itself.
        "operated": [{"codes": "lumbar_operation"}, {"codes": "unspecified_stay"}],
    }
    content["outcomes"]["outcomes"] += [
        {"name": name, "label": name, "events": [name], "horizons": [180]} for name in ("rehabilitation", "operated")
    ]
    return Study.model_validate(content)


def delivered(spark: SparkSession, folder: Path) -> list[ClaimsDelivery]:
    """The population written and read four times."""
    population = make_population(N_PEOPLE, SEED)
    deliveries = []
    for number, (name, write) in enumerate(WRITERS.items(), start=1):
        claims = folder / name
        mapping = write(population.renumbered(number * APART), claims)
        source = Source(layout=name, path=str(claims), mapping=str(mapping) if mapping else None)
        deliveries.append(bring_in(spark, source, RECEIVED_ON))
    return deliveries


def studied(spark: SparkSession, folder: Path, deliveries: list[ClaimsDelivery], root: Path) -> Path:
    """All tables, one below the other, and the stages whose rows are compared: the warehouse of all."""
    site = Site.model_validate({"name": "all", "warehouse": str(folder / "all/tables"), "reports": "r"})
    store = Store(spark, site.warehouse)
    for table in CLAIMS_TABLES:
        rows = (conform(getattr(one, table.name), table) for one in deliveries)
        store.replace(table, reduce(DataFrame.unionAll, rows).coalesce(1))
    own = folder / "codesets"
    own.mkdir()
    for name, rows in CODE_SETS.items():
        (own / f"{name}.csv").write_text(
            "\n".join(("system,code,valid_from,valid_to,source", *(f"{row},,,t" for row in rows)))
        )
    library = CodeLibrary.load([root / "conf/codesets", own])
    context = Context(spark, site, the_study(root), library, store, Notes())
    prepare(context)
    for name in ("cohort", "covariates", "outcomes"):
        STAGES[name].compute(context)
    return folder / "all/tables"


@pytest.fixture(scope="module")
def told(spark: SparkSession, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("four")
    warehouse = studied(spark, folder, delivered(spark, folder), root)
    found = Told()
    layouts = list(WRITERS)
    with duckdb.connect() as database:
        for table in READ:
            files = live_files(warehouse / table.name)
            database.execute(f"create view {table.name} as from read_parquet({files}, hive_partitioning = true)")
        database.execute(
            f"""create view units as select cohort.*, person_id::int // {APART} as layout,
                person_id::int % {APART} as person from cohort join members using (member_key)"""
        )
        for name, query in COMPARED.items():
            found.rows[name] = {layout: Counter() for layout in layouts}
            for number, *row in database.execute(query).fetchall():
                found.rows[name][layouts[number - 1]][tuple(row)] += 1
        found.criteria |= {row[0] for row in database.execute("select criterion from attrition").fetchall()}
        found.covariates |= {row[0] for row in database.execute("select name from covariate_dictionary").fetchall()}
    return found


@pytest.mark.parametrize("layout", list(WRITERS)[1:])
@pytest.mark.parametrize("table", COMPARED)
def test_rows_are_those_of_tuva(told: Told, layout: str, table: str) -> None:
    ours, theirs = told.rows[table]["tuva"], told.rows[table][layout]
    assert ours
    differences = {
        "only here": sorted((theirs - ours).elements(), key=str),
        "only in Tuva": sorted((ours - theirs).elements(), key=str),
    }
    shown = [f"{where}: {row}" for where, rows in differences.items() for row in rows[:10]]
    assert not shown, (
        f"{table} of {layout}: {', '.join(f'{len(r)} {w}' for w, r in differences.items())}\n" + "\n".join(shown)
    )


def test_everything_happens(told: Told) -> None:
    """Four empty studies are the same, too."""
    rows = {name: list(by_layout["tuva"]) for name, by_layout in told.rows.items()}
    eligible = Counter(arm for _, arm, _, excluded_by, *_ in rows["cohort"] if excluded_by is None)
    assert min(eligible["treated"], eligible["comparator"]) > 50
    assert told.criteria - {row[3] for row in rows["cohort"]} == {"candidates", "known_member"}
    assert told.covariates - {row[3] for row in rows["covariates"]} <= SELDOM_ELIGIBLE
    assert {row[4] for row in rows["follow_up"]} == {"treatment", "death", "coverage_end", "data_end"}
    events = Counter()
    for _, _, _, outcome, horizon, n_events, *_ in rows["outcomes"]:
        events[outcome, horizon] += n_events
    # An operation is rare, and most of those who have one are excluded by it.
    assert {outcome for outcome, n_events in events.items() if n_events == 0} <= {("surgery", 180)}
