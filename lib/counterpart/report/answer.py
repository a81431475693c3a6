"""The answer first: the primary contrast in a sentence and a few numbers, and what speaks for and against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from counterpart.numerics.balance import IMBALANCE
from counterpart.numerics.sensitivity import e_value
from counterpart.report.reading.formats import (
    NOT_ESTIMABLE,
    count,
    interval,
    largest_difference,
    level,
    measure,
    share,
    signed,
    significant,
)
from counterpart.report.reading.words import in_sentence, listed, outcome_days, tell_covariates
from counterpart.tables import ARMS

GOOD, LOOK, UNKNOWN = "as wanted", "look here", "cannot be judged"


def primary_rows(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """EFFECTS rows of the primary outcome at its first horizon, by phase."""
    primary = next(one for one in document["protocol"]["outcomes"]["outcomes"] if one["role"] == "primary")
    return {
        row["phase"]: row
        for row in document["effects"]
        if row["outcome"] == primary["name"] and row["horizon"] == primary["horizons"][0]
    }


def build_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    """Released document -> headline, numbers (name, value, note), checks (name, status, what was seen)."""
    rows = primary_rows(document)
    matched = rows.get("matched")
    return {
        "headline": _headline(document, matched),
        "figures": list(_figures(document, matched)),
        "checks": list(_checks(document, rows)),
    }


def _headline(document: Mapping[str, Any], row: Mapping[str, Any] | None) -> Markup:
    """One sentence, in words no stronger than the interval."""
    if document["matching"]["n_pairs"] == 0:
        return Markup("No pair was matched, so this study has no answer.")
    if row is None or row["is_withheld"]:
        return Markup("The answer is withheld: the counts it rests on are too small to leave the site.")
    what = Markup("the rate of {} in {} after the index date").format(in_sentence(row["label"]), outcome_days(row))
    if row["rate_ratio"] is None:
        return Markup("There is no rate ratio for {}: an arm has no events or no time.").format(what)
    arms = [
        Markup('<span class="arm {}">{}</span>').format(arm, document["protocol"]["cohort"][arm]["label"])
        for arm in ARMS
    ]
    return Markup("Among matched members, {} was {}.").format(what, _comparison(row, *arms))


def _comparison(row: Mapping[str, Any], treated: Markup, comparator: Markup) -> Markup:
    ratio, lower, upper = (row[f"rate_ratio{end}"] for end in ("", "_lower", "_upper"))
    if lower is None or upper is None:
        return Markup("{} times as high with {} as with {}; there is no interval").format(
            significant(ratio), treated, comparator
        )
    if lower <= 1 <= upper:
        return Markup("not clearly different between {} and {}: the interval of the rate ratio holds 1").format(
            treated, comparator
        )
    less_or_more = share(abs(1 - ratio), 0)
    # Neither none nor all: 0% would be no difference, and 100% lower no event.
    if less_or_more == "0%" or (ratio < 1 and less_or_more == "100%"):
        return Markup("{} times as high with {} as with {}").format(significant(ratio), treated, comparator)
    side = "lower" if ratio < 1 else "higher"
    return Markup("{} {} with {} than with {}").format(less_or_more, side, treated, comparator)


def _figures(document: Mapping[str, Any], row: Mapping[str, Any] | None) -> Iterator[dict[str, str]]:
    confidence = level(document["protocol"]["outcomes"]["confidence"])
    names = {"rate_ratio": "Rate ratio, matched", "rate_treated": "Rate, treated"}
    names |= {"rate_comparator": "Rate, comparator", "rate_difference": "Rate difference"}
    for name, label in names.items():
        limits = "" if row is None else interval(row, name)
        yield {
            "name": label,
            "value": "withheld" if row is None else measure(row, name),
            "note": f"{confidence} interval {limits}" if limits else "",
            "kind": name,
        }
    score, largest = document["score"], document["largest_smd"]
    yield {
        "name": "Matched pairs",
        "value": count(document["matching"]["n_pairs"]),
        "note": f"eligible treated index dates: {count(score['n_treated'])}",
        "kind": "pairs",
    }
    yield {
        "name": "Largest standardised difference",
        "value": NOT_ESTIMABLE if document["matching"]["n_pairs"] == 0 else largest_difference(largest, "after"),
        "note": f"after matching; {largest_difference(largest, 'before')} before",
        "kind": "smd",
    }


def _checks(document: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    yield ("Balance", *_balance(document))
    yield ("Negative controls", *judge_controls(document))
    yield ("Propensity model", *_model(document))
    yield ("Complete follow-up", *_follow_up(rows.get("matched")))
    yield ("Crude ratio", *_crude(rows))
    yield ("Unmeasured confounding", *_e_value(rows.get("matched")))


def _balance(document: Mapping[str, Any]) -> tuple[str, str]:
    after = document["largest_smd"]["after"]
    undefined = document["largest_smd"]["after_undefined"]
    if undefined:
        named = tell_covariates(", ".join(undefined), document)
        return (
            LOOK,
            f"Constant inside each arm but different between them, so no standardised difference exists: {named}.",
        )
    if after is None:
        return UNKNOWN, "The standardised differences after matching are withheld or do not exist."
    told = largest_difference(document["largest_smd"], "after")
    if after <= IMBALANCE:
        return (
            GOOD,
            f"After matching no covariate differs by more than {after:.3f} standard deviations (limit {IMBALANCE}).",
        )
    return (
        LOOK,
        f"A covariate still differs by {told} standard deviations after matching; above {IMBALANCE} is imbalance.",
    )


def judge_controls(document: Mapping[str, Any]) -> tuple[str, str]:
    """What the matched negative controls say: their true ratio is taken to be 1."""
    rows = [row for row in document["effects"] if row["role"] == "negative_control" and row["phase"] == "matched"]
    known = [row for row in rows if row["rate_ratio_lower"] is not None and row["rate_ratio_upper"] is not None]
    if not rows:
        return UNKNOWN, "The study names no negative controls."
    if not known:
        return UNKNOWN, "None has an interval, so they say nothing for or against the comparison."
    shown = f"{len(known)} of {len(rows)} {'has' if len(known) == 1 else 'have'} an interval"
    off = [row["label"] for row in known if not _holds_one(row)]
    if off:
        return LOOK, f"{shown}; the interval excludes 1 for {listed(off)}, where no effect is expected: a sign of bias."
    return GOOD, f"{shown}; every interval holds 1, as it should. Wide intervals would hold it too."


def _holds_one(row: Mapping[str, Any]) -> bool:
    return bool(row["rate_ratio_lower"] <= 1 <= row["rate_ratio_upper"])


def crude_controls_off(document: Mapping[str, Any]) -> list[str]:
    """Negative controls whose crude interval excludes 1: how biased the comparison is without matching."""
    return [
        row["label"]
        for row in document["effects"]
        if row["role"] == "negative_control" and row["phase"] == "crude" and row["rate_ratio_lower"] is not None
        if not _holds_one(row)
    ]


def _model(document: Mapping[str, Any]) -> tuple[str, str]:
    score = document["score"]
    if score.get("converged") is None:
        return UNKNOWN, "Nothing is known of the fit."
    if score["warnings"] or not score["converged"]:
        told = " ".join(tell_covariates(warning, document) for warning in score["warnings"])
        return LOOK, told or "The model did not converge."
    if score["c_statistic"] is not None and score["c_statistic"] >= 1:
        return (
            LOOK,
            "The c-statistic is 1.000: covariates tell the arms apart, so that hardly anybody has a counterpart.",
        )
    return GOOD, f"It converged without a warning; c-statistic {signed(score['c_statistic'], 3)}."


def _follow_up(row: Mapping[str, Any] | None) -> tuple[str, str]:
    if row is None:
        return UNKNOWN, "There are no pairs to follow."
    shares = [complete_share(row, arm) for arm in ARMS]
    if None in shares:
        return UNKNOWN, "How many were followed to the horizon is withheld or does not exist."
    treated, comparator = (one or 0.0 for one in shares)
    told = ["all or nearly all" if one == 1 else share(one, 0) for one in (treated, comparator)]
    seen = f"To day {row['horizon']}: {told[0]} of treated and {told[1]} of comparators."
    is_good = min(treated, comparator) >= 0.8 and abs(treated - comparator) <= 0.1
    return (GOOD if is_good else LOOK), seen


def complete_share(row: Mapping[str, Any], arm: str) -> float | None:
    """Share of an arm followed to the horizon, at most 1: the count is a multiple of 11 and may exceed the arm."""
    n, n_complete = row[f"n_{arm}"], row[f"n_complete_{arm}"]
    return None if not n or n_complete is None else min(1.0, n_complete / n)


def _crude(rows: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    crude = rows.get("crude")
    if crude is None or crude["rate_ratio"] is None:
        return UNKNOWN, "The ratio before matching is withheld or cannot be estimated."
    limits = interval(crude, "rate_ratio")
    return (
        "for comparison",
        f"Before matching: {measure(crude, 'rate_ratio')} ({limits}). "
        "The distance is what matching changed and, in small counts, rounding.",
    )


def _e_value(row: Mapping[str, Any] | None) -> tuple[str, str]:
    values = primary_e_value(row)
    if values is None:
        return UNKNOWN, "There is no ratio to compute an E-value from."
    told = f"E-value {significant(values[0])}"
    if values[1] is not None:
        told += f", and {significant(values[1])} for the limit nearest to 1"
    return "for judgement", f"{told}: the strength an unmeasured cause would need."


def primary_e_value(row: Mapping[str, Any] | None) -> tuple[float, float | None] | None:
    """E-value of the estimate and of its limit nearest to 1; None without a positive ratio."""
    if row is None or not row["rate_ratio"]:
        return None
    found = e_value(row["rate_ratio"], row["rate_ratio_lower"], row["rate_ratio_upper"])
    return None if found.estimate is None else (found.estimate, found.limit)
