"""Codes as integers, code sets as files: without Spark."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpart.codes import (
    SYSTEMS,
    CodeLibrary,
    CodeRange,
    CodeSet,
    code_rows,
    decode,
    encode,
    load_code_set,
    normalise,
)
from counterpart.codes.buckets import MAX_BUCKETS
from counterpart.codes.encoding import prefix_range
from counterpart.errors import CodeSetError

HEADER = "system,code,valid_from,valid_to,source\n"
ANY_DAY = date(2020, 6, 15)


def write(folder: Path, name: str, *rows: str) -> Path:
    path = folder / f"{name}.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def texts(code_set: CodeSet, system: str, *candidates: str, on: date = ANY_DAY) -> list[str]:
    return [text for text in candidates if code_set.contains(encode(system, text), on)]


# --- one code, one integer ------------------------------------------------------------------------------------------


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


# --- code sets as files ---------------------------------------------------------------------------------------------


def test_exact_prefix_and_range(tmp_path: Path) -> None:
    path = write(tmp_path, "mixed", "icd10cm,M54.5,,,own", "icd10cm,C50*,,,own", "icd10cm,D00*-D49*,,,own")
    code_set = load_code_set(path)
    assert texts(code_set, "icd10cm", "M545", "M5450", "M54") == ["M545"]
    assert texts(code_set, "icd10cm", "C50", "C50911", "C51", "C49") == ["C50", "C50911"]
    assert texts(code_set, "icd10cm", "D00", "D3A00", "D499", "D50", "C999") == ["D00", "D3A00", "D499"]
    assert not code_set.contains(encode("hcpcs", "C5091"), ANY_DAY)


def test_a_type_of_bill_is_one_with_its_zero_and_without(tmp_path: Path) -> None:
    one, other = (write(tmp_path, name, f"bill_type,{row}*,,,own") for name, row in (("one", "11"), ("other", "011")))
    found = load_code_set(one)
    assert found.content_hash == load_code_set(other).content_hash
    claims = ("111", "0117", "11", "131", "0110", "211")
    assert [text for text in claims if found.contains(encode("bill_type", text), ANY_DAY)] == [
        "111",
        "0117",
        "11",
        "0110",
    ]


def test_a_concept_and_what_is_below_it(tmp_path: Path) -> None:
    """`+` asks for descendants, which somebody who knows the vocabulary fills in, on the same dates."""
    bleeding, ulcer, burn = (encode("omop", text) for text in ("192671", " 4027663 ", "4296204"))
    found = load_code_set(write(tmp_path, "bleeding", "omop,192671+,2010-01-01,,t", "omop,4296204,,,t"))
    assert [ancestor.low for ancestor in found.ancestors] == [bleeding]
    filled = found.with_descendants({bleeding: [ulcer]})
    on, before = date(2012, 1, 1), date(2009, 1, 1)
    assert [filled.contains(code, on) for code in (bleeding, ulcer, burn)] == [True, True, True]
    assert [filled.contains(code, before) for code in (bleeding, ulcer, burn)] == [False, False, True]
    assert not found.contains(ulcer, on)
    assert filled.ancestors == ()
    assert filled.content_hash != found.content_hash


@pytest.mark.parametrize("text", ["0", "192671.0", "19267*", "4294967296", "SNOMED", ""])
def test_what_is_no_concept(text: str) -> None:
    """Neither OMOP's "no concept", nor a number with a dot in it, nor a beginning of one."""
    with pytest.raises(ValueError, match=r"concept is a number from|a code of omop is 1 to 10 digits"):
        encode("omop", text)


def test_dates_are_inclusive_service_dates(tmp_path: Path) -> None:
    path = write(tmp_path, "split", "icd10cm,M54.5,,2021-09-30,own", "icd10cm,M54.50,2021-10-01,,own")
    code_set, last_old, first_new = load_code_set(path), date(2021, 9, 30), date(2021, 10, 1)
    assert texts(code_set, "icd10cm", "M545", "M5450", on=last_old) == ["M545"]
    assert texts(code_set, "icd10cm", "M545", "M5450", on=first_new) == ["M5450"]


