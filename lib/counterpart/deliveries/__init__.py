"""Raw claims as they lie at a site -> frames by source table: files of a folder, Delta tables, tables of a catalog.

The only place that reads raw claims. `read_source` reads what a site's document names; `read_delivery` a folder,
`read_table` one table at an address of its own, `read_catalog_table` one by its name.
"""

from counterpart.deliveries.catalog import read_catalog_table
from counterpart.deliveries.delivery import read_delivery, read_source
from counterpart.deliveries.failures import condition_of, explain_unreadable_files
from counterpart.deliveries.folder import read_table
from counterpart.deliveries.places import absolute, file_system
from counterpart.deliveries.source_table import Delivery, SourceTable

__all__ = [
    "Delivery",
    "SourceTable",
    "absolute",
    "condition_of",
    "explain_unreadable_files",
    "file_system",
    "read_catalog_table",
    "read_delivery",
    "read_source",
    "read_table",
]
