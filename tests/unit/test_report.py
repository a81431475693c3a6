"""The report page and the summary: what a released document says, and nothing else."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from tests.page import Page
from tests.released import largest, limits, released, withheld, without_pairs

from counterpart.report import draw_plots, render_report
from counterpart.report.page import SECTIONS
from counterpart.report.plots.canvas import NARROW, WIDE
from counterpart.report.reading.words import criterion

HOSTILE = '<script>alert("1")</script> & $x_1$ \'"'


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return render(released(), tmp_path_factory.mktemp("report"))


def render(document: dict[str, Any], folder: Path) -> Page:
    path = folder / "report.html"
    assert render_report(document, path) == path
    return Page(path.read_text(encoding="utf-8"))


def test_every_section_is_there_in_the_order_of_reading(rendered: Page) -> None:
    sections = [attributes["id"] for tag, attributes in rendered.elements if tag == "section"]
    assert sections == [anchor for anchor, _ in SECTIONS]
    ids = [attributes["id"] for _, attributes in rendered.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in rendered.elements if tag in ("a", "use")}
    assert {str(link)[1:] for link in links} <= set(ids)


def test_the_answer_is_that_of_the_document(rendered: Page) -> None:
    assert "the rate of imaging in days 1 to 30 after the index date was 65% lower with Program" in rendered.text
    for told in (
        "Rate ratio, matched 0.352 95% interval 0.281 to 0.441",
        "Rate, treated 1,240 95% interval 1,020 to 1,480",
        "Rate, comparator 3,520 95% interval 3,110 to 3,990",
        "Rate difference −2,280 95% interval −2,770 to −1,790",
        "Matched pairs 1,210 eligible treated index dates: 1,343",
        "Largest standardised difference 0.052 after matching; 0.512 before",
        "Before matching: 0.62 (0.51 to 0.75)",
        "E-value 5.13, and 3.96 for the limit nearest to 1",
        "1 of 1 has an interval; every interval holds 1",
    ):
        assert told in rendered.text


def test_tables_have_the_numbers_of_the_document(rendered: Page) -> None:
    assert rendered.cells("Age, years") == ["Age, years", *"41.4 49.6 −0.512 – 41.5 41.7 −0.013 –".split()]
    assert rendered.cells("Imaging, allowed cost")[1:4] == ["$2,940", "$2,410", "0.138"]
    assert rendered.cells("matched", after="Imaging, days 1 to 30") == [
        "matched", "123 99.38", "1,240 1,020 to 1,480", "345 98.11", "3,520 3,110 to 3,990", "0.352 0.281 to 0.441",
        "−2,280 −2,770 to −1,790",
    ]  # fmt: skip
    assert rendered.cells("day 30") == [
        "day 30", "matched", "1,210", "all or nearly all", "", "1,210", "1,001", "83%",
    ]  # fmt: skip
    assert rendered.cells("kept as sent") == ["kept as sent", "4,433,168"]
    assert rendered.cells("Program")[1:] == ["weeks −26 to −1", "777", "12.50", "886"]


def test_software_is_named_as_it_names_itself(rendered: Page) -> None:
    assert "counterpart 0.1.0 Delta Lake 4.4.0 Spark 4.2.0" in rendered.text


def test_a_stage_reused_from_a_run_with_other_software_says_with_which(rendered: Page, tmp_path: Path) -> None:
    assert "03:42:47+00:00 by" not in rendered.text
    document = released()
    document["run"]["stages"]["cohort"]["other_versions"] = {"spark": "4.0.1", "numpy": "2.1.0"}
    assert "03:42:47+00:00 by NumPy 2.1.0, Spark 4.0.1" in render(document, tmp_path).text


def test_the_flow_has_the_counts_and_names_merged_steps(rendered: Page) -> None:
    for told in (
        "Candidates 70,707 index dates of 9,191 members",
        "Eligible 20,202",
        "−18,992 Eligible, but nobody's closest comparator",
        "−978 Merged: Fewer than 2 days, 90 or more apart, with back pain; Cancer",
        "1 criterion excluded nobody",
        "In matched pairs 1,210 members, one index date each",
    ):
        assert told in rendered.text


def test_what_is_withheld_says_so(rendered: Page) -> None:
    assert rendered.cells("matched", after="Imaging, days 1 to 90")[1:] == [
        "withheld 99.38", "withheld", "withheld 98.11", "withheld", "withheld", "withheld",
    ]  # fmt: skip
    sex = rendered.cells("Sex unknown")
    assert (sex[1:4], sex[5:8]) == (["withheld", "withheld", "≤ 0.1"], ["0.0%", "0.0%", "0.000"])
    assert rendered.cells("Hemiplegia or paraplegia")[5:8] == ["withheld", "withheld", "≤ 0.2"]
    assert rendered.cells("quarantined: null key and merged: reversed")[1:] == ["withheld"]


def test_the_reader_is_told_what_not_to_conclude(rendered: Page) -> None:
    for told in (
        "Joining is a choice.",
        "observational",
        "Residual confounding",
        "Withheld is not zero",
        "multiple of 11",
    ):
        assert told in rendered.text


def test_windows_before_the_days_of_cover_are_named(rendered: Page, tmp_path: Path) -> None:
    assert "longer than the cover" not in rendered.text
    document = released()
    document["protocol"]["cohort"]["enrollment"]["lookback_days"] = 364
    assert "but back pain, imaging and comorbidity also count" in render(document, tmp_path).text


def test_the_page_is_whole_in_itself(rendered: Page) -> None:
    assert not re.search(
        r"https?:|//[a-z]|url\(|@import|<script|<link|<img|<iframe|<object|\bsrc=|\bon\w+=", rendered.html
    )
    assert {tag for tag, _ in rendered.elements}.isdisjoint({"script", "link", "img", "iframe", "object", "base"})


def test_the_same_document_gives_the_same_bytes(rendered: Page, tmp_path: Path) -> None:
    assert render(released(), tmp_path).html == rendered.html


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    document = released()
    protocol = document["protocol"]
    protocol |= {"title": HOSTILE, "question": HOSTILE, "cautions": [HOSTILE]}
    for arm in ("treated", "comparator"):
        protocol["cohort"][arm]["label"] = f"{arm} {HOSTILE} 疼痛"
    for row in (*document["effects"], *document["balance"]):
        row["label"] = HOSTILE
    document["score"]["warnings"] = [HOSTILE]
    page = render(document, tmp_path)
    assert "script" not in {tag for tag, _ in page.elements}
    assert "<script" not in page.html
    assert unescape(page.html).count(HOSTILE) >= 10


def test_a_study_without_pairs_says_that_it_has_no_answer(tmp_path: Path) -> None:
    page = render(without_pairs(), tmp_path)
    assert "No pair was matched, so this study has no answer." in page.text
    assert page.cells("matched", after="Imaging, days 1 to 30")[1:] == [
        "0 0", "not estimable", "0 0", "not estimable", "not estimable", "not estimable",
    ]  # fmt: skip


def test_a_study_with_everything_withheld_shows_no_count(tmp_path: Path) -> None:
    page = render(withheld(), tmp_path)
    assert "The answer is withheld" in page.text
    withheld_rows = [row for row in page.rows if row and row[0] in ("matched", "crude")]
    assert withheld_rows
    assert {cell for row in withheld_rows for cell in row[1:]} == {"withheld", "withheld withheld"}
    assert "describes the matched pairs, whose number is withheld, of" in page.text
    for anchor, _ in SECTIONS:
        assert f'id="{anchor}"' in page.html


def test_an_interval_that_holds_one_is_no_difference(tmp_path: Path) -> None:
    document = released()
    document["effects"][1] |= limits("rate_ratio", 0.9, 0.7, 1.2)
    page = render(document, tmp_path)
    assert "was not clearly different between Program and Therapy" in page.text
    assert "so no such cause is needed" in page.text


def test_plots_follow_the_page_in_colour_and_font(rendered: Page) -> None:
    drawn = re.findall(r"<svg.*?</svg>", rendered.html, flags=re.DOTALL)
    assert len(drawn) == 2 * len(draw_plots(released()))
    for svg in drawn:
        assert not re.search(r"#[0-9a-fA-F]{6}\b", svg)
        assert not re.search(r"<style|<clipPath|clip-path|DejaVu", svg)
        assert "aria-label=" in svg


def test_words_in_plots_are_words_and_large_enough(rendered: Page) -> None:
    drawn = re.findall(r"<svg.*?</svg>", rendered.html, flags=re.DOTALL)
    assert len(drawn) >= 5
    for svg in drawn:
        width = float(re.findall(r'viewBox="0 0 ([\d.]+)', svg)[0])
        assert width in (WIDE.width, NARROW.width)
        assert NARROW.width <= 390 - 2 * 18
        sizes = [float(size) for size in re.findall(r"font(?:-size)?:[^;\"]*?([\d.]+)px", svg)]
        assert len(sizes) >= 5
        assert min(sizes) >= 10


def test_a_difference_without_spread_is_no_balance(tmp_path: Path) -> None:
    document = released(largest_smd=largest(0.512, 0.052) | {"after_undefined": ["age"]})
    text = render_report(document, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Constant inside each arm but different between them" in text
    assert "no covariate differs by more than" not in text


def test_days_of_supply_are_told_as_such(tmp_path: Path) -> None:
    """Not every fill of the drug excludes: the design and the flow of members say how many days in a row do."""
    document = released()
    rule = {"name": "steroids", "event": "oral_steroids", "window": [-365, 0], "supplied_days": 90}
    document["protocol"]["cohort"]["exclusions"] = [rule]
    page = Page(render_report(document, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Oral steroids supplied for 90 days in a row, days −365 to 0" in page.text
    assert "Members without it cannot be excluded for oral steroids." in page.text
    assert criterion("steroids", document["protocol"], "treated") == "Oral steroids supplied for 90 days in a row"
