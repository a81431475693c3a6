"""Clinical events: which days of a member show what the study's event definitions name.

One pass over the claim lines answers for every event at once: the codes of a line are exploded, joined to ONE broadcast
table of code ranges, and folded into bit masks per claim and day, on which the clauses of the events are evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import and_, or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import (
    CODE_ROWS_DDL,
    SYSTEMS,
    CodeLibrary,
    CodeRow,
    CodeSet,
    code_rows,
    encode,
    encode_column,
    match_codes,
)
from counterpart.masks import fold_numbers, has_number
from counterpart.protocol import ALL_CLAIMS, Clause, Study
from counterpart.small_frames import small_frame
from counterpart.spans import label_runs

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

TELEHEALTH_PLACES = ("02", "10")
TELEHEALTH_MODIFIER = "95"
THERAPY_MODIFIER = "GP"
THERAPIST_SPECIALTIES = ("65", "225100000X", "2251X0800X")

LONGEST_CLAIM_DAYS = 365
"""Of the lines of a stay. One that lasts longer may hide that a stay began before a window; a stay of many may last."""

_SIGNALS = "signals"
# The codes that a fill has.
DRUG_SYSTEMS = frozenset({"ndc", "omop"})
_DIAGNOSIS_SYSTEMS = frozenset({"icd10cm", "icd9cm"})
# Whichever of them the procedure of a line is.
_PROCEDURE_SYSTEMS = frozenset({"hcpcs", "icd10pcs", "icd9pcs"})
# The codes of which a line has a list.
_LISTED = {"diagnoses": _DIAGNOSIS_SYSTEMS, "concepts": frozenset({"omop"})}


@dataclass(frozen=True)
class Signal:
    """What one code of one line can show: a code set, under a condition on the line."""

    codes: str
    in_person: bool = False
    therapist: bool = False


@dataclass(frozen=True)
class EventPlan:
    """Everything the Spark side needs to know of some events; built once on the driver, bounded by the code sets.

    `names[i]` is the event with `event_id` i; `stays` are the ids of those that are counted by stay.
    """

    names: tuple[str, ...]
    clauses: tuple[tuple[Clause, ...], ...]
    signals: tuple[Signal, ...]
    code_sets: dict[str, CodeSet]
    stays: frozenset[int] = frozenset()

    @property
    def days_before(self) -> int:
        """How long before a window lines are to be read: a stay that began before it does not begin in it."""
        return LONGEST_CLAIM_DAYS if self.stays else 0

    def event_id(self, name: str) -> int:
        """Position of an event in `names`."""
        return self.names.index(name)

    @property
    def systems(self) -> frozenset[int]:
        """Numbers of the code systems that any code set of the plan uses."""
        return frozenset(code_range.low >> 56 for code_set in self.code_sets.values() for code_range in code_set.ranges)

    def can_be_filled(self, name: str) -> bool:
        """Can a fill of a drug show the event? A concept may be one; what it is of, a code set does not say."""
        codes = [clause.codes for clause in self.clauses[self.event_id(name)] if _is_of_code_alone(clause)]
        return any(_systems_of(self.code_sets[name]) & DRUG_SYSTEMS for name in codes)

    def uses(self, *systems: str) -> bool:
        """Does any code set of the plan hold codes of one of the systems?"""
        return any(SYSTEMS[system] in self.systems for system in systems)


def plan_events(study: Study, library: CodeLibrary, names: Iterable[str]) -> EventPlan:
    """Resolve event names to clauses, signals and code sets. An unknown code set is a CodeSetError."""
    distinct = tuple(dict.fromkeys(names))
    clauses = tuple(() if name == ALL_CLAIMS else study.clauses_of(name) for name in distinct)
    signals: dict[Signal, None] = {}
    for clause in (clause for group in clauses for clause in group):
        signals[Signal(clause.codes, clause.in_person, clause.therapist)] = None
        if clause.diagnosis:
            signals[Signal(clause.diagnosis)] = None
    code_sets = {signal.codes: library[signal.codes] for signal in signals}
    stays = frozenset(i for i, name in enumerate(distinct) if name in study.stays)
    return EventPlan(distinct, clauses, tuple(signals), code_sets, stays)


def build_member_days(
    medical: DataFrame, pharmacy: DataFrame, plan: EventPlan, people: DataFrame | None, *, is_priced: bool = True
) -> DataFrame:
    """Claim lines and fills -> (member_key, event_date, event_id), with what those that showed it add up to.

    That is `supplied_days` of fills, 0 where none are told, and `allowed_cents` of claims and fills if `is_priced`:
    else lines whose codes show nothing are gone at once. Of events that are stays the first day of each stay is a row,
    and no other: lines from `plan.days_before` before the first day that matters must be among those given.

    `people` (member_key, from_date, to_date; one row a member) limits members and dates and should be small enough
    to broadcast; None takes everybody. Dates must already be pruned to the months that matter.
    """
    added_up = ("allowed_cents", "supplied_days") if is_priced else ("supplied_days",)
    parts = [_days_of_claims(medical, plan, people, is_priced)]
    if plan.uses(*DRUG_SYSTEMS):
        fills = _days_of_fills(pharmacy, plan, people)
        parts.append(fills.withColumn("end_date", F.col("event_date")) if plan.stays else fills)
    keys, ends = ("member_key", "event_date", "event_id"), ("end_date",) if plan.stays else ()
    sums = [F.sum(name).alias(name) for name in added_up]
    days = (
        reduce(lambda left, right: left.unionByName(right), (part.select(*keys, *added_up, *ends) for part in parts))
        .groupBy(*keys)
        .agg(*sums, *(F.max(name).alias(name) for name in ends))
    )
    if not plan.stays:
        return days
    return (
        _label_stays(days, plan)
        .groupBy("member_key", F.col("run_start_date").alias("event_date"), "event_id")
        .agg(*sums)
    )


def _label_stays(days: DataFrame, plan: EventPlan) -> DataFrame:
    """Days with `end_date` -> the same with `run_start_date`: the first day of a stay, of other events the day itself.

    Days that overlap or abut are of one stay. What comes later never moves its first day.
    """
    own_day = F.when(~F.col("event_id").isin(*plan.stays), F.col("event_date"))
    spans = days.withColumns({"own_day": own_day, "start_date": F.col("event_date")})
    return label_runs(spans, ("member_key", "event_id", "own_day"))


def _days_of_claims(medical: DataFrame, plan: EventPlan, people: DataFrame | None, is_priced: bool) -> DataFrame:
    lines = medical.withColumnRenamed("service_date", "event_date")
    if people is not None:
        lines = _restrict(lines, people)
    claim_days = _find_signals(lines, plan, is_priced or ALL_CLAIMS in plan.names)
    shown = [
        F.when(_shows(clauses, plan), F.lit(event_id)) if plan.names[event_id] != ALL_CLAIMS else F.lit(event_id)
        for event_id, clauses in enumerate(plan.clauses)
    ]
    days = claim_days.select(
        "member_key",
        "event_date",
        F.explode(F.array(*shown)).alias("event_id"),
        "allowed_cents",
        F.lit(0).cast("bigint").alias("supplied_days"),
        *(["end_date"] if plan.stays else []),
    )
    # Events that are not shown are rows taken out here: array_compact would take them out of the array by a lambda, and
    # nothing around that is compiled.
    return days.filter(F.col("event_id").isNotNull())


def _days_of_fills(pharmacy: DataFrame, plan: EventPlan, people: DataFrame | None) -> DataFrame:
    supplied = F.coalesce("days_supply", F.lit(0)).cast("bigint")
    fills = pharmacy.withColumnRenamed("dispensing_date", "event_date").withColumn("supplied_days", supplied)
    if people is not None:
        fills = _restrict(fills, people)
    on, shown_by = F.col("event_date"), _signals_by_code(fills, plan)
    events_of = {
        signal: [i for i, clauses in enumerate(plan.clauses) if any(map(partial(_fill_shows, signal), clauses))]
        for signal in plan.signals
    }
    if plan.uses("omop"):
        codes = F.concat(F.array("ndc"), _listed("concepts"))
        matched = match_codes(fills.withColumn("code", F.explode(codes)), F.col("code"), on, shown_by)
    else:
        matched = match_codes(fills, F.col("ndc"), on, shown_by)
    pairs = [(number, event) for number, signal in enumerate(plan.signals) for event in events_of[signal]]
    names = small_frame(matched.sparkSession, pairs, "signal int, event_id int")
    shown = matched.join(F.broadcast(names), "signal", "inner")
    events = [event for _, event in pairs]
    if plan.uses("omop") or len(set(events)) < len(events):
        # A fill may show an event by several codes, or one code by several code sets: it is to count once.
        shown = shown.dropDuplicates(["member_key", "claim_id", "line_number", "event_date", "event_id"])
    return shown.select("member_key", "event_date", "event_id", "allowed_cents", "supplied_days")


def _fill_shows(signal: Signal, clause: Clause) -> bool:
    return _is_of_code_alone(clause) and Signal(clause.codes) == signal


def _is_of_code_alone(clause: Clause) -> bool:
    """Without a condition that only a claim can meet: a fill has no diagnosis, place or therapist."""
    return not (clause.diagnosis or clause.in_person or clause.therapist)


def _restrict(rows: DataFrame, people: DataFrame) -> DataFrame:
    inside = F.col("event_date").between(F.col("from_date"), F.col("to_date"))
    return rows.join(people.select("member_key", "from_date", "to_date"), "member_key", "inner").filter(inside)


def _systems_of(code_set: CodeSet) -> frozenset[str]:
    names = {number: name for name, number in SYSTEMS.items()}
    return frozenset(names[code_range.low >> 56] for code_range in code_set.ranges)


def _line_codes(plan: EventPlan) -> list[tuple[frozenset[str], Column]]:
    """The single-code columns of a claim line, by the systems that they have codes of."""
    return [
        (_PROCEDURE_SYSTEMS, F.col("procedure")),
        (frozenset({"revenue"}), F.col("revenue")),
        (frozenset({"place"}), _place_code(plan)),
        (frozenset({"specialty"}), encode_column("specialty", F.col("specialty"))),
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


def _listed(name: str) -> Column:
    return F.coalesce(F.col(name), F.array().cast("array<bigint>"))


def _find_signals(lines: DataFrame, plan: EventPlan, has_all: bool) -> DataFrame:
    """Claim lines -> (member_key, event_date, claim_key, allowed_cents, signals_0..): the signals of a claim's day.

    Days without a signal are among them if `has_all`. Then a first pseudo code (0) stands for the line itself: it
    carries the amount, so that exploding counts it once.
    """
    codes = [F.lit(0).cast("bigint")] if has_all else []
    codes += [column for systems, column in _line_codes(plan) if plan.uses(*systems)]
    listed = [_listed(name) for name, systems in _LISTED.items() if plan.uses(*systems)]
    is_telehealth = F.coalesce(F.col("place").isin(*TELEHEALTH_PLACES), F.lit(False)) | _has_modifier(
        TELEHEALTH_MODIFIER
    )
    is_therapist = F.coalesce(F.col("specialty").isin(*THERAPIST_SPECIALTIES), F.lit(False)) | _has_modifier(
        THERAPY_MODIFIER
    )
    exploded = lines.select(
        "member_key",
        "event_date",
        "claim_key",
        "allowed_cents",
        is_telehealth.alias("is_telehealth"),
        is_therapist.alias("is_therapist"),
        *(["service_end_date"] if plan.stays else []),
        F.explode(F.concat(F.array(*codes).cast("array<bigint>"), *listed)).alias("code"),
    )
    matched = match_codes(exploded, F.col("code"), F.col("event_date"), _signals_by_code(lines, plan))
    amount = F.sum(F.when(F.col("code") == 0, F.col("allowed_cents")).otherwise(0)).alias("allowed_cents")
    signals = fold_numbers("signal", len(plan.signals), _SIGNALS)
    by_claim = matched.filter(_condition_holds(plan)).groupBy("member_key", "event_date", "claim_key")
    return by_claim.agg(amount, *signals, *([_last_day(plan)] if plan.stays else []))


def _last_day(plan: EventPlan) -> Column:
    """The last day of a claim's lines of one day that show a stay; the day itself where none is told."""
    clauses = [clause for event_id in sorted(plan.stays) for clause in plan.clauses[event_id]]
    numbers = {plan.signals.index(Signal(clause.codes, clause.in_person, clause.therapist)) for clause in clauses}
    end = F.max(F.when(F.col("signal").isin(*sorted(numbers)), F.col("service_end_date")))
    # No null is the greatest.
    return F.greatest(F.col("event_date"), end).alias("end_date")


