"""OMOP Common Data Model 5.3 and 5.4: people, observation periods, and the events of a visit as lines of claims.

A CDM is no claims file: each condition, procedure, drug, measurement, device and visit is a row of its own with a date.

- A row becomes a claim of one line. The diagnoses and concepts of its visit and day stand beside it, as those of a
  claim beside a line; on another day of the same visit they do not, because a condition has a date of its own.
- What a row is, its code says and not its table: that of a diagnosis or procedure follows the domain of its standard
  concept, so smoking (Z72.0) is an observation, and an office visit (99213) may be one.
- `concepts` holds standard and source concept both. The code behind them, where the vocabulary has one that we know,
  is the line's diagnosis, procedure or NDC. 0, "no matching concept", is none.
- The ids of rows are not trusted to be unique (Eunomia's are not): concept and date are part of a claim's id.
- An observation period says when what happened to somebody was recorded: medical and pharmacy cover both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import concept_column, encode_column
from counterpart.sources import fields, unreadable
from counterpart.sources.accounts import stack
from counterpart.sources.layout import Layout, Lookup, Source, columns_read
from counterpart.sources.omop_vocabulary import (
    DIAGNOSES,
    PROCEDURES,
    PRODUCTS,
    add_code,
    add_modifier,
    code_concepts,
    code_of,
    specialty_codes,
)
from counterpart.sources.states import LETTERS_OR_NAMES
from counterpart.sources.tuva import ROSTER

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    Row = dict[str, Column]
    Raw = Mapping[str, DataFrame]

_SEXES = {8507: "M", 8532: "F"}
# CMS places of service for OMOP's visits; `in person` and emergency visits are judged by them. One that begins in an
# emergency room is there on its first day alone: 262 goes on as a stay, and how 9203 goes on nobody says.
_PLACES = {9201: "21", 262: "21", 581476: "12", 5083: "02"}
_FROM_EMERGENCY, _EMERGENCY = (262, 9203), "23"
_MID_YEAR, _MID_MONTH = 7, 15
_SUPPLY = ("days_supply", "quantity")


@dataclass(frozen=True)
class Event:
    """How a table of events names its columns: `<stem>_concept_id`, `<stem>_source_concept_id`, days and row id.

    `domain` is the name under which costs speak of it.
    """

    table: str
    stem: str
    start: str
    domain: str
    end: str | None = None

    @property
    def row_id(self) -> str:
        """The column of the row's id."""
        return f"{self.table}_id"

    @property
    def concept(self) -> str:
        """The column of the standard concept."""
        return f"{self.stem}_concept_id"

    @property
    def source_concept(self) -> str:
        """The column of the concept that the source's code is."""
        return f"{self.stem}_source_concept_id"


VISIT = Event("visit_occurrence", "visit", "visit_start_date", "Visit", "visit_end_date")
CONDITION = Event("condition_occurrence", "condition", "condition_start_date", "Condition")
PROCEDURE = Event("procedure_occurrence", "procedure", "procedure_date", "Procedure")
MEASUREMENT = Event("measurement", "measurement", "measurement_date", "Measurement")
OBSERVATION = Event("observation", "observation", "observation_date", "Observation")
DEVICE = Event("device_exposure", "device", "device_exposure_start_date", "Device")
DRUG = Event("drug_exposure", "drug", "drug_exposure_start_date", "Drug")
# Where the domains of the vocabulary put diagnoses. Visits, drugs and devices have none, and each table costs a join.
_DIAGNOSED = (CONDITION, OBSERVATION, MEASUREMENT, PROCEDURE)
GIVEN = "drugs given"
"""The rows of drug_exposure that are claims and no fills."""

EVENTS = (VISIT, CONDITION, PROCEDURE, MEASUREMENT, OBSERVATION, DEVICE, DRUG)


def prepare(raw: Raw) -> dict[str, DataFrame]:
    """Each frame with what its rows take from other tables: codes, the visit's diagnoses and place, specialty, cost."""
    raw = _own_columns(raw)
    codes = code_concepts(raw["concept"]) if "concept" in raw else None
    coded = {event.table: add_code(raw[event.table], codes, event.concept, event.source_concept) for event in _in(raw)}
    if PROCEDURE.table in raw:
        coded[PROCEDURE.table] = add_modifier(coded[PROCEDURE.table], raw.get("concept"))
    beside = _by_visit_day(coded)
    rows = {}
    for event in _in(raw):
        frame = _add_visit(coded[event.table], event, raw, beside)
        rows[event.table] = _add_cost(frame, event, raw.get("cost"))
    # A drug that was given rather than dispensed is billed as a procedure (J3301), and its table is that of all drugs.
    is_procedure = code_of(F.col("line_code"), PROCEDURES).isNotNull()
    rows[GIVEN] = rows[DRUG.table].filter(is_procedure)
    rows[DRUG.table] = rows[DRUG.table].filter(~is_procedure)
    return {**raw, **rows, **_prepare_people(raw)}


