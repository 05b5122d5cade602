"""JSON Web Tokens: the algorithm is the row's, never the token's."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from hookline.errors import ConfigError, Rejected
from hookline.payload import parse
from hookline.providers.facts import AHEAD, BAD, MALFORMED, MISSING, STALE, Draft, Facts
from hookline.providers.keys import PublicKey
from hookline.providers.schemes.base import Binding, Match, within
from hookline.providers.schemes.mac import Mac, decode_key
from hookline.providers.schemes.publickey import PrivateKey, make, read_key, verify

MAX_TOKEN = 8_192
LEEWAY = 60.0
"""Seconds by which another's clock may be ahead of ours in ``nbf`` and ``iat``; ``exp`` gets none."""

Claims = dict[str, Any]
Judge = Callable[[Claims, Facts, Binding], None]

_SHAPE = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)").fullmatch
_KINDS = {"RS256": "rsa", "ES256": "ecdsa", "EdDSA": "ed25519"}
ALGORITHMS = ("HS256", *_KINDS)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token in three parts, nothing of it believed yet."""

    kid: str
    claims: Claims
    signed: bytes
    signature: bytes


def read(raw: bytes, algorithm: str) -> Token:
    """Rejected for anything that is not a token of exactly this algorithm."""
    found = _SHAPE(raw) if len(raw) <= MAX_TOKEN else None
    if not found:
        raise Rejected(MALFORMED)
    head, claims = parse(_decode(found[1])), parse(_decode(found[2]))
    if not isinstance(head, dict) or not isinstance(claims, dict) or "crit" in head:
        raise Rejected(MALFORMED)
    if head.get("alg") != algorithm:
        raise Rejected("wrong algorithm")
    return Token(
        kid=str(head.get("kid", ""))[:255],
        claims=claims,
        signed=raw[: raw.rindex(b".")],
        signature=_decode(found[3]),
    )


def check_times(claims: Claims, now: float) -> float | None:
    """Rejected outside ``exp``, ``nbf`` and ``iat``; the time of issue, where there is one."""
    times = {name: claims.get(name) for name in ("exp", "nbf", "iat")}
    if any(
        value is not None and (isinstance(value, bool) or not isinstance(value, int | float))
        for value in times.values()
    ):
        raise Rejected(MALFORMED)
    if times["exp"] is not None and now >= times["exp"]:
        raise Rejected(STALE)
    if any((times[name] or 0) > now + LEEWAY for name in ("nbf", "iat")):
        raise Rejected(AHEAD)
    return float(times["iat"]) if times["iat"] is not None else None


def public_key_fits(token: Token, key: PublicKey) -> bool:
    signature = token.signature
    if _curve(key):
        if len(signature) != 64:
            return False
        halves = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        signature = encode_dss_signature(*halves)
    return verify(key, signature, token.signed)


class Jwt(msgspec.Struct, frozen=True, kw_only=True):
    """A token in a header (or the query), its claims judged by the row."""

    algorithm: str
    header: str = "Authorization"
    prefix: str = "Bearer "
    query: str = ""
    """A query parameter that may carry it instead."""
    keys_url: str = ""
    """Where the provider keeps its public keys; empty for the source's own secrets."""
    judge: Judge
    claims: Callable[[Draft, Binding], Claims]
    """What a token of ours says."""
    question: Callable[[Binding], dict[str, str] | None] | None = None
    """What to ask ``keys_url`` with, where it answers only customers."""
    needs: tuple[str, ...] = ()
    """Options without which the token could be anybody's."""
    max_age: float | None = None
    """Seconds since ``iat``."""

    def headers(self) -> tuple[str, ...]:
        return (self.header,)

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> JwtCheck:
        for name in self.needs:
            if not binding.options.get(name):
                raise ConfigError(f"{binding.where}.{name}: missing — without it anybody's token would do")
        return JwtCheck(self, binding)


