"""What an attempt says, without the secrets that we know: endpoints repeat what they were sent, commands print their
environment, servers quote the password that they refuse, and handlers put anything into an error."""

from __future__ import annotations

import functools

import msgspec

from hookline.model import Outcome
from hookline.secrets import KEPT, MASK
from hookline.telemetry import scrub


def hushed(outcome: Outcome) -> Outcome:
    """The outcome as it may be stored, shown and logged."""
    if not (outcome.reason or outcome.sent or outcome.received or outcome.error):
        return outcome
    return msgspec.structs.replace(
        outcome,
        reason=scrub(outcome.reason),
        sent=scrub(outcome.sent),
        received=_scrub_bytes(outcome.received),
        error=scrub(outcome.error),
    )


def _scrub_bytes(text: bytes) -> bytes:
    for secret in _encoded(len(KEPT)):
        if secret in text:
            text = text.replace(secret, MASK.encode())
    return text


@functools.lru_cache(1)
def _encoded(_count: int) -> tuple[bytes, ...]:
    """The kept secrets as bytes, made anew when there are more; the longest first, as some are parts of others."""
    return tuple(sorted((text.encode("utf-8", "replace") for text in tuple(KEPT)), key=len, reverse=True))
