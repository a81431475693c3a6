"""Bad input, kind by kind, and what each must get: an error that is clear, or rows with a named fate. One table.

A document or a set of files gets `<exit code>: <part of the message>`, or `read <rows>`. A row gets fates, a line of
the file each: `kept as_sent`, `quarantined null_key`, ...: those are in `tests.bad_rows`.
"""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bad_rows import ROWS, Bad

# Whoever reads a message must not find these in it.
CANARIES = ("P0031415", "SMITHSON", "1980-05-05")


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


HEAD = "person_id,claim_id,day\n"
ROW = "P0031415,SMITHSON,1980-05-05\n"
TEXT = HEAD + ROW
PARQUET = parquet(person_id=["P0031415"], claim_id=["SMITHSON"], day=["1980-05-05"])
SCHEMA = {"type": "struct", "fields": [
    {"name": name, "type": "string", "nullable": True, "metadata": {}} for name in HEAD[:-1].split(",")]}  # fmt: skip
FORMAT = {"provider": "parquet", "options": {}}
DELTA = "\n".join(
    json.dumps(action)
    for action in (
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": {"id": "00000000-0000-4000-8000-000000000001", "format": FORMAT, "partitionColumns": [],
                      "schemaString": json.dumps(SCHEMA), "configuration": {}, "createdTime": 0}},
        {"add": {"path": "a.parquet", "partitionValues": {}, "size": len(PARQUET), "modificationTime": 0,
                 "dataChange": True}},
    )
)  # fmt: skip
LOG, NEXT, LAST = (f"claims/_delta_log/{version:020d}.json" for version in range(3))
TOOK_OUT = json.dumps({"remove": {"path": "a.parquet", "deletionTimestamp": 0, "dataChange": True}})
TABLE = {LOG: DELTA, "claims/a.parquet": PARQUET}
ZIPPED = gzip.compress((HEAD + ROW * 50_000).encode())
LACKS = "12: table claims lacks"
NO_NAMES = "found 3 columns, none of them by such a name: a text file begins with the names of its columns"

SITES = [
    Bad("site", *case)
    for case in (
        ("no file", None, "10: does not exist; a site document is a YAML file"),
        ("zero bytes", "", "10: is empty; a site document is a YAML file with sections"),
        ("only comments", "# nothing\n", "10: is empty"),
        ("a list", "- a\n", "10: must have sections"),
        ("UTF-16", "name: x".encode("utf-16"), "10: is not text in UTF-8"),
        ("latin-1", "name: Zo\xeb".encode("latin-1"), "10: is not text in UTF-8"),
        ("tabs to indent", "name: a\n\tx: 1\n", "10: is not valid YAML: line 2, column 1"),
        ("brackets that stay open", "name: [a\n", "10: is not valid YAML: line 2"),
        ("a NUL byte", b"name: a\x00\n", "10: is not valid YAML: unacceptable character"),
        ("two documents", "name: a\n---\nname: b\n", "10: but found another document"),
        ("an object of Python", "name: !!python/object:os.system x\n", "10: could not determine a constructor"),
        ("a key twice", "name: a\nname: b\nwarehouse: w\nreports: r\n", "10: line 2: name is written twice"),
        ("a misspelt key", {"warehous": "w"}, "10: warehous: unknown key; did you mean warehouse?"),
        ("an unknown layout", {"source": {"layout": "sas", "path": "p"}}, "10: source.layout: must be 'tuva'"),
        ("a source without a folder", {"source": {"layout": "tuva"}}, "10: source.path: is missing"),
        ("a folder and a schema", {"source": {"layout": "tuva", "path": "p", "catalog": "c"}}, "10: source.catalog: s"),
        ("a schema in a schema", {"source": {"layout": "tuva", "catalog": "a.b.c"}}, "10: source.catalog: cannot be"),
        ("a version below zero", {"source": {"layout": "tuva", "path": "p", "versions": {"claims": -1}}},
         "10: source.versions.claims: must be greater than or equal to 0 (found -1)"),
        ("a mapping without its document", {"source": {"layout": "mapping", "path": "p"}}, "10: source.mapping: is"),
        ("percent where a share is meant", {"max_quarantined": 5}, "10: max_quarantined: must be less than or equal"),
        ("a share in quotes", {"max_quarantined": "0.1"}, "10: max_quarantined: must be a number (found '0.1'"),
        ("not a number", {"max_quarantined": float("nan")}, "10: max_quarantined: must be a number"),
        ("a day that is none", {"rules": {"earliest_service": "2015-02-30"}}, "10: is not a day of the calendar"),
        ("a day in American", {"rules": {"earliest_service": "1/1/2015"}}, "10: must be a day, written like 2020-01-3"),
        ("an unknown fate", {"rules": {"unknown_sex": "drop"}}, "10: rules.unknown_sex: must be 'keep' or 'quarantine"),
        ("negative days", {"rules": {"after_death_days": -1}}, "10: rules.after_death_days: must be greater"),
        ("memory without a unit", {"spark": {"driver_memory": "4 GB"}}, "10: spark.driver_memory: cannot be read"),
    )
]  # fmt: skip

