"""What a stay does not have: nobody may ask an event for it that is counted by stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from counterpart.protocol.section import ALL_CLAIMS, Problem

if TYPE_CHECKING:
    from counterpart.protocol.study import Study


def misused_stays(study: Study) -> Iterator[Problem]:
    """Problems of events that are stays: a price before the end, days' supply, or every line of a claim."""
    if ALL_CLAIMS in study.stays:
        yield (
            ("stays", study.stays.index(ALL_CLAIMS)),
            f"{ALL_CLAIMS!r} is the event of every claim line and no stay",
        )
    for i, flag in enumerate(study.covariates.events):
        if flag.kind == "cents" and flag.event in study.stays:
            yield (
                ("covariates", "events", i, "kind"),
                f"what a stay costs is known when it ends, which may be after the index date: {flag.event} can be "
                "a flag or a count",
            )
    for i, rule in enumerate(study.cohort.exclusions):
        if rule.supplied_days and rule.event in study.stays:
            yield (
                ("cohort", "exclusions", i, "supplied_days"),
                f"no drug is supplied by {rule.event}, which is a stay",
            )
