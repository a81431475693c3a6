"""Amounts and lags: quantiles of large counts only, so that none is one person's number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpart.disclosure.cells import share, shown_rounded
from counterpart.disclosure.quality.tallied import LINE_TABLES, SiteTallies

FEWEST_FOR_QUANTILES = 1_100
"""At least eleven lines lie beyond the outermost quantile that is told, 1 % from the end."""

AMOUNT_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
LAG_QUANTILES = (0.5, 0.9, 0.99)
LAG_CLASSES = ((-1, -1), (0, 30), (31, 90), (91, 180), (181, 365), (366, None))
"""First and last day; before the service, and after a year without end."""


def release_amounts(tallied: SiteTallies) -> list[dict[str, Any]]:
    """By table and amount: lines that have one, shares of zeros and of negative ones, quantiles in cents.

    The tallies are of amounts cut after two digits, so the quantiles are too.
    """
    return [
        {
            "table": part,
            "amount": name.removesuffix("_cents"),
            "n_lines": shown_rounded(n_lines),
            "share_zero": share(counts.get(0, 0), n_lines),
            "share_negative": share(sum(n for cents, n in counts.items() if cents < 0), n_lines),
            "quantiles": _quantiles(counts, AMOUNT_QUANTILES),
        }
        for part in LINE_TABLES
        for name, _ in tallied.names("amounts", part)
        if (counts := tallied.of("amounts", part, name)) and (n_lines := sum(counts.values()))
    ]


def release_lag(tallied: SiteTallies) -> dict[str, Any]:
    """Days from service to payment by source table: rows with both days, quantiles, shares by class of days."""
    return {
        "is_unknown": tallied.lag_is_unknown,
        "sources": [
            {
                "table": part,
                "source": source,
                "n_rows": shown_rounded(sum(counts.values())),
                "share_unknown": share(n_unknown, n_unknown + sum(counts.values())),
                "quantiles": _quantiles(counts, LAG_QUANTILES),
                "classes": [
                    {"from_days": first, "to_days": last, "share": _share_between(counts, first, last)}
                    for first, last in LAG_CLASSES
                ],
            }
            for part in LINE_TABLES
            for source in dict.fromkeys(
                name for topic in ("lag", "lag_unknown") for name, _ in tallied.names(topic, part)
            )
            for counts, n_unknown in [(tallied.of("lag", part, source), tallied.total("lag_unknown", part, source))]
        ],
    }


def _share_between(counts: Mapping[int, int], first: int, last: int | None) -> float | None:
    inside = sum(n for days, n in counts.items() if first <= days and (last is None or days <= last))
    return share(inside, sum(counts.values()))


def _quantiles(counts: Mapping[int, int], asked: Sequence[float]) -> list[dict[str, Any]]:
    """{share, value}: the smallest value that so large a share of lines does not exceed; None of too few lines."""
    total = sum(counts.values())
    if total < FEWEST_FOR_QUANTILES:
        return [{"share": wanted, "value": None} for wanted in asked]
    found: list[dict[str, Any]] = []
    waiting, so_far = sorted(asked), 0
    for value in sorted(counts):
        so_far += counts[value]
        while waiting and so_far >= waiting[0] * total:
            found.append({"share": waiting.pop(0), "value": value})
    return found
