"""Every covariate a study asks for, with its number, name, kind and window. It depends on the protocol alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from counterpart.numerics.comorbidity import CONDITIONS
from counterpart.protocol import EventFlag, Study
from counterpart.small_frames import small_frame
from counterpart.tables import COVARIATE_DICTIONARY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CHARLSON_INDEX = "charlson_index"


@dataclass(frozen=True)
class Covariate:
    """One covariate. `event` and `kind` say how it is read from claims; demographic ones have `column` and `level`.

    kind: flag (0/1), count (days), cents, years, category (0/1, one of several levels that exclude each other).
    """

    name: str
    label: str
    kind: str
    window: tuple[int, int]
    event: str | None = None
    column: str | None = None
    level: str | None = None
    covariate_id: int = -1


def describe_covariates(study: Study, levels: dict[str, tuple[str, ...]]) -> tuple[Covariate, ...]:
    """All covariates in order; `covariate_id` is the position, from 1.

    `levels` are the values the categories can take (region, from the reference table of states).
    """
    of_events = (_from_event(flag, flag.event in study.stays) for flag in study.covariates.events)
    found = [*_demographics(study, levels), *_charlson(study), *of_events]
    return tuple(replace(covariate, covariate_id=number) for number, covariate in enumerate(found, start=1))


def find_unpriced(covariates: Iterable[Covariate], found: Collection[int]) -> set[str]:
    """Events whose cents are zero for everybody, `found` being the ids of the covariates that are not.

    That their claims are there may be: nothing told, or nothing but the amounts. An event of which a flag or a count is
    zero too has no claims, and is not among them.
    """
    asked = [covariate for covariate in covariates if covariate.event]
    absent = {one.event for one in asked if one.kind != "cents" and one.covariate_id not in found}
    absent -= {one.event for one in asked if one.covariate_id in found}
    cents = (one for one in asked if one.kind == "cents" and one.covariate_id not in found)
    return {str(one.event) for one in cents if one.event not in absent}


def dictionary_frame(spark: SparkSession, covariates: tuple[Covariate, ...]) -> DataFrame:
    """The dictionary as a table."""
    rows = [(c.covariate_id, c.name, c.label, c.kind, *c.window) for c in covariates]
    return small_frame(spark, rows, COVARIATE_DICTIONARY.ddl)


def _demographics(study: Study, levels: dict[str, tuple[str, ...]]) -> Iterator[Covariate]:
    yield Covariate("age", "Age, years", "years", (0, 0), column="age")
    for level in ("F", "M", "U"):
        yield _category("sex", level, {"F": "Female", "M": "Male", "U": "Sex unknown"}[level])
    for level in levels["region"]:
        yield _category("region", level, f"Region: {level}")
    yield from _calendar(study.covariates.calendar, study.cohort.index_start, study.cohort.index_end)


def _calendar(by: str, start: date, end: date) -> Iterator[Covariate]:
    if by == "decade":
        for decade in range(start.year - start.year % 10, end.year + 1, 10):
            yield _category("index_decade", str(decade), f"Index years {decade} to {decade + 9}")
    elif by == "year":
        for year in range(start.year, end.year + 1):
            yield _category("index_year", str(year), f"Index year {year}")
    else:
        for month in _months(start, end):
            yield _category("index_month", str(month), f"Index month {month // 100}-{month % 100:02d}")


def _category(column: str, level: str, label: str) -> Covariate:
    return Covariate(f"{column}={level}", label, "category", (0, 0), column=column, level=level)


def _months(start: date, end: date) -> list[int]:
    first, last = start.year * 12 + start.month - 1, end.year * 12 + end.month - 1
    return [month // 12 * 100 + month % 12 + 1 for month in range(first, last + 1)]


def _charlson(study: Study) -> Iterator[Covariate]:
    if not study.covariates.charlson:
        return
    window = study.covariates.charlson_window
    for condition in CONDITIONS:
        yield Covariate(
            f"charlson_{condition}", f"Charlson: {condition}", "flag", window, event=f"charlson_{condition}"
        )
    yield Covariate(CHARLSON_INDEX, "Charlson index (Quan 2011 weights)", "count", window)


def _from_event(flag: EventFlag, is_stay: bool) -> Covariate:
    start, end = flag.window
    counted = "stays begun" if is_stay else "days with"
    what = {"flag": "any", "count": counted, "cents": "allowed cents of"}[flag.kind]
    label = flag.label or f"{flag.event.replace('_', ' ').capitalize()}: {what}, days {start} to {end}"
    return Covariate(flag.covariate_name, label, flag.kind, flag.window, event=flag.event)
