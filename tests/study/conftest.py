"""A small demo, made once: claims with a planted effect and every kind of dirt, ingested and studied.

One member of the program carries ids that nothing else holds (`CANARY`): wherever they turn up, something leaked.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from counterpart.application import Application
from counterpart.deliveries import read_source
from counterpart.ledger import Ledger
from counterpart.protocol import Source
from counterpart.sources import ClaimsDelivery, IngestContext, build_claims, layout_of, source_tables
from counterpart.sources.placement import Placement
from counterpart.synthetic import SynthSettings, synthesise

MEMBERS = 12_000
SEED = 11
# A year before the first index date; three years earlier are three fifths of the lines, and nobody looks back so far.
START = date(2018, 12, 31)
# Of the members without an index date few are written: both arms are whole in a third of the lines.
BYSTANDERS = 0.05
# For a JVM of one study's life: more optimising, or a collector with threads of its own, would cost more than it gains.
# With one compiler Java has 48 MB for what it compiled, and throws it out to compile it again: a quarter of all CPU.
COMPILED_LIGHTLY = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=240m"
CANARY = "CANARYQ7ZK"
DAYS = ("claim_start_date", "claim_line_start_date", "dispensing_date")


@dataclass
class Installation:
    """A site in a folder of its own, and what its last run told."""

    folder: Path
    site: Path
    study: Path
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def warehouse(self) -> Path:
        return self.folder / "tables"

    def run(self) -> dict[str, Any]:
        with Application(self.site, self.study) as application:
            self.told = {**application.ingest(None), **application.run_study()}
        return self.told


def install(
    folder: Path, claims: Path, study: Path, layout: str = "tuva", max_quarantined: float = 0.2, **spark: Any
) -> Installation:
    """A site document for the claims, with everything else below the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    site = folder / "site.yaml"
    content = {
        "name": folder.name,
        "warehouse": str(folder / "tables"),
        "reports": str(folder / "reports"),
        "source": {"layout": layout, "path": str(claims)},
        "max_quarantined": max_quarantined,
        "spark": {"master": "local[2]", "driver_memory": "2g", "shuffle_partitions": 2} | spark,
    }
    site.write_text(yaml.safe_dump(content))
    (folder / "mlflow.db").write_bytes(new_ledger())
    return Installation(folder, site, study)


@cache
def new_ledger() -> bytes:
    """MLflow's tables with no runs in them: a new file of them takes all its migrations, which are seconds.

    The notebook, and the tests of the ledger, begin without.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "mlflow.db")
        # The experiment that MLflow itself makes.
        Ledger(f"sqlite:///{file}", "Default")
        return file.read_bytes()


def bring_in(spark: SparkSession, source: Source, received_on: date) -> ClaimsDelivery:
    """What a first delivery makes of the tables. Nobody writes them: commits are a third of a small ingest."""
    layout = layout_of(source)
    raw = read_source(spark, source, source_tables(layout), layout.separator, layout.files).tables
    placement = Placement(member_buckets=1, by_year=True)
    context = IngestContext("first", received_on, placement, stage=lambda _, rows: rows.localCheckpoint())
    return build_claims(layout, raw, context)


def assert_same_tables(tables: Mapping[str, tuple[DataFrame, DataFrame]]) -> None:
    """Each two as multisets of rows, and none of them empty. All in one plan: each costs more than rows."""
    rows = reduce(
        DataFrame.unionAll,
        (
            side.selectExpr(f"'{name}' AS name", "to_json(struct(*)) AS row", f"{sign} AS sign")
            for name, sides in tables.items()
            for side, sign in zip(sides, (1, -1), strict=True)
        ),
    )
    by_row = rows.groupBy("name", "row").agg(F.sum("sign").alias("surplus"))
    counted = by_row.groupBy("name").agg(F.count_if(F.col("surplus") != 0).alias("n_different")).collect()
    assert {row["name"]: row["n_different"] for row in counted} == dict.fromkeys(tables, 0)


@pytest.fixture(scope="session")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw claims, with the canary in every source table and in rows that end in quarantine."""
    folder = tmp_path_factory.mktemp("synthetic") / "claims"
    settings = SynthSettings(members=MEMBERS, seed=SEED, dirt="typical", bystanders=BYSTANDERS, start=START)
    synthesise(settings, folder, None)
    someone = ds.dataset(folder / "program_roster").to_table()["person_id"][0].as_py()
    for name in ("medical_claim", "pharmacy_claim", "eligibility", "program_roster"):
        for file in sorted((folder / name).glob("*.parquet")):
            pq.write_table(_with_canary(pq.read_table(file), someone), file)
    return folder


def _with_canary(rows: pa.Table, someone: str) -> pa.Table:
    """The rows of one member under the canary's name, claim ids included, and a copy of each that cannot be dated."""
    is_someone = pc.fill_null(pc.equal(rows["person_id"], someone), False)
    names = {"person_id": CANARY}
    if "claim_id" in rows.column_names:
        names["claim_id"] = pc.binary_join_element_wise(CANARY, rows["claim_id"], "-")
    for column, name in names.items():
        values = pc.if_else(is_someone, name, rows[column])
        rows = rows.set_column(rows.column_names.index(column), column, values)
    days = [day for day in DAYS if day in rows.column_names]
    broken = rows.filter(is_someone) if days else rows.slice(0, 0)
    for day in days:
        nothing = pa.nulls(len(broken), broken.schema.field(day).type)
        broken = broken.set_column(broken.column_names.index(day), day, nothing)
    return pa.concat_tables([rows, broken])


@pytest.fixture(scope="session")
def study_document(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped study with fewer strata: a few thousand members would leave most of 400 strata empty."""
    return write_study(root, tmp_path_factory.mktemp("conf"), matching={"exact": ["sex", "age_band"]})


def write_study(root: Path, conf: Path, **sections: dict[str, Any]) -> Path:
    """The shipped study on the years of the claims, keys of its sections replaced, beside the shipped code sets."""
    content = yaml.safe_load((root / "conf/studies/msk_imaging.yaml").read_text())
    content["data"]["start"] = START
    for section, keys in sections.items():
        content[section] |= keys
    shutil.copytree(root / "conf/codesets", conf / "codesets", dirs_exist_ok=True)
    path = conf / "studies" / "msk_imaging.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def installation(
    spark: Any, claims: Path, study_document: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """The demo, run once from end to end."""
    made = install(tmp_path_factory.mktemp("site"), claims, study_document)
    made.run()
    return made


@pytest.fixture(scope="session")
def synpuf(root: Path, public_claims: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The site of CMS DE-SynPUF, nothing ingested yet, with the study that is run on it."""
    study = root / "conf/studies/chiropractic_imaging.yaml"
    return install(tmp_path_factory.mktemp("synpuf"), public_claims / "claimsdb_synpuf", study, layout="desynpuf")
