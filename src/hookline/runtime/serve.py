"""``hookline serve``: sockets, store and app first, then one parent with its children."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

import structlog

from hookline import sockets as sock
from hookline.config import Config
from hookline.runtime.start import ADMIN_FD, PUBLIC_FD, config_options, load
from hookline.store import open_store, path_of
from hookline.store.sqlite.turnstile import holder
from hookline.supervisor import BAD_CONFIG, Role, Supervisor, this_hookline

LONGEST_HOLD = 2.0
"""Seconds that one process may keep the others from writing before it is replaced."""

log = structlog.get_logger("hookline.supervisor")


def run(
    config: Config, paths: Sequence[str], flags: Mapping[str, object], app: str | None, *, strict: bool = False
) -> int:
    """Run everything until SIGTERM; the exit code is 3 for a configuration that cannot be used, and where ``strict`` is
    asked for, also for an app that cannot be imported."""
    app = app or config.server.app or None
    given = sock.inherited(os.environ, os.getpid())
    public = given.get("public") or sock.listen(config.server.public, "server.public")
    admin = given.get("admin") or sock.listen(config.server.admin, "server.admin")
    asyncio.run(_prepare(config))
    os.environ[PUBLIC_FD] = str(public.fileno())
    os.environ[ADMIN_FD] = str(admin.fileno())
    roles = _roles(config, paths, flags, app, public, admin)

    async def supervise() -> int:
        if not await publish(paths, app) and strict:
            return BAD_CONFIG
        supervisor = Supervisor(
            roles,
            reload=lambda: _reload(paths, flags, app),
            stuck=_stuck(config),
            on_ready=lambda: log.info("serving", public=sock.shown(public), admin=sock.shown(admin)),
        )
        return await supervisor.run()

    return asyncio.run(supervise())


def worker_count(config: Config) -> int:
    """Workers of this machine: as configured, else a process for each core up to four."""
    wanted = config.server.workers
    return min(os.cpu_count() or 1, 4) if wanted is None else wanted


async def publish(paths: Sequence[str], app: str | None) -> bool:
    """Import the app in a process of its own, which writes its handlers into the store; True if that worked. A
    faulty app keeps the door open: the events of its handlers wait."""
    if app is None:
        return True
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hookline.app.publish", app, "--only", *config_options(paths)
    )
    return await process.wait() == 0


def _roles(
    config: Config,
    paths: Sequence[str],
    flags: Mapping[str, object],
    app: str | None,
    public: socket.socket,
    admin: socket.socket,
) -> list[Role]:
    options, named = config_options(paths), (app,) if app else ()
    stop = config.server.drain + 5
    workers = [
        Role(name=f"worker-{n + 1}", argv=this_hookline("worker", *named, *options), stop_seconds=stop, stage=1)
        for n in range(worker_count(config))
    ]
    doors = [  # all accept from one socket: whoever is idle takes the next caller
        Role(
            name=f"ingest-{n + 1}",
            argv=this_hookline("ingest", *named, *options),
            fds=(public.fileno(),),
            stop_seconds=stop,
        )
        for n in range(config.server.ingest)
    ]
    return [
        *doors,
        *workers,
        Role(name="admin", argv=this_hookline("admin", *options), fds=(admin.fileno(),), stop_seconds=10, stage=2),
    ]


def _stuck(config: Config) -> Callable[[], int | None]:
    """Who has held the store's write lock for longer than any commit takes."""
    path = path_of(config.server.store).absolute()

    def look() -> int | None:
        found = holder(path)
        return found[0] if found is not None and found[1] > LONGEST_HOLD else None

    return look


async def _prepare(config: Config) -> None:
    """Create or migrate the store before anybody needs it."""
    store = await open_store(config.server.store, role="serve")
    await store.close()


async def _reload(paths: Sequence[str], flags: Mapping[str, object], app: str | None) -> bool:
    if load(paths, flags) is None:
        log.error("not reloaded", cure="`hookline check` lists what is wrong; the old configuration stays")
        return False
    await publish(paths, app)
    return True
