"""The worker process: the app's handlers and the file's destinations, and the loop that delivers to them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from hookline import filters
from hookline.app.imports import ImportTrouble, find_app
from hookline.config import Config, resolved_destination
from hookline.destinations.base import Destination
from hookline.destinations.python import PythonDestination
from hookline.destinations.threads import Threads
from hookline.errors import ConfigError
from hookline.retry import Policy
from hookline.runtime.chores import chores
from hookline.runtime.counting import Counting
from hookline.runtime.start import Life, complain, config_options
from hookline.runtime.start import run as run_loop
from hookline.store import open_store
from hookline.store.clock import boot_id
from hookline.store.sqlite.store import SqliteStore
from hookline.supervisor import REPLACE_ME, say_ready, this_hookline
from hookline.telemetry import scrub
from hookline.worker import Service, WorkerSettings, alone

if TYPE_CHECKING:
    from hookline.app import Hookline

log = structlog.get_logger("hookline.worker")

ALONE_ENV = "HOOKLINE_ALONE"
"""Set for a child that tries one claim by itself: see :mod:`hookline.worker.alone`."""


APP_FAILED = 1


def run(config: Config, paths: Sequence[str], flags: Mapping[str, object], app: str | None) -> int:
    """Deliver until SIGTERM. The exit code asks to be replaced after a reload: handlers are imported afresh. An app
    that cannot be imported is no faulty configuration: the door stays open, its events wait, and it is tried again."""
    reference = app or config.server.app or None
    try:
        hooks = _find(reference)
    except ImportTrouble as trouble:
        complain(str(trouble))
        return APP_FAILED
    if os.environ.pop(ALONE_ENV, None):
        alone.answer(lambda name: _only(config, hooks, name))
    named = (reference,) if reference else ()
    again = this_hookline("worker", *named, *config_options(paths))
    return run_loop(lambda: _work(config, hooks, again))


async def _work(config: Config, hooks: Hookline | None, again: Sequence[str]) -> int:
    life = Life()
    store = await open_store(config.server.store, role="worker")
    service = Service(
        store,
        destinations(config, hooks),
        boards=store.path,
        boot=boot_id(),
        filters=compiled(config, hooks),
        settings=WorkerSettings.of(config),
        alone=("env", f"{ALONE_ENV}=1", *again),
    )
    counting = Counting(store.path, "worker")
    await counting.start()
    say_ready()
    jobs = chores(store, lambda: config)
    running = asyncio.create_task(service.run())
    signals = (life.stopping.wait(), life.reloading.wait(), _until_broken(store))
    ends = [running, *(asyncio.create_task(end) for end in signals)]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    service.stop()
    await running
    counting.stop()
    for task in (*ends[1:], *jobs):
        task.cancel()
    await store.close()
    if store.broken:
        log.error("to be replaced", problem=store.broken)
        return 1
    return REPLACE_ME if life.reloading.is_set() and not life.stopping.is_set() else 0


async def _until_broken(store: SqliteStore) -> None:
    while not store.broken:  # noqa: ASYNC110  a thread finds it out
        await asyncio.sleep(1)


def destinations(config: Config, hooks: Hookline | None) -> dict[str, Destination]:
    """All that this process can deliver to. One that cannot be made is left out, loudly: its deliveries wait."""
    found: dict[str, Destination] = {}
    threads = Threads()
    for name, handler in (hooks.handlers if hooks is not None else {}).items():
        schedule = config.delivery.schedule if handler.schedule is None else handler.schedule
        found[name] = PythonDestination(
            handler,
            timeout=handler.timeout or config.delivery.timeout,
            policy=Policy(schedule=schedule, jitter=config.delivery.jitter, trusting=True),
            threads=threads,
            scrub=scrub,
        )
    for name, destination in config.destinations.items():
        from hookline.destinations import build  # brings the HTTP client's memory with it

        try:
            found[name] = build(resolved_destination(destination), config)
        except ConfigError as problem:
            log.error("destination left out", destination=name, problem=str(problem))
    return found


def compiled(config: Config, hooks: Hookline | None) -> dict[str, filters.Filter]:
    """The ``when`` of every route and handler, ready to judge, by route name."""
    found = {route.name: filters.compile(route.when) for route in config.routes if route.when is not None}
    for name, handler in (hooks.handlers if hooks is not None else {}).items():
        if handler.when is not None:
            found[name] = filters.compile(handler.when)
    return found


def _find(reference: str | None) -> Hookline | None:
    if reference is None:
        return None
    return find_app(reference)


async def _only(config: Config, hooks: Hookline | None, name: str) -> Destination:
    return destinations(config, hooks)[name]
