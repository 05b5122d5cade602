"""Tokens, hosts and addresses, as the admin door reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.admin import auth
from hookline.admin.guard import host_of, is_loopback
from hookline.admin.operations.base import Unauthorized
from hookline.errors import ConfigError


def test_a_token_is_kept_as_its_hash_only():
    text, hashed = auth.make_token()
    assert text.startswith("hkl_")
    assert len(text) > 40
    assert hashed == auth.hash_of(text)
    assert text.encode() not in hashed
    assert auth.make_token()[0] != text


def test_a_token_that_could_be_guessed_is_refused():
    with pytest.raises(ConfigError, match="openssl rand"):
        auth.Environment("short")
    assert not auth.Environment(None).present
    known = auth.Environment("a-token-of-some-length")
    person = known.person(auth.hash_of("a-token-of-some-length"))
    assert person is not None
    assert person.role == "admin"
    assert known.person(auth.hash_of("another")) is None


@given(st.text(st.characters()))
def test_any_header_is_a_token_or_unauthorized(header):
    try:
        assert auth.bearer(header)
    except Unauthorized:
        pass
    assert auth.password(header) is None or auth.password(header)


@given(st.text(st.characters()))
def test_any_host_is_a_name_or_none(value):
    assert host_of(value) == host_of(value).lower()


@pytest.mark.parametrize(
    ("value", "name"),
    [("localhost:8081", "localhost"), ("[::1]:8081", "::1"), ("EXAMPLE.org", "example.org"), ("[", ""), ("", "")],
)
def test_a_host_loses_its_port_and_brackets(value, name):
    assert host_of(value) == name


@pytest.mark.parametrize(("address", "is_one"), [("127.0.0.9", True), ("::1", True), ("10.0.0.1", False), ("x", False)])
def test_loopback_is_an_address_not_a_name(address, is_one):
    assert is_loopback(address) is is_one


@pytest.mark.parametrize(
    "value", ["evil.example@127.0.0.1", "127.0.0.1/..", "127.0.0.1?", "127.0.0.1#", "local host", "a,b"]
)
def test_a_host_with_anything_beside_its_name_is_none(value):
    assert host_of(value) == ""
