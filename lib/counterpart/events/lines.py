"""The codes of claim lines: what a claim shows on each of its days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import encode, encode_column, match_codes
from counterpart.events.plan import EventPlan, Signal, signals_by_code
from counterpart.masks import fold_numbers, has_number
from counterpart.protocol import ALL_CLAIMS, Clause

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

TELEHEALTH_PLACES = ("02", "10")
TELEHEALTH_MODIFIER = "95"
THERAPY_MODIFIER = "GP"
THERAPIST_SPECIALTIES = ("65", "225100000X", "2251X0800X")

SIGNALS = "signals"
_DIAGNOSIS_SYSTEMS = frozenset({"icd10cm", "icd9cm"})
# Whichever of them the procedure of a line is.
_PROCEDURE_SYSTEMS = frozenset({"hcpcs", "icd10pcs", "icd9pcs"})
# The codes of which a line has a list.
_LISTED = {"diagnoses": _DIAGNOSIS_SYSTEMS, "concepts": frozenset({"omop"}), "modifiers": frozenset({"modifier"})}


def days_of_lines(lines: DataFrame, plan: EventPlan, has_all: bool) -> DataFrame:
    """Claim lines -> (claim, day, event): member_key, event_date, claim_key, event_id, allowed_cents[, end_date]."""
    shown = [
        F.when(shows(clauses, plan), F.lit(event_id)) if plan.names[event_id] != ALL_CLAIMS else F.lit(event_id)
        for event_id, clauses in enumerate(plan.clauses)
    ]
    return explode_events(_find_signals(lines, plan, has_all), shown, "allowed_cents", *_end_date(plan))


def explode_events(claim_days: DataFrame, shown: Sequence[Column], *more: str) -> DataFrame:
    """Claim's day -> a row for each of the ids in `shown` that is not null, with the columns of `more`."""
    days = claim_days.select(
        "member_key", "event_date", "claim_key", F.explode(F.array(*shown)).alias("event_id"), *more
    )
    # Events that are not shown are rows taken out here: array_compact would take them out of the array by a lambda, and
    # nothing around that is compiled.
    return days.filter(F.col("event_id").isNotNull())


def _end_date(plan: EventPlan) -> tuple[str, ...]:
    return ("end_date",) if plan.stays else ()


def _line_codes(plan: EventPlan) -> list[tuple[frozenset[str], Column]]:
    """The single-code columns of a claim line, by the systems that they have codes of."""
    texts = {name: encode_column(name, F.col(name)) for name in ("specialty", "bill_type")}
    return [
        (_PROCEDURE_SYSTEMS, F.col("procedure")),
        (frozenset({"revenue"}), F.col("revenue")),
        (frozenset({"drg"}), F.col("drg")),
        (frozenset({"place"}), _place_code(plan)),
        *((frozenset({name}), code) for name, code in texts.items()),
    ]


def _place_code(plan: EventPlan) -> Column:
    """The code of a place; of two digits, as nearly all are, only where the plan asks for it.

    Those are compared and not encoded: to encode the text of every line took a third of a search.
    """
    ranges = [code_range for code_set in plan.code_sets.values() for code_range in code_set.ranges]
    codes = {text: encode("place", text) for text in map("{:02d}".format, range(100))}
    asked = {text: code for text, code in codes.items() if any(one.low <= code <= one.high for one in ranges)}
    place = F.col("place")
    known = F.coalesce(*(F.when(place == text, F.lit(code)) for text, code in asked.items()), F.lit(None))
    return F.when(place.isin(*codes), known).otherwise(encode_column("place", place))


def listed(name: str) -> Column:
    """The codes of a column of lists, of no list none."""
    codes = F.col(name)
    if name == "modifiers":
        # Stored as they are written. Only a study that asks for modifiers has them encoded, by a lambda.
        codes = F.transform(codes, lambda one: encode_column("modifier", one))
    return F.coalesce(codes, F.array().cast("array<bigint>"))


