"""Accepts connections that begin with a TLS handshake, and counts them from the first packet on.

A server of the loop makes its protocol known only once the handshake is done: whoever connects and says nothing would
be counted nowhere, and a thousand of them would take every file descriptor that the process has.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import structlog

from hookline.door.protocol import Connection
from hookline.ingest.addresses import neighbourhood

if TYPE_CHECKING:
    from hookline.door.server import Door

log = structlog.get_logger("hookline.door")

_PAUSE = 0.5
"""Seconds to wait when the process or the machine has no descriptor left."""


class Greeter:
    """One listening socket, and the handshakes under way on it."""

    def __init__(self, door: Door, sock: socket.socket, tls: ssl.SSLContext) -> None:
        self._door = door
        self._sock = sock
        self._tls = tls
        self._greeting: Counter[str] = Counter()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._accept(), name="TLS door")

    async def stop(self) -> None:
        """Accept nobody new; handshakes under way may end."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._sock.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(self._sock)
            except OSError as trouble:
                log.error("cannot accept", problem=str(trouble), again_in=_PAUSE)
                await asyncio.sleep(_PAUSE)
                continue
            host = address[0] if isinstance(address, tuple) else ""
            name, proxied = neighbourhood(host), not host or self._door.peers.trusts(host)
            if self._door.full(name, proxied, near=self._greeting[name], anywhere=len(self._handshakes)):
                sock.close()  # it wants TLS: there is no way to say 503 that would not cost us a handshake
                continue
            self._greeting[name] += 1
            task = asyncio.create_task(self._greet(sock), name="TLS handshake")
            self._handshakes.add(task)
            task.add_done_callback(partial(self._greeted, name))

    async def _greet(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, TimeoutError):  # theirs, whatever it is: ssl.SSLError is an OSError
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(self._door),
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=self._door.limits.handshake,
            )

    def _greeted(self, name: str, task: asyncio.Task[None]) -> None:
        self._handshakes.discard(task)
        self._greeting[name] -= 1
        if self._greeting[name] <= 0:
            del self._greeting[name]
