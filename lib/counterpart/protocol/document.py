"""Reading documents: all wrong keys and values together, then contradictions; a path and the nearest known key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from counterpart.errors import ProtocolError
from counterpart.protocol.mapping import SourceMapping
from counterpart.protocol.references import code_set_folders, names_in, unknown_references, where_looked
from counterpart.protocol.section import NAME, Section
from counterpart.protocol.site import Site
from counterpart.protocol.study import ClaimsIndex, RosterIndex, Study
from counterpart.protocol.yaml_text import NotADocument, read_yaml

Document = TypeVar("Document", bound=Section)

_INDEX_KINDS = (RosterIndex.__name__, ClaimsIndex.__name__)

# pydantic's words where ours are plainer. Its others begin "Input should be", which we shorten to "must be".
_WORDS = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_unicode": "must be valid Unicode",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a section of names",
    "invalid_key": "a key must be text",
}
_EMPTY = dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "tuple_type"), "; delete it or fill it")
_OURS = ("contradiction", "value_error")
"""Their words say already what was found."""


def load_study(path: Path) -> Study:
    """The study in a YAML file. ProtocolError with all problems if it is not one.

    That events and code sets exist is part of it; what is in their files is for `counterpart.codes` to read.
    """
    return _load(path, Study, "study", code_set_folders(path))


def load_site(path: Path) -> Site:
    """The site in a YAML file. ProtocolError with all problems if it is not one."""
    return _load(path, Site, "site")


def load_mapping(path: Path) -> SourceMapping:
    """The mapping in a YAML file. ProtocolError with all problems if it is not one."""
    return _load(path, SourceMapping, "mapping")


def read_section(content: dict[str, Any], model: type[Document], name: str) -> Document:
    """The section that a mapping is. ProtocolError with all problems if it is none."""
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        raise _all_at_once(name, _describe_all(content, problem.errors(), model)) from None


def content_hash(section: BaseModel | dict[str, Any] | list[Any] | str) -> str:
    """SHA-256 (first 16 hex digits) of a section's canonical JSON: the same content gives the same hash."""
    plain = section.model_dump(mode="json") if isinstance(section, BaseModel) else section
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _load(path: Path, model: type[Document], kind: str, code_sets: Sequence[Path] = ()) -> Document:
    content, problems = _read(path, kind)
    loaded: Document | None = None
    try:
        loaded = model.model_validate(content)
    except ValidationError as problem:
        problems += _describe_all(content, problem.errors(), model)
    note = ""
    if code_sets:
        unknown = [f"{_dotted(where)}: {what}" for where, what in unknown_references(content, names_in(code_sets))]
        problems += unknown
        note = where_looked(path, code_sets) if unknown else ""
    if loaded is None or problems:
        raise _all_at_once(str(path), problems, note)
    return loaded


def _all_at_once(name: str, problems: Sequence[str], note: str = "") -> ProtocolError:
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    lines = [f"{name} has {count}:", *(f"  {line}" for line in problems), *([f"  ({note})"] if note else [])]
    return ProtocolError("\n".join(lines))


