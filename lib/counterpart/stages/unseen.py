"""Events of a study that no claim shows, and the code systems that the claims have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import SYSTEMS
from counterpart.events import EventPlan
from counterpart.protocol import ALL_CLAIMS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row


def tell_unseen(plan: EventPlan, seen: Iterable[str], find_held: Callable[[], frozenset[str]]) -> list[str]:
    """A sentence for the events of a plan that are not among the `seen`, by the systems of their codes; no counts.

    The systems that the claims hold are asked for only where there is such an event.
    """
    missing = set(plan.names) - set(seen) - {ALL_CLAIMS}
    return list(_sentences(plan, [name for name in plan.names if name in missing], find_held())) if missing else []


def tell_unpriced(plan: EventPlan, unpriced: Iterable[str]) -> list[str]:
    """A sentence for events of which amounts are asked and none is told; their claims may be there."""
    names = [name for name in plan.names if name in set(unpriced)]
    if not names:
        return []
    return [f"No claim that was looked at has an amount for {', '.join(names)}: none shows it, or none is priced."]


def events_seen(plan: EventPlan, member_days: DataFrame) -> set[str]:
    """The events that somebody's member-days show."""
    return {plan.names[row["event_id"]] for row in member_days.select("event_id").distinct().collect()}


def _sentences(plan: EventPlan, missing: list[str], held: frozenset[str]) -> Iterator[str]:
    by_systems: dict[tuple[str, ...], list[str]] = {}
    for name in missing:
        by_systems.setdefault(systems_asked(plan, name), []).append(name)
    there = ", ".join(sorted(held)) or "no codes at all"
    for systems, names in by_systems.items():
        none_is_held = not held.intersection(systems)
        told = f"No claim that was looked at shows {', '.join(names)}. The codes asked for are {', '.join(systems)}"
        yield f"{told}, of which the claims have none: theirs are {there}." if none_is_held else f"{told}."


def systems_asked(plan: EventPlan, name: str) -> tuple[str, ...]:
    """The code systems of an event: of the codes themselves, not of a diagnosis that must stand beside them."""
    sets = {clause.codes for clause in plan.clauses[plan.event_id(name)]}
    numbers = {one.low >> 56 for codes in sets for one in plan.code_sets[codes].ranges}
    return tuple(system for system, number in SYSTEMS.items() if number in numbers)


# Columns of a line that are texts or lists of texts, by their code system.
_KEPT_AS_TEXT = {"place": "place", "specialty": "specialty", "bill_type": "bill_type", "modifier": "modifiers"}
# Columns of a line that are lists of codes.
_LISTED = ("diagnoses", "facility_procedures.code", "concepts")


def find_systems(medical: DataFrame, pharmacy: DataFrame) -> frozenset[str]:
    """The systems of the codes of lines and fills; of a list, of its first and its last.

    A pass over billions of lines: codes are not exploded, and one row for each combination of systems is left.
    """
    both_ends = [F.try_element_at(name, F.lit(end)) for name in _LISTED for end in (1, -1)]
    texts = [
        F.coalesce(F.size(name) > 0, F.lit(False)) if name == "modifiers" else F.col(name).isNotNull()
        for name in _KEPT_AS_TEXT.values()
    ]
    on_lines = [*_systems(F.col("procedure"), F.col("revenue"), F.col("drg"), *both_ends), *texts]
    on_fills = _systems(F.col("ndc"), *(F.try_element_at("concepts", F.lit(end)) for end in (1, -1)))
    of_lines = _distinct(medical, on_lines)
    numbers = {number for row in of_lines for number in row[: -len(texts)]}
    numbers |= {number for row in _distinct(pharmacy, on_fills) for number in row}
    has_texts = [any(told) for told in zip(*(row[-len(texts) :] for row in of_lines), strict=True)]
    numbers |= {SYSTEMS[name] for name, is_there in zip(_KEPT_AS_TEXT, has_texts, strict=False) if is_there}
    return frozenset(system for system, number in SYSTEMS.items() if number in numbers)


def _systems(*codes: Column) -> list[Column]:
    return [F.shiftright(code, 56).cast("int") for code in codes]


def _distinct(rows: DataFrame, columns: list[Column]) -> list[Row]:
    return rows.select(*(column.alias(f"c{number}") for number, column in enumerate(columns))).distinct().collect()
