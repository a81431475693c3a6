"""What was planted, found again in the files by counting: the drivers of every index date, the dirt, the marginals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from counterpart.synthetic import SynthSettings, synthesise
from counterpart.synthetic.catalogue import HOME_REGION
from counterpart.synthetic.events import STRIDE
from counterpart.synthetic.story import Story, draw_story

SETTINGS = SynthSettings(members=1_600, seed=4, block_members=800, workers=1)
OFFICE = "99202 99203 99204 99205 99211 99212 99213 99214 99215".split()
IMAGING = "72100 72110 72114 72131 72132 72148 72158".split()
# As the study's code set lists them; the claims use a part of these.
LOW_BACK_PAIN = (
    "M545 M5450 M5416 M5417 M5430 M5431 M5441 M5442 M5116 M5126 M5136 M47816 M4806 M48061 M961 S335XXA S39012A M9903"
).split()
DRIVER_DIAGNOSES = {"diabetes": ["E119", "E1122"], "pulmonary": ["J449"], "rheumatic": ["M069"]}
OPIOID_LABELER = "99001"
KEYS = {
    "medical_claim": ["claim_id", "claim_line_number", "person_id", "claim_start_date"],
    "pharmacy_claim": ["claim_id", "claim_line_number", "person_id", "dispensing_date"],
}


def read(folder: Path, table: str) -> pd.DataFrame:
    rows = pq.read_table(folder / table).to_pandas(date_as_object=False)
    return rows.drop(columns=[name for name in rows if rows[name].isna().all()])


def planted(folder: Path) -> dict:
    return json.loads((folder / "truth" / "planted.json").read_text())


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(SETTINGS, tmp_path_factory.mktemp("clean") / "claims").out


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(replace(SETTINGS, dirt="typical"), tmp_path_factory.mktemp("dirty") / "claims").out


def diagnosed(lines: pd.DataFrame, codes: list[str]) -> pd.Series:
    """Whether any diagnosis of the line is one of the codes."""
    return lines.filter(like="diagnosis_code_").drop(columns="diagnosis_code_type").isin(codes).any(axis=1)


def count_days(units: pd.DataFrame, lines: pd.DataFrame, day: str) -> np.ndarray:
    """Distinct days of the lines in the 365 days before each unit's index date, by the plainest join there is."""
    days = lines[["person_id", day]].drop_duplicates()
    joined = units[["unit", "person_id", "index_date"]].merge(days, on="person_id")
    before = (joined.index_date - joined[day]).dt.days
    counted = joined[(before >= 1) & (before <= 365)].groupby("unit").size()
    return units.unit.map(counted).fillna(0).to_numpy()


def count_drivers(folder: Path, units: pd.DataFrame) -> pd.DataFrame:
    """The drivers of every unit as an analyst would count them from the claims."""
    medical, fills, eligibility = (read(folder, name) for name in ("medical_claim", "pharmacy_claim", "eligibility"))
    day, is_back = "claim_start_date", diagnosed(medical, LOW_BACK_PAIN)
    is_emergency = medical.revenue_center_code.eq("0450") | medical.place_of_service_code.eq("23")
    counted = {
        "office": medical[medical.hcpcs_code.isin(OFFICE)],
        "back_office": medical[medical.hcpcs_code.isin(OFFICE) & is_back],
        "imaging": medical[medical.hcpcs_code.isin(IMAGING)],
        "emergency": medical[is_emergency],
    }
    drivers = {name: np.log1p(count_days(units, lines, day)) for name, lines in counted.items()}
    opioids = fills[fills.ndc_code.str.startswith(OPIOID_LABELER)]
    drivers["opioid"] = np.log1p(count_days(units, opioids, "dispensing_date"))
    for name, codes in DRIVER_DIAGNOSES.items():
        drivers[name] = (count_days(units, medical[diagnosed(medical, codes)], day) > 0).astype(float)
    person = units.merge(eligibility.drop_duplicates("person_id"), on="person_id", how="left")
    drivers["age"] = (np.floor((person.index_date - person.birth_date).dt.days / 365.25) - 50) / 10
    drivers["female"] = person.gender.eq("female").astype(float)
    here = units.merge(eligibility, on="person_id")
    here = here[here.enrollment_start_date <= here.index_date].sort_values("enrollment_start_date")
    state = units.unit.map(here.groupby("unit").state.last())
    drivers["home_region"] = state.isin(HOME_REGION).astype(float)
    return pd.DataFrame(drivers)


