"""Copies, reversals, adjustments and replacements of claim lines: which holds, and what becomes of every row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.drafts import DRAFTS, HELD, OF_LINES, as_drafts, checkpoint, resolve

from counterpart.sources.claims import ClaimsTable, versions_of
from counterpart.sources.versions import Versions, resolve_versions
from counterpart.tables import MEDICAL

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]


def as_replacing(drafts: DataFrame) -> DataFrame:
    """Drafts of a layout that tells of replacements; those of others lack the column."""
    words = {"is_replacement": "whole", "is_void": "void"}
    return drafts.withColumns({flag: F.coalesce(F.col("kind").contains(w), F.lit(False)) for flag, w in words.items()})


def told(versions: Versions, ddl: str = DRAFTS) -> DataFrame:
    return versions.rows.select(*(part.split()[0] for part in ddl.split(", ")))


ONE_DELIVERY = """
claim_id        | paid_on    | sent_on | paid_cents | version_hash | kind     | fate        | rule
unread          | 2020-01-01 |         | 100        | 11           | unread   | kept        | unreadable_code
once unread     |            |         | 100        | 11           | unread   | merged      | duplicate
once unread     |            |         | 100        | 11           |          | kept        | as_sent
mended, unread  |            |         | 100        | 11           | unread mended | merged | duplicate
mended, unread  |            |         | 100        | 11           | mended   | kept        | mended
alone           | 2020-01-01 |         | 100        | 11           |          | kept        | as_sent
mended          | 2020-01-01 |         | 100        | 11           | mended   | kept        | mended
denied          | 2020-01-01 |         | 0          | 10           | denial   | quarantined | denied
orphan          | 2020-01-01 |         | -100       | 21           | reversal | quarantined | orphan_reversal
rejected        | 2020-01-01 |         | 100        | 11           | rejected | quarantined | null_key
rejected        | 2020-01-01 |         | 100        | 11           |          | kept        | as_sent
twice           | 2020-01-01 | 1       | 100        | 11           |          | merged      | duplicate
twice           | 2020-01-01 | 2       | 100        | 11           |          | kept        | as_sent
twice, unclean  |            |         | 100        | 11           | mended   | merged      | duplicate
twice, unclean  |            |         | 100        | 11           |          | kept        | as_sent
adjusted        | 2020-01-01 |         | 100        | 11           |          | merged      | superseded
adjusted        | 2020-02-01 |         | 80         | 12           |          | kept        | as_sent
sent later      | 2020-01-01 | 2       | 80         | 12           |          | kept        | as_sent
sent later      | 2020-01-01 | 1       | 100        | 11           |          | merged      | superseded
undated is older| 2020-01-01 |         | 80         | 12           |          | kept        | as_sent
undated is older|            |         | 100        | 11           |          | merged      | superseded
taken back      | 2020-01-01 |         | 100        | 11           |          | merged      | reversed
taken back      | 2020-02-01 |         | -100       | 21           | reversal | merged      | reversed
same day        | 2020-01-01 |         | 100        | 11           |          | merged      | reversed
same day        | 2020-01-01 |         | -100       | 21           | reversal | merged      | reversed
corrected       | 2020-01-01 |         | 100        | 11           |          | merged      | reversed
corrected       | 2020-02-01 |         | -100       | 21           | reversal | merged      | reversed
corrected       | 2020-02-01 |         | 80         | 12           |          | kept        | as_sent
back to before  | 2020-01-01 |         | 100        | 11           |          | kept        | as_sent
back to before  | 2020-02-01 |         | 80         | 12           |          | merged      | reversed
back to before  | 2020-03-01 |         | -80        | 22           | reversal | merged      | reversed
before its claim| 2020-01-01 |         | -100       | 21           | reversal | quarantined | orphan_reversal
before its claim| 2020-02-01 |         | 100        | 11           |          | kept        | as_sent
other amounts   | 2020-01-01 |         | 100        | 11           |          | kept        | as_sent
other amounts   | 2020-02-01 |         | -80        | 22           | reversal | quarantined | orphan_reversal
paid, denied    | 2020-01-01 |         | 100        | 11           |          | merged      | superseded
paid, denied    | 2020-02-01 |         | 0          | 10           | denial   | quarantined | denied
denied, paid    | 2020-01-01 |         | 0          | 10           | denial   | merged      | superseded
denied, paid    | 2020-02-01 |         | 100        | 11           |          | kept        | as_sent
denial withdrawn| 2020-01-01 |         | 0          | 10           | denial   | merged      | reversed
denial withdrawn| 2020-02-01 |         | 0          | 20           | reversal | merged      | reversed
denied that day | 2020-01-01 |         | 100        | 11           |          | merged      | superseded
denied that day | 2020-01-01 |         | 0          | 10           | denial   | quarantined | denied
rebilled        | 2020-01-01 |         | 100        | 11           |          | merged      | reversed
rebilled        | 2020-02-01 |         | -100       | 21           | reversal | merged      | reversed
rebilled        | 2020-02-01 |         | 100        | 13           |          | kept        | as_sent
all of one day  | 2020-01-01 |         | 100        | 11           |          | merged      | reversed
all of one day  | 2020-01-01 |         | -100       | 21           | reversal | merged      | reversed
all of one day  | 2020-01-01 |         | 100        | 13           |          | kept        | as_sent
rebilled alike  | 2020-01-01 |         | 100        | 11           |          | merged      | reversed
rebilled alike  | 2020-01-01 |         | -100       | 21           | reversal | merged      | reversed
rebilled alike  | 2020-01-01 |         | 100        | 11           |          | kept        | as_sent
alike, sent once|            | 1       | 100        | 11           |          | merged      | reversed
alike, sent once|            | 2       | -100       | 21           | reversal | merged      | reversed
alike, sent once|            | 2       | 100        | 11           |          | kept        | as_sent
both sent twice |            | 1       | 100        | 11           |          | merged      | duplicate
both sent twice |            | 1       | -100       | 21           | reversal | merged      | duplicate
both sent twice |            | 2       | 100        | 11           |          | merged      | reversed
both sent twice |            | 2       | -100       | 21           | reversal | merged      | reversed
"""


def test_versions_of_one_delivery(frame: Frame) -> None:
    rows = frame(ONE_DELIVERY, DRAFTS)
    assertDataFrameEqual(told(resolve(rows, None)), rows)


HELD_BEFORE = """
claim_id           | paid_cents | version_hash
untouched          | 100        | 11
sent again         | 100        | 11
corrected          | 100        | 11
taken back         | 100        | 11
history again      | 80         | 12
taken back, again  | 100        | 11
paid anew          | 100        | 11
paid anew, again   | 100        | 11
denied             | 100        | 11
orphan             | 100        | 11
replaced and back  | 100        | 11
rebilled           | 100        | 11
rebilled, undated  | 100        | 11
rebilled alike     | 100        | 11
rebilled, again    | 100        | 13
"""
LATER_DELIVERY = """
claim_id           | paid_on    | paid_cents | version_hash | kind     | fate        | rule
new                | 2020-01-01 | 100        | 11           |          | kept        | as_sent
sent again         | 2020-01-01 | 100        | 11           |          | merged      | duplicate
corrected          | 2020-02-01 | 80         | 12           |          | kept        | as_sent
taken back         | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
history again      | 2020-01-01 | 100        | 11           |          | merged      | reversed
history again      | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
history again      | 2020-02-01 | 80         | 12           |          | merged      | duplicate
taken back, again  | 2020-01-01 | 100        | 11           |          | merged      | reversed
taken back, again  | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
paid anew          | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
paid anew          | 2020-03-01 | 100        | 11           |          | merged      | duplicate
paid anew, again   | 2020-01-01 | 100        | 11           |          | merged      | reversed
paid anew, again   | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
paid anew, again   | 2020-03-01 | 100        | 11           |          | merged      | duplicate
denied             | 2020-02-01 | 0          | 10           | denial   | quarantined | denied
orphan             | 2020-02-01 | -80        | 22           | reversal | quarantined | orphan_reversal
replaced and back  | 2020-02-01 | 80         | 12           |          | merged      | superseded
replaced and back  | 2020-03-01 | 100        | 11           |          | merged      | duplicate
rebilled           | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
rebilled           | 2020-02-01 | 100        | 13           |          | kept        | as_sent
rebilled, undated  |            | -100       | 21           | reversal | merged      | reversed
rebilled, undated  |            | 100        | 13           |          | kept        | as_sent
rebilled alike     | 2020-02-01 | -100       | 21           | reversal | merged      | reversed
rebilled alike     | 2020-02-01 | 100        | 11           |          | merged      | duplicate
rebilled, again    |            | -100       | 21           | reversal | merged      | reversed
rebilled, again    |            | 100        | 13           |          | merged      | duplicate
"""


def test_a_later_delivery_meets_the_lines_of_the_table(frame: Frame) -> None:
    held = frame(HELD_BEFORE, HELD)
    rows = frame(LATER_DELIVERY, DRAFTS)
    retired = frame(
        """claim_id
           corrected
           taken back
           taken back, again
           denied
           rebilled
           rebilled, undated""",
        "claim_id string",
    )
    versions = resolve(rows, held)
    assertDataFrameEqual(told(versions), rows)
    assertDataFrameEqual(versions.retired.select("claim_id"), retired)


def test_a_row_that_is_a_whole_claim_takes_out_its_lines_of_all_periods(frame: Frame) -> None:
    lines = frame(
        """member_key | claim_id | line_number | version_hash | service_period
           1          | goes     | 2           | 11           | 202002
           1          | goes     | 1           | 11           | 202001
           1          | stays    | 1           | 11           | 202001""",
        "member_key bigint, claim_id string, line_number int, version_hash bigint, service_period int",
    )
    whole = ClaimsTable(MEDICAL, {}, (), "service_date", has_claim_rows=True)
    rows = frame(
        """claim_id | line_number | paid_on    | paid_cents | version_hash | kind   | fate        | rule
           goes     | 0           | 2020-03-01 | 0          | 10           | denial | quarantined | denied
           stays    | 0           | 2020-03-01 | 100        | 11           |        | merged      | duplicate""",
        OF_LINES + DRAFTS,
    )
    versions = resolve_versions(as_drafts(rows), versions_of(lines, whole), checkpoint, "claims")
    assertDataFrameEqual(told(versions, OF_LINES + DRAFTS), rows)
    assertDataFrameEqual(
        versions.retired, lines.filter("claim_id = 'goes'").drop("version_hash").select(*versions.retired.columns)
    )


def test_no_rows_at_all(frame: Frame) -> None:
    nothing = frame("claim_id | paid_on", DRAFTS)
    versions = resolve(nothing, frame("claim_id | paid_cents | version_hash\n held | 100 | 11", HELD))
    assertDataFrameEqual(told(versions), nothing)
    assert versions.retired.isEmpty()


HELD_BEFORE_REPLACEMENTS = """
claim_id           | line_number | paid_cents | version_hash
held               | 1           | 100        | 11
held               | 3           | 30         | 30
sent again         | 1           | 80         | 12
history again      | 1           | 80         | 12
void of a line     | 1           | 100        | 11
void of a line     | 3           | 30         | 30
taken back         | 3           | 30         | 30
corrected since    | 3           | 30         | 30
same line          | 1           | 100        | 11
reversed and gone  | 3           | 30         | 30
another claim      | 3           | 30         | 30
"""
REPLACEMENT = "claim_id | line_number | paid_on | sent_on | paid_cents | version_hash | kind | fate | rule"
# Told in the delivery, or lying in the table.
REPLACED = """
one delivery     | 1 | 2020-01-01 |   | 100  | 11 |                | merged      | superseded
one delivery     | 3 | 2020-01-01 |   | 30   | 30 |                | merged      | superseded
one delivery     | 1 | 2020-02-01 |   | 80   | 12 | whole          | kept        | as_sent
one delivery     | 4 | 2020-02-01 |   | 40   | 40 | whole mended   | kept        | mended
held             | 1 | 2020-02-01 |   | 80   | 12 | whole          | kept        | as_sent
held             | 2 | 2020-02-01 |   | 20   | 20 | whole          | kept        | as_sent
sent again       | 1 | 2020-02-01 | 1 | 80   | 12 | whole          | merged      | duplicate
sent again       | 1 | 2020-02-01 | 2 | 80   | 12 | whole          | merged      | duplicate
history again    | 1 | 2020-01-01 |   | 100  | 11 |                | merged      | superseded
history again    | 3 | 2020-01-01 |   | 30   | 30 |                | merged      | superseded
history again    | 1 | 2020-02-01 |   | 80   | 12 | whole          | merged      | duplicate
corrected since  | 1 | 2020-02-01 |   | 80   | 12 | whole          | kept        | as_sent
corrected since  | 3 | 2020-01-01 |   | 30   | 30 |                | merged      | superseded
corrected since  | 3 | 2020-03-01 |   | 30   | 31 |                | kept        | as_sent
"""
# Which is the last: by its day, by when it was sent, and without either.
REPLACED_IN_ORDER = """
undated          | 1 |            |   | 100  | 91 |                | merged      | superseded
undated          | 3 |            |   | 30   | 30 |                | merged      | superseded
undated          | 1 |            |   | 80   | 12 | whole          | kept        | as_sent
undated, same    | 1 |            |   | 100  | 11 |                | merged      | superseded
undated, same    | 3 |            |   | 30   | 30 |                | merged      | superseded
undated, same    | 1 |            |   | 100  | 11 | whole          | kept        | as_sent
undated, paid    | 1 |            |   | 100  | 11 |                | merged      | reversed
undated, paid    | 1 |            |   | -100 | 21 | whole reversal | merged      | reversed
undated, paid    | 1 |            |   | 100  | 13 | whole          | kept        | as_sent
by when sent     | 3 | 2020-02-01 | 2 | 30   | 30 |                | kept        | as_sent
by when sent     | 2 | 2020-02-01 |   | 20   | 20 |                | merged      | superseded
by when sent     | 1 | 2020-02-01 | 1 | 80   | 12 | whole          | kept        | as_sent
two in a row     | 1 | 2020-01-01 |   | 100  | 11 |                | merged      | superseded
two in a row     | 2 | 2020-02-01 |   | 20   | 20 | whole          | merged      | superseded
two in a row     | 1 | 2020-02-01 |   | 80   | 12 | whole          | merged      | superseded
two in a row     | 1 | 2020-03-01 |   | 80   | 13 | whole          | kept        | as_sent
of several days  | 3 | 2020-01-01 |   | 30   | 30 |                | merged      | superseded
of several days  | 1 | 2020-02-01 |   | 80   | 12 | whole          | kept        | as_sent
of several days  | 2 | 2020-02-03 |   | 20   | 20 | whole          | kept        | as_sent
numbered rows    | 3 |            | 1 | 30   | 30 |                | merged      | superseded
numbered rows    | 1 |            | 4 | 80   | 12 | whole          | kept        | as_sent
numbered rows    | 2 |            | 5 | 20   | 20 | whole          | kept        | as_sent
numbered, again  | 1 |            | 4 | 80   | 12 | whole          | merged      | superseded
numbered, again  | 2 |            | 5 | 20   | 20 | whole          | merged      | superseded
numbered, again  | 2 |            | 8 | 30   | 30 | whole          | kept        | as_sent
numbered, again  | 4 |            | 9 | 40   | 40 | whole          | kept        | as_sent
"""
# A claim that is void, and one whose line is denied.
VOIDED = """
void of a line   | 1 | 2020-02-01 |   | 0    | 10 | whole denial   | quarantined | denied
void of a line   | 2 | 2020-01-01 |   | 20   | 20 |                | merged      | superseded
numbered, void   | 1 |            | 4 | 80   | 12 | whole          | merged      | superseded
numbered, void   | 2 |            | 5 | 20   | 20 | whole          | merged      | superseded
numbered, void   | 1 |            | 8 | 0    | 10 | whole denial void | quarantined | denied
void of 2, anew  | 1 |            | 4 | 80   | 12 | whole          | merged      | superseded
void of 2, anew  | 2 |            | 5 | 20   | 20 | whole          | merged      | superseded
void of 2, anew  | 3 |            | 6 | 30   | 30 | whole          | merged      | superseded
void of 2, anew  | 1 |            | 8 | 0    | 10 | whole denial void | quarantined | denied
void of 2, anew  | 2 |            | 9 | 0    | 10 | whole denial void | merged   | superseded
void of 2, anew  | 2 |            | 10| 20   | 20 |                | kept        | as_sent
void of that day | 1 | 2020-02-01 |   | 80   | 12 | whole          | merged      | superseded
void of that day | 2 | 2020-02-01 |   | 20   | 20 | whole          | merged      | superseded
void of that day | 1 | 2020-02-01 |   | -80  | 9  | whole denial void | quarantined | denied
void is no amount| 1 | 2020-01-01 |   | 100  | 11 |                | merged      | reversed
void is no amount| 1 | 2020-02-01 |   | -100 | 9  | whole denial void | quarantined | denied
void is no amount| 1 | 2020-03-01 |   | -100 | 21 | reversal       | merged      | reversed
"""
REPLACED_AND_TAKEN_BACK = """
taken back       | 1 | 2020-01-01 |   | 100  | 11 |                | kept        | as_sent
taken back       | 1 | 2020-02-01 |   | 80   | 12 | whole          | merged      | reversed
taken back       | 1 | 2020-03-01 |   | -80  | 22 | whole reversal | merged      | reversed
taken back       | 2 | 2020-01-01 |   | 20   | 20 |                | kept        | as_sent
reversed and gone| 1 | 2020-02-01 |   | 80   | 12 | whole          | kept        | as_sent
reversed and gone| 3 | 2020-02-01 |   | -30  | 33 | reversal       | merged      | reversed
second taken back| 1 | 2020-02-01 |   | 80   | 12 | whole          | kept        | as_sent
second taken back| 2 | 2020-02-01 |   | 20   | 20 | whole          | kept        | as_sent
second taken back| 3 | 2020-01-01 |   | 30   | 30 |                | merged      | superseded
second taken back| 1 | 2020-03-01 |   | 70   | 14 | whole          | merged      | reversed
second taken back| 1 | 2020-04-01 |   | -70  | 24 | reversal       | merged      | reversed
"""
# Beside rows that replace nothing: copies, denials, rejected rows, reversals of nothing.
REPLACED_AMONG_OTHERS = """
copy counts      | 1 | 2020-02-01 | 1 | 80   | 12 | whole          | merged      | superseded
copy counts      | 1 | 2020-02-01 | 2 | 80   | 12 |                | kept        | as_sent
copy counts      | 3 | 2020-01-01 |   | 30   | 30 |                | merged      | superseded
rejected         | 1 | 2020-02-01 |   | 80   | 12 | whole rejected | quarantined | null_key
rejected         | 3 | 2020-01-01 |   | 30   | 30 |                | kept        | as_sent
a denial alone   | 1 | 2020-02-01 |   | 0    | 10 | denial         | quarantined | denied
a denial alone   | 3 | 2020-01-01 |   | 30   | 30 |                | kept        | as_sent
a line denied    | 1 | 2020-01-01 |   | 100  | 11 |                | merged      | superseded
a line denied    | 2 | 2020-01-01 |   | 0    | 10 | denial         | merged      | superseded
a line denied    | 1 | 2020-02-01 |   | 0    | 10 | whole denial   | quarantined | denied
a line denied    | 3 | 2020-02-01 |   | 30   | 30 | whole          | kept        | as_sent
orphans          | 3 | 2020-01-01 |   | -30  | 33 | reversal       | quarantined | orphan_reversal
orphans          | 1 | 2020-02-01 |   | 80   | 12 | whole          | kept        | as_sent
copies           | 3 | 2020-01-01 | 1 | 30   | 30 |                | merged      | duplicate
copies           | 3 | 2020-01-01 | 2 | 30   | 30 |                | merged      | superseded
copies           | 1 | 2020-02-01 |   | 80   | 12 | whole          | kept        | as_sent
same line        | 1 | 2020-02-01 |   | 100  | 11 | whole          | merged      | duplicate
"""


def test_a_replacement_stands_for_its_whole_claim(frame: Frame) -> None:
    """What it drops no longer holds, whether it was told in the delivery or lies in the table."""
    held = frame(HELD_BEFORE_REPLACEMENTS, OF_LINES + HELD)
    ddl = OF_LINES + DRAFTS
    claims = REPLACED + REPLACED_IN_ORDER + VOIDED + REPLACED_AND_TAKEN_BACK + REPLACED_AMONG_OTHERS
    rows = frame(REPLACEMENT + claims, ddl)
    retired = frame(
        """claim_id          | line_number
           held              | 1
           held              | 3
           void of a line    | 1
           void of a line    | 3
           corrected since   | 3
           reversed and gone | 3""",
        "claim_id string, line_number int",
    )
    versions = resolve(rows, held, lambda rows: as_replacing(as_drafts(rows)))
    assertDataFrameEqual(told(versions, ddl), rows)
    assertDataFrameEqual(versions.retired.select("claim_id", "line_number"), retired)
