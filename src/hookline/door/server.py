"""The public door: listens, counts who is in, keeps the deadlines, and closes without losing an answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING

import structlog

from hookline import telemetry
from hookline.door.greeter import Greeter
from hookline.door.limits import Limits
from hookline.door.peers import Peers
from hookline.door.protocol import BODY, IDLE, Connection
from hookline.ingest.addresses import Network

if TYPE_CHECKING:
    from hookline.door.head import Fault
    from hookline.ingest import Ingest
    from hookline.ingest.entries import Entry, Refusal
    from hookline.model import Reply, Request

log = structlog.get_logger("hookline.door")

BACKLOG = 4_096
_SWEEP = 0.5
LAST_REQUESTS = 1.0
"""Seconds that idle keep-alive connections have to send one more request before a stopping door closes them."""


class Door:
    """Everything that the connections of one process share."""

    def __init__(
        self, ingest: Ingest, *, limits: Limits | None = None, trusted_proxies: Sequence[Network] = ()
    ) -> None:
        self.ingest = ingest
        self.limits = limits or Limits()
        self.peers = Peers(trusted_proxies)
        self.connections: set[Connection] = set()
        self.buffered = 0
        """Bytes of unfinished bodies."""
        self.now = 0.0
        """The loop's clock, as of the last sweep: deadlines need no better one."""
        self.date = b""
        self.draining = False
        self._addresses: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self._greeters: list[Greeter] = []
        self._left = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        """Listen on ``sockets``, with TLS where a context is given."""
        loop = asyncio.get_running_loop()
        self.tick(loop.time())
        self._schedule(loop)
        for sock in sockets:
            if tls is None:
                self._servers.append(await loop.create_server(lambda: Connection(self), sock=sock, backlog=BACKLOG))
            else:
                self._greeters.append(Greeter(self, sock, tls))

    async def stop(self, grace: float = 10.0) -> None:
        """Accept nobody new, answer what is in flight, close; after ``grace`` seconds cut off who is still there."""
        self.draining = True
        for server in self._servers:
            server.close()
        for greeter in self._greeters:
            await greeter.stop()
        await self._emptied(min(grace, LAST_REQUESTS))
        for connection in tuple(self.connections):
            if connection.stage == IDLE and not connection.exchanges:
                connection.finish()
        await self._emptied(max(0.0, grace - LAST_REQUESTS))
        for connection in tuple(self.connections):
            if connection.transport is not None:
                connection.transport.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()

    def tick(self, now: float) -> None:
        """One sweep: close or refuse whoever is past a deadline or too slow. ``now`` is the loop's clock."""
        self.now = now
        self.date = b"date: " + formatdate(usegmt=True).encode() + b"\r\n"
        limits = self.limits
        for connection in tuple(self.connections):
            if connection.deadline <= now:
                connection.expire()
            elif connection.stage == BODY:
                took = now - connection.stage_began
                if took > limits.slow_after and connection.body_size < limits.slow_rate * took:
                    connection.expire()

    # -- connections call ----------------------------------------------------------------------------------------

    def enter(self, connection: Connection) -> bool:
        """Count a connection in; False where there are too many."""
        full = self.full(connection.neighbourhood, connection.proxied)
        self.connections.add(connection)
        self._addresses[connection.neighbourhood] += 1
        return not full

    def full(self, neighbourhood: str, proxied: bool, *, near: int = 0, anywhere: int = 0) -> bool:
        """Has the door, or this address, as many connections as it may have? ``near`` of the address's and
        ``anywhere`` in all are on their way."""
        if len(self.connections) + anywhere >= self.limits.connections:
            return True
        return not proxied and self._addresses[neighbourhood] + near >= self.limits.per_address

    def leave(self, connection: Connection) -> None:
        """Count it out."""
        self.connections.discard(connection)
        self._left.set()
        self._addresses[connection.neighbourhood] -= 1
        if self._addresses[connection.neighbourhood] <= 0:
            del self._addresses[connection.neighbourhood]

    def receive(
        self, entry: Entry | None, refusal: Refusal | None, request: Request, done: Callable[[Reply], None]
    ) -> None:
        """A whole request: to its source, or the answer to what has none."""
        if entry is None:
            done(self.ingest.elsewhere(request, request.target.partition(b"?")[0]))
        elif refusal is not None:
            done(self.ingest.refused(entry, request, refusal))
        else:
            self.ingest.receive(entry, request, done)

    def refused(self, fault: Fault, entry: Entry | None, request: Request | None, host: str) -> None:
        """Count a request that ended its connection, and note it where its head was understood."""
        if request is not None:
            self.ingest.note(entry, request, fault.reason, fault.reply.status)
        else:
            telemetry.requested(None, "rejected", fault.reason, fault.reply.status, 0.0, 0, peer=host)

    # -- inside --------------------------------------------------------------------------------------------------

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        def sweep() -> None:
            self._schedule(loop)
            self.tick(loop.time())

        self._sweeper = loop.call_later(_SWEEP, sweep)

    async def _emptied(self, seconds: float) -> None:
        """Until the last connection has gone, or ``seconds`` have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.connections:
                    self._left.clear()
                    await self._left.wait()


async def serve(
    sockets: Sequence[socket.socket],
    ingest: Ingest,
    *,
    limits: Limits | None = None,
    trusted_proxies: Sequence[Network] = (),
    tls: ssl.SSLContext | None = None,
) -> Door:
    """Open the public door on listening ``sockets``; ``await door.stop()`` drains and closes it."""
    door = Door(ingest, limits=limits, trusted_proxies=trusted_proxies)
    await door.start(sockets, tls)
    return door
