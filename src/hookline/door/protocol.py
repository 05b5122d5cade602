"""One connection of the public door: bytes in, requests to ingest, replies out in the order of their requests.

No coroutine, no task and no timer per request: llhttp calls back, a request goes to ingest with a function to call
with the reply, and one sweep over all connections twice a second keeps every deadline.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, cast

import structlog
from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from hookline.door.head import Fault, check_head, check_single, check_sizes, fault
from hookline.door.peers import said_https
from hookline.door.replies import CONTINUE, encode
from hookline.ingest.addresses import neighbourhood
from hookline.model import Headers, Reply, Request

if TYPE_CHECKING:
    from hookline.door.server import Door
    from hookline.ingest.entries import Entry, Refusal

log = structlog.get_logger("hookline.door")

IDLE, HEAD, BODY, DEAF = range(4)
"""Between requests; in a head; in a body; after the last request of the connection: nothing more is read."""

_METHODS = {method.encode(): method for method in ("POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")}
_NO_SINGLES: frozenset[bytes] = frozenset()


class _Trailers:
    """Stands where headers are gathered once the head is complete."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        raise fault(400, "trailers")


_TRAILERS = _Trailers()


class Exchange:
    """One request and the place of its reply in the connection's order."""

    __slots__ = ("bodiless", "close", "connection", "wire")

    def __init__(self, connection: Connection, bodiless: bool, close: bool) -> None:
        self.connection = connection
        self.bodiless = bodiless
        self.close = close
        self.wire: bytes | None = None

    def done(self, reply: Reply) -> None:
        """Answer, once."""
        if self.wire is None:
            self.connection.answer(self, reply)


