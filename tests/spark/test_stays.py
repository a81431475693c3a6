"""Events that are counted by stay: once from admission to discharge, on the first day, however it was billed."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.studies import small_study

from counterpart.codes import CodeLibrary, encode
from counterpart.covariates import build_covariates, describe_covariates
from counterpart.events import build_member_days, plan_events
from counterpart.outcomes import build_outcomes, find_outcome_days
from counterpart.protocol import Study
from counterpart.stages.study import _member_days
from counterpart.tables import COHORT, FOLLOW_UP, MEDICAL, OUTCOMES, PHARMACY

pytestmark = pytest.mark.spark

STAY, IMAGING = encode("revenue", "0120"), encode("hcpcs", "72148")

# Revenue lines of room and board, one a line; a blank end is none that was told.
ADMISSIONS = """case               | member | claim | first      | last
                by day             | 1      | 1     | 2020-03-01 | 2020-03-01
                by day             | 1      | 1     | 2020-03-02 | 2020-03-02
                by day             | 1      | 1     | 2020-03-03 | 2020-03-03
                by day             | 1      | 1     | 2020-03-04 | 2020-03-04
                by day             | 1      | 1     | 2020-03-05 | 2020-03-05
                in one line        | 2      | 2     | 2020-03-01 | 2020-03-05
                a transfer         | 3      | 3     | 2020-03-01 | 2020-03-05
                a transfer         | 3      | 4     | 2020-03-06 | 2020-03-09
                back after a day   | 4      | 5     | 2020-03-01 | 2020-03-05
                back after a day   | 4      | 6     | 2020-03-07 | 2020-03-09
                nursing, by month  | 5      | 7     | 2020-01-10 | 2020-01-31
                nursing, by month  | 5      | 8     | 2020-02-01 | 2020-02-29
                nursing, by month  | 5      | 9     | 2020-03-01 | 2020-03-12
                one in another     | 6      | 10    | 2020-03-01 | 2020-03-31
                one in another     | 6      | 11    | 2020-03-03 | 2020-03-04
                one in another     | 6      | 12    | 2020-03-20 | 2020-03-20
                two of that day    | 7      | 13    | 2020-03-01 | 2020-03-01
                two of that day    | 7      | 14    | 2020-03-01 | 2020-03-08
                two of that day    | 7      | 15    | 2020-03-09 |
                without an end     | 8      | 16    | 2020-03-01 |
                without an end     | 8      | 17    | 2020-03-03 | 2020-03-03"""
STAYS = """member_key | event_date
           1          | 2020-03-01
           2          | 2020-03-01
           3          | 2020-03-01
           4          | 2020-03-01
           4          | 2020-03-07
           5          | 2020-01-10
           6          | 2020-03-01
           7          | 2020-03-01
           8          | 2020-03-01
           8          | 2020-03-03"""


def lines_of(frame, text: str) -> DataFrame:
    """Lines of 1,000 cents each: of a room, or of a procedure where one is told."""
    heading = text.split("\n", 1)[0]
    rows = frame(text, ", ".join(f"{name.strip()} string" for name in heading.split("|")))
    image = F.col("image") if "image" in rows.columns else F.lit(None)
    known = {
        "member_key": F.col("member"),
        "claim_key": F.col("claim"),
        "service_date": F.col("first"),
        "service_end_date": F.col("last"),
        "service_period": F.date_format(F.col("first").cast("date"), "yyyyMM"),
        "revenue": F.when(image.isNull(), F.lit(STAY)),
        "procedure": F.when(image.isNotNull(), F.lit(IMAGING)),
        "allowed_cents": F.lit(1_000),
    }
    return rows.select(*(known.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in MEDICAL.columns.items()))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> CodeLibrary:
    folder = tmp_path_factory.mktemp("codesets")
    sets = {"room": "revenue,010*-021*", "imaging": "hcpcs,72148", "opioids": "ndc,00406051201"}
    for name in ("therapy", "back_pain", "cancer", "mri"):
        sets[name] = "hcpcs,1*"
    for name, row in sets.items():
        (folder / f"{name}.csv").write_text(f"system,code,valid_from,valid_to,source\n{row},,,t\n")
    return CodeLibrary.load([folder])


@pytest.fixture(scope="module")
def no_fills(frame) -> DataFrame:
    return frame("member_key | ndc\n", PHARMACY.ddl)


@pytest.mark.parametrize("is_priced", [True, False])
def test_a_stay_is_one_however_it_was_billed(frame, library, no_fills, is_priced) -> None:
    plan = plan_events(small_study(stays=["room"]), library, ["room"])
    found = build_member_days(lines_of(frame, ADMISSIONS), no_fills, plan, None, is_priced=is_priced)
    assertDataFrameEqual(found.select("member_key", "event_date"), frame(STAYS, "member_key bigint, event_date date"))


def test_what_is_no_stay_is_counted_by_day_beside_it(frame, library) -> None:
    """A procedure on each of three days, and fills, are what they are without stays; amounts are counted once."""
    text = """member | claim | first      | last       | image
              1      | 1     | 2020-03-01 | 2020-03-03 |
              1      | 1     | 2020-03-01 | 2020-03-01 | y
              1      | 1     | 2020-03-02 | 2020-03-02 | y
              1      | 2     | 2020-03-03 | 2020-03-09 | y
              1      | 3     | 2020-03-04 | 2020-03-05 |"""
    fills = frame("member_key | dispensing_date | days_supply | allowed_cents\n 1 | 2020-03-02 | 5 | 7", PHARMACY.ddl)
    fills = fills.withColumn("ndc", F.lit(encode("ndc", "00406051201")))
    plan = plan_events(small_study(stays=["room"]), library, ["imaging", "room", "opioids"])
    found = build_member_days(lines_of(frame, text), fills, plan, None)
    expected = """member_key | event_date | event_id | allowed_cents | supplied_days
                  1          | 2020-03-01 | 0        | 2000          | 0
                  1          | 2020-03-02 | 0        | 1000          | 0
                  1          | 2020-03-03 | 0        | 1000          | 0
                  1          | 2020-03-01 | 1        | 3000          | 0
                  1          | 2020-03-02 | 2        | 7             | 5"""
    kinds = "member_key bigint, event_date date, event_id int, allowed_cents bigint, supplied_days bigint"
    assertDataFrameEqual(found.select(*(part.split()[0] for part in kinds.split(", "))), frame(expected, kinds))


def first_days(spans: list[tuple[int, int]]) -> list[int]:
    """Day by day: a stay begins on a day in hospital after one that was not."""
    covered = {day for first, last in spans for day in range(first, last + 1)}
    return sorted(day for day in covered if day - 1 not in covered)


def test_stays_are_those_that_counting_days_one_by_one_gives(frame, library, no_fills) -> None:
    """Of 80 members with up to nine lines; and lines that begin later never move a first day."""
    draw, begin = random.Random(20), date(2020, 1, 1)
    lines: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for member in range(80):
        for _ in range(draw.randint(1, 9)):
            first = draw.randint(0, 40)
            lines[member].append((first, first + draw.choice((0, 0, 1, 3, 12))))
    text = "member | claim | first | last\n" + "\n".join(
        f"{member} | {number} | {begin + timedelta(first)} | {begin + timedelta(last)}"
        for member, spans in lines.items()
        for number, (first, last) in enumerate(spans)
    )
    plan = plan_events(small_study(stays=["room"]), library, ["room"])
    all_lines = lines_of(frame, text).localCheckpoint()
    for until in (100, 25):
        known = all_lines.filter(F.col("service_date") <= F.lit(begin + timedelta(until)))
        found: dict[int, list[int]] = defaultdict(list)
        for row in build_member_days(known, no_fills, plan, None).collect():
            found[row["member_key"]].append((row["event_date"] - begin).days)
        expected = {member: [day for day in first_days(spans) if day <= until] for member, spans in lines.items()}
        assert {member: sorted(days) for member, days in found.items()} == {m: d for m, d in expected.items() if d}


def in_windows(frame, no_fills, study: Study, library: CodeLibrary, units: DataFrame, text: str, reach) -> DataFrame:
    """Member-days as a stage of the study finds them in claims tables."""
    tables = {MEDICAL.name: lines_of(frame, text), PHARMACY.name: no_fills}
    context = SimpleNamespace(
        study=study, versions=dict.fromkeys(tables, 0), store=SimpleNamespace(read=lambda table, _: tables[table.name])
    )
    return _member_days(context, units, 0, plan_events(study, library, ["room"]), reach, is_priced=True)


def test_a_stay_that_began_before_a_window_does_not_begin_in_it(frame, library, no_fills) -> None:
    """From day -90 on: nursing billed by month since day -214, and two stays after it."""
    covariates = [{"event": "room", "kind": kind, "window": [-90, -1]} for kind in ("flag", "count")]
    study = small_study(stays=["room"], covariates={"charlson": False, "events": covariates})
    units = frame(
        """unit_id | member_key | index_date | age | sex | region | index_month
           1       | 1          | 2020-03-31 | 44  | F   | south  | 202003
           2       | 2          | 2020-03-31 | 44  | F   | south  | 202003""",
        COHORT.ddl,
    )
    text = """member | claim | first      | last
              1      | 1     | 2019-08-30 | 2019-09-30
              1      | 2     | 2019-10-01 | 2019-11-30
              1      | 3     | 2019-12-01 | 2020-01-05
              1      | 4     | 2020-02-01 | 2020-02-01
              1      | 5     | 2020-02-02 | 2020-02-04
              1      | 6     | 2020-03-30 | 2020-04-20
              2      | 7     | 2019-12-20 | 2020-01-20"""
    days = in_windows(frame, no_fills, study, library, units, text, (-90, -1)).localCheckpoint()
    described = describe_covariates(study, {"region": ("south",)})
    plan = plan_events(study, library, ["room"])
    values = build_covariates(units, days, plan, described).collect()
    names = {covariate.covariate_id: covariate.name for covariate in described}
    found = {(row["unit_id"], names[row["covariate_id"]]): row["value"] for row in values}
    assert {key: value for key, value in found.items() if key[1].startswith("room")} == {
        (1, "room_flag_90"): 1,
        (1, "room_count_90"): 2,
    }
    assert [one.label for one in described if one.name == "room_count_90"] == ["Room: stays begun, days -90 to -1"]


def test_an_outcome_is_the_first_day_of_a_stay_that_begins_after_the_index_date(frame, library, no_fills) -> None:
    outcome = {"name": "admitted", "label": "Admitted", "role": "primary", "events": ["room"], "horizons": [90]}
    study = small_study(stays=["room"], outcomes={"outcomes": [outcome]})
    units = frame("unit_id | member_key | index_date\n 1 | 1 | 2020-03-01\n 2 | 2 | 2020-03-01", COHORT.ddl)
    text = """member | claim | first      | last
              1      | 1     | 2020-02-20 | 2020-03-03
              1      | 2     | 2020-03-04 | 2020-03-09
              1      | 3     | 2020-03-11 | 2020-03-11
              1      | 4     | 2020-03-12 | 2020-03-20
              1      | 5     | 2020-05-20 | 2020-06-20
              2      | 6     | 2020-02-29 | 2020-12-31"""
    days = in_windows(frame, no_fills, study, library, units, text, (1, 90))
    follow_up = frame("unit_id | days\n 1 | 200\n 2 | 200", FOLLOW_UP.ddl)
    found = find_outcome_days(units, follow_up, days, plan_events(study, library, ["room"]), study)
    assertDataFrameEqual(
        build_outcomes(follow_up, found, study),
        frame(
            """unit_id | outcome  | horizon | n_events | first_event_day | days_at_risk
               1       | admitted | 90      | 2        | 10              | 90
               2       | admitted | 90      | 0        |                 | 90""",
            OUTCOMES.ddl,
        ),
    )


def test_the_shipped_set_is_room_and_board(root: Path) -> None:
    room = CodeLibrary.load([root / "conf/codesets"])["inpatient_stay"]
    inside = [code for code in range(1000) if room.contains(encode("revenue", f"{code:04d}"), date(2020, 1, 1))]
    assert inside == list(range(100, 220))