def test_comments_blank_lines_quotes_and_a_byte_order_mark_are_no_codes(tmp_path: Path) -> None:
    path = tmp_path / "quoted.csv"
    path.write_text(f'# why\n\n{HEADER}# more\nicd10cm, M54.5 ,,,"own, reviewed"\n', encoding="utf-8-sig")
    assert load_code_set(path).ranges == (CodeRange(encode("icd10cm", "M545"), encode("icd10cm", "M545")),)


def test_the_hash_follows_the_meaning(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = write(tmp_path / "a", "same", "icd10cm,C50*-C51*,,,own")
    other = write(
        tmp_path / "b", "same", "icd10cm,C51*,,,x", "icd10cm,C50*,,2020-12-31,x", "icd10cm,C50*,2021-01-01,,x",
        "icd10cm,C50.9,2019-01-01,2019-12-31,x",
    )  # fmt: skip
    assert load_code_set(plain) == load_code_set(other)
    dated = write(tmp_path, "same", "icd10cm,C50*-C51*,2016-01-01,,own")
    assert load_code_set(dated).content_hash != load_code_set(plain).content_hash


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path, "wrong", "icd10,M54.5,,,own", "icd10cm,M54!,2020-13-01,,", "icd10cm,M54.5,2021-01-02,2021-01-01,own",
        "icd10cm,M54.5,,own", "icd10cm,C96*-C00*,,,own", "icd10cm,*,,,own", "icd10cm,C00-C96,,,own",
        "hcpcs,72148-26,,,own", "hcpcs,72148,,,own",
    )  # fmt: skip
    with pytest.raises(CodeSetError) as told:
        load_code_set(path)
    lines = str(told.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{path}, line {n}" for n in range(2, 10)]
    for line, words in zip(
        lines,
        [
            ["'icd10'", "known systems are icd10cm"],
            ["'M54!'", "letters and digits", "'2020-13-01'", "YYYY-MM-DD", "source is empty"],
            ["valid_to 2021-01-01", "before valid_from 2021-01-02"],
            ["4 fields", "a row has 5"],
            ["runs backwards"],
            ["''", "1 to 7"],
            ["'C00-C96'", "letters and digits"],
            ["'72148-26'", "without a modifier"],
        ],
        strict=True,
    ):
        assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "the file is empty; the first row must be 'system,code,valid_from,valid_to,source'"),
        ("# only words\n", "the file is empty"),
        ("code,system\nM54.5,icd10cm\n", "line 1 is 'code,system'"),
        (HEADER, "there are no codes"),
    ],
)
def test_a_file_without_header_or_codes_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(content)
    with pytest.raises(CodeSetError, match=complaint):
        load_code_set(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CodeSetError, match="cannot be read as UTF-8 text"):
        load_code_set(path)


NEVER_FOUND = [
    ("icd10cm,250.00", "'25000' is not a code of icd10cm: one has 3 to 7 letters and digits, a letter first"),
    ("icd10cm,M5", "'M5' is not a code of icd10cm"),
    ("icd10cm,5*", "no code of icd10cm begins with '5'"),
    ("icd10cm,C00*-9*", "no code of icd10cm begins with '9'"),
    ("icd9cm,M54.5", "'M545' is not a code of icd9cm"),
    ("icd9cm,4200000", "'4200000' is not a code of icd9cm: one has 3 to 5 digits, or V or E and digits, such as 042"),
    ("icd9cm,E80", "'E80' is not a code of icd9cm"),
    ("hcpcs,100", "'100'; a code of hcpcs is 5 letters and digits"),
    ("hcpcs,7214X", "'7214X' is not a code of hcpcs"),
    ("hcpcs,AB*", "no code of hcpcs begins with 'AB'"),
    ("revenue,30*", "no code of revenue begins with '30': one has 4 digits, such as 0320 (03* are all that"),
    ("place,123", "'123' is not a code of place"),
    ("icd10pcs,BR39Y0", "'BR39Y0' is not a code of icd10pcs"),
    ("icd9pcs,8108A", "'8108A' is not a code of icd9pcs"),
    ("bill_type,011", "'11' is not a code of bill_type: one has 3 characters, with or without a zero in front"),
    ("bill_type,0*", "no code of bill_type begins with '0'"),
    ("bill_type,A1*", "no code of bill_type begins with 'A1'"),
    ("ndc,0*", "the range 00000000000 to 09999999999 spans 1,220,704 buckets of codes"),
]


