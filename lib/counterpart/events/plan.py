"""What is to be looked for: the events of a study as clauses, signals and code sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterpart.codes import CODE_ROWS_DDL, SYSTEMS, CodeLibrary, CodeRow, CodeSet, code_rows
from counterpart.protocol import ALL_CLAIMS, Clause, Study
from counterpart.small_frames import small_frame

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LONGEST_CLAIM_DAYS = 365
"""Of the lines of a stay. One that lasts longer may hide that a stay began before a window; a stay of many may last."""

# The codes that a fill has.
DRUG_SYSTEMS = frozenset({"ndc", "omop"})
# The codes of a facility's procedures, which have days of their own.
ICD_PROCEDURES = frozenset({"icd10pcs", "icd9pcs"})


@dataclass(frozen=True)
class Signal:
    """What one code of one line can show: a code set, under a condition on the line."""

    codes: str
    in_person: bool = False
    therapist: bool = False

    @classmethod
    def of(cls, clause: Clause) -> Signal:
        """What shows the clause, its diagnosis aside."""
        return cls(clause.codes, clause.in_person, clause.therapist)


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
        """How long before a window lines are to be read.

        A stay that began before it does not begin in it, and a procedure may be done in it of which the claim's lines
        lie before.
        """
        return LONGEST_CLAIM_DAYS if self.stays or self.has_operations else 0

    @property
    def has_operations(self) -> bool:
        """Can a facility's procedure show one of the events?"""
        return self.uses(*ICD_PROCEDURES)

    def event_id(self, name: str) -> int:
        """Position of an event in `names`."""
        return self.names.index(name)

    @property
    def systems(self) -> frozenset[int]:
        """Numbers of the code systems that any code set of the plan uses."""
        return frozenset(code_range.low >> 56 for code_set in self.code_sets.values() for code_range in code_set.ranges)

    def can_be_filled(self, name: str) -> bool:
        """Can a fill of a drug show the event? A concept may be one; what it is of, a code set does not say."""
        codes = [clause.codes for clause in self.clauses[self.event_id(name)] if is_of_code_alone(clause)]
        return any(self.systems_of(one) & DRUG_SYSTEMS for one in codes)

    def uses(self, *systems: str) -> bool:
        """Does any code set of the plan hold codes of one of the systems?"""
        return any(SYSTEMS[system] in self.systems for system in systems)

    def systems_of(self, codes: str) -> frozenset[str]:
        """The systems of the codes of one of the plan's code sets."""
        names = {number: name for name, number in SYSTEMS.items()}
        return frozenset(names[code_range.low >> 56] for code_range in self.code_sets[codes].ranges)


def plan_events(study: Study, library: CodeLibrary, names: Iterable[str]) -> EventPlan:
    """Resolve event names to clauses, signals and code sets. An unknown code set is a CodeSetError."""
    distinct = tuple(dict.fromkeys(names))
    clauses = tuple(() if name == ALL_CLAIMS else study.clauses_of(name) for name in distinct)
    signals: dict[Signal, None] = {}
    for clause in (clause for group in clauses for clause in group):
        signals[Signal.of(clause)] = None
        if clause.diagnosis:
            signals[Signal(clause.diagnosis)] = None
    code_sets = {signal.codes: library[signal.codes] for signal in signals}
    stays = frozenset(i for i, name in enumerate(distinct) if name in study.stays)
    return EventPlan(distinct, clauses, tuple(signals), code_sets, stays)


def is_of_code_alone(clause: Clause) -> bool:
    """Without a condition that only a claim can meet: a fill has no diagnosis, place or therapist."""
    return not (clause.diagnosis or clause.in_person or clause.therapist)


def signals_by_code(rows: DataFrame, plan: EventPlan) -> DataFrame:
    """The code ranges of the plan with the number of their signal, one row per join bucket. Some thousand rows.

    Of the pseudo code 0 the signal is -1.
    """
    sets = {number: plan.code_sets[signal.codes] for number, signal in enumerate(plan.signals)}
    everything = CodeRow(0, 0, 0, None, None, -1)
    ranges = small_frame(rows.sparkSession, [everything, *code_rows(sets)], CODE_ROWS_DDL)
    return ranges.withColumnRenamed("concept_id", "signal")