def test_the_odds_of_every_index_date_follow_from_counts_of_the_claims(clean: Path) -> None:
    units = read(clean, "truth/scores.parquet").reset_index(names="unit")
    drivers, model = count_drivers(clean, units), planted(clean)["enrolment_model"]
    # Sex is unknown in a few rows of eligibility: the claims do not show these members' odds.
    unknown = set(read(clean, "eligibility").query("gender == 'unknown'").person_id)
    is_shown = ~units.person_id.isin(unknown) & units.log_odds.notna()
    log_odds = model["intercept"] + sum(
        coefficient * (drivers[name] - model["centres"][name]) for name, coefficient in model["coefficients"].items()
    )
    assert is_shown.sum() > 200
    np.testing.assert_allclose(log_odds[is_shown], units.log_odds[is_shown], rtol=0, atol=1e-9)


def test_enrolments_that_no_odds_decided_have_none(tmp_path: Path) -> None:
    """Members who never saw a doctor for low back pain enrol at a flat chance, whatever their past."""
    some = SynthSettings(members=12_000, seed=21, block_members=4_000, bystanders=0.01, workers=1)
    made = synthesise(some, tmp_path / "claims").out
    units, medical = read(made, "truth/scores.parquet"), read(made, "medical_claim")
    visits = medical[medical.hcpcs_code.isin(OFFICE) & diagnosed(medical, LOW_BACK_PAIN)]
    is_without = ~units.person_id.isin(visits.person_id)
    assert 0 < is_without.sum() < 0.1 * (units.arm == "treated").sum()
    assert (units.log_odds.isna() == is_without).all()
    assert set(units.arm[is_without]) == {"treated"}


def test_expected_counts_follow_from_the_planted_ratio(clean: Path) -> None:
    scores = read(clean, "truth/scores.parquet")
    np.testing.assert_allclose(scores.expected_imaging_treated, 0.4 * scores.expected_imaging_comparator, rtol=1e-12)


def test_comparators_dates_are_the_first_visits_in_person_of_each_month(clean: Path) -> None:
    medical = read(clean, "medical_claim")
    therapy = medical[medical.hcpcs_code.isin(["97161", "97162", "97163", "97110"]) & diagnosed(medical, LOW_BACK_PAIN)]
    therapy = therapy[
        therapy.place_of_service_code.ne("02") & therapy.claim_start_date.between("2020-01-01", "2020-10-31")
    ]
    month = therapy.claim_start_date.dt.month.rename("month")
    first = therapy.groupby(["person_id", month]).claim_start_date.min().reset_index(drop=False)
    scores = read(clean, "truth/scores.parquet").query("arm == 'comparator'")
    planted_dates = set(zip(scores.person_id, scores.index_date, strict=True))
    found = set(zip(first.person_id, first.claim_start_date, strict=True))
    born = read(clean, "eligibility").drop_duplicates("person_id").set_index("person_id").birth_date
    adults = {(person, day) for person, day in found if (day - born[person]).days >= 18 * 365.25}
    assert adults == planted_dates


def stories(n_blocks: int, **changes: float) -> list[Story]:
    settings = SynthSettings(members=4_000 * n_blocks, seed=21, block_members=4_000, **changes)
    return [draw_story(settings, block) for block in range(n_blocks)]


def observed_and_expected(story: Story, ratio: float, is_treated: bool) -> tuple[int, float]:
    """Imaging visits in days 1 to 90 while covered and (comparators) not yet enrolled; and what the truth expects."""
    units, calendar = story.pathways.units, story.calendar
    enrolled = np.full(len(story.members), 10**6)
    enrolled[story.pathways.enrolments.member] = story.pathways.enrolments.day
    images = story.pathways.outcomes["imaging"].key
    pace = np.diff(calendar.elective.passed)
    observed, expected = 0, 0.0
    for unit in np.flatnonzero(units.is_treated == is_treated):
        member, day = units.member[unit], units.day[unit]
        last = day + 90 if is_treated else min(day + 90, enrolled[member])
        here = int(member) * STRIDE
        observed += int(((images > here + day) & (images <= here + last)).sum())
        seen = (pace * story.cover[member])[day + 1 : last + 1].sum() / pace[day + 1 : day + 91].sum()
        expected += units.expected[unit] * (ratio if is_treated else 1.0) * seen
    return observed, expected


