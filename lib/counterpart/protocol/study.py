"""The study protocol: one frozen model per section of the document.

Days are relative to the index date (day 0) and inclusive at both ends. Defaults live here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from counterpart.protocol.index_days import decided_by_index_dates
from counterpart.protocol.matching import StudyMatching
from counterpart.protocol.section import (
    ALL_CLAIMS,
    Name,
    Problem,
    Real,
    Section,
    Text,
    Whole,
    YesNo,
    each_once,
    repeated,
)
from counterpart.protocol.stays import misused_stays
from counterpart.protocol.windows import Lookback, StudyDay

BUILT_IN_CRITERIA = (
    "index_date_in_window",
    "not_treated_by_index_date",
    "known_member",
    "alive_on_index_date",
    "age",
    "enrolled_on_index_date",
    "enrolled_in_lookback",
    "one_date_per_month",
)
"""What every candidate is asked besides the study's own history and exclusions, which need names of their own."""

_STEPS = ("candidates", "no_exact_stratum", "outside_caliper", "pool_exhausted", "eligible_not_chosen")
"""What the flow calls the steps before and after the criteria."""

Once = AfterValidator(each_once)


def _tells_of_no_few(min_units: int) -> int:
    """Which covariates such a limit leaves out is told by name: between two counts from 1 to 10 it would be a bound."""
    if 1 < min_units <= 10:
        raise ValueError(f"{min_units} is a limit inside the counts that are not shown; it must be 1 or at least 11")
    return min_units


class DataWindow(Section):
    """The service dates the delivered claims cover completely."""

    start: StudyDay
    end: StudyDay

    def contradictions(self) -> Iterator[Problem]:
        """The data end before they start."""
        if self.start > self.end:
            yield ("end",), f"{self.end} is before start {self.start}"


class Clause(Section):
    """One way a claim line shows an event.

    A line counts when a code of it (its procedure, revenue centre, DRG, one of its diagnoses, ...) is in `codes`, and,
    where asked for, a diagnosis of `diagnosis` is on any line of the same claim and day, the service was in person, or
    a therapist rendered it (modifier GP, or a physical-therapy specialty).
    """

    codes: Name
    diagnosis: Name | None = None
    in_person: YesNo = False
    therapist: YesNo = False


class RosterIndex(Section):
    """Index date = first enrolment in a program of the roster."""

    program: Text


class ClaimsIndex(Section):
    """Index date = a service date that shows an event.

    `first` takes a member's first such date inside the index window; `each` offers every date as a candidate, of which
    at most one a member and calendar month is kept: the earliest that passes all criteria (choosing at random among
    the month's dates would let a later visit decide about an earlier one).
    """

    event: Name
    take: Literal["first", "each"] = "each"


def _kind_of_index(index: Any) -> str:
    """Which of the two kinds an index section means: problems are then reported for that kind only."""
    if isinstance(index, Section):
        return type(index).__name__
    kinds = {"program": "RosterIndex", "event": "ClaimsIndex", "take": "ClaimsIndex"}
    keys = [str(key) for key in index] if isinstance(index, dict) else []
    known = [key for key in kinds if key in keys]
    misspelt = [near for key in keys for near in get_close_matches(key, kinds, n=1)]
    return kinds[[*known, *misspelt, "program"][0]]


AnyIndex = Annotated[
    Annotated[RosterIndex, Tag("RosterIndex")] | Annotated[ClaimsIndex, Tag("ClaimsIndex")],
    Discriminator(_kind_of_index),
]


class TreatedArm(Section):
    """Who got the program or treatment under study."""

    label: Text
    index: AnyIndex


class ComparatorArm(Section):
    """Who they are compared with: candidate person-dates, not treated by their own index date."""

    label: Text
    index: ClaimsIndex


class Age(Section):
    """Age in completed years at the index date."""

    min: Whole = Field(default=18, ge=0, le=120)
    max: Whole = Field(default=120, ge=0, le=120)
    bands: tuple[Whole, ...] = Field(default=(18, 35, 45, 55, 65), min_length=1)

    def contradictions(self) -> Iterator[Problem]:
        """No age is left, or ages without a band."""
        if self.min > self.max:
            yield ("min",), f"{self.min} is above max {self.max}"
        if list(self.bands) != sorted(set(self.bands)):
            yield ("bands",), f"{list(self.bands)} must ascend; each is the first age of its band"
        elif self.bands[0] > self.min:
            yield ("bands",), f"the first band starts at {self.bands[0]}, above the minimum age {self.min}"


class EnrollmentRule(Section):
    """Cover before and on the index date."""

    lookback_days: Whole = Field(default=365, ge=0, le=3650)
    allowed_gap_days: Whole = Field(default=45, ge=0, le=365)
    benefits: Annotated[tuple[Literal["medical", "pharmacy"], ...], Once] = Field(default=("medical",), min_length=1)


