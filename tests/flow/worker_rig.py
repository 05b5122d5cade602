"""A worker on a real store under a clock that tests move, and handlers that they script."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hookline import telemetry
from hookline.destinations.base import Destination
from hookline.destinations.python import PythonDestination
from hookline.destinations.threads import Threads
from hookline.handlers import Handler
from hookline.model import Arrival, NewDelivery, NewEvent, Request
from hookline.retry import Policy
from hookline.store import open_store
from hookline.store.clock import FakeClock
from hookline.store.sqlite.store import SqliteStore
from hookline.worker import Worker

POLICY = Policy(schedule=(5.0, 300.0), jitter=0.0, trusting=True)


@asynccontextmanager
async def opened(path: Path, clock: FakeClock | None = None) -> AsyncIterator[SqliteStore]:
    store = await open_store(f"sqlite:///{path}/store.db", role="test", **({"clock": clock} if clock else {}))
    telemetry.quiet()
    try:
        yield store
    finally:
        telemetry._lines.enabled = True
        await store.close()


def handler(function: Callable[..., Any], name: str = "app.handle", **more: Any) -> PythonDestination:
    timeout, policy = more.pop("timeout", 30.0), more.pop("policy", POLICY)
    is_async = more.pop("is_async", True)
    made = Handler(name=name, function=function, is_async=is_async, source="*", **more)
    return PythonDestination(made, timeout=timeout, policy=policy, threads=Threads())


def worker_of(store: SqliteStore, *destinations: Destination, name: str = "w1", **more: Any) -> Worker:
    return Worker(store, {each.name: each for each in destinations}, name=name, jitter=lambda: 0.5, **more)


async def put(
    store: SqliteStore,
    *bodies: Any,
    to: str | Sequence[str] = "app.handle",
    route: str = "",
    ordering_key: str | None = None,
    headers: Sequence[tuple[bytes, bytes]] = ((b"Content-Type", b"application/json"),),
    item: bytes | None = None,
    type: str = "push",
) -> list[int]:
    """Accept an event per body; their numbers."""
    names = [to] if isinstance(to, str) else to
    arrivals = []
    for body in bodies:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        digest = hashlib.md5(raw + (item or b"")).digest()
        arrivals.append(
            Arrival(
                source="github",
                environment="production",
                request=Request(
                    method="POST",
                    target=b"/webhooks/github",
                    headers=list(headers),
                    body=raw,
                    received_at=store.now(),
                ),
                events=[
                    NewEvent(
                        key=digest.hex(),
                        digest=digest,
                        type=type,
                        provider_id=digest.hex(),
                        body=item,
                        deliveries=tuple(NewDelivery(name, route, ordering_key) for name in names),
                    )
                ],
            )
        )
    receipts = await store.accept(arrivals)
    numbers = []
    for receipt in receipts:
        if isinstance(receipt, Exception):
            raise receipt
        numbers += receipt.events
    return numbers


async def rows(store: SqliteStore, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return await store.read(lambda tx: tx.sql(sql, values))


async def deliveries(store: SqliteStore) -> list[tuple[str, str | None]]:
    """State and reason of each delivery, in the order they came."""
    return [(state, reason) for state, reason in await rows(store, "select state, reason from deliveries order by id")]


async def tries(store: SqliteStore) -> list[tuple[str, str, int]]:
    """State, reason and counted of each attempt row."""
    return await rows(store, "select state, reason, counted from attempts order by delivery, try")


def by_name(*destinations: Destination) -> Mapping[str, Destination]:
    return {each.name: each for each in destinations}
