"""Hookline within somebody else's web app: the public door as an ASGI app, and a lifespan within the host's.

A mounted app's lifespan is not run by its host, so the door opens at its first request where nobody opened it before.
Web processes only receive; ``work=True`` keeps one worker process a machine beside them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

import structlog

from hookline import telemetry
from hookline.app.beside import WorkerBeside
from hookline.config import Config
from hookline.door.asgi import Face, Receive, Scope, Send
from hookline.door.limits import Limits
from hookline.door.peers import Peers
from hookline.errors import ConfigError, HooklineError
from hookline.ingest import Ingest
from hookline.ingest.addresses import networks
from hookline.ingest.entries import build, next_end
from hookline.ingest.triggers import Triggers
from hookline.model import HandlerRoute
from hookline.providers import Keys
from hookline.routing import Router
from hookline.store import open_store

if TYPE_CHECKING:
    from hookline.app import Hookline
    from hookline.store.sqlite.store import SqliteStore

log = structlog.get_logger("hookline.app")

HostLifespan = Callable[[Any], AbstractAsyncContextManager[Any]]

LOOK = 5.0
"""Seconds between two looks at what other apps have published, at secrets that end, and for somebody who works."""
PATIENCE = 30.0
"""Seconds without any worker until it is said aloud, and said again after ten times as long."""


class Asgi:
    """``app.mount("/hooks", hooks.asgi)``, or on its own: ``uvicorn app:hooks.asgi``."""

    def __init__(self, hooks: Hookline) -> None:
        self.hooks = hooks
        self.face = Face()
        self._open: Open | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self._refused_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        if self._loop is not asyncio.get_running_loop():
            await self._open_late()
        await self.face(scope, receive, send)

    async def start(self, *, work: bool = False) -> None:
        """Open the door. :raises ConfigError: with every problem, where it cannot be."""
        telemetry.configure_for_guests()
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn[0] is not loop:
            self._turn = (loop, asyncio.Lock())
        async with self._turn[1]:
            if self._open is not None and self._loop is not loop:
                await self._open.abandon()  # its loop is gone: a test client starts one for each request
            elif self._open is not None:
                return
            self._open = await Open.make(self.hooks, work=work)
            self._loop = loop
            self.face.ingest = self._open.ingest
            self.face.limits = Limits.of(self._open.config)
            self.face.peers = Peers(networks(self._open.config.server.trusted_proxies, "server.trusted_proxies"))

    async def stop(self) -> None:
        """Commit what waits and close. Safe to call twice."""
        opened, self._open, self._loop, self.face.ingest = self._open, None, None, None
        if opened is not None:
            await opened.close()

    async def _open_late(self) -> None:
        """At a request that came before anybody opened the door. Until that works, the answer is 503."""
        if time.monotonic() < self._refused_until:
            return
        try:
            await self.start()
        except HooklineError as trouble:
            self._refused_until = time.monotonic() + LOOK
            log.error("the door does not open", problem=str(trouble), answer=503)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except HooklineError as trouble:
            await send({"type": "lifespan.startup.failed", "message": str(trouble)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


class Lifespan:
    """What ``hooks.lifespan`` gives: a context, and a function of the host's app that returns one."""

    def __init__(self, hooks: Hookline, *, work: bool, then: HostLifespan | None) -> None:
        self._hooks = hooks
        self._work = work
        self._then = then
        self._app: Any = None
        self._stack = AsyncExitStack()

    def __call__(self, app: Any) -> Self:
        self._app = app
        return self

    async def __aenter__(self) -> Any:
        """Open the door, then enter the host's own lifespan, whose state is handed through."""
        async with AsyncExitStack() as stack:
            await self._hooks.asgi.start(work=self._work)
            stack.push_async_callback(self._hooks.asgi.stop)
            state = await stack.enter_async_context(self._then(self._app)) if self._then is not None else None
            self._stack = stack.pop_all()
        return state

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._stack.__aexit__(*error)


class Open:
    """Everything that an open door needs, in one event loop."""

    def __init__(self, config: Config, store: SqliteStore, ingest: Ingest, own: Sequence[HandlerRoute], name: str):
        self.config = config
        self.store = store
        self.ingest = ingest
        self._own = tuple(own)
        self._name = name
        self._keys = Keys()
        self._others: tuple[HandlerRoute, ...] = ()
        self._watcher: asyncio.Task[None] | None = None
        self._beside: WorkerBeside | None = None

    @classmethod
    async def make(cls, hooks: Hookline, *, work: bool) -> Open:
        config = usable(hooks)
        name = hooks.reference or "mounted"
        store = await open_store(config.server.store, role="ingest")
        kept = config.retention
        store.bound_requests(rows=kept.rejected_rows, size=kept.rejected_bytes, an_hour=kept.rejected_per_hour)
        try:
            own = hooks.routes()
            await store.publish_app(name, int(store.now() * 1000), own)
            ingest = Ingest(
                store,
                {},
                Router((), own, config.server.environment),
                limits=config.limits,
                rejected_per_hour=config.retention.rejected_per_hour,
                disk=str(store.path.parent),
            )
            ingest.triggers = Triggers(await store.shared_key())
            opened = cls(config, store, ingest, own, name)
            await opened._look()
            opened._rebuild()
            await ingest.start()
        except BaseException:
            await store.close()
            raise
        opened._watcher = asyncio.create_task(opened._watch(), name="hookline watch")
        if work:
            opened._beside = WorkerBeside(hooks, store.path)
            opened._beside.start()
        return opened

    async def close(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        await self.ingest.stop()
        if self._beside is not None:
            await self._beside.stop()
        await self.store.close()

    async def abandon(self) -> None:
        """Close what does not belong to the loop that is gone."""
        await self.store.close()

    def _rebuild(self) -> None:
        """Sources as of now; the handlers of this process, and those that other apps have published."""
        config = self.config
        wanted = {source.name: source.events for source in config.sources.values()}
        handlers = (*self._own, *self._others)
        self.ingest.entries = build(config, time.time(), keys=self._keys)
        self.ingest.router = Router(config.routes, handlers, config.server.environment, wanted=wanted)

    async def _look(self) -> bool:
        """Whether other apps have published something new."""
        own = {route.name for route in self._own}
        apps = [app for app in await self.store.published_apps() if app.app != self._name]
        others = tuple(route for app in apps for route in app.handlers if route.name not in own)
        changed, self._others = others != self._others, others
        return changed

    async def _watch(self) -> None:
        ends = next_end(self.config, time.time())
        alone_since, said_at = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(LOOK)
            try:
                if await self._look() or (ends is not None and ends <= time.time()):
                    self._rebuild()
                    ends = next_end(self.config, time.time())
                now = time.monotonic()
                if await self.store.anybody_works():
                    alone_since, said_at = now, 0.0
                elif now - alone_since >= PATIENCE and now - said_at >= 10 * PATIENCE:
                    said_at = now
                    log.error(
                        "nobody works: events are kept, and wait",
                        cure=f"run `hookline worker {self._name}`, or use hooks.lifespan(work=True)",
                    )
            except HooklineError as trouble:
                log.warning("cannot look", problem=str(trouble))


def usable(hooks: Hookline) -> Config:
    """The app's configuration. :raises ConfigError: with every problem, where it cannot be used."""
    config, problems = hooks.load()
    errors = [str(problem) for problem in problems if problem.level == "error"]
    if config is None:
        raise ConfigError("\n".join(errors))
    for problem in problems:
        log.warning("configuration", problem=str(problem))
    return config