class History(Section):
    """An event that must be in the look-back, on at least `min_days` days that span at least `min_span_days`."""

    name: Name
    event: Name
    window: Lookback = (-365, -1)
    min_days: Whole = Field(default=1, ge=1)
    min_span_days: Whole = Field(default=0, ge=0)

    def contradictions(self) -> Iterator[Problem]:
        """More days than the window has."""
        first, last = self.window
        n_days = last - first + 1
        if self.min_days > n_days:
            yield ("min_days",), f"{self.min_days} days do not fit into the {n_days} days of the window"
        if self.min_span_days > last - first:
            yield (
                ("min_span_days",),
                f"{self.min_span_days} days apart do not fit into the window, whose ends are {last - first} days apart",
            )


class Exclusion(Section):
    """An event that excludes when it is in the window.

    With `supplied_days` it is a drug, and excludes where fills in the window supply it for so many days in a row.
    """

    name: Name
    event: Name
    window: Lookback = (-365, 0)
    supplied_days: Whole | None = Field(default=None, ge=1)

    def contradictions(self) -> Iterator[Problem]:
        """More days than the window has."""
        first, last = self.window
        if self.supplied_days and self.supplied_days > last - first + 1:
            yield (
                ("supplied_days",),
                f"{self.supplied_days} days do not fit into the {last - first + 1} days of the window",
            )


