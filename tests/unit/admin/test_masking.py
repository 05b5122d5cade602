"""Marked fields are gone from what is shown, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookline.admin import dress
from hookline.admin.masking import HIDDEN, masked, masked_headers
from hookline.admin.operations.base import Desk, Person
from hookline.config import load
from hookline.model import Headers
from hookline.payload import dig
from hookline.store.records import RequestRow, RequestStory

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


# -- whole requests ----------------------------------------------------------------------------------------------------


def seen_by(role: str, source: str, body: bytes, kind: bytes, folder: Path) -> Any:
    """A request of a source with marked fields, as a role sees it."""
    file = folder / "hookline.toml"
    file.write_text("""
        [sources.mail]
        provider = "sendgrid"
        secrets = ["env:SECRET"]
        redact = ["body.email"]

        [sources.whole]
        provider = "sendgrid"
        secrets = ["env:SECRET"]
        redact = ["body.0.email"]
        batch = "whole"

        [sources.github]
        provider = "github"
        secrets = ["env:SECRET"]
        redact = ["body.pusher.email"]
    """)
    config, problems = load([file])
    assert config is not None, problems
    store: Any = None  # nothing is read from it
    desk = Desk(store=store, config=config, who=Person("somebody", role), now=0.0)
    row = RequestRow(1, source, "production", "accepted", None, None, None, "POST", b"/", "192.0.2.7", 0.0, 1, None)
    headers: Headers = [(b"Content-Type", kind)]
    return dress.request_story(desk, RequestStory(row, headers, body, [1]))


def test_a_viewer_sees_nothing_of_a_batch_whose_items_have_marked_fields(tmp_path: Path):
    body = b'[{"email": "marked@example.org", "event": "open"}]'
    assert seen_by("operator", "mail", body, b"application/json", tmp_path).body[0]["email"] == "marked@example.org"
    shown = seen_by("viewer", "mail", body, b"application/json", tmp_path)
    assert (shown.body, shown.text) == (None, HIDDEN)
    assert seen_by("viewer", "whole", body, b"application/json", tmp_path).body == [{"email": "***", "event": "open"}]


def test_a_viewer_sees_nothing_of_a_document_within_a_form_that_may_have_marked_fields(tmp_path: Path):
    body = b"a=b&payload=%20%7B%22pusher%22%3A%7B%22email%22%3A%22marked%40example.org%22%7D%7D"
    form = b"application/x-www-form-urlencoded"
    assert "marked@example.org" in seen_by("operator", "github", body, form, tmp_path).body["payload"][0]
    assert seen_by("viewer", "github", body, form, tmp_path).body == {"a": ["b"], "payload": [HIDDEN]}
