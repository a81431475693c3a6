"""What `ingest --explain` may say: formats, shares and lacks, never a value and no small number of rows."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.studies import small_study

from counterpart import cli
from counterpart.codes import CodeLibrary
from counterpart.disclosure import release_explanation
from counterpart.disclosure.explanation import ExplainedTable, Explanation, SourceColumn
from counterpart.protocol import Study
from counterpart.sources.needs import ICD_ON_LINES, find_lacks
from counterpart.stages import require_codes

ALL_COLUMNS = {
    *(f"eligibility.{name}" for name in ("birth_date", "start_date", "pharmacy_start_date", "death_date")),
    *("eligibility.sex", "eligibility.state"),
    *(f"medical.{name}" for name in ("procedure", "modifiers", "revenue", "place", "specialty", "diagnoses")),
    *("medical.concepts", "medical.service_end_date", "medical.allowed_cents", "medical.facility_procedures"),
    *("medical.drg", "medical.bill_type"),
    *("pharmacy.ndc", "pharmacy.days_supply", "roster.program"),
}  # fmt: skip


def released(*columns: SourceColumn, **table: Any) -> dict[str, Any]:
    told = ExplainedTable("claims", "medical", True, columns, **table)
    return release_explanation(Explanation("payer", 20_000, [told]))


@pytest.mark.parametrize(
    ("n_rows", "n_empty", "share"),
    [(0, 0, None), (100, 0, 0.0), (100, 100, 1.0), (100, 10, None), (100, 95, None), (10, 0, None), (100, 50, 0.56),
     (20_000, 11, 0.01), (20_000, 19_989, 0.99), (22_000, 11_000, 0.5)],
)  # fmt: skip
def test_a_share_is_of_no_small_number(n_rows: int, n_empty: int, share: float | None) -> None:
    column = released(SourceColumn("a", n_rows, n_empty, [], [], True))["tables"][0]["columns"][0]
    assert column["share_empty"] == share


def test_formats_of_few_rows_are_left_out_and_long_runs_of_digits_are_counted() -> None:
    formats = [("9" * 11, 500), ("9999-9999-99", 11), ("a+@a+.aaa", 10)]
    column = released(SourceColumn("ndc", 521, 0, formats, ["ndc"], True))["tables"][0]["columns"][0]
    assert column["formats"] == ["9{11}", "9999-9999-99"]


def test_a_first_row_that_is_no_heading_is_not_told() -> None:
    """Files without a heading are read as if somebody's row were one."""
    names = ("P00012345678", "1980-05-05", "72148", "", "MEMBER_ID")
    document = released(*(SourceColumn(name, 50, 0, [], [], False) for name in names))
    assert [column["name"] for column in document["tables"][0]["columns"]] == ["…"] * 4 + ["MEMBER_ID"]
    assert not any(name in line for name in names[:3] for line in document["lines"])


def test_no_name_is_told_where_none_of_the_layouts_is_found() -> None:
    """A surname looks like the name of a column."""
    columns = [SourceColumn("SMITHSON", 50, 0, [], [], False)]
    assert "SMITHSON" in json.dumps(released(*columns))
    assert "SMITHSON" not in json.dumps(released(*columns, missing=["person_id"], has_heading=False))


