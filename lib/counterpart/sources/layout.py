"""What a layout says: which tables and columns a source has, and how each of its rows reads in our words.

A layout is data: for each source table the columns it needs and one function from the raw frame to named Columns
of a form below. Rules, versions, spans and accounts are the same for all layouts and live elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from counterpart.errors import ContractError
from counterpart.protocol import BROKEN_LINE, TextFiles
from counterpart.sources.fields import numbered

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    Reading = Callable[[DataFrame], Mapping[str, Column]]

COVER_FORM = {
    "person_id": "string",
    "birth_date": "date",
    "sex": "string",
    "death_date": "date",
    "state": "string",
    "known_from": "date",  # since when the row's facts, the state above all, are known
    "start_date": "date",
    "end_date": "date",
    "pharmacy_start_date": "date",
    "pharmacy_end_date": "date",
    "more_medical": "array<struct<start_date:date,end_date:date>>",  # a row may tell of several spans: those after
    "more_pharmacy": "array<struct<start_date:date,end_date:date>>",  # the first, by which its fate is judged
    "is_without_cover": "boolean",  # the row tells who somebody is, and covers no day
    "is_unknown": "boolean",  # the layout names its people in a table of their own, and this one is not there
    "has_unreadable_date": "boolean",
}
"""A row of eligibility: a member, and a span of medical and one of pharmacy benefit."""

_CLAIM_FORM = {
    "person_id": "string",
    "claim_id": "string",
    "own_claim_id": "string",  # what the row was sent as, where `claim_id` is that of the claim it corrects
    "line_number": "int",
    "allowed_cents": "bigint",
    "paid_cents": "bigint",
    "paid_on": "date",  # orders the versions of a line; where it is the same,
    "sent_on": "bigint",  # any number that grows with what was sent later
    "is_denied": "boolean",
    "is_denied_by_amounts": "boolean",  # a charge of which nothing was allowed and paid: a site says what that means
    "is_reversal": "boolean",
    "is_replacement": "boolean",  # of a version of the whole claim: lines told before that are not in it hold no more
    "is_void": "boolean",  # of such a version that takes the whole claim back: nothing told before holds
    "is_mended": "boolean",
    "has_unreadable_date": "boolean",
    "has_unreadable_amount": "boolean",
    "has_unreadable_code": "boolean",
}

LINE = {
    "line_number": "int",
    "procedure": "bigint",
    "modifiers": "array<string>",
    "revenue": "bigint",
    "allowed_cents": "bigint",
    "paid_cents": "bigint",
}
"""What differs from line to line where a source row is a whole claim: the struct of `lines`."""

MEDICAL_FORM = {
    **_CLAIM_FORM,
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
    "facility_procedures": "array<struct<code:bigint,day:date>>",  # of the claim: not the procedure of the line
    "concepts": "array<bigint>",
    "lines": f"array<struct<{','.join(f'{name}:{kind}' for name, kind in LINE.items())}>>",
}
"""A row of medical claims: one line, or with `lines` a whole claim, whose `line_number` is then 0."""

PHARMACY_FORM = {
    **_CLAIM_FORM,
    "service_date": "date",
    "service_end_date": "date",
    "ndc": "bigint",
    "concepts": "array<bigint>",
    "days_supply": "int",
    "quantity": "decimal(12,3)",
    "has_unreadable_supply": "boolean",
}
"""A row of pharmacy claims: one fill. `service_date` is the dispensing date."""

ROSTER_FORM = {
    "person_id": "string",
    "program": "string",
    "enrolled_on": "date",
    "left_on": "date",
    "is_mended": "boolean",
    "has_unreadable_date": "boolean",
}
"""A row of a program's roster."""


TYPED = "typed_"
"""Keeps a typed column apart from a source's own of the same name."""


@dataclass(frozen=True)
class Source:
    """One table of a layout.

    `required` columns must be there, `optional` ones are read where they are; of `numbered` stems (`HCPCS_CD_` for
    HCPCS_CD_1, HCPCS_CD_2, ...) as many as there are, at least the first. `rows_of` names the table whose rows these
    are, where a layout's `prepare` divides one: its files are read and its rows accounted for under that name.
    `other_names` are names that a column may have instead -> the column.
    """

    name: str
    read: Reading
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    numbered: tuple[str, ...] = ()
    may_be_absent: bool = False
    rows_of: str = ""
    other_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The source table that the rows lie in."""
        return self.rows_of or self.name

    def columns_read(self, raw: DataFrame) -> list[str]:
        """The columns of a frame that this source reads; nothing else of a row is ever kept, in quarantine neither."""
        return columns_read(self, raw)

    def rows(self, raw: DataFrame, form: Mapping[str, str]) -> dict[str, Column]:
        """Every column of a form, typed; what the layout does not know is null, or false."""
        read = self.read(raw)
        return {name: read.get(name, F.lit(None)).cast(kind) for name, kind in form.items()}


@dataclass(frozen=True)
class Lookup:
    """A table that other tables' rows are looked up in: no row of it is a member, a claim or a span of cover."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    numbered: tuple[str, ...] = ()
    may_be_absent: bool = True


CROSSWALK = Lookup("crosswalk", ("person_id", "same_as"))
"""Beside the tables of any layout: this person is the same as that one."""


def _as_they_are(raw: Mapping[str, DataFrame]) -> Mapping[str, DataFrame]:
    return raw


