"""The study protocol: one frozen model per section of the document.

Days are relative to the index date (day 0) and inclusive at both ends. Defaults live here and nowhere else.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

CALIPER_SCALES = ("pooled", "overall")
STRATUM_COLUMNS = ("sex", "age_band", "region", "state", "index_month")


class Section(BaseModel):
    """A part of a document: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def _ordered_window(window: tuple[int, int]) -> tuple[int, int]:
    if window[0] > window[1]:
        raise ValueError(f"the window starts on day {window[0]}, after its end on day {window[1]}")
    return window


def _looks_back(window: tuple[int, int]) -> tuple[int, int]:
    if window[1] > 0:
        raise ValueError(f"the window ends on day {window[1]}; before the index date only days up to 0 are known")
    return window


Window = Annotated[tuple[int, int], AfterValidator(_ordered_window)]
Lookback = Annotated[Window, AfterValidator(_looks_back)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class DataWindow(Section):
    """The service dates the delivered claims cover completely."""

    start: date
    end: date

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> DataWindow:
        if self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        return self


class Clause(Section):
    """One way a claim line shows an event.

    A line counts when its procedure, revenue code or one of its diagnoses is in `codes` or its place of service in
    the same set's `place` codes, and, where asked for, a diagnosis of `diagnosis` is on the same claim, the service
    was in person, or a therapist rendered it (modifier GP, or a physical-therapy specialty).
    """

    codes: Name
    diagnosis: Name | None = None
    in_person: bool = False
    therapist: bool = False


class RosterIndex(Section):
    """Index date = first enrolment in a program of the roster."""

    program: str


class ClaimsIndex(Section):
    """Index date = a service date that shows an event.

    `first` takes a member's first such date inside the index window; `each` offers every date as a candidate, of which at most
    one a member and calendar month is kept: the earliest that passes all criteria (choosing at random among the
    month's dates would let a later visit decide about an earlier one).
    """

    event: Name
    take: Literal["first", "each"] = "each"


def _kind_of_index(index: Any) -> str:
    """Which of the two kinds an index section means: problems are then reported for that kind only."""
    if isinstance(index, Section):
        return type(index).__name__
    return "ClaimsIndex" if isinstance(index, dict) and {"event", "take"} & set(index) else "RosterIndex"


AnyIndex = Annotated[
    Annotated[RosterIndex, Tag("RosterIndex")] | Annotated[ClaimsIndex, Tag("ClaimsIndex")],
    Discriminator(_kind_of_index),
]


class TreatedArm(Section):
    """Who got the program or treatment under study."""

    label: str
    index: AnyIndex


class ComparatorArm(Section):
    """Who they are compared with: candidate person-dates, not treated by their own index date."""

    label: str
    index: ClaimsIndex


class Age(Section):
    """Age in completed years at the index date."""

    min: int = Field(18, ge=0, le=120)
    max: int = Field(120, ge=0, le=120)
    bands: tuple[int, ...] = (18, 35, 45, 55, 65)

    @model_validator(mode="after")
    def _bands_ascend_inside(self) -> Age:
        if list(self.bands) != sorted(set(self.bands)) or not self.bands:
            raise ValueError(f"bands {list(self.bands)} must ascend; each is the first age of its band")
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        if self.bands[0] > self.min:
            raise ValueError(f"the first band starts at {self.bands[0]}, above the minimum age {self.min}")
        return self


class EnrollmentRule(Section):
    """Cover before and on the index date."""

    lookback_days: int = Field(365, ge=0, le=3650)
    allowed_gap_days: int = Field(45, ge=0, le=365)
    benefits: tuple[Literal["medical", "pharmacy"], ...] = ("medical",)


class History(Section):
    """An event that must be in the look-back: on at least `min_days` days, the first and last at least `min_span_days` apart."""

    name: Name
    event: Name
    window: Lookback = (-365, -1)
    min_days: int = Field(1, ge=1)
    min_span_days: int = Field(0, ge=0)


class Exclusion(Section):
    """An event that excludes when it is in the window."""

    name: Name
    event: Name
    window: Lookback = (-365, 0)


class Cohort(Section):
    """Both arms, and who is eligible at the index date."""

    index_start: date
    index_end: date
    treated: TreatedArm
    comparator: ComparatorArm
    age: Age = Age()
    enrollment: EnrollmentRule = EnrollmentRule()
    history: tuple[History, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    region: Literal["census_region", "state"] = "census_region"

    @model_validator(mode="after")
    def _window_and_names(self) -> Cohort:
        if self.index_start > self.index_end:
            raise ValueError(f"index_start {self.index_start} is after index_end {self.index_end}")
        names = [rule.name for rule in (*self.history, *self.exclusions)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"criteria named twice: {', '.join(twice)}")
        return self


class EventFlag(Section):
    """A covariate from an event: does it occur in the window (`flag`), on how many days (`count`), at what cost (`cents`).

    The name of the covariate is `<event>_<kind>_<days>` unless one is given.
    """

    event: Name
    kind: Literal["flag", "count", "cents"] = "flag"
    window: Lookback = (-365, -1)
    name: Name | None = None
    label: str | None = None


class Covariates(Section):
    """What is known of a unit before its index date. Demographics and index month are always included."""

    charlson: bool = True
    charlson_window: Lookback = (-365, -1)
    events: tuple[EventFlag, ...] = ()


class Scoring(Section):
    """The propensity model: logistic, on all treated and at most `max_comparators` sampled comparators.

    Counts and cents enter as log(1 + x), years also squared. `ridge` is the L2 penalty on standardised coefficients
    (0 fits without one). A covariate that is not zero in fewer than `min_units` sampled units is left out, by name.
    """

    max_treated: int = Field(200_000, ge=100)
    max_comparators: int = Field(400_000, ge=100)
    ridge: float = Field(1.0, ge=0)
    min_units: int = Field(20, ge=1)
    max_iterations: int = Field(500, ge=10)


class Matching(Section):
    """Nearest comparator on the logit of the propensity score, inside exact strata.

    `caliper` is in standard deviations of the logit: `pooled` is the root of the mean of the two arms' variances
    (Austin 2011), `overall` that of everybody. null means no caliper.
    """

    exact: tuple[Literal["sex", "age_band", "region", "state", "index_month"], ...] = (
        "sex",
        "age_band",
        "region",
        "index_month",
    )
    caliper: float | None = Field(0.2, gt=0)
    caliper_scale: Literal["pooled", "overall"] = "pooled"
    ratio: Literal[1] = 1
    replace: Literal[False] = False
    order: Literal["closest"] = "closest"


class Outcome(Section):
    """Events counted from `start_day` to each horizon. An event is a distinct member, date and event name.

    Several `events` add up: an X-ray and an MRI on one day are two imaging visits.
    """

    name: Name
    label: str
    events: tuple[Name, ...] = Field(min_length=1)
    horizons: tuple[Annotated[int, Field(ge=1, le=3650)], ...] = (90,)
    start_day: int = Field(1, ge=0, le=365)
    role: Literal["primary", "secondary", "negative_control"] = "secondary"

    @model_validator(mode="after")
    def _horizons_follow_the_start(self) -> Outcome:
        if min(self.horizons) < self.start_day:
            raise ValueError(f"horizon {min(self.horizons)} ends before start_day {self.start_day}")
        return self


class Outcomes(Section):
    """What is counted after the index date."""

    outcomes: tuple[Outcome, ...] = Field(min_length=1)
    confidence: float = Field(0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _one_primary_distinct_names(self) -> Outcomes:
        names = [outcome.name for outcome in self.outcomes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"outcomes named twice: {', '.join(twice)}")
        n_primary = sum(outcome.role == "primary" for outcome in self.outcomes)
        if n_primary != 1:
            raise ValueError(f"{n_primary} outcomes have the role primary; exactly one must")
        return self

    @property
    def primary(self) -> Outcome:
        """The one outcome the study was designed for."""
        return next(outcome for outcome in self.outcomes if outcome.role == "primary")


class Study(Section):
    """One study: one document.

    `events` names the clinical events that need more than one code set; any code set is also an event by its own name.
    """

    name: Name
    title: str
    question: str
    seed: int = Field(0, ge=0, lt=2**63)
    data: DataWindow
    events: dict[Name, tuple[Clause, ...]] = {}
    cohort: Cohort
    covariates: Covariates = Covariates()
    scoring: Scoring = Scoring()
    matching: Matching = Matching()
    outcomes: Outcomes
    cautions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _index_window_inside_data(self) -> Study:
        if not (self.data.start <= self.cohort.index_start and self.cohort.index_end <= self.data.end):
            raise ValueError(
                f"cohort: index dates {self.cohort.index_start} to {self.cohort.index_end} are not inside the data "
                f"({self.data.start} to {self.data.end})"
            )
        return self

    def clauses_of(self, event: str) -> tuple[Clause, ...]:
        """The clauses of an event; a name without an entry in `events` is the code set of that name."""
        return self.events.get(event, (Clause(codes=event),))
