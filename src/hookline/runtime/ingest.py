"""The ingest process: the public door and the commits behind it. It never imports an app."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from hookline import sockets as sock
from hookline.app.imports import app_name
from hookline.config import Config
from hookline.door import Door
from hookline.door import Limits as DoorLimits
from hookline.door.tls import context, renew
from hookline.errors import ConfigError, Unavailable
from hookline.ingest import Ingest
from hookline.ingest.addresses import networks
from hookline.ingest.entries import build, next_end
from hookline.ingest.triggers import Triggers
from hookline.model import HandlerRoute
from hookline.providers import Keys
from hookline.routing import NOT_LOADED, Router
from hookline.runtime.chores import every
from hookline.runtime.counting import Counting
from hookline.runtime.heartbeat import EVERY, heartbeat
from hookline.runtime.keyring import fetch_wanted
from hookline.runtime.start import PUBLIC_FD, Life, reread
from hookline.runtime.start import run as run_loop
from hookline.store import open_store
from hookline.store.records import ReplayOptions, ReplayRow
from hookline.store.sqlite.store import SqliteStore
from hookline.supervisor import say_ready

log = structlog.get_logger("hookline.ingest")

_LOOK = 1.0
"""Seconds between two looks at what the apps have published."""
_TURN = 0.0002
"""Seconds that the loop may keep the thread that writes waiting: at Python's 5 ms a commit, which lets go of the
interpreter dozens of times, takes a fifth longer."""


def run(config: Config, paths: Sequence[str], flags: Mapping[str, object], app: str | None) -> int:
    """Serve the public door until SIGTERM."""
    app = app or config.server.app
    app = app_name(app) if app else None
    listening = [sock.borrowed(PUBLIC_FD) or sock.listen(config.server.public, "server.public")]
    sys.setswitchinterval(_TURN)
    return run_loop(lambda: _serve(config, paths, flags, app, listening))


async def _serve(
    config: Config,
    paths: Sequence[str],
    flags: Mapping[str, object],
    app: str | None,
    listening: list[socket.socket],
) -> int:
    life = Life()
    store = await open_store(config.server.store, role="ingest")
    kept = config.retention
    store.bound_requests(rows=kept.rejected_rows, size=kept.rejected_bytes, an_hour=kept.rejected_per_hour)
    keys = Keys()
    handlers = await published(store, app)
    handshakes = await by_handshake(store)
    ingest = Ingest(
        store,
        build(config, time.time(), keys=keys, **handshakes),
        router(config, handlers),
        limits=config.limits,
        rejected_per_hour=config.retention.rejected_per_hour,
        disk=str(store.path.parent),
        learn=store.learn_secret,
    )
    ingest.triggers = Triggers(await store.shared_key())
    await ingest.start()
    door = Door(
        ingest,
        limits=DoorLimits.of(config),
        trusted_proxies=networks(config.server.trusted_proxies, "server.trusted_proxies"),
    )
    certificate = tls(config)
    await door.start(listening, certificate)
    counting = Counting(store.path, "ingest")
    await counting.start()
    fetching = asyncio.create_task(fetch_wanted(keys, config.server.allow_private), name="keys")
    gc.collect()
    gc.freeze()  # what is here now stays: the collector need not look at it again
    gc.set_threshold(20_000, 50, 50)  # requests make no cycles: looking for some every 700 objects costs a twentieth
    say_ready()
    rebuild_at = next_end(config, time.time())
    loaded = handlers is not None  # then an earlier ingest process may have held what came before

    async def well() -> bool:
        return ingest.trouble() is None and await store.anybody_works()

    heart = asyncio.create_task(every(EVERY, heartbeat(lambda: config, well)), name="heartbeat")
    while await life.pause(_LOOK) and not store.broken:
        if life.reloading.is_set():
            life.reloading.clear()
            config = reread(config, paths, flags)
            renew_tls(certificate, config)
            handlers = None if app else ()
            rebuild_at = time.time()
        try:
            most = config.limits.backlog
            ingest.overfull = most is not None and await store.open_deliveries() >= most
            now_published = await published(store, app)
            if now_published != handlers:
                loaded = loaded or (handlers is None and now_published is not None)
                handlers = now_published
                ingest.router = router(config, handlers)
            if loaded:
                await let_go(store, ingest.router)
                loaded = False
            said = await by_handshake(store)
        except Unavailable as trouble:  # the door goes on, and says 503 as long as it must
            log.warning("cannot look at the store", reason=trouble.reason)
            continue
        if said != handshakes:
            handshakes, rebuild_at = said, time.time()
        if rebuild_at is not None and rebuild_at <= time.time():
            ingest.entries = build(config, time.time(), keys=keys, **handshakes)
            ingest.router = router(config, handlers)
            rebuild_at = next_end(config, time.time())
    counting.stop()
    fetching.cancel()
    heart.cancel()
    await door.stop(config.server.drain)
    await ingest.stop()
    await store.close()
    if store.broken:
        log.error("to be replaced", problem=store.broken)
    return 1 if store.broken else 0


async def published(store: SqliteStore, app: str | None) -> tuple[HandlerRoute, ...] | None:
    """The handlers of all published apps; None while ``app`` is expected and has never been published."""
    apps = await store.published_apps()
    if app is not None and not any(found.app == app for found in apps):
        return None
    return tuple(handler for found in apps for handler in found.handlers)


async def by_handshake(store: SqliteStore) -> dict[str, Any]:
    """What the store says of secrets that arrive by handshake, as :func:`hookline.ingest.entries.build` takes it."""
    return {"expected": await store.expected_secrets(), "learned": await store.learned_secrets()}


async def let_go(store: SqliteStore, routes: Router) -> None:
    """Route what was held because no app had been loaded."""
    held = f'is:held status:needs_review reason:"{NOT_LOADED}"'
    if not (await store.plan_replay(held, ReplayOptions(reroute=True), routes.route)).deliveries:
        return
    job: ReplayRow | None = await store.create_replay(
        held, ReplayOptions(reroute=True), who="hookline", route=routes.route
    )
    while job is not None and job.state == "running":
        job = await store.advance_replay(job.id, routes.route)
    log.info("app loaded", held=0 if job is None else job.done)


def router(config: Config, handlers: tuple[HandlerRoute, ...] | None) -> Router:
    """Who wants what, of files and apps together."""
    wanted = {source.name: source.events for source in config.sources.values()}
    return Router(config.routes, handlers, config.server.environment, wanted=wanted)


def tls(config: Config) -> ssl.SSLContext | None:
    """What the certificate of the configuration makes of the door, or None for plain HTTP. ConfigError names the
    file."""
    server = config.server
    return context(server.certificate, server.certificate_key) if server.certificate else None


def renew_tls(used: ssl.SSLContext | None, config: Config) -> None:
    """Show a renewed certificate to the callers to come; a faulty one is refused and the old one stays."""
    if used is not None and config.server.certificate:
        try:
            renew(used, config.server.certificate, config.server.certificate_key)
        except ConfigError as problem:
            log.error("certificate not renewed", problem=str(problem))
