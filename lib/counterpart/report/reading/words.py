"""Plain words for the names in a released document: criteria, covariates, reasons, fates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from counterpart.report.reading.formats import window

# Reasons for which an eligible unit is in no pair; the attrition of an arm ends with them.
UNMATCHED = {
    "no_exact_stratum": "No comparator in the same stratum",
    "outside_caliper": "No comparator within the caliper",
    "pool_exhausted": "All comparators within reach serve other pairs",
    "eligible_not_chosen": "Eligible, but nobody's closest comparator",
}

LEFT_OUT = {
    "constant": "the same for everybody in the sample",
    "rare": "in too few sampled index dates",
    "rare_or_constant": "in too few sampled index dates, or the same for everybody",
    "collinear": "determined by the others (the reference level of a category)",
    "separated": "tells the arms apart by itself, so that its best coefficient is infinite",
}

STRATA = {
    "sex": "sex",
    "age_band": "age band",
    "region": "region",
    "state": "state",
    "index_month": "calendar month of the index date",
}

_CONDITIONS = {
    "mi": "Myocardial infarction",
    "chf": "Congestive heart failure",
    "pvd": "Peripheral vascular disease",
    "cevd": "Cerebrovascular disease",
    "dementia": "Dementia",
    "cpd": "Chronic pulmonary disease",
    "rheumd": "Rheumatic disease",
    "pud": "Peptic ulcer disease",
    "mld": "Mild liver disease",
    "diab": "Diabetes without complications",
    "diabwc": "Diabetes with complications",
    "hp": "Hemiplegia or paraplegia",
    "rend": "Renal disease",
    "canc": "Cancer",
    "msld": "Moderate or severe liver disease",
    "metacanc": "Metastatic cancer",
    "aids": "AIDS or HIV",
}

_SPELLED = {"ct": "CT", "mri": "MRI", "xray": "X-ray", "pt": "PT", "hiv": "HIV", "iv": "IV", "msk": "MSK", "id": "ID"}
# How the covariate dictionary labels an event it was given no label for, and how labels end that name their window.
_EVENT_LABEL = re.compile(r"^(.*): (any|days with|allowed cents of)$")
_WINDOW_LABEL = re.compile(r"^(.*), days (-?\d+) to (-?\d+)$")


def spell(name: str) -> str:
    """A name of the protocol in words: `iv_drug_use` is `IV drug use`."""
    words = [_SPELLED.get(word.lower(), word) for word in name.replace("_", " ").split()]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def in_sentence(name: str) -> str:
    """The same inside a sentence: the first letter small unless the word is an abbreviation."""
    text = spell(name)
    return text if text[:2].isupper() or text[1:2] == "-" else text[:1].lower() + text[1:]


def covariate(row: Mapping[str, Any]) -> tuple[str, str]:
    """BALANCE row -> (what it is, its window in words or '')."""
    label, name = str(row["label"]), str(row["name"])
    condition = name.removeprefix("charlson_")
    if name.startswith("charlson_") and condition in _CONDITIONS:
        return _CONDITIONS[condition], ""
    ending = _WINDOW_LABEL.match(label)
    if not ending:
        return label, ""
    what, first, last = ending.groups()
    event = _EVENT_LABEL.match(what)
    if event:
        unit = {"any": "", "days with": ", number of days", "allowed cents of": ", allowed cost"}[event[2]]
        what = f"{spell(event[1])}{unit}"
    return what, window((int(first), int(last)))


def tell_covariates(text: str, document: Mapping[str, Any]) -> str:
    """A sentence about the score model with covariates in words instead of their names."""
    told = {row["name"]: " ".join(part for part in covariate(row) if part) for row in document["balance"]}
    return re.sub(r"[a-z][\w=]*", lambda found: told.get(found[0], found[0]), text)


def criterion(name: str, protocol: Mapping[str, Any], arm: str) -> str:
    """Why a candidate is excluded or in no pair; of the study's own criteria the design tells the windows.

    Of two that would else be called the same they are told here too.
    """
    if name in UNMATCHED:
        return UNMATCHED[name]
    cohort = protocol["cohort"]
    told = _built_in(cohort)
    if name in told:
        return told[name]
    if name == "candidates":
        return describe_index(cohort[arm]["index"])
    own = [*((rule, _without(rule)) for rule in cohort.get("history", ()))]
    own += [(rule, exclusion(rule)) for rule in cohort.get("exclusions", ())]
    texts = [text for _, text in own]
    for rule, text in own:
        if rule["name"] == name:
            return text if texts.count(text) == 1 else f"{text}, {window(rule['window'])}"
    return spell(name)


def _without(rule: Mapping[str, Any]) -> str:
    """What who lacks a history lacks."""
    event, n_days, span = in_sentence(rule["event"]), max(rule["min_days"], 2), rule["min_span_days"]
    if rule["min_days"] == 1 and not span:
        return f"Without {event} before the index date"
    apart = f", {span} or more {'apart' if n_days == 2 else 'from first to last'}," if span else ""
    return f"Fewer than {n_days} days{apart} with {event}"


def exclusion(rule: Mapping[str, Any]) -> str:
    """What excludes: an event, or days of supply of a drug."""
    supplied = rule.get("supplied_days")
    return spell(rule["event"]) + (f" supplied for {supplied} days in a row" if supplied else "")


def _built_in(cohort: Mapping[str, Any]) -> dict[str, str]:
    lookback, days = cohort["enrollment"]["lookback_days"], cohort["enrollment"]["allowed_gap_days"]
    interrupted = f"or a gap of more than {days} days since" if days else "or interrupted since"
    return {
        "index_date_in_window": f"Index date outside {cohort['index_start']} to {cohort['index_end']}",
        "not_treated_by_index_date": "Treated on or before the index date",
        "known_member": "No record of the member (no birth date)",
        "alive_on_index_date": "Died before the index date",
        "age": f"Age {ages_outside(cohort['age'])}",
        "enrolled_on_index_date": "No insurance cover on the index date",
        "enrolled_in_lookback": f"Insurance cover begun after {window((-lookback, -lookback))}, {interrupted}",
        "one_date_per_month": "A further date of the same member in the same month",
    }


def ages_outside(age: Mapping[str, Any]) -> str:
    """`below 18` or `below 18 or above 64`: 120 is no limit."""
    return f"below {age['min']}" + (f" or above {age['max']}" if age["max"] < 120 else "")


def describe_index(index: Mapping[str, Any]) -> str:
    """What makes somebody a candidate for an arm."""
    if "program" in index:
        return f"First enrolment in the program “{spell(index['program'])}”"
    how = "First" if index.get("take") == "first" else "Every"
    return f"{how} {in_sentence(index['event'])} in the index window"


def listed(names: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def fate(name: str) -> str:
    """`kept: as_sent` in words: `kept as sent`, `quarantined: null key`."""
    kind, _, rule = name.partition(": ")
    if kind == "kept":
        return f"kept {rule.replace('_', ' ')}"
    return f"{kind}: {rule.replace('_', ' ')}" if rule else kind


def outcome_days(row: Mapping[str, Any]) -> str:
    """The days that count: `days 1 to 90`."""
    return window((row["start_day"], row["horizon"]))
