"""Which version of ICD a claim's diagnoses are of, where it does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column

# ICD-10 replaced ICD-9 in claims from this day: of services that begin then, or of stays that end then (CMS, MLN
# Matters SE1408).
_FIRST_ICD10_DAY = "2015-10-01"
# A code of ICD-9 begins with a digit, V or E. With a digit behind the letter, for NONE is no code; `join_codes` puts
# the separator between codes.
_ICD10_ONLY = r"(^|\x1f)[\s\u00a0]*[A-DF-UW-Za-df-uw-z][0-9]"


def coding_day(claim_type: Column, start: Column, end: Column) -> Column:
    """The day that decides: a facility codes a stay by its last day, all others go by the day of service."""
    return F.when(claim_type == "institutional", F.coalesce(end, start)).otherwise(start)


def is_icd9(day: Column, joined: Column) -> Column:
    """Are joined codes of that day ICD-9? Not from ICD-10's first day on, nor where one of them can only be ICD-10."""
    is_before = day < F.lit(_FIRST_ICD10_DAY).cast("date")
    return F.coalesce(is_before & ~F.coalesce(joined.rlike(_ICD10_ONLY), F.lit(False)), F.lit(False))
