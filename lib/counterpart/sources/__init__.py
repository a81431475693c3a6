"""Raw claims of any layout -> the declared claims tables, with every source row accounted for.

    delivery = build_claims("tuva", raw, IngestContext(delivery="2021-10", received_on=date(2021, 10, 15), ...))

`raw` maps the source's table names to frames as they were read (CSV: all strings). The result's frames are lazy:

    members, enrollment, program    the whole new tables: what existed, joined with this delivery
    medical, pharmacy               lines to add: new ones and new versions of old ones
    medical_retired, pharmacy_retired   existing lines to take out first (superseded or reversed by this delivery), as whole
                                    rows of the table. New table = old - retired + added; a delivery sent twice has
                                    neither.
    quarantine                      source rows that cannot be used, with the reason
    intake                          fates of all source rows: (delivery, source, fate, rule, n_rows), fates kept, merged, quarantined

`IngestContext.stage(name, frame)` is called for each frame that is read more than once: it should write the frame and return it
read back, so that the source is scanned and shuffled once. Its default returns the frame as it is.

`IngestContext.existing` holds the declared tables as they are before this delivery (none: {}).
"""

from counterpart.sources.accounts import IngestContext
from counterpart.sources.delivery import LAYOUTS, ClaimsDelivery, build_claims, source_tables
from counterpart.sources.layout import Layout, Source

__all__ = ["LAYOUTS", "ClaimsDelivery", "IngestContext", "Layout", "Source", "build_claims", "source_tables"]
