"""What an ingest is about to do, in a few lines before it starts: what it reads, where it writes, what it rejects."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from counterpart.deliveries import Delivery, SourceTable
from counterpart.disclosure.cells import rounded, shown
from counterpart.protocol import Site
from counterpart.sources.placement import Placement
from counterpart.tables import SMALLEST_SHOWN

_MEGABYTE = 1_000_000


def describe_plan(
    site: Site,
    delivered: Delivery,
    n_rows: Mapping[str, int],
    placement: Placement | None,
    was_begun: bool,
    has_tables: bool,
    rosters: Collection[str] = (),
) -> Iterator[str]:
    """Lines without an id or a count of 1 to 10 rows. `placement` is None as long as text files are not counted.

    Rows of `rosters`, each a member, are rounded to multiples of 11, as in the account of the ingest.

    `was_begun`: an ingest of the same delivery was interrupted. `has_tables`: the site has claims tables already.
    """
    yield "ingest: this delivery was begun before and is taken up again" if was_begun else "ingest: a new delivery"
    for name, source in sorted(delivered.sources.items()):
        yield f"  reads {name}: {', '.join(_facts(source, n_rows.get(name), name in rosters))}"
    yield f"  writes medical and pharmacy {_layout(site, placement)}{', as they lie' if has_tables else ''}"
    if has_tables and placement is not None:
        yield from _unmet(site, placement)
    rules = site.rules
    yield (
        f"  rules: service before {rules.earliest_service} quarantined; more than {rules.after_death_days} days after "
        f"death: {rules.after_death}; negative quantity: {rules.negative_quantity}; unknown sex: {rules.unknown_sex}; "
        f"denied by amounts: {rules.denied_by_amounts}; unreadable amount: {rules.unreadable_amount}, "
        f"code: {rules.unreadable_code}, supply: {rules.unreadable_supply}; "
        f"stops where more than {100 * site.max_quarantined:g}% of a source table would be quarantined"
    )
    upkeep = site.upkeep
    vacuum = "removed" if upkeep.vacuum else "never removed"
    yield (
        f"  upkeep: small files joined: {upkeep.optimize}; old files {vacuum}; versions kept for "
        f"{upkeep.retain_days} days"
    )


def _facts(source: SourceTable, n_rows: int | None, is_roster: bool) -> Iterator[str]:
    yield source.kind if source.version is None else f"{source.kind} version {source.version}"
    if source.n_files is not None:
        yield f"{source.n_files:,} file{'' if source.n_files == 1 else 's'}"
    if source.n_bytes is not None:
        yield f"{source.n_bytes / _MEGABYTE:,.0f} MB" if source.n_bytes >= _MEGABYTE else "less than 1 MB"
    if n_rows is None:
        yield "rows to be counted"
    elif shown(n_rows) is None:
        yield f"fewer than {SMALLEST_SHOWN} rows"
    else:
        yield f"some {rounded(n_rows):,} rows" if is_roster else f"{n_rows:,} rows"


def _layout(site: Site, placement: Placement | None) -> str:
    if placement is not None:
        return str(placement)
    period = f"by {site.service_period}" if site.service_period else "by month, or by year if they are few"
    if site.member_buckets:
        return f"{period}, members in buckets: {site.member_buckets:,}"
    return f"{period}, for files of some {site.target_lines_per_file:,} lines"


def _unmet(site: Site, placement: Placement) -> Iterator[str]:
    """What the site asks for and the tables, made otherwise, do not have."""
    asked = placement.as_asked(site.member_buckets, site.service_period)
    if asked != placement:
        yield (
            f"  note: the site asks for claims {asked} (member_buckets, service_period); tables that are there stay as "
            "they lie, only those of a new warehouse are laid out otherwise"
        )
