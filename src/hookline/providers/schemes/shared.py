"""Secrets that are sent instead of being used: tokens in a header or the URL, and HTTP basic authentication.

They prove that the sender knows the secret and nothing about the body, so they are only as good as TLS and the logs
between us. Providers that offer nothing better are listed with them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hmac import compare_digest
from urllib.parse import quote

import msgspec

from hookline.errors import ConfigError, Rejected
from hookline.providers.facts import BAD, MISSING, Draft, Facts
from hookline.providers.schemes.base import Binding, Match
from hookline.providers.schemes.mac import decode_key


def compare(expected: Sequence[Sequence[bytes]], given: bytes) -> int:
    """The index of the secret with a form that equals ``given``; Rejected if none does. No early exit to time."""
    matched = -1
    for index, forms in enumerate(expected):
        for form in forms:
            if compare_digest(form, given) and matched < 0:
                matched = index
    if matched < 0:
        raise Rejected(BAD)
    return matched


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """The secret itself, in a header, the query or a form field."""

    place: str
    """``header.X-Gitlab-Token``, ``query.secret`` or ``form.token``."""
    prefix: str = ""
    """Before the token: ``Bearer ``."""

    def headers(self) -> tuple[str, ...]:
        place, _, name = self.place.partition(".")
        return (name,) if place == "header" else ()

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> TokenCheck:
        for index, secret in enumerate(binding.need_secrets()):
            decode_key(secret, "text", binding.secret_at(index))
        return TokenCheck(self, binding.secrets)


class TokenCheck:
    sends_secret = True

    def __init__(self, scheme: Token, secrets: Sequence[str]) -> None:
        self.place, _, self.name = scheme.place.partition(".")
        self.key = self.name.lower().encode()
        self.value = scheme.prefix + secrets[0]
        self.expected = [(f"{scheme.prefix}{secret}".encode(),) for secret in secrets]

    def check(self, facts: Facts) -> Match:
        given: bytes | None
        if self.place == "header":
            given = facts.found.get(self.key)
        else:
            values = (facts.query if self.place == "query" else facts.form).get(self.name)
            given = values[0].encode("utf-8", "surrogatepass") if values and len(values) == 1 else None
        if not given:
            raise Rejected(MISSING)
        return Match(compare(self.expected, given))

    def sign(self, draft: Draft) -> None:
        if self.place == "header":
            draft.set(self.name, self.value)
        elif self.place == "query":
            draft.url += f"{'&' if '?' in draft.url else '?'}{quote(self.name)}={quote(self.value, safe='')}"
        else:
            draft.body += b"&" * bool(draft.body) + f"{quote(self.name)}={quote(self.value, safe='')}".encode()


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """The ``Authorization`` header, in the forms that the provider can send."""

    forms: tuple[str, ...] = ("basic",)
    """``basic`` (the secret is ``user:password``), ``bearer``, ``raw`` (the secret is the whole value)."""

    def headers(self) -> tuple[str, ...]:
        return ("Authorization",)

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> AuthorizationCheck:
        for index, secret in enumerate(binding.need_secrets()):
            where = binding.secret_at(index)
            decode_key(secret, "text", where)
            if self.forms == ("basic",) and ":" not in secret:
                raise ConfigError(f'{where}: "user:password" is wanted, with the colon')
        return AuthorizationCheck([self._write(secret) for secret in binding.secrets])

    def _write(self, secret: str) -> list[bytes]:
        raw = secret.encode("utf-8")
        written = []
        if "basic" in self.forms and ":" in secret:
            written.append(b"basic " + b64encode(raw))
        if "bearer" in self.forms:
            written.append(b"bearer " + raw)
        if "raw" in self.forms:
            written.append(raw)
        return written


class AuthorizationCheck:
    sends_secret = True

    def __init__(self, expected: list[list[bytes]]) -> None:
        self.expected = expected

    def check(self, facts: Facts) -> Match:
        given = facts.found.get(b"authorization")
        if not given:
            raise Rejected(MISSING)
        scheme, space, credentials = given.partition(b" ")
        if space and scheme.lower() in (b"basic", b"bearer"):  # the scheme's case is free, what follows is not
            given = scheme.lower() + b" " + credentials
        return Match(compare(self.expected, given))

    def sign(self, draft: Draft) -> None:
        value = self.expected[0][0]
        scheme, space, credentials = value.partition(b" ")
        if space and scheme in (b"basic", b"bearer"):
            value = scheme.title() + b" " + credentials
        draft.set("Authorization", value)
