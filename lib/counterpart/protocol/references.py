"""The events and code sets a study document speaks of, looked up before anything runs, each with its path."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from counterpart.errors import EnvironmentProblem
from counterpart.protocol.study import ALL_CLAIMS
from counterpart.shipped import NO_FILES, shipped_conf

Where = tuple[str | int, ...]

_CHARLSON = "charlson_"


def code_set_folders(study: Path) -> list[Path]:
    """Where a study's code sets lie: those shipped, then `codesets` beside the folder of the study, if there is one.

    A set of the second folder replaces its namesake of the first. EnvironmentProblem if none are shipped.
    """
    own = study.absolute().parent.parent / "codesets"
    shipped = shipped_conf() / "codesets"
    if not shipped.is_dir():
        raise EnvironmentProblem(f"{shipped} is no folder: {NO_FILES}")
    return [shipped, own] if own.is_dir() and own.resolve() != shipped.resolve() else [shipped]


def names_in(folders: Sequence[Path]) -> set[str]:
    """The names of the code sets of some folders. The files themselves are not read."""
    return {file.stem for folder in folders for file in folder.glob("*.csv")}


def where_looked(study: Path, folders: Sequence[Path]) -> str:
    """Where code sets were looked for, and a folder of them that lies where nobody looks."""
    told = f"code sets were looked for in {' and '.join(str(folder) for folder in folders)}"
    beside = study.absolute().parent / "codesets"
    if beside.is_dir() and beside not in folders:
        own = study.absolute().parent.parent / "codesets"
        told += f"; {beside} lies beside the study and is not read: move it to {own}"
    return told


def unknown_references(content: dict[Any, Any], code_sets: Collection[str]) -> Iterator[tuple[Where, str]]:
    """Path and complaint for each event or code set that the document names and that is none.

    Reads the raw document, so that these are told together with what else is wrong in it.
    """
    defined = content.get("events")
    own = {str(name) for name in defined} if isinstance(defined, dict) else set()
    known = {*own, *code_sets, ALL_CLAIMS}
    for where, name, is_event in _references(content, ()):
        if is_event and name not in known:
            yield where, f"there is no event or code set {name!r}{_nearest(name, known)}"
        elif not is_event and name not in code_sets:
            is_own = name in own or name == ALL_CLAIMS
            why = "it is an event; here only a code set can stand" if is_own else _nearest(name, code_sets).lstrip("; ")
            yield where, f"there is no code set {name!r}" + (f"; {why}" if why else "")


def _nearest(name: str, known: Collection[str]) -> str:
    """The nearest name, else those that contain this one. The Charlson sets are seldom meant."""
    candidates = sorted(one for one in known if not one.startswith(_CHARLSON))
    near = get_close_matches(name, candidates, n=1, cutoff=0.6)
    near = near or [one for one in candidates if name and name in one][:3]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _references(content: Any, where: Where) -> Iterator[tuple[Where, str, bool]]:
    """(path, name, is it an event) wherever the document names one. Values of a wrong type are passed over."""
    if isinstance(content, list):
        for i, part in enumerate(content):
            yield from _references(part, (*where, i))
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        here = (*where, str(key))
        if key in ("event", "codes", "diagnosis") and isinstance(value, str):
            yield here, value.strip(), key == "event"
        elif key in ("events", "stays") and isinstance(value, list):
            for i, part in enumerate(value):
                if isinstance(part, str):
                    yield (*here, i), part.strip(), True
                else:
                    yield from _references(part, (*here, i))
        else:
            yield from _references(value, here)
