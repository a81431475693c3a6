"""No rule reads the future: whatever happens after the index date, cohort, covariates and scores are the same."""

from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from tests.study.conftest import Installation, install

from counterpart.application import Application
from counterpart.codes import encode_column
from counterpart.protocol import load_study
from counterpart.store import Store
from counterpart.tables import (
    COHORT,
    COVARIATES,
    ENROLLMENT,
    MEDICAL,
    MEMBERS,
    PHARMACY,
    PROGRAM,
    SCORES,
    Table,
)

pytestmark = [pytest.mark.spark, pytest.mark.study]


def rewrite_the_future(tables: dict[Table, DataFrame], last_day: DataFrame) -> dict[Table, DataFrame]:
    """Claims tables in which everything after a member's `last_day` is another story. `last_day`: (member_key, cut).

    A third of the later lines and fills vanish, the others become lumbar MRIs of seven times the price; everybody dies
    or loses cover the day after, moves, enrols then; whoever enrolled later does not.
    """

    def with_cut(rows: DataFrame) -> DataFrame:
        return rows.join(last_day, "member_key", "left").withColumn("cut", F.coalesce("cut", F.lit(date(9999, 1, 1))))

    def lines(table: Table, day: str, changed: dict[str, object]) -> DataFrame:
        rows = with_cut(tables[table])
        is_later = F.col(day) > F.col("cut")
        vanishes = F.pmod(F.xxhash64("claim_id", "line_number"), F.lit(3)) == 0
        columns = {name: F.when(is_later, value).otherwise(F.col(name)) for name, value in changed.items()}
        return rows.filter(~(is_later & vanishes)).withColumns(columns)

    mri = encode_column("hcpcs", F.lit("72148"))
    members, enrollment, program = (with_cut(tables[table]) for table in (MEMBERS, ENROLLMENT, PROGRAM))
    moved = F.filter("residences", lambda place: place["from_date"] <= F.col("cut"))
    next_day = F.date_add("cut", 1)
    newly = last_day.join(tables[PROGRAM], "member_key", "left_anti").select(
        "member_key", F.lit("digital_msk").alias("program"), next_day.alias("enrolled_on"), F.lit(None).cast("date")
    )
    return {
        MEMBERS: members.withColumns(
            {
                "residences": moved,
                "death_date": F.when(F.col("death_date") <= F.col("cut"), F.col("death_date")).otherwise(next_day),
            }
        ),
        ENROLLMENT: enrollment.filter("start_date <= cut").withColumn("end_date", F.least("end_date", "cut")),
        MEDICAL: lines(
            MEDICAL,
            "service_date",
            {"procedure": mri, "allowed_cents": F.col("allowed_cents") * 7, "place": F.lit("22")},
        ),
        PHARMACY: lines(PHARMACY, "dispensing_date", {"allowed_cents": F.col("allowed_cents") * 7}),
        PROGRAM: program.filter("enrolled_on <= cut").select(*PROGRAM.columns).unionAll(newly),
    }


@pytest.fixture(scope="module")
def changed_site(installation: Installation, claims, tmp_path_factory):
    """A site whose tables hold another future: `changed_site(name, last_day)`."""

    def change(store: Store, last_day: DataFrame, name: str) -> Installation:
        made = install(tmp_path_factory.mktemp(name), claims, installation.study)
        tables = {table: store.read(table) for table in (MEMBERS, ENROLLMENT, MEDICAL, PHARMACY, PROGRAM)}
        other = Store(store.spark, str(made.warehouse))
        for table, rows in rewrite_the_future(tables, last_day).items():
            other.replace(table, rows.select(*table.columns))
        return made

    return change


def rows_of(store: Store, told: dict, stage: str, table: Table, units: DataFrame) -> list[str]:
    rows = store.read_result(table, told["result_keys"][stage]).join(units, "unit_id", "left_semi")
    return sorted(row[0] for row in rows.selectExpr("to_json(struct(*))").collect())


def test_each_members_future_after_the_first_index_date(spark, installation, changed_site):
    """The first candidate date of everybody, judged with the claims that came and with others that might have."""
    store = Store(spark, str(installation.warehouse))
    cohort = store.read_result(COHORT, installation.told["result_keys"]["cohort"])
    last_day = cohort.groupBy("member_key").agg(F.min("index_date").alias("cut"))
    first_units = cohort.join(last_day, "member_key").filter("index_date = cut").select("unit_id")
    changed = changed_site(store, last_day, "futures")
    with Application(changed.site, changed.study) as application:
        told = application.run_stages(["cohort", "covariates"])
    other = Store(spark, str(changed.warehouse))
    for stage, table in (("cohort", COHORT), ("covariates", COVARIATES)):
        before = rows_of(store, installation.told, stage, table, first_units)
        assert before == rows_of(other, told, stage, table, first_units)
        assert len(before) > 1000


def test_everybodys_future_after_the_last_index_date(spark, installation, changed_site):
    """Scores too, for the study's own index window ends at the cut: the model sees nothing later."""
    store = Store(spark, str(installation.warehouse))
    cut = load_study(installation.study).cohort.index_end
    assert store.read(MEDICAL).filter(F.col("service_date") > cut).count() > 1_000
    everybody = store.read(MEMBERS).select("member_key", F.lit(cut).alias("cut"))
    changed = changed_site(store, everybody, "future")
    with Application(changed.site, changed.study) as application:
        told = application.run_stages(["cohort", "covariates", "score"])
    other = Store(spark, str(changed.warehouse))
    cohort = store.read_result(COHORT, installation.told["result_keys"]["cohort"])
    units = cohort.filter(F.col("index_date") <= cut).select("unit_id")
    for stage, table in (("cohort", COHORT), ("covariates", COVARIATES), ("score", SCORES)):
        before = rows_of(store, installation.told, stage, table, units)
        assert before == rows_of(other, told, stage, table, units)
        assert len(before) > 100
