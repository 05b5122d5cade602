"""Is this the head of a request that we answer? Pure, after llhttp has judged the syntax.

llhttp has no limits, keeps two Host headers, takes ``gzip, chunked`` and reads trailers as headers; what it leaves
open is closed here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from hookline.door.limits import Limits
from hookline.ingest.replies import plain
from hookline.model import Headers, Reply

_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_LONGEST_LENGTH = 18
"""Digits."""

SINGLE = frozenset(
    {
        b"host",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
        b"authorization",
        b"expect",
    }
)
"""Headers that must not come twice, whatever the provider; the provider's own are the source's ``single_headers``."""


class Fault(Exception):
    """A request that ends its connection: the reply, and the reason in the vocabulary of the log."""

    def __init__(self, reply: Reply, reason: str) -> None:
        super().__init__(reason)
        self.reply = reply
        self.reason = reason


def fault(status: int, reason: str, *headers: tuple[bytes, bytes]) -> Fault:
    return Fault(plain(status, *headers), reason)


def check_sizes(target: bytes, headers: Headers, limits: Limits) -> None:
    """:raises Fault: 414 or 431."""
    if len(target) > limits.target_bytes:
        raise fault(414, "target too long")
    total = 0
    for name, value in headers:
        size = len(name) + len(value) + 4
        if size > limits.line_bytes:
            raise fault(431, "header too long")
        total += size
    if total > limits.head_bytes or len(headers) > limits.headers:
        raise fault(431, "too many headers")


def check_head(target: bytes, names: Mapping[bytes, bytes], http_1_1: bool) -> int | None:
    """The declared length of the body: None where it comes in chunks.

    ``names`` are the headers by lower-case name, already known to be single where they must be.

    :raises Fault: 400, 417 or 501.
    """
    if target[:1] != b"/":  # absolute, authority and asterisk forms are for proxies
        raise fault(400, "bad target")
    host = names.get(b"host")
    if host is None:
        if http_1_1:
            raise fault(400, "no host")
    elif not _is_host(host):
        raise fault(400, "bad host")
    expect = names.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise fault(417, "bad expect")
    length = names.get(b"content-length")
    coding = names.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise fault(400, "length and chunks")
        if coding.lower() != b"chunked" or not http_1_1:
            raise fault(400, "bad transfer-encoding")
        return None
    if length is None:
        return 0
    if not length.isdigit() or len(length) > _LONGEST_LENGTH:
        raise fault(400, "bad content-length")
    return int(length)


@lru_cache(maxsize=256)
def _is_host(text: bytes) -> bool:
    return _HOST.fullmatch(text) is not None


def check_single(headers: Headers, single: frozenset[bytes]) -> None:
    """:raises Fault: 400 where one of ``single`` or of ours comes twice."""
    counts = Counter(name.lower() for name, _ in headers)
    for name, count in counts.items():
        if count > 1 and (name in SINGLE or name in single):
            raise fault(400, "header twice")
