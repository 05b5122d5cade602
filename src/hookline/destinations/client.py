"""A small HTTP/1.1 client for webhooks: one connection pool, one request at a time on a connection, no magic.

No redirects, no cookies, no decompression, no proxies from the environment, no coroutine per byte: what is needed to
deliver a body to a checked address and to know, when it fails, whether the other side may have acted on it. It makes
several times as many requests a second as the general clients do, and every byte of it can be read here.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Sequence
from typing import cast

import httptools
import msgspec

from hookline.destinations.netguard import Guard, Target
from hookline.errors import HooklineError
from hookline.model import Headers

READ = 65_536
"""Bytes of an answer's body that are read; what sends more is cut off."""
MAX_HEAD = 65_536
MAX_INTERIM = 10
"""1xx answers before the real one."""
IDLE = 50.0
"""Seconds that an unused connection is kept: below the minute after which many servers and balancers drop it."""


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    reason: str
    headers: Headers
    body: bytes
    """The start of it."""
    cut: bool = False
    """There was more, or it broke off."""

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class CallFailed(HooklineError):
    """No answer. ``unknown`` is True where the request had gone out, so that it may have been acted on."""

    def __init__(self, reason: str, *, unknown: bool = False, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unknown = unknown
        self.timed_out = timed_out


class _Stale(Exception):
    """A kept connection was closed under us before a byte of an answer came."""


class Client:
    """Connections to any number of origins, kept while they are used."""

    def __init__(
        self,
        guard: Guard,
        *,
        connect_timeout: float = 5.0,
        tls: ssl.SSLContext | None = None,
        repeat_stale: bool = True,
    ) -> None:
        """``repeat_stale``: send again on a fresh connection when a kept one turns out to be closed before a byte of
        an answer came. Nearly always the request was never seen; who cannot bear the rest says False."""
        self._guard = guard
        self._connect_timeout = connect_timeout
        self._tls = tls
        self._repeat_stale = repeat_stale
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}
        self._open: set[_Connection] = set()

    async def send(
        self, method: str, target: Target, headers: Sequence[tuple[bytes, bytes]], body: bytes, *, seconds: float
    ) -> Answer:
        """One request and its answer, within ``seconds`` from first to last. ``Host`` and ``Content-Length``
        are ours; the other headers go out as given.

        :raises CallFailed: if there is no answer. :raises Blocked: if the guard does not let us.
        """
        head = [
            b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method.encode(), target.path.encode(), target.host_header.encode())
        ]
        head.extend(b"%b: %b\r\n" % header for header in headers)
        head.append(b"Content-Length: %d\r\n\r\n" % len(body))
        data = b"".join(head) + body
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        connection = self._kept(target, loop.time())
        if connection is not None:
            try:
                return await self._exchange(connection, target, data, deadline, seconds)
            except _Stale:
                if not self._repeat_stale:
                    raise CallFailed("connection closed before an answer", unknown=True) from None
        connection = await self._connect(target, deadline, seconds)
        try:
            return await self._exchange(connection, target, data, deadline, seconds)
        except _Stale:
            raise CallFailed("connection closed before an answer", unknown=True) from None

    async def close(self) -> None:
        """Close every connection; requests that wait on one fail."""
        for connection in list(self._open):
            connection.close()
        self._idle.clear()

    def _kept(self, target: Target, now: float) -> _Connection | None:
        idle = self._idle.get((target.scheme, target.host, target.port))
        while idle:
            connection = idle.pop()  # the last one used is the likeliest to be alive
            if connection.closed:
                continue
            if now - connection.idle_since < IDLE:
                return connection
            connection.close()
        return None

    async def _exchange(
        self, connection: _Connection, target: Target, data: bytes, deadline: float, seconds: float
    ) -> Answer:
        loop = asyncio.get_running_loop()
        timer = loop.call_at(deadline, connection.fail, CallFailed(late(seconds), unknown=True, timed_out=True))
        try:
            answer = await connection.exchange(data)
        except BaseException:
            connection.close()
            raise
        finally:
            timer.cancel()
        if connection.reusable:
            connection.idle_since = loop.time()
            self._idle.setdefault((target.scheme, target.host, target.port), []).append(connection)
        else:
            connection.close()
        return answer

    async def _connect(self, target: Target, deadline: float, seconds: float) -> _Connection:
        loop = asyncio.get_running_loop()
        until = min(deadline, loop.time() + self._connect_timeout)
        try:
            async with asyncio.timeout_at(until):
                return await self._connect_to_any(target)
        except TimeoutError:
            limit = min(seconds, self._connect_timeout)
            raise CallFailed(f"no connection to {target.host} within {limit:g} s", timed_out=True) from None

    async def _connect_to_any(self, target: Target) -> _Connection:
        try:
            addresses = await self._guard.addresses(target)
        except OSError:
            raise CallFailed(f"the name {target.host} has no address") from None
        problem: OSError | None = None
        for address in addresses:
            try:
                return await self._connect_to(target, address)
            except TimeoutError:
                raise
            except ssl.SSLCertVerificationError as trouble:
                raise CallFailed(f"TLS: the certificate is not valid: {trouble.verify_message}") from None
            except ssl.SSLError as trouble:
                raise CallFailed(f"TLS: {trouble.reason or 'handshake failed'}") from None
            except OSError as trouble:
                problem = trouble
        raise CallFailed(f"cannot connect to {target.host}:{target.port}: {_words(problem)}") from problem

    async def _connect_to(self, target: Target, address: str) -> _Connection:
        """To this address and no other; the name serves only for TLS."""
        loop = asyncio.get_running_loop()
        secure = target.scheme == "https"
        _, connection = await loop.create_connection(
            lambda: _Connection(self._open),
            address,
            target.port,
            ssl=(self._tls or default_tls()) if secure else None,
            server_hostname=target.host if secure else None,
        )
        return connection


