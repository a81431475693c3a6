"""The stages of a study: each reads its tables, transforms, writes its own, and says in a few numbers what it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from counterpart import cohort as cohorts
from counterpart import covariates as covs
from counterpart import effects, outcomes, scores
from counterpart.codes import CodeLibrary
from counterpart.cohort.demographics import CENSUS_REGIONS, STATES, UNKNOWN
from counterpart.covariates import Covariate
from counterpart.events import EventPlan, build_member_days, plan_events
from counterpart.matching.study import match_cohort
from counterpart.numerics.compiled import announcing_compilation
from counterpart.protocol import Study, content_hash
from counterpart.scores.document import model_to_document
from counterpart.sources.placement import is_in_periods
from counterpart.stages.context import Context, code_version, kept, kept_answering
from counterpart.stages.delivered import tell_uncovered_months, tell_unknown_program
from counterpart.stages.unseen import events_seen, find_systems, tell_unpriced, tell_unseen
from counterpart.tables import (
    ATTRITION,
    BALANCE,
    COHORT,
    COVARIATE_DICTIONARY,
    COVARIATES,
    EFFECTS,
    ENROLLMENT,
    EVENT_TIME,
    FOLLOW_UP,
    MATCHES,
    MEDICAL,
    MEMBERS,
    OUTCOME_WEEKS,
    OUTCOMES,
    PHARMACY,
    PROGRAM,
    SCORE_HISTOGRAM,
    SCORES,
    UNMATCHED,
    Table,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Metrics = dict[str, Any]

# Which lines a stage reads, and what the protocol means by a name.
_ROOMS = ("stages/study.py", "stages/unseen.py", "stages/delivered.py", "protocol/study.py")

# Up to so many members (24 bytes each, a gigabyte as Spark holds them to look them up) go to every executor, so that no
# claim line is shuffled to find its member. Spark's own limit of 10 MB ends at 400,000; beyond ours Spark decides.
MOST_BROADCAST = 10_000_000


@dataclass(frozen=True)
class Stage:
    """A stage of a study: what its key is made of and what it does.

    `section` is the part of the protocol (and the code sets) its rows depend on; `claims` the claims tables it reads,
    `after` the stages whose results it reads, `makes` the tables it writes.
    """

    name: str
    rooms: tuple[str, ...]
    section: Callable[[Study], Any]
    events: Callable[[Study], tuple[str, ...]]
    claims: tuple[Table, ...]
    after: tuple[str, ...]
    makes: tuple[Table, ...]
    compute: Callable[[Context], Metrics]

    @property
    def code_version(self) -> str:
        """Of the code that makes its rows: its own rooms, and what every stage is given and gives."""
        return code_version((*_ROOMS, *self.rooms))


def covariates_of(study: Study) -> tuple[Covariate, ...]:
    """The study's covariates, with the levels the region column can take."""
    regions = tuple(CENSUS_REGIONS) if study.cohort.region == "census_region" else STATES
    return covs.describe_covariates(study, {"region": (*regions, UNKNOWN)})


def run_cohort(context: Context) -> Metrics:
    """Claims -> cohort, attrition."""
    study = context.study
    plan = plan_events(study, context.library, cohorts.index_events(study))
    clinical = plan_events(study, context.library, cohorts.clinical_events(study))
    members, enrollment, program = (_claims(context, table) for table in (MEMBERS, ENROLLMENT, PROGRAM))
    first, last = cohorts.index_scan(study)
    first = max(study.data.start, first - timedelta(days=plan.days_before))
    medical, pharmacy = _lines(context, first, last)
    index_days = build_member_days(medical, pharmacy, plan, None, is_priced=False)
    with kept_answering(index_days, partial(events_seen, plan)) as (index_days, seen):
        candidates = cohorts.build_candidates(study, program, index_days, plan)
        # In the order in which they are joined, four times.
        candidates = candidates.repartition("member_key").sortWithinPartitions("member_key", "unit_id")
        with kept(candidates) as (candidates, n_units):
            reach = (-cohorts.lookback_of(study), 0)
            member_days = _member_days(context, candidates, n_units, clinical, reach)
            # Read twice, for rules that ask for days and for those that ask for days of supply: the lines must not be.
            with kept_answering(member_days, partial(events_seen, clinical)) as (member_days, seen_clinical):
                cohort = cohorts.label_candidates(candidates, members, enrollment, member_days, clinical, study)
                _write(context, "cohort", COHORT, cohort)
    whole = {table.name: _claims(context, table) for table in (MEDICAL, PHARMACY)}
    warnings = [
        *tell_unknown_program(program, study),
        *tell_uncovered_months(whole, study),
        *_tell_unseen(context, plan, seen),
        *_tell_unseen(context, clinical, seen_clinical),
    ]
    cohort = _result(context, "cohort", COHORT)
    _write(context, "cohort", ATTRITION, cohorts.summarise_attrition(cohort, study))
    return {**_count_arms(context), "warnings": warnings}


