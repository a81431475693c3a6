"""The same study by hand-written SQL in DuckDB: cohort, attrition, covariates, follow-up, outcomes.

The SQL (folder `oracle`, one file per table) follows the study document and the docs and shares no code with the
package. `Oracle.differences` compares its tables with the store's row by row; units go by member, arm and index date.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

SQL = Path(__file__).parent / "oracle"
CLAIMS = ("members", "enrollment", "medical", "pharmacy", "program")
PARTS: Mapping[str, tuple[str, ...]] = {
    "cohort": ("code_sets", "event_days", "candidates", "cohort", "attrition"),
    "covariates": ("covariates",),
    "outcomes": ("follow_up", "outcomes", "outcome_weeks"),
}
"""SQL files in order, by the stage of the study that makes the same tables."""

BUILT_IN = (
    "index_date_in_window not_treated_by_index_date known_member alive_on_index_date age enrolled_on_index_date "
    "enrolled_in_lookback"
).split()
CONDITIONS = "mi chf pvd cevd dementia cpd rheumd pud mld diab diabwc hp rend canc msld metacanc aids".split()
WEEKS = (-26 * 7 + 1, 26 * 7)
UNIT = "member_key, arm, index_date"
# Table -> (stage that made the store's, columns compared beside the unit).
COMPARED = {
    "cohort": ("cohort", "index_month, age, sex, age_band, region, state, excluded_by"),
    "covariates": ("covariates", "name, value"),
    "follow_up": ("outcomes", "end_date, censored_by, days"),
    "outcomes": ("outcomes", "outcome, horizon, n_events, first_event_day, days_at_risk"),
    "outcome_weeks": ("outcomes", "week, n_events"),
}
ATTRITION = "arm, step, criterion, n_excluded, n_remaining, n_members_remaining"


def live_files(table: Path, version: int | None = None) -> list[str]:
    """The Parquet files of a Delta table at a version (default: the newest), from its log alone."""
    log = table / "_delta_log"
    last = max(int(path.stem) for path in log.glob("*.json") if path.stem.isdigit()) if version is None else version
    checkpoints = sorted(path for path in log.glob("*.checkpoint.parquet") if int(path.name[:20]) <= last)
    first, actions = 0, []
    if checkpoints:
        first = int(checkpoints[-1].name[:20]) + 1
        kept = duckdb.sql(f"select add.path from '{checkpoints[-1]}' where add is not null").fetchall()
        actions = [{"add": {"path": path}} for (path,) in kept]
    for number in range(first, last + 1):
        actions += map(json.loads, (log / f"{number:020d}.json").read_text().splitlines())
    files: dict[str, None] = {}
    for action in actions:
        if "remove" in action:
            files.pop(action["remove"]["path"], None)
        if "add" in action:
            if action["add"].get("deletionVector"):
                raise NotImplementedError(f"{table.name} has deletion vectors, which plain readers do not see")
            files[action["add"]["path"]] = None
    return [str(table / path) for path in files]


class Oracle:
    """A DuckDB database with the claims tables as views and the study document as small tables."""

    def __init__(self, warehouse: Path, study: Path, threads: int = 2, memory_gb: int = 4) -> None:
        self.warehouse = warehouse
        self.study: dict[str, Any] = yaml.safe_load(study.read_text())
        self.database = duckdb.connect(config={"threads": threads, "memory_limit": f"{memory_gb}GB"})
        for table in CLAIMS:
            files = live_files(warehouse / table)
            self.database.execute(f"create view {table} as from read_parquet({files}, hive_partitioning = true)")
        self._set(code_sets=str(study.parent.parent / "codesets" / "*.csv"))
        _tell_events(self)
        _tell_cohort(self)
        _tell_covariates(self)
        _tell_outcomes(self)
        _tell_reach(self)

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def run(self) -> dict[str, float]:
        """Make all tables; seconds by stage. What was made before is dropped, so that it can be run again."""
        self._drop()
        seconds = {}
        for stage, files in PARTS.items():
            started = time.perf_counter()
            for file in files:
                self.database.execute((SQL / f"{file}.sql").read_text())
            seconds[stage] = time.perf_counter() - started
        return seconds

    def count(self, table: str) -> int:
        return self.database.execute(f"select count(*) from {table}").fetchall()[0][0]

    def differences(self, result_keys: Mapping[str, str]) -> dict[str, pd.DataFrame]:
        """Table -> rows that only one side has (`side`, at most 20 of each); empty frames where both are the same."""
        for table in (*COMPARED, "attrition", "covariate_dictionary"):
            stage = {"attrition": "cohort", "covariate_dictionary": "covariates"}.get(table) or COMPARED[table][0]
            files = live_files(self.warehouse / table)
            self.database.execute(
                f"create or replace view their_{table} as from read_parquet({files}, hive_partitioning = true) "
                f"where result_key = '{result_keys[stage]}'"
            )
        found = {
            "attrition": self._apart(f"select {ATTRITION} from attrition", f"select {ATTRITION} from their_attrition")
        }
        for table, (_, columns) in COMPARED.items():
            ours = "" if table == "cohort" else "join cohort using (unit)"
            theirs = "" if table == "cohort" else f"join (select unit_id, {UNIT} from their_cohort) using (unit_id)"
            theirs += " join their_covariate_dictionary using (covariate_id)" if table == "covariates" else ""
            found[table] = self._apart(
                f"select {UNIT}, {columns} from {table} {ours}",
                f"select {UNIT}, {columns} from their_{table} {theirs}",
            )
        return found

    def _apart(self, ours: str, theirs: str) -> pd.DataFrame:
        return self.database.execute(
            f"(select 'oracle' as side, * from ({ours} except all {theirs}) limit 20) union all "
            f"(select 'spark', * from ({theirs} except all {ours}) limit 20)"
        ).df()

    def _drop(self) -> None:
        """Drop what the SQL files create: they hold one `create` a statement."""
        for file in reversed([file for files in PARTS.values() for file in files]):
            for line in reversed((SQL / f"{file}.sql").read_text().splitlines()):
                if line.startswith("create "):
                    _, kind, name, *_ = line.replace("(", " ").split()
                    kind = "macro table" if name == "days_showing_events" else kind
                    self.database.execute(f"drop {kind} if exists {name}")

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            self.database.execute(f"set variable {name} = $value", {"value": value})

    def _tell(self, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self.database.execute(f"create table {table} ({columns})")
        if rows := list(rows):
            places = ", ".join("?" * len(rows[0]))
            self.database.executemany(f"insert into {table} values ({places})", rows)


def _tell_events(oracle: Oracle) -> None:
    """Every event the study uses, as clauses. A name that is no event of the document is the code set of that name."""
    study = oracle.study
    cohort, covariates, outcomes = study["cohort"], study["covariates"], study["outcomes"]["outcomes"]
    used = [cohort["comparator"]["index"]["event"]]
    used += [rule["event"] for rule in (*cohort["history"], *cohort["exclusions"], *covariates["events"])]
    used += [event for outcome in outcomes for event in outcome["events"]]
    used += [f"charlson_{condition}" for condition in CONDITIONS]
    clauses = [
        (
            event,
            clause["codes"],
            clause.get("diagnosis"),
            clause.get("in_person", False),
            clause.get("therapist", False),
        )
        for event in dict.fromkeys(used)
        if event != "medical_claim"
        for clause in study["events"].get(event, [{"codes": event}])
    ]
    columns = "event text, codes text, diagnosis text, needs_person boolean, needs_therapist boolean"
    oracle._tell("clauses", columns, clauses)
    oracle.database.execute(
        "create view wanted_code_sets as "
        "select codes from clauses union select diagnosis from clauses where diagnosis is not null"
    )


def _tell_cohort(oracle: Oracle) -> None:
    cohort, data = oracle.study["cohort"], oracle.study["data"]
    if cohort["region"] != "census_region" or cohort["comparator"]["index"]["take"] != "each":
        raise NotImplementedError("the SQL is written for census regions and every visit as a candidate date")
    age, rule = cohort["age"], cohort["enrollment"]
    oracle._set(
        index_start=cohort["index_start"],
        index_end=cohort["index_end"],
        data_end=data["end"],
        program=cohort["treated"]["index"]["program"],
        index_event=cohort["comparator"]["index"]["event"],
        min_age=age["min"],
        max_age=age.get("max", 120),
        lookback_days=rule["lookback_days"],
        allowed_gap_days=rule["allowed_gap_days"],
    )
    oracle._tell("benefits", "benefit text", [(benefit,) for benefit in rule["benefits"]])
    labels = [(low, f"{low}-{high - 1}") for low, high in pairwise(age["bands"])]
    oracle._tell("age_bands", "first_age int, label text", [*labels, (age["bands"][-1], f"{age['bands'][-1]}+")])
    rules = [(*_rule(rule, -1), rule.get("min_days", 1), False, None) for rule in cohort["history"]]
    rules += [(*_rule(rule, 0), 0, True, rule.get("supplied_days")) for rule in cohort["exclusions"]]
    rules = [(len(BUILT_IN) + 1 + number, *rule) for number, rule in enumerate(rules)]
    columns = "step int, criterion text, event text, first_day int, last_day int, min_days int, is_exclusion boolean, "
    columns += "supplied_days int"
    oracle._tell("rules", columns, rules)
    names = ("candidates", *BUILT_IN, *(rule[1] for rule in rules), "one_date_per_month")
    oracle._tell("criteria", "step int, criterion text", enumerate(names))


def _rule(rule: Mapping[str, Any], last_day: int) -> tuple[str, str, int, int]:
    if rule.get("min_span_days"):
        raise NotImplementedError("the SQL has no minimal span of the days of a history")
    return rule["name"], rule["event"], *rule.get("window", (-365, last_day))


def _tell_covariates(oracle: Oracle) -> None:
    section = oracle.study["covariates"]
    start, end = section["charlson_window"]
    asked = [(f"charlson_{name}", f"charlson_{name}", "flag", start, end) for name in CONDITIONS]
    amounts = []
    for flag in section["events"]:
        first, last = flag.get("window", (-365, -1))
        kind = flag.get("kind", "flag")
        days = f"{-first}" if last == -1 else f"{-first}_{-last}"
        name = flag.get("name", f"{flag['event']}_{kind}_{days}")
        if kind == "cents" and flag["event"] != "medical_claim":
            raise NotImplementedError("the SQL knows the cost of all claims only")
        if kind == "cents":
            amounts.append((name, first, last))
        else:
            asked.append((name, flag["event"], kind, first, last))
    oracle._tell("asked_covariates", "name text, event text, kind text, first_day int, last_day int", asked)
    oracle._tell("asked_amounts", "name text, first_day int, last_day int", amounts)


def _tell_outcomes(oracle: Oracle) -> None:
    outcomes = oracle.study["outcomes"]["outcomes"]
    oracle._set(primary_outcome=next(outcome["name"] for outcome in outcomes if outcome.get("role") == "primary"))
    starts = [(outcome["name"], outcome.get("start_day", 1)) for outcome in outcomes]
    oracle._tell("asked_outcomes", "outcome text, start_day int", starts)
    for table, key, kind in (("horizons", "horizons", "int"), ("outcome_events", "events", "text")):
        rows = [(outcome["name"], value) for outcome in outcomes for value in outcome[key]]
        oracle._tell(table, f"outcome text, {key[:-1]} {kind}", rows)


def _tell_reach(oracle: Oracle) -> None:
    """First and last day around an index date, and the first and last date, that anything looks at."""
    cohort, data = oracle.study["cohort"], oracle.study["data"]
    starts = oracle.database.execute(
        "select min(first_day) from (select first_day from rules union all select first_day from asked_covariates "
        "union all select first_day from asked_amounts)"
    ).fetchall()[0][0]
    horizon = oracle.database.execute("select max(horizon) from horizons").fetchall()[0][0]
    first_day, last_day = min(starts, WEEKS[0]), max(horizon, WEEKS[1])
    start = max(data["start"], cohort["index_start"] + timedelta(days=first_day))
    end = min(data["end"], cohort["index_end"] + timedelta(days=last_day))
    oracle._set(first_day=first_day, last_day=last_day, first_date=start, last_date=end)
