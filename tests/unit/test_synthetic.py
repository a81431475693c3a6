"""The generator from outside: the same files always, nothing half-written, counts that reconcile, the exact layout."""

from __future__ import annotations

import csv
import dataclasses
import json
import tracemalloc
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from counterpart.errors import SettingsError
from counterpart.synthetic import SynthReport, SynthSettings, layout, synthesise
from counterpart.synthetic.generate import write_file
from counterpart.synthetic.truth import SCORE_PARTS

SETTINGS = SynthSettings(members=900, seed=11, block_members=150, blocks_per_file=2, workers=1)


def content(folder: Path) -> dict[str, bytes]:
    """Every file by its path inside the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def read(folder: Path, table: str) -> pd.DataFrame:
    return pq.read_table(folder / table).to_pandas()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SynthReport:
    return synthesise(SETTINGS, tmp_path_factory.mktemp("made") / "claims")


def test_two_workers_write_the_same_bytes_as_one(made: SynthReport, tmp_path: Path) -> None:
    synthesise(dataclasses.replace(SETTINGS, workers=2), tmp_path / "claims")
    assert content(tmp_path / "claims") == content(made.out)


def test_another_seed_makes_other_claims(made: SynthReport, tmp_path: Path) -> None:
    synthesise(dataclasses.replace(SETTINGS, seed=12), tmp_path / "claims")
    mine, other = content(made.out), content(tmp_path / "claims")
    assert mine.keys() == other.keys()
    assert all(mine[name] != other[name] for name in mine if not name.endswith("dirt.json"))


def test_report_and_truth_count_what_the_files_hold(made: SynthReport) -> None:
    counts = json.loads((made.out / "truth" / "planted.json").read_text())["counts"]
    rows = {table: len(read(made.out, table)) for table in layout.TABLES}
    assert rows == {table: counts[table] for table in layout.TABLES}
    assert (made.medical_lines, made.pharmacy_lines) == (rows["medical_claim"], rows["pharmacy_claim"])
    assert made.lines == rows["medical_claim"] + rows["pharmacy_claim"]
    assert read(made.out, "eligibility").person_id.nunique() == made.members == 900
    roster = read(made.out, "program_roster").query("program == 'digital_msk'")
    assert roster.person_id.nunique() == made.enrolments == counts["enrolled_members"]
    assert len(roster) - made.enrolments == counts["later_enrolments"]
    scores = read(made.out, "truth/scores.parquet")
    assert (scores.arm == "comparator").sum() == made.candidate_dates
    assert (scores.arm == "treated").sum() == made.enrolments
    assert scores.query("arm == 'comparator'").person_id.nunique() == made.comparator_members


def test_files_do_not_depend_on_workers_but_on_blocks(made: SynthReport) -> None:
    parts = [path.name for path in sorted((made.out / "medical_claim").iterdir())]
    assert parts == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert made.files == 12
    groups = [pq.ParquetFile(made.out / "medical_claim" / part).num_row_groups for part in parts]
    assert groups == [2, 2, 2]


def test_every_column_of_a_file_has_the_type_of_the_layout(made: SynthReport) -> None:
    for table, schema in layout.TABLES.items():
        assert pq.read_schema(next((made.out / table).iterdir())).remove_metadata().equals(schema)


@pytest.mark.realdata
def test_the_layout_is_tuvas(public_claims: Path) -> None:
    with (public_claims / "layouts" / "tuva_input_layer_v0_18_0.csv").open() as listed:
        rows = list(csv.DictReader(listed))
    for table in ("medical_claim", "pharmacy_claim", "eligibility"):
        columns = {row["column"]: row["data_type"] or "varchar" for row in rows if row["table"] == table}
        assert layout.TABLES[table].names == list(columns)
        assert [layout.TYPES[kind] for kind in columns.values()] == layout.TABLES[table].types


def test_bystanders_leave_rows_out_and_change_none(made: SynthReport, tmp_path: Path) -> None:
    """Whoever has an index date is written, with the very same rows; of the others about the share asked for."""
    few = synthesise(dataclasses.replace(SETTINGS, bystanders=0.3), tmp_path / "few").out
    planted = set(read(made.out, "truth/scores.parquet").person_id)
    everybody, written = (set(read(folder, "eligibility").person_id) for folder in (made.out, few))
    assert planted <= written < everybody
    n_others = len(everybody - planted)
    # Three standard deviations of a binomial share.
    assert abs(len(written - planted) - 0.3 * n_others) < 3 * (0.3 * 0.7 * n_others) ** 0.5
    assert read(few, "truth/scores.parquet").equals(read(made.out, "truth/scores.parquet"))
    for table in layout.TABLES:
        rows = pq.read_table(made.out / table)
        is_written = pc.is_in(rows["person_id"], pa.array(sorted(written)))
        assert pq.read_table(few / table).equals(rows.filter(is_written))


def test_without_bystanders_the_counts_are_those_of_the_arms(tmp_path: Path) -> None:
    alone = dataclasses.replace(SETTINGS, bystanders=0.0, dirt="typical")
    report = synthesise(alone, tmp_path / "claims")
    counts = json.loads((report.out / "truth" / "planted.json").read_text())["counts"]
    planted = set(read(report.out, "truth/scores.parquet").person_id)
    assert set(read(report.out, "eligibility").person_id.dropna()) == planted
    assert set(read(report.out, "program_roster").person_id) <= planted
    assert report.members == counts["members"] == len(planted)
    assert counts["members_without_eligibility"] == 0


def test_progress_counts_members_to_the_end(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    synthesise(SETTINGS, tmp_path / "claims", lambda done, of: heard.append((done, of)))
    assert heard == [(150 * turn, 900) for turn in range(1, 7)]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    with pytest.raises(SettingsError, match="exists already"):
        synthesise(SETTINGS, tmp_path / "claims")
    assert list(tmp_path.rglob("*")) == [tmp_path / "claims"]


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(done: int, _: int) -> None:
        if done > 300:
            raise RuntimeError("the lights went out")

    with pytest.raises(RuntimeError, match="lights"):
        synthesise(SETTINGS, tmp_path / "claims", fail)
    assert list(tmp_path.iterdir()) == []


def test_all_wrong_settings_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        SynthSettings(
            members=0, seed=-1, rate_ratio=float("nan"), dirt="much", start=date(2019, 6, 1), bystanders=2, workers=0
        )
    for word in (
        "members is 0",
        "seed is -1",
        "rate_ratio is nan",
        "dirt is 'much'",
        "start is 2019-06-01",
        "bystanders is 2",
        "workers is 0",
    ):
        assert word in str(caught.value)


@pytest.mark.parametrize("members", [1, 7])
def test_a_handful_of_members_is_enough(members: int, tmp_path: Path) -> None:
    report = synthesise(SynthSettings(members, dirt="typical", workers=2), tmp_path / "claims")
    assert report.members == members
    assert read(report.out, "eligibility").person_id.dropna().nunique() <= members


def test_memory_stays_flat_as_members_grow(tmp_path: Path) -> None:
    peaks = []
    for members in (300, 1_200):
        folder = tmp_path / str(members)
        for table in (*layout.TABLES, SCORE_PARTS):
            (folder / table).mkdir(parents=True)
        settings = SynthSettings(members, block_members=150, blocks_per_file=8)
        tracemalloc.start()
        write_file(settings, folder, 0, lambda n: None)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # One block is held at a time. The largest of eight is somewhat larger than the larger of two.
    assert peaks[1] < 1.5 * peaks[0]
