"""OMOP's concept_ancestor: which concepts a vocabulary has below which, for studies that ask for descendants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from counterpart.codes import concept_column
from counterpart.sources import fields
from counterpart.sources.accounts import AS_SENT, KEPT, MERGED, QUARANTINED, fate, row_as_json
from counterpart.sources.layout import Lookup
from counterpart.tables import CONCEPT_ANCESTORS, conform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def label_ancestors(lookup: Lookup, raw: DataFrame) -> DataFrame:
    """Row of concept_ancestor -> the same, encoded, with `fate` and `rule`."""
    ancestor, descendant = (concept_column(fields.identifier(raw, name)) for name in lookup.required)
    is_keyless = ancestor.isNull() | descendant.isNull()
    rows = raw.select(
        F.lit(lookup.name).alias("source"),
        ancestor.alias("ancestor"),
        descendant.alias("descendant"),
        row_as_json(lookup.required, is_keyless).alias("row_json"),
    )
    same = W.partitionBy("ancestor", "descendant").orderBy("row_json")
    labels = fate(
        (F.col("ancestor").isNull() | F.col("descendant").isNull(), QUARANTINED, "null_key"),
        (F.col("copy") > 1, MERGED, "duplicate"),
        (F.lit(True), KEPT, AS_SENT),
    )
    return rows.withColumn("copy", F.row_number().over(same)).select(*rows.columns, *labels)


def select_ancestors(labelled: DataFrame) -> DataFrame:
    """Labelled rows -> concept and one below it (contract CONCEPT_ANCESTORS)."""
    return conform(labelled.filter(F.col("fate") == KEPT), CONCEPT_ANCESTORS)
