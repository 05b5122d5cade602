"""A look into a store from outside while others write it: counts and times, never held longer than a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from hookline.store import open_store


def rows(database: Path, sql: str, *bindings: object) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(5000)
        return list(connection.execute(sql, bindings))
    finally:
        connection.close()


def one(database: Path, sql: str, *bindings: object) -> Any:
    return rows(database, sql, *bindings)[0][0]


def settled(database: Path) -> int:
    """Deliveries that have succeeded so far, from the store's own counts."""
    return int(one(database, "select coalesce(sum(count), 0) from delivery_counts where state = 'succeeded'"))


def wait(condition: Callable[[], bool], what: str, seconds: float) -> float:
    """Seconds until ``condition`` holds."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise RuntimeError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.05)
    return time.monotonic() - started


def train(database: Path) -> None:
    """Train the sources' compression dictionaries now, as a periodic job does every few minutes."""

    async def now() -> None:
        opened = await open_store(f"sqlite:///{database}", role="cli")
        try:
            await opened.train_dictionaries()
        finally:
            await opened.close()

    asyncio.run(now())
    if not one(database, "select count(*) from dictionaries"):
        raise RuntimeError("no dictionary was trained")
