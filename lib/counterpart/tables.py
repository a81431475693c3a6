"""The declared tables: name, grain, key, columns; and `conform`, which holds a frame to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterpart.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


TREATED, COMPARATOR = "treated", "comparator"
ARMS = (TREATED, COMPARATOR)
"""The values of every column `arm`."""

FIRST_WEEK, LAST_WEEK = -26, 25
"""Weeks around the index date; week w holds days 7w + 1 to 7w + 7, so day 0 is in week -1."""

SMALLEST_SHOWN = 11
"""Counts of members or events from 1 to 10 stay on the site; zero may leave (CMS cell size suppression policy)."""


@dataclass(frozen=True, eq=False)
class Table:
    """A contract. `grain` completes the sentence "one row per"; `columns` maps names to Spark DDL types, in order.

    `partitioned_by` are physical partitions; tables of results are partitioned by `result_key`, which `store` adds.
    `is_bounded`: its rows are as many as the protocol asks for, a few hundred, however many members there are.
    `is_grouped`: they come from a grouping by the key, or one for one from rows that were held to it: nobody need look
    for two of one key.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: dict[str, str]
    partitioned_by: tuple[str, ...] = ()
    is_result: bool = True
    is_bounded: bool = False
    is_grouped: bool = False

    @property
    def ddl(self) -> str:
        """The schema as Spark DDL."""
        return ", ".join(f"`{name}` {kind}" for name, kind in self.columns.items())


