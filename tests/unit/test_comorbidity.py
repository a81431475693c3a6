"""The indices of Charlson and Elixhauser against published and independently computed figures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from counterpart.codes import CodeLibrary, encode
from counterpart.numerics.comorbidity import (
    CONDITIONS,
    ELIXHAUSER_HIERARCHY,
    VAN_WALRAVEN,
    WEIGHTS,
    charlson,
    elixhauser,
)
from counterpart.shipped import shipped_conf

ANY_DAY = date(2015, 1, 1)


@pytest.fixture(scope="module")
def library() -> CodeLibrary:
    return CodeLibrary.load([shipped_conf() / "codesets"])


def flags_of(
    library: CodeLibrary, system: str, *patients: list[str], index: str = "charlson", names: Sequence[str] = CONDITIONS
) -> np.ndarray:
    """Patients' diagnoses -> a row of flags each by the shipped code sets of an index."""
    encoded = [[encode(system, text) for text in codes] for codes in patients]
    return np.array(
        [
            [any(library[f"{index}_{name}"].contains(code, ANY_DAY) for code in codes) for name in names]
            for codes in encoded
        ]
    )


def test_weights_are_the_published_ones() -> None:
    """Charlson 1987; Quan 2011, Am J Epidemiol 173:676, Table 3 (AIDS 4)."""
    one_each = np.eye(17, dtype=bool)
    assert charlson(one_each).tolist() == [*[1] * 10, 2, 2, 2, 2, 3, 6, 6]
    assert dict(zip(CONDITIONS, charlson(one_each, "quan2011").tolist(), strict=True)) == {
        "mi": 0, "chf": 2, "pvd": 0, "cevd": 0, "dementia": 2, "cpd": 1, "rheumd": 1, "pud": 0, "mld": 2, "diab": 0,
        "diabwc": 1, "hp": 2, "rend": 1, "canc": 2, "msld": 4, "metacanc": 6, "aids": 4,
    }  # fmt: skip


def test_the_graver_form_replaces_the_milder() -> None:
    everything = np.ones((1, 17), dtype=bool)
    for name, weights in WEIGHTS.items():
        spared = sum(weights[CONDITIONS.index(milder)] for milder in ("mld", "diab", "canc"))
        assert charlson(everything, name, hierarchy=False).tolist() == [sum(weights)]
        assert charlson(everything, name).tolist() == [sum(weights) - spared]
    assert everything.all()  # the caller's array is left alone


def test_no_rows_and_wrong_shapes() -> None:
    assert charlson(np.zeros((0, 17), dtype=bool)).tolist() == []
    with pytest.raises(ValueError, match=r"bool of shape \(3, 16\); they must be bool of shape \(n, 17\)"):
        charlson(np.zeros((3, 16), dtype=bool))
    with pytest.raises(ValueError, match="flags are int64"):
        charlson(np.zeros((3, 17), dtype=np.int64))


def test_known_patients(library: CodeLibrary) -> None:
    """Examples published with the R packages icd and comorbidity."""
    icd9 = flags_of(library, "icd9cm", ["441", "250.0"], ["412.93", "250.0"], ["042"], ["250.0"])
    assert charlson(icd9).tolist() == [2, 2, 6, 1]
    assert charlson(flags_of(library, "icd10cm", ["B20", "C50"]), "quan2011").tolist() == [6]


def test_american_letters_stay_out_of_published_ranges(library: CodeLibrary) -> None:
    """C7A (a primary tumour) sorts between C79 and C80, C4A between C49 and C50: neither is in Quan's list."""
    assert not flags_of(library, "icd10cm", ["C7A00", "C4A0"]).any()
    assert charlson(flags_of(library, "icd10cm", ["C79.51"], ["C49.9"])).tolist() == [6, 2]