@pytest.mark.parametrize("ratio", [0.4, 1.0])
def test_both_arms_are_imaged_as_often_as_the_truth_expects(ratio: float) -> None:
    made = stories(6, rate_ratio=ratio)
    for is_treated in (True, False):
        pairs = [observed_and_expected(story, ratio, is_treated) for story in made]
        observed, expected = (sum(column) for column in zip(*pairs, strict=True))
        # Overlapping follow-up of one comparator's dates counts an image up to three times.
        spread = np.sqrt(expected * (1 if is_treated else 3))
        assert abs(observed - expected) < 3.5 * spread


def test_a_hidden_cause_raises_enrolment_and_lowers_imaging() -> None:
    (story,) = stories(1, hidden_confounding=1.5)
    units, hidden = story.pathways.units, story.members.is_hidden
    shares = [hidden[units.member[units.is_treated == arm]].mean() for arm in (True, False)]
    assert shares[0] > 0.7 > 0.5 > shares[1]
    comparators = ~units.is_treated
    rates = [units.expected[comparators & (hidden[units.member] == has)].mean() for has in (True, False)]
    assert rates[0] < 0.5 * rates[1]


def test_the_planted_ratio_changes_nothing_before_enrolment() -> None:
    (usual,), (strong,) = stories(1, rate_ratio=1.0), stories(1, rate_ratio=0.1)
    assert np.array_equal(usual.history.office.key, strong.history.office.key)
    assert np.array_equal(usual.back.office.key, strong.back.office.key)
    assert np.array_equal(usual.spans.end, strong.spans.end)


# --- dirt -------------------------------------------------------------------------------------------------------------


