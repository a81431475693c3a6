"""Chance against what reads without Spark: whatever is given, it is read or a user error says why."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpart.codes import SYSTEMS, decode, encode
from counterpart.errors import ProtocolError
from counterpart.protocol import load_mapping, load_site, load_study
from counterpart.protocol.mapped_fields import _names_of

often = settings(max_examples=60, derandomize=True, deadline=None)

KEYS = (
    *("name", "warehouse", "reports", "source", "layout", "path", "rules", "max_quarantined", "spark", "conf"),
    *("eligibility", "medical", "pharmacy", "lines", "dates", "amounts", "unit", "files", "separator", "column"),
    *("person_id", "claim_id", "line_number", "service_date", "diagnoses", "columns", "values", "none", "constant"),
    *("cohort", "treated", "index", "outcomes", "matching", "caliper", "seed", "data", "start", "end"),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(("tuva", "mapping", "iso", "2020-02-30", "DX1..DX9", "DX9..DX1", "cents", "")),
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)


def read_or_told(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "document.yaml"
        path.write_bytes(content)
        told = [complaint for load in (load_site, load_mapping, load_study) if (complaint := complaint_of(load, path))]
    assert all(complaint.startswith(str(path)) and "pydantic" not in complaint for complaint in told)


def complaint_of(load: Callable[[Path], object], path: Path) -> str | None:
    try:
        load(path)
    except ProtocolError as problem:
        return str(problem)
    return None


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
@often
def test_bytes_are_a_document_or_a_user_error(content: bytes) -> None:
    read_or_told(content)


@given(st.dictionaries(st.sampled_from(KEYS), documents, max_size=8))
@often
def test_sections_of_any_form_are_a_document_or_a_user_error(document: dict[str, Any]) -> None:
    read_or_told(yaml.safe_dump(document).encode())


@given(st.dictionaries(st.sampled_from((*KEYS, "cohrt", "outcoms", "spak")), documents, max_size=6), st.data())
@often
def test_anchors_share_no_mistake(document: dict[str, Any], data: st.DataObject) -> None:
    """The same part in several places is written as an anchor and its aliases; a part may hold itself."""
    lists_and_sections = [part for part in document.values() if isinstance(part, dict | list)]
    for holder in lists_and_sections:
        part = data.draw(st.sampled_from(lists_and_sections))
        if isinstance(holder, list):
            holder.append(part)
        else:
            holder[data.draw(st.sampled_from(("conf", "layuot", "outcomes", "events")))] = part
    read_or_told(yaml.safe_dump(document).encode())


@given(st.sampled_from(sorted(SYSTEMS)), st.text(max_size=14))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_a_text_is_a_code_that_reads_back_or_is_refused(system: str, text: str) -> None:
    try:
        code = encode(system, text)
    except ValueError:
        return
    again, written = decode(code)
    assert (again, encode(system, written)) == (system, code)
    assert 0 <= code < 2**63


@given(st.text("DX0159. ", max_size=12))
@often
def test_a_range_of_columns_is_names_or_is_refused(name: str) -> None:
    try:
        names = _names_of(name)
    except ValueError:
        return
    assert len(set(names)) == len(names) <= 1_000
