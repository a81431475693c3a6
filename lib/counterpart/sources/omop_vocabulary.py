"""OMOP's concepts -> the codes they stand for, in the code systems that studies speak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import SYSTEMS, encode_column
from counterpart.sources import fields

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_SYSTEMS = {
    "ICD10CM": "icd10cm",
    "ICD9CM": "icd9cm",
    "CPT4": "hcpcs",
    "HCPCS": "hcpcs",
    "ICD10PCS": "icd10pcs",
    "ICD9Proc": "icd9pcs",
    "NDC": "ndc",
}
"""OMOP's vocabularies whose codes we know, and our names of the systems."""

_SHORTEST_NDC = 11
_PROCEDURE_WIDTH = 5

DIAGNOSES = ("icd10cm", "icd9cm")
PROCEDURES = ("hcpcs", "icd10pcs", "icd9pcs")
PRODUCTS = ("ndc",)
"""What a code of a system is, whatever table its row lies in: that is a matter of the vocabulary's domains."""

_SPECIALTIES = ("Medicare Specialty", "NUCC")
_MODIFIERS = ("CPT4", "HCPCS")
_MODIFIER = r"^[A-Z0-9]{2}$"


def code_concepts(concept: DataFrame) -> DataFrame:
    """The concept table -> `code_concept` and its encoded `code`; only concepts of systems that we know.

    UNREADABLE where it cannot be encoded: headings, modifiers, and products of NDC without a package are there as well.
    """
    vocabulary, text = fields.text(concept, "vocabulary_id"), fields.code(concept, "concept_code")
    # NDCs of nine digits are products without a package there, and none that lost zeros.
    is_product = (vocabulary == "NDC") & (F.length(text) < _SHORTEST_NDC)
    # CPT4's headings have codes of seven digits, and its modifiers of two: no procedures with a modifier or cut off.
    is_heading = vocabulary.isin(*_MODIFIERS) & (F.length(text) != _PROCEDURE_WIDTH)
    text = F.when(~F.coalesce(is_product | is_heading, F.lit(False)), text)
    codes = F.coalesce(*(F.when(vocabulary == name, encode_column(system, text)) for name, system in _SYSTEMS.items()))
    rows = concept.filter(vocabulary.isin(*_SYSTEMS)).select(
        fields.identifier(concept, "concept_id").alias("code_concept"),
        F.coalesce(codes, F.lit(fields.UNREADABLE).cast("bigint")).alias("code"),
    )
    return rows.groupBy("code_concept").agg(F.coalesce(F.min(_readable("code")), F.min("code")).alias("code"))


def add_code(rows: DataFrame, codes: DataFrame | None, standard: str, source: str) -> DataFrame:
    """Event rows -> the same with `line_code`: the code of the source concept, else that of the standard concept.

    And `is_unreadable`: neither has one that can be read, though one is of a system that we know.
    """
    if codes is None:
        return rows.withColumns({"line_code": F.lit(None).cast("bigint"), "is_unreadable": F.lit(False)})
    found = rows
    for name in (source, standard):
        renamed = codes.select(F.col("code_concept").alias(f"{name}_key"), F.col("code").alias(f"{name}_code"))
        found = found.join(renamed, _concept(rows, name) == F.col(f"{name}_key"), "left")
    told = (f"{source}_code", f"{standard}_code")
    code = F.coalesce(*(_readable(name) for name in told))
    is_unreadable = code.isNull() & F.coalesce(*told).isNotNull()
    return found.select(*rows.columns, code.alias("line_code"), is_unreadable.alias("is_unreadable"))


def _readable(code: str) -> Column:
    return F.when(F.col(code) != fields.UNREADABLE, F.col(code))


def code_of(code: Column, systems: tuple[str, ...]) -> Column:
    """The encoded code where it is of one of the systems, else null."""
    return F.when(F.shiftright(code, 56).isin(*(SYSTEMS[system] for system in systems)), code)


def add_modifier(rows: DataFrame, concept: DataFrame | None) -> DataFrame:
    """Procedures -> the same with `modifier_code`: the code of the modifier's concept, else the source's own text."""
    told = F.upper(fields.whole_code(fields.text(rows, "modifier_source_value")))
    written = F.when(told.rlike(_MODIFIER), told)
    if concept is None or not fields.has_field(rows, "modifier_concept_id"):
        return rows.withColumn("modifier_code", written)
    code = F.upper(fields.text(concept, "concept_code"))
    is_modifier = fields.text(concept, "vocabulary_id").isin(*_MODIFIERS) & code.rlike(_MODIFIER)
    named = concept.filter(is_modifier).select(
        fields.identifier(concept, "concept_id").alias("modifier_key"), code.alias("modifier_named")
    )
    known = named.groupBy("modifier_key").agg(F.min("modifier_named").alias("modifier_named"))
    found = rows.join(known, _concept(rows, "modifier_concept_id") == F.col("modifier_key"), "left")
    return found.select(*rows.columns, F.coalesce("modifier_named", written).alias("modifier_code"))


def specialty_codes(provider: DataFrame, concept: DataFrame | None) -> DataFrame:
    """Providers -> `rendering_id` and `specialty_code`: CMS specialty or taxonomy; without concepts as written."""
    keys = fields.identifier(provider, "provider_id").alias("rendering_id")
    if concept is None:
        told = provider.select(
            keys, F.upper(fields.whole_code(fields.text(provider, "specialty_source_value"))).alias("specialty_code")
        )
    else:
        named = concept.filter(fields.text(concept, "vocabulary_id").isin(*_SPECIALTIES)).select(
            fields.identifier(concept, "concept_id").alias("specialty_key"),
            F.upper(fields.text(concept, "concept_code")).alias("specialty_code"),
        )
        by_concept = _concept(provider, "specialty_concept_id") == F.col("specialty_key")
        told = provider.select("*", keys).join(named, by_concept, "left")
    return told.groupBy("rendering_id").agg(F.min("specialty_code").alias("specialty_code"))


def _concept(rows: DataFrame, name: str) -> Column:
    """The id of a concept; 0 is none, and so joins nothing."""
    return F.nullif(fields.identifier(rows, name), F.lit(0).cast("bigint"))
