"""Does a request carry its source's own secret? Then it must not be stored as it is.

It has happened: GitHub sent webhook secrets in a header, in base64, for months of 2025, and whoever kept headers has
them. A gateway keeps headers by design.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from hookline.model import Request

MASK = b"***"
_SHORTEST = 8
"""Shorter secrets would be found in ordinary text."""


class Needles:
    """A source's secrets in the spellings that leaks have: plain, base64 and hex."""

    def __init__(self, secrets: Sequence[str]) -> None:
        found: dict[bytes, None] = {}
        for secret in secrets:
            for raw in _raw_forms(secret):
                if len(raw) >= _SHORTEST:
                    for spelling in (
                        raw,
                        base64.b64encode(raw).rstrip(b"="),
                        base64.urlsafe_b64encode(raw).rstrip(b"="),
                        raw.hex().encode(),
                        raw.hex().upper().encode(),
                    ):
                        found[spelling] = None
        self._needles = tuple(found)

    def within(self, request: Request) -> bool:
        """Does the target, a header or the body carry one of them?"""
        rest = b"\n".join([request.target, *[value for _, value in request.headers]])
        body = request.body
        return any(needle in body or needle in rest for needle in self._needles)

    def redact(self, request: Request) -> Request:
        """The request with every spelling masked."""
        return msgspec.structs.replace(
            request,
            target=self.mask(request.target),
            headers=[(name, self.mask(value)) for name, value in request.headers],
            body=self.mask(request.body),
        )

    def mask(self, text: bytes) -> bytes:
        for needle in self._needles:
            text = text.replace(needle, MASK)
        return text


def _raw_forms(secret: str) -> list[bytes]:
    """The text itself, and the key within ``whsec_…`` and other base64."""
    text = secret.strip().encode("utf-8", "surrogatepass")
    forms = [text]
    inner = text.rpartition(b"_")[2] if text.startswith((b"whsec_", b"v1_")) else b""
    if inner:
        forms.append(inner)
        try:
            forms.append(base64.b64decode(inner + b"=" * (-len(inner) % 4), validate=True))
        except (binascii.Error, ValueError):
            pass
    return forms