def test_the_page() -> None:
    columns = [
        SourceColumn("FROM_DT", 5_000, 0, [("mm/dd/yyyy", 3_000), ("99/99/9999", 2_000)], ["service_date"], True),
        SourceColumn("STATUS", 5_000, 7, [("A", 4_993)], ["is_denied", "is_reversal"], True),
        SourceColumn("SEGMENT", 5_000, 5_000, [], [], True),
        SourceColumn("GROUP", 5_000, 500, [("999", 4_500)], [], False),
    ]
    tables = [
        ExplainedTable("lines", "medical", True, columns, ["CPT"], ["claim_type"], ["place", "revenue"]),
        ExplainedTable("dme", "medical", True, [], [], [], ["place"]),
        ExplainedTable("rx", "pharmacy", False, missing=["NDC", "FILLED"]),
        ExplainedTable("enrolled", "roster", False),
    ]
    lacks = [("criterion x", ("medical.place",), "event y is never seen")]
    page = release_explanation(Explanation("payer", 20_000, tables, lacks, "small"))["lines"]
    assert "\n".join(page) == (
        "Layout payer: formats and empty fields of at most 20,000 rows of each table\n\n"
        "medical: lines\n"
        "  source column  format                    empty     our columns\n"
        "  FROM_DT        mm/dd/yyyy or 99/99/9999  0%        service_date\n"
        "  STATUS         A                         withheld  is_denied, is_reversal\n"
        "  SEGMENT        -                         100%      finds or judges rows\n"
        "  GROUP          999                       10%       not read\n"
        "  missing (ingest would stop): CPT\n"
        "  the same in every row: claim_type\n"
        "  nothing feeds: place, revenue\n\n"
        "medical: dme\n"
        "  source column  format  empty  our columns\n"
        "  nothing feeds: place\n\n"
        "pharmacy: rx: not delivered; ingest needs it, with NDC, FILLED\n\n"
        "roster: enrolled: not delivered\n\n"
        "No table of medical feeds place\n\n"
        "Study small: what the claims cannot tell\n"
        "  criterion x: medical.place; event y is never seen"
    )


def test_the_command_explains_and_ingests_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[tuple[Path, Path | None]] = []

    def open_documents(site: Path, study: Path | None) -> Any:
        opened.append((site, study))
        told = {name: (lambda *_, name=name: {name: 1}) for name in ("explain_source", "ingest")}
        return nullcontext(SimpleNamespace(**told))

    monkeypatch.setattr(cli, "_open", open_documents)
    for more, did in (((), "ingest"), (("--explain",), "explain_source")):
        command = ["ingest", "--site", "s.yaml", "--study", "t.yaml", "--json", str(tmp_path / "told.json"), *more]
        assert cli.main(command) == 0
        assert {"ingest", "explain_source"} & set(json.loads((tmp_path / "told.json").read_text())) == {did}
    assert opened == [(Path("s.yaml"), None), (Path("s.yaml"), Path("t.yaml"))]


# --- what a study asks for --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(root: Path) -> CodeLibrary:
    return CodeLibrary.load([root / "conf" / "codesets"])


STUDY = small_study(
    events={
        "therapy": [
            {"codes": "physical_therapy", "diagnosis": "low_back_pain", "in_person": True},
            {"codes": "physical_therapy_shared", "therapist": True},
        ],
        "mri": [{"codes": "lumbar_mri"}, {"codes": "revenue_mri", "diagnosis": "low_back_pain"}],
        "emergency_visit": [{"codes": "place_emergency"}],
    },
    cohort={
        "enrollment": {"benefits": ["medical", "pharmacy"]},
        "history": [{"name": "has_opioids", "event": "opioid_analgesics"}],
        "exclusions": [
            {"name": "emergency", "event": "emergency_visit"},
            {"name": "steroids", "event": "oral_steroids", "supplied_days": 90},
        ],
    },
    covariates={"charlson": True, "events": [{"event": "medical_claim", "kind": "cents", "name": "cost"}]},
    outcomes={"outcomes": [{"name": "imaging", "label": "Imaging", "role": "primary", "events": ["mri"]}]},
)


@pytest.mark.parametrize(
    ("without", "lacks"),
    [
        ((), []),
        (("medical.specialty",), []),
        (("medical.place",), ["criterion emergency: medical.place; event emergency_visit is never seen"]),
        (("medical.revenue",),
         ["comparator arm: medical.revenue; event therapy is seen in part",
          "outcome imaging: medical.revenue; event mri is seen in part"]),
        (("medical.modifiers", "medical.specialty"),
         ["comparator arm: medical.modifiers, medical.specialty; event therapy is seen in part"]),
        (("pharmacy.ndc", "eligibility.pharmacy_start_date"),
         ["criterion enrolled_on_index_date: eligibility.pharmacy_start_date; nobody has pharmacy cover",
          "criterion has_opioids: pharmacy.ndc; event opioid_analgesics is never seen",
          "criterion steroids: pharmacy.ndc; event oral_steroids is never seen"]),
        (("pharmacy.days_supply",),
         ["criterion steroids: pharmacy.days_supply; no fill supplies a day, and nobody is excluded"]),
        (("roster.program", "medical.allowed_cents"),
         ["treated arm: roster.program; nobody is treated",
          "covariate cost: medical.allowed_cents; every amount is missing"]),
        (("medical.diagnoses",),
         ["comparator arm: medical.diagnoses; event therapy is seen in part",
          "covariate charlson_index: medical.diagnoses; event charlson_mi is never seen",
          "outcome imaging: medical.diagnoses; event mri is seen in part"]),
    ],
)  # fmt: skip
def test_what_is_missing_for_whom(library: CodeLibrary, without: tuple[str, ...], lacks: list[str]) -> None:
    found = find_lacks(STUDY, library, ALL_COLUMNS - set(without))
    assert [f"{lack.used_by}: {', '.join(lack.columns)}; {lack.effect}" for lack in found] == lacks


