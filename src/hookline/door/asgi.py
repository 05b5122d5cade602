"""The door for people who mount it in a web application of theirs: the same ingest behind any ASGI server.

What such a server has done to a request cannot be undone here: names of headers are in lower case, and some servers
read trailers as headers or wait for ever for the first bytes. Limits and deadlines hold from where ASGI lets us.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hookline.door.head import SINGLE, Fault, check_head, check_single, check_sizes, fault
from hookline.door.limits import Limits
from hookline.door.peers import Peers, said_https
from hookline.ingest.addresses import Network
from hookline.ingest.replies import UNAVAILABLE
from hookline.model import Headers, Reply, Request

if TYPE_CHECKING:
    from hookline.ingest import Ingest
    from hookline.ingest.entries import Entry

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Gone(Exception):
    """The sender left before its request was complete."""


class Face:
    """An ASGI application. ``ingest`` may be set later than the application is made: until then the answer is 503."""

    def __init__(
        self,
        ingest: Ingest | None = None,
        *,
        limits: Limits | None = None,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self.ingest = ingest
        self.limits = limits or Limits()
        self.peers = Peers(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface: http, and as much of lifespan as says that there is nothing to start."""
        if scope["type"] == "http":
            try:
                reply = await self._reply(scope, receive)
            except Fault as problem:
                reply = problem.reply
            except Gone:
                return
            await _send(reply, send, bodiless=scope["method"] == "HEAD")
        elif scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        ingest = self.ingest
        if ingest is None:
            return UNAVAILABLE
        path = scope.get("raw_path") or quote(scope["path"], safe="/%:@!$&'()*+,;=~-._").encode()
        query = scope.get("query_string", b"")
        target = path + b"?" + query if query else path
        root = quote(scope.get("root_path", "")).encode()
        below = path[len(root) :] if path.startswith(root) else path
        entry = ingest.entries.get(path) or ingest.entries.get(below)
        headers: Headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
        check_sizes(target, headers, self.limits)
        check_single(headers, entry.single_headers if entry is not None else SINGLE)
        names = {name.lower(): value for name, value in headers}
        length = check_head(target, names, scope.get("http_version", "1.1") == "1.1")
        host = scope["client"][0] if scope.get("client") else ""
        peer, secure = host, scope.get("scheme") == "https"
        if self.peers.trusts(host):
            peer = self.peers.sender(host, names, headers)
            secure = secure or said_https(names)
        cap = self.limits.unknown_body if entry is None else entry.max_body
        request = Request(
            method=scope["method"],
            target=target,
            headers=headers,
            body=b"",
            received_at=time.time(),
            peer=peer,
        )
        if length is not None and length > cap:
            raise self._too_large(ingest, entry, request)
        refusal = entry.refuse(request.method, names, peer, secure) if entry is not None else None
        if entry is not None and refusal is not None:
            return ingest.refused(entry, request, refusal)
        body = await self._body(receive, cap)
        if body is None:
            raise self._too_large(ingest, entry, request)
        request = Request(
            method=request.method,
            target=target,
            headers=headers,
            body=body,
            received_at=time.time(),
            peer=peer,
        )
        if entry is None:
            return ingest.elsewhere(request, below)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        ingest.receive(entry, request, lambda reply: None if answer.done() else answer.set_result(reply))
        return await answer

    async def _body(self, receive: Receive, cap: int) -> bytes | None:
        """The whole body, None if it is larger than ``cap``. 408 for one that takes too long."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.limits.body):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    part = message.get("body", b"")
                    size += len(part)
                    if size > cap:
                        return None
                    if part:
                        parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise fault(408, "too slow") from None

    def _too_large(self, ingest: Ingest, entry: Entry | None, request: Request) -> Fault:
        problem = fault(404, "unknown path") if entry is None else fault(413, "too large")
        ingest.note(entry, request, problem.reason, problem.reply.status)
        return problem


async def _send(reply: Reply, send: Send, *, bodiless: bool) -> None:
    headers = [*reply.headers]
    if reply.status != 204:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if bodiless else reply.body})
