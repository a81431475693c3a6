"""What is no document, and what YAML allows: told before any section is looked at."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from tests.studies import BASE, changed

from counterpart.errors import ProtocolError
from counterpart.protocol import load_site, load_study


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "is empty; a study document is a YAML file with sections"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "must have sections (`name: ...` and so on); it is a list of 2"),
        ("just text", "it is 'just text'"),
        ("name: [a\n", "is not valid YAML: line 2, column 1: expected ',' or ']'"),
        ("name: a\n\tseed: 1\n", "is not valid YAML: line 2, column 1: found character '\\t'"),
        ("name: a\n---\nname: b\n", "is not valid YAML: line 2, column 1: but found another document"),
        (
            "name: !!python/object:os.system x\n",
            "is not valid YAML: line 1, column 7: could not determine a constructor",
        ),
        ("seed: !!int x\n", "is not valid YAML: invalid literal"),
        ("{[1, 2]: 3}", "is not valid YAML: line 1, column 2: found unhashable key"),
        ("[" * 5000, "is not valid YAML: it nests too deeply"),
        (
            "name: &a [*a]\n",
            "is not valid YAML: an alias (*name) stands inside the section that its anchor (&name) names",
        ),
        (
            "name: &a {title: x, events: {deep: [*a]}}\n",
            "is not valid YAML: an alias (*name) stands inside the section",
        ),
        (
            "a: &a [1, 1]\n" + "".join(f"{y}: &{y} [*{x}, *{x}]\n" for x, y in pairwise("abcdefghijklmnopqrst")),
            "is not valid YAML: with every alias (*name) written out it has more than 100,000 parts",
        ),
        (b"name: \xff\xfe\x00", "is not text in UTF-8; a study document is a YAML file"),
        (yaml.safe_dump(BASE).encode("utf-16"), "is not text in UTF-8"),
        (b"\x00\x01\x02binary", "is not valid YAML: unacceptable character"),
    ],
)
def test_what_is_no_document(write: Callable[[str | bytes], Path], content: str | bytes, complaint: str) -> None:
    path = write(content)
    with pytest.raises(ProtocolError) as problem:
        load_study(path)
    assert str(problem.value).startswith(f"{path} ")
    assert complaint in str(problem.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"nowhere\.yaml does not exist; a study document is a YAML file"):
        load_study(tmp_path / "nowhere.yaml")
    with pytest.raises(ProtocolError, match="cannot be read: Is a directory; a site document is a YAML file"):
        load_site(tmp_path)


def test_keys_written_twice_are_told_with_their_lines_beside_other_problems(write: Callable[[str], Path]) -> None:
    text = yaml.safe_dump(BASE, sort_keys=False) + "matching:\n  caliper: 0.1\n  caliper: -0.2\nseed: 8\n"
    with pytest.raises(ProtocolError) as problem:
        load_study(write(text))
    _, *lines = str(problem.value).splitlines()
    n_lines = len(text.splitlines())
    assert [line.strip().partition(";")[0] for line in lines] == [
        f"line {n_lines}: seed is written twice in one section",
        f"line {n_lines - 1}: caliper is written twice in one section",
        "matching.caliper: must be greater than 0 (found -0.2)",
    ]


def test_anchors_and_merged_sections_are_yaml_too(write: Callable[[str], Path]) -> None:
    text = yaml.safe_dump(changed(BASE, ("outcomes", ...))) + (
        "outcomes:\n  outcomes:\n"
        "    - &first {name: imaging, label: Imaging, role: primary, events: [imaging]}\n"
        "    - {<<: *first, name: other, role: secondary}\n"
    )
    other = load_study(write(text)).outcomes.outcomes[1]
    assert (other.name, other.label, other.role, other.events) == ("other", "Imaging", "secondary", ("imaging",))


@pytest.mark.parametrize("number", ["030", "3:00", "0x1E", "0o36", "1_0", "-060", "00", "+1:30"])
def test_a_number_that_reads_as_another_is_no_number(write: Callable[[str], Path], number: str) -> None:
    """YAML 1.1 has 24, 180, 30, 10 and -48 for some of these."""
    text = yaml.safe_dump(changed(BASE, ("outcomes.outcomes.0.horizons", ["HERE"]))).replace("HERE", number)
    with pytest.raises(ProtocolError, match=r"horizons\.0: must be a whole number") as problem:
        load_study(write(text))
    assert f"(found {number!r})" in str(problem.value)


@pytest.mark.parametrize(
    ("written", "caliper"), [("1e-1", 0.1), ("5E-2", 0.05), (".5", 0.5), ("1.", 1.0), ("+1", 1.0), ("0.20", 0.2)]
)
def test_numbers_with_fractions_and_exponents(write: Callable[[str], Path], written: str, caliper: float) -> None:
    text = yaml.safe_dump(BASE) + f"matching: {{caliper: {written}}}\n"
    assert load_study(write(text)).matching.caliper == caliper


def test_a_mistake_behind_an_anchor_is_told_wherever_it_is_used(write: Callable[[str], Path]) -> None:
    text = yaml.safe_dump(changed(BASE, ("cohort.exclusions", ...), ("cohort.history", ...))) + ("cautions: []\n")
    text = text.replace(
        "cohort:\n", "cohort:\n  exclusions:\n    - &one {name: a, event: cancer, windw: [-9, -1]}\n    - *one\n"
    )
    with pytest.raises(ProtocolError) as problem:
        load_study(write(text))
    assert [line.strip() for line in str(problem.value).splitlines()[1:]] == [
        "cohort.exclusions.0.windw: unknown key; did you mean window?",
        "cohort.exclusions.1.windw: unknown key; did you mean window?",
        "cohort.exclusions.1.name: 'a' is a criterion named before; each needs a name of its own",
    ]