class _Connection(asyncio.Protocol):
    """A connection, and the one exchange that runs on it."""

    def __init__(self, registry: set[_Connection]) -> None:
        self.closed = False
        self.idle_since = 0.0
        self.reusable = False
        self._registry = registry
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[Answer] | None = None
        self._used = False
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._reason = b""
        self._status = 0
        self._body: list[bytes] = []
        self._size = 0
        self._seen = 0
        self._head_done = False
        self._interim = 0
        self.reusable = False

    async def exchange(self, data: bytes) -> Answer:
        if self.closed or self._transport is None:
            raise _Stale
        self._reset()
        future = self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            answer: Answer = await future
        finally:
            self._answered = None
        self._used = True
        return answer

    def fail(self, problem: Exception) -> None:
        """End the exchange: with what has come, if that is an answer."""
        future = self._answered
        if future is not None and not future.done():
            if self._head_done:
                self._finish(cut=True)
            else:
                future.set_exception(problem)
        self.close()

    def close(self) -> None:
        self.closed = True
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's side ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._registry.add(self)

    def data_received(self, data: bytes) -> None:
        future = self._answered
        if future is None or future.done():
            self.close()  # nobody asked: out of step, never to be used again
            return
        self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(CallFailed("the answer switches protocols", unknown=True))
        except httptools.HttpParserError:
            if future.done():  # bytes after a complete answer
                self.close()
            else:
                self.fail(CallFailed("the answer is not HTTP", unknown=True))
        else:
            if not self._head_done and self._seen > MAX_HEAD:
                self.fail(CallFailed("the answer's headers have no end", unknown=True))

    def connection_lost(self, problem: Exception | None) -> None:
        self.closed = True
        self.reusable = False
        self._registry.discard(self)
        future = self._answered
        if future is None or future.done():
            return
        if self._head_done:
            self._finish(cut=self._length_known)
        elif self._used and not self._seen:
            future.set_exception(_Stale())
        else:
            future.set_exception(CallFailed("connection closed before an answer", unknown=True))

    # -- the parser's side -------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        future = self._answered
        if future is None or future.done():  # a second answer to one request
            self.close()

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status < 200:
            self._interim += 1
            return
        self._head_done = True

    def on_body(self, data: bytes) -> None:
        if self._size > READ:
            return
        self._body.append(data[: READ - self._size])
        self._size += len(data)
        if self._size > READ:
            self.fail(CallFailed("", unknown=True))

    def on_message_complete(self) -> None:
        if self._head_done:
            self.reusable = not self.closed and self._parser.should_keep_alive()
            self._finish()
        elif self._interim > MAX_INTERIM:
            self.fail(CallFailed("the answer's interim responses have no end", unknown=True))
        else:
            self._headers, self._reason = [], b""

    @property
    def _length_known(self) -> bool:
        return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers)

    def _finish(self, *, cut: bool = False) -> None:
        future = self._answered
        if future is not None and not future.done():
            reason = self._reason.decode("latin-1")
            future.set_result(Answer(self._status, reason, self._headers, b"".join(self._body), cut))


@functools.cache
def default_tls() -> ssl.SSLContext:
    """The system's authorities, TLS 1.2 and up. Made once: it takes 20 ms and some megabytes."""
    return make_tls(None)


def make_tls(authorities: str | None) -> ssl.SSLContext:
    """Verifies against ``authorities`` (a PEM file) instead of the system's."""
    context = ssl.create_default_context(cafile=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def late(seconds: float) -> str:
    return f"no answer within {seconds:g} s"


def _words(problem: OSError | None) -> str:
    match problem:
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError():
            return "connection reset"
        case None:
            return "no address"
        case _:
            return problem.strerror or type(problem).__name__
