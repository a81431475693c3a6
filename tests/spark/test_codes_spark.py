"""The Spark side of codes says what the Python side says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from counterpart.codes import (
    CODE_ROWS_DDL,
    SYSTEMS,
    CodeRange,
    CodeSet,
    code_rows,
    encode,
    encode_column,
    is_in,
    joined_modifier,
    match_codes,
)
from counterpart.codes.encoding import modifier_of, prefix_range

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

# What claims hold where a code should be, and what they mean by it.
ODD_TEXTS = [
    None, "", " ", ".", "M54.5", " m54.50 ", "M54.5\t", "\u00a0M54.5", "S33.5XXA", "S33.5XXAA", "72148", "72148-26",
    "N/A", "#", "320", "0320", "00320", "2", "02", "39", "225100000X", "225100000XX", "0", "00", "ſ33", "ß12", "Å12",
    "A12\u2028", "A12\n", "M54·5", "00002322730", "0002-3227-30", "12345-678-90", "12345-6789-0", "123-4567-89",
    "1234567890", "+0002322730", "-0002322730", "0002322730.", "99999999999", "999999999999", "0002 3227 30",
    "591034901", " 591 034 901", "591034901.0", "591034901.", "591.034901", "5910349010.0", "005910349", "000000000",
    "2322730", "322730", "2322730\n", "N400002322730", "n4 0002-3227-30", "N42322730", "*0002322730", "N400002322730.0",
    "320.0", "23.0", "2.0", "2.", "39.0", ".0", "72148.0", "7214826", "72148 26", "72148-tc", "72148-26.0", "72148-2",
    "7214826LT", "1936", "1936.", "1936.0", "0320", "0016070", "S72001A", "0275TRT", "00100QZ", "00100-QZ", "g0283",
    "38.9", "15.04", "8.45", "08.45", "63.0", "42", "42.", "7", "08", "389", "0.1", "V1.1", "V10", "E95", "456.2",
    "٠٠٠٠٢٣٢٢٧٣٠", "1e5", "\x00",
]  # fmt: skip
SEED, N_RANDOM = 20200315, 400


def encoded(system: str, text: str | None) -> int | None:
    try:
        return None if text is None else encode(system, text)
    except ValueError:
        return None


def random_texts() -> list[str]:
    dice = random.Random(SEED)
    return ["".join(dice.choices("09AZaz. -\t*", k=dice.randint(0, 12))) for _ in range(N_RANDOM)]


def test_both_sides_encode_alike(spark: SparkSession) -> None:
    """Every system, odd and random texts, in one frame: the same number, or null where Python refuses."""
    texts = [*ODD_TEXTS, *random_texts()]
    claims = spark.createDataFrame([(n, text) for n, text in enumerate(texts)], "n int, text string")
    rows = claims.select("n", *(encode_column(system, F.col("text")).alias(system) for system in SYSTEMS)).collect()
    wrong = [
        (system, texts[row["n"]], row[system])
        for row in rows
        for system in SYSTEMS
        if row[system] != encoded(system, texts[row["n"]])
    ]
    assert len(rows) == len(texts)
    assert wrong == []


def test_the_system_may_stand_in_a_column(frame: Frame) -> None:
    claims = frame(
        """system   | text
           icd10cm  | M54.5
           icd9cm   | 724.2
           icd10pcs | 0SG00A0
           icd9cm   | 38.9
           icd10cm  | 38.9
           hcpcs    | 72148-26
           hcpcs    | 7214
           ndc      | 00002322730
           snomed   | 1234
                    | M54.5
           icd10cm  |
        """,
        "system string, text string",
    )
    codes = [row[0] for row in claims.select(encode_column(F.col("system"), F.col("text"))).collect()]
    expected = [
        *(("icd10cm", "M545"), ("icd9cm", "7242"), ("icd10pcs", "0SG00A0"), ("icd9cm", "0389"), ("icd10cm", "389")),
        ("hcpcs", "72148"),
    ]
    assert codes == [*(encode(*pair) for pair in expected), None, None, None, None, None]


def test_both_sides_find_the_same_modifiers_in_fields_of_procedures(spark: SparkSession) -> None:
    texts = [*ODD_TEXTS, *random_texts()]
    fields = spark.createDataFrame([(n, text) for n, text in enumerate(texts)], "n int, text string")
    found = {row[0]: row[1] for row in fields.select("n", joined_modifier(F.col("text"))).collect()}
    assert found == {n: None if text is None else modifier_of(text) for n, text in enumerate(texts)}
    joined = {text: found[n] for n, text in enumerate(texts) if found[n]}
    assert joined == {
        "2322730": "30", "2322730\n": "30", "72148-26": "26",
        "7214826": "26", "72148 26": "26", "72148-tc": "TC", "72148-26.0": "26", "0275TRT": "RT",
        "00100-QZ": "QZ",
    }  # fmt: skip


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(ValueError, match="'icd10'; known systems are icd10cm"):
        encode_column("icd10", F.lit("M54.5"))


SPLIT = date(2021, 10, 1)
SETS = {
    1: CodeSet.of(
        "pain",
        [
            CodeRange(encode("icd10cm", "M54.5"), encode("icd10cm", "M54.5"), None, SPLIT - timedelta(days=1)),
            CodeRange(*prefix_range("icd10cm", "M54.5"), SPLIT, None),
            CodeRange(encode("icd10cm", "M54.50"), encode("icd10cm", "M54.59"), SPLIT, None),
        ],
    ),
    2: CodeSet.of(
        "cancer", [CodeRange(prefix_range("icd10cm", "C00")[0], prefix_range("icd10cm", "C96")[1], None, None)]
    ),
    3: CodeSet.of("visits", [CodeRange(encode("hcpcs", text), encode("hcpcs", text)) for text in ("99202", "99213")]),
    4: CodeSet.of("emergency", [CodeRange(*prefix_range("place", "2")), CodeRange(*prefix_range("place", "23"))]),
    5: CodeSet.of("labeller", [CodeRange(*prefix_range("ndc", "99001"))]),
    6: CodeSet.of("therapist", [CodeRange(*prefix_range("specialty", "2251"))]),
}
CODES = [
    ("icd10cm", "M54.5"), ("icd10cm", "M54.50"), ("icd10cm", "M54.59"), ("icd10cm", "M54"), ("icd10cm", "C4A.0"),
    ("icd10cm", "C96.Z"), ("icd10cm", "C97"), ("icd9cm", "C50"), ("hcpcs", "99213"), ("hcpcs", "99214"),
    ("place", "23"), ("place", "2"), ("place", "32"), ("ndc", "99001010110"), ("ndc", "99002020106"),
    ("specialty", "2251X0800X"), ("specialty", "225200000X"),
]  # fmt: skip
DAYS = [date(2015, 1, 1), SPLIT - timedelta(days=1), SPLIT, SPLIT + timedelta(days=1)]


def claims_of_all_codes(spark: SparkSession) -> DataFrame:
    lines = [(encode(*code), day) for code in CODES for day in DAYS]
    return spark.createDataFrame([*lines, (None, DAYS[0])], "code bigint, on date")


def expected_matches() -> set[tuple[int, int, date]]:
    return {
        (concept_id, encode(*code), day)
        for concept_id, code_set in SETS.items()
        for code in CODES
        for day in DAYS
        if code_set.contains(encode(*code), day)
    }


def test_the_join_finds_each_concept_once(spark: SparkSession) -> None:
    concepts = spark.createDataFrame(code_rows(SETS), CODE_ROWS_DDL)
    hits = match_codes(claims_of_all_codes(spark), F.col("code"), F.col("on"), concepts)
    found = [(row.concept_id, row.code, row.on) for row in hits.collect()]
    assert len(found) == len(set(found))
    assert set(found) == expected_matches()
    assert Counter(concept_id for concept_id, _, _ in found) == {1: 8, 2: 8, 3: 4, 4: 4, 5: 4, 6: 4}


def test_the_predicate_says_the_same_and_is_never_null(spark: SparkSession) -> None:
    claims = claims_of_all_codes(spark)
    empty = CodeSet.of("nothing", [])
    tests = [
        is_in(code_set, F.col("code"), F.col("on")).alias(str(key)) for key, code_set in (SETS | {0: empty}).items()
    ]
    rows = claims.select("*", *tests).collect()
    assert {row[str(key)] for row in rows for key in (*SETS, 0)} == {True, False}
    found = {(key, row.code, row.on) for row in rows for key in SETS if row[str(key)]}
    assert found == expected_matches()
    assert not any(row["0"] for row in rows)


def test_without_a_date_only_undated_ranges_answer(spark: SparkSession) -> None:
    lines = [(encode("icd10cm", text), None) for text in ("M54.50", "C50")]
    tests = [is_in(SETS[key], F.col("code"), F.col("on")) for key in (1, 2)]
    rows = spark.createDataFrame(lines, "code bigint, on date").select(*tests).collect()
    assert [tuple(row) for row in rows] == [(False, False), (False, True)]