def _read(path: Path, kind: str) -> tuple[dict[Any, Any], list[str]]:
    """The document as it is written, and the keys that are written twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProtocolError(f"{path} does not exist; a {kind} document is a YAML file") from None
    except OSError as problem:
        raise ProtocolError(f"{path} cannot be read: {problem.strerror}; a {kind} document is a YAML file") from None
    except UnicodeDecodeError:
        raise ProtocolError(f"{path} is not text in UTF-8; a {kind} document is a YAML file") from None
    try:
        content, twice = read_yaml(text)
    except NotADocument as problem:
        raise ProtocolError(f"{path} is not valid YAML: {problem}") from None
    if content is None:
        raise ProtocolError(f"{path} is empty; a {kind} document is a YAML file with sections")
    if not isinstance(content, dict):
        raise ProtocolError(f"{path} must have sections (`name: ...` and so on); it is {_shown(content)}")
    return content, twice


def _describe_all(content: dict[Any, Any], errors: Collection[Any], model: type[Section]) -> list[str]:
    """A line for each problem. A misspelt key is read on as the nearest known one, so that it does not hide others."""
    unknown = [error for error in errors if error["type"] == "extra_forbidden"]
    if not unknown:
        return list(dict.fromkeys(_describe(error, model) for error in errors if not _is_echo(error, errors)))
    meant = deepcopy(content)
    for error in unknown:
        _rename(meant, error["loc"], _nearest(error["loc"], model))
    lines = [_describe_unknown(error["loc"], model) for error in unknown]
    try:
        model.model_validate(meant)
    except ValidationError as problem:
        lines += _describe_all(meant, problem.errors(), model)
    return lines


def _is_echo(error: Any, errors: Collection[Any]) -> bool:
    """Is a list short only because of an item that is told by itself?"""
    depth = len(error["loc"])
    return error["type"] == "too_short" and any(
        other["loc"][:depth] == error["loc"] and len(other["loc"]) > depth for other in errors
    )


def _rename(content: Any, path: tuple[Any, ...], name: str | None) -> None:
    """Give the key at the path another name, unless that is taken; without a name, take it away."""
    for part in path[:-1]:
        if part not in _INDEX_KINDS:
            content = content[part]
    value = content.pop(path[-1])
    if name is not None:
        content.setdefault(name, value)


def _describe_unknown(path: tuple[Any, ...], model: type[Section]) -> str:
    near = _nearest(path, model)
    known = ", ".join(sorted(_known_keys(model, path[:-1])))
    hint = f"did you mean {near}?" if near else f"known keys: {known}"
    if any(part in _INDEX_KINDS for part in path):
        hint += " (an index has either program, or event and take)"
    return f"{_dotted(path)}: unknown key; {hint}"


def _describe(error: Any, model: type[Section]) -> str:
    where, kind, found = error["loc"], error["type"], error.get("input")
    message = _WORDS.get(kind) or error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if kind.startswith("model_"):
        message = f"must be a section with the keys {', '.join(_known_keys(model, where))}"
        if any(part in _INDEX_KINDS for part in where):
            message = "must be a section, {program: ...} or {event: ..., take: first or each}"
    if kind == "string_pattern_mismatch":
        is_name = error["ctx"]["pattern"] == NAME
        message = "must be small letters, digits and underscores, a letter first" if is_name else "cannot be read"
    if isinstance(found, bool) and (kind == "invalid_key" or where[-1:] == ("[key]",)):
        where = (*(part for part in where[:-1] if not isinstance(part, int)), _shown(found))  # it was counted: 0 or 1
    if kind in ("too_short", "too_long", "string_too_long"):
        message = f"must have {error['msg'].split(' have ')[-1].split(' after')[0]}"
    if kind == "missing" or kind in _OURS:
        return f"{_dotted(where)}: {message}"
    return f"{_dotted(where)}: {message} (found {_shown(found)}{_hint(error)}){_explanation(model, where)}"


def _hint(error: Any) -> str:
    """What to do about a value that YAML reads as something else than its writer."""
    where, kind, found = error["loc"], error["type"], error.get("input")
    if found is None:
        is_text = kind == "string_type"
        is_listed = bool(where) and isinstance(where[-1], int)
        return ("; put it in quotes" if is_listed else "") if is_text else _EMPTY.get(kind, "")
    if kind not in ("string_type", "invalid_key") or not isinstance(found, bool | int | float):
        return ""
    return "; put it in quotes" + ("; YAML reads yes, no, on and off so" if isinstance(found, bool) else "")


def _shown(found: Any) -> str:
    if isinstance(found, dict):
        return "a section"
    if isinstance(found, list | tuple):
        return f"a list of {len(found)}"
    if found is None or isinstance(found, bool):
        return {None: "nothing", True: "true", False: "false"}[found]
    return repr(found if len(str(found)) <= 60 else f"{str(found)[:60]}...")


def _dotted(where: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in where if part not in (*_INDEX_KINDS, "[key]")) or "document"


def _nearest(path: tuple[Any, ...], model: type[Section]) -> str | None:
    near = get_close_matches(str(path[-1]), _known_keys(model, path[:-1]), n=1, cutoff=0.6)
    return near[0] if near else None


def _explanation(model: type[Section], path: tuple[Any, ...]) -> str:
    """What the value means, where its field says so."""
    for section in _sections_at(model, path[:-1]):
        field = section.model_fields.get(str(path[-1]))
        if field is not None and field.description:
            return f"; it is {field.description}"
    return ""


def _known_keys(model: type[Section], path: tuple[Any, ...]) -> list[str]:
    return [name for section in _sections_at(model, path) for name in section.written_keys()]


def _sections_at(model: type[Section], path: tuple[Any, ...]) -> list[type[Section]]:
    """The kinds of section that can stand at the path. Positions and names in a list or map do not change the kind."""
    sections = [model]
    is_name = False  # in a map of sections, whatever it is: a table may be called as a key is
    for part in path:
        if is_name:
            is_name = False
            continue
        is_name = any(_is_map(section, part) for section in sections)
        sections = [found for section in sections for found in _sections_below(section, part)]
    return sections


def _is_map(section: type[Section], part: Any) -> bool:
    field = section.model_fields.get(str(part))
    return field is not None and get_origin(field.annotation) is dict


def _sections_below(section: type[Section], part: Any) -> Iterator[type[Section]]:
    field = section.model_fields.get(str(part))
    if field is not None:
        yield from _sections_in(field.annotation)
    elif part not in _INDEX_KINDS or part == section.__name__:
        yield section


def _sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in get_args(annotation) for found in _sections_in(part)]
