"""Reading documents: every problem at once, each with its path, unknown keys with the nearest known one."""

from __future__ import annotations

import hashlib
import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from yaml.constructor import ConstructorError

from counterpart.errors import ProtocolError
from counterpart.protocol.site import Site
from counterpart.protocol.study import Section, Study

Document = TypeVar("Document", bound=Section)


class _StrictLoader(yaml.SafeLoader):
    """YAML where a key written twice is an error, not the last one's victory."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise ConstructorError(None, None, f"written twice: {', '.join(twice)}", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def load_study(path: Path) -> Study:
    """The study in a YAML file. ProtocolError with all problems if it is not one."""
    return _load(path, Study)


def load_site(path: Path) -> Site:
    """The site in a YAML file. ProtocolError with all problems if it is not one."""
    return _load(path, Site)


def content_hash(section: BaseModel | dict[str, Any] | list[Any] | str) -> str:
    """SHA-256 (first 16 hex digits) of a section's canonical JSON: the same content gives the same hash."""
    plain = section.model_dump(mode="json") if isinstance(section, BaseModel) else section
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _load(path: Path, model: type[Document]) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProtocolError(f"{path} does not exist; a {model.__name__.lower()} document is a YAML file") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ProtocolError(f"{path} cannot be read: {problem}") from None
    try:
        content = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as problem:
        raise ProtocolError(f"{path} is not valid YAML: {problem}") from None
    if not isinstance(content, dict):
        raise ProtocolError(f"{path} must be a mapping of sections; it is {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        lines = [f"  {_describe(error, model)}" for error in problem.errors()]
        raise ProtocolError(f"{path} has {len(lines)} problem(s):\n" + "\n".join(lines)) from None


def _describe(error: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in error["loc"] if not str(part).endswith("Index")) or "document"
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, error["loc"][:-1])
        near = get_close_matches(str(error["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"{where}: unknown key; {hint}"
    message = error["msg"].removeprefix("Value error, ")
    found = error.get("input")
    is_scalar = isinstance(found, (str, int, float, bool)) or found is None
    return f"{where}: {message}" + (f" (found {found!r})" if is_scalar and error["type"] != "missing" else "")


def _known_keys(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """The keys of the section at `path`: list indices and union tags in the path do not change the model."""
    candidates = [model]
    for part in path:
        candidates = [found for candidate in candidates for found in _models_at(candidate, part)] or candidates
    return [name for candidate in candidates for name in candidate.model_fields]


def _models_at(model: type[BaseModel], part: Any) -> list[type[BaseModel]]:
    if isinstance(part, int):
        return [model]
    field = model.model_fields.get(str(part))
    if field is None:
        return [model] if part == model.__name__ else []
    return _models_in(field.annotation)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]