class Cohort(Section):
    """Both arms, and who is eligible at the index date."""

    index_start: StudyDay
    index_end: StudyDay
    treated: TreatedArm
    comparator: ComparatorArm
    age: Age = Age()
    enrollment: EnrollmentRule = EnrollmentRule()
    history: tuple[History, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    region: Literal["census_region", "state"] = "census_region"

    def contradictions(self) -> Iterator[Problem]:
        """An empty index window, arms that are the same, criteria of one name."""
        if self.index_start > self.index_end:
            yield ("index_end",), f"{self.index_end} is before index_start {self.index_start}"
        if self.treated.label == self.comparator.label:
            yield ("comparator", "label"), f"{self.comparator.label!r} is the label of the treated arm too"
        treated = self.treated.index
        if isinstance(treated, ClaimsIndex) and treated.event == self.comparator.index.event:
            yield (
                ("comparator", "index", "event"),
                f"{treated.event!r} is the event of the treated arm too: on such a date nobody is untreated",
            )
        rules = [("history", i, rule.name) for i, rule in enumerate(self.history)]
        rules += [("exclusions", i, rule.name) for i, rule in enumerate(self.exclusions)]
        given = (*BUILT_IN_CRITERIA, *_STEPS)
        for position, name in repeated([*given, *(name for _, _, name in rules)]):
            section, i, _ = rules[position - len(given)]
            why = "a criterion named before"
            if name in given:
                why = f"a {'criterion' if name in BUILT_IN_CRITERIA else 'step of the flow'} every study has"
            yield (section, i, "name"), f"{name!r} is {why}; each needs a name of its own"


class EventFlag(Section):
    """A covariate from an event: does it occur in the window (`flag`), on how many days (`count`), at what `cents`.

    The name of the covariate is `<event>_<kind>_<days>` unless one is given.
    """

    event: Name
    kind: Literal["flag", "count", "cents"] = "flag"
    window: Lookback = (-365, -1)
    name: Name | None = None
    label: Text | None = None

    @property
    def covariate_name(self) -> str:
        """The given name, else made of event, kind and days: `imaging_count_90`, `imaging_flag_365_30`."""
        first, last = self.window
        days = f"{-first}" if last == -1 else f"{-first}_{-last}"
        return self.name or f"{self.event}_{self.kind}_{days}"


class Covariates(Section):
    """What is known of a unit before its index date. Demographics and the `calendar` time of it are always included."""

    calendar: Literal["month", "year", "decade"] = "month"
    charlson: YesNo = True
    charlson_window: Lookback = (-365, -1)
    events: tuple[EventFlag, ...] = ()

    def contradictions(self) -> Iterator[Problem]:
        """Two covariates of one name."""
        names = ["age", *(flag.covariate_name for flag in self.events)]
        for position, name in repeated(names):
            yield ("events", position - 1), f"there is a covariate {name!r} already; give this one a name of its own"
        for i, name in enumerate(names[1:]):
            if self.charlson and name.startswith("charlson_"):
                yield ("events", i), f"{name!r} is named like one that `charlson: true` brings; give it another name"


class Scoring(Section):
    """The propensity model: logistic, on all treated and at most `max_comparators` sampled comparators.

    Counts and cents enter as log(1 + x), years also squared. `ridge` is the L2 penalty on standardised coefficients
    (0 fits without one). A covariate that is not zero in fewer than `min_units` sampled units (1, or at least 11) is
    left out, by name.
    """

    max_treated: Whole = Field(default=200_000, ge=100)
    max_comparators: Whole = Field(default=400_000, ge=100)
    ridge: Real = Field(default=1.0, ge=0)
    min_units: Annotated[Whole, AfterValidator(_tells_of_no_few)] = Field(default=20, ge=1)
    max_iterations: Whole = Field(default=500, ge=10)


class Outcome(Section):
    """Events counted from `start_day` to each horizon. An event is a distinct member, date and event name.

    Several `events` add up: an X-ray and an MRI on one day are two imaging visits.
    """

    name: Name
    label: Text
    events: Annotated[tuple[Name, ...], Once] = Field(min_length=1)
    horizons: Annotated[tuple[Annotated[Whole, Field(ge=1, le=3650)], ...], Once] = Field(default=(90,), min_length=1)
    start_day: Whole = Field(default=1, ge=0, le=365)
    role: Literal["primary", "secondary", "negative_control"] = "secondary"

    def contradictions(self) -> Iterator[Problem]:
        """A horizon before the first day that counts."""
        for i, horizon in enumerate(self.horizons):
            if horizon < self.start_day:
                yield ("horizons", i), f"day {horizon} is before start_day {self.start_day}"


class Outcomes(Section):
    """What is counted after the index date."""

    outcomes: tuple[Outcome, ...] = Field(min_length=1)
    confidence: Real = Field(default=0.95, gt=0.5, lt=1, description="the level of the intervals, such as 0.95")

    def contradictions(self) -> Iterator[Problem]:
        """Outcomes of one name; none or several that are primary."""
        for i, name in repeated(outcome.name for outcome in self.outcomes):
            yield ("outcomes", i, "name"), f"{name!r} is an outcome named before"
        primary = [outcome.name for outcome in self.outcomes if outcome.role == "primary"]
        if len(primary) != 1:
            found = f"{len(primary)} outcomes have the role primary" + (f" ({', '.join(primary)})" if primary else "")
            yield ("outcomes",), f"{found}; exactly one must"

    @property
    def primary(self) -> Outcome:
        """The one outcome the study was designed for."""
        return next(outcome for outcome in self.outcomes if outcome.role == "primary")


class Study(Section):
    """One study: one document.

    `events` names the clinical events that need more than one code set; any code set is also an event by its own name.
    An event among `stays` is counted once from admission to discharge, on its first day, whatever is billed meanwhile:
    its lines, from first to last day of service, are one stay where they overlap or one begins the day after another.
    """

    name: Name
    title: Text
    question: Text
    seed: Whole = Field(default=0, ge=0, lt=2**63)
    data: DataWindow
    events: dict[Name, Annotated[tuple[Clause, ...], Field(min_length=1)]] = Field(default={})
    stays: Annotated[tuple[Name, ...], Once] = ()
    cohort: Cohort
    covariates: Covariates = Covariates()
    scoring: Scoring = Scoring()
    matching: StudyMatching = StudyMatching()
    outcomes: Outcomes
    cautions: tuple[Text, ...] = ()

    def contradictions(self) -> Iterator[Problem]:
        """Index dates, look-back and horizons that the data do not cover; what the index dates alone decide."""
        cohort, data = self.cohort, f"the data, {self.data.start} to {self.data.end}"
        for key, day in (("index_start", cohort.index_start), ("index_end", cohort.index_end)):
            if not self.data.start <= day <= self.data.end:
                yield ("cohort", key), f"{day} is not inside {data}"
        if ALL_CLAIMS in self.events:
            yield ("events", ALL_CLAIMS), "is the event of every claim line already and cannot be another"
        yield from self._uncovered(data)
        yield from decided_by_index_dates(self)
        yield from misused_stays(self)

    def _uncovered(self, data: str) -> Iterator[Problem]:
        """Days that are needed of the very first index date, and that no claims tell of."""
        start = self.cohort.index_start
        lookback = self.cohort.enrollment.lookback_days
        if self.data.start <= start < self.data.start + timedelta(days=lookback):
            yield (
                ("cohort", "enrollment", "lookback_days"),
                f"{lookback} days before index_start {start} begin before {data}",
            )
        for i, outcome in enumerate(self.outcomes.outcomes):
            for j, horizon in enumerate(outcome.horizons):
                if start <= self.data.end < start + timedelta(days=horizon):
                    yield (
                        ("outcomes", "outcomes", i, "horizons", j),
                        f"day {horizon} of even the first index date {start} is after {data}",
                    )

    def clauses_of(self, event: str) -> tuple[Clause, ...]:
        """The clauses of an event; a name without an entry in `events` is the code set of that name."""
        return self.events.get(event, (Clause(codes=event),))
