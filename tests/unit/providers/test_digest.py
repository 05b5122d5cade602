"""What identifies an event's content: all of it but the fields that differ between two deliveries."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.config import Source
from hookline.model import VerifiedEvent
from hookline.providers import bind
from hookline.providers.base import without_member

WHOLE = {"action": "opened", "organization": {"id": 1, "x": [",", '"']}, "number": 2}
LESS = {"action": "opened", "number": 2}


def digest(body: bytes) -> bytes:
    source = Source(name="github", provider="github", environment="production", path="/", url="")
    return bind(source, ["It's a Secret to Everybody"]).digest(VerifiedEvent(id=None, type="push", body=body))


@pytest.mark.parametrize("options", [{"separators": (",", ":")}, {}, {"indent": 2}])
def test_a_member_that_only_some_deliveries_have_makes_no_difference(options: dict):
    less = digest(json.dumps(LESS, **options).encode())
    assert digest(json.dumps(WHOLE, **options).encode()) == less
    for place in range(3):
        items = list(LESS.items())
        items.insert(place, ("organization", {"id": 1}))
        assert digest(json.dumps(dict(items), **options).encode()) == less


def test_every_other_difference_counts():
    bodies = [{}, LESS, {**LESS, "number": 3}, {**LESS, "other": {}}, {"number": 2, "action": "opened"}]
    assert len({digest(json.dumps(body).encode()) for body in bodies}) == len(bodies)


@given(st.binary(max_size=80))
def test_any_bytes_have_a_digest(body: bytes):
    assert len(digest(body)) == 16


@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.integers() | st.text(), st.lists, max_leaves=4), max_size=4),
    st.integers(0, 4),
)
def test_a_member_is_cut_out_cleanly(rest: dict, place: int):
    rest.pop("gone", None)
    items = list(rest.items())
    items.insert(place, ("gone", "way"))
    left = without_member(json.dumps(dict(items)).encode(), b"gone", b'"way"')
    assert json.loads(left) == rest