def _find_signals(lines: DataFrame, plan: EventPlan, has_all: bool) -> DataFrame:
    """Claim lines -> (member_key, event_date, claim_key, allowed_cents, signals_0..): the signals of a claim's day.

    Days without a signal are among them if `has_all`. Then a first pseudo code (0) stands for the line itself: it
    carries the amount, so that exploding counts it once.
    """
    codes = [F.lit(0).cast("bigint")] if has_all else []
    codes += [column for systems, column in _line_codes(plan) if plan.uses(*systems)]
    lists = [listed(name) for name, systems in _LISTED.items() if plan.uses(*systems)]
    exploded = lines.select(
        "member_key",
        "event_date",
        "claim_key",
        "allowed_cents",
        *conditions_of_line(),
        *(["service_end_date"] if plan.stays else []),
        F.explode(F.concat(F.array(*codes).cast("array<bigint>"), *lists)).alias("code"),
    )
    matched = match_codes(exploded, F.col("code"), F.col("event_date"), signals_by_code(lines, plan))
    amount = F.sum(F.when(F.col("code") == 0, F.col("allowed_cents")).otherwise(0)).alias("allowed_cents")
    signals = fold_numbers("signal", len(plan.signals), SIGNALS)
    by_claim = matched.filter(condition_holds(plan)).groupBy("member_key", "event_date", "claim_key")
    return by_claim.agg(amount, *signals, *([_last_day(plan)] if plan.stays else []))


def _last_day(plan: EventPlan) -> Column:
    """The last day of a claim's lines of one day that show a stay; the day itself where none is told."""
    clauses = [clause for event_id in sorted(plan.stays) for clause in plan.clauses[event_id]]
    numbers = {plan.signals.index(Signal.of(clause)) for clause in clauses}
    end = F.max(F.when(F.col("signal").isin(*sorted(numbers)), F.col("service_end_date")))
    # No null is the greatest.
    return F.greatest(F.col("event_date"), end).alias("end_date")


def conditions_of_line() -> list[Column]:
    """What a clause may ask of a line: `is_telehealth` and `is_therapist`."""
    is_telehealth = F.coalesce(F.col("place").isin(*TELEHEALTH_PLACES), F.lit(False)) | _has_modifier(
        TELEHEALTH_MODIFIER
    )
    is_therapist = F.coalesce(F.col("specialty").isin(*THERAPIST_SPECIALTIES), F.lit(False)) | _has_modifier(
        THERAPY_MODIFIER
    )
    return [is_telehealth.alias("is_telehealth"), is_therapist.alias("is_therapist")]


def _has_modifier(modifier: str) -> Column:
    return F.coalesce(F.array_contains("modifiers", modifier), F.lit(False))


def condition_holds(plan: EventPlan) -> Column:
    """Is the condition on the line met that the matched signal asks for?"""
    in_person = [number for number, signal in enumerate(plan.signals) if signal.in_person]
    therapist = [number for number, signal in enumerate(plan.signals) if signal.therapist]
    signal = F.col("signal")
    return (~signal.isin(*in_person) | ~F.col("is_telehealth")) & (~signal.isin(*therapist) | F.col("is_therapist"))


def shows(clauses: Iterable[Clause], plan: EventPlan, diagnoses_from: int = 0) -> Column:
    """Does a claim's day show the event: any clause, with its code set and its diagnosis?

    Signals have their numbers in the plan; those of diagnoses, `diagnoses_from` more.
    """
    number = {signal: i for i, signal in enumerate(plan.signals)}
    ways = []
    for clause in clauses:
        needed = [number[Signal.of(clause)]]
        if clause.diagnosis:
            needed.append(diagnoses_from + number[Signal(clause.diagnosis)])
        ways.append(reduce(and_, [has_number(SIGNALS, one) for one in needed]))
    return reduce(or_, ways)
