"""Codes by column, system and month, and those that are written like no code of their system.

Lines are counted down to distinct codes of a month first, so that texts are looked at once a code, not once a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes.encoding import ASCII_WIDTH, SYSTEM_SHIFT, SYSTEMS
from counterpart.tables import conform
from counterpart.tallies import TALLIES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# How the codes of a system are written, without dots: whether a code is in this year's edition is not asked.
# CPT has five digits or four and a letter of its categories II (F), III (T), PLA (U), MAAA (M) and anesthesia (A);
# HCPCS level II a letter from A to V and four digits. ICD-10-CM begins with letter and digit (CMS 2024 guidelines).
FORMATS: Mapping[str, str] = {
    "hcpcs": r"^([0-9]{4}[0-9AFMTU]|[A-V][0-9]{4})$",
    "icd10cm": r"^[A-Z][0-9][0-9AB][0-9A-Z]{0,4}$",
    "icd9cm": r"^([0-9]{3}|V[0-9]{2})[0-9]{0,2}$|^E[0-9]{3}[0-9]?$",
    "icd10pcs": r"^[0-9A-HJ-NP-Z]{7}$",
    "icd9pcs": r"^[0-9]{2,4}$",
    "revenue": r"^[0-9]{4}$",
    "place": r"^[0-9]{2}$",
    "bill_type": r"^0?[0-9]{2}[0-9A-Z]$",
    "drg": r"^[0-9]{3}$",
    "specialty": r"^([0-9A-Z]{2}|[0-9]{3}[0-9A-Z]{6}X)$",
}
# An NDC has eleven digits and a concept is a number, else they were not encoded at all.
_ALWAYS_WELL_WRITTEN = ("ndc",)

_ENCODED = {"medical": ("procedure", "revenue", "drg"), "pharmacy": ("ndc",)}
# Columns that are lists, and the codes in them.
_LISTED = {"medical": {"diagnoses": "diagnoses", "facility_procedures": "facility_procedures.code"}, "pharmacy": {}}
_WRITTEN = {"medical": ("place", "bill_type", "specialty"), "pharmacy": ()}


def tally_codes(lines: DataFrame, part: str) -> DataFrame:
    """Claim line -> tallies `codes` and `unrecognised` by column (name), system (detail) and month.

    A diagnosis or a facility's procedure counts on each line of its claim, for there the tables have it.
    """
    no_code, no_text = F.lit(None).cast("bigint"), F.lit(None).cast("string")
    cells = [_cell(name, F.col(name), no_text) for name in _ENCODED[part]]
    cells += [_cell(name, no_code, F.col(name)) for name in _WRITTEN[part]]
    every = F.concat(F.array(*cells), *(_cells_of(name, codes) for name, codes in _LISTED[part].items()))
    found = lines.select("service_month", F.inline(every)).filter("code IS NOT NULL OR text IS NOT NULL")
    codes = found.groupBy("service_month", "name", "code", "text").agg(F.count("*").alias("n"))
    system, text = _system_of(F.col("code"), F.col("name")), F.coalesce("text", _text_of(F.col("code")))
    read = codes.select("service_month", "name", system.alias("detail"), "n", text.alias("text"))
    is_known = F.col("detail").isin(*_ALWAYS_WELL_WRITTEN) | _is_well_written(F.col("detail"), F.col("text"))
    topic = F.explode(F.when(is_known, F.array(F.lit("codes"))).otherwise(F.array(*map(F.lit, _BOTH))))
    return conform(
        read.select("service_month", "name", "detail", "n", topic.alias("topic"))
        .groupBy("topic", "name", "detail", F.col("service_month").cast("bigint").alias("at"))
        .agg(F.sum("n").alias("n"))
        .withColumn("part", F.lit(part)),
        TALLIES,
    )


_BOTH = ("codes", "unrecognised")
_CELLS = "array<struct<name:string,code:bigint,text:string>>"


def _cells_of(name: str, codes: str) -> Column:
    """A cell for each code of a column of lists."""
    cells = F.transform(codes, lambda code: _cell(name, code, F.lit(None).cast("string")))
    return F.coalesce(cells, F.array().cast(_CELLS))


def _cell(name: str, code: Column, text: Column) -> Column:
    return F.struct(F.lit(name).alias("name"), code.alias("code"), text.alias("text"))


def _system_of(code: Column, name: Column) -> Column:
    """The system by the code's top byte; columns that are texts are systems of their own."""
    number = F.shiftright(code, SYSTEM_SHIFT)
    cases = [F.when(number == F.lit(value), F.lit(system)) for system, value in SYSTEMS.items()]
    return F.coalesce(*cases, name)


def _text_of(code: Column) -> Column:
    """The seven characters of an encoded code; nonsense for a number, but no error, as ASCII would be."""
    payload = F.lpad(F.hex(code.bitwiseAND(F.lit((1 << SYSTEM_SHIFT) - 1))), 2 * ASCII_WIDTH, "0")
    return F.regexp_replace(F.decode(F.unhex(payload), "ISO-8859-1"), "\0+$", "")


def _is_well_written(system: Column, text: Column) -> Column:
    tests = [F.when(system == name, text.rlike(pattern)) for name, pattern in FORMATS.items()]
    return F.coalesce(*tests, F.lit(False))
