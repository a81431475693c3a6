"""A site's tallies -> the document that its data-quality page shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from counterpart.disclosure.cells import rounded_parts, share, shown_rounded
from counterpart.disclosure.quality.distributions import release_amounts, release_lag
from counterpart.disclosure.quality.tallied import LINE_TABLES, SiteTallies
from counterpart.tables import MEDICAL, MEMBERS, PHARMACY

BENEFITS = ("medical", "pharmacy")
_CONTRACTS = {"medical": MEDICAL, "pharmacy": PHARMACY, "members": MEMBERS}
_CLASSES_OF_SPANS = range(1, 6)


def release_quality(tallied: SiteTallies) -> dict[str, Any]:
    """Everything of a site's claims tables that may leave, as plain values (JSON).

    Counts are multiples of 11, or None where they are 1 to 10 (of lines or of people); shares are whole percents of
    such counts, None where the part or the rest is 1 to 10. Months are 202109, amounts cents, lags days.
    """
    return {
        "months": tallied.months,
        "tables": [_table(tallied, part) for part in LINE_TABLES],
        "members": _members(tallied),
        "cover": [_cover(tallied, benefit) for benefit in BENEFITS],
        "columns": [column for part in (*LINE_TABLES, "members") for column in _columns(tallied, part)],
        "codes": [system for part in LINE_TABLES for system in _codes(tallied, part)],
        "outside": [rule for part in LINE_TABLES for rule in _outside(tallied, part)],
        "amounts": release_amounts(tallied),
        "lag": release_lag(tallied),
        "intake": list(_intake(tallied)),
    }


def _table(tallied: SiteTallies, part: str) -> dict[str, Any]:
    """Lines and people, all and by month; lines of months before and after are counted together."""
    lines, people, months = tallied.of("lines", part), tallied.of("people", part), tallied.months
    parts: dict[int | str, int] = {month: lines.get(month, 0) for month in months}
    parts["before"] = sum(n for month, n in lines.items() if months and month < months[0])
    parts["after"] = sum(n for month, n in lines.items() if not months or month > months[-1])
    total, told = rounded_parts(parts, withheld=parts if tallied.is_of_few(part) else tallied.small_months(part))
    return {
        "table": part,
        "n_lines": total,
        "n_people": shown_rounded(tallied.total("people_ever", part)),
        "n_before": told["before"],
        "n_after": told["after"],
        "by_month": [
            {"month": month, "n_lines": told[month], "n_people": shown_rounded(people.get(month, 0))}
            for month in months
        ],
    }


def _members(tallied: SiteTallies) -> dict[str, Any]:
    n_members = tallied.total("lines", "members")
    return {
        "n_members": shown_rounded(n_members),
        "share_with_death": share(tallied.total("deaths", "members"), n_members),
    }


def _cover(tallied: SiteTallies, benefit: str) -> dict[str, Any]:
    """Members with cover by month; members by number of spans; gaps between spans by length in days."""
    spans = {number: tallied.of("spans", benefit).get(number, 0) for number in _CLASSES_OF_SPANS}
    n_members, by_spans = rounded_parts(spans)
    _, gaps = rounded_parts(dict(tallied.of("gaps", benefit)))
    begins, ends = tallied.of("cover_begins", benefit), tallied.of("cover_ends", benefit)

    def covered(month: int) -> int:
        return sum(n for at, n in begins.items() if at <= month) - sum(n for at, n in ends.items() if at <= month)

    return {
        "benefit": benefit,
        "n_members": n_members,
        "by_spans": [{"n_spans": number, "n_members": n} for number, n in by_spans.items()],
        # The class without an upper end, 0, is the last.
        "gaps": [{"to_days": end or None, "n_gaps": gaps[end]} for end in sorted(gaps, key=lambda end: (not end, end))],
        "by_month": [{"month": month, "n_members": shown_rounded(covered(month))} for month in tallied.months],
    }


def _columns(tallied: SiteTallies, part: str) -> Iterator[dict[str, Any]]:
    """What is missing or invalid of each column, all and by month: of all lines, and of those that have something."""
    lines = tallied.of("lines", part)
    asked = {topic: [name for name, _ in tallied.names(topic, part)] for topic in ("missing", "invalid")}
    for name in sorted({*asked["missing"], *asked["invalid"]}, key=_place_of(part)):
        missing, invalid = tallied.of("missing", part, name), tallied.of("invalid", part, name)
        n_lines, n_missing = sum(lines.values()), sum(missing.values())
        yield {
            "table": part,
            "column": name,
            "share_missing": share(n_missing, n_lines) if name in asked["missing"] else None,
            "may_be_missing": name in asked["missing"],
            "share_invalid": share(sum(invalid.values()), n_lines - n_missing) if name in asked["invalid"] else None,
            "is_judged": name in asked["invalid"],
            "by_month": _shares_by_month(tallied, part, missing, lines) if name in asked["missing"] else [],
        }


def _codes(tallied: SiteTallies, part: str) -> Iterator[dict[str, Any]]:
    """Codes by column and system, all and by month, and the share that is written like no code of the system."""
    in_order = _place_of(part)
    for name, system in sorted(tallied.names("codes", part), key=lambda code: (in_order(code[0]), code[1])):
        codes = tallied.of("codes", part, name, system)
        strange = tallied.of("unrecognised", part, name, system)
        small = set(tallied.small_months(part))
        total, told = rounded_parts(dict(codes), withheld=small)
        shares = {row["month"]: row["share"] for row in _shares_by_month(tallied, part, strange, codes)}
        yield {
            "table": part,
            "column": name,
            "system": system,
            "n_codes": total,
            "share_unrecognised": share(sum(strange.values()), sum(codes.values())),
            "by_month": [
                {
                    "month": month,
                    "n_codes": told.get(month, None if month in small else 0),
                    "share_unrecognised": shares[month],
                }
                for month in tallied.months
            ],
        }


def _place_of(part: str) -> Callable[[str], tuple[int, str]]:
    """The place of a column in its table's contract, to sort by; what members have and no column holds is last."""
    places = {name: place for place, name in enumerate(_CONTRACTS[part].columns)}
    return lambda name: (places.get(name, len(places)), name)


