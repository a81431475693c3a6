"""Ranges of codes: merged so that no code matches twice, and cut at the buckets that a join is by."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpart.codes import CodeRange, CodeSet, code_rows, decode, encode
from counterpart.codes.buckets import MAX_BUCKETS
from counterpart.codes.encoding import prefix_range
from counterpart.errors import CodeSetError

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
