"""One worker process a machine beside web processes that only receive: whoever has the lock keeps it running."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hookline.config import CODE_ENV
from hookline.errors import ConfigError
from hookline.supervisor import BAD_CONFIG, REPLACE_ME, Child, Role, pause_before_restart, this_hookline

if TYPE_CHECKING:
    from hookline.app import Hookline

log = structlog.get_logger("hookline.app")

TURN = 5.0
"""Seconds between two tries to take over from a web process that is gone."""
LONG = 30.0
"""Seconds until a worker that refused its configuration is asked again."""


class WorkerBeside:
    """Starts a worker if no other process of this machine does, and starts it again when it dies. It ends with us."""

    def __init__(self, hooks: Hookline, store: Path) -> None:
        """:raises ConfigError: for an app that no other process could import."""
        if hooks.reference is None:
            raise ConfigError(
                "work=True: keep the Hookline in a module (hooks = Hookline()), where a worker can find it"
            )
        files = [part for name in hooks.files for part in ("--config", str(Path(name).absolute()))]
        self._argv = this_hookline("worker", hooks.reference, *files)
        self._code = json.dumps(hooks.config, default=str) if hooks.config else ""
        self._lock = store.with_name(store.name + "-worker.lock")
        self._lifeline: tuple[int, int] | None = None
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name="hookline worker")

    async def stop(self) -> None:
        """SIGTERM, and wait until it has drained; the end of the lifeline says the same."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        child = self._child
        if child is not None and child.process is not None and child.process.returncode is None:
            child.signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(child.role.stop_seconds):
                    await child.process.wait()
            except TimeoutError:
                child.signal(signal.SIGKILL)
                await child.process.wait()
        for fd in self._lifeline or ():
            os.close(fd)
        self._lifeline = None

    async def _keep(self) -> None:
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _take(lock):  # noqa: ASYNC110  nobody is told when a file's lock is free
                await asyncio.sleep(TURN)
            await self._run_for_ever()
        finally:
            os.close(lock)

    async def _run_for_ever(self) -> None:
        self._lifeline = os.pipe()
        if self._code:
            os.environ[CODE_ENV] = self._code  # settings written in code reach the worker like any other setting
        child = self._child = Child(Role(name="worker", argv=self._argv), self._lifeline[0])
        failures = 0
        while True:
            process = await child.start()
            code = await process.wait()
            if code == BAD_CONFIG:
                log.error("the worker cannot start: events are kept, and wait", command=" ".join(self._argv[1:]))
                await asyncio.sleep(LONG)
            failures = 0 if code in (0, REPLACE_ME) else failures + 1
            await asyncio.sleep(max(1.0, pause_before_restart(failures)))  # Ctrl-C reaches it before us


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