def _outside(tallied: SiteTallies, part: str) -> Iterator[dict[str, Any]]:
    lines = tallied.of("lines", part)
    for rule, _ in tallied.names("outside", part):
        found = tallied.of("outside", part, rule)
        yield {
            "table": part,
            "rule": rule,
            "n_lines": shown_rounded(sum(found.values())),
            "share": share(sum(found.values()), sum(lines.values())),
            "by_month": _shares_by_month(tallied, part, found, lines),
        }


def _shares_by_month(
    tallied: SiteTallies, part: str, found: Mapping[int, int], of: Mapping[int, int]
) -> list[dict[str, Any]]:
    """The share of each month; None where the month has nothing, or lines of few people."""
    small = set(tallied.small_months(part))
    return [
        {"month": month, "share": None if month in small else share(found.get(month, 0), of.get(month, 0))}
        for month in tallied.months
    ]


def _intake(tallied: SiteTallies) -> Iterator[dict[str, Any]]:
    """Source rows by delivery, source, fate and rule: rounded, so that sums over deliveries give no small one away."""
    for number, delivery in enumerate(tallied.deliveries, start=1):
        rows = tallied.intake[tallied.intake["delivery"] == delivery]
        for source, fates in rows.groupby("source", sort=True):
            yield {"delivery": number, "key": delivery, "source": str(source), **_fates(fates)}


def _fates(fates: pd.DataFrame) -> dict[str, Any]:
    counts = fates.groupby(["fate", "rule"], sort=True)["n_rows"].sum()
    total, told = rounded_parts({(str(fate), str(rule)): int(n) for (fate, rule), n in counts.items()})
    n_rejected = sum(int(n) for (fate, _), n in counts.items() if fate == "quarantined")
    return {
        "n_rows": total,
        "share_quarantined": share(n_rejected, int(counts.sum())),
        "fates": [{"fate": fate, "rule": rule, "n_rows": n} for (fate, rule), n in told.items()],
    }
