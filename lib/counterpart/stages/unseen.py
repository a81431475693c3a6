"""Events of a study that no claim shows, and the code systems that the claims have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import SYSTEMS
from counterpart.events import EventPlan
from counterpart.protocol import ALL_CLAIMS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def tell_unseen(plan: EventPlan, seen: Iterable[str], medical: DataFrame, pharmacy: DataFrame) -> list[str]:
    """A sentence for the events of a plan that are not among the `seen`, by the systems of their codes; no counts.

    Claim lines and fills are read again, for their systems, only where there is such an event.
    """
    missing = set(plan.names) - set(seen) - {ALL_CLAIMS}
    if not missing:
        return []
    held = _systems_held(medical, pharmacy)
    return list(_sentences(plan, [name for name in plan.names if name in missing], held))


def events_seen(plan: EventPlan, member_days: DataFrame) -> set[str]:
    """The events that somebody's member-days show."""
    return {plan.names[row["event_id"]] for row in member_days.select("event_id").distinct().collect()}


def _sentences(plan: EventPlan, missing: list[str], held: set[str]) -> Iterator[str]:
    by_systems: dict[tuple[str, ...], list[str]] = {}
    for name in missing:
        by_systems.setdefault(_systems_asked(plan, name), []).append(name)
    there = ", ".join(sorted(held)) or "no codes at all"
    for systems, names in by_systems.items():
        none_is_held = not held.intersection(systems)
        told = f"No claim that was looked at shows {', '.join(names)}. The codes asked for are {', '.join(systems)}"
        yield f"{told}, of which the claims have none: theirs are {there}." if none_is_held else f"{told}."


def _systems_asked(plan: EventPlan, name: str) -> tuple[str, ...]:
    """Of the codes themselves, not of a diagnosis that must stand beside them."""
    sets = {clause.codes for clause in plan.clauses[plan.event_id(name)]}
    numbers = {one.low >> 56 for codes in sets for one in plan.code_sets[codes].ranges}
    return tuple(system for system, number in SYSTEMS.items() if number in numbers)


def _systems_held(medical: DataFrame, pharmacy: DataFrame) -> set[str]:
    """The systems of all codes of the lines and fills. Places are text; a line has one or none."""
    nothing = F.array().cast("array<bigint>")
    on_lines = F.concat(
        F.array("procedure", "revenue"), F.coalesce("diagnoses", nothing), F.coalesce("concepts", nothing)
    )
    on_fills = F.concat(F.array("ndc"), F.coalesce("concepts", nothing))
    codes = medical.select(F.explode(on_lines).alias("code")).union(pharmacy.select(F.explode(on_fills).alias("code")))
    found = codes.select(F.shiftright("code", 56).alias("system")).distinct().collect()
    numbers = {row["system"] for row in found}
    places = {"place"} if not medical.filter(F.col("place").isNotNull()).isEmpty() else set()
    return {system for system, number in SYSTEMS.items() if number in numbers} | places
