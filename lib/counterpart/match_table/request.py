"""What `counterpart match-table` is asked for, and what it writes whoever does the work."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from counterpart.errors import ContractError, ProtocolError, SettingsError
from counterpart.protocol import Matching, read_section
from counterpart.protocol.yaml_text import REAL, WHOLE, NotADocument, StrictLoader, read_yaml

if TYPE_CHECKING:
    from counterpart.matching import Matched


class _Loader(StrictLoader):
    """A document's YAML, in which numbers may begin with zeros: nobody means octal ones on a command line."""


_Loader.add_implicit_resolver(WHOLE, re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$")
_Loader.add_implicit_resolver(REAL, _DECIMAL, list("-+.0123456789"))

TABLES = ("pairs", "unmatched", "weights")
"""Those of a match that are written, as Parquet."""


@dataclass(frozen=True)
class Request:
    """`units` and `out` are a file and a folder of this machine, or addresses that Spark knows; a plan needs no `out`.

    `units` are a table's name in the catalog of Spark's session if they are said to be there (`is_in_catalog`).
    `balanced` are compared beside the covariates of the distance. `task_bytes` are for Spark (None: the usual).
    """

    units: str
    out: str | None
    matching: Matching
    balanced: Sequence[str] = ()
    seed: int = 0
    task_bytes: int | None = None
    is_in_catalog: bool = False

    @property
    def covariates(self) -> tuple[str, ...]:
        """Whose balance is written."""
        return tuple(dict.fromkeys((*self.matching.covariates, *self.balanced)))

    def refuse_absent(self, columns: Collection[str]) -> None:
        """ContractError if a covariate is not among the columns of the units."""
        missing = [name for name in self.covariates if name not in columns]
        if missing:
            raise ContractError(f"{self.units} has no column {', '.join(missing)}, whose balance is asked for")

    def out_exists(self) -> SettingsError:
        """Something lies where the result should."""
        return SettingsError(f"--out {self.out} exists already; name a new folder")


def read_matching(given: Mapping[str, Any], values: Collection[str]) -> Matching:
    """Settings by name; the text of those named in `values` is YAML. ProtocolError for what `Matching` refuses."""
    content = dict(given)
    for name in values:
        option = f"--{name.replace('_', '-')} {content[name]!r}"
        if not content[name].strip():
            raise ProtocolError(f"{option} is empty; leave the option out, or write null for none")
        try:
            content[name], twice = read_yaml(content[name], _Loader)
        except NotADocument:
            raise ProtocolError(f"{option} is not valid YAML") from None
        if twice:
            raise ProtocolError(f"{option}: {twice[0].partition(': ')[2]}")
    return read_section(content, Matching, "the command")


def summary_document(result: Matched[Any]) -> str:
    """Settings and summary of a match, and how it was cut into tasks if it was, as JSON."""
    document = {"settings": result.matching.model_dump(mode="json"), **result.summary}
    if result.plan is not None:
        document["plan"] = asdict(result.plan)
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