def run_covariates(context: Context) -> Metrics:
    """Cohort, claims -> covariates, covariate_dictionary."""
    covariates = covariates_of(context.study)
    plan = plan_events(context.study, context.library, covs.covariate_events(covariates))
    with kept(_eligible(context)) as (units, n_units):
        reach = covs.covariate_reach(covariates)
        member_days = _member_days(context, units, n_units, plan, reach, is_priced=True)
        _write(context, "covariates", COVARIATES, covs.build_covariates(units, member_days, plan, covariates))
    dictionary = covs.dictionary_frame(context.spark, covariates)
    _write(context, "covariates", COVARIATE_DICTIONARY, dictionary.coalesce(1))
    found = {row[0] for row in _result(context, "covariates", COVARIATES).select("covariate_id").distinct().collect()}
    unpriced = covs.find_unpriced(covariates, found)
    seen = {covariate.event for covariate in covariates if covariate.event and covariate.covariate_id in found}
    warnings = [*_tell_unseen(context, plan, seen | unpriced), *tell_unpriced(plan, unpriced)]
    return {"n_covariates": len(covariates), "warnings": warnings}


def run_score(context: Context) -> Metrics:
    """Cohort, covariates -> scores and the propensity model."""
    units = _result(context, "cohort", COHORT)
    covariates = _result(context, "covariates", COVARIATES)
    dictionary = _result(context, "covariates", COVARIATE_DICTIONARY)
    sample = scores.collect_sample(units, covariates, dictionary, context.study.scoring, context.study.seed)
    model = scores.fit_score_model(sample, context.study.scoring)
    _write(context, "score", SCORES, scores.score_units(units, covariates, model))
    return {"model": model_to_document(model), "warnings": list(model.diagnostics.warnings)}


def run_match(context: Context) -> Metrics:
    """Cohort, scores -> matches, unmatched."""
    units = _eligible(context).join(_result(context, "score", SCORES), "unit_id", "inner")
    # Sorted, a part that is lost with its executor comes back as it was: in another order Spark may give the match up.
    with kept(units.sortWithinPartitions("unit_id")) as (scored, _), announcing_compilation(context.progress.note):
        result = match_cohort(scored, context.study.matching, context.study.seed, context.site.match_task_bytes)
        _write(context, "match", MATCHES, result.pairs)
        _write(context, "match", UNMATCHED, result.unmatched)
        result.release()
    return dict(result.summary)


