"""Code sets: one clinical concept per file, with effective dates and the source of every row."""

from __future__ import annotations

import csv
import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from counterpart.codes.buckets import buckets_of
from counterpart.codes.encoding import SYSTEMS, decode, encode, modifier_of, prefix_range
from counterpart.codes.written import refuse_unwritten
from counterpart.errors import CodeSetError

HEADER = ("system", "code", "valid_from", "valid_to", "source")
_RANGE = re.compile(r"([^*]+)\*\s*-\s*([^*]+)\*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What a row `omop,1118084+` ends with: the concept and all that its vocabulary has below it.
_AND_DESCENDANTS = "+"


@dataclass(frozen=True)
class CodeRange:
    """Codes from `low` to `high` on service dates from `valid_from` to `valid_to`, all inclusive; None is open."""

    low: int
    high: int
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True)
class CodeSet:
    """One concept. No two ranges share a code on a date; the hash follows what the set means, not how it is written.

    `ancestors` are the OMOP concepts whose descendants are meant as well and not yet among the ranges.
    """

    name: str
    ranges: tuple[CodeRange, ...]
    content_hash: str
    ancestors: tuple[CodeRange, ...] = ()

    @classmethod
    def of(cls, name: str, ranges: Iterable[CodeRange], ancestors: Iterable[CodeRange] = ()) -> CodeSet:
        """The set that holds every code of `ranges`, each at most once per date."""
        merged, asked = merge_ranges(ranges), tuple(ancestors)
        rows = [f"{r.low},{r.high},{r.valid_from or ''},{r.valid_to or ''}" for r in (*merged, *asked)]
        return cls(name, merged, hashlib.sha256("\n".join(rows).encode()).hexdigest(), asked)

    def with_descendants(self, descendants: Mapping[int, Iterable[int]]) -> CodeSet:
        """The set with the codes below each of its ancestors, on the ancestor's dates. By encoded concept."""
        below = [
            replace(ancestor, low=code, high=code)
            for ancestor in self.ancestors
            for code in descendants.get(ancestor.low, ())
        ]
        return CodeSet.of(self.name, [*self.ranges, *below])

    def contains(self, code: int, on: date) -> bool:
        """Is the encoded code in the set on that service date? The plain meaning, which Spark's side must match."""
        return any(
            r.low <= code <= r.high and (r.valid_from or date.min) <= on <= (r.valid_to or date.max)
            for r in self.ranges
        )


@dataclass(frozen=True)
class CodeLibrary:
    """All code sets of some folders, by name."""

    sets: dict[str, CodeSet]

    @classmethod
    def load(cls, folders: Sequence[Path]) -> CodeLibrary:
        """Read every *.csv of the folders; a set of a later folder replaces its namesake: a site can bring its own.

        CodeSetError lists all problems of all files.
        """
        problems = [f"{folder}: there is no such folder of code sets" for folder in folders if not folder.is_dir()]
        loaded = [_load_or_explain(path) for folder in folders for path in sorted(folder.glob("*.csv"))]
        problems += [found for found in loaded if isinstance(found, str)]
        if problems:
            raise CodeSetError("\n".join(problems))
        return cls({found.name: found for found in loaded if isinstance(found, CodeSet)})

    def replacing(self, sets: Iterable[CodeSet]) -> CodeLibrary:
        """The library with these sets in the place of their namesakes."""
        return CodeLibrary({**self.sets, **{code_set.name: code_set for code_set in sets}})

    def __getitem__(self, name: str) -> CodeSet:
        if name not in self.sets:
            near = difflib.get_close_matches(name, self.sets, n=1, cutoff=0)
            hint = f"the nearest known one is {near[0]!r}" if near else "the library is empty"
            raise CodeSetError(f"there is no code set {name!r}; {hint} (of {len(self.sets)} sets)")
        return self.sets[name]

    def __contains__(self, name: object) -> bool:
        return name in self.sets

    def __iter__(self) -> Iterator[str]:
        return iter(self.sets)

    def __len__(self) -> int:
        return len(self.sets)


def load_code_set(path: Path) -> CodeSet:
    """Read one file. CodeSetError lists every problem with its file, line, what was found and what is allowed."""
    problems: list[str] = []
    if not _NAME.fullmatch(path.stem):
        problems.append(f"{path}: the name is {path.stem!r}; allowed are small letters, digits and underscores")
    try:
        rows = list(_rows(path))
    except (OSError, UnicodeDecodeError) as error:
        raise CodeSetError(f"{path}: it cannot be read as UTF-8 text ({error.__class__.__name__})") from None
    if not rows or tuple(rows[0][1]) != HEADER:
        found = f"line {rows[0][0]} is {','.join(rows[0][1])!r}" if rows else "the file is empty"
        raise CodeSetError("\n".join([*problems, f"{path}: {found}; the first row must be {','.join(HEADER)!r}"]))
    parsed = [(line, _parse_row(fields)) for line, fields in rows[1:]]
    problems += [f"{path}, line {line}: {found}" for line, found in parsed if isinstance(found, str)]
    if not parsed:
        problems.append(f"{path}: there are no codes; a set has at least one")
    if problems:
        raise CodeSetError("\n".join(problems))
    ranges = [found for _, found in parsed if isinstance(found, CodeRange)]
    ancestors = [found for (_, found), (_, fields) in zip(parsed, rows[1:], strict=True) if _asks_for_more(fields)]
    code_set = CodeSet.of(path.stem, ranges, [found for found in ancestors if isinstance(found, CodeRange)])
    for merged in code_set.ranges:
        try:
            buckets_of(merged.low, merged.high)
        except ValueError as problem:
            raise CodeSetError(f"{path}: {problem}") from None
    return code_set


