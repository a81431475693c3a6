"""One delivery of raw claims, from its layout to the declared tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.errors import ProtocolError
from counterpart.protocol import Source as SiteSource
from counterpart.protocol import load_mapping
from counterpart.sources.accounts import IngestContext, label_lookup, select_quarantined, summarise_fates
from counterpart.sources.ancestors import label_ancestors, select_ancestors
from counterpart.sources.broken_lines import label_broken_lines, select_whole_lines
from counterpart.sources.claims import ClaimsTable, build_final_lines
from counterpart.sources.crosswalk import KEPT_CROSSWALK, build_crosswalk, find_known_ids, label_kept, select_seen
from counterpart.sources.desynpuf import DESYNPUF
from counterpart.sources.eligibility import build_cover
from counterpart.sources.layout import (
    CROSSWALK,
    MEDICAL_FORM,
    PHARMACY_FORM,
    Layout,
    Source,
    check_columns,
    spell_columns,
)
from counterpart.sources.mapped import mapped_layout
from counterpart.sources.omop import OMOP
from counterpart.sources.rif import RIF
from counterpart.sources.roster import label_enrolments, select_program
from counterpart.sources.tuva import TUVA
from counterpart.tables import MEDICAL, PHARMACY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LAYOUTS: Mapping[str, Layout] = {layout.name: layout for layout in (TUVA, DESYNPUF, OMOP, RIF)}


# Stands for a kind of table of which none is delivered: no rows.
NOTHING = Source("(nothing)", lambda _: {}, required=("nothing",))


@dataclass(frozen=True)
class ClaimsDelivery:
    """What a delivery makes of the tables. See the package for what each frame holds."""

    members: DataFrame
    enrollment: DataFrame
    open_cover: DataFrame
    program: DataFrame
    medical: DataFrame
    pharmacy: DataFrame
    medical_retired: DataFrame | None
    pharmacy_retired: DataFrame | None
    ancestors: DataFrame | None
    crosswalk: DataFrame | None
    quarantine: DataFrame
    intake: DataFrame


def layout_of(source: SiteSource) -> Layout:
    """The layout of a site's source. ProtocolError with all problems of its mapping document."""
    if source.mapping is not None:
        return mapped_layout(load_mapping(Path(source.mapping)))
    return find_layout(source.layout)


def find_layout(named: str | Layout) -> Layout:
    """A layout by name, or as it is; ProtocolError for an unknown name."""
    if isinstance(named, Layout):
        return named
    if named not in LAYOUTS:
        raise ProtocolError(f"source.layout is {named!r}; known layouts are {', '.join(sorted(LAYOUTS))}")
    return LAYOUTS[named]


def source_tables(named: str | Layout) -> dict[str, bool]:
    """The tables of a layout, and whether each must be there."""
    return {source.name: not source.may_be_absent for source in find_layout(named).sources}


def build_claims(named: str | Layout, raw: Mapping[str, DataFrame], context: IngestContext) -> ClaimsDelivery:
    """Raw frames by source table -> the claims tables and the accounts. ContractError for missing tables or columns."""
    layout = find_layout(named)
    raw = spell_columns(layout, raw)
    check_columns(layout, raw)
    labelled = label_broken_lines(layout, raw, context)
    raw = select_whole_lines(layout, raw)
    raw = {**layout.prepare(raw), NOTHING.name: _no_rows(raw)}
    known_ids = find_known_ids(raw.get(CROSSWALK.name), context)
    if known_ids is not None:
        labelled += [] if known_ids.rows is None else [known_ids.rows]
        context = replace(context, aliases=known_ids.aliases)
    cover = build_cover(layout.eligibility, raw, context)
    medical_sources, pharmacy_sources, rosters = (
        tuple(source for source in sources if source.name in raw) or (NOTHING,)
        for sources in (layout.medical, layout.pharmacy, layout.roster)
    )
    medical_table = ClaimsTable(MEDICAL, MEDICAL_FORM, medical_sources, "service_date", layout.has_claim_rows)
    pharmacy_table = ClaimsTable(PHARMACY, PHARMACY_FORM, pharmacy_sources, "dispensing_date")
    medical = build_final_lines(medical_table, raw, cover.members, context)
    pharmacy = build_final_lines(pharmacy_table, raw, cover.members, context)
    enrolments = label_enrolments(rosters, raw, context)
    labelled += [cover.rows, medical.rows, pharmacy.rows, enrolments.filter("is_new = 1")]
    labelled += [label_lookup(lookup.name, raw[lookup.name]) for lookup in layout.lookups if lookup.name in raw]
    crosswalk = None
    if known_ids is not None:
        seen = (cover.rows, enrolments, medical.renamed, pharmacy.renamed)
        seen_ids = context.stage("crosswalk_seen", select_seen(seen))
        labelled.append(label_kept(known_ids, seen_ids))
        crosswalk = build_crosswalk(known_ids, seen_ids, context.existing.get(KEPT_CROSSWALK.name))
    ancestors = None
    if layout.ancestors is not None and layout.ancestors.name in raw:
        ancestors = context.stage("ancestors", label_ancestors(layout.ancestors, raw[layout.ancestors.name]))
        labelled.append(ancestors)
    return ClaimsDelivery(
        members=cover.members,
        enrollment=cover.enrollment,
        open_cover=cover.open_cover,
        program=select_program(enrolments),
        medical=medical.added,
        pharmacy=pharmacy.added,
        medical_retired=medical.retired,
        pharmacy_retired=pharmacy.retired,
        ancestors=None if ancestors is None else select_ancestors(ancestors),
        crosswalk=crosswalk,
        quarantine=select_quarantined(labelled, context.delivery),
        intake=summarise_fates(labelled, context.delivery),
    )


def _no_rows(raw: Mapping[str, DataFrame]) -> DataFrame:
    """What stands for a kind of table that is not delivered at all."""
    return next(iter(raw.values())).limit(0).select(F.lit(None).cast("string").alias("nothing"))