def _of_arms(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{arm}" for name in names for arm in ARMS)


_LINE_LAYOUT = ("service_period", "member_bucket")

MEMBERS = Table(
    name="members",
    grain="member",
    key=("member_key",),
    columns={
        "member_key": "bigint",
        "person_id": "string",
        "birth_date": "date",
        "sex": "string",
        "death_date": "date",
        "residences": "array<struct<from_date:date,state:string>>",
    },
    is_result=False,
)

ENROLLMENT = Table(
    name="enrollment",
    grain="member, benefit and span of continuous cover",
    key=("member_key", "benefit", "start_date"),
    columns={"member_key": "bigint", "benefit": "string", "start_date": "date", "end_date": "date"},
    is_result=False,
)

# `diagnoses` are those of the whole claim, on each of its lines: events look at a line with the diagnoses beside it,
# and the search for index dates sees the lines with a wanted procedure only. So stand
# `facility_procedures`, the ICD procedures of a facility's claim, each with its own day; `procedure` is the line's.
# `concepts` are OMOP's, where a source has them: those of the line itself, and those of the diagnoses beside it.
MEDICAL = Table(
    name="medical",
    grain="final claim line",
    key=("member_key", "claim_id", "line_number"),
    columns={
        "member_key": "bigint",
        "claim_key": "bigint",
        "claim_id": "string",
        "line_number": "int",
        "claim_type": "string",
        "service_date": "date",
        "service_end_date": "date",
        "procedure": "bigint",
        "modifiers": "array<string>",
        "revenue": "bigint",
        "place": "string",
        "bill_type": "string",
        "drg": "bigint",
        "specialty": "string",
        "diagnoses": "array<bigint>",
        "facility_procedures": "array<struct<code:bigint,day:date>>",
        "concepts": "array<bigint>",
        "allowed_cents": "bigint",
        "paid_cents": "bigint",
        "version_hash": "bigint",
        "service_month": "int",
        "service_period": "int",
        "member_bucket": "int",
    },
    partitioned_by=_LINE_LAYOUT,
    is_result=False,
)

PHARMACY = Table(
    name="pharmacy",
    grain="final fill",
    key=("member_key", "claim_id", "line_number"),
    columns={
        "member_key": "bigint",
        "claim_id": "string",
        "line_number": "int",
        "dispensing_date": "date",
        "ndc": "bigint",
        "concepts": "array<bigint>",
        "days_supply": "int",
        "quantity": "decimal(12,3)",
        "allowed_cents": "bigint",
        "paid_cents": "bigint",
        "version_hash": "bigint",
        "service_month": "int",
        "service_period": "int",
        "member_bucket": "int",
    },
    partitioned_by=_LINE_LAYOUT,
    is_result=False,
)

PROGRAM = Table(
    name="program",
    grain="member and program, at the first enrolment",
    key=("member_key", "program"),
    columns={"member_key": "bigint", "program": "string", "enrolled_on": "date", "left_on": "date"},
    is_result=False,
)

CONCEPT_ANCESTORS = Table(
    name="concept_ancestors",
    grain="OMOP concept and one that its vocabulary has below it",
    key=("ancestor", "descendant"),
    columns={"ancestor": "bigint", "descendant": "bigint"},
    is_result=False,
)

QUARANTINE = Table(
    name="quarantine",
    grain="rejected source row",
    key=(),
    columns={"source": "string", "reason": "string", "row_json": "string", "delivery": "string"},
    is_result=False,
)

INTAKE = Table(
    name="intake",
    grain="source, fate (kept, merged, quarantined) and rule of one delivery",
    key=("delivery", "source", "fate", "rule"),
    columns={"delivery": "string", "source": "string", "fate": "string", "rule": "string", "n_rows": "bigint"},
    is_result=False,
)

COHORT = Table(
    name="cohort",
    grain="candidate person-date (unit)",
    key=("unit_id",),
    columns={
        "unit_id": "bigint",
        "member_key": "bigint",
        "arm": "string",
        "index_date": "date",
        "index_month": "int",
        "age": "int",
        "sex": "string",
        "age_band": "string",
        "region": "string",
        "state": "string",
        "excluded_by": "string",
    },
)

ATTRITION = Table(
    name="attrition",
    grain="arm and criterion, in order",
    key=("arm", "step"),
    columns={
        "arm": "string",
        "step": "int",
        "criterion": "string",
        "n_excluded": "bigint",
        "n_remaining": "bigint",
        "n_members_remaining": "bigint",
    },
    is_bounded=True,
)

COVARIATES = Table(
    name="covariates",
    grain="unit and covariate, only values that are not zero",
    key=("unit_id", "covariate_id"),
    columns={"unit_id": "bigint", "covariate_id": "int", "value": "bigint"},
    is_grouped=True,
)

COVARIATE_DICTIONARY = Table(
    name="covariate_dictionary",
    grain="covariate",
    key=("covariate_id",),
    columns={
        "covariate_id": "int",
        "name": "string",
        "label": "string",
        "kind": "string",
        "window_start": "int",
        "window_end": "int",
    },
    is_bounded=True,
)

SCORES = Table(
    name="scores",
    grain="unit",
    key=("unit_id",),
    columns={"unit_id": "bigint", "propensity": "double", "logit_fixed": "bigint", "preference": "double"},
    is_grouped=True,
)

MATCHES = Table(
    name="matches",
    grain="pair",
    key=("treated_unit", "comparator_unit"),
    columns={
        "set_id": "bigint",
        "treated_unit": "bigint",
        "comparator_unit": "bigint",
        "distance_fixed": "bigint",
    },
)

UNMATCHED = Table(
    name="unmatched",
    grain="treated unit without a counterpart",
    key=("unit_id",),
    columns={"unit_id": "bigint", "reason": "string"},
)

FOLLOW_UP = Table(
    name="follow_up",
    grain="unit",
    key=("unit_id",),
    columns={"unit_id": "bigint", "end_date": "date", "censored_by": "string", "days": "int"},
)

OUTCOMES = Table(
    name="outcomes",
    grain="unit, outcome and horizon",
    key=("unit_id", "outcome", "horizon"),
    columns={
        "unit_id": "bigint",
        "outcome": "string",
        "horizon": "int",
        "n_events": "int",
        "first_event_day": "int",
        "days_at_risk": "int",
    },
    is_grouped=True,
)

OUTCOME_WEEKS = Table(
    name="outcome_weeks",
    grain="unit and week with an event of the primary outcome",
    key=("unit_id", "week"),
    columns={"unit_id": "bigint", "week": "int", "n_events": "int"},
    is_grouped=True,
)

# `n_nonzero` counts units; at least `n_members_nonzero` members have these, and no member has more than `most_units`.
# `spread` is what the standardised difference is divided by.
BALANCE = Table(
    name="balance",
    grain="covariate and phase (before, after)",
    key=("covariate_id", "phase"),
    columns={
        "covariate_id": "int",
        "name": "string",
        "phase": "string",
        **dict.fromkeys(_of_arms("n", "n_nonzero", "n_members_nonzero", "most_units"), "bigint"),
        **dict.fromkeys((*_of_arms("mean"), "spread", "smd", "variance_ratio"), "double"),
    },
    is_bounded=True,
)

# `n_with_event` counts units, `n_members_with_event` the members they are of.
EFFECTS = Table(
    name="effects",
    grain="outcome, horizon and phase (crude, matched)",
    key=("outcome", "horizon", "phase"),
    columns={
        "outcome": "string",
        "horizon": "int",
        "phase": "string",
        "role": "string",
        **dict.fromkeys(
            _of_arms("n", "n_complete", "n_with_event", "n_members_with_event", "events", "days"), "bigint"
        ),
        "rate_treated": "double",
        "rate_treated_lower": "double",
        "rate_treated_upper": "double",
        "rate_comparator": "double",
        "rate_comparator_lower": "double",
        "rate_comparator_upper": "double",
        "rate_ratio": "double",
        "rate_ratio_lower": "double",
        "rate_ratio_upper": "double",
        "se_log_rate_ratio": "double",
        "clustered_by": "string",
        "rate_difference": "double",
        "rate_difference_lower": "double",
        "rate_difference_upper": "double",
    },
    is_bounded=True,
)

# `members` have an event in the week, by the last week before it (-27: none) in which they had one: of whom that was
# before a run of weeks began, the run counts them here for the first time.
EVENT_TIME = Table(
    name="event_time",
    grain="arm and week around the index date, matched units",
    key=("arm", "week"),
    columns={
        "arm": "string",
        "week": "int",
        "n_events": "bigint",
        "days_at_risk": "bigint",
        "members": "array<struct<last_week:int,n_members:bigint>>",
    },
    is_bounded=True,
)

SCORE_HISTOGRAM = Table(
    name="score_histogram",
    grain="phase, arm and bin of the preference score (20 bins of 0.05)",
    key=("phase", "arm", "bin"),
    columns={"phase": "string", "arm": "string", "bin": "int", "n_units": "bigint", "n_members": "bigint"},
    is_bounded=True,
)

RESULTS = Table(
    name="results",
    grain="finished stage of a study run, or an ingest that is about to change tables",
    key=(),
    columns={
        "stage": "string",
        "study": "string",
        "result_key": "string",
        "protocol_hash": "string",
        "code_version": "string",
        "inputs_json": "string",
        "metrics_json": "string",
        "finished_at": "timestamp",
    },
    is_result=False,
)

CLAIMS_TABLES = (MEMBERS, ENROLLMENT, MEDICAL, PHARMACY, PROGRAM)


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """Select the contract's columns in the contract's order; all missing columns and wrong types in one error.

    Costs no Spark job.
    """
    found = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    problems = [
        f"{name} is missing" if name not in found else f"{name} is {found[name]}, it must be {kind}"
        for name, kind in table.columns.items()
        if found.get(name) != kind
    ]
    if problems:
        raise ContractError(f"table {table.name}: {'; '.join(problems)}")
    return frame.select(*table.columns)
