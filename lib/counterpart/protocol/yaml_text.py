"""YAML taken as it is written: no number that reads as another, no key twice, nothing shared by two sections."""

from __future__ import annotations

import re
from typing import Any, Protocol

import yaml

_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
WHOLE, REAL = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"

_WHOLE_FORM = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_REAL_FORM = re.compile(
    r"([-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
)
_MOST_PARTS = 100_000


class WrittenReal(float):
    """A number with a fraction or an exponent, and how it is written: 3.10 is not 3.1 where a text is asked for."""

    written: str = ""


class StrictLoader(yaml.SafeLoader):
    """YAML 1.1 but for its numbers, of which it takes 030 for 24, 3:00 for 180, 1_0 for 10, and 1e-1 for a text.

    Whole numbers begin with no zero, and fractions and exponents are numbers; everything else stays text, dates too:
    YAML's own stop at the first that is not in the calendar, without saying which section it stands in. Keys that are
    written twice are in `twice`, where the last would win unseen.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own way to say it)
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_TIMESTAMP, WHOLE, REAL)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.twice: list[str] = []

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A section; its keys that were there before are noted."""
        seen: list[Any] = []
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                self.twice.append(f"line {key_node.start_mark.line + 1}: {key} is written twice in one section")
            seen.append(key)
        return super().construct_mapping(node, deep=deep)


def _real(_: StrictLoader, node: Any) -> WrittenReal:
    number = WrittenReal(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))
    number.written = node.value
    return number


StrictLoader.add_implicit_resolver(WHOLE, _WHOLE_FORM, list("-+0123456789"))
StrictLoader.add_implicit_resolver(REAL, _REAL_FORM, list("-+.0123456789"))
StrictLoader.add_constructor(WHOLE, lambda _, node: int(node.value))
StrictLoader.add_constructor(REAL, _real)


class NotADocument(ValueError):
    """What is wrong with the text, in words for its writer."""


class _Loads(Protocol):
    twice: list[str]

    def get_single_data(self) -> Any:
        """The one document of the text."""


def read_yaml(text: str, loader: type[StrictLoader] = StrictLoader) -> tuple[Any, list[str]]:
    """What a text says, and the keys that it says twice. NotADocument if it is not YAML, or holds itself."""
    try:
        reader: _Loads = loader(text)
        content = reader.get_single_data()
        return _apart(content, (), [0]), reader.twice
    except NotADocument:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise NotADocument(_in_words(problem)) from None


def _apart(content: Any, above: tuple[int, ...], n_parts: list[int]) -> Any:
    """The content with a copy for each alias: what is changed in one section must not change in another.

    Aliases of aliases may mean more parts than any machine holds, so these are counted.
    """
    if not isinstance(content, dict | list):
        return content
    if id(content) in above:
        raise NotADocument("an alias (*name) stands inside the section that its anchor (&name) names")
    n_parts[0] += 1 + len(content)
    if n_parts[0] > _MOST_PARTS:
        raise NotADocument(f"with every alias (*name) written out it has more than {_MOST_PARTS:,} parts")
    inside = (*above, id(content))
    if isinstance(content, list):
        return [_apart(part, inside, n_parts) for part in content]
    return {key: _apart(part, inside, n_parts) for key, part in content.items()}


def _in_words(problem: Exception) -> str:
    """Line, column and complaint of a YAML error, without the quoted source around it."""
    if isinstance(problem, yaml.MarkedYAMLError) and problem.problem_mark is not None:
        mark = problem.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem.problem}"
    return "it nests too deeply" if isinstance(problem, RecursionError) else str(problem).splitlines()[0]
