"""One code, one integer: read as it was meant, stored as documented, and text that is no code is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpart.codes import SYSTEMS, decode, encode, normalise
from counterpart.codes.encoding import prefix_range


@pytest.mark.parametrize(
    ("system", "text", "stored"),
    [
        ("icd10cm", " m54.50\t", "M5450"),
        ("icd10cm", "S33.5XXA", "S335XXA"),
        ("icd9cm", "724.2", "7242"),
        ("hcpcs", "g0380", "G0380"),
        ("icd10pcs", "0SG00A0", "0SG00A0"),
        ("revenue", "320", "0320"),
        ("place", "2", "02"),
        ("drg", "39", "039"),
        ("modifier", "gp", "GP"),
        ("specialty", "65", "65"),
        ("specialty", "225100000X", "225100000X"),
        ("specialty", "0", "0"),
        ("ndc", "00002322730", "00002322730"),
        ("ndc", "0002-3227-30", "00002322730"),
        ("ndc", "12345-678-90", "12345067890"),
        ("ndc", "12345-6789-0", "12345678900"),
        ("ndc", "99999999999", "99999999999"),
        ("ndc", "591034901", "00591034901"),
        ("ndc", "2322730", "00002322730"),
        ("ndc", "591034901.0", "00591034901"),
        ("ndc", "N400002322730", "00002322730"),
        ("ndc", "n4 0002-3227-30", "00002322730"),
        ("revenue", "320.0", "0320"),
        ("place", "23.0", "23"),
        ("place", "2.", "02"),
        ("drg", "39.0", "039"),
        ("bill_type", "0111", "111"),
        ("bill_type", "11g", "11G"),
        ("bill_type", "131.0", "131"),
        ("hcpcs", "72148.0", "72148"),
        ("hcpcs", "7214826", "72148"),
        ("hcpcs", "72148 26", "72148"),
        ("hcpcs", "72148-tc", "72148"),
        ("hcpcs", "0275T-50", "0275T"),
        ("hcpcs", "1936", "01936"),
        ("hcpcs", "1936.0", "01936"),
        ("icd9cm", "38.9", "0389"),
        ("icd9cm", "15.04", "01504"),
        ("icd9cm", "8.45", "00845"),
        ("icd9cm", "63.0", "0630"),
        ("icd9cm", "42", "042"),
        ("icd9cm", "7", "007"),
        ("icd9cm", "320.0", "3200"),
        ("icd9cm", "389", "389"),
        ("icd9cm", "0", "0"),
        ("icd9cm", "V10", "V10"),
        ("icd9pcs", "45.6", "456"),
        ("icd9pcs", "81.0", "810"),
        ("icd9pcs", "8108.0", "8108"),
        ("icd9pcs", "810.0", "810"),
    ],
)
def test_a_code_is_read_back_as_it_was_meant(system: str, text: str, stored: str) -> None:
    assert decode(encode(system, text)) == (system, stored)


def test_the_number_is_the_documented_one() -> None:
    assert encode("icd10cm", "M54.5") == int("01" + b"M545".hex() + "000000", 16)
    assert encode("ndc", "00002322730") == 5 << 56 | 2322730 << 19
    assert encode("specialty", "65") == 8 << 56 | int("6500000000", 36) << 4 | 2


@pytest.mark.parametrize(
    ("system", "text", "complaint"),
    [
        ("icd10cm", " . ", "1 to 7 letters and digits"),
        ("icd10cm", "M54.50XXX", "1 to 7"),
        ("hcpcs", "72148-2", "letters and digits"),
        ("hcpcs", "0320", "a code of hcpcs is 5 letters and digits"),
        ("hcpcs", "7214", "a code of hcpcs is 5"),
        ("hcpcs", "0016070", "a code of hcpcs is 5"),  # a procedure of ICD-10
        ("hcpcs", "S72001A", "a code of hcpcs is 5"),  # a diagnosis
        ("hcpcs", "7214826LT", "1 to 7 letters and digits"),
        ("icd10cm", "ſ33", "letters and digits"),  # upper-cases to S33
        ("ndc", "0002322730", "an NDC is 11 digits"),
        ("ndc", "0002-322-730", "an NDC is 11 digits"),
        ("ndc", "٠٠٠٠٢٣٢٢٧٣٠", "an NDC is 11 digits"),
        ("ndc", "5910349010.0", "an NDC is 11 digits"),
        ("ndc", "005910349", "an NDC is 11 digits"),
        ("ndc", "322730", "an NDC is 11 digits"),
        ("ndc", "N42322730", "an NDC is 11 digits"),
        ("ndc", "*0002322730", "an NDC is 11 digits"),
        ("ndc", "000023227301", "an NDC is 11 digits"),
        ("snomed", "1", "known systems are icd10cm"),
    ],
)
def test_text_that_is_no_code_is_refused(system: str, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        encode(system, text)


def test_a_number_of_no_system_is_not_decoded() -> None:
    with pytest.raises(ValueError, match="no system has number 0"):
        decode(7242)


def test_a_procedure_is_never_read_as_a_diagnosis() -> None:
    assert normalise("45.62") == normalise("456.2")
    assert encode("icd9pcs", "45.62") != encode("icd9cm", "456.2")


def test_systems_keep_their_numbers() -> None:
    """They are stored in tables."""
    assert list(SYSTEMS.items()) == [
        ("icd10cm", 1), ("icd9cm", 2), ("hcpcs", 3), ("revenue", 4), ("ndc", 5), ("place", 6),
        ("modifier", 7), ("specialty", 8), ("icd10pcs", 9), ("icd9pcs", 10), ("drg", 11), ("omop", 12),
        ("bill_type", 13),
    ]  # fmt: skip


WIDTHS = {"icd10cm": 7, "icd10pcs": 7, "specialty": 10, "ndc": 11}


@given(st.data())
@settings(max_examples=200, derandomize=True, deadline=None)
def test_a_prefix_is_a_range(data: st.DataObject) -> None:
    """For all systems: a code lies in the range of a prefix exactly if it starts with it."""
    system = data.draw(st.sampled_from(sorted(WIDTHS)))
    alphabet = "0159" if system == "ndc" else "059AMZ"
    full = data.draw(st.text(alphabet, min_size=11 if system == "ndc" else 1, max_size=WIDTHS[system]))
    other = data.draw(st.text(alphabet, min_size=1, max_size=WIDTHS[system]))
    prefix = data.draw(st.sampled_from([full[: len(other)], other]))
    low, high = prefix_range(system, prefix)
    assert (low <= encode(system, full) <= high) == full.startswith(prefix)


@pytest.mark.parametrize("text", ["0", "192671.0", "19267*", "4294967296", "SNOMED", ""])
def test_what_is_no_concept(text: str) -> None:
    """Neither OMOP's "no concept", nor a number with a dot in it, nor a beginning of one."""
    with pytest.raises(ValueError, match=r"concept is a number from|a code of omop is 1 to 10 digits"):
        encode("omop", text)
