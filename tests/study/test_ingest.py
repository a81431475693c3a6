"""The ingest stage on made-up claims with every kind of dirt: accounts, repetition, interruption, a later delivery."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.notes import Notes
from tests.study.conftest import assert_same_tables

from counterpart.codes import decode
from counterpart.disclosure.cells import rounded
from counterpart.errors import ConflictError, DataError, ProtocolError
from counterpart.protocol import Site, Upkeep
from counterpart.sources import build_claims
from counterpart.stages import ingestion as claims_stage
from counterpart.stages.ingestion import IngestReport, ingest
from counterpart.stages.whole import whole_tables
from counterpart.store import Store
from counterpart.synthetic import SynthSettings, synthesise
from counterpart.tables import CLAIMS_TABLES, INTAKE, MEDICAL, QUARANTINE, Table

pytestmark = [pytest.mark.spark, pytest.mark.study]

SETTINGS = SynthSettings(
    members=1_500, seed=5, dirt="typical", start=date(2019, 1, 1), end=date(2021, 1, 29),
    workers=1, block_members=500, blocks_per_file=2,
)  # fmt: skip
RECEIVED_ON = date(2021, 10, 15)
LINE = ["person_id", "claim_id", "claim_line_number"]


def bring_in(
    store: Store, claims: Path, notes: Notes | None = None, received_on: date = RECEIVED_ON, **site: Any
) -> IngestReport:
    document = {
        "name": "ingest",
        "warehouse": store.warehouse,
        "reports": "reports",
        "source": {"layout": "tuva", "path": str(claims)},
        "max_quarantined": 0.2,
    }
    return ingest(store, Site.model_validate(document | site), notes or Notes(), received_on)


def versions(store: Store) -> dict[str, int]:
    return {table.name: store.version(table) for table in (*CLAIMS_TABLES, QUARANTINE, INTAKE)}


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(SETTINGS, tmp_path_factory.mktemp("ingest") / "claims").out


@pytest.fixture(scope="module")
def store(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(spark, str(tmp_path_factory.mktemp("ingest") / "tables"))


@pytest.fixture(scope="module")
def report(store: Store, claims: Path) -> IngestReport:
    return bring_in(store, claims)


def by_rule(intake: pd.DataFrame) -> dict[tuple[str, str, str], int]:
    return {(row.source, row.fate, row.rule): row.n_rows for row in intake.itertuples()}


def test_every_kind_of_dirt_is_found_and_counted(report: IngestReport, claims: Path) -> None:
    found = by_rule(report.intake)
    expected: dict[tuple[str, str, str], int] = {}
    for source, kinds in json.loads((claims / "truth/dirt.json").read_text()).items():
        for kind in kinds.values():
            key = (source, kind["fate"], kind["rule"])
            expected[key] = expected.get(key, 0) + kind["rows"]
    counts = json.loads((claims / "truth/planted.json").read_text())["counts"]
    expected["eligibility", "merged", "adjacent_span"] = counts["adjacent_spans"]
    expected["program_roster", "merged", "later_enrolment"] = counts["later_enrolments"]
    assert {key: n for key, n in found.items() if key[2] != "as_sent"} == expected
    assert len({rule for _, _, rule in expected}) >= 11


def test_all_rows_of_the_files_are_accounted_for(report: IngestReport, store: Store, claims: Path) -> None:
    told = report.intake.groupby("source")["n_rows"].sum().to_dict()
    assert told == {name: pq.read_table(claims / name, columns=[]).num_rows for name in told}
    assert set(told) == {"eligibility", "medical_claim", "pharmacy_claim", "program_roster"}
    kept = report.intake[report.intake.fate == "kept"].groupby("source")["n_rows"].sum()
    assert store.read(MEDICAL).count() == kept["medical_claim"]
    rejected = report.intake[report.intake.fate == "quarantined"]
    expected = rejected.set_index(["source", "rule"])["n_rows"].to_dict()
    reasons = store.read(QUARANTINE).groupBy("source", "reason").count().collect()
    assert {(row["source"], row["reason"]): row["count"] for row in reasons} == expected
    assert len(store.files(QUARANTINE)) == 1


def test_the_same_files_again_are_reused(report: IngestReport, store: Store, claims: Path) -> None:
    before, notes = versions(store), Notes()
    again = bring_in(store, claims, notes)
    assert (again.is_reused, again.delivery, versions(store)) == (True, report.delivery, before)
    assert by_rule(again.intake) == by_rule(report.intake)
    assert notes.said == [f"ingest: reused, this delivery is in the tables already (key {report.delivery})"]


@pytest.fixture
def catalog(spark: SparkSession, claims: Path, tmp_path: Path) -> Iterator[str]:
    """The same rows in another order, as tables of a catalog: two of Delta, one of Parquet files, and a view."""
    spark.sql("CREATE DATABASE payer_claims")
    for number, name in enumerate(("eligibility", "medical_claim", "pharmacy_claim", "program_roster")):
        rows = pq.read_table(claims / name)
        order = pd.Series(range(rows.num_rows)).sample(frac=1, random_state=number).to_numpy()
        (tmp_path / name).mkdir()
        for part in range(3):
            pq.write_table(rows.take(order[part::3]), tmp_path / name / f"{part}.parquet")
        shuffled = spark.read.parquet(str(tmp_path / name))
        if name == "eligibility":
            spark.sql(f"CREATE VIEW payer_claims.{name} AS SELECT * FROM parquet.`{tmp_path / name}`")
        else:
            shuffled.write.saveAsTable(
                f"payer_claims.{name}", format="parquet" if name == "pharmacy_claim" else "delta"
            )
    yield "payer_claims"
    spark.sql("DROP DATABASE payer_claims CASCADE")


def test_interrupted_and_repeated_from_shuffled_tables_of_a_catalog_the_tables_are_the_same(
    report: IngestReport, store: Store, catalog: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, notes = {"layout": "tuva", "catalog": catalog}, Notes()
    other = Store(store.spark, str(tmp_path / "tables"))
    write = Store.change_lines

    def stop_before_fills(self: Store, table: Table, *rest: Any) -> bool:
        if table.name == "pharmacy":
            raise KeyboardInterrupt
        return write(self, table, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "change_lines", stop_before_fills)
        with pytest.raises(KeyboardInterrupt):
            bring_in(other, tmp_path, source=source)
    assert other.finished() == {}
    with pytest.raises(DataError, match="the first ingest into"):
        whole_tables(other, CLAIMS_TABLES, notes)
    assert not list(Path(other.warehouse, "_staging").iterdir())
    medical = other.version(MEDICAL)
    kept_up: list[tuple[set[str], dict[str, int | None]]] = []

    def note_upkeep(_: Store, __: Upkeep, written: list[Table], before: dict[str, int | None], ___: Notes) -> None:
        kept_up.append(({table.name for table in written}, before))

    monkeypatch.setattr(claims_stage, "keep_up", note_upkeep)
    # Next morning: what is left is judged by the day by which the first half was.
    repeated = bring_in(other, tmp_path, notes, received_on=date(2020, 6, 1), source=source)
    assert kept_up == [({"medical", "pharmacy"}, {"medical": None})]
    assert (repeated.is_reused, repeated.versions) == (False, {"medical_claim": 0, "program_roster": 0})
    assert other.version(MEDICAL) == medical
    assert by_rule(repeated.intake) == by_rule(report.intake)
    tables = {table.name: (other.read(table), store.read(table)) for table in CLAIMS_TABLES}
    tables["quarantine"] = (other.read(QUARANTINE).drop("delivery"), store.read(QUARANTINE).drop("delivery"))
    assert_same_tables(tables)
    assert_planned(notes.said, report.intake)
    DeltaTable.forName(store.spark, f"{catalog}.medical_claim").optimize().executeCompaction()
    again = bring_in(other, tmp_path, source=source)
    assert (again.is_reused, again.versions) == (True, {"medical_claim": 1, "program_roster": 0})
    recorded = other.finished([repeated.delivery])[repeated.delivery].inputs
    assert (recorded["source"], recorded["versions"]) == (catalog, repeated.versions)


def assert_planned(said: list[str], intake: pd.DataFrame) -> None:
    """What a person is told before an ingest starts."""
    n_rows = intake.groupby("source")["n_rows"].sum()
    begun, *plan = said
    assert begun == "ingest: this delivery was begun before and is taken up again"
    told = [re.sub(r"\d+ files?, \S+( than 1)? MB", "FILES", line.strip()) for line in plan]
    assert told == [
        "reads eligibility: view, rows to be counted",
        f"reads medical_claim: Delta version 0, FILES, {n_rows['medical_claim']:,} rows",
        f"reads pharmacy_claim: table, FILES, {n_rows['pharmacy_claim']:,} rows",
        f"reads program_roster: Delta version 0, FILES, some {rounded(int(n_rows['program_roster'])):,} rows",
        "writes medical and pharmacy by year of service, 1 bucket of members in each, as they lie",
        "rules: service before 1900-01-01 quarantined; more than 30 days after death: quarantine; negative quantity: "
        "mend; unknown sex: keep; denied by amounts: quarantine; unreadable amount: keep, code: keep, supply: keep; "
        "stops where more than 20% of a source table would be quarantined",
        "upkeep: small files joined: touched; old files never removed; versions kept for 30 days",
    ]


def test_too_much_rejected_stops_before_anything_is_written(claims: Path, tmp_path: Path, spark: SparkSession) -> None:
    store = Store(spark, str(tmp_path / "tables"))
    write_later(claims, tmp_path / "raw", choose(claims, None, 20).assign(claim_line_number=None))
    message = r"medical_claim: 100% of the rows would be quarantined \(null_key\); the site allows 20\.0%"
    with pytest.raises(DataError, match=message):
        bring_in(store, tmp_path / "raw")
    assert not [path for path in Path(store.warehouse).iterdir() if path.name != "_staging"]


def test_a_row_that_is_not_accounted_for_stops_before_anything_is_written(
    claims: Path, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The accounts are held to a count of the files themselves, not to another sum of the same rows."""
    write_later(claims, tmp_path / "raw", choose(claims, None, 20))

    def forgetful(*arguments: Any) -> Any:
        made = build_claims(*arguments)
        is_one = (F.col("source") == "medical_claim") & (F.col("fate") == "kept")
        return replace(made, intake=made.intake.withColumn("n_rows", F.col("n_rows") - is_one.cast("bigint")))

    monkeypatch.setattr(claims_stage, "build_claims", forgetful)
    store = Store(spark, str(tmp_path / "tables"))
    with pytest.raises(DataError, match="rows of medical_claim were lost or doubled on the way"):
        bring_in(store, tmp_path / "raw")
    assert not [path for path in Path(store.warehouse).iterdir() if path.name != "_staging"]


