"""The hash of a document: of its content, whatever the order of keys or defaults written out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.studies import BASE, changed, small_study

from counterpart.protocol import Study, content_hash, load_study


def shuffled(content: Any, draw: Callable[[list[Any]], list[Any]]) -> Any:
    if isinstance(content, dict):
        return {key: shuffled(content[key], draw) for key in draw(list(content))}
    return [shuffled(part, draw) for part in content] if isinstance(content, list) else content


@given(st.data())
@settings(max_examples=20, derandomize=True, deadline=None)
def test_the_hash_does_not_depend_on_the_order_of_keys(data: st.DataObject) -> None:
    document = shuffled(BASE, lambda keys: data.draw(st.permutations(keys)))
    assert content_hash(Study.model_validate(document)) == content_hash(small_study())


def test_the_hash_does_not_depend_on_defaults_written_out(write: Callable[[str], Path]) -> None:
    written = load_study(write(yaml.safe_dump(small_study().model_dump(mode="json"))))
    assert content_hash(written) == content_hash(small_study())
    plain = yaml.safe_dump(changed(BASE, ("matching", {"caliper": 1}), ("title", " A small study ")))
    spelt = yaml.safe_dump(changed(BASE, ("matching", {"caliper": 1.0, "replace": False})))
    assert content_hash(load_study(write(plain))) == content_hash(load_study(write(spelt)))


def test_the_hash_follows_every_part_of_the_content() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"seed": 8},
        {"title": "Another"},
        {"cohort": {"index_end": "2020-06-29"}},
        {"matching": {"exact": ["sex", "region"]}},
        {"matching": {"exact": ["region", "sex"]}},
        {"events": {"visit": [{"codes": "therapy"}]}},
        {"cautions": ["mind the gap"]},
    ]
    hashes = [content_hash(small_study(**change)) for change in changes]
    assert len(set(hashes)) == len(hashes)
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in hashes)


def test_the_hash_of_plain_content_is_pinned() -> None:
    """Result keys in tables already written rest on it."""
    assert content_hash({"b": [1, 2.5, None], "a": "x"}) == content_hash({"a": "x", "b": [1, 2.5, None]})
    assert content_hash({"b": [1, 2.5, None], "a": "x"}) == "ce74053d7a9997b7"


# Names that other rooms share.