class Connection(asyncio.Protocol):
    """What the loop and llhttp call. ``door`` carries what all connections share."""

    # fmt: off
    __slots__ = (
        "body_size", "buffered", "cap", "choked", "chunk", "chunked", "chunks", "close", "deadline", "door",
        "entry", "exchanges", "fed", "gathering", "headers", "host", "method", "names", "neighbourhood", "parser",
        "parts", "paused", "peer", "proxied", "refusal", "replayed", "secure", "stage", "stage_began", "target",
        "tls", "transport", "unread", "upgrading",
    )
    # fmt: on

    def __init__(self, door: Door) -> None:
        self.door = door
        self.transport: asyncio.Transport | None = None
        self.parser = HttpRequestParser(self)
        self.exchanges: deque[Exchange] = deque()
        self.stage = IDLE
        self.stage_began = 0.0
        self.deadline = math.inf
        self.fed = 0
        self.chunk = 0
        self.buffered = 0
        self.paused = False
        self.choked = False
        self.upgrading = False
        self.close = False
        self.host = ""
        self.neighbourhood = ""
        self.proxied = False
        self.tls = False
        self.gathering: Headers | _Trailers = _TRAILERS
        self.headers: Headers = []
        self.names: dict[bytes, bytes] = {}
        self.target = b""
        self.method = ""
        self.peer = ""
        self.secure = False
        self.entry: Entry | None = None
        self.refusal: Refusal | None = None
        self.cap = 0
        self.parts: list[bytes] = []
        self.body_size = 0
        self.chunked = False
        self.chunks = 0
        self.replayed: bytes | None = None
        self.unread = False

    # -- the loop calls ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self.transport = transport
        peername = transport.get_extra_info("peername")
        self.host = peername[0] if isinstance(peername, tuple) else ""
        self.tls = transport.get_extra_info("ssl_object") is not None
        self.proxied = not self.host or self.door.peers.trusts(self.host)  # a Unix socket is a proxy of this machine
        self.neighbourhood = neighbourhood(self.host)
        if self.door.enter(self):
            limits = self.door.limits
            self.deadline = self.door.now + (limits.proxy_idle if self.proxied else limits.first_byte)
        else:
            self.refuse(fault(503, "too many connections", (b"retry-after", b"5")))

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.stage = DEAF
        self.door.buffered -= self.buffered
        self.buffered = 0
        self.door.leave(self)

    def data_received(self, data: bytes) -> None:
        stage = self.stage
        self.chunk = len(data)
        if stage == DEAF:
            self._discard()
            return
        if stage != IDLE:
            self.fed += self.chunk
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._stay_with_http(data[upgrade.args[0] :])
        except HttpParserCallbackError as problem:
            self._called_back(problem)
        except HttpParserError:
            self.refuse(fault(400, "malformed"))
        else:
            if self.stage == BODY:
                self._hold_body()
            elif self.stage == HEAD and self.fed > self.door.limits.head_bytes + self.door.limits.target_bytes:
                self.refuse(fault(431, "too many headers"))

    def eof_received(self) -> bool:
        """A half-closed connection gets the replies it waits for (TLS has no half-close)."""
        if self.exchanges and not self.tls:
            self.stage = DEAF
            self.exchanges[-1].close = True
            return True
        return False

    def pause_writing(self) -> None:
        """Whoever does not read our replies need not send more requests."""
        self.choked = True
        self._pause()

    def resume_writing(self) -> None:
        self.choked = False
        self._resume()

    # -- llhttp calls --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.stage == DEAF:
            raise fault(400, "after the last request")
        if self.replayed is not None:
            return
        self.stage = HEAD
        self.fed = self.chunk
        self.deadline = self.door.now + self.door.limits.head
        self.headers = self.gathering = []
        self.target = b""

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.gathering.append((name, value))

    def on_headers_complete(self) -> None:
        self.gathering = _TRAILERS
        if self.replayed is not None:
            self.target, self.replayed = self.replayed, None
            return
        headers, limits, parser = self.headers, self.door.limits, self.parser
        if self.fed > limits.line_bytes or len(headers) > limits.headers:
            check_sizes(self.target, headers, limits)
        names = self.names = {name.lower(): value for name, value in headers}
        entry = self.entry = self.door.ingest.entries.get(self.target.partition(b"?")[0])
        if len(names) != len(headers):
            check_single(headers, entry.single_headers if entry is not None else _NO_SINGLES)
        keep = parser.should_keep_alive()
        http_1_1 = True
        if not keep or b"connection" in names:  # llhttp keeps HTTP/1.1 alive unless it is told not to, and only that
            version = parser.get_http_version()
            if version not in ("1.1", "1.0"):
                raise fault(505, "bad version")
            http_1_1 = version == "1.1"
        self.close = not keep or not http_1_1
        length = check_head(self.target, names, http_1_1)
        self.method = _METHODS.get(parser.get_method(), "")
        if not self.method:
            raise fault(405, "bad method", (b"allow", entry.allow if entry is not None else b"POST"))
        self.peer, self.secure = self.host, self.tls
        if self.proxied:
            self.peer = self.door.peers.sender(self.host, names, headers)
            self.secure = self.tls or said_https(names)
        self.parts = []
        self.body_size = 0
        self.chunked = length is None
        self.chunks = 0
        self.upgrading = parser.should_upgrade()
        self.stage = BODY
        self.stage_began = self.door.now
        self.deadline = self.stage_began + limits.body
        if entry is None:
            self.refusal = None
            self.cap = limits.unknown_body
        else:
            self.refusal = entry.refuse(self.method, names, self.peer, self.secure)
            self.cap = entry.max_body
        if length is not None and length > self.cap:
            raise self._too_large()
        if length != 0 and b"expect" in names:
            self._expected()

    def on_body(self, part: bytes) -> None:
        self.body_size += len(part)
        if self.body_size > self.cap:
            raise self._too_large()
        self.parts.append(part)

    def on_chunk_header(self) -> None:
        self.chunks += 1
        limits = self.door.limits
        if self.chunks > limits.small_chunks and (
            self.chunks > limits.chunks or self.body_size < limits.chunk_mean * (self.chunks - 1)
        ):
            raise fault(400, "chunk storm")

    def on_message_complete(self) -> None:
        if self.upgrading:  # llhttp believes that the body belongs to another protocol
            return
        parts = self.parts
        request = Request(
            method=self.method,
            target=self.target,
            headers=self.headers,
            body=parts[0] if len(parts) == 1 else b"".join(parts),
            received_at=time.time(),
            peer=self.peer,
        )
        self.parts = []  # an idle connection must not keep its last body
        close = self.close or self.door.draining
        exchange = Exchange(self, self.method == "HEAD", close)
        self.exchanges.append(exchange)
        if self.buffered:
            self.door.buffered -= self.buffered
            self.buffered = 0
        self.stage = DEAF if close else IDLE
        self.deadline = math.inf
        self.door.receive(self.entry, self.refusal, request, exchange.done)
        if len(self.exchanges) > self.door.limits.pipelined:
            self._pause()

    # -- replies -------------------------------------------------------------------------------------------------

    def answer(self, exchange: Exchange, reply: Reply) -> None:
        """Write what can be written: this reply, if it is its turn, and those that waited for it."""
        if self.transport is None:
            return
        door = self.door
        if door.draining:
            exchange.close = True
        start, rest = encode(reply, exchange.bodiless, exchange.close)
        exchange.wire = start + door.date + rest
        exchanges = self.exchanges
        while exchanges and exchanges[0].wire is not None:
            first = exchanges.popleft()
            assert first.wire is not None
            self.transport.write(first.wire)
            if first.close:
                self.finish()
                return
        if not exchanges and self.stage == IDLE:
            self.deadline = door.now + (door.limits.proxy_idle if self.proxied else door.limits.idle)
        if self.paused and not self.choked and len(exchanges) <= door.limits.pipelined // 2:
            self._resume()

    def refuse(self, problem: Fault) -> None:
        """Answer once more, in order, and close; what else arrives is read and forgotten."""
        if self.stage == DEAF:
            return
        known = None
        bodiless = False
        if self.stage == BODY:
            bodiless = self.method == "HEAD"
            known = Request(
                method=self.method,
                target=self.target,
                headers=self.headers,
                body=b"",
                received_at=time.time(),
                peer=self.peer,
            )
        self.unread = True
        self.door.refused(problem, self.entry if known is not None else None, known, self.host)
        self.stage = DEAF
        self.deadline = math.inf
        exchange = Exchange(self, bodiless, True)
        self.exchanges.append(exchange)
        exchange.done(problem.reply)

    def finish(self) -> None:
        """The last reply is written: say so, and listen on for a moment. Closing at once while the other side still
        sends would reset the connection, and the reply with it."""
        self.stage = DEAF
        self.exchanges.clear()
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self.fed = 0
        self.deadline = self.door.now + self.door.limits.linger
        if transport.can_write_eof():
            self._resume()
            transport.write_eof()
        elif not self.unread:  # TLS has no half-close: there the deadline is the end of those who still send
            transport.close()

    def expire(self) -> None:
        """The sweep found the deadline passed."""
        if self.stage == HEAD or self.stage == BODY:
            self.refuse(fault(408, "too slow"))
        elif self.stage == IDLE and self.transport is not None:
            self.deadline = self.door.now + self.door.limits.linger
            self.stage = DEAF
            self.transport.close()
        elif self.transport is not None:
            self.transport.abort()

    # -- odds ----------------------------------------------------------------------------------------------------

    def _called_back(self, problem: HttpParserCallbackError) -> None:
        cause = problem.__context__
        if isinstance(cause, Fault):
            self.refuse(cause)
        else:
            log.error("bug at the door", exc_info=cause)
            self.refuse(fault(500, "bug"))

    def _too_large(self) -> Fault:
        if self.entry is None:
            return fault(404, "unknown path")
        return fault(413, "too large")

    def _expected(self) -> None:
        """``Expect: 100-continue``: only after every check of the head, and in its turn. A sender that is declined
        may or may not send its body, so that the connection ends with the answer."""
        if self.entry is None:
            raise fault(404, "unknown path")
        if self.refusal is not None:
            raise Fault(self.refusal.reply, self.refusal.reason)
        if not self.exchanges and self.transport is not None:
            self.transport.write(CONTINUE)

    def _hold_body(self) -> None:
        """Account for an unfinished body: everybody's together have a limit."""
        grown = self.body_size - self.buffered
        self.buffered += grown
        self.door.buffered += grown
        if self.door.buffered > self.door.limits.buffered_bytes:
            self.refuse(fault(503, "too many bodies", (b"retry-after", b"5")))
        elif self.chunked and self.fed > 2 * self.cap + 65_536:  # chunk extensions or a trailer without end
            self.refuse(fault(400, "chunk storm"))

    def _stay_with_http(self, rest: bytes) -> None:
        """An ``Upgrade`` (Java's client offers h2c with every request) is ignored, as RFC 9110 section 7.8 allows.
        llhttp would leave the connection to the other protocol: a fresh parser, told the framing again, stays."""
        self.upgrading = False
        if self.stage != BODY:
            return
        framing = b"transfer-encoding: chunked"
        if not self.chunked:
            framing = b"content-length: " + self.names.get(b"content-length", b"0")
        self.replayed = self.target
        self.gathering = []
        self.parser = HttpRequestParser(self)
        fed = self.fed
        self.data_received(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n" + rest)
        self.fed = max(self.fed, fed)

    def _discard(self) -> None:
        self.fed += self.chunk
        if self.fed > 4 * self.door.limits.unknown_body and self.transport is not None and not self.exchanges:
            self.transport.abort()

    def _pause(self) -> None:
        if not self.paused and self.transport is not None and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self.paused and self.transport is not None and not self.transport.is_closing():
            self.paused = False
            self.transport.resume_reading()