def _own_columns(raw: Raw) -> dict[str, DataFrame]:
    """The frames with the columns that are read: another could have the name of one that is added."""
    named = {source.name: source for source in OMOP.sources}
    return {
        name: frame.select(*map(fields.quoted, dict.fromkeys(columns_read(named[name], frame))))
        for name, frame in raw.items()
    }


def _in(raw: Raw) -> list[Event]:
    return [event for event in EVENTS if event.table in raw]


def _prepare_people(raw: Raw) -> dict[str, DataFrame]:
    person = raw["person"]
    known = person.select(fields.identifier(person, "person_id").alias("known_person")).distinct()
    spans = {
        name: raw[name].join(known, fields.identifier(raw[name], "person_id") == F.col("known_person"), "left")
        for name in ("observation_period", "payer_plan_period", "death")
        if name in raw
    }
    if "location" in raw:
        place = raw["location"]
        states = place.groupBy(fields.identifier(place, "location_id").alias("place_id")).agg(
            F.min(fields.text(place, "state")).alias("place_state")
        )
        person = person.join(states, fields.identifier(person, "location_id") == F.col("place_id"), "left")
    return {**spans, "person": person}


def _by_visit_day(coded: Raw) -> DataFrame:
    """Coded events -> visit and day, with the diagnoses and concepts of conditions and what else is coded as one."""
    told = stack(_diagnoses_of(coded[event.table], event) for event in _DIAGNOSED if event.table in coded)
    return (
        told.filter("beside_visit > 0 AND beside_day IS NOT NULL")
        .groupBy("beside_visit", "beside_day")
        .agg(
            F.array_sort(F.collect_set("diagnosis")).alias("beside_diagnoses"),
            F.array_sort(F.collect_set("concept")).alias("beside_concepts"),
        )
    )


def _diagnoses_of(rows: DataFrame, event: Event) -> DataFrame:
    diagnosis = code_of(F.col("line_code"), DIAGNOSES)
    told = rows.select(
        fields.identifier(rows, "visit_occurrence_id").alias("beside_visit"),
        fields.date(rows, event.start).alias("beside_day"),
        diagnosis.alias("diagnosis"),
        F.explode(_own_concepts(rows, event)).alias("concept"),
    )
    return told if event == CONDITION else told.filter("diagnosis IS NOT NULL")


def _add_visit(rows: DataFrame, event: Event, raw: Raw, beside: DataFrame) -> DataFrame:
    """Event row -> the same with its visit's concept and first day, `specialty_code`, and the diagnoses of that day."""
    visit = fields.identifier(rows, "visit_occurrence_id")
    if event != CONDITION:
        day = fields.date(rows, event.start)
        rows = rows.join(beside, (visit == F.col("beside_visit")) & (day == F.col("beside_day")), "left")
    if VISIT.table in raw:
        visits = raw[VISIT.table]
        places = visits.groupBy(fields.identifier(visits, VISIT.row_id).alias("visit_id")).agg(
            F.min(fields.identifier(visits, VISIT.concept)).alias("visit_concept"),
            F.min(fields.date(visits, VISIT.start)).alias("visit_begins"),
        )
        rows = rows.join(places, visit == F.col("visit_id"), "left")
    if "provider" in raw:
        specialties = specialty_codes(raw["provider"], raw.get("concept"))
        rows = rows.join(specialties, fields.identifier(rows, "provider_id") == F.col("rendering_id"), "left")
    return rows


def _add_cost(rows: DataFrame, event: Event, cost: DataFrame | None) -> DataFrame:
    """Event row -> the same with what the cost table has for it: amounts added up, the lowest revenue centre, a DRG."""
    if cost is None:
        return rows
    of_event = cost.filter(F.lower(fields.text(cost, "cost_domain_id")) == event.domain.lower())
    amounts = of_event.groupBy(fields.identifier(cost, "cost_event_id").alias("cost_of")).agg(
        F.sum(F.coalesce(fields.cents(cost, "amount_allowed"), fields.cents(cost, "total_cost"))).alias("allowed"),
        F.sum(fields.cents(cost, "total_paid")).alias("paid"),
        F.min(encode_column("revenue", fields.code(cost, "revenue_code_source_value"))).alias("revenue_center"),
        F.min(encode_column("drg", fields.code(cost, "drg_source_value"))).alias("drg_code"),
    )
    return rows.join(amounts, fields.identifier(rows, event.row_id) == F.col("cost_of"), "left")


