from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.payload import FORM, changed, dig, parse, put

PATHS = st.lists(st.sampled_from(["a", "b", "0", "1", "-", ""]), min_size=1, max_size=4).map(".".join)
JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text("ab01"), inner)
)


def test_a_changed_place_is_found_where_it_was_put() -> None:
    assert put({"a": [1, 2]}, "a.0", 3) == {"a": [3, 2]}
    assert put({"a": [1]}, "a.1", 2) == {"a": [1, 2]}
    assert put({}, "a.b.c", 1) == {"a": {"b": {"c": 1}}}
    assert put({"a": None}, "a.b", 1) == {"a": {"b": 1}}


def test_what_is_changed_is_a_copy() -> None:
    before: dict[str, Any] = {"a": {"b": [1]}}
    put(before, "a.b.0", 2)
    assert before == {"a": {"b": [1]}}


@pytest.mark.parametrize(("value", "path"), [({"a": 1}, "a.b"), ([1], "3"), ([1], "x"), ("text", "a")])
def test_a_path_through_something_else_is_told(value: Any, path: str) -> None:
    with pytest.raises(ValueError, match=r"lead|place"):
        put(value, path, 1)


def test_a_body_without_changes_keeps_its_bytes() -> None:
    assert changed(b'{ "a":1 }', {}) == b'{ "a":1 }'


def test_json_and_forms_can_be_changed() -> None:
    assert json.loads(changed(b'{"a": {"b": 1}}', {"a.b": "x", "c": [1]})) == {"a": {"b": "x"}, "c": [1]}
    assert changed(b"", {"a": 1}) == b'{"a":1}'
    assert parse(changed(b"From=%2B1&To=2", {"To": 3}, FORM), FORM) == {"From": ["+1"], "To": ["3"]}
    with pytest.raises(ValueError, match="JSON"):
        changed(b"<xml/>", {"a": 1})


@given(value=JSON, path=PATHS, new=st.integers())
def test_whatever_is_put_is_there_or_told_to_be_impossible(value: Any, path: str, new: int) -> None:
    try:
        after = put(value, path, new)
    except ValueError:
        return
    assert dig(after, path) == new
