"""Bad input, kind by kind, and what each must get: an error that is clear, or rows with a named fate. One table.

A document or a set of files gets `<exit code>: <part of the message>`, or `read <rows>`. A row gets fates, a line of
the file each: `kept as_sent`, `quarantined null_key`, ...; where what is read of it matters, that stands last.

How a row is written: the values that differ from a good row's, as they stand in the file. `+` is put behind the line,
`-` says how many fields are cut off its end, `=` stands instead of it, `again` is a second line that differs so.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

# Whoever reads a message must not find these in it.
CANARIES = ("P0031415", "SMITHSON", "1980-05-05")


@dataclass(frozen=True)
class Bad:
    """One kind. `where` is a document, `files`, or the delivery and table of a row."""

    where: str
    kind: str
    given: Any
    gets: str
    holds: Mapping[str, Any] = field(default_factory=dict)


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
        ("a range of two stems", ("medical.lines.diagnoses", "DX1..DY9"), "10: 'DX1..DY9' is no range"),
        ("an end without a start", ("eligibility.spans.start_date", ...), "10: is missing: there is a end_date"),
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
         "10: source.versions names claims, which is no Delta table"),
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
         "10: source.versions names claims, which is no Delta table"),
        ("another column", ("CREATE VIEW SCHEMA.claims AS SELECT 'x' AS person_id",), f"{LACKS} claim_id, day (found"),
    )
]  # fmt: skip

BROKEN = "quarantined broken_line"
NO_KEY, NO_DATE, NO_ID = (f"quarantined {rule}" for rule in ("null_key", "impossible_date", "unreadable_id"))
STRANGER = "quarantined unknown_member"
KEPT = "kept as_sent"
DAY = "claim_start_date"

LINES = [
    Bad("tuva.medical_claim", *case)
    for case in (
        ("nothing wrong", {}, KEPT, {"paid_cents": 8000}),
        ("a field too many", {"+": ",x"}, BROKEN),
        ("a comma that is not quoted", {"claim_type": "Smith, John"}, BROKEN),
        ("fields missing at the end", {"-": 3}, BROKEN),
        ("half a line", {"=": "ann,half a li"}, BROKEN),
        ("a line of one word", {"=": "EOF"}, BROKEN),
        ("a trailer with a count", {"=": "TRAILER|000123"}, BROKEN),
        ("the heading again", {"=": "heading"}, "quarantined repeated_heading"),
        ("tabs in one line", {"=": "ann\tx\t1"}, BROKEN),
        ("a line of commas", {"=": "," * 15}, NO_KEY),
        ("a line break in a quoted field", {"claim_type": '"two\nlines"'}, f"{BROKEN}, {BROKEN}"),
        ("quotation marks in a quoted field", {"claim_id": '"5"" x"'}, KEPT, {"claim_id": '5" x'}),
        ("a comma in a quoted field", {"claim_id": '"5,x"'}, KEPT, {"claim_id": "5,x"}),
        ("a quotation mark that is never closed", {"claim_id": '"open'}, BROKEN),
        ("a quotation mark inside a field", {"claim_id": 'q"x'}, KEPT, {"claim_id": 'q"x'}),
        ("a quotation mark before the last field", {"diagnosis_code_1": '"M545'}, KEPT),
        ("a NUL byte", {"claim_id": "a\0b"}, KEPT, {"claim_id": "a\0b"}),
        ("control characters", {"claim_id": "a\x01\x07b"}, KEPT, {"claim_id": "a\x01\x07b"}),
        ("no person", {"person_id": ""}, NO_KEY),
        ("a person of blanks", {"person_id": "   "}, NO_KEY),
        ("a person of quoted nothing", {"person_id": '""'}, NO_KEY),
        ("NULL for a person", {"person_id": "NULL"}, NO_KEY),
        ("nan for a person", {"person_id": "nan"}, NO_KEY),
        ("N/A for a claim", {"claim_id": "N/A"}, NO_KEY),
        (r"\N for a claim", {"claim_id": "\\N"}, NO_KEY),
        ("no claim", {"claim_id": ""}, NO_KEY),
        ("no line number", {"claim_line_number": ""}, NO_KEY),
        ("a line number in words", {"claim_line_number": "one"}, NO_KEY),
        ("a line number beyond an int", {"claim_line_number": "99999999999"}, NO_KEY),
        ("half a line number", {"claim_line_number": "1.5"}, NO_KEY),
        ("a line number as a float", {"claim_line_number": "1.0"}, KEPT, {"line_number": 1}),
        ("a line number in Arabic digits", {"claim_line_number": "\u0661"}, KEPT, {"line_number": 1}),
        ("blanks behind a person", {"person_id": "ann   "}, KEPT),
        ("a tab behind a person", {"person_id": "ann\t"}, STRANGER),
        ("another case of a person", {"person_id": "ANN"}, STRANGER),
        ("leading zeros kept", {"person_id": "007"}, KEPT),
        ("leading zeros lost", {"person_id": "7"}, STRANGER),
        ("a person as a float", {"person_id": "7.0"}, STRANGER),
        ("a person in a spreadsheet's way", {"person_id": "1.23457E+11"}, NO_ID),
        ("a claim in a spreadsheet's way", {"claim_id": "2E+15"}, NO_ID),
        ("a person in latin-1", {"person_id": "M\udcfcller"}, NO_ID),
        ("a person in UTF-8", {"person_id": "Z\u00f6e"}, STRANGER),
        ("nobody", {"person_id": "nobody"}, STRANGER),
        ("a person whose cover was rejected", {"person_id": "rejected"}, STRANGER),
        ("no date", {DAY: ""}, NO_KEY),
        ("30 February", {DAY: "2021-02-30"}, NO_DATE),
        ("29 February of no leap year", {DAY: "2021-02-29"}, NO_DATE),
        ("29 February", {DAY: "2020-02-29"}, KEPT, {"service_date": "2020-02-29"}),
        ("month 13", {DAY: "2021-13-01"}, NO_DATE),
        ("an American date", {DAY: "3/1/2021"}, NO_DATE),
        ("a date of two digits' year", {DAY: "21-03-01"}, NO_DATE),
        ("a compact date", {DAY: "20210301"}, KEPT, {"service_date": "2021-03-01"}),
        ("a compact date as a float", {DAY: "20210301.0"}, NO_DATE),
        ("a compact date of zeros", {DAY: "00000000"}, NO_DATE),
        ("a named month", {DAY: "01-MAR-2021"}, KEPT, {"service_date": "2021-03-01"}),
        ("a month of no name", {DAY: "01-XXX-2021"}, NO_DATE),
        ("a time zone", {DAY: "2021-03-01T23:30:00-08:00"}, KEPT, {"service_date": "2021-03-01"}),
        ("a time", {DAY: "2021-03-01 23:59:59"}, KEPT, {"service_date": "2021-03-01"}),
        ("a serial number of Excel", {DAY: "44256"}, NO_DATE),
        ("seconds since 1970", {DAY: "1614556800"}, NO_DATE),
        ("NULL for a date", {DAY: "NULL"}, NO_DATE),
        ("the year 1", {DAY: "0001-01-01"}, NO_DATE),
        ("the year 1899", {DAY: "1899-12-31"}, NO_DATE),
        ("the year 9999", {DAY: "9999-12-31"}, NO_DATE),
        ("the year 32767", {DAY: "32767-01-01"}, NO_DATE),
        ("after the delivery", {DAY: "2021-10-16"}, NO_DATE),
        ("an end before the start", {"claim_end_date": "2021-02-28"}, NO_DATE),
        ("an end that is no date", {"claim_end_date": "soon"}, NO_DATE),
        ("before birth", {DAY: "1980-05-04"}, NO_DATE),
        ("long after death", {"person_id": "old", DAY: "2020-07-31"}, "quarantined after_death"),
        ("soon after death", {"person_id": "old", DAY: "2020-07-30"}, KEPT),
        ("a day of payment that is none", {"paid_date": "soon"}, NO_DATE),
        ("a correction paid in month 13", {"again": {"paid_date": "2021-13-01"}}, f"{KEPT}, {NO_DATE}"),
        ("a decimal comma", {"paid_amount": '"80,00"'}, KEPT, {"paid_cents": None}),
        ("thousands", {"paid_amount": '"1,080.00"'}, KEPT, {"paid_cents": None}),
        ("a dollar sign", {"paid_amount": "$80"}, KEPT, {"paid_cents": None}),
        ("an amount in words", {"paid_amount": "eighty"}, KEPT, {"paid_cents": None}),
        ("an amount as a float", {"paid_amount": "8E1"}, KEPT, {"paid_cents": 8000}),
        ("thirds of a cent", {"paid_amount": "80.3333333"}, KEPT, {"paid_cents": 8033}),
        ("a quadrillion", {"paid_amount": "1e15"}, KEPT, {"paid_cents": None}),
        ("NaN for an amount", {"paid_amount": "NaN"}, KEPT, {"paid_cents": None}),
        ("a negative amount without its claim", {"paid_amount": "-80"}, "quarantined orphan_reversal"),
        ("a denial", {"paid_amount": "0", "allowed_amount": "0"}, "quarantined denied"),
        ("a line twice", {"again": {}}, f"{KEPT}, merged duplicate"),
        ("a line paid twice", {"again": {"paid_date": "2021-04-01", "paid_amount": "7"}}, f"{KEPT}, merged superseded"),
        ("a line taken back", {"again": {"paid_date": "2021-04-01", "paid_amount": "-80"}},
         "merged reversed, merged reversed"),
        ("a code in small letters", {"hcpcs_code": "g0283"}, "kept mended"),
        ("a code with a dot", {"diagnosis_code_1": "M54.5"}, "kept mended"),
        ("a code that is none", {"hcpcs_code": "?????"}, KEPT, {"procedure": None}),
        ("a code as long as a sentence", {"hcpcs_code": "NOT KNOWN AT ALL"}, KEPT, {"procedure": None}),
        ("a code with a hyphen", {"diagnosis_code_1": "M54-50"}, KEPT, {"diagnoses": []}),
        ("a revenue centre without its zero", {"revenue_center_code": "320"}, "kept mended"),
        ("a field of 10 MB", {"diagnosis_code_1": "A" * 10_000_000}, KEPT, {"diagnoses": []}),
        ("an unknown kind of claim", {"claim_type": "??"}, KEPT, {"claim_type": "other"}),
        ("50,000 lines of one member", {"lines": 50_000}, KEPT),
    )
]  # fmt: skip

FILLS = [
    Bad("tuva.pharmacy_claim", *case)
    for case in (
        ("an NDC of ten digits", {"ndc_code": "0002322730"}, KEPT, {"ndc": None}),
        ("an NDC in a spreadsheet's way", {"ndc_code": "2.32E+09"}, KEPT, {"ndc": None}),
        ("an NDC without its zeros", {"ndc_code": "2322730"}, "kept mended"),
        ("a negative quantity", {"quantity": "-60"}, "kept mended", {"quantity": None}),
        ("negative days", {"days_supply": "-30"}, "kept mended", {"days_supply": None}),
        ("half a day", {"days_supply": "30.5"}, KEPT, {"days_supply": None}),
        ("days beyond an int", {"days_supply": "3000000000"}, KEPT, {"days_supply": None}),
        ("a quantity in words", {"quantity": "a few"}, KEPT, {"quantity": None}),
        ("a quantity beyond its column", {"quantity": "1e12"}, KEPT, {"quantity": None}),
        ("no day", {"dispensing_date": ""}, NO_KEY),
        ("31 September", {"dispensing_date": "2020-09-31"}, NO_DATE),
        ("a field too few", {"-": 1}, BROKEN),
    )
]  # fmt: skip

SPANS = [
    Bad("tuva.eligibility", *case)
    for case in (
        ("no person", {"person_id": ""}, NO_KEY),
        ("None for a person", {"person_id": "None"}, NO_KEY),
        ("a person in a spreadsheet's way", {"person_id": "9.87654E+10"}, NO_ID),
        ("no start", {"enrollment_start_date": ""}, NO_KEY),
        ("a start that is no date", {"enrollment_start_date": "2020"}, NO_DATE),
        ("a start before 1900", {"enrollment_start_date": "1800-01-01"}, NO_DATE),
        ("an end before the start", {"enrollment_end_date": "2019-12-31"}, "quarantined reversed_span"),
        ("an end that never comes", {"enrollment_end_date": "9999-12-31"}, KEPT),
        ("an end that is NULL", {"enrollment_end_date": "NULL"}, NO_DATE),
        ("no end", {"enrollment_end_date": ""}, KEPT),
        ("a single day", {"enrollment_end_date": "2020-01-01"}, KEPT),
        ("a birth in the future", {"birth_date": "2021-10-16"}, "quarantined future_birth"),
        ("a birth after the cover", {"birth_date": "2021-10-01", "enrollment_end_date": "2021-01-01"}, NO_DATE),
        ("a birth after the death", {"death_date": "1980-05-04"}, NO_DATE),
        ("a birth that is no date", {"birth_date": "someday"}, NO_DATE),
        ("a death that is no date", {"death_date": "2020-02-30"}, NO_DATE),
        ("no birth", {"birth_date": ""}, KEPT),
        ("an unknown sex", {"gender": "9"}, KEPT),
        ("a span twice", {"again": {}}, f"{KEPT}, merged duplicate"),
        ("a span in a span", {"again": {"enrollment_start_date": "2020-02-01"}}, f"{KEPT}, merged overlapping_span"),
        ("spans that overlap", {"again": {"enrollment_start_date": "2021-02-01", "enrollment_end_date": "2022-01-31"}},
         f"{KEPT}, merged overlapping_span"),
        ("spans that abut", {"again": {"enrollment_start_date": "2022-01-01", "enrollment_end_date": "2022-01-31"}},
         f"{KEPT}, merged adjacent_span"),
        ("the heading again", {"=": "heading"}, "quarantined repeated_heading"),
        ("a field too many", {"+": ","}, BROKEN),
    )
]  # fmt: skip

ENROLMENTS = [
    Bad("tuva.program_roster", *case)
    for case in (
        ("no person", {"person_id": ""}, NO_KEY),
        ("no program", {"program": ""}, NO_KEY),
        ("no day", {"enrolled_on": ""}, NO_KEY),
        ("a day that is none", {"enrolled_on": "2020-05-32"}, NO_DATE),
        ("left before enrolled", {"left_on": "2020-01-01"}, "kept mended"),
        ("left on no day", {"left_on": "2020-05-32"}, "kept mended"),
        ("enrolled twice", {"again": {"enrolled_on": "2021-06-01"}}, f"{KEPT}, merged later_enrolment"),
        ("a row twice", {"again": {}}, f"{KEPT}, merged duplicate"),
        ("nobody we know", {"person_id": "nobody"}, KEPT),
        ("half a line", {"=": "ann"}, BROKEN),
    )
]  # fmt: skip

LINKS = [
    Bad("tuva.crosswalk", *case)
    for case in (
        ("an id of nobody", {"same_as": ""}, NO_KEY),
        ("nan for an id", {"same_as": "nan"}, NO_KEY),
        ("an id in a spreadsheet's way", {"same_as": "1.23457E+11"}, NO_ID),
        ("the same as itself", {"same_as": "tag"}, "merged looked_up"),
        ("the same as two", {"again": {"same_as": "bob"}}, "quarantined ambiguous_id, quarantined ambiguous_id"),
        ("a link twice", {"again": {}}, "merged looked_up, merged duplicate"),
        ("a circle", {"same_as": "round", "again": {"person_id": "round", "same_as": "tag"}},
         "quarantined circular_id, quarantined circular_id"),
        ("half a line", {"=": "ann"}, BROKEN),
    )
]  # fmt: skip

BAD_INPUT = [*SITES, *MAPPINGS, *FILES, *CATALOGS, *LINES, *FILLS, *SPANS, *ENROLMENTS, *LINKS]
