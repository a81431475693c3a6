"""Codes, versions of ICD and amounts as sources write them: what is read, what was mended, what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from counterpart.codes import decode, encode_column
from counterpart.sources import fields, unreadable

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]


AS_WRITTEN = """
system  | first   | second | is_mended | is_lost | codes
icd10cm | M545    |        | false     | false   | M545
icd10cm | M54.5   | M545   | true      | false   | M545
icd10cm | M545    | m5416  | true      | false   | M545 M5416
icd10cm | M5 45   |        | true      | false   | M545
icd10cm | N/A     | M545   | false     | false   | M545
icd10cm | M545    | M545   | false     | false   | M545
icd10cm | M5456789 | S72001A | false   | true    | S72001A
icd10cm | M5456789 | s72001a | true    | true    | S72001A
icd10cm | ÄM545   | M545   | false     | true    | M545
icd10cm | M54-50  | M545   | false     | true    | M545
icd10cm | m545677X | M545  | false     | true    | M545
icd10cm | M545    | .      | false     | false   | M545
icd10cm | 42      |        | false     | false   | 42
icd10cm |         |        | false     | false   |
icd9cm  | 7242    | V4589  | false     | false   | 7242 V4589
icd9cm  | 7242    | 42     | true      | false   | 7242 042
icd9cm  | 7       | 389    | true      | false   | 007 389
icd9cm  | 15.04   | 38.9   | true      | false   | 01504 0389
icd9cm  | 0       | V10    | false     | false   | 0 V10
hcpcs   | 72148   | G0283  | false     | false   | 72148 G0283
hcpcs   | 72148.0 |        | true      | false   | 72148
hcpcs   | 99213   | 7214826 | true     | false   | 99213 72148
hcpcs   | 1936    |        | true      | false   | 01936
hcpcs   | 0320    | 721    | false     | true    |
hcpcs   | ?????   |        | false     | true    |
revenue | 0320    | 00320  | false     | false   | 0320 00320
revenue | 320     |        | true      | false   | 0320
revenue | 320.0   | 0610   | true      | false   | 0320 0610
revenue | 0320x   |        | true      | false   | 0320X
ndc     | 00591034901 |    | false     | false   | 00591034901
ndc     | 591034901 |      | true      | false   | 00591034901
ndc     | 591034901.0 |    | true      | false   | 00591034901
ndc     | 0591-0349-01 |   | true      | false   | 00591034901
ndc     | N400591034901 |  | true      | false   | 00591034901
ndc     | 0591034901 |     | false     | true    |
ndc     |         |        | false     | false   |
icd10cm | 00000000 | -    | false     | false   |
icd10cm | ---     | \\N     | false     | false   |
hcpcs   | NULL    | 000    | false     | false   |
hcpcs   | 99213   | 9921x? | false     | true    | 99213
revenue | 0320    | 00000320 | false   | true    | 0320
ndc     | 0000000000 | (null) | false  | false   |
ndc     | 591034901 | 1.2E+9 | true    | true    | 00591034901
"""


def test_codes_that_need_mending_and_codes_that_are_lost(frame: Frame) -> None:
    """One by one, side by side and as lists."""
    kinds = "system string, first string, second string, is_mended boolean, is_lost boolean, codes string"
    codes = frame(AS_WRITTEN, kinds)
    pair, told = [F.col("first"), F.col("second")], []
    for system in ("icd10cm", "icd9cm", "hcpcs", "revenue", "ndc"):
        joined, each = fields.join_codes(pair), [encode_column(system, one) for one in pair]
        listed = F.array(*each) if system == "ndc" else fields.read_list(system, joined)
        rows = codes.filter(F.col("system") == system)
        is_any = fields.any_needs_mending(system, joined)
        is_one = reduce(or_, (fields.needs_mending(system, one) for one in pair))
        is_icd, are_lost = system.startswith("icd"), [reduce(or_, map(unreadable.is_unreadable_code, pair, each))]
        are_lost += [unreadable.has_unreadable_code(listed)] if system != "ndc" else []
        are_lost += [unreadable.any_unreadable_code(system, joined)] if not is_icd else []
        flags = (F.array(is_any, is_one), F.array(*are_lost), F.lit(is_icd))
        told += rows.select("is_mended", "is_lost", "codes", *flags, fields.readable(listed), F.array(*each)).collect()
    assert len(told) == codes.count()
    for row in told:
        is_mended, is_lost, expected, mended, lost, is_list, listed, each = row
        found = [" ".join(decode(code)[1] for code in codes if code is not None) for codes in (listed, each)]
        assert (set(mended), set(lost), found[0]) == ({is_mended}, {is_lost}, expected or ""), row
        assert is_list or found[0] == found[1]


def test_texts_that_went_through_a_float(frame: Frame) -> None:
    told = frame(
        """given | two_digits | whole | is_float
           23.0  | 23         | 23    | true
           2.0   | 02         | 2     | true
           2.    | 02         | 2     | true
           2     | 02         | 2     | false
           65    | 65         | 65    | false
           GP    | GP         | GP    | false
           131.0 | 131        | 131   | true
           a.b   | a.b        | a.b   | false
                 |            |       | false""",
        "given string, two_digits string, whole string, is_float boolean",
    )
    given = F.col("given")
    read = {
        "two_digits": fields.two_digits(given),
        "whole": fields.whole_code(given),
        "is_float": fields.is_any_float([F.lit(None).cast("string"), given, F.lit("GP")]),
    }
    assertDataFrameEqual(told.select("given", *(column.alias(name) for name, column in read.items())), told)


def test_versions_of_icd_as_they_are_told(frame: Frame) -> None:
    told = frame(
        """told   | version
           9      | 9
           09     | 9
           ICD-9  | 9
           9.0    | 9
           0      | 0
           10     | 0
           ICD-10 | 0
           10.0   | 0
           X      |
                  |""",
        "told string, version string",
    )
    assertDataFrameEqual(told.select("told", fields.icd_version(F.col("told")).alias("version")), told)


def test_amounts_that_cannot_be_read(frame: Frame) -> None:
    """One at a time, and among many; words for nothing are none."""
    told = frame(
        """given    | cents | is_unreadable
           80       | 8000  | false
           (80.00)  | -8000 | false
           80.00-   | -8000 | false
           -80,00   |       | true
           eighty   |       | true
           (eighty) |       | true
           1e15     |       | true
           -        |       | true
           .5       | 50    | false
           +8       | 800   | false
           NULL     |       | false
           NaN      |       | false
                    |       | false""",
        "given string, cents bigint, is_unreadable boolean",
    )
    both = told.withColumn("other", F.lit("1.00"))
    found = both.select("given", fields.cents(both, "given").alias("cents"), *(
        read.alias("is_unreadable") for read in [unreadable.has_unreadable_amount(both, "given", "other", "absent")]
    ))  # fmt: skip
    assertDataFrameEqual(found, told)
    among = both.select("given", unreadable.has_unreadable_among(both, ["given", "other"]).alias("is_unreadable"))
    assertDataFrameEqual(among, told.drop("cents"))
