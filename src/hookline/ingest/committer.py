"""Group commit: everything that waits goes into one commit, as soon as the last one returned.

No timer: at one request at a time a commit serves one, at sixty-four connections about thirty-two. Nobody hears a 2xx
before the commit that holds its event has returned.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from hookline.errors import Unavailable
from hookline.ingest.pace import Seldom
from hookline.model import Arrival, Receipt

log = structlog.get_logger("hookline.ingest")

Finish = Callable[[Receipt | Exception], None]

MOST_ARRIVALS = 256
MOST_BYTES = 1 << 20
"""Of one commit: more of them would make the first wait for the last."""
LONGEST_WAIT = 2.0
"""Seconds that a request may be expected to wait for its commit; the providers' patience starts at three."""
_SAMPLE = 0.2


class Acceptor(Protocol):
    """The part of a store that the committer needs: ``accept`` in two steps, of which the first needs no commit."""

    def prepare(self, arrival: Arrival) -> Any:
        """What can be done as soon as the arrival is there. Returns, never raises, what is wrong with its data."""
        ...

    async def accept_prepared(self, packed: Sequence[Any]) -> list[Receipt | Exception]:
        """See :meth:`hookline.store.base.Store.accept`."""
        ...


class Committer:
    """The queue before the store, and the one task that empties it."""

    def __init__(self, store: Acceptor, *, most_waiting: int = 2_000, most_bytes: int = 64 << 20) -> None:
        self._store = store
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._waiting: deque[tuple[Any, int, Finish]] = deque()
        self._bytes = 0
        self._idle: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._seldom = Seldom()
        self._commit_seconds = 0.001
        self._began: float | None = None
        self.failed_at: float | None = None
        """Monotonic seconds of the last commit that failed, until one succeeds."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="committer")

    async def stop(self) -> None:
        """Commit what waits, then end."""
        if self._task is not None:
            while self._idle is None:
                self._empty.clear()
                await self._empty.wait()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def full(self) -> str | None:
        """Why one more request had better come later, or None."""
        if not self._waiting:
            return None
        if self._bytes > self._most_bytes or len(self._waiting) > self._most_waiting:
            return "backlog"
        if self.expected_wait(time.monotonic()) > LONGEST_WAIT:
            return "backlog"
        return None

    def expected_wait(self, now: float) -> float:
        """Seconds until somebody who comes now is committed; ``now`` is monotonic."""
        commits = 1 + max(len(self._waiting) // MOST_ARRIVALS, self._bytes // MOST_BYTES)
        under_way = 0.0 if self._began is None else max(self._commit_seconds, now - self._began)
        return commits * self._commit_seconds + under_way

    def put(self, arrival: Arrival, size: int, finish: Finish) -> None:
        """``finish`` is called exactly once, with the receipt or with what went wrong."""
        self._waiting.append((self._store.prepare(arrival), size, finish))  # while the disk is busy with others
        self._bytes += size
        if self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._waiting:
                self._idle = loop.create_future()
                self._empty.set()
                await self._idle
            batch = self._take()
            self._began = time.monotonic()
            results = await self._accept([packed for packed, _, _ in batch])
            took = time.monotonic() - self._began
            self._began = None
            self._commit_seconds += _SAMPLE * (took - self._commit_seconds)
            loop.call_soon(self._tell, batch, results)  # after the next commit is on its way: the disk need not wait

    def _tell(self, batch: list[tuple[Any, int, Finish]], results: Sequence[Receipt | Exception]) -> None:
        for (_, _, finish), result in zip(batch, results, strict=True):
            try:
                finish(result)
            except Exception:  # one connection's trouble must not keep the others' answers from them
                log.exception("bug after a commit")

    def _take(self) -> list[tuple[Any, int, Finish]]:
        waiting, size = self._waiting, 0
        batch: list[tuple[Any, int, Finish]] = []
        while waiting and len(batch) < MOST_ARRIVALS and (not batch or size + waiting[0][1] <= MOST_BYTES):
            item = waiting.popleft()
            size += item[1]
            batch.append(item)
        self._bytes -= size
        return batch

    async def _accept(self, packed: list[Any]) -> Sequence[Receipt | Exception]:
        try:
            results = await self._store.accept_prepared(packed)
            if len(results) != len(packed):  # then nobody knows whose receipt is whose
                raise RuntimeError(f"{len(results)} receipts for {len(packed)} arrivals")
        except Unavailable as trouble:
            self.failed_at = time.monotonic()
            if self._seldom("not stored", trouble.reason, self.failed_at):
                log.warning("not stored", reason=trouble.reason, requests=len(packed), answer=503)
            return [trouble] * len(packed)
        except Exception as bug:
            self.failed_at = time.monotonic()
            if self._seldom("bug", type(bug).__name__, self.failed_at):
                log.exception("not stored: bug in the store", requests=len(packed), answer=503)
            return [bug] * len(packed)
        self.failed_at = None
        return results