def test_a_site_without_a_source_and_a_folder_without_claims(spark: SparkSession, tmp_path: Path) -> None:
    store = Store(spark, str(tmp_path / "tables"))
    with pytest.raises(ProtocolError, match="has no section `source`"):
        bring_in(store, tmp_path, source=None)
    with pytest.raises(DataError, match="lacks eligibility, medical_claim, pharmacy_claim; each must be"):
        bring_in(store, tmp_path)
    assert not Path(store.warehouse).exists()


# --- a later delivery -------------------------------------------------------------------------------------------------


def lines_of(store: Store) -> pd.DataFrame:
    """The final lines by their key, with what the later delivery changes."""
    # Without nulls: pandas would make floats of the codes.
    procedure = F.coalesce("procedure", F.lit(0)).alias("procedure")
    key = ("member_key", "claim_id", "line_number")
    lines = store.read(MEDICAL).select(*key, procedure, "paid_cents", "service_date")
    return lines.toPandas().set_index(["claim_id", "line_number", "member_key"]).sort_index()


def choose(claims: Path, held: pd.DataFrame | None, n: int) -> pd.DataFrame:
    """Raw rows of paid lines, one row a line, that the table holds as they were sent."""
    rows = pq.read_table(claims / "medical_claim").to_pandas(date_as_object=True)
    rows = rows.dropna(subset=[*LINE, "hcpcs_code"]).drop_duplicates([*LINE[1:]], keep=False)
    if held is None:
        return rows.head(n)
    keys = set(held.reset_index()[["claim_id", "line_number"]].itertuples(index=False, name=None))
    is_held = pd.MultiIndex.from_arrays([rows.claim_id, rows.claim_line_number.astype(int)]).isin(keys)
    codes = rows.filter(regex=r"hcpcs_code|diagnosis_code_\d").fillna("")
    is_clean = codes.apply(lambda column: column.str.fullmatch("[0-9A-Z]*")).all(axis=1)
    return rows[is_held & is_clean & (rows.paid_amount > 1)].sort_values(LINE).head(n)


