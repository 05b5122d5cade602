"""Signatures that only the holder of a private key can make: Ed25519, ECDSA and RSA."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from hookline.errors import ConfigError, Rejected
from hookline.providers.facts import BAD, MALFORMED, MISSING, Draft, Facts, draft_facts
from hookline.providers.keys import PublicKey, read_pem
from hookline.providers.schemes.base import Binding, Match, Stamp, within
from hookline.providers.schemes.hmac import template

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_KINDS: dict[str, tuple[type[Any], str]] = {
    "ed25519": (ed25519.Ed25519PublicKey, "an Ed25519 public key"),
    "ecdsa": (ec.EllipticCurvePublicKey, "an ECDSA public key"),
    "rsa": (rsa.RSAPublicKey, "an RSA public key"),
}


def verify(key: PublicKey, signature: bytes, message: bytes, digest: HashAlgorithm | None = None) -> bool:
    """Whether the private half of ``key`` made this signature (ECDSA in DER; RSA as PKCS #1 v1.5)."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(digest or SHA256()))
        else:
            key.verify(signature, message, padding.PKCS1v15(), digest or SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def make(key: PrivateKey, message: bytes, digest: HashAlgorithm | None = None) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(digest or SHA256()))
    return key.sign(message, padding.PKCS1v15(), digest or SHA256())


def read_key(secret: str, kind: str, where: str) -> tuple[PublicKey, PrivateKey | None]:
    """A public key as PEM, certificate, base64 or hex; or a private one in PEM, which can sign too. ConfigError."""
    wanted, title = _KINDS[kind]
    private: Any = None
    key: Any
    try:
        if "PRIVATE KEY-----" in secret:
            private = load_pem_private_key(secret.encode(), password=None)
            key = private.public_key()
        elif "-----BEGIN" in secret:
            key = read_pem(secret)
        else:
            key = _bare(secret.strip(), kind)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, wanted):
        raise ConfigError(f"{where}: not {title} — copy it again from the provider's settings")
    return key, private


def _bare(secret: str, kind: str) -> object:
    if kind == "ed25519":
        raw = binascii.unhexlify(secret) if len(secret) == 64 else base64.b64decode(secret, validate=True)
        if len(raw) == 32:
            return ed25519.Ed25519PublicKey.from_public_bytes(raw)
        return load_der_public_key(raw)
    return load_der_public_key(base64.b64decode(secret, validate=True))


class Asymmetric(msgspec.Struct, frozen=True, kw_only=True):
    """A signature in a header, over a template, by a key whose public half is the source's secret."""

    kind: str
    """``ed25519``, ``ecdsa`` or ``rsa``."""
    header: str
    encoding: str = "base64"
    signs: str = "{body}"
    time: Stamp | None = None

    def headers(self) -> tuple[str, ...]:
        return (self.header, self.time.header) if self.time else (self.header,)

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> AsymmetricCheck:
        keys = [
            read_key(secret, self.kind, binding.secret_at(index)) for index, secret in enumerate(binding.need_secrets())
        ]
        return AsymmetricCheck(self, keys, binding)


class AsymmetricCheck:
    sends_secret = False

    def __init__(self, scheme: Asymmetric, keys: list[tuple[PublicKey, PrivateKey | None]], binding: Binding) -> None:
        self.scheme = scheme
        self.keys = keys
        self.tolerance = binding.tolerance
        self.where = binding.where
        self._name = scheme.header.lower().encode()
        self._time_name = scheme.time.header.lower().encode() if scheme.time else b""
        self._parts = template(scheme.signs, binding.where)
        self._read: Callable[[bytes], bytes] = binascii.unhexlify if scheme.encoding == "hex" else strict_base64
        self._write: Callable[[bytes], bytes] = binascii.hexlify if scheme.encoding == "hex" else base64.b64encode

    def check(self, facts: Facts) -> Match:
        given = facts.found.get(self._name)
        if not given:
            raise Rejected(MISSING)
        signed_at = None
        raw_time = b""
        if self.scheme.time:
            said = facts.found.get(self._time_name)
            signed_at = self.scheme.time.read(said)
            raw_time = said or b""
        try:
            signature = self._read(given)
        except ValueError as problem:
            raise Rejected(MALFORMED) from problem
        if self._write(signature) != given:  # one signature has one spelling
            raise Rejected(MALFORMED)
        message = b"".join(self._parts(facts, raw_time))
        matched = -1
        for index, (key, _) in enumerate(self.keys):
            if verify(key, signature, message) and matched < 0:
                matched = index
        if matched < 0:
            raise Rejected(BAD)
        if signed_at is not None:
            within(signed_at, facts.now, self.tolerance)
        return Match(matched, signed_at)

    def sign(self, draft: Draft) -> None:
        private = self.keys[0][1]
        if private is None:
            raise ConfigError(f"{self.where}: only the provider has the private key, so nothing can be signed here")
        written = b""
        if self.scheme.time:
            written = self.scheme.time.write(draft.now).encode()
            draft.set(self.scheme.time.header, written)
        message = b"".join(self._parts(draft_facts(draft), written))
        draft.set(self.scheme.header, self._write(make(private, message)))


def strict_base64(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)


__all__ = ["SHA1", "SHA256", "Asymmetric", "PrivateKey", "make", "read_key", "strict_base64", "verify"]
