"""The mapping document: every mistake with its path and what is allowed, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.studies import changed

from counterpart import cli
from counterpart.errors import ProtocolError
from counterpart.protocol import load_mapping
from counterpart.protocol.mapping import columns_of, columns_of_diagnoses

LINES: dict[str, Any] = {"person_id": "MBR", "claim_id": "CLM", "line_number": "LN", "service_date": "FROM"}
MAPPING: dict[str, Any] = {
    "name": "payer",
    "eligibility": {"spans": {"person_id": "MBR", "start_date": "EFF"}},
    "medical": {"lines": LINES},
}
TABLE = {"table": "dx", "claim_id": "CLM", "code": "DX"}


def write(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("name", "My Payer", "…: must be small letters, digits and underscores, a letter first (found 'My Payer')"),
        ("medicall", {}, "…: unknown key; did you mean medical?"),
        ("medical.lines.servce_date", "D", "…: unknown key; did you mean service_date?"),
        ("medical.lines.service_date", ..., "…: is missing"),
        ("medical.lines.claim_id", [], "…: must name a column or a constant"),
        ("medical.lines.allowed", [], "…: must name a column"),
        (
            "medical.lines.claim_id",
            7,
            "…: must be a column's name, a list of names, or a section with the keys column, none, values, constant "
            "(found 7)",
        ),
        ("medical", {}, "…: must have at least 1 item (found a section)"),
        ("dates", ["mdy"], "….0: must be 'iso', 'yyyymmdd', 'dd-mon-yyyy', 'ddmonyyyy', 'mm/dd/yyyy', 'dd/mm/yyyy', "
                           "'yyyy/mm/dd', 'dd.mm.yyyy', 'mmddyyyy', 'excel' or 'sas' (found 'mdy')"),
        ("dates", ["iso", "mm/dd/yyyy", "dd/mm/yyyy"],
         "…: mm/dd/yyyy and dd/mm/yyyy read the same text as different days; only one of them can be listed"),
        ("dates", ["iso", "iso"], "…: listed twice: iso"),
        ("amounts.unit", "euros", "…: must be 'dollars' or 'cents' (found 'euros')"),
        ("files.separator", "", "…: must not be empty (found ''); it is such as ',', '|' or \"\\t\""),
        ("eligibility.spans.sex", {"column": "G", "values": {"1": "male"}},
         "….values.1: must be 'F', 'M' or 'U' (found 'male')"),
        ("eligibility.spans.sex", {"column": "G", "values": {1: "M"}},
         "….values.1: must be text (found 1; put it in quotes)"),
        ("eligibility.spans.start_date", ..., "…: is missing: end_date is given"),
        ("medical.lines.diagnoses", "DX1..DY9", "….columns: 'DX1..DY9' is not a range; one is written like DX1..DX12"),
        ("medical.lines.diagnoses", ["DX9..DX1"],
         "….columns: 'DX9..DX1' must go from a smaller number to a larger one, over at most 999"),
        ("medical.lines.diagnoses", {}, "…: must have columns or a table, and not both"),
        ("medical.lines.diagnoses", TABLE | {"columns": ["D"]}, "…: must have columns or a table, and not both"),
        ("medical.lines.diagnoses", {"table": "dx", "code": "DX"},
         "….claim_id: is missing: it is a column of table dx"),
        ("medical.lines.diagnoses", {"columns": ["D"], "position": "N"},
         "….position: belongs to a table of diagnoses; here they are columns"),
        ("medical.lines.diagnoses", {"columns": ["D"], "system": "icd11"},
         "….system.constant: must be 'icd10cm' or 'icd9cm' (found 'icd11')"),
        ("medical.lines.diagnoses", {"columns": ["D"], "system": {"column": "V"}},
         "….system.values: is missing: it says which system each value of the column means"),
        ("medical.lines.diagnoses", {"columns": ["D"], "none": ["0"]},
         "….none: unknown key; known keys: claim_id, code, columns, files, joined_to, line_number, person_id, "
         "position, system, table"),
        ("medical.lines.facility_procedures", {"columns": ["PX1..PX3"], "dates": ["PD1..PD2"]},
         "….dates: must list a column for each of columns, the day of each procedure (found columns 3, dates 2)"),
        ("medical.lines.facility_procedures", {"dates": ["PD1"]}, "….columns: is missing"),
        ("none", [None], "….0: must be text (found nothing; put it in quotes)"),
        ("files.separator", "<pipe>",
         "…: must have at most 4 characters (found '<pipe>'); it is such as ',', '|' or \"\\t\""),
        ("medical.lines.diagnoses", TABLE | {"table": "SPANS"}, "….table: SPANS is mapped already"),
        ("pharmacy.Lines", {"person_id": "M", "claim_id": "C", "dispensing_date": "D", "ndc": "N"},
         "…: is mapped already; a source table is of one kind and read once"),
        ("medical.lines.line_number", ...,
         "…: is missing; where a row is a whole claim give lines, or {constant: 1} if it has one line"),
        ("medical.lines.lines", {"procedure": ["P1..P3"]},
         "medical.lines.line_number: is of a line and cannot stand beside lines, where a row is a whole claim"),
        ("medical.lines.lines", {"procedure": "P1..P3", "paid": "A1..A2"},
         "…: must list as many columns of each, a line each (found procedure 3, paid 2)"),
        ("medical.claims", {**LINES, "line_number": None, "lines": {"procedure": ["P1..P3"]}},
         "medical: must have a line in every row of every table, or a whole claim (lines) in every row"),
        ("medical.lines.denied", {"column": "S"},
         "….any_of: is missing: a column and the values of it that mean yes are told together"),
        ("medical.lines.denied", {"any_of": ["D"]},
         "….column: is missing: a column and the values of it that mean yes are told together"),
        ("medical.lines.denied", {}, "…: must name a column and any_of, or say amounts: true"),
        ("medical.lines.denied", {"amounts": True},
         "….amounts: needs charged, allowed and paid: of a charge nothing was allowed or paid"),
        ("medical.lines.reversal", {"amounts": True},
         "….amounts: needs charged, allowed or paid: the first that is not zero is negative"),
        ("medical.lines.void", {"amounts": True},
         "….amounts: cannot tell a void; a row that takes back amounts is a reversal"),
        ("medical.lines.replacement", {"amounts": True},
         "….amounts: cannot tell a replacement; a column does, such as frequency codes with a 7"),
        ("medical.lines.sequence", "N", "…: cannot stand beside sent_on; one of them orders the versions"),
        ("medical.lines.place", "mbr",
         "medical.lines: MBR and mbr are one column: capitals do not matter; write it in one way"),
    ],
)  # fmt: skip
def test_one_problem_of_a_mapping(tmp_path: Path, path: str, value: Any, complaint: str) -> None:
    base = changed(MAPPING, ("eligibility.spans.end_date", "TERM"), ("medical.lines.sent_on", "SENT"))
    file = write(tmp_path / "payer.yaml", changed(base, (path, value)))
    with pytest.raises(ProtocolError) as problem:
        load_mapping(file)
    assert str(problem.value) == f"{file} has 1 problem:\n  {complaint.replace('…', path, 1)}"


def test_mistakes_of_site_and_mapping_are_told_at_once_before_spark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = write(tmp_path / "payer.yaml", changed(MAPPING, ("nam", "x"), ("medical.lines.plase", "POS")))
    source = {"layout": "mapping", "path": "claims", "mapping": str(mapping)}
    site = write(tmp_path / "site.yaml", {"name": "x", "warehouse": "w", "reports": "r", "source": source})
    assert cli.main(["ingest", "--site", str(site)]) == 10
    assert capsys.readouterr().err == (
        f"counterpart: {mapping} has 2 problems:\n"
        "  medical.lines.plase: unknown key; did you mean place?\n  nam: unknown key; did you mean name?\n"
    )
    mapping.unlink()
    assert cli.main(["ingest", "--explain", "--site", str(site), "--study", str(tmp_path / "no.yaml")]) == 10
    assert capsys.readouterr().err == (
        f"counterpart: {mapping} does not exist; a mapping document is a YAML file\n"
        f"{tmp_path}/no.yaml does not exist; a study document is a YAML file\n"
    )


def test_the_shipped_example_names_its_columns(root: Path) -> None:
    example = load_mapping(root / "conf/mappings/example_payer.yaml")
    named = {name: columns_of(table) for _, name, table in example.tables()}
    assert named["coverage"] == ("MEMBER_ID", "STATE_CD", "EFF_DT", "TERM_DT", "PRODUCT")
    assert [name for name in named["professional"] if name.startswith("DX")] == [f"DX{n:02d}" for n in range(1, 13)]
    assert "DX_CD" not in named["facility"]
    diagnoses = example.medical["facility"].diagnoses
    assert diagnoses is not None
    assert columns_of_diagnoses(diagnoses) == ("CLAIM_NO", "SEQ", "DX_CD")
