"""Does a request carry its source's own secret? Then it must not be stored as it is.

It has happened: GitHub sent webhook secrets in a header, in base64, for months of 2025, and whoever kept headers has
them. A gateway keeps headers by design.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from hookline.model import Request, Verified, VerifiedEvent
from hookline.secrets import spellings

MASK = b"***"
_PREFIXES = (b"whsec_", b"whpk_", b"whsk_")
_SHORTEST = 8
"""Shorter secrets would be found in ordinary text."""


class Needles:
    """A source's secrets in the spellings that leaks have."""

    def __init__(self, secrets: Sequence[str]) -> None:
        found: dict[bytes, None] = {}
        for secret in secrets:
            text = secret.strip().encode("utf-8", "surrogatepass")
            if text.startswith(_PREFIXES):
                text = text.rpartition(b"_")[2]  # with or without its prefix
                found[_decoded(text).hex().encode()] = None
            found |= dict.fromkeys(spellings(text))
            if len(password := text.partition(b":")[2]) >= _SHORTEST:
                found |= dict.fromkeys(spellings(password))
        self._needles = tuple(needle for needle in found if len(needle) >= _SHORTEST)
        self._sought = tuple(
            needle
            for needle in self._needles
            if not any(needle != other and other in needle for other in self._needles)
        )

    def within(self, request: Request) -> bool:
        """Does the body, the target or a header carry one of them?"""
        everything = b"\n".join([request.body, request.target, *[value for _, value in request.headers]])
        for needle in self._sought:  # noqa: SIM110  any() with a generator takes half as long again
            if needle in everything:
                return True
        return False

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


def without_secret(needles: Needles, request: Request, verified: Verified) -> tuple[Request, Verified]:
    """A request as it may be stored, and its events with it."""
    clean = needles.redact(request)

    def masked(event: VerifiedEvent) -> VerifiedEvent:
        return msgspec.structs.replace(
            event,
            body=clean.body if event.body is request.body else needles.mask(event.body),
            id=masked_text(event.id),
            type=masked_text(event.type) or "",
            subject=masked_text(event.subject),
        )

    def masked_text(text: str | None) -> str | None:
        return text and needles.mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    return clean, msgspec.structs.replace(verified, events=[masked(event) for event in verified.events])


def _decoded(text: bytes) -> bytes:
    """The key within base64, or nothing."""
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
