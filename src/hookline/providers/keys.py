"""Public keys that providers keep at a URL. Checking never fetches: it takes what is here, or says what is missing."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from hookline.errors import Unavailable
from hookline.payload import parse

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

MAX_WANTED = 32
"""Strangers name URLs and key ids: only so many are remembered until the fetcher has looked."""


class Keys:
    """Keys by URL and key id.

    ``get`` raises Unavailable for a key that is not here and remembers it in ``wanted``; whoever may reach the network
    fetches those URLs (rows let only the provider's own hosts through) and hands each document to ``put``.
    """

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], PublicKey] = {}
        self.wanted: dict[str, set[str]] = {}
        self.questions: dict[str, dict[str, str]] = {}
        """What to POST, as JSON and with the ``key_id``, to URLs that give one key at a time to their customers."""

    def get(self, url: str, kid: str = "") -> PublicKey:
        """The key ``kid`` of the document at ``url``; Unavailable if it is not here yet."""
        key = self._keys.get((url, kid))
        if key is None:
            if url in self.wanted or len(self.wanted) < MAX_WANTED:
                kids = self.wanted.setdefault(url, set())
                if len(kids) < MAX_WANTED:
                    kids.add(kid)
            raise Unavailable("key not fetched yet")
        return key

    def put(self, url: str, document: bytes) -> int:
        """Takes in a fetched certificate, PEM key or JSON Web Key Set; the number of keys in it. ValueError if none."""
        found = _read(document)
        if not found:
            raise ValueError(f"no usable key in the document at {url}")
        if url not in self.questions:  # the whole set: what is no longer in it has been withdrawn
            self._keys = {place: key for place, key in self._keys.items() if place[0] != url}
        for kid, key in found.items():
            self._keys[url, kid] = key
        self.wanted.pop(url, None)
        return len(found)


def read_pem(text: str) -> PublicKey:
    """A PEM public key or certificate. ValueError for anything else."""
    raw = text.encode("utf-8", "replace")
    try:
        key: Any = (
            load_pem_x509_certificate(raw).public_key() if b"BEGIN CERTIFICATE" in raw else load_pem_public_key(raw)
        )
    except (TypeError, UnsupportedAlgorithm) as problem:
        raise ValueError("not a public key") from problem
    if not isinstance(key, PublicKey):
        raise ValueError("not an RSA, EC or Ed25519 key")
    return key


def _read(document: bytes) -> dict[str, PublicKey]:
    if b"-----BEGIN" in document:
        return {"": read_pem(document.decode("ascii", "replace"))}
    value = parse(document)
    if not isinstance(value, dict):
        return {}
    listed = value.get("keys", [value.get("key", value)])
    found: dict[str, PublicKey] = {}
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and (key := _from_jwk(entry)) is not None:
            found[str(entry.get("kid", ""))] = key
    if not found:  # Google also publishes {"kid": "certificate in PEM"}
        for kid, pem in value.items():
            if isinstance(pem, str) and "-----BEGIN" in pem:
                found[kid] = read_pem(pem)
    return found


def _from_jwk(entry: dict[str, Any]) -> PublicKey | None:
    try:
        if entry.get("kty") == "RSA":
            return rsa.RSAPublicNumbers(_number(entry["e"]), _number(entry["n"])).public_key()
        if entry.get("kty") == "EC" and entry.get("crv") == "P-256":
            return ec.EllipticCurvePublicNumbers(_number(entry["x"]), _number(entry["y"]), ec.SECP256R1()).public_key()
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # one odd entry must not hide the others of the set
    return None


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
