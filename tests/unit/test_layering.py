"""The house rules that the sources themselves can show: ranks, size, names, and what may reach the driver.

A module imports only from rooms of lower rank; rooms of one rank never import each other.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import quantiles

import pytest

LIB = Path(__file__).resolve().parents[2] / "lib"

RANKS = {
    # what needs nobody
    "errors": 0,
    "shipped": 0,
    "made_up_options": 0,
    # contracts, documents, numbers, this machine's Spark
    "tables": 1,
    "protocol": 1,
    "numerics": 1,
    "local_spark": 1,
    "cluster": 1,
    # the words that stages share
    "codes": 2,
    "masks": 2,
    "spans": 2,
    "ordering": 2,
    "small_counts": 2,
    "tallies": 2,
    "small_frames": 2,
    "records": 2,
    "events": 3,
    # the stages: pure functions of tables
    "sources": 4,
    "quality": 4,
    "text_tables": 4,
    "commits": 4,
    "deliveries": 5,
    "cohort": 4,
    "covariates": 4,
    "scores": 4,
    "matching": 4,
    "outcomes": 4,
    "effects": 4,
    "synthetic": 4,
    # in and out; what the ledger takes has passed disclosure
    "staging": 6,
    "store": 6,
    "disclosure": 5,
    "progress": 5,
    "ledger": 6,
    "report": 6,
    # jobs: read, transform, write, log, report
    "stages": 7,
    # the program around them
    "session": 8,
    "application": 9,
    "check": 9,
    "match_table": 9,
    "demo": 10,
    "cli": 11,
    "__main__": 12,
}

WITHOUT_SPARK = ("protocol", "numerics", "synthetic")

# What brings rows to the driver, and why it stays small however many members there are.
DOORS: dict[tuple[str, str], str] = {
    ("scores.sample", "collect_sample"): "two counts, the dictionary, and the sampled units, which the protocol bounds",
    ("matching.columns", "count_arms"): "a row per arm",
    ("matching.columns", "total_arms"): "a row per arm",
    ("matching.few", "_collect"): "units that fit one task: 1 GiB unless somebody says otherwise",
    ("matching.few", "_take"): "rows of an Arrow table that is here",
    ("matching.columns", "_measure_metric"): "covariates x covariates x arms",
    ("matching.planning", "_constant_columns"): "one row",
    ("matching.planning", "_count_compared"): "one row",
    ("matching.planning", "_summarise_plan"): "one row",
    ("matching.distributed", "_count"): "one row",
    ("matching.placing", "_sent_to"): "a row per task",
    ("matching.balance_frame", "_refuse"): "one row, and a count",
    ("match_table.by_spark", "_write"): "a count; covariates, and levels of those that are text, x phases",
    ("sources.broadcasts", "is_small"): "a count",
    ("sources.lineage", "_constants"): "one row of constants",
    ("stages.explain", "explain_source"): "source columns x 3 formats",
    ("stages.ingestion", "ingest"): "a count per source table",
    ("stages.ingestion", "_count"): "sources x fates x rules of one delivery",
    ("stages.ingestion", "_read_intake"): "sources x fates x rules of one delivery",
    ("stages.profile", "profile_site"): "months x columns, code systems and rules; some 90 amounts a power of ten",
    ("stages.profile", "_collect"): "source tables x 733 days",
    ("stages.profile", "_read_intake"): "deliveries x sources x fates x rules",
    ("stages.context", "_count"): "a count",
    ("stages.study", "_member_days"): "a count",
    ("stages.study", "run_covariates"): "a row per covariate",
    ("stages.delivered", "_months_of"): "one row",
    ("stages.delivered", "tell_unknown_program"): "a count",
    ("stages.unseen", "events_seen"): "a row per event",
    ("stages.unseen", "_distinct"): "a row per combination of code systems",
    ("stages.vocabulary", "_read_descendants"): "the concepts that the study's code sets mean",
    ("stages.publish", "_intake"): "sources x fates x rules",
    ("deliveries.source_table", "count_cheaply"): "a count per source table",
    ("deliveries.delta_tables", "read_delta_table"): "one row",
    ("deliveries.delta_tables", "_commits"): "100 commits",
    ("deliveries.catalog", "_tables_of"): "names of the tables of a schema",
    ("deliveries.catalog", "_describe"): "columns and properties of a table",
    ("deliveries.catalog", "_content_of"): "one row",
    ("commits", "changers_since"): "a row per commit since an ingest began",
    ("session", "require_ours_on_executors"): "one row",
    ("store", "commit"): "one row",
    ("store", "properties"): "one row",
    ("store", "written_at"): "a row per version that a table's log holds",
    ("store", "_merge_lines"): "the months or years that a delivery corrects",
    ("store", "_recorded"): "a row per finished stage run",
    ("store", "hold_to_keys"): "one name",
    ("store", "write_result"): "the rows of a bounded table",
    ("store", "collect_result"): "the rows of a bounded table",
    ("effects.contrasts", "estimate_effects"): "outcomes x horizons x 4 clusterings",
    ("effects.balance", "summarise_balance"): "a row per covariate",
}

COLLECTING = {"collect", "toPandas", "toArrow", "toLocalIterator", "head", "take", "tail", "show"}
# On strings, lists and groups these mean something else; on a frame they are called without arguments.
COLLECTING_WITHOUT_ARGUMENTS = {"count", "first"}

FORBIDDEN_NAMES = {"utils", "util", "misc", "helpers", "helper", "common", "base", "manager", "processor"}
FORBIDDEN_CALLS = {"rand", "randn", "monotonically_increasing_id", "uuid", "input_file_name", "spark_partition_id"}

MODULES = sorted(LIB.glob("counterpart/**/*.py"))


def dotted(path: Path) -> str:
    """`matching/pairs.py` -> `matching.pairs`; a room's `__init__` is the room; the package itself is ''."""
    parts = list(path.relative_to(LIB / "counterpart").with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {dotted(path): ast.parse(path.read_text(), str(path)) for path in MODULES}


def imported(module: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and absolute name of everything a module imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"counterpart.{module}, line {node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def room_of(name: str) -> str | None:
    """The room of a dotted name below `counterpart`; None for other packages and for the package's own names."""
    package, _, rest = name.partition(".")
    room = rest.partition(".")[0]
    return room if package == "counterpart" and room and not room.startswith("__version") else None


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_room_has_a_rank() -> None:
    rooms = {module.partition(".")[0] for module in TREES if module}
    assert rooms <= set(RANKS), f"no rank for {sorted(rooms - set(RANKS))}: add them to RANKS and to the design"


def test_imports_go_down_the_ranks() -> None:
    broken = [
        f"counterpart.{module}, line {line}: {room} (rank {RANKS[own]}) imports {target} (rank {RANKS[target]})"
        for module, tree in TREES.items()
        for line, name in imported(module, tree)
        if (own := module.partition(".")[0]) and (room := own) and (target := room_of(name))
        if target != own and RANKS[target] >= RANKS[own]
    ]
    assert not broken, "\n".join(broken)


def loaded_by(module: str) -> set[str]:
    """The modules, and the packages they lie in, that must have been read before this module's own code runs."""
    statements = [node for node in TREES[module].body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [name.split(".") for node in statements for _, name in imported(module, node)]
    ours = [parts for package, *parts in names if package == "counterpart"]
    found = {".".join(parts[:n]) for parts in ours for n in range(1, len(parts) + 1)} & set(TREES)
    return {name for name in found if name != module and not module.startswith(f"{name}.")}


def test_no_imports_go_in_a_circle() -> None:
    """Whichever module is the first to be imported; inside a room too."""
    TopologicalSorter({module: loaded_by(module) for module in TREES}).prepare()


def test_the_package_itself_imports_nothing_of_others() -> None:
    """Set-up asks for Java before anything is installed."""
    allowed = {"__future__", *sys.stdlib_module_names}
    for module in ("", "errors", "local_spark", "shipped"):
        outside = {name.partition(".")[0] for _, name in imported(module, TREES[module])} - allowed - {"counterpart"}
        assert not outside, f"counterpart.{module} imports {sorted(outside)}"


@pytest.mark.parametrize("room", WITHOUT_SPARK)
def test_rooms_without_spark(room: str) -> None:
    """Neither by an import of their own nor by what they import."""
    inside = [f"counterpart.{module}" for module in TREES if module.partition(".")[0] == room]
    probe = f"import sys, importlib\nfor m in {inside!r}: importlib.import_module(m)\nprint('pyspark' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=LIB, check=True)
    assert told.stdout.strip() == "False"


HIDDEN_BY_MODULES = """
import sys, importlib, types
for name in sys.argv[1:]:
    importlib.import_module(name)
for name in [name for name in sys.argv[1:] if hasattr(sys.modules[name], "__all__")]:
    for public in sys.modules[name].__all__:
        if isinstance(getattr(sys.modules[name], public), types.ModuleType):
            print(name, public)
"""


def test_no_public_name_turns_into_a_module() -> None:
    """Importing a module sets its name in its package, whatever else was known there by that name."""
    modules = [f"counterpart.{module}".rstrip(".") for module in TREES if "__main__" not in module]
    probe = [sys.executable, "-c", HIDDEN_BY_MODULES, *modules]
    told = subprocess.run(probe, capture_output=True, text=True, cwd=LIB, check=True)
    assert told.stdout == ""


def collecting_calls() -> Iterator[tuple[str, str, int, str]]:
    """(module, function, line, call) of every call that may bring rows of a frame to the driver."""
    for module, tree in TREES.items():
        if module.partition(".")[0] in WITHOUT_SPARK or not any(
            name.startswith(("pyspark", "delta")) for _, name in imported(module, tree)
        ):
            continue
        for function in functions(tree):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and brings_rows(node, node.func):
                    yield module, function.name, node.lineno, node.func.attr


def brings_rows(call: ast.Call, method: ast.Attribute) -> bool:
    if isinstance(method.value, ast.Name) and method.value.id == "F":
        return False
    if method.attr in COLLECTING:
        return True
    is_on_groups = isinstance(method.value, ast.Call) and getattr(method.value.func, "attr", "") == "groupBy"
    return method.attr in COLLECTING_WITHOUT_ARGUMENTS and not (call.args or call.keywords or is_on_groups)


def test_rows_reach_the_driver_through_known_doors_only() -> None:
    found = list(collecting_calls())
    unknown = [
        f"counterpart.{module}.{function}, line {line}: .{call}()"
        for module, function, line, call in found
        if (module, function) not in DOORS
    ]
    assert not unknown, "say in DOORS why it stays small:\n" + "\n".join(unknown)
    unused = set(DOORS) - {(module, function) for module, function, _, _ in found}
    assert not unused, f"DOORS that nothing uses any more: {sorted(unused)}"


def test_nothing_depends_on_chance_or_on_partitions() -> None:
    found = [
        f"counterpart.{module}, line {node.lineno}: F.{node.func.attr}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FORBIDDEN_CALLS
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "F"
    ]
    assert not found, "\n".join(found)


def test_the_session_is_set_up_in_one_place() -> None:
    setters = [
        f"counterpart.{module}, line {node.lineno}"
        for module, tree in TREES.items()
        # Of a MERGE Delta takes the name from there, and from nowhere else.
        if module not in ("session", "commits")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("spark.conf.set", "SparkSession.builder"))
    ]
    assert not setters, f"only counterpart.session sets Spark up: {setters}"


def test_modules_are_short_and_named_for_what_they_hold() -> None:
    long = {dotted(path): n for path in MODULES if (n := len(path.read_text().splitlines())) > 400}
    assert not long, f"more than 400 lines: {long}"
    bad = [module for module in TREES if set(module.split(".")) & FORBIDDEN_NAMES]
    assert not bad, f"names that say nothing: {bad}"


def test_functions_are_short() -> None:
    lengths = [f.end_lineno - f.lineno + 1 for tree in TREES.values() for f in functions(tree) if f.end_lineno]
    p90 = quantiles(lengths, n=10)[-1]
    assert p90 <= 30, f"90 % of functions should stay within 30 lines; they stay within {p90:.0f}"


def test_suppressions_say_why(root: Path) -> None:
    """`# noqa: X` and `# type: ignore[x]` are followed by a reason."""
    suppression = re.compile(r"#\s*(?:noqa(?::\s*[A-Z0-9, ]+)?|type:\s*ignore(?:\[[\w, -]+\])?)(?P<reason>.*)")
    paths = [
        path for folder in ("lib", "jobs", "notebooks", "conf", "tests") for path in root.glob(f"{folder}/**/*.py")
    ]
    bare = [
        f"{path.relative_to(root)}, line {number}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (found := suppression.search(line)) and len(found["reason"].strip(" #-:;,.")) < 10
    ]
    assert not bare, f"say why in the same line: {bare}"


def test_the_files_that_documents_name_are_there(root: Path) -> None:
    documents = [root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").glob("*.md"))]
    named = re.compile(r"`((?:conf|docs|jobs|lib|notebooks|tests)/[\w./-]+\.\w+)`")
    lost = {(d.name, path) for d in documents for path in named.findall(d.read_text()) if not (root / path).exists()}
    assert not lost
