"""Rules of a study that an arm meets, or never meets, only because of how its index dates are found.

An event is what its clauses are: an index event shows another one wherever the other has all of its clauses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from counterpart.protocol.section import Problem
    from counterpart.protocol.study import Study

_WRITE = "end the window on day -1"


def decided_by_index_dates(study: Study) -> Iterator[Problem]:
    """Windows up to day 0 that hold an arm's own index event, and outcomes that are the treatment itself."""
    yield from _exclusions(study)
    yield from _histories(study)
    yield from _covariates(study)
    yield from _outcomes(study)


def is_shown_by(study: Study, event: str, index_event: str) -> bool:
    """Does every day of the index event show the event too?"""
    return set(study.clauses_of(index_event)) <= set(study.clauses_of(event))


def _index_events(study: Study) -> dict[str, str]:
    """By arm, where claims show its index dates."""
    arms = {"treated": study.cohort.treated.index, "comparator": study.cohort.comparator.index}
    return {arm: index.event for arm, index in arms.items() if hasattr(index, "event")}


def _arms_shown(study: Study, event: str) -> list[str]:
    return [arm for arm, own in _index_events(study).items() if is_shown_by(study, event, own)]


def _exclusions(study: Study) -> Iterator[Problem]:
    for i, rule in enumerate(study.cohort.exclusions):
        arms = _arms_shown(study, rule.event)
        if arms and rule.window[1] == 0 and rule.supplied_days is None:
            yield (
                ("cohort", "exclusions", i, "window"),
                f"day 0 is the index date, on which every {' and '.join(arms)} unit has {rule.event!r}: none of them "
                f"would be left; {_WRITE}",
            )


def _histories(study: Study) -> Iterator[Problem]:
    for i, rule in enumerate(study.cohort.history):
        if rule.window[1] == 0 and rule.min_days == 1 and rule.min_span_days == 0:
            yield from _met_by_one_arm(study, rule.event, ("cohort", "history", i, "window"))


def _covariates(study: Study) -> Iterator[Problem]:
    for i, flag in enumerate(study.covariates.events):
        if flag.window[1] == 0:
            yield from _met_by_one_arm(study, flag.event, ("covariates", "events", i, "window"))


def _met_by_one_arm(study: Study, event: str, where: tuple[str | int, ...]) -> Iterator[Problem]:
    """What both arms have on their index dates tells them not apart."""
    arms = _arms_shown(study, event)
    if len(arms) == 1:
        yield (
            where,
            f"day 0 is the index date, on which every {arms[0]} unit has {event!r}, and the other arm by chance only; "
            f"{_WRITE}",
        )


def _outcomes(study: Study) -> Iterator[Problem]:
    treatment = _index_events(study).get("treated")
    for i, outcome in enumerate(study.outcomes.outcomes):
        for j, event in enumerate(outcome.events):
            where = ("outcomes", "outcomes", i)
            arms = _arms_shown(study, event)
            if treatment and set(study.clauses_of(event)) & set(study.clauses_of(treatment)):
                yield (
                    (*where, "events", j),
                    f"{event!r} is shown by the treatment, {treatment!r}, before which a comparator's follow-up ends: "
                    "no comparator could have it; count another event",
                )
            elif arms and outcome.start_day == 0:
                yield (
                    (*where, "start_day"),
                    f"day 0 is the index date, on which every {' and '.join(arms)} unit has {event!r}; "
                    "start on day 1 or later",
                )
