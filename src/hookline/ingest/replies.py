"""The answers that are the same for everybody: they say their status, and nothing about us or the reason."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from hookline.model import Reply

TEXT = (b"content-type", b"text/plain; charset=utf-8")


@lru_cache(maxsize=256)
def plain(status: int, *headers: tuple[bytes, bytes]) -> Reply:
    """A constant reply: ``plain(405, (b"allow", b"POST"))``."""
    return Reply(status, phrase(status).lower().encode() + b"\n", (TEXT, *headers))


def busy(seconds: int, status: int = 503) -> Reply:
    """503 or 429: come again in ``seconds``."""
    return plain(status, (b"retry-after", b"%d" % max(1, seconds)))


def phrase(status: int) -> str:
    """``phrase(404)`` → ``"Not Found"``."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"


OK = plain(200)
BAD_REQUEST = plain(400)
UNAUTHORIZED = plain(401)
FORBIDDEN = plain(403)
NOT_FOUND = plain(404)
GONE = plain(410)
UNSUPPORTED = plain(415)
UNAVAILABLE = busy(5)