class JwtCheck:
    sends_secret = False

    def __init__(self, scheme: Jwt, binding: Binding) -> None:
        self.scheme = scheme
        self.binding = binding
        self.macs: list[Mac] = []
        self.public: list[PublicKey] = []
        self.private: PrivateKey | None = None
        self._name = scheme.header.lower().encode()
        self._prefix = scheme.prefix.encode()
        if scheme.question is not None and (question := scheme.question(binding)) is not None:
            binding.keys.questions[scheme.keys_url] = question
        secrets = [secret for secret in binding.secrets if not scheme.keys_url or "PRIVATE KEY-----" in secret]
        if not secrets and not scheme.keys_url:
            binding.need_secrets()
        for index, secret in enumerate(secrets):
            if scheme.algorithm == "HS256":
                self.macs.append(Mac(decode_key(secret, "text", binding.secret_at(index))))
                continue
            public, private = read_key(secret, _KINDS[scheme.algorithm], binding.secret_at(index))
            self.public.append(public)
            self.private = private if index == 0 else self.private

    def check(self, facts: Facts) -> Match:
        scheme = self.scheme
        token = read(self._raw(facts), scheme.algorithm)
        matched = self._matched(token)
        if matched < 0:
            raise Rejected(BAD)
        issued = check_times(token.claims, facts.now)
        if scheme.max_age is not None:
            if issued is None:
                raise Rejected("missing timestamp")
            within(issued, facts.now, scheme.max_age)
        scheme.judge(token.claims, facts, self.binding)
        return Match(matched, issued)

    def sign(self, draft: Draft) -> None:
        claims = self.scheme.claims(draft, self.binding)
        head: dict[str, str] = {"alg": self.scheme.algorithm, "typ": "JWT"}
        if self.scheme.keys_url:
            head["kid"] = "test"
        signed = _encode(msgspec.json.encode(head)) + b"." + _encode(msgspec.json.encode(claims))
        if self.macs:
            signature = self.macs[0].digest((signed,))
        elif self.private is not None:
            signature = make(self.private, signed)
            if self.scheme.algorithm == "ES256":
                left, right = decode_dss_signature(signature)
                signature = left.to_bytes(32, "big") + right.to_bytes(32, "big")
        else:
            raise ConfigError(
                f"{self.binding.where}: only the provider has the private key, so nothing can be signed here"
            )
        draft.set(self.scheme.header, self._prefix + signed + b"." + _encode(signature))

    def _raw(self, facts: Facts) -> bytes:
        value = facts.found.get(self._name)
        if value is not None:
            if self._prefix and value[: len(self._prefix)].lower() != self._prefix.lower():
                raise Rejected(MALFORMED)
            return value[len(self._prefix) :]
        said = facts.query_value(self.scheme.query) if self.scheme.query else None
        if not said:
            raise Rejected(MISSING)
        return said.encode("utf-8", "surrogatepass")

    def _matched(self, token: Token) -> int:
        if self.scheme.keys_url:
            return 0 if public_key_fits(token, self.binding.keys.get(self.scheme.keys_url, token.kid)) else -1
        fits = [compare_digest(mac.digest((token.signed,)), token.signature) for mac in self.macs]
        fits += [public_key_fits(token, key) for key in self.public]
        return fits.index(True) if True in fits else -1


def expect(claims: Claims, name: str, wanted: object, reason: str) -> None:
    """Rejected unless a claim is (or, for lists, holds) what the source says; no demand where it says nothing."""
    allowed = [str(one) for one in wanted] if isinstance(wanted, list | tuple) else [str(wanted)] if wanted else []
    said = claims.get(name)
    values = said if isinstance(said, list) else [said]
    if allowed and not any(isinstance(value, str) and value in allowed for value in values):
        raise Rejected(reason)


def expect_hash(claims: Claims, name: str, body: bytes) -> None:
    """Rejected unless a claim is the body's SHA-256 in hex."""
    said = claims.get(name)
    if not isinstance(said, str) or not compare_digest(said.encode("utf-8", "replace"), body_hash(body).encode()):
        raise Rejected(BAD)


def body_hash(body: bytes) -> str:
    return sha256(body).hexdigest()


def _curve(key: PublicKey) -> bool:
    return hasattr(key, "curve")


def _decode(part: bytes) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (ValueError, binascii.Error) as problem:
        raise Rejected(MALFORMED) from problem
    if _encode(raw) != part:  # one token has one spelling
        raise Rejected(MALFORMED)
    return raw


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
