"""Raw claims of any layout -> the declared claims tables, with every source row accounted for.

    delivery = build_claims("tuva", raw, IngestContext(delivery="2021-10", received_on=date(2021, 10, 15), ...))

`raw` maps the source's table names to frames as they were read (CSV: all strings). The result's frames are lazy:

- `members`, `enrollment`, `program`: the whole new tables, what existed joined with this delivery;
- `open_cover`: whose cover has no end, and since when, for later deliveries to end it;
- `medical`, `pharmacy`: lines to add, new ones and new versions of old ones;
- `medical_retired`, `pharmacy_retired`: lines of the tables to take out first, superseded or reversed by this delivery,
  by key and service period (None without existing tables). New table = old - retired + added; rows sent twice are
  neither;
- `crosswalk`: former ids of members as they are to be kept for later deliveries (None where none was ever told);
- `ancestors`: OMOP concepts and what their vocabulary has below them (None where the source has none);
- `quarantine`: source rows that cannot be used, with the reason;
- `intake`: the fates of all source rows, adding up to the rows of each source table.

Most frames are read more than once on the way. `IngestContext.stage` writes such a frame and returns it read back, so
that a source is typed once; by default nothing is written.

A new layout is one module: a `Layout` of `Source`s, each a list of columns and a function from the raw frame to
the named Columns of a form (`layout`). See docs/layouts.md.
"""

from counterpart.sources.accounts import IngestContext
from counterpart.sources.delivery import LAYOUTS, ClaimsDelivery, build_claims, layout_of, source_tables
from counterpart.sources.layout import Layout, Source

__all__ = [
    "LAYOUTS",
    "ClaimsDelivery",
    "IngestContext",
    "Layout",
    "Source",
    "build_claims",
    "layout_of",
    "source_tables",
]