def read_person(raw: DataFrame) -> Row:
    """Who somebody is. Without a day of birth the middle of the month is meant, without a month the first of July."""
    year, month, day = (fields.whole_number(raw, f"{part}_of_birth") for part in ("year", "month", "day"))
    some_day = F.coalesce(day, F.when(month.isNull(), 1).otherwise(_MID_MONTH))
    told = fields.day_of(year, F.coalesce(month, F.lit(_MID_YEAR)), some_day)
    birth = F.coalesce(told, fields.date(raw, "birth_datetime"))
    is_impossible = year.isNotNull() & birth.isNull()
    gender = fields.identifier(raw, "gender_concept_id")
    known_sex = F.coalesce(*(F.when(gender == concept, letter) for concept, letter in _SEXES.items()))
    return {
        "person_id": _person(raw),
        "birth_date": birth,
        "sex": F.coalesce(known_sex, fields.sex(fields.text(raw, "gender_source_value")), F.lit("U")),
        "state": fields.residence(fields.text(raw, "place_state"), LETTERS_OR_NAMES),
        "known_from": birth,
        "is_without_cover": F.lit(True),
        "has_unreadable_date": fields.has_unreadable_date(raw, "birth_datetime") | is_impossible,
    }


def read_period(raw: DataFrame) -> Row:
    """An observation period."""
    start, end = (fields.date(raw, f"observation_period_{edge}_date") for edge in ("start", "end"))
    edges = {"start_date": start, "end_date": end, "pharmacy_start_date": start, "pharmacy_end_date": end}
    dates = ("observation_period_start_date", "observation_period_end_date")
    return {
        **_known(raw),
        **edges,
        "known_from": start,
        "has_unreadable_date": fields.has_unreadable_date(raw, *dates) | (start.isNotNull() & end.isNull()),
    }


def read_plan(raw: DataFrame) -> Row:
    """A period in a plan: which plan it was is nothing a study asks for, and cover is told by observation periods."""
    return {**_known(raw), "is_without_cover": F.lit(True)}


def read_death(raw: DataFrame) -> Row:
    """A death."""
    return {
        **_known(raw),
        "death_date": fields.first_date(raw, "death_date", "death_datetime"),
        "is_without_cover": F.lit(True),
        "has_unreadable_date": fields.has_unreadable_date(raw, "death_date"),
    }


def reading_of(event: Event) -> Callable[[DataFrame], Row]:
    """How a row of a table of events reads as a claim of one line."""

    def read(raw: DataFrame) -> Row:
        concepts = _own_concepts(raw, event)
        diagnosis = code_of(F.col("line_code"), DIAGNOSES)
        modifier = F.col("modifier_code") if fields.has_field(raw, "modifier_code") else F.lit(None)
        return {
            **_claim(raw, event),
            "claim_type": F.lit("other"),
            "procedure": code_of(F.col("line_code"), PROCEDURES),
            "modifiers": fields.present(F.array(modifier.cast("string"))),
            "revenue": F.col("revenue_center") if fields.has_field(raw, "revenue_center") else F.lit(None),
            "drg": F.col("drg_code") if fields.has_field(raw, "drg_code") else F.lit(None),
            "place": _place(raw, event),
            "specialty": F.col("specialty_code") if fields.has_field(raw, "specialty_code") else F.lit(None),
            "diagnoses": fields.present(F.concat(F.array(diagnosis), _given(raw, "beside_diagnoses"))),
            "concepts": fields.present(F.concat(concepts, _given(raw, "beside_concepts"))),
        }

    return read


def read_drug(raw: DataFrame) -> Row:
    """An exposure to a drug, as a fill. A supply of 0 days is one that nobody recorded."""
    return {
        **_claim(raw, DRUG),
        "ndc": code_of(F.col("line_code"), PRODUCTS),
        "concepts": fields.present(_own_concepts(raw, DRUG)),
        "days_supply": F.nullif(fields.whole_number(raw, "days_supply"), F.lit(0)),
        "quantity": fields.quantity(raw, "quantity"),
        "has_unreadable_supply": unreadable.has_unreadable_supply(raw, *_SUPPLY),
    }


def _person(raw: DataFrame) -> Column:
    return fields.identifier(raw, "person_id").cast("string")


def _known(raw: DataFrame) -> Row:
    """The person of a row, and whether the table of persons lacks it."""
    return {"person_id": _person(raw), "is_unknown": F.col("known_person").isNull()}


