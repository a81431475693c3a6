"""Code sets as files: what a row means, what no claim can hold, and which of several folders counts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from counterpart.codes import CodeLibrary, CodeRange, CodeSet, encode, load_code_set
from counterpart.errors import CodeSetError

HEADER = "system,code,valid_from,valid_to,source\n"
ANY_DAY = date(2020, 6, 15)


def write(folder: Path, name: str, *rows: str) -> Path:
    path = folder / f"{name}.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def texts(code_set: CodeSet, system: str, *candidates: str, on: date = ANY_DAY) -> list[str]:
    return [text for text in candidates if code_set.contains(encode(system, text), on)]


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
    held = [text for text in claims if found.contains(encode("bill_type", text), ANY_DAY)]
    assert held == ["111", "0117", "11", "0110"]


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