@pytest.mark.parametrize(("row", "complaint"), NEVER_FOUND)
def test_what_no_claim_can_hold_is_refused_with_its_file(tmp_path: Path, row: str, complaint: str) -> None:
    path = write(tmp_path, "wrong", f"{row},,,own")
    with pytest.raises(CodeSetError) as told:
        load_code_set(path)
    assert str(told.value).startswith(str(path))
    assert complaint in str(told.value)


@pytest.mark.parametrize(
    "row",
    [
        *(
            "icd10cm,C7A*",
            "icd10cm,m54.5",
            "icd10cm,S32.009A",
            "icd10cm,Z*",
            "icd9cm,V58*",
            "icd9cm,E880.1",
            "icd9cm,04*",
        ),
        *(
            "hcpcs,0075T",
            "hcpcs,J1*",
            "hcpcs,9*",
            "revenue,320",
            "revenue,03*",
            "revenue,2101",
            "revenue,1*",
            "place,2",
        ),
        *("modifier,gp", "specialty,65", "specialty,2251*", "icd10pcs,BR3*", "icd9pcs,81.0*", "drg,39", "omop,192671+"),
        *("bill_type,0111", "bill_type,11*", "bill_type,12A"),
    ],
)
def test_what_claims_can_hold_is_taken(tmp_path: Path, row: str) -> None:
    assert load_code_set(write(tmp_path, "right", f"{row},,,own")).ranges


@pytest.mark.parametrize("day", ["2020-W01-1", "20200101", "2020-1-1", "2020-02-30", "２０２０-01-01"])
def test_a_date_is_written_in_one_way(tmp_path: Path, day: str) -> None:
    with pytest.raises(CodeSetError, match="a date is empty or written YYYY-MM-DD"):
        load_code_set(write(tmp_path, "wrong", f"icd10cm,M54.5,{day},,own"))


def test_the_file_name_is_the_name_of_the_concept(tmp_path: Path) -> None:
    with pytest.raises(CodeSetError, match="the name is 'Back Pain'; allowed are small letters"):
        load_code_set(write(tmp_path, "Back Pain", "icd10cm,M54.5,,,own"))


def test_a_later_folder_brings_its_own_sets(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    shipped.mkdir()
    own.mkdir()
    write(shipped, "opioids", "ndc,99001010110,,,demo")
    write(shipped, "pain", "icd10cm,M54.5,,,own")
    write(own, "opioids", "ndc,00406-0512*,,,site")
    with pytest.raises(CodeSetError, match="digits"):
        CodeLibrary.load([shipped, own])
    write(own, "opioids", "ndc,004060512*,,,site")
    library = CodeLibrary.load([shipped, own])
    assert sorted(library) == ["opioids", "pain"]
    assert texts(library["opioids"], "ndc", "00406-0512-01", "99001010110") == ["00406-0512-01"]


def test_an_unknown_set_names_its_nearest_neighbour(tmp_path: Path) -> None:
    write(tmp_path, "low_back_pain", "icd10cm,M54.5,,,own")
    write(tmp_path, "cancer", "icd10cm,C50*,,,own")
    library = CodeLibrary.load([tmp_path])
    with pytest.raises(CodeSetError, match="no code set 'lower_back_pain'; the nearest known one is 'low_back_pain'"):
        library["lower_back_pain"]
    assert ("cancer" in library, "cancers" in library, len(library)) == (True, False, 2)


def test_problems_of_all_files_and_folders_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "one", "icd10cm,?,,,own")
    write(tmp_path, "two", "icd10cm,M54.5,,,")
    with pytest.raises(CodeSetError) as told:
        CodeLibrary.load([tmp_path, tmp_path / "absent"])
    assert [
        word for word in ("one.csv", "two.csv", "absent: there is no such folder") if word not in str(told.value)
    ] == []