def run_outcomes(context: Context) -> Metrics:
    """Cohort, claims -> follow_up, outcomes, outcome_weeks."""
    study = context.study
    plan = plan_events(study, context.library, outcomes.outcome_events(study))
    members, enrollment, program = (_claims(context, table) for table in (MEMBERS, ENROLLMENT, PROGRAM))
    with kept(_eligible(context)) as (units, n_units):
        member_days = _member_days(context, units, n_units, plan, outcomes.reach_of(study))
        with kept_answering(member_days, partial(events_seen, plan)) as (member_days, seen):
            treatments = cohorts.treatment_dates(study, program, member_days, plan)
            follow_up = outcomes.build_follow_up(units, treatments, members, enrollment, study)
            _write(context, "outcomes", FOLLOW_UP, follow_up)
            follow_up = _result(context, "outcomes", FOLLOW_UP)
            with kept(outcomes.find_outcome_days(units, follow_up, member_days, plan, study)) as (days, _):
                _write(context, "outcomes", OUTCOMES, outcomes.build_outcomes(follow_up, days, study))
                _write(context, "outcomes", OUTCOME_WEEKS, outcomes.build_weeks(days, study))
    warnings = _tell_unseen(context, plan, seen)
    return {"n_outcomes": len(study.outcomes.outcomes), "warnings": warnings}


def run_estimate(context: Context) -> Metrics:
    """Everything before -> effects, balance, event_time, score_histogram."""
    follow_up = _result(context, "outcomes", FOLLOW_UP)
    scored = _result(context, "score", SCORES)
    counted = _result(context, "outcomes", OUTCOMES)
    weeks = _result(context, "outcomes", OUTCOME_WEEKS)
    covariates = _result(context, "covariates", COVARIATES)
    dictionary = _result(context, "covariates", COVARIATE_DICTIONARY)

    def write(table: Table, rows: DataFrame) -> None:
        _write(context, "estimate", table, rows)

    # Every summary starts from both.
    units = _eligible(context).select("unit_id", "member_key", "arm", "excluded_by")
    with kept(units) as (units, _), kept(_result(context, "match", MATCHES)) as (matches, _):
        write(EFFECTS, effects.estimate_effects(units, matches, counted, context.study.outcomes))
        write(BALANCE, effects.summarise_balance(units, covariates, dictionary, matches))
        write(EVENT_TIME, effects.summarise_event_time(units, matches, follow_up, weeks))
        write(SCORE_HISTOGRAM, effects.summarise_scores(units, matches, scored))
    return {"tables": [table.name for table in (EFFECTS, BALANCE, EVENT_TIME, SCORE_HISTOGRAM)]}


STAGES: Mapping[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "cohort",
            ("cohort",),
            lambda study: [study.data, study.cohort],
            lambda study: (*cohorts.index_events(study), *cohorts.clinical_events(study)),
            (MEMBERS, ENROLLMENT, MEDICAL, PHARMACY, PROGRAM),
            (),
            (COHORT, ATTRITION),
            run_cohort,
        ),
        Stage(
            "covariates",
            ("covariates", "cohort/demographics.py"),
            lambda study: [study.covariates],
            lambda study: covs.covariate_events(covariates_of(study)),
            (MEDICAL, PHARMACY),
            ("cohort",),
            (COVARIATES, COVARIATE_DICTIONARY),
            run_covariates,
        ),
        Stage(
            "score",
            ("scores",),
            lambda study: [study.scoring, study.seed],
            lambda study: (),
            (),
            ("cohort", "covariates"),
            (SCORES,),
            run_score,
        ),
        Stage(
            "match",
            ("matching",),
            lambda study: [study.matching, study.seed],
            lambda study: (),
            (),
            ("cohort", "score"),
            (MATCHES, UNMATCHED),
            run_match,
        ),
        Stage(
            "outcomes",
            ("outcomes", "cohort/candidates.py"),
            lambda study: [study.outcomes.outcomes],
            outcomes.outcome_events,
            (MEMBERS, ENROLLMENT, MEDICAL, PHARMACY, PROGRAM),
            ("cohort",),
            (FOLLOW_UP, OUTCOMES, OUTCOME_WEEKS),
            run_outcomes,
        ),
        Stage(
            "estimate",
            ("effects",),
            lambda study: [study.outcomes],
            lambda study: (),
            (),
            ("cohort", "covariates", "score", "match", "outcomes"),
            (EFFECTS, BALANCE, EVENT_TIME, SCORE_HISTOGRAM),
            run_estimate,
        ),
    )
}


def require_codes(study: Study, library: CodeLibrary) -> None:
    """CodeSetError for a rule that no code of its event can answer. No claims are read: told before an ingest."""
    cohorts.require_drugs(study, plan_events(study, library, cohorts.clinical_events(study)))