def write_later(claims: Path, folder: Path, rows: pd.DataFrame) -> None:
    """A delivery of these medical rows; of the other tables, no rows but the first of eligibility."""
    for name in ("eligibility", "medical_claim", "pharmacy_claim", "program_roster"):
        (folder / name).mkdir(parents=True)
        schema = pq.read_schema(next((claims / name).iterdir()))
        table = schema.empty_table()
        if name == "medical_claim":
            table = table.from_pandas(rows, schema=schema, preserve_index=False)
        if name == "eligibility":
            table = pq.read_table(claims / name).slice(0, 5)
        pq.write_table(table, folder / name / "part.parquet")


LINE_WORK = (
    "members whose lines need a look",
    "reading rows",
    "claims that may be known already",
    "what the table has of them",
    "lines that came more than once",
    "versions of lines",
)
WORK = [
    *("eligibility", "members", "spans of cover"),
    *(f"{table}: {one}" for table in ("medical", "pharmacy") for one in LINE_WORK),
    *("roster", "adding up the fates of all rows"),
    *(f"writing {table}" for table in ("members", "enrollment", "open_cover", "program", "medical", "pharmacy")),
]


def test_a_later_delivery_appends_and_corrects(
    report: IngestReport, store: Store, claims: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_up: list[tuple[Upkeep, list[str], dict[str, int]]] = []

    def note_upkeep(_: Store, upkeep: Upkeep, changed: list[Table], before: dict[str, int], __: Notes) -> None:
        kept_up.append((upkeep, [table.name for table in changed], before))
        if len(kept_up) == 1:
            raise OSError("no space left")

    monkeypatch.setattr(claims_stage, "keep_up", note_upkeep)
    before, before_versions = lines_of(store), versions(store)
    chosen, paid_on = choose(claims, before, 80), date(2021, 9, 1)
    again, cheaper, taken_back, new = (chosen.iloc[start : start + 20] for start in range(0, 80, 20))
    cheaper = cheaper.assign(paid_amount=1.0, paid_date=paid_on)
    amounts = ["paid_amount", "allowed_amount", "charge_amount"]
    taken_back = taken_back.assign(**{name: -taken_back[name] for name in amounts}, paid_date=paid_on)
    new = new.assign(claim_id="later-" + new.claim_id, hcpcs_code="72148")
    write_later(claims, tmp_path / "later", pd.concat([again, cheaper, taken_back, new]))
    with pytest.raises(OSError, match="no space left"):
        bring_in(store, tmp_path / "later", notes := Notes())
    # Its upkeep is made up for once.
    later = bring_in(store, tmp_path / "later")
    assert [later.is_reused, bring_in(store, tmp_path / "later").is_reused] == [True, True]
    assert notes.done == WORK
    assert by_rule(later.intake[later.intake.source == "medical_claim"]) == {
        ("medical_claim", "merged", "duplicate"): 20,
        ("medical_claim", "kept", "as_sent"): 40,
        ("medical_claim", "merged", "reversed"): 20,
    }
    after = lines_of(store)
    keys = {name: pd.MultiIndex.from_arrays([rows.claim_id, rows.claim_line_number.astype(int)])
            for name, rows in (("cheaper", cheaper), ("taken_back", taken_back), ("new", new))}  # fmt: skip
    line = after.index.droplevel("member_key")
    assert not line.isin(keys["taken_back"]).any()
    assert set(after[line.isin(keys["cheaper"])].paid_cents) == {100}
    added = after[line.isin(keys["new"])]
    assert (len(added), {decode(code) for code in added.procedure}) == (20, {("hcpcs", "72148")})
    old = before.index.droplevel("member_key")
    touched = keys["cheaper"].union(keys["taken_back"])
    pd.testing.assert_frame_equal(after[~line.isin(touched.union(keys["new"]))], before[~old.isin(touched)])
    changed = {name for name, number in versions(store).items() if number != before_versions[name]}
    assert changed == {"medical", "intake"}
    assert versions(store)["medical"] == before_versions["medical"] + 1
    known = {name: before_versions[name] for name in ("medical", "pharmacy")}
    assert kept_up == [(Upkeep(), ["medical"], known)] * 2


def test_an_ingest_that_another_run_crossed_is_refused(
    report: IngestReport, store: Store, claims: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had told new may be in the table by now. Nothing is written: the next try begins anew.

    What that finds in the table it tells a duplicate, as the later delivery above.
    """
    lines = choose(claims, None, 10)
    write_later(claims, tmp_path / "slow", lines.assign(claim_id="slow-" + lines.claim_id))
    before, finished = versions(store), set(store.finished())

    def crossed(*arguments: Any) -> Any:
        made = build_claims(*arguments)
        line = store.read(MEDICAL).limit(1).withColumn("claim_id", F.lit("of another run"))
        store.append(MEDICAL, line.select(*MEDICAL.columns))
        return made

    monkeypatch.setattr(claims_stage, "build_claims", crossed)
    with pytest.raises(ConflictError, match="table medical was changed by another run after this one had read it"):
        bring_in(store, tmp_path / "slow")
    assert versions(store) == before | {"medical": before["medical"] + 1}
    assert set(store.finished()) == finished
