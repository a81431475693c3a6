"""Mapped sources, feature by feature, and what `ingest --explain` reads off them. The whole is in test_sources_tuva."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tests.mapped_claims import MAPPING, write_some_payer
from tests.studies import changed, small_study

from counterpart.codes import CodeLibrary, decode
from counterpart.deliveries import read_delivery
from counterpart.disclosure import release_explanation
from counterpart.protocol import BROKEN_LINE, RowRules, Site, SourceMapping, TextFiles
from counterpart.protocol.mapped_fields import AmountField, ClaimFlag, DateField, FlagField, NumberField, TextField
from counterpart.sources import LAYOUTS, IngestContext, Layout, build_claims
from counterpart.sources.formats import format_of
from counterpart.sources.layout import COVER_FORM, MEDICAL_FORM
from counterpart.sources.lineage import trace_columns
from counterpart.sources.mapped import mapped_layout
from counterpart.sources.mapped_row import MappedRow
from counterpart.stages import explain_source
from counterpart.stages.ingestion import delivery_key
from counterpart.store import Store

pytestmark = pytest.mark.spark

Frame = Callable[[str, str], DataFrame]

LINES: dict[str, Any] = {"person_id": "m", "claim_id": "c", "line_number": "n", "service_date": "d"}
VOID: dict[str, Any] = {"void": {"column": "f", "any_of": ["8"]}}
FREQUENCY = {**VOID, "replacement": {"column": "f", "any_of": ["7"]}}
DOCUMENT: dict[str, Any] = {
    "name": "payer",
    "none": ["null"],
    "eligibility": {"spans": {"person_id": "m", "start_date": "a", "end_date": "b"}},
    "medical": {"lines": LINES},
}


def mapped(*changes: tuple[str, Any]) -> Layout:
    return mapped_layout(SourceMapping.model_validate(changed(DOCUMENT, *changes)))


def texts(spark: SparkSession, columns: str, *rows: str) -> DataFrame:
    """Text columns; an empty cell is null."""
    cells = [tuple(cell.strip() or None for cell in row.split("|")) for row in rows]
    return spark.createDataFrame(cells, ", ".join(f"{name} string" for name in columns.split()))


def codes_of(listed: list[int]) -> str:
    return " ".join(f"{system}:{code}" for system, code in map(decode, listed))


def test_days_amounts_and_values_as_payers_write_them(frame: Frame) -> None:
    ddl = (
        "given string, american date, european date, dollars bigint, cents bigint, comma bigint, is_yes boolean, "
        "is_paid boolean, place string"
    )
    expected = frame(
        """given               | american   | european   | dollars | cents | comma  | is_yes | is_paid | place
           2020-02-29          | 2020-02-29 |            |         |       |        | false  | false   | 2020-02-29
           2020-2-9 13:30      | 2020-02-09 |            |         |       |        | false  | false   | 2020-2-9 13:30
           20200229            | 2020-02-29 |            | 2020022900 | 20200229 | 2020022900 | false | false | 20200229
           02292020            |            | 2020-02-29 | 229202000 | 2292020 | 229202000 | false | false | 02292020
           29-Feb-2020         | 2020-02-29 |            |         |       |        | false  | false   | 29-Feb-2020
           29-FEB-2020         | 2020-02-29 |            |         |       |        | false  | false   | 29-FEB-2020
           29FEB2020           | 2020-02-29 |            |         |       |        | false  | false   | 29FEB2020
           2/29/2020 0:00      | 2020-02-29 |            |         |       |        | false  | false   | 2/29/2020 0:00
           29/02/2020          |            | 2020-02-29 |         |       |        | false  | false   | 29/02/2020
           3/4/2020            | 2020-03-04 | 2020-04-03 |         |       |        | false  | false   | 3/4/2020
           2020/02/29          | 2020-02-29 |            |         |       |        | false  | false   | 2020/02/29
           29.2.2020           | 2020-02-29 |            |         |       |        | false  | false   | 29.2.2020
           43890               | 2020-02-29 | 2080-03-01 | 4389000 | 43890 | 4389000 | false | false   | 43890
           43890.5             | 2020-02-29 |            | 4389050 | 43891 | 4389050 | false | false   | 43890.5
           -1                  |            | 1959-12-31 | -100    | -1    | -100   | false  | false   | -1
           1,234.5             |            |            | 123450  | 1235  |        | false  | false   | 1,234.5
           1.234,5             |            |            |         |       | 123450 | false  | false   | 1.234,5
           12,50               |            |            |         |       | 1250   | false  | false   | 12,50
           $ 12.50-            |            |            | -1250   | -13   | -1250  | false  | false   | $ 12.50-
           (12.50)             |            |            | -1250   | -13   | -1250  | false  | false   | (12.50)
           y                   |            |            |         |       |        | true   | false   | y
           Paid                |            |            |         |       |        | false  | true    | 11
           NULL                |            |            |         |       |        | false  | false   | nowhere
           .                   |            |            |         |       |        | false  | false   | nowhere
                               |            |            |         |       |        | false  | false   | nowhere""",
        ddl,
    )
    row = MappedRow(expected.select("given"), SourceMapping.model_validate(DOCUMENT))
    formats = ("iso", "yyyymmdd", "dd-mon-yyyy", "ddmonyyyy", "mm/dd/yyyy", "yyyy/mm/dd", "dd.mm.yyyy", "excel")
    told = {
        "american": row.day(DateField(column="given", formats=formats)),
        "european": row.day(DateField(column="given", formats=("dd/mm/yyyy", "mmddyyyy", "sas"))),
        "dollars": row.cents(AmountField(column="given")),
        "cents": row.cents(AmountField(column="given", unit="cents")),
        "comma": row.cents(AmountField(column="given", decimal=",")),
        "is_yes": row.flag(FlagField(column="given")),
        "is_paid": row.claim_flag(ClaimFlag(column="given", any_of=("PAID",)), F.lit(False)),
        "place": row.text(TextField(column="given", values={"paid": "11"}, none=(".",), constant="nowhere")),
    }
    found = expected.select("given", *(column.alias(name) for name, column in told.items()))
    assertDataFrameEqual(found, expected)


def test_the_first_column_that_holds_something(spark: SparkSession) -> None:
    raw = texts(spark, "a `b.c`", "|2", "NULL|2020-01-02", "1|x", "someday|2020-01-02")
    row = MappedRow(raw, SourceMapping.model_validate(DOCUMENT))
    both = ("a", "b.c")
    found = raw.select(
        row.text(TextField(column=both)),
        row.whole_number(NumberField(column=both, constant=9)),
        row.day(DateField(column=both)),
        row.has_unreadable_day(DateField(column=both), None),
        row.has_unreadable_day(DateField(column="b.c")),
        row.has_unreadable_supply(NumberField(column="a", none=("SOMEDAY",)), None),
        row.has_unreadable_supply(None, NumberField(column=both)),
    )
    day = date(2020, 1, 2)
    assert [tuple(one) for one in found.collect()] == [
        ("2", 2, None, True, True, False, False),
        ("2020-01-02", 9, day, False, False, False, True),
        ("1", 1, None, True, True, False, True),
        ("someday", 9, day, True, False, False, True),
    ]


def test_benefits_of_a_row_of_cover(spark: SparkSession) -> None:
    spans = changed(
        DOCUMENT["eligibility"]["spans"],
        ("medical", {"column": "benefit", "any_of": ["MED", "BOTH"]}),
        ("pharmacy", {"column": "benefit", "any_of": ["RX", "BOTH"]}),
    )
    layout = mapped(("eligibility", {"spans": spans, "people": {"person_id": "m", "birth_date": "b", "sex": "s"}}))
    raw = texts(
        spark, "m a b benefit",
        "1|2020-01-01|2020-12-31|both", "1|2020-01-01||MED", "1|2020-01-01||RX", "1||2020-12-31|RX",
        "1|2020-01-01||DENTAL",
    )  # fmt: skip
    row = layout.eligibility[0].rows(raw, COVER_FORM)
    names = ("start_date", "end_date", "pharmacy_start_date", "pharmacy_end_date", "is_without_cover")
    first, last, open_end = date(2020, 1, 1), date(2020, 12, 31), date(9999, 12, 31)
    assert [tuple(one) for one in raw.select(*(row[name] for name in names)).collect()] == [
        (first, last, first, last, False),
        (first, open_end, None, None, False),
        (None, None, first, open_end, True),
        (None, None, None, None, False),  # no start: a row without a key, not one without cover
        (None, None, None, None, True),
    ]
    people = texts(spark, "m b s", "1|1980-02-30|male")
    who = layout.eligibility[1].rows(people, COVER_FORM)
    names = ("sex", "birth_date", "known_from", "has_unreadable_date", "is_without_cover")
    (person,) = people.select(*(who[name] for name in names)).collect()
    assert tuple(person) == ("M", None, date(1900, 1, 1), True, True)


def test_diagnoses_of_a_table_of_their_own_stand_on_each_line_in_order(spark: SparkSession) -> None:
    diagnoses = {
        "table": "dx", "claim_id": "claim", "person_id": "who", "line_number": "line", "position": "seq",
        "code": "code", "system": {"column": "icd", "values": {"9": "icd9cm", "10": "icd10cm"}},
    }  # fmt: skip
    layout = mapped(("medical.lines.diagnoses", diagnoses))
    raw = {
        "lines": texts(
            spark, "m c n d", "1|A|1|2020-01-01", "1|A|2|2015-09-30", "2|A|1|2020-01-01", "1|B|1|2020-01-01"
        ),
        "dx": texts(
            spark, "who claim line seq code icd",
            "1|A|1|10|M54.5|10", "1|A|1|2|M5416|10", "1|A|1|2|M5416|10", "1|A||1|7242|", "1|A|2|1|M545|10",
            "2|A|1|1|7242|9", "1|||1|M545|10", "1|A|3|1|NULL|10", "3|A|1|1|M545|10",
        ),
    }  # fmt: skip
    (lookup,) = layout.lookups
    assert (lookup.name, lookup.may_be_absent) == ("dx", False)
    assert lookup.required == ("claim", "who", "line", "seq", "code", "icd")
    lines = layout.prepare(raw)["lines"]
    row = layout.medical[0].rows(lines, MEDICAL_FORM)
    names = ("person_id", "claim_id", "line_number", "diagnoses", "is_mended")
    found = lines.select(*(row[name].alias(name) for name in names)).collect()
    of_a = "icd10cm:7242 icd10cm:M5416 icd10cm:M545"
    assert {(one[0], one[1], one[2]): (codes_of(one[3] or []), one[4]) for one in found} == {
        ("1", "A", 1): (of_a, True),
        ("1", "A", 2): (of_a.replace("icd10cm:7242", "icd9cm:7242"), True),
        ("2", "A", 1): ("icd9cm:7242", False),
        ("1", "B", 1): ("", False),
    }


def test_a_row_that_is_a_whole_claim(spark: SparkSession) -> None:
    lines = {"procedure": "p1..p3", "revenue": "r1..r3", "allowed": "a1..a3"}
    claim = LINES | {"line_number": None, "lines": lines, "paid": "paid", "diagnoses": ["x1..x2"]}
    layout = mapped(("medical", {"claims": {**claim, "void": {"column": "freq", "any_of": ["8"]}}}))
    assert layout.has_claim_rows
    raw = texts(
        spark, "m c d p1 r1 a1 p2 r2 a2 p3 r3 a3 paid x1 x2 freq",
        "1|A|2020-01-01|72148|320|10|||99|99213||5.5|12|M545||1", "1|B|2020-01-01||||g0151||||||||null|8",
    )  # fmt: skip
    row = layout.medical[0].rows(raw, MEDICAL_FORM)
    names = ("claim_id", "line_number", "lines", "diagnoses", "is_mended", "is_denied")
    found = {
        one[0]: (one[1], [(n, codes_of([c for c in (p, r) if c]), a, b) for n, p, _, r, a, b in one[2]], *one[3:])
        for one in raw.select(*(row[name].alias(name) for name in names)).collect()
    }
    m545 = found["A"][2]
    assert codes_of(m545) == "icd10cm:M545"
    assert found == {
        "A": (0, [(1, "hcpcs:72148 revenue:0320", 1000, 1200), (3, "hcpcs:99213", 550, 0)], m545, True, False),
        "B": (0, [(1, "", None, None), (2, "hcpcs:G0151", None, 0)], [], True, True),
    }


def test_systems_sequences_and_amounts_of_a_line(spark: SparkSession) -> None:
    amounts = {
        "charged": "ch",
        "allowed": "al",
        "paid": "pa",
        "denied": {"amounts": True},
        "reversal": {"amounts": True},
    }
    system = {"column": "kind", "values": {"C": "hcpcs", "I": "icd10pcs"}}
    procedure = {"column": "p", "system": system}
    more = {"procedure": procedure, "sequence": "s", "modifiers": "m1..m2", "place": "pos", "claim_type": "t"}
    layout = mapped(("medical.lines", LINES | amounts | more))
    raw = texts(
        spark, "m c n d ch al pa kind p s m1 m2 pos t",
        "1|A|1|2020-01-01|9|0|0|c|72148|20200102030405|gp|59|2|Professional",
        "1|A|1|2020-01-01|-9|0|0|I|0SG00Z0|||95|11|X",
        "1|A|1|2020-01-01|0|0|0||72148|||||",
        "1|A|1|2020-01-01|x|0|(9.00)|c|72148-26||gp|59.0|2.0|",
    )  # fmt: skip
    row = layout.medical[0].rows(raw, MEDICAL_FORM)
    names = ("is_denied_by_amounts", "is_reversal", "procedure", "sent_on", "modifiers", "place", "claim_type")
    found = [tuple(one) for one in raw.select(*(row[name] for name in names)).collect()]
    assert [(*one[:2], codes_of([one[2]] if one[2] else []), *one[3:]) for one in found] == [
        (True, False, "hcpcs:72148", 20200102030405, ["GP", "59"], "02", "professional"),
        (False, True, "icd10pcs:0SG00Z0", None, ["95"], "11", "other"),
        (False, False, "", None, [], None, "other"),
        (False, True, "hcpcs:72148", None, ["GP", "59", "26"], "02", "other"),
    ]
    assert not any(one[0] for one in raw.select(row["is_denied"]).collect())
    flags = raw.select(row["is_mended"], row["has_unreadable_amount"], row["has_unreadable_code"]).collect()
    assert [tuple(one) for one in flags] == [(False,) * 3] * 2 + [(False, False, True), (True, True, False)]


def test_replacements_and_voids_are_told_where_the_mapping_says_how(spark: SparkSession) -> None:
    raw = texts(spark, "m c n d f", *(f"1|A|1|2020-01-01|{code}" for code in ("1", "7", "8", "")))
    assert "is_replacement" not in mapped().medical[0].read(raw)
    for told, expected in ((FREQUENCY, [False, True, True, False]), (VOID, [False, False, True, False])):
        row = mapped(("medical.lines", LINES | told)).medical[0].rows(raw, MEDICAL_FORM)
        found = raw.select(row["is_replacement"], row["is_denied"], row["is_void"]).collect()
        assert [tuple(one) for one in found] == [(one, code == 2, code == 2) for code, one in enumerate(expected)]


def test_a_void_is_no_reversal_whatever_its_amounts(spark: SparkSession) -> None:
    told = {**VOID, "paid": "p", "reversal": {"column": "s", "any_of": ["R"], "amounts": True}}
    row = mapped(("medical.lines", LINES | told)).medical[0]
    raw = texts(spark, "m c n d f s p", *(f"1|A|1|2020-01-01|{of}" for of in ("8|R|-150", "8||-150", "7|R|9", "1||-9")))
    read = row.rows(raw, MEDICAL_FORM)
    found = raw.select(read["is_reversal"], read["is_denied"], read["is_replacement"]).collect()
    assert [tuple(one) for one in found] == [(False, True, True)] * 2 + [(True, False, False)] * 2


def test_a_replacement_of_a_claim_that_is_a_row(spark: SparkSession) -> None:
    """It is corrected as a whole in any case; without days the replacement is the last version."""
    claims = LINES | FREQUENCY | {"line_number": None, "lines": {"procedure": "p1..p2"}}
    raw = {
        "spans": texts(spark, "m a b", "1|2020-01-01|"),
        "claims": texts(
            spark, "m c d p1 p2 f",
            "1|A|2020-01-01|72148|72149|1", "1|A|2020-01-01|72158||7", "1|B|2020-01-01|72148|72149|1",
            "1|B|2020-01-01|72148||8", "1|C|2020-01-01|72148|72149|1", "1|C|2020-01-01|72148||7",
        ),
    }  # fmt: skip
    context = IngestContext("first", date(2021, 1, 1), stage=lambda _, rows: rows.localCheckpoint())
    made = build_claims(mapped(("medical", {"claims": claims})), raw, context)
    found = made.medical.select("claim_id", "line_number", "procedure").collect()
    assert sorted((one[0], one[1], codes_of([one[2]])) for one in found) == [
        ("A", 1, "hcpcs:72158"),
        ("C", 1, "hcpcs:72148"),
    ]
    counted = made.intake.filter("source = 'claims'").select("rule", "n_rows").collect()
    assert dict(map(tuple, counted)) == {"as_sent": 2, "superseded": 3, "denied": 1}


def test_a_payer_without_pharmacy_and_roster(spark: SparkSession) -> None:
    raw = {"spans": texts(spark, "m a b", "1|2020-01-01|"), "lines": texts(spark, "m c n d", "1|A|1|2020-01-01")}

    def stage(_: str, rows: DataFrame) -> DataFrame:
        return spark.createDataFrame([], rows.schema)

    made = build_claims(mapped(), raw, IngestContext("first", date(2021, 1, 1), stage=stage))
    assert made.pharmacy.isEmpty()
    assert made.program.isEmpty()


def test_files_that_each_are_written_in_their_own_way(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes("név|'a|b'\n'Zo\xeb|x'|2\n".encode("latin-1", "replace"))
    (tmp_path / "two.csv").write_text('a,b\n"1,5",2\n')
    files = {"one": TextFiles(separator="|", quote="'", encoding="latin-1")}
    tables = read_delivery(spark, str(tmp_path), {"one": True, "two": True}, files=files).tables
    assert tables["one"].columns[1] == "a|b"
    assert [tuple(row) for row in tables["one"].drop(BROKEN_LINE).collect()] == [("Zoë|x", "2")]
    assert [tuple(row) for row in tables["two"].drop(BROKEN_LINE).collect()] == [("1,5", "2")]


def test_another_mapping_makes_another_delivery_of_the_same_files() -> None:
    other = mapped(("medical.lines.place", "pos"))
    keys = {delivery_key("files", layout, RowRules()) for layout in (mapped(), other, LAYOUTS["tuva"])}
    assert len(keys) == 3
    assert delivery_key("files", mapped(), RowRules()) in keys


# --- ingest --explain -------------------------------------------------------------------------------------------------


def test_formats_hold_no_value(frame: Frame) -> None:
    expected = frame(
        """given            | format
           2020-03-01       | 9999-99-99
           3/25/2020        | mm/dd/yyyy
           25/03/2020 10:30 | dd/mm/yyyy 99:99
           3/4/2020         | 9/9/9999
           M54.5            | A99.9
           O'Brien-SMITH    | A'Aa+-A+
           Zoë Müller       | Aa? A?a+
           TX 08            | AA 99
           10000000001      | 99999999999
           jo@example.org   | a+@a+.a+""",
        "given string, format string",
    )
    assertDataFrameEqual(expected.select("given", format_of(F.col("given")).alias("format")), expected)


def test_columns_are_traced_through_joins_and_lines_side_by_side(spark: SparkSession) -> None:
    def empty(columns: str) -> DataFrame:
        return spark.createDataFrame([], ", ".join(f"{name} string" for name in columns.split()))

    diagnoses = {"table": "dx", "claim_id": "claim", "code": "code"}
    layout = mapped(("medical.lines.diagnoses", diagnoses), ("medical.lines.claim_type", {"constant": "dme"}))
    raw = {"spans": empty("m a b"), "lines": empty("m c n d other"), "dx": empty("claim code")}
    fed = {one.name: one for one in trace_columns(spark, layout, raw)["lines"]}
    assert fed["claim_id"].origins == (("lines", "c"),)
    assert fed["diagnoses"].origins == (("lines", "d"), ("dx", "code"))
    assert (fed["claim_type"].is_constant, fed["place"].is_fed, fed["is_denied"].is_fed) == (True, False, False)
    names = "DESYNPUF_ID CLM_ID CLM_FROM_DT CLM_THRU_DT CLM_PMT_AMT ICD9_DGNS_CD_1 HCPCS_CD_1 HCPCS_CD_2"
    carrier = {"carrier": empty(names)}
    fed = {one.name: one for one in trace_columns(spark, LAYOUTS["desynpuf"], carrier)["carrier"]}
    assert ("carrier", "HCPCS_CD_2") in fed["procedure"].origins
    assert not fed["modifiers"].is_fed


def test_a_source_is_explained_and_nothing_is_written(spark: SparkSession, tmp_path: Path, root: Path) -> None:
    write_some_payer(tmp_path / "claims")
    mapping = yaml.safe_load(MAPPING)
    del mapping["pharmacy"]
    mapping["eligibility"]["plans"] = {"person_id": "MBR", "start_date": "EFF"}
    mapping["medical"]["lines"]["revenue"] = "REV"
    (tmp_path / "payer.yaml").write_text(yaml.safe_dump(mapping))
    source = {"layout": "mapping", "path": str(tmp_path / "claims"), "mapping": str(tmp_path / "payer.yaml")}
    site = Site.model_validate({"name": "x", "warehouse": str(tmp_path / "w"), "reports": "r", "source": source})
    study = small_study(
        events={
            "therapy": [{"codes": "physical_therapy"}],
            "imaging": [{"codes": "revenue_mri"}],
            "mri": [{"codes": "lumbar_mri"}],
        },
        cohort={"history": [{"name": "opioids", "event": "opioid_analgesics"}], "exclusions": []},
    )
    library = CodeLibrary.load([root / "conf" / "codesets"])

    quiet = SimpleNamespace(note=print, stage=lambda _: nullcontext())
    told = release_explanation(explain_source(Store(spark, site.warehouse), site, quiet, study, library))
    page = "\n".join(told["lines"])
    assert not (tmp_path / "w").exists()
    assert not re.search(r"\b(ann|bob|zoe|stranger|TX|back|72148|M545|2020|1980)\b", page)
    for line in (
        "  TERM           mm/dd/yyyy  0%        end_date, pharmacy_end_date",
        "  GROUP          9           0%        not read",
        "  missing (ingest would stop): REV",
        "eligibility: plans: not delivered; ingest needs it, with MBR, EFF",
        "No table of medical feeds bill_type, concepts, drg, facility_procedures, is_replacement, is_void, modifiers, "
        "sent_on, specialty",
        "  criterion opioids: pharmacy.ndc; event opioid_analgesics is never seen",
        "  outcome imaging: medical.revenue; event imaging is never seen",
    ):
        assert line in told["lines"], page