def _has_modifier(modifier: str) -> Column:
    return F.coalesce(F.array_contains("modifiers", modifier), F.lit(False))


def _condition_holds(plan: EventPlan) -> Column:
    """Is the condition on the line met that the matched signal asks for?"""
    in_person = [number for number, signal in enumerate(plan.signals) if signal.in_person]
    therapist = [number for number, signal in enumerate(plan.signals) if signal.therapist]
    signal = F.col("signal")
    return (~signal.isin(*in_person) | ~F.col("is_telehealth")) & (~signal.isin(*therapist) | F.col("is_therapist"))


def _signals_by_code(rows: DataFrame, plan: EventPlan) -> DataFrame:
    """The code ranges of the plan with the number of their signal, one row per join bucket. Some thousand rows."""
    sets = {number: plan.code_sets[signal.codes] for number, signal in enumerate(plan.signals)}
    everything = CodeRow(0, 0, 0, None, None, -1)
    ranges = small_frame(rows.sparkSession, [everything, *code_rows(sets)], CODE_ROWS_DDL)
    return ranges.withColumnRenamed("concept_id", "signal")


def _shows(clauses: Sequence[Clause], plan: EventPlan) -> Column:
    """Does a claim's day show the event: any clause, with its code set and its diagnosis?"""
    number = {signal: i for i, signal in enumerate(plan.signals)}
    ways = []
    for clause in clauses:
        needed = [Signal(clause.codes, clause.in_person, clause.therapist)]
        if clause.diagnosis:
            needed.append(Signal(clause.diagnosis))
        ways.append(reduce(and_, [has_number(_SIGNALS, number[signal]) for signal in needed]))
    return reduce(or_, ways)
