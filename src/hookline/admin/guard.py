"""What every request to the admin door passes: whose name it calls us by, where it comes from, and what it may show.

A browser that visits a hostile page can reach loopback and private addresses. The Host allow list stops names that were
rebound to us, ``Sec-Fetch-Site`` and ``Origin`` stop requests that another site makes in somebody's name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hookline.admin import problems

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_BODY = 1 << 20
_NO_HOST = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
"""What a host and port never have: with it, one reader takes for a user what the next takes for the name."""
OPEN_TO_ANY_HOST = frozenset({"/healthz", "/readyz"})

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none';"
        b" frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
    (b"cache-control", b"no-store"),
)


def host_of(value: str) -> str:
    """The name in a Host header, lower case, without port and brackets; empty where it is none."""
    if _NO_HOST.search(value):
        return ""
    try:
        return (urlsplit(f"//{value}").hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of the networks, all as text that was checked before."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(network) for network in networks)


class Guard:
    """ASGI middleware round the whole admin door."""

    def __init__(self, app: ASGIApp, allowed: Callable[[], Iterable[str]]) -> None:
        """``allowed`` are the names, beside those of loopback, that we answer to: asked anew for each request."""
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message.get("headers", [])}
                message["headers"] = [*message.get("headers", []), *(pair for pair in HEADERS if pair[0] not in own)]
            await send(message)

        refusal = self._refuse(scope)
        if refusal is not None:
            await refusal(scope, receive, guarded_send)
            return
        await self.app(scope, _limited(receive), guarded_send)

    def _refuse(self, scope: Scope) -> ASGIApp | None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in (b"host", b"authorization", b"content-length") and name in headers:
                return problems.response(400, "Bad request", f"the header {name.decode()} comes twice")
            headers[name] = value
        host = host_of(headers.get(b"host", b"").decode("latin-1"))
        if scope["path"] not in OPEN_TO_ANY_HOST and host not in LOOPBACK_NAMES and host not in self.allowed():
            return problems.response(
                421, "Wrong host", "this name is not one of ours: set server.admin_url to the URL that you use"
            )
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        site = headers.get(b"sec-fetch-site", b"none")
        origin = headers.get(b"origin")
        foreign = origin is not None and host_of(origin.decode("latin-1").partition("://")[2]) != host
        if site not in (b"none", b"same-origin") or foreign:
            return problems.response(403, "Cross-site request", "another site's page may not change anything here")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > MAX_BODY:
            return problems.response(413, "Too large", f"a body may have {MAX_BODY} bytes")
        return None


class TooLarge(Exception):
    """A body that went on after its limit."""


def _limited(receive: Receive) -> Receive:
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise TooLarge
        return message

    return limited
