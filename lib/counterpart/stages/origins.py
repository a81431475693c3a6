"""Where the events that make a study's index dates and outcomes are read from: medical claims, or fills of drugs."""

from __future__ import annotations

from counterpart.codes import CodeLibrary
from counterpart.cohort import index_events
from counterpart.events import plan_events
from counterpart.outcomes import outcome_events
from counterpart.protocol import ALL_CLAIMS, Study
from counterpart.stages.unseen import systems_asked


def find_origins(study: Study, library: CodeLibrary) -> dict[str, list[str]]:
    """By event: `medical` and `pharmacy`, the benefits without which it is not seen, or seen in part.

    What a concept is of, a code set does not say: an event of concepts only has neither.
    """
    plan = plan_events(study, library, (*index_events(study), *outcome_events(study)))
    found = {}
    for name in plan.names:
        systems = set(systems_asked(plan, name))
        benefits = ["medical"] if name == ALL_CLAIMS or systems - {"ndc", "omop"} else []
        found[name] = benefits + (["pharmacy"] if "ndc" in systems and plan.can_be_filled(name) else [])
    return found