CODES = {
    "hcpcs": "72148",
    "icd10cm": "M54.5",
    "icd10pcs": "1234567",
    "icd9pcs": "81.08",
    "drg": "123",
    "specialty": "65",
    "modifier": "GP",
    "bill_type": "11*",
    "revenue": "0320",
}


def library_of(folder: Path, **codes: str) -> CodeLibrary:
    """Code sets by their systems, each with one code; those of the small study are of procedures."""
    of_study = dict.fromkeys(("therapy", "back_pain", "cancer", "imaging", "mri"), "hcpcs")
    for name, systems in (of_study | codes).items():
        rows = (f"{system},{CODES[system]},,,t" for system in systems.split())
        (folder / f"{name}.csv").write_text("\n".join(("system,code,valid_from,valid_to,source", *rows, "")))
    return CodeLibrary.load([folder])


def outcome_study(event: str, **clause: str) -> Study:
    outcomes = {"outcomes": [{"name": "surgery", "label": "Surgery", "role": "primary", "events": [event]}]}
    return small_study(events={"seen": [{"codes": "mri", **clause}]}, outcomes=outcomes)


@pytest.mark.parametrize(
    ("without", "more", "lacks"),
    [
        ((), (), {}),
        # Procedures of lines are HCPCS, but where a layout says otherwise.
        (("facility_procedures",), (), {"fusion": "facility_procedures", "repair": "facility_procedures"}),
        (("facility_procedures",), (ICD_ON_LINES,), {}),
        (("procedure",), (), {"repair": "procedure"}),
        (("drg",), (), {"group": "drg"}),
        (("bill_type", "modifiers"), (), {"bill": "bill_type", "part": "modifiers"}),
    ],
)
def test_a_code_stands_in_columns_of_its_system(
    tmp_path: Path, without: tuple[str, ...], more: tuple[str, ...], lacks: dict[str, str]
) -> None:
    systems = {"fusion": "icd10pcs", "repair": "icd9pcs hcpcs", "group": "drg", "bill": "bill_type", "part": "modifier"}
    library = library_of(tmp_path, **systems)
    given = {*ALL_COLUMNS, *more} - {f"medical.{name}" for name in without}
    told = {}
    for event in systems:
        require_codes(outcome_study(event), library)
        found = {lack.used_by: lack for lack in find_lacks(outcome_study(event), library, given)}
        if "outcome surgery" in found:
            told[event] = (found["outcome surgery"].columns, found["outcome surgery"].effect)
    part = {"repair": "seen in part"}
    assert told == {
        event: ((f"medical.{column}",), f"event {event} is {part.get(event, 'never seen')}")
        for event, column in lacks.items()
    }


def test_a_stay_needs_its_last_day_and_a_specialist_the_specialty(library: CodeLibrary) -> None:
    outcome = {"name": "care", "label": "Care", "role": "primary", "events": ["inpatient_stay", "specialist_referral"]}
    document = STUDY.model_dump() | {"stays": ["inpatient_stay"], "outcomes": {"outcomes": [outcome]}}
    study = Study.model_validate(document)
    require_codes(study, library)
    assert find_lacks(study, library, ALL_COLUMNS) == []
    lacks = find_lacks(study, library, ALL_COLUMNS - {"medical.service_end_date", "medical.specialty"})
    assert [astuple(lack) for lack in lacks] == [
        (
            "outcome care",
            ("medical.service_end_date",),
            "each line of inpatient_stay is one day, and a stay billed in one line is cut short",
        ),
        ("outcome care", ("medical.specialty",), "event specialist_referral is never seen"),
    ]
