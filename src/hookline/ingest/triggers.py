"""Samples of our own: how a correctly signed request says that it is one, and nobody else can say so.

``hookline trigger`` and the API share a key with the door through the store. The mark covers the body and ends after a
minute, and a door takes each once, so that a mark seen in a log is worth nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Literal

from hookline.model import Request

HEADER = b"Hookline-Trigger"
SECONDS = 60.0
_MOST_SEEN = 10_000

Mode = Literal["run", "keep"]
"""``run`` it, or only ``keep`` it."""


def mark(key: bytes, mode: Mode, body: bytes, now: float) -> bytes:
    """The value of :data:`HEADER` for a request with this body. ``now`` is in unix seconds."""
    said = f"{mode}.{int(now)}.{secrets.token_hex(8)}".encode()
    return said + b"." + _proof(key, said, body)


def _proof(key: bytes, said: bytes, body: bytes) -> bytes:
    return hmac.new(key, said + b"." + hashlib.sha256(body).digest(), hashlib.sha256).hexdigest().encode()


class Triggers:
    """What a door knows of marks: the key, and those that it has seen."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def read(self, request: Request) -> Mode | None:
        """How a sample of ours is to be treated; None for a request of the provider, or with a mark that is not ours,
        too old, or not new."""
        for name, value in request.headers:
            if name == HEADER:  # our own spelling: nobody else's matters
                return self._judge(value, request)
        return None

    def _judge(self, value: bytes, request: Request) -> Mode | None:
        said, _, proof = value.rpartition(b".")
        parts = said.split(b".")
        if len(parts) != 3 or not parts[1].isdigit() or len(parts[1]) > 12:
            return None
        if abs(request.received_at - int(parts[1])) > SECONDS or proof in self._seen:
            return None
        if not hmac.compare_digest(proof, _proof(self._key, said, request.body)):
            return None
        self._seen[proof] = None
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return "run" if parts[0] == b"run" else "keep"