def _claim(raw: DataFrame, event: Event) -> Row:
    start = fields.date(raw, event.start)
    end = start if event.end is None else F.coalesce(fields.date(raw, event.end), start)
    what = F.coalesce(fields.identifier(raw, event.concept), F.lit(0))
    row_id = fields.identifier(raw, event.row_id)
    parts = (F.lit(event.table), row_id, what, F.date_format(start, "yyyyMMdd"))
    given = [event.start] if event.end is None else [event.start, event.end]
    return {
        "person_id": _person(raw),
        "claim_id": F.when(row_id.isNotNull(), F.concat_ws("-", *parts)),
        "line_number": F.lit(1),
        "service_date": start,
        "service_end_date": end,
        "allowed_cents": F.col("allowed") if fields.has_field(raw, "allowed") else F.lit(None),
        "paid_cents": F.col("paid") if fields.has_field(raw, "paid") else F.lit(None),
        "has_unreadable_date": fields.has_unreadable_date(raw, *given),
        "has_unreadable_code": F.col("is_unreadable"),
    }


def _own_concepts(raw: DataFrame, event: Event) -> Column:
    """Standard and source concept of a row, encoded; null where there is none."""
    return F.array(*(concept_column(fields.identifier(raw, name)) for name in (event.concept, event.source_concept)))


def _given(raw: DataFrame, name: str) -> Column:
    nothing = F.array().cast("array<bigint>")
    return F.coalesce(F.col(name), nothing) if fields.has_field(raw, name) else nothing


def _place(raw: DataFrame, event: Event) -> Column:
    """Where a row was done, as its visit says. The emergency room is the place on the visit's first day alone."""
    if not fields.has_field(raw, "visit_concept"):
        return F.lit(None)
    visit, is_first_day = F.col("visit_concept"), fields.date(raw, event.start) == F.col("visit_begins")
    begins = F.when(visit.isin(*_FROM_EMERGENCY) & is_first_day, _EMERGENCY)
    return F.coalesce(begins, *(F.when(visit == concept, place) for concept, place in _PLACES.items()))


def _events(
    event: Event, reading: Callable[[DataFrame], Row], *more: str, may_be_absent: bool = True, part: str = ""
) -> Source:
    """The table of an event, or a part of it: its id, person, concept and day must be there."""
    return Source(
        part or event.table,
        reading,
        required=(event.row_id, "person_id", event.concept, event.start),
        optional=(
            *(event.source_concept, "visit_occurrence_id", "provider_id"),
            *((event.end,) if event.end else ()),
            *more,
        ),
        may_be_absent=may_be_absent,
        rows_of=event.table if part else "",
    )


OMOP = Layout(
    name="omop",
    eligibility=(
        Source(
            "person",
            read_person,
            required=("person_id", "gender_concept_id", "year_of_birth"),
            optional=("month_of_birth", "day_of_birth", "birth_datetime", "gender_source_value", "location_id"),
        ),
        Source(
            "observation_period",
            read_period,
            required=("person_id", "observation_period_start_date", "observation_period_end_date"),
        ),
        Source("payer_plan_period", read_plan, required=("person_id",), may_be_absent=True),
        Source(
            "death", read_death, required=("person_id", "death_date"), optional=("death_datetime",), may_be_absent=True
        ),
    ),
    medical=(
        _events(VISIT, reading_of(VISIT)),
        _events(CONDITION, reading_of(CONDITION), may_be_absent=False),
        _events(PROCEDURE, reading_of(PROCEDURE), "modifier_concept_id", "modifier_source_value"),
        _events(MEASUREMENT, reading_of(MEASUREMENT)),
        _events(OBSERVATION, reading_of(OBSERVATION)),
        _events(DEVICE, reading_of(DEVICE)),
        _events(DRUG, reading_of(DRUG), *_SUPPLY, part=GIVEN),
    ),
    pharmacy=(_events(DRUG, read_drug, *_SUPPLY, may_be_absent=False),),
    roster=ROSTER,
    lookups=(
        Lookup(
            "cost",
            required=("cost_event_id", "cost_domain_id"),
            optional=("amount_allowed", "total_cost", "total_paid", "revenue_code_source_value", "drg_source_value"),
        ),
        Lookup("provider", required=("provider_id",), optional=("specialty_concept_id", "specialty_source_value")),
        Lookup("concept", required=("concept_id", "vocabulary_id", "concept_code")),
        Lookup("location", required=("location_id",), optional=("state",)),
    ),
    ancestors=Lookup("concept_ancestor", required=("ancestor_concept_id", "descendant_concept_id")),
    prepare=prepare,
    icd_on_lines=True,
)
