"""The report page, its plots and the summary: what a released document says, and nothing else."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.released import CONTROL, effect, largest, limits, released, withheld, without_pairs
from tests.studies import small_study

import counterpart.report as report_package
from counterpart.report import draw_plots, render_report, save_plots, summarise
from counterpart.report.answer import build_answer, judge_controls
from counterpart.report.cautions import build_cautions
from counterpart.report.design import build_design
from counterpart.report.formats import interval, mean, measure, signed, significant, window
from counterpart.report.page import SECTIONS
from counterpart.report.plots.canvas import NARROW, PALETTE, WIDE
from counterpart.report.plots.love import MORE_THAN, differences_of
from counterpart.report.plots.windows import bars_of
from counterpart.report.table_one import build_table_one
from counterpart.report.words import criterion

CSS = (Path(report_package.__file__).parent / "templates" / "report.css").read_text()
HOSTILE = '<script>alert("1")</script> & $x_1$ \'"'


class Page(HTMLParser):
    """What a test asks of a page: its elements in order, its visible text, the cells of its table rows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.pieces: list[str] = []
        self._inside: list[str] = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.pieces))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            return
        self.pieces.append(data)
        if self.rows and self.rows[-1] and {"th", "td"} & set(self._inside):
            self.rows[-1][-1] = re.sub(r"\s+", " ", f"{self.rows[-1][-1]} {data}").strip()

    def cells(self, first: str, *, after: str = "") -> list[str]:
        """The cells of the first row that starts so, behind the row that starts with `after`."""
        start = next((i for i, row in enumerate(self.rows) if after and row and row[0].startswith(after)), 0)
        return next(row for row in self.rows[start:] if row and row[0] == first)


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


@pytest.mark.parametrize("calendar", ["month", "year", "decade"])
def test_the_windows_name_the_calendar_of_the_study(calendar: str) -> None:
    protocol = released()["protocol"]
    protocol["covariates"]["calendar"] = calendar
    assert (f"Age, sex, region, {calendar}", 0, 0, "known") in bars_of(protocol)


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


@pytest.mark.parametrize(
    ("ratio", "told"),
    [
        ((0.352, 0.281, 0.441), "was 65% lower with Program than with Therapy"),
        ((2.0, 1.5, 2.6), "was 100% higher with Program than with Therapy"),
        ((0.997, 0.995, 0.999), "was 0.997 times as high with Program as with Therapy"),
        ((0.004, 0.001, 0.016), "was 0.00400 times as high with Program as with Therapy"),
    ],
)
def test_the_answer_is_neither_nothing_nor_all(ratio: tuple[float, float, float], told: str) -> None:
    document = released()
    document["effects"][1] |= limits("rate_ratio", *ratio)
    assert told in re.sub("<.*?>", "", build_answer(document)["headline"])


def test_a_model_that_tells_the_arms_apart_is_not_as_wanted() -> None:
    document = released()
    document["score"] |= {"separated": [], "warnings": []}
    assert statuses(document)["Propensity model"] == "as wanted"
    document["score"] |= {"c_statistic": 1.0}
    assert statuses(document)["Propensity model"] == "look here"


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {name: status for name, status, _ in build_answer(document)["checks"]}


def test_controls_without_an_interval_are_not_counted_among_those_with_one() -> None:
    """One arm has no events: the row is shown, but neither holds nor excludes 1."""
    document = released()
    empty = effect("cough", "Cough", "matched", "negative_control", 90, **(CONTROL | limits("rate_ratio", *[None] * 3)))
    document["effects"].append(empty)
    assert judge_controls(document)[1].startswith("1 of 2 has an interval; every interval holds 1")


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


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def test_figures_have_the_light_colours_of_the_page() -> None:
    light, dark, printed = (colours(block) for block in re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL))
    assert {name: light[name] for name in PALETTE} == PALETTE
    assert len(set(PALETTE.values())) == len(PALETTE)
    assert printed == light
    assert set(dark) == set(light)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_stand_out_from_the_paper(scheme: int) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    scale = colours(re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL)[scheme])
    paper = luminance(scale["paper"])
    for name in ("ink", "muted", "treated", "comparator", "good", "look"):
        brighter, darker = sorted((luminance(scale[name]), paper), reverse=True)
        assert (brighter + 0.05) / (darker + 0.05) >= 4.5, name


def test_plots_are_saved_as_files(tmp_path: Path) -> None:
    paths = save_plots(released(), tmp_path / "plots")
    assert [path.stem for path in paths] == list(draw_plots(released()))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    again = save_plots(released(), tmp_path / "again")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]


