"""The design in words: population, index date, arms, eligibility, windows, matching, follow-up, outcomes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from counterpart.report.reading.formats import window
from counterpart.report.reading.words import STRATA, describe_index, exclusion, in_sentence, listed, spell

_ROLES = {"primary": "primary", "secondary": "secondary", "negative_control": "negative control"}


def build_design(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Protocol -> facts (name, text), eligibility (sentences), exclusions (sentences), outcomes (rows)."""
    return {
        "facts": list(_facts(protocol)),
        "eligibility": list(_eligibility(protocol["cohort"], protocol.get("stays", ()))),
        "exclusions": [f"{exclusion(rule)}, {window(rule['window'])}" for rule in protocol["cohort"]["exclusions"]],
        "outcomes": [_outcome(one) for one in protocol["outcomes"]["outcomes"]],
    }


def _facts(protocol: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    cohort, data = protocol["cohort"], protocol["data"]
    treated, comparator = cohort["treated"], cohort["comparator"]
    yield (
        "Target population",
        f"Insured members, {_ages(cohort['age'])}, eligible at an index date from {cohort['index_start']} to "
        f"{cohort['index_end']}. The estimate is for the treated who were matched (average effect in the treated).",
    )
    yield "Data", f"Insurance claims and enrolment with service dates from {data['start']} to {data['end']}."
    yield "Treated", f"{treated['label']}. Index date: {_index(treated['index'])}.{_offered(treated['index'])}"
    yield (
        "Comparator",
        f"{comparator['label']}. Index date: {_index(comparator['index'])}, if not treated by then."
        f"{_offered(comparator['index'])} A member serves as comparator in at most one pair.",
    )
    if protocol.get("stays"):
        named = listed([spell(name) if i == 0 else in_sentence(name) for i, name in enumerate(protocol["stays"])])
        yield "Stays", f"{named}: counted once from admission to discharge, on the first day, and not by day."
    yield "Matching", _matching(protocol)
    yield (
        "Follow-up",
        f"{_first_day(protocol['outcomes']['outcomes'])} to the horizon, or to the first of: a comparator's own start "
        "of the treatment, death, end of insurance cover, end of the data.",
    )
    yield (
        "Estimate",
        "Events per 1,000 person-years; rate ratio and rate difference of treated against comparator, with intervals "
        "that allow for pairs and for members who appear more than once.",
    )


def _ages(age: Mapping[str, Any]) -> str:
    return f"aged {age['min']} and older" if age["max"] >= 120 else f"aged {age['min']} to {age['max']}"


def _index(index: Mapping[str, Any]) -> str:
    text = describe_index(index)
    return text[:1].lower() + text[1:]


def _offered(index: Mapping[str, Any]) -> str:
    if index.get("take") != "each":
        return ""
    return " A member may offer several candidate dates, at most one a calendar month."


def _first_day(outcomes: Sequence[Mapping[str, Any]]) -> str:
    """From when events count, which each outcome may say for itself."""
    days = sorted({outcome["start_day"] for outcome in outcomes})
    if len(days) > 1:
        return f"From the outcome's first day ({window((days[0], days[0]))} or later, see below)"
    return {0: "From the index date", 1: "From the day after the index date"}.get(
        days[0], f"From day {days[0]} after the index date"
    )


def _matching(protocol: Mapping[str, Any]) -> str:
    matching = protocol["matching"]
    exact = listed([STRATA.get(name, name) for name in matching["exact"]])
    if matching["caliper"] is None:
        caliper = "without a caliper"
    else:
        caliper = (
            f"within a caliper of {matching['caliper']:g} {matching['caliper_scale']} standard deviations of its logit"
        )
    nearest = f"Exact on {exact} (a stratum); inside it nearest" if exact else "Nearest"
    return (
        f"{nearest} on the propensity score, {caliper}; one comparator for each treated, without replacement, closest "
        "pairs first."
    )


def _eligibility(cohort: Mapping[str, Any], stays: Collection[str]) -> Iterator[str]:
    enrollment = cohort["enrollment"]
    benefits = listed(list(enrollment["benefits"]))
    yield f"{_ages(cohort['age']).capitalize()} at the index date, with a record as a member, and alive."
    yield f"Insurance cover ({benefits}) on the index date{_reaching_back(enrollment)}."
    for rule in cohort["history"]:
        unit = "first day of a stay" if rule["event"] in stays else "day"
        days = f"1 {unit}" if rule["min_days"] == 1 else f"{rule['min_days']} {unit.replace('day', 'days')}"
        apart = f", at least {rule['min_span_days']} days from first to last" if rule["min_span_days"] else ""
        yield f"{spell(rule['event'])} on at least {days}{apart}, in {window(rule['window'])}."


def _reaching_back(enrollment: Mapping[str, Any]) -> str:
    """A gap is forgiven between two spans, so not before the first: who joined late has no look-back."""
    lookback, days = enrollment["lookback_days"], enrollment["allowed_gap_days"]
    if not lookback:
        return ""
    gaps = f"later gaps of up to {days} days are allowed" if days else "without a gap since"
    return f", begun by {window((-lookback, -lookback))}; {gaps}"


def _outcome(outcome: Mapping[str, Any]) -> dict[str, str]:
    return {
        "label": outcome["label"],
        "role": _ROLES[outcome["role"]],
        "events": listed([spell(name) if i == 0 else in_sentence(name) for i, name in enumerate(outcome["events"])]),
        "days": listed([window((outcome["start_day"], horizon)) for horizon in outcome["horizons"]]),
    }
