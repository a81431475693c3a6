"""The profile of a site: what its claims tables are like, as a page and a document that may leave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpart import __version__
from counterpart.deliveries import explain_unreadable_files, read_source
from counterpart.disclosure import SiteTallies, release_quality
from counterpart.errors import StudyError
from counterpart.protocol import Site
from counterpart.quality import tally_claims
from counterpart.report.quality import find_notes, render_quality
from counterpart.sources import layout_of, source_tables
from counterpart.sources.lag import tally_lags
from counterpart.stages.context import Progress
from counterpart.stages.reports import make_reports_folder
from counterpart.stages.whole import whole_deliveries, whole_tables
from counterpart.store import Store
from counterpart.tables import ENROLLMENT, INTAKE, MEDICAL, MEMBERS, PHARMACY

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

_READ = (MEMBERS, ENROLLMENT, MEDICAL, PHARMACY)


@dataclass(frozen=True)
class Profile:
    """What left the site, and where it lies as page and as JSON."""

    document: dict[str, Any]
    page: Path
    results: Path


def profile_site(store: Store, site: Site, progress: Progress) -> Profile:
    """Count the claims tables as the last finished ingest left them, release the counts, write page and JSON.

    The files are `profile/profile.html` and `.json` in the site's reports; an earlier profile is replaced. DataError
    where nothing was ingested yet.
    """
    versions = {name: commit.version for name, commit in whole_tables(store, _READ, progress).items()}
    folder = make_reports_folder(site, "profile")
    with progress.stage("profile: counts"):
        tallies = tally_claims(*(store.read(table, versions[table.name]) for table in _READ)).toPandas()
    with progress.stage("profile: days to payment"):
        lags, is_unknown = _tally_lags(store, site)
    tallied = SiteTallies(
        _below(tallies, lags), _read_intake(store), whole_deliveries(store), lag_is_unknown=is_unknown
    )
    document: dict[str, Any] = {"site": site.name, "made_by": {"counterpart": __version__, "table_versions": versions}}
    document |= release_quality(tallied)
    document["notes"] = find_notes(document)
    results = folder / "profile.json"
    results.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return Profile(document, render_quality(document, folder / "profile.html"), results)


def _tally_lags(store: Store, site: Site) -> tuple[pd.DataFrame | None, str]:
    """Days from service to payment in the files that the site's source names, or why they are not known."""
    if site.source is None:
        return None, "the site names no source, and the claims tables do not keep the day of payment"
    try:
        layout = layout_of(site.source)
        wanted = dict.fromkeys(source_tables(layout), False)
        delivered = read_source(store.spark, site.source, wanted, layout.separator, layout.files)
        with explain_unreadable_files():
            lags = tally_lags(layout, delivered.tables)
            counted = None if lags is None else _collect(lags)
    except StudyError:
        # Files move on once they are ingested; the tables are profiled all the same.
        return None, "the files of the site's source cannot be read any more as they were delivered"
    if counted is None:
        return None, f"layout {layout.name} does not tell the day of payment"
    return counted, ""


def _collect(tallies: DataFrame) -> pd.DataFrame:
    """Not toPandas: through Arrow, a file that proves damaged has neither Spark's condition nor silence about rows."""
    import pandas as pd

    return pd.DataFrame(list(map(tuple, tallies.collect())), columns=tallies.columns)


def _below(tallies: pd.DataFrame, more: pd.DataFrame | None) -> pd.DataFrame:
    import pandas as pd

    return tallies if more is None else pd.concat([tallies, more], ignore_index=True)


def _read_intake(store: Store) -> pd.DataFrame:
    rows: DataFrame = store.read(INTAKE) if store.exists(INTAKE) else store.spark.createDataFrame([], INTAKE.ddl)
    return rows.orderBy(*INTAKE.key).toPandas()
