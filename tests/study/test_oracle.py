"""Spark's tables beside those of hand-written SQL: every row of every table is the same."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.bench.oracle import COMPARED, Oracle
from tests.bench.oracle_claims import make_rough_claims
from tests.study.conftest import install, write_study

from counterpart.codes import CodeLibrary
from counterpart.progress import TerminalProgress
from counterpart.protocol import load_site, load_study
from counterpart.stages import STAGES, Context, prepare
from counterpart.store import Store
from counterpart.tables import CLAIMS_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import SparkSession
    from tests.study.conftest import Installation

pytestmark = [pytest.mark.spark, pytest.mark.study]

ROUGH_MEMBERS = 4_000
# Whoever has these had cancer in the year before, which excludes most of them.
SELDOM_ELIGIBLE = {"charlson_canc", "charlson_metacanc"}


def assert_same(oracle: Oracle, result_keys: Mapping[str, str]) -> None:
    for table, rows in oracle.differences(result_keys).items():
        assert rows.empty, f"{table}: rows that only one side has\n{rows.to_string()}"
    for table in COMPARED:
        assert oracle.count(table) > 0, f"{table} is empty: nothing was compared"


def test_the_demo_has_the_same_rows(installation: Installation) -> None:
    with Oracle(installation.warehouse, installation.study) as oracle:
        oracle.run()
        assert_same(oracle, installation.told["result_keys"])


@pytest.fixture(scope="module")
def rough(
    spark: SparkSession, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Installation, dict[str, str]]:
    """Difficult claims, written as tables, and the stages before score and match run on them."""
    folder = tmp_path_factory.mktemp("rough")
    # Days of March 2019 before the data start lie in the same files as those after it.
    cover = {"lookback_days": 180, "allowed_gap_days": 45, "benefits": ["medical", "pharmacy"]}
    sections = {"data": {"start": date(2019, 3, 11)}, "cohort": {"enrollment": cover}}
    made = install(folder, folder, write_study(root, folder, **sections))
    library = CodeLibrary.load([root / "conf/codesets"])
    claims = make_rough_claims(ROUGH_MEMBERS, 3, library)
    store = Store(spark, str(made.warehouse))
    for table in CLAIMS_TABLES:
        store.replace(table, spark.createDataFrame(getattr(claims, table.name), table.ddl).coalesce(1))
    study = load_study(made.study)
    context = Context(spark, load_site(made.site), study, library, store, TerminalProgress())
    prepare(context)
    for name in ("cohort", "covariates", "outcomes"):
        STAGES[name].compute(context)
    return made, dict(context.keys)


def test_difficult_claims_have_the_same_rows(rough: tuple[Installation, dict[str, str]]) -> None:
    made, result_keys = rough
    with Oracle(made.warehouse, made.study) as oracle:
        oracle.run()
        assert_same(oracle, result_keys)
        assert_everything_happens(oracle)


def assert_everything_happens(oracle: Oracle) -> None:
    """Difficult claims are worth comparing only if every rule has something to decide."""

    def column(query: str) -> set[Any]:
        return {row[0] if len(row) == 1 else row for row in oracle.database.execute(query).fetchall()}

    idle = column("select criterion from attrition where step > 0 group by all having sum(n_excluded) = 0")
    assert not idle, f"nobody falls at {idle}"
    assert column("select distinct censored_by from follow_up") == {"treatment", "death", "coverage_end", "data_end"}
    ties = "censored_by = 'treatment' and death_date = end_date"
    assert column(f"select unit from cohort join follow_up using (unit) join members using (member_key) where {ties}")
    assert (
        column("select name from asked_covariates where name not in (select name from covariates)") <= SELDOM_ELIGIBLE
    )
    assert not column("select outcome, horizon from outcomes group by all having sum(n_events) = 0")
    assert column("select min(week), max(week) from outcome_weeks") == {(-26, 25)}
    assert column("select distinct benefit from enrollment") == {"medical", "pharmacy"}
    before = "service_date < '2019-03-11' and service_date >= '2019-03-01'"
    assert column(f"select count(*) > 0 from medical semi join people using (member_key) where {before}") == {True}
