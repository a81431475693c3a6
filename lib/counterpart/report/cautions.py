"""What the reader may not conclude: the study's own cautions, and those that hold for every study of this kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpart.numerics.balance import IMBALANCE
from counterpart.report.reading.formats import MINUS, count, largest_difference
from counterpart.report.reading.words import in_sentence, listed
from counterpart.tables import FIRST_WEEK


def build_cautions(document: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Released document -> about the study (its own, then of the design), and about the numbers: (bold, text)."""
    return {"study": [*_own(document), *_design(document)], "numbers": list(_numbers())}


def _own(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for caution in document["protocol"]["cautions"]:
        yield "", caution
    yield from _unobserved(document["protocol"])
    yield from _treated_before(document["protocol"])
    yield from _uncovered(document)
    yield from _told_by_stages(document["run"].get("stages", {}))
    after = document["largest_smd"]["after"]
    if after is not None and after > IMBALANCE:
        told = largest_difference(document["largest_smd"], "after")
        yield (
            "The arms are not fully balanced.",
            f"The largest standardised difference after matching is {told}, above {IMBALANCE}; part of the "
            "difference in outcomes may be due to it.",
        )


def _unobserved(protocol: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Windows that begin before the days for which cover is asked."""
    cohort, covariates = protocol["cohort"], protocol["covariates"]
    lookback = cohort["enrollment"]["lookback_days"]
    windows = [(one["event"], one["window"]) for one in (*cohort["history"], *cohort["exclusions"])]
    windows += [(one["event"], one["window"]) for one in covariates["events"]]
    if covariates["charlson"]:
        windows.append(("comorbidity", covariates["charlson_window"]))
    # A first week of which a few days are missing misleads nobody.
    windows.append(("the rates by week", (7 * (FIRST_WEEK + 1), -1)))
    # A dictionary, not a set: each once, in the order of the protocol.
    early = dict.fromkeys(in_sentence(event) for event, window in windows if -window[0] > lookback)
    if early:
        yield (
            "Some look-backs are longer than the cover.",
            f"Cover is asked for {lookback} days before the index date, but {listed(list(early))} also count what "
            "claims tell of earlier days. Members who were insured elsewhere then look as if they had none.",
        )


def _treated_before(protocol: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Comparators are new to the treatment by design; the treated only if the study asks for it."""
    index, exclusions = protocol["cohort"]["treated"]["index"], protocol["cohort"]["exclusions"]
    if "event" in index and not any(_is_washout(rule, index["event"], protocol) for rule in exclusions):
        event = in_sentence(index["event"])
        which = "first in the index window, not the first ever" if index["take"] == "first" else "not the first ever"
        yield (
            "The treated may have been treated before.",
            f"Comparators had no {event} before in all of the data. A treated index date is {which}: the study has no "
            f"exclusion for {event} that ends on day {MINUS}1, so effects of earlier treatment are among those told.",
        )


def _is_washout(rule: Mapping[str, Any], event: str, protocol: Mapping[str, Any]) -> bool:
    """Does the exclusion hold all that shows the event, up to the day before the index date?"""
    held, needed = (_clauses(name, protocol) for name in (rule["event"], event))
    return rule["window"][1] == -1 and not rule.get("supplied_days") and all(clause in held for clause in needed)


def _clauses(event: str, protocol: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    code_set = {"codes": event, "diagnosis": None, "in_person": False, "therapist": False}
    return list(protocol["events"].get(event, [code_set]))


def _uncovered(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Index dates, outcomes and exclusions whose bills nobody asks to be covered."""
    cohort = document["protocol"]["cohort"]
    asked = cohort["enrollment"]["benefits"]
    origins = document["run"].get("seen_with", {})
    drugs = [in_sentence(rule["event"]) for rule in cohort["exclusions"] if rule.get("supplied_days")]
    for benefit, bold in (
        ("pharmacy", "Fills are seen only where drugs are covered."),
        ("medical", "Services are seen only where they are covered."),
    ):
        events = [in_sentence(event) for event, benefits in origins.items() if benefit in benefits]
        told = []
        if drugs and benefit == "pharmacy":
            told.append(f"Members without it cannot be excluded for {listed(drugs)}.")
        if events:
            bills = "fills" if benefit == "pharmacy" else "claims"
            told.append(
                f"Index dates and outcomes read from {bills} ({listed(events)}) are not seen of members without it, "
                "who count as having none."
            )
        if told and benefit not in asked:
            yield bold, " ".join([f"{benefit.capitalize()} cover is not asked for.", *told])


def _told_by_stages(stages: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Events without a day, months without a line; what the score stage warns of is told with the model."""
    told = [warning for name, stage in stages.items() if name != "score" for warning in stage.get("warnings", ())]
    if told:
        yield "The claims show less than was asked for.", " ".join(dict.fromkeys(told))


def _design(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    n_pairs, n_treated = document["matching"]["n_pairs"], document["score"]["n_treated"]
    pairs = "matched pairs, whose number is withheld," if n_pairs is None else f"{count(n_pairs)} matched pairs"
    yield (
        "Not a proof of cause.",
        "This is an observational study. Members were not assigned to the arms by chance, and the page says how the "
        "arms differ, not why.",
    )
    yield (
        "Residual confounding stays possible.",
        "Matching adjusts for what claims recorded before the index date. Pain, function, preference, income and "
        "advice are not in claims; the E-value says how strong such a cause would have to be, not that there is none.",
    )
    yield (
        "The matched, not everybody.",
        f"The result describes the {pairs} of {count(n_treated)} eligible treated index dates. Treated members without "
        "a comparator may differ, and so may members elsewhere or at other times.",
    )
    yield (
        "Claims are bills.",
        "A service that was not billed to this insurance is not seen; a code is not a finding. Fewer services are not "
        "by themselves better or worse care, and nothing here measures pain, function or whether a service was needed.",
    )
    yield (
        "Follow-up ends for reasons.",
        "Rates count the time observed and assume that members whose follow-up ended early would have gone on like the "
        "others.",
    )
    yield (
        "One primary outcome.",
        "All other outcomes and horizons are secondary; with this many intervals some exclude 1 by chance. They are "
        "not adjusted for their number.",
    )


def _numbers() -> Iterator[tuple[str, str]]:
    yield (
        "Withheld is not zero.",
        "No count of members or events from 1 to 10 leaves the site, nor another number from which one could be had. "
        "Such numbers say withheld, with the estimates that rest on them; neighbouring steps, weeks and categories are "
        "merged. A standardised difference of a rare covariate is shown as a bound.",
    )
    yield (
        "Crude counts are rounded.",
        "Counts of events before matching and of units by score are the nearest multiple of 11; crude rates and ratios "
        "follow from these, in two digits, and their intervals are widened for it. Matched counts are exact.",
    )
    yield (
        "Rates and intervals are rounded.",
        "The number whose follow-up ended early, and the time they lost, are rounded to multiples of 11; rates use the "
        "rounded time, the matched rate ratio the exact time. Matched estimates and their limits carry three digits, "
        "means of covariates come from totals rounded to multiples of 11. Differences between close numbers on this "
        "page may be rounding.",
    )
    yield (
        "A rate is not a risk.",
        "Events per 1,000 person-years count repeated events of one member, and a horizon of 90 days is about a "
        "quarter of a year: 1,000 per 1,000 person-years is one event in four members over 90 days, roughly.",
    )
