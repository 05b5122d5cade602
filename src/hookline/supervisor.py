"""One parent for the processes of a machine.

It owns the listening sockets, so that a restarted child refuses no connection: they wait in the backlog. It restarts
what dies, replaces what blocks the store's write lock, and on SIGTERM drains the door first and the workers after it.
Children notice a dead parent by the end of a pipe (the lifeline) and drain by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

log = structlog.get_logger("hookline.supervisor")

LIFELINE_ENV = "HOOKLINE_LIFELINE_FD"
READY_ENV = "HOOKLINE_READY_FD"
REPLACE_ME = 75
"""EX_TEMPFAIL: a child that asks to be replaced (a handler that cannot be stopped); no failure of the child's."""
BAD_CONFIG = 3

_STEADY_AFTER = 60.0
_LONGEST_PAUSE = 10.0


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """One child process: how it is started and how long it may take to stop."""

    name: str
    argv: tuple[str, ...]
    fds: tuple[int, ...] = ()
    stop_seconds: float = 35.0
    """From SIGTERM to SIGKILL."""
    stage: int = 0
    """Stages stop one after the other, the lowest first: the door (0) before the workers (1) before the pages (2)."""


def pause_before_restart(failures: int) -> float:
    """Seconds to wait after the ``failures``-th death in a row: none, then doubling from half a second to ten."""
    if failures <= 1:
        return 0.0
    return min(_LONGEST_PAUSE, 0.5 * float(2 ** min(failures - 2, 10)))


class Child:
    """A role and the process that plays it at the moment."""

    def __init__(self, role: Role, lifeline: int) -> None:
        self.role = role
        self.process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self.started_at = 0.0
        self.failures = 0
        self.was_ready = False
        self._lifeline = lifeline

    async def start(self) -> asyncio.subprocess.Process:
        read_end, write_end = os.pipe()
        self.ready.clear()
        self.started_at = time.monotonic()
        env = {**os.environ, LIFELINE_ENV: str(self._lifeline), READY_ENV: str(write_end)}
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.role.argv,
                env=env,
                pass_fds=(*self.role.fds, self._lifeline, write_end),
                stdin=asyncio.subprocess.DEVNULL,
            )
        finally:
            os.close(write_end)
        asyncio.get_running_loop().add_reader(read_end, self._heard, read_end)
        return self.process

    def _heard(self, read_end: int) -> None:
        said = os.read(read_end, 1)
        asyncio.get_running_loop().remove_reader(read_end)
        os.close(read_end)
        if said:
            self.was_ready = True
            self.ready.set()
            log.info("ready", process=self.role.name, seconds=round(time.monotonic() - self.started_at, 2))

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


class Supervisor:
    """Runs roles until it is told to stop, or until one cannot work with this configuration before any could. Later a
    faulty file ends nobody: the door stays open, and who died meanwhile is tried again."""

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        reload: Callable[[], Awaitable[bool]] | None = None,
        stuck: Callable[[], int | None] | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        """``reload`` runs before SIGHUP is passed on and vetoes it by False; ``stuck`` names the process that has held
        the store's write lock for too long, if any."""
        self._lifeline_read, self._lifeline_write = os.pipe()
        self.children = [Child(role, self._lifeline_read) for role in roles]
        self._reload = reload
        self._stuck = stuck
        self._on_ready = on_ready
        self._stopping = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        """Until SIGTERM or SIGINT; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(self._pass_reload()))
        keepers = [asyncio.create_task(self._keep(child)) for child in self.children]
        watchers = [asyncio.create_task(self._announce())]
        if self._stuck is not None:
            watchers.append(asyncio.create_task(self._watch_write_lock(self._stuck)))
        await self._stopping.wait()
        notify("STOPPING=1")
        for stage in sorted({child.role.stage for child in self.children}):
            await asyncio.gather(*(self._stop(child) for child in self.children if child.role.stage == stage))
        for task in (*keepers, *watchers):
            task.cancel()
        await asyncio.gather(*keepers, *watchers, return_exceptions=True)
        os.close(self._lifeline_write)
        os.close(self._lifeline_read)
        return self._exit_code

    async def _announce(self) -> None:
        await asyncio.gather(*(child.ready.wait() for child in self.children))
        notify("READY=1")
        if self._on_ready is not None:
            self._on_ready()

    async def _keep(self, child: Child) -> None:
        while not self._stopping.is_set():
            process = await child.start()
            code = await process.wait()
            if self._stopping.is_set():
                return
            if code == BAD_CONFIG and not any(each.was_ready for each in self.children):
                log.error("cannot start", process=child.role.name, cure="`hookline check` lists what is wrong")
                self._exit_code = BAD_CONFIG
                self._stopping.set()
                return
            steady = time.monotonic() - child.started_at > _STEADY_AFTER
            child.failures = 0 if code == REPLACE_ME else 1 if steady else child.failures + 1
            pause = pause_before_restart(child.failures)
            log.warning("died", process=child.role.name, code=code, again_in=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause or 0.001)

    async def _stop(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        child.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), child.role.stop_seconds)
        except TimeoutError:
            log.error("killed: did not stop in time", process=child.role.name, seconds=child.role.stop_seconds)
            child.signal(signal.SIGKILL)
            await process.wait()

    async def _pass_reload(self) -> None:
        notify("RELOADING=1")
        if self._reload is None or await self._reload():
            for child in self.children:
                child.signal(signal.SIGHUP)
        notify("READY=1")

    async def _watch_write_lock(self, stuck: Callable[[], int | None]) -> None:
        while True:
            await asyncio.sleep(0.5)
            pid = stuck()
            for child in self.children:
                if pid is not None and child.process is not None and child.process.pid == pid:
                    log.error("killed: held the store's write lock for too long", process=child.role.name, pid=pid)
                    child.signal(signal.SIGKILL)


def notify(message: str) -> None:
    """Tell systemd (sd_notify(3)); does nothing elsewhere."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(message.encode(), address)


def this_hookline(*arguments: str) -> tuple[str, ...]:
    """The command line of a child: this interpreter, this package."""
    return (sys.executable, "-m", "hookline", *arguments)


def say_ready() -> None:
    """In a child: tell the parent that we serve."""
    number = os.environ.pop(READY_ENV, None)
    if number is not None:
        with contextlib.suppress(OSError):
            os.write(int(number), b"1")
            os.close(int(number))


def follow_parent(on_death: Callable[[], None]) -> None:
    """In a child, on its loop: call ``on_death`` once when the parent is gone."""
    number = os.environ.pop(LIFELINE_ENV, None)
    if number is None:
        return
    loop = asyncio.get_running_loop()
    fd = int(number)
    os.set_inheritable(fd, False)

    def gone() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        on_death()

    loop.add_reader(fd, gone)
