"""The code sets that counterpart ships: what they hold, and what they find in claims that others counted."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from counterpart.codes import CodeLibrary, encode
from counterpart.numerics.comorbidity import CONDITIONS
from counterpart.shipped import shipped_conf

FOLDER = shipped_conf() / "codesets"
RED_FLAGS = (
    "cancer", "hiv", "iv_drug_use", "spinal_infection", "transplant", "trauma", "cauda_equina", "neurologic",
    "inflammatory_spine", "long_term_steroids", "pregnancy",
)  # fmt: skip
JUNE_2019, JUNE_2022 = date(2019, 6, 1), date(2022, 6, 1)


@pytest.fixture(scope="module")
def library() -> CodeLibrary:
    return CodeLibrary.load([FOLDER])


def found(library: CodeLibrary, name: str, system: str, texts: str, on: date = JUNE_2019) -> str:
    """Those of `texts` that are in the set on a day."""
    return " ".join(text for text in texts.split() if library[name].contains(encode(system, text), on))


def test_every_condition_and_red_flag_has_both_revisions(library: CodeLibrary) -> None:
    for name in (*RED_FLAGS, *(f"charlson_{condition}" for condition in CONDITIONS)):
        systems = {code_range.low >> 56 for code_range in library[name].ranges}
        assert systems == {1, 2}, name


def test_the_parts_of_low_back_pain_lie_in_the_whole(library: CodeLibrary) -> None:
    """The whole is exactly its parts and the two unspecific codes of the broad definition, row by row."""

    def rows(name: str) -> set[tuple[str, ...]]:
        with (FOLDER / f"{name}.csv").open() as lines:
            return {tuple(row) for row in csv.reader(line for line in lines if line[0] != "#")}

    parts = [rows(name) for name in ("low_back_pain_narrow", "radiculopathy", "degenerative_spine", "strain")]
    beyond = {row[:2] for row in rows("low_back_pain") - set().union(*parts)}
    assert set().union(*parts) <= rows("low_back_pain")
    assert beyond == {("icd10cm", "M54.89"), ("icd10cm", "M54.9"), ("icd9cm", "724.5")}


@pytest.mark.parametrize(
    ("name", "system", "texts", "before", "after", "changed"),
    [
        ("low_back_pain", "icd10cm", "M54.5 M54.50 M54.59", "M54.5", "M54.50 M54.59", date(2021, 10, 1)),
        ("low_back_pain", "icd10cm", "M48.06 M48.061 M48.062", "M48.06", "M48.061 M48.062", date(2017, 10, 1)),
        ("low_back_pain", "icd10cm", "M51.360 M51.379", "", "M51.360 M51.379", date(2024, 10, 1)),
        ("physical_therapy", "hcpcs", "97001 97110 97161", "97001 97110", "97110 97161", date(2017, 1, 1)),
        ("office_visit", "hcpcs", "99201 99202", "99201 99202", "99202", date(2021, 1, 1)),
        ("spinal_injection_epidural", "hcpcs", "62311 62323 64483", "62311 64483", "62323 64483", date(2017, 1, 1)),
        ("spinal_injection_facet", "hcpcs", "64475 64476 64493", "64475 64476 64493", "64493", date(2010, 1, 1)),
        ("spinal_ablation", "hcpcs", "64622 64623 64635 64636", "64622 64623", "64635 64636", date(2012, 1, 1)),
    ],
)
def test_codes_change_on_their_day(
    library: CodeLibrary, name: str, system: str, texts: str, before: str, after: str, changed: date
) -> None:
    eve = date.fromordinal(changed.toordinal() - 1)
    assert (found(library, name, system, texts, eve), found(library, name, system, texts, changed)) == (before, after)


@pytest.mark.parametrize(
    ("name", "system", "inside", "outside"),
    [
        (
            "low_back_pain",
            "icd10cm",
            "M54.16 M54.41 M51.17 M48.07 M53.2X7 S39.012A",
            "M54.2 M54.12 M48.02 S39.012D M54",
        ),
        ("low_back_pain", "icd9cm", "724.2 846.0 847.2", "723.1 847.0 724"),
        ("lumbar_mri", "hcpcs", "72148 72149 72158", "72141 72146 73721"),
        ("emergency", "revenue", "0450 450 0981", "0456 0451X"),
        ("emergency", "hcpcs", "99281 G0380", "99291 G0390"),
        ("place_emergency", "place", "23", "22 02"),
        ("physical_therapy_shared", "hcpcs", "97140 97010 97035 G0283", "97110 97150"),
        ("spinal_injection_sacroiliac", "hcpcs", "27096 G0260", "G0259"),
        (
            "smoking",
            "icd10cm",
            "F17 F17.20 F17.200 F17.203 F17.210 F17.219 F17.220 F17.228 F17.290 F17.298 Z72.0",
            "F17.201 F17.211 F17.221 F17.291 Z87.891",
        ),
        ("smoking", "icd9cm", "305.1 305.10", "305.13 V15.82"),
        ("iv_drug_use", "icd9cm", "304.01 304.30 304.41 305.20 305.41 305.70", "304.50 304.60 305.00 305.30 305.80"),
        ("contact_dermatitis", "icd9cm", "692 692.0 692.6 692.81 692.89 692.9", "692.71 692.77 692.82 693.0"),
        ("cancer", "icd10cm", "C50.911 C7A.00 D49.9", "D50.9 Z85.3"),
        ("iv_drug_use", "icd10cm", "F11.10 F11.20 F15.29", "F10.20 F15.90 F16.10"),
        ("pregnancy", "icd10cm", "O00.00 O9A.53", "P00 Z34.00"),
        ("trauma", "icd10cm", "S32.010A M80.08XA", "S42.001A M80.011A"),
        ("trauma", "icd9cm", "805.2 805.5 806.20 806.5", "805.0 805.6 806.1 806.60"),
        ("obesity", "icd10cm", "E66.01 E66.9 Z68.35 Z68.41", "E66.3 Z68.25"),
        ("impacted_cerumen", "icd10cm", "H61.20 H61.23", "H61.30"),
        ("opioid_analgesics", "ndc", "99001010110", "99003071310"),
    ],
)
def test_what_a_set_holds_and_what_it_leaves_out(
    library: CodeLibrary, name: str, system: str, inside: str, outside: str
) -> None:
    assert found(library, name, system, f"{inside} {outside}") == inside


# --- claims that other software counted ------------------------------------------------------------------------------

DIAGNOSES = ("ICD9_DGNS_CD_", "LINE_ICD9_DGNS_CD_")


def any_in(library: CodeLibrary, names: list[str], system: str, prefixes: tuple[str, ...]) -> Callable[[dict], bool]:
    """Does a wide claim show a code of the sets in its columns? Text that is no code does not count."""
    known: dict[str, bool] = {"": False}

    def is_known(text: str) -> bool:
        if text not in known:
            try:
                code = encode(system, text)
            except ValueError:
                known[text] = False
            else:
                known[text] = any(library[name].contains(code, date(2009, 1, 1)) for name in names)
        return known[text]

    return lambda claim: any(is_known(text) for column, text in claim.items() if column.startswith(prefixes))


@pytest.mark.realdata
def test_synthetic_medicare_claims_hold_what_duckdb_counted(library: CodeLibrary, public_claims: Path) -> None:
    """Claims, people and person-dates of CMS DE-SynPUF (500 beneficiaries), whatever the diagnosis and with it."""
    concepts = {
        "therapy": ["physical_therapy", "manual_therapy"],
        "chiropractic": ["chiropractic"],
        "xray": ["lumbar_xray"],
        "ct": ["lumbar_ct"],
        "mri": ["lumbar_mri"],
    }
    has_pain = any_in(library, ["low_back_pain"], "icd9cm", DIAGNOSES)
    shows = {name: any_in(library, sets, "hcpcs", ("HCPCS_CD_",)) for name, sets in concepts.items()}
    seen: dict[str, list[tuple[str, str]]] = {}
    for file in ("carrier", "outpatient", "inpatient"):
        with (public_claims / "claimsdb_synpuf" / f"{file}.csv").open() as lines:
            for claim in csv.DictReader(lines):
                whom, pain = (claim["DESYNPUF_ID"], claim["CLM_FROM_DT"]), has_pain(claim)
                names = [name for name, shown in shows.items() if shown(claim)]
                for name in [*names, *(["pain"] if pain else []), *(f"{name} with pain" for name in names if pain)]:
                    seen.setdefault(name, []).append(whom)
    counts = {name: (len(who), len({w[0] for w in who}), len(set(who))) for name, who in seen.items()}
    assert counts.pop("pain") == (1038, 295, 1030)
    assert counts.pop("therapy") == (891, 267, 887)
    assert counts.pop("therapy with pain") == (246, 140, 244)
    assert counts.pop("chiropractic") == (377, 196, 376)
    assert counts.pop("chiropractic with pain") == (188, 129, 187)
    assert {name: count[1:] for name, count in counts.items()} == {
        "xray": (73, 93), "xray with pain": (37, 42), "ct": (12, 12), "ct with pain": (6, 6),
        "mri": (41, 45), "mri with pain": (30, 32),
    }  # fmt: skip
