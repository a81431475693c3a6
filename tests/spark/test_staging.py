"""Frames that are staged are gone at the end, and a place that cannot be written is a message."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.testing import assertDataFrameEqual

from counterpart.errors import EnvironmentProblem
from counterpart.protocol import Site
from counterpart.stages import make_reports_folder
from counterpart.staging import require_writable, staging
from counterpart.store import Store
from counterpart.tables import UNMATCHED

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]


def fail_after(_: DataFrame) -> None:
    raise KeyError("something went wrong")


def test_staged_frames_are_read_back_and_gone_at_the_end(store: Store, frame: Frame) -> None:
    rows = frame("unit_id | reason\n 1 | caliper", UNMATCHED.ddl)
    place = Path(store.warehouse, "_staging")
    with staging(store.spark, store.warehouse, "one") as stage, staging(store.spark, store.warehouse, "one") as other:
        assertDataFrameEqual(stage("part", rows), rows)
        assert stage("nothing", rows.limit(0)).isEmpty()
        # Another run of the same name has a place of its own.
        assertDataFrameEqual(other("part", rows.limit(0)), rows.limit(0))
        assertDataFrameEqual(stage("more", rows), rows)
        assert len(list(place.iterdir())) == 2
    assert not list(place.iterdir())
    with pytest.raises(KeyError), staging(store.spark, store.warehouse, "one") as stage:
        fail_after(stage("part", rows))
    assert not list(place.iterdir())


def test_what_a_killed_run_left_is_swept_and_what_is_at_work_is_not(store: Store) -> None:
    left, at_work = (Path(store.warehouse, "_staging", name) for name in ("left", "at_work"))
    for folder in (left, at_work):
        folder.mkdir(parents=True)
    three_days_ago = time.time() - 3 * 24 * 3600
    os.utime(left, (three_days_ago, three_days_ago))
    # As an object store has it, which knows no folders: only files were changed at a time.
    begun = (f"one-{int(three_days_ago)}-{end}" for end in ("01234567", "89abcdef"))
    left_there, long_at_work = (Path(store.warehouse, "_staging", name) for name in begun)
    for folder, at in ((left_there, three_days_ago), (long_at_work, time.time())):
        (folder / "part").mkdir(parents=True)
        file = folder / "part" / "rows.parquet"
        file.touch()
        os.utime(file, (at, at))
    with staging(store.spark, store.warehouse, "one"):
        assert [path.exists() for path in (left, left_there, at_work, long_at_work)] == [False, False, True, True]


def test_a_warehouse_or_reports_that_cannot_be_written_are_a_message(spark: SparkSession, tmp_path: Path) -> None:
    """A file in the way: it stops root as well, whom no right stops."""
    (tmp_path / "file").touch()
    store = Store(spark, str(tmp_path / "file" / "tables"))
    with pytest.raises(EnvironmentProblem, match="file/tables cannot be written; the site's `warehouse` names"):
        require_writable(spark, store.warehouse)
    with (
        pytest.raises(EnvironmentProblem, match="cannot be written"),
        staging(store.spark, store.warehouse, "delivery"),
    ):
        pass
    site = Site(name="here", warehouse=str(tmp_path), reports=str(tmp_path / "file" / "reports"))
    with pytest.raises(EnvironmentProblem, match="file/reports/profile cannot be written; the site's `reports` names"):
        make_reports_folder(site, "profile")
