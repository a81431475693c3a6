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
from counterpart.sources import fields

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]


AS_WRITTEN = """
system  | first   | second | is_mended | codes
icd10cm | M545    |        | false     | M545
icd10cm | M54.5   | M545   | true      | M545
icd10cm | M545    | m5416  | true      | M545 M5416
icd10cm | M5 45   |        | true      | M545
icd10cm | N/A     | M545   | false     | M545
icd10cm | M545    | M545   | false     | M545
icd10cm | M5456789 | S72001A | false   | S72001A
icd10cm | M5456789 | s72001a | true    | S72001A
icd10cm | ÄM545   | M545   | false     | M545
icd10cm | M54-50  | M545   | false     | M545
icd10cm | m545677X | M545  | false     | M545
icd10cm | M545    | .      | false     | M545
icd10cm | 42      |        | false     | 42
icd10cm |         |        | false     |
icd9cm  | 7242    | V4589  | false     | 7242 V4589
icd9cm  | 7242    | 42     | true      | 7242 042
icd9cm  | 7       | 389    | true      | 007 389
icd9cm  | 15.04   | 38.9   | true      | 01504 0389
icd9cm  | 0       | V10    | false     | 0 V10
hcpcs   | 72148   | G0283  | false     | 72148 G0283
hcpcs   | 72148.0 |        | true      | 72148
hcpcs   | 99213   | 7214826 | true     | 99213 72148
hcpcs   | 1936    |        | true      | 01936
hcpcs   | 0320    | 721    | false     |
hcpcs   | ?????   |        | false     |
revenue | 0320    | 00320  | false     | 0320 00320
revenue | 320     |        | true      | 0320
revenue | 320.0   | 0610   | true      | 0320 0610
revenue | 0320x   |        | true      | 0320X
ndc     | 00591034901 |    | false     | 00591034901
ndc     | 591034901 |      | true      | 00591034901
ndc     | 591034901.0 |    | true      | 00591034901
ndc     | 0591-0349-01 |   | true      | 00591034901
ndc     | N400591034901 |  | true      | 00591034901
ndc     | 0591034901 |     | false     |
ndc     |         |        | false     |
"""


def test_codes_that_need_mending(frame: Frame) -> None:
    codes = frame(AS_WRITTEN, "system string, first string, second string, is_mended boolean, codes string")
    pair, told = [F.col("first"), F.col("second")], []
    for system in ("icd10cm", "icd9cm", "hcpcs", "revenue", "ndc"):
        read = F.array(*(encode_column(system, one) for one in pair))
        if system.startswith("icd"):
            read = fields.encode_list(system, fields.join_codes(pair))
        rows = codes.filter(F.col("system") == system)
        is_any = fields.any_needs_mending(system, fields.join_codes(pair))
        is_one = reduce(or_, (fields.needs_mending(system, one) for one in pair))
        told += rows.select("is_mended", "codes", is_any, is_one, read, *pair).collect()
    assert len(told) == codes.count()
    for row in told:
        found = " ".join(decode(code)[1] for code in row[4] if code is not None)
        assert (row[2], row[3], found) == (row[0], row[0], row[1] or ""), row


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
        read.alias("is_unreadable") for read in [fields.has_unreadable_amount(both, "given", "other", "absent")]
    ))  # fmt: skip
    assertDataFrameEqual(found, told)
    among = both.select("given", fields.has_unreadable_among(both, ["given", "other"]).alias("is_unreadable"))
    assertDataFrameEqual(among, told.drop("cents"))