def test_an_empty_library_says_so() -> None:
    with pytest.raises(CodeSetError, match="the library is empty"):
        CodeLibrary({})["cancer"]


# --- ranges without overlap, rows for a join -------------------------------------------------------------------------

DAYS = [date(2020, 1, 1) + timedelta(days=n) for n in range(8)]
SMALL = ["A", "A1", "A12", "A123", "A2", "B", "B12", "AB1"]


@st.composite
def small_ranges(draw: st.DrawFn) -> list[CodeRange]:
    """A few ranges that overlap in code and date, with open ends, single days and ranges of prefixes."""
    ranges = []
    for _ in range(draw(st.integers(1, 6))):
        first, last = sorted(draw(st.tuples(st.sampled_from(SMALL), st.sampled_from(SMALL))))
        exact = draw(st.booleans())
        low = encode("icd10cm", first)
        high = low if exact else prefix_range("icd10cm", last)[1]
        start, end = sorted(draw(st.tuples(st.sampled_from(DAYS[1:7]), st.sampled_from(DAYS[1:7]))))
        ranges.append(CodeRange(low, high, draw(st.sampled_from([None, start])), draw(st.sampled_from([None, end]))))
    return ranges


@given(small_ranges())
@settings(max_examples=100, derandomize=True, deadline=None)
def test_merging_keeps_the_meaning_and_no_code_matches_twice(ranges: list[CodeRange]) -> None:
    naive = CodeSet("naive", tuple(ranges), "")
    merged = CodeSet.of("merged", ranges)
    rows = code_rows({7: merged})
    for text in [*SMALL, "A9", "A1Z", "Z"]:
        code = encode("icd10cm", text)
        for day in DAYS:
            hits = [
                row
                for row in rows
                if row.bucket == code >> 32
                and row.low <= code <= row.high
                and (row.valid_from or date.min) <= day <= (row.valid_to or date.max)
            ]
            assert merged.contains(code, day) == naive.contains(code, day)
            assert len(hits) == naive.contains(code, day)
    assert CodeSet.of("merged", reversed(ranges)) == merged
    assert CodeSet.of("merged", merged.ranges) == merged


def test_rows_cut_a_range_at_its_buckets() -> None:
    pregnancy = CodeSet.of(
        "pregnancy", [CodeRange(prefix_range("icd10cm", "O00")[0], prefix_range("icd10cm", "O9A")[1])]
    )
    rows = code_rows({3: pregnancy})
    beginnings = [decode(row.bucket << 32)[1] for row in rows]
    # O0x to O8x with 36 letters and digits each, O90 to O9A; two-character codes that begin each decade but O0 itself.
    assert len(rows) == 9 * 36 + 11 + 9
    assert (beginnings[0], beginnings[-1], "O1" in beginnings, "O0" in beginnings) == ("O00", "O9A", True, False)
    assert all(row.low >> 32 == row.high >> 32 == row.bucket for row in rows)
    assert {row.concept_id for row in rows} == {3}


def test_short_codes_and_short_prefixes_have_buckets() -> None:
    emergency = CodeSet.of("place", [CodeRange(*prefix_range("place", "2"))])
    buckets = {row.bucket for row in code_rows({1: emergency})}
    assert {encode("place", text) >> 32 for text in ("20", "23", "2Z")} <= buckets
    assert len(buckets) == 1 + 36 + 36 * 36


def test_one_letter_is_bounded_and_a_drug_range_too_wide_is_refused() -> None:
    widest = CodeSet.of("all", [CodeRange(prefix_range("icd10cm", "0")[0], prefix_range("icd10cm", "Z")[1])])
    assert len(code_rows({1: widest})) == MAX_BUCKETS
    labeller = CodeSet.of("labeller", [CodeRange(*prefix_range("ndc", "00002"))])
    assert 100 < len(code_rows({1: labeller})) < 200
    drugs = CodeSet.of("drugs", [CodeRange(*prefix_range("ndc", "0"))])
    with pytest.raises(CodeSetError, match="code set drugs: the range 00000000000 to 09999999999 spans"):
        code_rows({1: drugs})