MAPPINGS = [
    Bad("mapping", *case)
    for case in (
        ("an unknown section", ("medicall", {}), "10: medicall: unknown key; did you mean medical?"),
        ("a misspelt field", ("medical.lines.servce_date", "D"), "10: unknown key; did you mean service_date?"),
        ("no date of service", ("medical.lines.service_date", ...), "10: medical.lines.service_date: is missing"),
        ("a number for a column", ("medical.lines.claim_id", 7), "10: must be a column's name, a list of names"),
        ("no column", ("medical.lines.claim_id", []), "10: must name a column or a constant"),
        ("an unknown format", ("dates", ["mdy"]), "10: dates.0: must be 'iso'"),
        ("formats that contradict", ("dates", ["mm/dd/yyyy", "dd/mm/yyyy"]), "10: read the same text as different day"),
        ("excel and sas at once", ("dates", ["excel", "sas"]), "10: read the same text as different days"),
        ("a format twice", ("dates", ["iso", "iso"]), "10: dates: listed twice: iso"),
        ("another currency", ("amounts.unit", "euros"), "10: amounts.unit: must be 'dollars' or 'cents'"),
        ("an unknown encoding", ("files.encoding", "utf-16"), "10: files.encoding: must be 'utf-8' or 'latin-1'"),
        ("no separator", ("files.separator", ""), "10: files.separator: must not be empty"),
        ("a quote of two characters", ("files.quote", "''"), "10: files.quote: "),
        ("an unknown sex", ("eligibility.spans.sex", {"column": "G", "values": {"1": "male"}}), "10: must be 'F', 'M'"),
        ("a range backwards", ("medical.lines.diagnoses", ["DX9..DX1"]), "10: must go from a smaller number"),
        ("a range of two stems", ("medical.lines.diagnoses", "DX1..DY9"), "10: 'DX1..DY9' is not a range"),
        ("an end without a start", ("eligibility.spans.start_date", ...), "10: is missing: end_date is given"),
        ("one column in two cases", ("medical.lines.place", "mbr"), "10: MBR and mbr are one column"),
        ("a table of two kinds", ("pharmacy.lines", {"person_id": "M", "claim_id": "C", "dispensing_date": "D",
         "ndc": "N"}), "10: is mapped already"),
        ("no medical claims", ("medical", {}), "10: medical: must have at least 1 item"),
    )
]  # fmt: skip

