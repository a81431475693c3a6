"""Made-up tallies of a site, for tests of what releases and shows them: no Spark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from counterpart.disclosure import SiteTallies
from counterpart.disclosure.quality.tallied import months_between
from counterpart.tables import INTAKE
from counterpart.tallies import TALLIES

MONTHS = months_between(201407, 201612)
Tally = tuple[str, str, str, str, int, int]

NORMAL = 2_200
LOST, SWITCH, EMPTIED = 201503, 201510, 201605
"""A month without fills and lines, the first month of ICD-10, and one whose lines have no procedure."""


def tallied(rows: list[Tally], intake: Sequence[tuple[Any, ...]] = (), **more: Any) -> SiteTallies:
    deliveries = list(dict.fromkeys(row[0] for row in intake))
    frame = pd.DataFrame(rows, columns=list(TALLIES.columns))
    return SiteTallies(frame, pd.DataFrame(list(intake), columns=list(INTAKE.columns)), deliveries, **more)


def healthy_lines() -> dict[int, int]:
    return dict.fromkeys(MONTHS, NORMAL)


def lines_with_trouble() -> dict[int, int]:
    """2015-03 is missing, 2016-02 was loaded twice, the last month is half there, and 7 lines are of long ago."""
    return {201206: 7} | healthy_lines() | {LOST: 0, 201602: 2 * NORMAL + 220, 201612: 880}


def site_of(lines: Mapping[int, int], lags: bool = True) -> Iterator[Tally]:
    """Tallies of a site with so many medical lines a month, and fills to match."""
    for month, n in lines.items():
        yield from _month(month, n)
    yield from (("cover_begins", benefit, "", "", 201401, 880) for benefit in ("medical", "pharmacy"))
    yield from (("cover_ends", benefit, "", "", 201609, 33) for benefit in ("medical", "pharmacy"))
    yield from (("spans", "medical", "", "", number, n) for number, n in ((1, 700), (2, 173), (3, 7)))
    yield from (("spans", "pharmacy", "", "", number, n) for number, n in ((1, 880),))
    yield from (("gaps", "medical", "", "", end, n) for end, n in ((31, 150), (92, 37), (0, 4)))
    yield from (("amounts", part, "paid_cents", "", cents, n) for part in ("medical", "pharmacy")
                for cents, n in ((-1200, 3), (0, 600), (1200, 900), (43000, 489), (990000, 11)))  # fmt: skip
    yield from (("lines", "members", "", "", 0, 890), ("deaths", "members", "", "", 0, 4))
    yield from (("missing", "members", name, "", 0, n) for name, n in (("birth_date", 0), ("sex", 8), ("state", 45)))
    if lags:
        yield from (("lag", "medical", "claims", "", days, n) for days, n in ((-1, 12), (20, 2_000), (400, 220)))
        yield ("lag_unknown", "medical", "claims", "", 0, 110)


def _month(month: int, n: int) -> Iterator[Tally]:
    people = 0 if not n else max(3, n // 4)
    system = "icd9cm" if month < SWITCH else "icd10cm"
    no_procedure = n if month == EMPTIED else n // 20
    for part in ("medical", "pharmacy"):
        yield ("lines", part, "", "", month, n)
        yield ("people", part, "", "", month, people)
        yield ("people_ever", part, "", "", month, 900 if month == 201407 else 0)
        yield ("outside", part, "outside_cover", "", month, n // 10)
        yield ("outside", part, "long_after_death", "", month, 1 if month == 201501 else 0)
        yield ("missing", part, "paid_cents", "", month, 0)
        yield ("missing", part, "concepts", "", month, n)
        yield ("invalid", part, "paid_cents", "", month, 2)
    yield ("missing", "medical", "procedure", "", month, no_procedure)
    yield ("codes", "medical", "procedure", "hcpcs", month, n - no_procedure)
    yield ("unrecognised", "medical", "procedure", "hcpcs", month, (n - no_procedure) // 8)
    yield ("codes", "medical", "diagnoses", system, month, 3 * n)
    yield ("codes", "pharmacy", "ndc", "ndc", month, n)


INTAKE_ROWS = [
    (f"key{number}", source, fate, rule, n + number)
    for number in (1, 2)
    for source, fate, rule, n in (
        ("medical_claim", "kept", "as_sent", 60_000),
        ("medical_claim", "merged", "duplicate", 5),
        ("medical_claim", "quarantined", "denied", 6_600),
        ("pharmacy_claim", "kept", "as_sent", 50_000),
    )
]


def troubled() -> SiteTallies:
    """Some of everything that goes wrong."""
    return tallied(list(site_of(lines_with_trouble())), INTAKE_ROWS)


def nothing() -> SiteTallies:
    """Tables without rows: one row of counts of members, all of them zero."""
    return tallied([("lines", "members", "", "", 0, 0)], lag_is_unknown="the site names no source")
