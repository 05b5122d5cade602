"""Who is it? Bearer tokens for the API, the same tokens as a password for pages; only their hashes are kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import sys

from hookline.admin.operations.base import Person, Unauthorized
from hookline.errors import ConfigError
from hookline.secrets import keep

PREFIX = "hkl_"
SHORTEST = 16
"""Characters of a HOOKLINE_ADMIN_TOKEN that a stranger cannot guess."""


def make_token() -> tuple[str, bytes]:
    """A new token's text (256 random bits) and the hash to keep."""
    text = PREFIX + secrets.token_urlsafe(32)
    return text, hash_of(text)


def hash_of(token: str) -> bytes:
    """Tokens are random, so that one round is enough and a lookup by hash gives nothing away by its time."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


class Environment:
    """The token of ``HOOKLINE_ADMIN_TOKEN``, where it is set."""

    def __init__(self, token: str | None) -> None:
        """:raises ConfigError: for one that could be guessed."""
        if token is not None and len(token) < SHORTEST:
            raise ConfigError(
                f"HOOKLINE_ADMIN_TOKEN has {len(token)} characters: use at least {SHORTEST}, for example those of"
                " `openssl rand -hex 32`, or unset it and use `hookline tokens create`"
            )
        self._hash = hash_of(token) if token else None
        keep(token or "")

    @classmethod
    def of_process(cls) -> Environment:
        return cls(os.environ.get("HOOKLINE_ADMIN_TOKEN") or None)

    @property
    def present(self) -> bool:
        return self._hash is not None

    def person(self, token: bytes) -> Person | None:
        if self._hash is not None and hmac.compare_digest(self._hash, token):
            return Person("HOOKLINE_ADMIN_TOKEN", "admin")
        return None


def bearer(header: str | None) -> str:
    """The token of an ``Authorization: Bearer`` header. Unauthorized says what to send."""
    kind, _, token = (header or "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthorized("send Authorization: Bearer <token>; `hookline tokens create` makes one")
    return token.strip()


def password(header: str | None) -> str | None:
    """The password of an ``Authorization: Basic`` header: browsers ask for it where no session is."""
    kind, _, encoded = (header or "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2] or None
    except (binascii.Error, ValueError):
        return None


def show_first(token: str) -> None:
    """Tell the first admin's token, on a terminal only: nothing that keeps logs may see it."""
    sys.stderr.write(f"\nThe first admin token, shown this once:\n\n    {token}\n\n")
