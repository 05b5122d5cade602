"""The mark of a sample of ours: once, for a minute, for this body, by whoever has the store's key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hookline.ingest.triggers import HEADER, SECONDS, Triggers, mark
from hookline.model import Request

KEY = b"k" * 32
NOW = 1_700_000_000.0


def request(value: bytes, body: bytes = b"{}", at: float = NOW) -> Request:
    return Request(method="POST", target=b"/", headers=[(HEADER, value)], body=body, received_at=at)


def test_a_mark_says_whether_to_run_the_sample():
    triggers = Triggers(KEY)
    assert triggers.read(request(mark(KEY, "run", b"{}", NOW))) == "run"
    assert triggers.read(request(mark(KEY, "keep", b"{}", NOW))) == "keep"


def test_a_mark_counts_once():
    triggers = Triggers(KEY)
    value = mark(KEY, "run", b"{}", NOW)
    assert triggers.read(request(value)) == "run"
    assert triggers.read(request(value)) is None


def test_a_mark_is_worth_nothing_for_another_body_time_or_key():
    value = mark(KEY, "run", b"{}", NOW)
    assert Triggers(KEY).read(request(value, body=b"{ }")) is None
    assert Triggers(KEY).read(request(value, at=NOW + SECONDS + 1)) is None
    assert Triggers(b"other").read(request(value)) is None
    assert Triggers(KEY).read(request(value.replace(b"run", b"keep"))) is None


def test_a_request_without_a_mark_is_the_providers():
    plain = Request(method="POST", target=b"/", headers=[(b"Host", b"x")], body=b"", received_at=NOW)
    assert Triggers(KEY).read(plain) is None


@given(st.binary())
def test_garbage_is_no_mark(value):
    assert Triggers(KEY).read(request(value)) is None