def vermont(public_claims: Path, index: str) -> tuple[list[dict[str, str]], list[list[str]]]:
    """1,000 discharges: what the R package comorbidity makes of each, and its diagnoses."""
    folder = public_claims / "comorbidity"
    with (folder / f"vermont_{index}_assign0_TRUE.csv").open() as lines:
        expected = {row["id"]: row for row in csv.DictReader(lines)}
    codes: dict[str, list[str]] = {patient: [] for patient in expected}
    with (folder / "vermont_long_icd9.csv").open() as lines:
        for row in csv.DictReader(lines):
            codes[row["id"]].append(row["code"])
    return list(expected.values()), list(codes.values())


@pytest.mark.realdata
def test_vermont_discharges_patient_by_patient(library: CodeLibrary, public_claims: Path) -> None:
    """1,000 discharges, as the R package comorbidity maps and scores them (its flags are after the hierarchy)."""
    rows, codes = vermont(public_claims, "charlson")
    flags = flags_of(library, "icd9cm", *codes)

    for index, name in enumerate(CONDITIONS):
        graver = {"mld": "msld", "diab": "diabwc", "canc": "metacanc"}.get(name)
        seen = flags[:, index] & ~flags[:, CONDITIONS.index(graver)] if graver else flags[:, index]
        assert seen.astype(int).tolist() == [int(row[name]) for row in rows], name
    assert charlson(flags).tolist() == [int(row["charlson_orig"]) for row in rows]
    assert charlson(flags, "quan2011").tolist() == [int(row["charlson_quan2011"]) for row in rows]

    # The published summary, hierarchy on and off.
    points, without = charlson(flags), charlson(flags, hierarchy=False)
    assert (points.min(), np.median(points), points.mean(), points.max()) == (0, 1, 1.573, 9)
    assert (without.mean(), without.max()) == (1.629, 11)


def test_van_walraven_s_points_and_the_graver_forms() -> None:
    """Med Care 2009;47:626, Table 2; all conditions at once."""
    one_each = np.eye(31, dtype=bool)
    points = {name: n for name, n in zip(VAN_WALRAVEN, elixhauser(one_each).tolist(), strict=True) if n}
    assert points == {
        "chf": 7, "carit": 5, "valv": -1, "pcd": 4, "pvd": 2, "para": 7, "ond": 6, "cpd": 3, "rf": 5, "ld": 11,
        "lymph": 9, "metacanc": 12, "solidtum": 4, "coag": 3, "obes": -4, "wloss": 6, "fed": 5, "blane": -2,
        "dane": -2, "drug": -7, "depre": -3,
    }  # fmt: skip
    everything = np.ones((1, 31), dtype=bool)
    assert elixhauser(everything, hierarchy=False).tolist() == [sum(points.values())]
    assert elixhauser(everything).tolist() == [sum(points.values()) - points["solidtum"]]
    with pytest.raises(ValueError, match=r"bool of shape \(3, 17\); they must be bool of shape \(n, 31\)"):
        elixhauser(np.zeros((3, 17), dtype=bool))


def test_codes_of_two_elixhauser_conditions(library: CodeLibrary) -> None:
    """They count in both: I11.0 is heart failure and complicated hypertension."""
    both = "I110 I130 I132 I426 G114 I278 I279 I120 I131 K700 K703 K709 F315 F204".split()
    flags = flags_of(library, "icd10cm", *([code] for code in both), index="elixhauser", names=tuple(VAN_WALRAVEN))
    assert flags.sum(axis=1).tolist() == [2] * len(both)


@pytest.mark.realdata
def test_vermont_discharges_by_elixhauser(library: CodeLibrary, public_claims: Path) -> None:
    """31 flags and van Walraven's score of 1,000 discharges, patient by patient (its flags are after the hierarchy)."""
    rows, codes = vermont(public_claims, "elixhauser")
    names = list(VAN_WALRAVEN)
    flags = flags_of(library, "icd9cm", *codes, index="elixhauser", names=names)
    seen = flags.copy()
    for milder, graver in ELIXHAUSER_HIERARCHY:
        seen[:, names.index(milder)] &= ~flags[:, names.index(graver)]
    for place, name in enumerate(names):
        assert seen[:, place].astype(int).tolist() == [int(row[name]) for row in rows], name
    assert elixhauser(flags).tolist() == [int(row["elix_vw"]) for row in rows]
