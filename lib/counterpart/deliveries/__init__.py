"""Raw claims as they lie at a site -> frames by source table: files of a folder, Delta tables, tables of a catalog.

The only place that reads raw claims. `read_source` reads what a site's document names; `read_delivery` a folder.
"""

from counterpart.deliveries.delivery import read_delivery, read_source
from counterpart.deliveries.failures import unreadable_files_told
from counterpart.deliveries.places import absolute, file_system
from counterpart.deliveries.source_table import Delivery, SourceTable

__all__ = [
    "Delivery",
    "SourceTable",
    "absolute",
    "file_system",
    "read_delivery",
    "read_source",
    "unreadable_files_told",
]
