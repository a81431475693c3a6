"""Code sets that ask for descendants of OMOP concepts, filled from the vocabulary that the site's source delivered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pyspark.sql import functions as F

from counterpart.codes import CodeLibrary
from counterpart.errors import CodeSetError
from counterpart.stages.whole import whole_version
from counterpart.store import Store
from counterpart.tables import CONCEPT_ANCESTORS


def fill_descendants(library: CodeLibrary, used: Iterable[str], store: Store) -> CodeLibrary:
    """The library with every used set that names ancestors filled. CodeSetError where the site has no such table."""
    asking = [library[name] for name in sorted(set(used)) if library[name].ancestors]
    if not asking:
        return library
    version = whole_version(store, CONCEPT_ANCESTORS)
    if version is None:
        names = ", ".join(code_set.name for code_set in asking)
        raise CodeSetError(
            f"{names}: the descendants of OMOP concepts are asked for (`+`), and this site's source delivered no "
            "concept_ancestor; deliver it, or list the concepts one by one"
        )
    descendants = _read_descendants(
        store, version, {ancestor.low for code_set in asking for ancestor in code_set.ancestors}
    )
    return library.replacing(code_set.with_descendants(descendants) for code_set in asking)


def _read_descendants(store: Store, version: int, ancestors: Iterable[int]) -> dict[int, list[int]]:
    wanted = store.read(CONCEPT_ANCESTORS, version).filter(F.col("ancestor").isin(*sorted(ancestors)))
    found: dict[int, list[int]] = defaultdict(list)
    for row in wanted.orderBy("ancestor", "descendant").collect():
        found[row["ancestor"]].append(row["descendant"])
    return found
