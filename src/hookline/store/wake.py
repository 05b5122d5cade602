"""Wakes other processes: whoever commits work sends an empty datagram to everybody who waits for it.

A socket per waiting process lies in a folder beside the store. Nothing depends on it: a poke that is lost costs the
time until the next slow poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import tempfile
import time
from pathlib import Path

_LONGEST = 90
"""Bytes of a socket's path: the system's own limit is 104 to 108."""

_FORGET = 1.0
"""Seconds for which the list of sockets is believed."""


class Wake:
    """This process's end: ``poke`` the others, ``wait`` to be poked."""

    def __init__(self, store: Path) -> None:
        self._folder = _folder(store)
        self._own: socket.socket | None = None
        self._own_path: Path | None = None
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._others: list[str] = []
        self._listed_at = float("-inf")
        self._waiter: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def poke(self) -> None:
        """Wake everybody who waits. May be called from any thread; never blocks, never fails."""
        if time.monotonic() - self._listed_at > _FORGET:
            self._list()
        for path in self._others:
            try:
                self._sender.sendto(b"", path)
            except (FileNotFoundError, ConnectionRefusedError):  # whoever listened there is gone
                with contextlib.suppress(OSError):
                    os.unlink(path)
                self._listed_at = float("-inf")
            except OSError:  # its buffer is full, so it will wake anyway
                continue

    async def wait(self, seconds: float) -> bool:
        """True once poked (also if that was before the call), False after ``seconds``."""
        own = self._listen()
        if _drain(own):
            return True
        loop = asyncio.get_running_loop()
        poked: asyncio.Future[None] = loop.create_future()
        loop.add_reader(own.fileno(), _resolve, poked)
        try:
            async with asyncio.timeout(seconds):
                await poked
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(own.fileno())
        _drain(own)
        return True

    def close(self) -> None:
        self._sender.close()
        if self._own is not None:
            self._own.close()
        if self._own_path is not None:
            self._own_path.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        if self._own is None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path = self._folder / f"{os.getpid()}-{os.urandom(3).hex()}"
            self._own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._own.bind(str(path))
            self._own_path = path
        return self._own

    def _list(self) -> None:
        self._listed_at = time.monotonic()
        try:
            self._others = [str(self._folder / name) for name in os.listdir(self._folder)]
        except FileNotFoundError:
            self._others = []


def _folder(store: Path) -> Path:
    beside = store.with_name(store.name + "-wake")
    if len(os.fsencode(beside)) <= _LONGEST - 16:
        return beside
    name = hashlib.blake2b(os.fsencode(store), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"hookline-{os.getuid()}-{name}"


def _resolve(poked: asyncio.Future[None]) -> None:
    if not poked.done():
        poked.set_result(None)


def _drain(own: socket.socket) -> bool:
    """Take every poke that has come; True if there was one."""
    found = False
    while True:
        try:
            own.recv(1)
            found = True
        except BlockingIOError:
            return found