FILES = [
    Bad("files", *case)
    for case in (
        ("no folder", None, "13: does not exist; the site's source.path names the folder of the raw claims"),
        ("a file for a folder", {"": TEXT}, "13: is a file; the site's source.path names the folder"),
        ("an empty folder", {"other.csv": TEXT}, "13: lacks claims; each must be a folder of Parquet or CSV files"),
        ("an empty folder of the table", {"claims/_SUCCESS": ""}, "13: lacks claims"),
        ("an address nobody knows", "s3x://bucket/claims", "15: cannot be reached (UnsupportedFileSystemException)"),
        ("an address that is none", "nope:", "15: cannot be reached"),
        ("a spreadsheet", {"claims.xlsx": "PK"}, "13: lacks claims"),
        ("a zip file", {"claims.zip": "PK"}, "13: lacks claims"),
        ("a spreadsheet in the folder", {"claims/a.xlsx": "PK"}, "13: neither all .parquet nor all"),
        ("text and Parquet together", {"claims/a.csv": TEXT, "claims/b.parquet": PARQUET}, "13: neither all .parquet"),
        ("a table in two places", {"claims/a.csv": TEXT, "claims.csv": TEXT}, "13: is there in 2 places (claims, cl"),
        ("two formats of a table", {"claims.parquet": PARQUET, "claims.csv": TEXT}, "13: is there in 2 places"),
        ("numbered and not", {"claims.csv": TEXT, "claims_2020.csv": TEXT}, "13: is there in 2 places"),
        ("capitals that differ", {"claims.csv": TEXT, "CLAIMS.csv": TEXT}, "13: is there twice, under names that di"),
        ("a Delta table", TABLE, "read 1"),
        ("a Delta table beside files of no version", TABLE | {"claims/b.parquet": PARQUET}, "read 1"),
        ("a Delta table whose rows were taken out", TABLE | {NEXT: TOOK_OUT}, "read 0"),
        ("a Delta table as it was before", TABLE | {NEXT: TOOK_OUT, "@versions": {"claims": 0}}, "read 1"),
        ("a version that was never written", TABLE | {"@versions": {"claims": 7}}, "13: claims has no version 7 that"),
        ("a version of what is no Delta table", {"claims.csv": TEXT, "@versions": {"claims": 0}},
         "10: source.versions names claims, which is not a Delta table"),
        ("a version of no table", TABLE | {"@versions": {"clams": 0}}, "10: source.versions names clams, which is no"),
        ("a Delta table that a VACUUM broke", {LOG: DELTA}, "13: file a.parquet is gone (FAILED_READ_FILE.FILE_NOT_E"),
        ("a Delta table without a commit", {"claims/_delta_log/0.json": "{}", "claims/a.parquet": PARQUET},
         "13: claims is a Delta table that cannot be read (DELTA_TABLE_NOT_FOUND)"),
        ("a Delta table with a damaged commit", {LOG: "{x"}, "13: claims is a Delta table that cannot be read (FAILED"),
        ("a Delta table without a commit between", TABLE | {LAST: TOOK_OUT}, "13: (DELTA_VERSIONS_NOT_CONTIGUOUS)"),
        ("a Delta table in a folder below", {f"claims/2020{LOG[6:]}": DELTA}, "13: has a Delta table in a folder be"),
        ("a Delta table and a file", TABLE | {"claims.csv": TEXT}, "13: is there in 2 places (claims, claims.csv)"),
        ("a hidden file beside", {"claims/a.csv": TEXT, "claims/.b.csv": "garbage"}, "read 1"),
        ("a folder somebody is at work on", {"claims/a.csv": TEXT, "claims/_temporary/0/b.csv": TEXT}, "read 1"),
        ("a folder named like a file", {"claims.csv/part-0.csv": TEXT}, "read 1"),
        ("folders in the folder", {"claims/2020/a.csv": TEXT, "claims/2021/a.csv": TEXT}, "read 2"),
        ("a link to a file", {"elsewhere/x.csv": TEXT, "claims.csv": "-> elsewhere/x.csv"}, "read 1"),
        ("a link to nothing", {"claims.csv": "-> nowhere.csv"}, "13: lacks claims"),
        ("zero bytes", {"claims.csv": ""}, "13: has empty files only; a CSV file begins with the names of its columns"),
        ("zero bytes, zipped", {"claims.csv.gz": b""}, "13: has empty files only"),
        ("zero bytes of Parquet", {"claims.parquet": b""}, "13: cannot be read: FAILED_READ_FILE.CANNOT_READ_FILE_FOO"),
        ("an empty file among others", {"claims/a.csv": TEXT, "claims/b.csv": ""}, "read 1"),
        ("only blank lines", {"claims.csv": "\n  \n\n"}, "13: has empty files only"),
        ("zero rows", {"claims.csv": HEAD}, "read 0"),
        ("zero rows of Parquet", {"claims.parquet": parquet(**dict.fromkeys(("person_id", "claim_id", "day"),
         pa.array([], pa.string())))}, "read 0"),
        ("no heading", {"claims.csv": ROW}, f"{LACKS} person_id, claim_id, day ({NO_NAMES}"),
        ("no heading in one of the files", {"claims/a.csv": TEXT, "claims/b.csv": ROW}, "13: shares no name of a c"),
        ("another table's file among them", {"claims/a.csv": TEXT, "claims/b.csv": "x,y\n1,2\n"}, "13: shares no name"),
        ("a title above the heading", {"claims.csv": f"Claims of 2020\n{TEXT}"}, f"{LACKS} person_id, claim_id, day ("),
        ("blank lines above the heading", {"claims.csv": f"\n  \n{TEXT}"}, "read 1"),
        ("a missing column", {"claims.csv": "person_id,claim_id\nP0031415,SMITHSON\n"}, f"{LACKS} day (found person_i"),
        ("a missing column of Parquet", {"claims.parquet": parquet(person_id=["SMITHSON"])}, f"{LACKS} claim_id, day"),
        ("a column twice", {"claims.csv": "person_id,day,claim_id,day\nP0031415,,SMITHSON,\n"}, "12: claims has day t"),
        ("an optional column twice", {"claims.csv": "person_id,day,claim_id,died,died\n"}, "12: claims has died twice"),
        ("a column twice, in two cases", {"claims.csv": "person_id,day,claim_id,Died,DIED\n"}, "12: claims has died t"),
        ("a column twice, with a blank", {"claims.csv": "person_id,day,claim_id,died,died \n"}, "12: claims has died "),
        ("a column twice in Parquet", {"claims.parquet": parquet(a=["x"], A=["y"])}, "13: COLUMN_ALREADY_EXISTS"),
        ("a column of no use twice", {"claims.csv": f"{HEAD[:-1]},x,x,,\n{ROW[:-1]},1,2,3,4\n"}, "read 1"),
        ("other capitals", {"claims.csv": f"PERSON_ID,Claim_Id,DAY\n{ROW}"}, "read 1"),
        ("blanks around names", {"claims.csv": f" person_id,claim_id ,day\t\n{ROW}"}, "read 1"),
        ("quoted names", {"claims.csv": f'"person_id","claim_id","day"\n{ROW}'}, "read 1"),
        ("a name that is not closed", {"claims.csv": f'person_id,claim_id,"day\n{ROW}'}, "read 1"),
        ("a line break in a name", {"claims.csv": f'person_id,claim_id,"da\ny"\n{ROW}'}, f"{LACKS} day"),
        ("parts in another order", {"claims/a.csv": TEXT, "claims/b.csv": f"day,claim_id,person_id\n{ROW}"}, "read 2"),
        ("parts with more columns", {"claims/a.csv": TEXT, "claims/b.csv": f"{HEAD[:-1]},died\n"}, "read 1"),
        ("Parquet parts of other types", {"claims/a.parquet": PARQUET, "claims/b.parquet": parquet(day=[1])},
         "13: cannot be read: CANNOT_MERGE_SCHEMAS"),
        ("Parquet parts with more columns", {"claims/a.parquet": PARQUET, "claims/b.parquet": parquet(
         person_id=["x"], died=["y"])}, "read 2"),
        ("semicolons", {"claims.csv": TEXT.replace(",", ";")}, f"{LACKS} person_id, claim_id, day (found 1 columns"),
        ("tabs", {"claims.csv": TEXT.replace(",", "\t")}, f"{LACKS} person_id, claim_id, day (found 1 columns"),
        ("a mark of byte order", {"claims.csv": "\ufeff" + TEXT}, "read 1"),
        ("UTF-16", {"claims.csv": TEXT.encode("utf-16")}, "13: file claims.csv does not begin with text in utf-8"),
        ("UTF-16 without a mark", {"claims.csv": TEXT.encode("utf-16-le")}, "13: does not begin with text in utf-8"),
        ("latin-1 in the heading", {"claims.csv": f"d\xe9c\xe9s,{TEXT}".encode("latin-1")}, "13: does not begin with "),
        ("latin-1 in a row", {"claims.csv": (HEAD + "M\xfcller,c,2020-01-01\n").encode("latin-1")}, "read 1"),
        ("lines of Windows", {"claims.csv": TEXT.replace("\n", "\r\n")}, "read 1"),
        ("lines of an old Macintosh", {"claims.csv": TEXT.replace("\n", "\r")}, "read 1"),
        ("no line end at the end", {"claims.csv": TEXT[:-1]}, "read 1"),
        ("blank lines among rows", {"claims.csv": HEAD + f"\n   \n{ROW}" * 3}, "read 3"),
        ("gzip", {"claims.csv.gz": gzip.compress(TEXT.encode())}, "read 1"),
        ("two gzip files in one", {"claims.csv.gz": gzip.compress(TEXT.encode()) + gzip.compress(ROW.encode())}, "rea"),
        ("gzip cut off", {"claims.csv.gz": ZIPPED[: len(ZIPPED) // 2]}, "13: claims.csv.gz cannot be read to its end"),
        ("gzip without its last bytes", {"claims.csv.gz": ZIPPED[:-6]}, "13: claims.csv.gz cannot be read to its end"),
        ("gzip with something behind", {"claims.csv.gz": ZIPPED + b"SMITHSON"}, "13: cannot be read to its end"),
        ("gzip that is none", {"claims.csv.gz": TEXT}, "13: claims cannot be read: FAILED_READ_FILE"),
        ("gzip that does not say so", {"claims.csv": ZIPPED}, "13: does not begin with text in utf-8"),
        ("Parquet that does not say so", {"claims.csv": PARQUET}, f"{LACKS}|13: does not begin with text in utf-8"),
        ("Parquet cut off", {"claims.parquet": PARQUET[: len(PARQUET) // 2]}, "13: CANNOT_READ_FILE_FOOTER"),
        ("text that calls itself Parquet", {"claims.parquet": TEXT}, "13: CANNOT_READ_FILE_FOOTER"),
        ("a damaged page of Parquet", {"claims.parquet": "damaged"}, "13: claims.parquet cannot be read to its end"),
        ("lists in Parquet", {"claims.parquet": parquet(person_id=["x"], claim_id=[["SMITHSON"]], day=["x"])},
         "12: claims has lists or structures in claim_id; a field is text, a number or a date"),
        ("structures in Parquet", {"claims.parquet": parquet(person_id=["x"], claim_id=[{"a": 1}], day=["x"])},
         "12: claims has lists or structures in claim_id"),
        ("bytes in Parquet", {"claims.parquet": parquet(person_id=[b"x"], claim_id=[b"y"], day=[b"z"])}, "read 1"),
        ("30,000 columns", {"claims.csv": f"{HEAD[:-1]}{',' * 30_000}\n"}, "13: cannot be read: TextParsingException"),
        ("a line of 30,000 fields", {"claims.csv": f"{TEXT}{',' * 30_000}\n"}, "13: of more than 20,480 fields"),
    )
]  # fmt: skip

# Statements that fill the schema SCHEMA; then the schema that the site names, and versions.
CATALOGS = [
    Bad("catalog", *case)
    for case in (
        ("a Delta table", ("CREATE TABLE SCHEMA.claims USING delta AS SELECT ROWS",), "read 1"),
        ("capitals", ("CREATE TABLE SCHEMA.CLAIMS USING parquet AS SELECT ROWS",), "read 1"),
        ("a view", ("CREATE VIEW SCHEMA.claims AS SELECT ROWS",), "read 1"),
        ("the name of the session's catalog", ("CREATE VIEW SCHEMA.claims AS SELECT ROWS", "spark_catalog.SCHEMA"),
         "read 1"),
        ("no schema", ("nowhere",), "13: schema nowhere does not exist, or may not be seen; the site's source.catalog"),
        ("no catalog", ("nowhere.claims",), "15: schema nowhere.claims cannot be reached"),
        ("no table", (), "13: lacks claims (found no table); each must be a table or a view that may be read"),
        ("another table", ("CREATE TABLE SCHEMA.clams USING parquet AS SELECT ROWS",), "13: lacks claims (found clams"),
        ("a temporary view", ("CREATE TEMPORARY VIEW claims AS SELECT ROWS",), "13: lacks claims (found no table)"),
        ("a view of nothing", ("CREATE TABLE SCHEMA.old USING parquet AS SELECT ROWS",
         "CREATE VIEW SCHEMA.claims AS SELECT * FROM SCHEMA.old", "DROP TABLE SCHEMA.old"),
         "13: cannot be read (TABLE_OR_VIEW_NOT_FOUND): the user running this needs USE CATALOG, USE SCHEMA and S"),
        ("a version that was never written", ("CREATE TABLE SCHEMA.claims USING delta AS SELECT ROWS", {"claims": 7}),
         "13: claims has no version 7 that can be read (DELTA_VERSION_NOT_FOUND)"),
        ("a version of what is no Delta table", ("CREATE VIEW SCHEMA.claims AS SELECT ROWS", {"claims": 0}),
         "10: source.versions names claims, which is not a Delta table"),
        ("another column", ("CREATE VIEW SCHEMA.claims AS SELECT 'x' AS person_id",), f"{LACKS} claim_id, day (found"),
    )
]  # fmt: skip

BAD_INPUT = [*SITES, *MAPPINGS, *FILES, *CATALOGS, *ROWS]
