"""The data-quality page without Spark: what is released of tallies, what is noted, and how it is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tests.page import Page
from tests.tallied import INTAKE_ROWS, LOST, MONTHS, healthy_lines, nothing, site_of, tallied, troubled

from counterpart.disclosure import SiteTallies, release_quality
from counterpart.disclosure.cells import may_show, rounded_parts
from counterpart.report.quality import find_notes, render_quality
from counterpart.report.quality.page import SECTIONS
from counterpart.report.quality.series import find_odd, find_steps, runs_of
from counterpart.report.quality.summary import summarise_quality


def document_of(counts: SiteTallies) -> dict[str, Any]:
    document = {"site": "ours", "made_by": {"counterpart": "1", "table_versions": {"medical": 3}}}
    document |= release_quality(counts)
    return document | {"notes": find_notes(document)}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return document_of(troubled())


@pytest.fixture(scope="module")
def page(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("profile") / "profile.html"
    return Page(render_quality(document, path).read_text(encoding="utf-8"))


# --- what may leave ---------------------------------------------------------------------------------------------------


def test_a_withheld_part_may_be_any_small_number() -> None:
    """The attack: of all counts that would be told alike, a withheld part still takes every value from 1 to 10."""
    told: dict[Any, list[tuple[int, ...]]] = {}
    for counts in product(range(28), repeat=3):
        total, parts = rounded_parts(dict(enumerate(counts)))
        told.setdefault((total, *parts.values()), []).append(counts)
    assert any(total is not None and None in parts for total, *parts in told)
    for (_, *parts), possible in told.items():
        for place in [place for place, part in enumerate(parts) if part is None]:
            assert {counts[place] for counts in possible} == set(range(1, 11))


def test_a_sum_is_that_of_the_parts_shown() -> None:
    tens = dict.fromkeys("abcde", 10)
    assert rounded_parts(tens) == (None, dict.fromkeys(tens))
    assert rounded_parts({"a": 7, "b": 500}) == (495, {"a": None, "b": 495})
    assert rounded_parts({"a": 0, "b": 16}) == (11, {"a": 0, "b": 11})
    assert rounded_parts({"a": 50, "b": 500}, withheld=["a"]) == (495, {"a": None, "b": 495})
    assert rounded_parts({}) == (0, {})


def numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every number and None of a document with the key it stands under."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from numbers(part, (*path, key))
    elif isinstance(value, list):
        for part in value:
            yield from numbers(part, path)
    elif value is None or isinstance(value, int | float):
        yield path[-1], value


def test_every_count_is_a_multiple_of_eleven_and_every_share_a_whole_per_cent(document: dict[str, Any]) -> None:
    parts = {name: part for name, part in document.items() if name != "notes"}
    told = {key for key, value in numbers(parts) if value is not None}
    assert told >= {"n_lines", "n_members", "n_gaps", "share", "share_missing"}
    of_no_lines = {"n_spans", "months", "month", "to_days", "from_days", "delivery", "medical", "value", "share"}
    for key, value in numbers(parts):
        if key.startswith("n_") and key != "n_spans" and value is not None:
            assert value % 11 == 0, key
            assert may_show(value), key
        elif key.startswith("share") and value is not None:
            assert value == round(value, 2), key
        else:
            assert key in of_no_lines | {"may_be_missing", "is_judged"} or value is None, key


def test_small_counts_and_what_would_tell_them_are_withheld(document: dict[str, Any]) -> None:
    """7 lines of long ago, 7 members of three spans, 4 gaps, 4 deaths, 8 members without sex, 3 negative amounts."""
    medical = document["tables"][0]
    assert (medical["n_before"], medical["n_after"]) == (None, 0)
    assert [row["n_members"] for row in document["cover"][0]["by_spans"]] == [704, 176, None, 0, 0]
    assert [row["n_gaps"] for row in document["cover"][0]["gaps"]] == [154, 33, None]
    assert document["members"] == {"n_members": 891, "share_with_death": None}
    of_members = {row["column"]: row["share_missing"] for row in document["columns"] if row["table"] == "members"}
    assert of_members == {"birth_date": 0.0, "sex": None, "state": 0.05}
    assert [row["share_negative"] for row in document["amounts"]] == [None, None]
    after_death = [row for row in document["outside"] if row["rule"] == "long_after_death"]
    assert [(row["n_lines"], row["share"]) for row in after_death] == [(None, None)] * 2
    assert [one["n_rows"] for one in document["intake"][0]["fates"]] == [60_005, None, 6_600]


def test_lines_of_few_people_are_withheld_with_all_that_is_told_of_them() -> None:
    """500 lines of three people in one month."""
    rows = [
        row if row[:5] != ("people", "medical", "", "", 201501) else (*row[:5], 3) for row in site_of(healthy_lines())
    ]
    found = document_of(tallied(rows))
    by_month = {row["month"]: row for row in found["tables"][0]["by_month"]}
    assert by_month[201501] == {"month": 201501, "n_lines": None, "n_people": None}
    assert found["tables"][0]["n_lines"] == 2_200 * (len(MONTHS) - 1)
    told = [
        part["by_month"]
        for part in (*found["columns"], *found["codes"], *found["outside"])
        if part["table"] == "medical"
    ]
    of_month = [row for rows in told for row in rows if row["month"] == 201501]
    assert len(of_month) >= 7
    assert {value for row in of_month for key, value in row.items() if key != "month"} == {None}


def test_a_table_about_few_people_tells_nothing() -> None:
    """Three people with 2,200 lines a month."""
    rows = [(*row[:5], 3 if row[5] else 0) if row[0].startswith("people") else row for row in site_of(healthy_lines())]
    found = document_of(tallied(rows))
    assert [(table["n_lines"], table["n_people"]) for table in found["tables"]] == [(None, None)] * 2
    assert found["months"] == found["codes"] == found["outside"] == found["amounts"] == found["lag"]["sources"] == []
    assert {column["table"] for column in found["columns"]} == {"members"}
    assert [note["about"] for note in found["notes"]] == []


def test_quantiles_are_of_large_counts(document: dict[str, Any]) -> None:
    paid = document["amounts"][0]
    assert paid["n_lines"] == 2_002
    assert paid["share_zero"] == 0.3
    assert [(one["share"], one["value"]) for one in paid["quantiles"]] == [
        (0.05, 0), (0.25, 0), (0.5, 1_200), (0.75, 1_200), (0.95, 43_000), (0.99, 43_000),
    ]  # fmt: skip
    few = release_quality(tallied([("amounts", "medical", "paid_cents", "", 1_200, 1_099)]))
    assert {one["value"] for one in few["amounts"][0]["quantiles"]} == {None}


def test_days_to_payment(document: dict[str, Any]) -> None:
    (lag,) = document["lag"]["sources"]
    assert (lag["n_rows"], lag["share_unknown"]) == (2_233, 0.05)
    assert [one["value"] for one in lag["quantiles"]] == [20, 20, 400]
    assert [one["share"] for one in lag["classes"]] == [0.01, 0.9, 0.0, 0.0, 0.0, 0.1]


# --- what stands out --------------------------------------------------------------------------------------------------


def test_levels_steps_and_odd_months() -> None:
    def differs(level: float, value: float) -> bool:
        return abs(level - value) >= 5

    flat, step = [10.0] * 12, [0.0] * 5 + [10.0] * 7
    assert (find_steps(flat, differs), find_odd(flat, [], differs)) == ([], {})
    assert find_steps(step, differs) == [5]
    assert find_odd(step, [5], differs) == {}
    assert find_steps([0.0] * 5 + [10.0] * 6 + [20.0] * 5, differs) == [5, 11]
    gap = [10.0] * 7 + [0.0] * 3 + [10.0] * 7
    assert find_steps(gap, differs) == []
    assert find_odd(gap, [], differs) == {7: 10.0, 8: 10.0, 9: 10.0}
    assert runs_of([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 7), (9, 10)]
    assert find_odd([0.0, 10.0, 10.0], [], differs) == {}


def test_a_missing_month_a_change_of_coding_and_an_empty_column_are_named(document: dict[str, Any]) -> None:
    told = [
        (note["status"], note["about"], note["text"])
        for note in document["notes"]
        if note["table"] not in ("pharmacy", "")
    ]
    assert told == [
        ("look here", "A month without rows",
         "2015-03: no medical claim lines, where the months around have about 2,200. Is a delivery missing?"),
        ("look here", "An unusual month",
         "2016-02: medical claim lines are at 210% of the level of the months around. Was something delivered twice?"),
        ("look here", "Procedure, medical",
         "In 2016-05 the column is empty in 100% of the medical claim lines, in the months around in 5%."),
        ("look here", "Procedure, medical",
         "12% of the codes that stand there as CPT or HCPCS are not written like CPT or HCPCS."),
        ("look here", "Impossible days", "10% of the medical claim lines are on a day without cover."),
        ("expected", "An unusual month",
         "2016-12: medical claim lines are at 40% of the level of the months around. The last months of a delivery are "
         "often incomplete: claims are sent late."),
        ("expected", "Diagnoses, medical",
         "From 2015-10 on codes of ICD-9-CM vanish and codes of ICD-10-CM appear. All of the United States changed on "
         "that day."),
        ("to know", "Empty columns", "Empty in all medical claim lines: Concepts."),
    ]  # fmt: skip
    marked = {(note["table"], month) for note in document["notes"] for month in note["months"]}
    assert {("medical", LOST), ("pharmacy", LOST), ("medical.diagnoses", 201510)} <= marked
    quarantine = [note["text"] for note in document["notes"] if note["about"] == "Quarantine"]
    assert quarantine == [f"10% of the rows of medical_claim were quarantined in delivery {n}." for n in (1, 2)]


def test_another_change_of_coding_is_looked_at_and_new_levels_are_told() -> None:
    rows = [
        (
            topic,
            part,
            name,
            "icd10cm" if detail == "icd9cm" and at >= 201501 else detail,
            at,
            n // 3 if at >= 201601 else n,
        )
        for topic, part, name, detail, at, n in site_of(healthy_lines())
    ]
    told = {(note["status"], note["text"]) for note in document_of(tallied(rows))["notes"]}
    assert (
        "look here",
        "From 2015-01 on codes of ICD-9-CM vanish and codes of ICD-10-CM appear. Is this a change of coding?",
    ) in told
    assert ("look here", "From 2016-01 on fills are at 34% of the level before.") in told


def test_healthy_claims_have_nothing_to_look_at() -> None:
    rows = [row for row in site_of(healthy_lines()) if row[0] not in ("outside", "unrecognised")]
    even = [(*row[:5], row[5] if row[2] != "procedure" or row[4] != 201605 else 110) for row in rows]
    notes = document_of(tallied(even))["notes"]
    assert [(note["status"], note["about"]) for note in notes if note["status"] != "to know"] == [
        ("expected", "Diagnoses, medical")
    ]


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_document_says(page: Page, document: dict[str, Any]) -> None:
    assert [attributes["id"] for tag, attributes in page.elements if tag == "section"] == [
        anchor for anchor, _ in SECTIONS
    ]
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for note in document["notes"]:
        assert note["text"] in page.text
    assert page.cells("2015-03") == ["2015-03", "0", "0", "0", "0", "880", "880"]
    assert page.cells("2015-04")[1] == "2,200"
    assert page.cells("3")[1:] == ["withheld", "0"]
    assert page.cells("1 to 31 days") == ["1 to 31 days", "154", "0"]
    assert page.cells("Paid (medical)")[1:4] == ["2,002", "30%", "withheld"]
    assert page.cells("Diagnoses (medical)")[1:] == ["ICD-10-CM", "102,300", "0%", "2015-10 to 2016-12"]
    assert page.cells("merged: duplicate") == ["merged: duplicate", "withheld"]
    assert page.cells("Claims")[1:] == ["2,233", "20", "20", "400", "1%", "90%", "0%", "0%", "0%", "10%"]


def test_the_page_asks_nobody_and_has_no_script(page: Page) -> None:
    assert not re.search(r"<script|https?://|@import|url\(", page.html)
    assert not re.search(r"#[0-9a-fA-F]{6}\b", "".join(re.findall(r"<svg.*?</svg>", page.html, flags=re.DOTALL)))


def test_the_same_tallies_in_any_order_give_the_same_bytes(document: dict[str, Any], tmp_path: Path) -> None:
    shuffled = tallied(sorted(site_of(dict(reversed(troubled().of("lines", "medical").items())))), INTAKE_ROWS)
    again = document_of(shuffled)
    assert json.dumps(again, sort_keys=True) == json.dumps(document, sort_keys=True)
    pages = [render_quality(one, tmp_path / f"{n}.html").read_bytes() for n, one in enumerate((document, again))]
    assert pages[0] == pages[1]


def test_tables_without_rows_are_told_as_such(tmp_path: Path) -> None:
    empty = document_of(nothing())
    html = render_quality(empty, tmp_path / "profile.html").read_text(encoding="utf-8")
    assert "There are no claim lines, or too few of them to be shown." in html
    assert "Not known: the site names no source." in html
    for told in ("There are no medical claim lines.", "There are no fills.", "Nobody has medical cover."):
        assert told in html
        assert told in summarise_quality(empty)


def test_the_summary(document: dict[str, Any]) -> None:
    lines = summarise_quality(document).splitlines()
    assert lines[:2] == ["Claims of site ours, 2014-07 to 2016-12", "  64,900 medical claim lines of 902 members"]
    assert f"  look here: A month without rows: {document['notes'][0]['text']}" in lines
    assert len(MONTHS) == len(document["months"])
