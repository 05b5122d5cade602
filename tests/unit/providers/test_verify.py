"""The checks alone: what ``hookline.verify`` promises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_cases import NAMES, NOW, practised, signed

import hookline
from hookline import providers
from hookline.errors import ConfigError, Rejected
from hookline.model import Verified

anything = st.text(max_size=20) | st.binary(max_size=20)


def verify(name: str, **changes: Any) -> Verified:
    practice = providers.practice(name)
    request = signed(name)
    said: dict[str, Any] = {
        "method": "POST",
        "url": "https://hooks.example.com" + request.target.decode(),
        "headers": request.headers,
        "body": request.body,
        "secrets": practice.secrets,
        "now": NOW,
        "keys": practice.keys,
    }
    return hookline.verify(name, **(said | practice.options | changes))


@pytest.mark.parametrize("name", NAMES)
def test_a_genuine_request_is_verified(name: str):
    assert verify(name).events


def test_headers_may_be_pairs_or_a_mapping_of_text_or_bytes():
    pairs = signed("stripe").headers
    words = [(name.decode(), value.decode()) for name, value in pairs]
    for headers in (pairs, words, dict(pairs), dict(words)):
        assert verify("stripe", headers=headers).secret == 0


def test_a_tolerance_of_ones_own():
    assert verify("stripe", now=NOW + 900, tolerance=1_000)
    with pytest.raises(Rejected, match="stale timestamp"):
        verify("stripe", now=NOW + 900)


def test_a_handshake_is_not_an_event():
    signed_ping = practised("discord").sign(b'{"type":1}', now=NOW)
    with pytest.raises(Rejected, match="handshake") as no:
        verify("discord", headers=signed_ping.headers, body=signed_ping.body)
    assert no.value.status == 200


def test_a_missing_key_is_not_the_senders_fault():
    with pytest.raises(Rejected, match="key not fetched yet") as no:
        verify("plaid", keys=None)
    assert no.value.status == 503


def test_what_cannot_be_used_is_a_fault_of_the_configuration():
    with pytest.raises(ConfigError, match="github"):
        verify("github", secrets=[""])
    with pytest.raises(ConfigError, match="not known"):
        hookline.verify("githup", url="https://h/", headers=[], body=b"", secrets=["x"], now=NOW)
    with pytest.raises(ConfigError, match="no such key"):
        verify("github", signature={})


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(
    method=st.text(max_size=8),
    url=st.text(max_size=40),
    headers=st.lists(st.tuples(anything, anything), max_size=4),
    body=st.binary(max_size=60),
)
def test_anything_else_is_rejected(name: str, method: str, url: str, headers: list[tuple[Any, Any]], body: bytes):
    with pytest.raises(Rejected) as no:
        verify(name, method=method, url=url, headers=headers, body=body)
    assert no.value.reason != "check failed"