def stage_inputs(stage: Stage, context: Context) -> dict[str, Any]:
    """What decides a stage's rows beside its code: protocol section, code sets, table versions, upstream keys."""
    plan = plan_events(context.study, context.library, stage.events(context.study))
    return {
        "section": content_hash(_plain(stage.section(context.study))),
        "events": content_hash(_plain_plan(plan)),
        "tables": {table.name: context.versions[table.name] for table in stage.claims},
        # A table that was deleted and made anew has the same versions.
        "committed_at": {table.name: context.commits[table.name].at for table in stage.claims},
        "stages": {name: context.keys[name] for name in stage.after},
    }


def _plain(sections: list[Any]) -> list[Any]:
    flat = [list(section) if isinstance(section, tuple) else [section] for section in sections]
    return [part.model_dump(mode="json") if hasattr(part, "model_dump") else part for parts in flat for part in parts]


def _plain_plan(plan: EventPlan) -> list[Any]:
    clauses = [[clause.model_dump(mode="json") for clause in group] for group in plan.clauses]
    code_sets = {name: code_set.content_hash for name, code_set in plan.code_sets.items()}
    return [list(plan.names), clauses, code_sets, sorted(plan.stays)]


def _claims(context: Context, table: Table) -> DataFrame:
    return context.store.read(table, context.versions[table.name])


def _lines(context: Context, first: date, last: date) -> tuple[DataFrame, DataFrame]:
    """Medical and pharmacy lines of the dates; of no other partition is a file opened."""

    def between(table: Table, day: str) -> DataFrame:
        # A partition may be a year: what a study reads must not depend on that.
        is_inside = is_in_periods(first, last) & F.col(day).between(F.lit(first), F.lit(last))
        return _claims(context, table).filter(is_inside)

    return between(MEDICAL, "service_date"), between(PHARMACY, "dispensing_date")


def _member_days(
    context: Context,
    units: DataFrame,
    n_units: int,
    plan: EventPlan,
    reach: tuple[int, int],
    *,
    is_priced: bool = False,
) -> DataFrame:
    """Member-days of the units' members, from the first to the last day any of their windows reaches.

    Where stays or facilities' procedures are looked for, days before the first are among them: windows are cut by
    whoever reads the days.
    """
    first, last = reach[0] - plan.days_before, reach[1]
    people = units.groupBy("member_key").agg(
        F.date_add(F.min("index_date"), first).alias("from_date"),
        F.date_add(F.max("index_date"), last).alias("to_date"),
    )
    if n_units <= MOST_BROADCAST or people.count() <= MOST_BROADCAST:
        people = F.broadcast(people)
    study = context.study
    start = max(study.data.start, study.cohort.index_start + timedelta(days=first))
    end = min(study.data.end, study.cohort.index_end + timedelta(days=last))
    return build_member_days(*_lines(context, start, end), plan, people, is_priced=is_priced)


def _tell_unseen(context: Context, plan: EventPlan, seen: set[str]) -> list[str]:
    def find_held() -> frozenset[str]:
        if context.systems is None:
            context.systems = find_systems(*_lines(context, context.study.data.start, context.study.data.end))
        return context.systems

    return tell_unseen(plan, seen, find_held)


def _eligible(context: Context) -> DataFrame:
    return _result(context, "cohort", COHORT).filter(F.col("excluded_by").isNull())


def _result(context: Context, stage: str, table: Table) -> DataFrame:
    return context.store.read_result(table, context.keys[stage])


def _write(context: Context, stage: str, table: Table, rows: DataFrame) -> None:
    context.store.write_result(table, rows, context.keys[stage])


def _count_arms(context: Context) -> Metrics:
    """Eligible units by arm: what the last step leaves."""
    steps = context.store.collect_result(ATTRITION, context.keys["cohort"]).to_pylist()
    return {f"n_eligible_{step['arm']}": step["n_remaining"] for step in steps}