def test_the_summary_says_the_same_in_a_few_lines() -> None:
    assert summarise(released()).splitlines() == [
        "A small study",
        "  Program: 1,343 eligible members' index dates",
        "  Therapy: 20,202 eligible candidate dates",
        "  Matched pairs: 1,210",
        "  Largest standardised difference: 0.512 before, 0.052 after",
        "  Imaging, days 1 to 30, crude: rate ratio 0.62 (95% 0.51 to 0.75); "
        "1,300 against 2,100 per 1,000 person-years",
        "  Imaging, days 1 to 30, matched: rate ratio 0.352 (95% 0.281 to 0.441); "
        "1,240 against 3,520 per 1,000 person-years",
        "  Imaging, days 1 to 90, crude: withheld (small counts)",
        "  Imaging, days 1 to 90, matched: withheld (small counts)",
    ]
    assert "Matched pairs: withheld" in summarise(withheld())
    assert "matched: rate ratio not estimable; not estimable against" in summarise(without_pairs())


def test_numbers_keep_their_digits() -> None:
    assert [significant(x) for x in (0.348, 1.2, 1680.0, -12.34, 0.0)] == ["0.348", "1.20", "1,680", "−12.3", "0"]
    assert [signed(-0.0001, 3), signed(-0.25, 2)] == ["0.000", "−0.25"]
    assert [mean(0.5, "flag"), mean(294000.0, "cents"), mean(41.4, "years")] == ["50.0%", "$2,940", "41.4"]
    assert [window((-365, -1)), window((0, 0))] == ["days −365 to −1", "day 0"]


def test_a_difference_without_an_interval_says_so() -> None:
    """One arm has no events: the difference is known, its limits are not, and there is no ratio."""
    row = effect("surgery", "Surgery", "crude", "secondary", events_treated=0, rate_difference=-420.0)
    assert (measure(row, "rate_difference"), interval(row, "rate_difference")) == ("−420", "no interval")
    assert (measure(row, "rate_ratio"), interval(row, "rate_ratio")) == ("not estimable", "")


def test_a_bound_is_told_as_one() -> None:
    document = released(largest_smd=largest(0.512, 0.3, after_is_bound=True))
    assert "0.512 before, at most 0.300 after" in summarise(document)


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


@pytest.mark.parametrize(("lookback", "is_told"), [(175, False), (174, True)])
def test_weeks_before_the_days_for_which_cover_is_asked_are_told(lookback: int, is_told: bool):
    document = released()
    protocol = document["protocol"]
    protocol["cohort"] |= {"enrollment": protocol["cohort"]["enrollment"] | {"lookback_days": lookback}}
    protocol["cohort"] |= {"history": [], "exclusions": []}
    protocol["covariates"] |= {"events": [], "charlson": False}
    told = dict(build_cautions(document)["study"]).get("Some look-backs are longer than the cover.", "")
    assert ("the rates by week" in told) == is_told


def test_a_bound_that_is_exceeded_is_told_as_one() -> None:
    """The love plot, Table 1 and the largest difference say that a withheld difference is above 1."""
    far = {"smd_at_most": None, "smd_more_than": 1.0}
    rows = [row | (far if row["smd_at_most"] and row["phase"] == "after" else {}) for row in released()["balance"]]
    document = released(balance=rows, largest_smd=largest(0.512, 1.0) | {"after_is_exceeded": True})
    assert "0.512 before, more than 1.000 after" in summarise(document)
    (bounded,) = [row for group in build_table_one(document) for row in group["rows"] if row["after"]["is_bound"]]
    assert (bounded["after"]["smd"], bounded["after"]["is_off"]) == ("> 1", True)
    assert (1.0, MORE_THAN) in [phases["after"] for _, phases in differences_of(document)]


def test_stays_are_told_where_a_study_has_them() -> None:
    rule = {"name": "r", "event": "back_pain", "min_days": 2}
    by_day, by_stay = (
        build_design(small_study(stays=stays, cohort={"history": [rule]}).model_dump(mode="json"))
        for stays in ([], ["back_pain", "mri"])
    )
    assert "Stays" not in dict(by_day["facts"])
    told = "Back pain and MRI: counted once from admission to discharge, on the first day, and not by day."
    assert dict(by_stay["facts"])["Stays"] == told
    assert by_day["eligibility"][-1].startswith("Back pain on at least 2 days, in ")
    assert by_stay["eligibility"][-1].startswith("Back pain on at least 2 first days of a stay, in ")
