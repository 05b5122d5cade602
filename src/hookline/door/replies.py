"""Replies as bytes on the wire."""

from __future__ import annotations

from functools import lru_cache

from hookline.ingest.replies import phrase
from hookline.model import Reply

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@lru_cache(maxsize=512)
def encode(reply: Reply, bodiless: bool, close: bool) -> tuple[bytes, bytes]:
    """The status line, and all that follows the ``Date`` header; ``bodiless`` is for HEAD, which gets the same head."""
    lines = [b"%s: %s\r\n" % (name, _one_line(value)) for name, value in reply.headers]
    if reply.status != 204:
        lines.append(b"content-length: %d\r\n" % len(reply.body))
    if close:
        lines.append(b"connection: close\r\n")
    body = b"" if bodiless or reply.status in (204, 304) else reply.body
    start = b"HTTP/1.1 %d %s\r\n" % (reply.status, phrase(reply.status).encode())
    return start, b"".join(lines) + b"\r\n" + body


def _one_line(value: bytes) -> bytes:
    """A handshake may echo what a stranger sent: never a second header."""
    return value.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
