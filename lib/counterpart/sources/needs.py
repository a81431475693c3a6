"""What a study asks of the claims, by the columns that can answer: which criterion, covariate or outcome needs what."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from counterpart.codes import SYSTEMS, CodeLibrary, CodeSet
from counterpart.protocol import ALL_CLAIMS, Clause, Exclusion, History, RosterIndex, Study

ICD_ON_LINES = "medical.procedure of ICD"
"""Among the columns that are given, where the procedure of a line may be one of ICD."""

# Where a code of a system stands: the first is what claims lack that have none of these.
_COLUMNS_OF = {
    "hcpcs": ("medical.procedure",),
    "icd10pcs": ("medical.facility_procedures", ICD_ON_LINES),
    "icd9pcs": ("medical.facility_procedures", ICD_ON_LINES),
    "revenue": ("medical.revenue",),
    "place": ("medical.place",),
    "specialty": ("medical.specialty",),
    "modifier": ("medical.modifiers",),
    "drg": ("medical.drg",),
    "bill_type": ("medical.bill_type",),
    "icd10cm": ("medical.diagnoses",),
    "icd9cm": ("medical.diagnoses",),
    "ndc": ("pharmacy.ndc",),
    "omop": ("medical.concepts",),
}
_NAMES = {number: name for name, number in SYSTEMS.items()}


@dataclass(frozen=True)
class Lack:
    """What claims cannot tell: a criterion, covariate or outcome, the `columns` they lack for it, and so what."""

    used_by: str
    columns: tuple[str, ...]
    effect: str


def find_lacks(study: Study, library: CodeLibrary, given: Collection[str]) -> list[Lack]:
    """Everything the study asks for that the columns `given` ("medical.procedure", "roster.program") cannot answer."""
    return [*_plain_lacks(study, given), *_event_lacks(study, library, given)]


def _plain_lacks(study: Study, given: Collection[str]) -> Iterator[Lack]:
    cohort = study.cohort
    asked = [
        ("criterion known_member", "eligibility.birth_date", "nobody is eligible without a date of birth"),
        ("criterion enrolled_on_index_date", "eligibility.start_date", "nobody has cover"),
        ("criterion alive_on_index_date", "eligibility.death_date", "deaths are not seen; end of cover ends follow-up"),
        ("covariate sex", "eligibility.sex", "everybody's sex is unknown"),
        ("covariate region", "eligibility.state", "everybody's region is unknown"),
    ]
    if "pharmacy" in cohort.enrollment.benefits:
        asked.append(
            ("criterion enrolled_on_index_date", "eligibility.pharmacy_start_date", "nobody has pharmacy cover")
        )
    if isinstance(cohort.treated.index, RosterIndex):
        asked.append(("treated arm", "roster.program", "nobody is treated"))
    asked += [
        (f"covariate {flag.covariate_name}", "medical.allowed_cents", "every amount is missing")
        for flag in study.covariates.events
        if flag.kind == "cents"
    ]
    asked += [
        (f"criterion {rule.name}", "pharmacy.days_supply", "no fill supplies a day, and nobody is excluded")
        for rule in cohort.exclusions
        if rule.supplied_days
    ]
    asked += [
        (
            used_by,
            "medical.service_end_date",
            f"each line of {event} is one day, and a stay billed in one line is cut short",
        )
        for used_by, event in _events(study)
        if event in study.stays
    ]
    return (Lack(used_by, (column,), effect) for used_by, column, effect in asked if column not in given)


def _event_lacks(study: Study, library: CodeLibrary, given: Collection[str]) -> Iterator[Lack]:
    for used_by, event in _events(study):
        clauses = () if event == ALL_CLAIMS else study.clauses_of(event)
        missing = {clause: _missing(clause, library, given) for clause in clauses}
        columns = tuple(sorted({column for lost, _ in missing.values() for column in lost}))
        if columns:
            is_seen = any(may_show for _, may_show in missing.values())
            yield Lack(
                used_by, columns, f"event {event} is seen in part" if is_seen else f"event {event} is never seen"
            )


def _missing(clause: Clause, library: CodeLibrary, given: Collection[str]) -> tuple[set[str], bool]:
    """The columns a clause asks for and the claims lack, and whether a line can show it all the same."""
    lost, may_show = _missing_codes(library[clause.codes], given)
    if clause.diagnosis:
        lost_beside, may_stand_beside = _missing_codes(library[clause.diagnosis], given)
        lost |= lost_beside
        may_show = may_show and may_stand_beside
    if clause.therapist and not {"medical.specialty", "medical.modifiers"} & set(given):
        lost |= {"medical.specialty", "medical.modifiers"}
        may_show = False
    if clause.in_person and not {"medical.place", "medical.modifiers"} & set(given):
        lost |= {"medical.place", "medical.modifiers"}
    return lost, may_show


def _missing_codes(code_set: CodeSet, given: Collection[str]) -> tuple[set[str], bool]:
    """The columns that claims lack for a code set's systems, and whether they have one for another of its systems."""
    columns = {_COLUMNS_OF[system] for system in _systems_of(code_set)}
    unanswered = {one for one in columns if not set(one) & set(given)}
    return {one[0] for one in unanswered}, len(unanswered) < len(columns)


def _systems_of(code_set: CodeSet) -> set[str]:
    return {_NAMES[code_range.low >> 56] for code_range in (*code_set.ranges, *code_set.ancestors)}


def _events(study: Study) -> Iterator[tuple[str, str]]:
    """Who asks for which event, in the order of the document."""
    cohort = study.cohort
    if not isinstance(cohort.treated.index, RosterIndex):
        yield "treated arm", cohort.treated.index.event
    yield "comparator arm", cohort.comparator.index.event
    rules: tuple[History | Exclusion, ...] = (*cohort.history, *cohort.exclusions)
    yield from ((f"criterion {rule.name}", rule.event) for rule in rules)
    if study.covariates.charlson:
        yield "covariate charlson_index", "charlson_mi"
    yield from ((f"covariate {flag.covariate_name}", flag.event) for flag in study.covariates.events)
    for outcome in study.outcomes.outcomes:
        yield from ((f"outcome {outcome.name}", event) for event in outcome.events)
