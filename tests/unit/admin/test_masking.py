"""Marked fields are gone from what is shown, and nothing else is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hookline.admin.masking import masked, masked_headers
from hookline.payload import dig

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)
PATHS = st.lists(st.sampled_from(["a", "b", "c", "0", "1"]), min_size=1, max_size=3).map(".".join)


def test_a_path_leads_to_its_value_only():
    body = {"a": {"b": 1, "c": 2}, "b": 3}
    assert masked(body, ["body.a.b"]) == {"a": {"b": "***", "c": 2}, "b": 3}
    assert body["a"]["b"] == 1, "nothing is changed in place"


def test_a_star_stands_for_every_item():
    assert masked({"a": [{"b": 1}, {"b": 2, "c": 3}]}, ["body.a.*.b"]) == {"a": [{"b": "***"}, {"b": "***", "c": 3}]}
    assert masked({"a": {"x": 1, "y": 2}}, ["body.a.*"]) == {"a": {"x": "***", "y": "***"}}


def test_a_whole_body_can_be_marked():
    assert masked([1, 2], ["body"]) == "***"


def test_headers_are_masked_in_any_case():
    headers = [(b"X-Marked", b"1"), (b"x-marked", b"2"), (b"X-Other", b"3")]
    assert masked_headers(headers, ["header.X-MARKED"]) == [(b"X-Marked", b"***"), (b"x-marked", b"***"), headers[2]]


@given(JSON, PATHS)
def test_what_a_path_finds_is_never_shown(body, path):
    before, after = dig(body, path), dig(masked(body, [f"body.{path}"]), path)
    assert after in ("***", None)
    assert (before is None) or after == "***"
