"""What repeats, and the one helper that runs it: timing, errors and stopping in one place.

Every worker and the admin process run the same list; the store sees to it that only one of them does a job at a time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from hookline.config import Config
from hookline.errors import Unavailable
from hookline.store.records import Keep
from hookline.store.sqlite.store import SqliteStore

log = structlog.get_logger("hookline.chores")


async def every(seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    """Call ``act`` about every so many seconds, for ever. Not in step with other processes; an error is told, and the
    next turn comes all the same."""
    while True:
        await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311  no secret
        try:
            await act()
        except Unavailable as trouble:
            log.warning("later", job=act.__name__, reason=trouble.reason)
        except Exception:  # one job's bug must not end the others
            log.exception("job failed", job=act.__name__)


def chores(store: SqliteStore, config: Callable[[], Config]) -> list[asyncio.Task[None]]:
    """The periodic jobs of a store, as tasks to cancel at the end."""

    async def retain() -> None:
        kept = config().retention
        dropped = await store.retain(Keep(events=kept.events, failed=kept.failed, rejected=kept.rejected))
        if dropped is not None and (dropped.events or dropped.requests):
            log.info("retention", events=dropped.events, requests=dropped.requests)

    async def tidy_keys() -> None:
        await store.tidy_keys()

    async def fold_counters() -> None:
        await store.fold_counters()

    async def train_dictionaries() -> None:
        for source in await store.train_dictionaries():
            log.info("compression trained", source=source)

    return [
        asyncio.create_task(every(600, retain), name="retention"),
        asyncio.create_task(every(600, fold_counters), name="counters"),
        asyncio.create_task(every(5, tidy_keys), name="keys"),
        asyncio.create_task(every(300, train_dictionaries), name="training"),
    ]