def mend(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Codes without dots and blanks, in upper case; and how many rows needed it."""
    columns = [name for name in rows if name.startswith("diagnosis_code_") or name in ("hcpcs_code", "ndc_code")]
    columns = [name for name in columns if name != "diagnosis_code_type"]
    before = rows[columns]
    after = before.apply(lambda column: column.str.replace(r"[. ]", "", regex=True).str.upper())
    changed = (before.fillna("") != after.fillna("")).any(axis=1)
    return rows.assign(**{name: after[name] for name in columns}), int(changed.sum())


def cleaned(rows: pd.DataFrame, table: str, eligibility: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rules of a correct cleaning, one after the other, with the rows that each takes."""
    day, taken = KEYS[table][3], {}

    def take(rule: str, is_bad: pd.Series) -> None:
        nonlocal rows
        taken[rule] = int(is_bad.sum())
        rows = rows[~is_bad]

    birth = eligibility.drop_duplicates("person_id").set_index("person_id").birth_date
    take("null_key", rows[KEYS[table]].isna().any(axis=1))
    born = rows.person_id.map(birth)
    take("impossible_date", (rows[day] < "1900-01-01") | (rows[day] > "2021-09-30") | (rows[day] < born))
    take("unknown_member", ~rows.person_id.isin(set(eligibility.person_id)))
    take("duplicate", rows.duplicated())
    take("denied", rows.allowed_amount.eq(0) & rows.paid_amount.eq(0) & rows.charge_amount.gt(0))
    line = [rows.claim_id, rows.claim_line_number]
    take("reversed", rows.allowed_amount.groupby(line).transform("min") < 0)
    last_paid = rows.paid_date.groupby([rows.claim_id, rows.claim_line_number]).transform("max")
    take("superseded", rows.paid_date < last_paid)
    mended, n_mended = mend(rows)
    return mended, taken | {"mended": n_mended}


@pytest.mark.parametrize("table", ["medical_claim", "pharmacy_claim"])
def test_cleaning_finds_every_dirty_line_and_gives_back_the_clean_claims(clean: Path, dirty: Path, table: str) -> None:
    eligibility = read(dirty, "eligibility")
    rows, taken = cleaned(read(dirty, table), table, eligibility)
    expected: dict[str, int] = {}
    for kind in json.loads((dirty / "truth" / "dirt.json").read_text())[table].values():
        expected[kind["rule"]] = expected.get(kind["rule"], 0) + kind["rows"]
    assert taken == expected
    assert all(n > 0 for n in taken.values())
    kept = read(clean, table)
    kept = kept[kept.person_id.isin(set(eligibility.person_id))]
    order = KEYS[table][:2]
    rows, kept = (part.sort_values(order, ignore_index=True) for part in (rows[kept.columns], kept))
    # A null among the dirty rows made pandas read line numbers as floats.
    assert rows.astype(kept.dtypes).equals(kept)


def test_dirty_spans_are_counted_and_cover_the_same_days(clean: Path, dirty: Path) -> None:
    dirt = json.loads((dirty / "truth" / "dirt.json").read_text())["eligibility"]
    rows = read(dirty, "eligibility")
    is_keyless = rows.person_id.isna() | rows.enrollment_start_date.isna()
    is_reversed = ~is_keyless & (rows.enrollment_start_date > rows.enrollment_end_date)
    assert (is_keyless.sum(), is_reversed.sum()) == (dirt["null_key"]["rows"], dirt["reversed_span"]["rows"])
    good, kept = rows[~is_keyless & ~is_reversed], read(clean, "eligibility")
    kept = kept[kept.person_id.isin(set(good.person_id))]
    pd.testing.assert_frame_equal(merged(good), merged(kept))
    n_merged = len(good) - len(merged(good))
    assert n_merged == dirt["overlapping_span"]["rows"] + planted(dirty)["counts"]["adjacent_spans"]


def merged(rows: pd.DataFrame) -> pd.DataFrame:
    """Continuous cover: overlapping and adjacent spans as one."""
    rows = rows.sort_values(["person_id", "enrollment_start_date", "enrollment_end_date"])
    latest = rows.groupby("person_id").enrollment_end_date.cummax().groupby(rows.person_id).shift()
    run = ((rows.enrollment_start_date - latest).dt.days.fillna(99) > 1).cumsum().rename("run")
    spans = rows.groupby(["person_id", run]).agg(
        start=("enrollment_start_date", "min"), end=("enrollment_end_date", "max")
    )
    return spans.reset_index("person_id").reset_index(drop=True)


def test_a_clean_data_set_has_no_dirt(clean: Path) -> None:
    assert json.loads((clean / "truth" / "dirt.json").read_text()) == {}
    for table in ("medical_claim", "pharmacy_claim"):
        rows = read(clean, table)
        _, taken = cleaned(rows, table, read(clean, "eligibility"))
        assert set(taken.values()) == {0}


# --- marginals --------------------------------------------------------------------------------------------------------


def test_one_state_holds_three_members_in_ten() -> None:
    (story,) = stories(1)
    assert abs((story.members.state == 0).mean() - 0.3) < 0.025


def test_codes_change_on_the_day_they_were_split(tmp_path: Path) -> None:
    settings = SynthSettings(members=400, end=pd.Timestamp("2021-12-31").date(), workers=1)
    medical = read(synthesise(settings, tmp_path / "claims").out, "medical_claim")
    codes = medical.filter(regex=r"diagnosis_code_\d").stack().reset_index(level=1, drop=True).rename("code")
    dated = medical[["claim_start_date"]].join(codes, how="inner").groupby("code").claim_start_date.agg(["min", "max"])
    assert dated.loc["M545", "max"] < pd.Timestamp("2021-10-01") <= dated.loc["M5450", "min"]
    assert dated.loc["M4806", "max"] < pd.Timestamp("2017-10-01") <= dated.loc["M48061", "min"]


def test_an_image_billed_twice_is_one_day_and_one_code(clean: Path) -> None:
    medical = read(clean, "medical_claim")
    images = medical[medical.hcpcs_code.isin(IMAGING)]
    parts = images[images.hcpcs_modifier_1.isin(["26", "TC"])]
    sides = parts.groupby(["person_id", "claim_start_date", "hcpcs_code"]).hcpcs_modifier_1.agg(["nunique", "size"])
    assert len(sides) > 50
    assert (sides["nunique"] == 2).all()


def test_the_shutdown_shows_in_the_visits_of_april_2020() -> None:
    (story,) = stories(1)
    days = story.history.office.day
    april = [story.calendar.day(pd.Timestamp(f"{year}-04-01").date()) for year in (2019, 2020)]
    usual, dip = (((days >= first) & (days < first + 30)).sum() for first in april)
    assert 0.25 < dip / usual < 0.6


def test_a_few_members_have_tens_of_thousands_of_lines() -> None:
    settings = SynthSettings(members=2_000, block_members=100, seed=1)
    (heavy,) = np.flatnonzero(draw_story(settings, 13).members.in_daily_care)
    story = draw_story(settings, 13)
    assert (story.history.daily_care.member == heavy).sum() == settings.days