@dataclass(frozen=True)
class Layout:
    """A layout of claims.

    `has_claim_rows`: a source row of medical claims is a whole claim, not a line. `prepare` gives each source frame the
    columns that its reading takes from other tables, row for row. `ancestors` is a table of OMOP concepts and what is
    below them. `separator` stands between the fields of text files; `files` tells tables that are written otherwise.
    `content` is the hash of the document that the layout was made from, if it was. `icd_on_lines`: the procedure of a
    line may be one of ICD.
    """

    name: str
    eligibility: tuple[Source, ...]
    medical: tuple[Source, ...]
    pharmacy: tuple[Source, ...]
    roster: tuple[Source, ...]
    has_claim_rows: bool = False
    lookups: tuple[Lookup, ...] = ()
    ancestors: Lookup | None = None
    prepare: Callable[[Mapping[str, DataFrame]], Mapping[str, DataFrame]] = _as_they_are
    separator: str = ","
    files: Mapping[str, TextFiles] = field(default_factory=dict)
    content: str = ""
    icd_on_lines: bool = False

    @property
    def rosters(self) -> frozenset[str]:
        """Tables of which a row is a member."""
        return frozenset(source.name for source in self.roster)

    @property
    def sources(self) -> tuple[Source | Lookup, ...]:
        """All tables."""
        ancestors = () if self.ancestors is None else (self.ancestors,)
        claims = (source for source in (*self.medical, *self.pharmacy) if not source.rows_of)
        return (*self.eligibility, *claims, *self.roster, *self.lookups, *ancestors, CROSSWALK)


def columns_needed(source: Source | Lookup) -> list[str]:
    """The columns that must be there."""
    return [*source.required, *(f"{stem}1" for stem in source.numbered)]


def columns_read(source: Source | Lookup, raw: DataFrame) -> list[str]:
    """The columns of a frame that are read."""
    named = [name for name in (*source.required, *source.optional) if name in raw.columns]
    return named + [name for stem in source.numbered for name in numbered(raw, stem)]


def spell_columns(layout: Layout, raw: Mapping[str, DataFrame]) -> dict[str, DataFrame]:
    """The frames with columns named as the layout spells them: capitals do not matter in a source."""
    return {source.name: _spelled(source, raw[source.name]) for source in layout.sources if source.name in raw}


def _spelled(source: Source | Lookup, frame: DataFrame) -> DataFrame:
    spelling = {name.lower(): name for name in (*source.required, *source.optional)}
    spelling |= {name.lower(): column for name, column in _other_names(source).items()}
    spelling |= {
        name.lower(): stem + name[len(stem) :]
        for name in frame.columns
        for stem in source.numbered
        if name.lower().startswith(stem.lower())
    }
    return frame.toDF(*(spelling.get(name.strip().lower(), name) for name in frame.columns))


def _other_names(source: Source | Lookup) -> Mapping[str, str]:
    return source.other_names if isinstance(source, Source) else {}


def check_columns(layout: Layout, raw: Mapping[str, DataFrame]) -> None:
    """ContractError naming every missing table and column, and what was found instead."""
    problems = [problem for source in layout.sources if (problem := _problem_of(source, raw))]
    if problems:
        raise ContractError(f"the claims are not in layout {layout.name}: " + "; ".join(problems))


def _problem_of(source: Source | Lookup, raw: Mapping[str, DataFrame]) -> str | None:
    if source.name not in raw:
        return (
            None
            if source.may_be_absent
            else f"table {source.name} is missing (found {', '.join(sorted(raw)) or 'none'})"
        )
    frame = raw[source.name]
    twice = _told_twice(source, frame.columns)
    missing = [name for name in columns_needed(source) if name not in frame.columns and name not in twice]
    nested = [] if twice else [name for name in columns_read(source, frame) if _is_nested(frame.schema[name].dataType)]
    problems = {
        f"lacks {', '.join(_with_other_names(source, missing))} ({_told_found(source, frame.columns)})": missing,
        f"has {', '.join(twice)} twice": twice,
        f"has lists or structures in {', '.join(nested)}; a field is text, a number or a date": nested,
    }
    told = [what for what, names in problems.items() if names]
    return f"table {source.name} {' and '.join(told)}" if told else None


def _with_other_names(source: Source | Lookup, columns: Sequence[str]) -> Iterator[str]:
    """The columns, each with the names that it may have instead."""
    for column in columns:
        others = [name for name, meant in _other_names(source).items() if meant == column]
        yield f"{column} (or {', '.join(others)})" if others else column


def _told_twice(source: Source | Lookup, found: Sequence[str]) -> list[str]:
    """Columns of the source that the frame has twice: by one name, or with their places behind it, as Spark does."""
    wanted = [*columns_needed(source), *getattr(source, "optional", ())]
    placed = Counter(name[: -len(str(place))].lower() for place, name in enumerate(found) if name.endswith(str(place)))
    return [name for name in wanted if found.count(name) > 1 or (name not in found and placed[name.lower()] > 1)]


def has_heading(source: Source | Lookup, found: Sequence[str]) -> bool:
    """Are these names of columns? Not one of the source's own: a file without a heading has somebody's row there."""
    return any(name in found for name in columns_needed(source))


def _told_found(source: Source | Lookup, found: Sequence[str]) -> str:
    named = [name for name in found if name != BROKEN_LINE]
    if has_heading(source, found):
        return f"found {', '.join(named)}"
    return f"found {len(named)} columns, none of them by such a name: a text file begins with the names of its columns"


def _is_nested(kind: T.DataType) -> bool:
    return isinstance(kind, (T.ArrayType, T.MapType, T.StructType))
