"""The planted ratio, recovered from the files alone: DuckDB counts, a Poisson regression adjusts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from counterpart.synthetic import SynthSettings, synthesise

PLANTED = 0.40
# Three standard errors of the mean of four seeds: one in 370 runs fails by chance.
STANDARD_ERRORS = 3.0

# One row per index date: enrolments, and each month's first visit of therapy in person before any enrolment; adults
# with an office visit for low back pain in the year before. Counts of distinct days in -365..-1, images in 1..90.
UNITS = """
create temp table lines as
select person_id, claim_start_date as day, hcpcs_code as code, revenue_center_code = '0450' as is_room,
       coalesce(hcpcs_code in ('72100', '72110', '72114', '72131', '72132', '72148', '72158'), false) as is_image,
       place_of_service_code as place, diagnosis_code_1 as dx1, diagnosis_code_2 as dx2,
       regexp_matches(diagnosis_code_1, '^(M545|M541|M543|M544|M511|M512|M513|M478|M480|M961|S335|S390)') as is_back
from read_parquet($folder || '/medical_claim/*.parquet');
create temp table enrolled as
select person_id, min(enrolled_on) as enrolled_on from read_parquet($folder || '/program_roster/*.parquet')
where program = 'digital_msk' group by all;
create temp table units as
select person_id, enrolled_on as day, 1 as is_treated from enrolled
union all
select person_id, min(day), 0 from lines left join enrolled using (person_id)
where is_back and code in ('97161', '97162', '97163', '97110') and place <> '02'
  and day between date '2020-01-01' and date '2020-10-31' and (enrolled_on is null or day < enrolled_on)
group by person_id, date_trunc('month', day);
"""
COUNTS = """
with person as (
    select person_id, any_value(birth_date) as born, any_value(gender) as sex,
           max(enrollment_end_date) as covered_to
    from read_parquet($folder || '/eligibility/*.parquet') group by all
), seen as (
    select units.*, line.* exclude (person_id, day), date_diff('day', units.day, line.day) as k
    from units join lines as line using (person_id)
    where line.day between units.day - 365 and units.day + 90
), counted as (
    select person_id, day, is_treated,
        count(distinct k) filter (k < 0 and code between '99202' and '99215') as office,
        count(distinct k) filter (k < 0 and code between '99202' and '99215' and is_back) as back_office,
        count(distinct k) filter (k < 0 and is_image) as images,
        count(distinct k) filter (k < 0 and (is_room or place = '23')) as emergencies,
        max(k < 0 and 'J449' in (dx1, coalesce(dx2, ''))) as pulmonary,
        max(k < 0 and 'M069' in (dx1, coalesce(dx2, ''))) as rheumatic,
        list(distinct k) filter (k > 0 and is_image) as image_days
    from seen group by all
), opioids as (
    select person_id, day, count(distinct dispensing_date) as opioids
    from units join read_parquet($folder || '/pharmacy_claim/*.parquet') using (person_id)
    where dispensing_date between day - 365 and day - 1 and ndc_code like '99001%' group by all
)
select counted.*, coalesce(opioids, 0) as opioids, date_diff('day', born, day) / 3652.5 - 5 as age,
       sex = 'female' as female, month(day) as month,
       if(is_treated = 0, coalesce(enrolled_on, covered_to), covered_to) as ends,
       least(90, date_diff('day', day, least(covered_to, ends))) as days,
       len(list_filter(image_days, lambda k: k <= days)) as n
from counted join person using (person_id) left join enrolled using (person_id)
left join opioids using (person_id, day)
where back_office > 0 and age >= -3.2 and days > 0
"""
LOGGED = ["office", "back_office", "images", "emergencies", "opioids"]
PLAIN = ["is_treated", "age", "female", "pulmonary", "rheumatic"]


def read_units(folder: Path) -> pd.DataFrame:
    with duckdb.connect() as database:
        for statement in UNITS.split(";\n"):
            if statement.strip():
                database.execute(statement, {"folder": str(folder)} if "$folder" in statement else None)
        return database.execute(COUNTS, {"folder": str(folder)}).df().fillna({"n": 0})


def adjusted(units: pd.DataFrame) -> tuple[float, float]:
    """Log rate ratio and its standard error, clustered by person: a person may have several index dates."""
    columns = units[PLAIN].astype(float).assign(**{name: np.log1p(units[name]) for name in LOGGED})
    months = pd.get_dummies(units.month, prefix="month", dtype=float)
    model = sm.GLM(
        units.n, pd.concat([columns, months], axis=1), family=sm.families.Poisson(), offset=np.log(units.days)
    )
    people = {"groups": units.person_id.astype("category").cat.codes}
    fit = model.fit(cov_type="cluster", cov_kwds=people)
    return fit.params["is_treated"], fit.bse["is_treated"]


def crude(units: pd.DataFrame) -> float:
    rates = units.groupby("is_treated")[["n", "days"]].sum()
    return float((rates.n / rates.days)[1] / (rates.n / rates.days)[0])


def study(folder: Path, **changes: float) -> tuple[float, float, float]:
    settings = SynthSettings(members=100_000, start=date(2018, 12, 31), end=date(2021, 1, 29), **changes)
    units = read_units(synthesise(settings, folder).out)
    return crude(units), *adjusted(units)


@pytest.mark.bench
def test_an_adjusted_analysis_recovers_the_planted_ratio_and_a_crude_one_does_not(tmp_path: Path) -> None:
    found = np.array([study(tmp_path / str(seed), seed=seed) for seed in range(1, 5)])
    crude_ratios, log_ratios, errors = found.T
    print("crude", crude_ratios.round(3), "adjusted", np.exp(log_ratios).round(3), "s.e.", errors.round(3))
    spread = np.sqrt((errors**2).sum()) / len(errors)
    assert abs(log_ratios.mean() - np.log(PLANTED)) < STANDARD_ERRORS * spread
    assert crude_ratios.min() > PLANTED * np.exp(STANDARD_ERRORS * errors.max())


@pytest.mark.bench
def test_a_hidden_cause_defeats_the_adjusted_analysis(tmp_path: Path) -> None:
    _, log_ratio, error = study(tmp_path / "hidden", seed=1, hidden_confounding=1.0)
    print("adjusted under a hidden cause", np.exp(log_ratio).round(3), "s.e.", round(error, 3))
    assert log_ratio < np.log(PLANTED) - 2 * error