def _load_or_explain(path: Path) -> CodeSet | str:
    try:
        return load_code_set(path)
    except CodeSetError as error:
        return str(error)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of every line that is neither blank nor a comment."""
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.startswith("#"):
                yield number, [field.strip() for field in next(csv.reader([line]))]


def _parse_row(fields: list[str]) -> CodeRange | str:
    """One row of a file, or everything that is wrong in it."""
    if len(fields) != len(HEADER):
        return f"{len(fields)} fields; a row has {len(HEADER)} ({','.join(HEADER)})"
    problems: list[str] = []
    codes, valid_from, valid_to = (0, 0), None, None
    try:
        codes = _parse_code(fields[0], fields[1])
    except ValueError as error:
        problems.append(str(error))
    try:
        valid_from, valid_to = _parse_date(fields[2]), _parse_date(fields[3])
    except ValueError as error:
        problems.append(str(error))
    if valid_from and valid_to and valid_to < valid_from:
        problems.append(f"valid_to {valid_to} lies before valid_from {valid_from}; the last day comes after the first")
    if not fields[4]:
        problems.append("source is empty; every row says where it comes from")
    if problems:
        return "; ".join(problems)
    return CodeRange(*codes, valid_from, valid_to)


def _asks_for_more(fields: Sequence[str]) -> bool:
    return fields[0] == "omop" and fields[1].endswith(_AND_DESCENDANTS)


def _parse_code(system: str, text: str) -> tuple[int, int]:
    """Lowest and highest code of `M54.50`, `C50*`, `C00*-C96*` or, of OMOP's concepts, `192671` and `192671+`."""
    if system not in SYSTEMS:
        raise ValueError(f"system {system!r}; known systems are {', '.join(SYSTEMS)}")
    if system == "omop":
        code = encode(system, text.removesuffix(_AND_DESCENDANTS))
        return code, code
    ends = _RANGE.fullmatch(text)
    if ends:
        low, high = _prefix(system, ends[1])[0], _prefix(system, ends[2])[1]
        if high < low:
            raise ValueError(f"range {text!r} runs backwards; the lower prefix comes first")
        return low, high
    if text.endswith("*"):
        return _prefix(system, text[:-1])
    if system == "hcpcs" and modifier_of(text):
        raise ValueError(f"{text!r}; a procedure of a code set stands without a modifier")
    code = encode(system, text)
    refuse_unwritten(system, decode(code)[1], is_prefix=False)
    return code, code


def _prefix(system: str, text: str) -> tuple[int, int]:
    ends = prefix_range(system, text)
    refuse_unwritten(system, decode(ends[0])[1], is_prefix=True)
    return ends


def _parse_date(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text if _DATE.fullmatch(text) else "")  # which takes 20200101 and 2020-W01-1 as well
    except ValueError:
        raise ValueError(f"date {text!r}; a date is empty or written YYYY-MM-DD") from None


def merge_ranges(ranges: Iterable[CodeRange]) -> tuple[CodeRange, ...]:
    """The shortest list with the same meaning in which no code has two ranges on one date, sorted."""
    pieces = [
        CodeRange(low, high, *period)
        for cluster in _clusters(sorted(ranges, key=lambda r: (r.low, r.high)))
        for low, high in _slices(cluster)
        for period in _periods([r for r in cluster if r.low <= low and high <= r.high])
    ]
    merged: list[CodeRange] = []
    for piece in sorted(pieces, key=lambda r: (r.valid_from or date.min, r.valid_to or date.max, r.low)):
        if merged and _touch(merged[-1], piece):
            merged[-1] = replace(merged[-1], high=piece.high)
        else:
            merged.append(piece)
    return tuple(sorted(merged, key=lambda r: (r.low, r.valid_from or date.min)))


def _touch(left: CodeRange, right: CodeRange) -> bool:
    return left.high + 1 == right.low and (left.valid_from, left.valid_to) == (right.valid_from, right.valid_to)


def _clusters(by_low: Sequence[CodeRange]) -> Iterator[list[CodeRange]]:
    """Ranges that overlap, directly or through others, together: only they need comparing."""
    cluster: list[CodeRange] = []
    reach = -1
    for current in by_low:
        if cluster and current.low > reach:
            yield cluster
            cluster = []
        cluster.append(current)
        reach = max(reach, current.high)
    if cluster:
        yield cluster


def _slices(cluster: Sequence[CodeRange]) -> list[tuple[int, int]]:
    """The cluster's codes cut wherever a range begins or ends, so that a slice lies wholly in or out of each range."""
    cuts = sorted({r.low for r in cluster} | {r.high + 1 for r in cluster})
    return [(low, following - 1) for low, following in pairwise(cuts)]


def _periods(ranges: Sequence[CodeRange]) -> list[tuple[date | None, date | None]]:
    """The union of the ranges' periods, touching ones joined."""
    periods: list[tuple[date, date]] = []
    for start, end in sorted((r.valid_from or date.min, r.valid_to or date.max) for r in ranges):
        if periods and start - timedelta(days=start > date.min) <= periods[-1][1]:
            periods[-1] = (periods[-1][0], max(end, periods[-1][1]))
        else:
            periods.append((start, end))
    return [(None if start == date.min else start, None if end == date.max else end) for start, end in periods]
