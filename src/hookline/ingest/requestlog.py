"""The log of requests that became no event: bounded, written in the background, never a commit at the door."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from hookline.errors import Unavailable
from hookline.store.base import RequestNote

log = structlog.get_logger("hookline.ingest")

MOST_NOTES = 1_000
MOST_BYTES = 16 << 20
"""Waiting to be written."""
LONGEST_BODY = 64 << 10
"""Of an unverified body this much is kept."""
LOOKED_AT = LONGEST_BODY + 1_024
"""So much of it is searched for secrets: none is cut in two before it is masked."""
_HOUR = 3_600.0
_BATCH = 100
_PAUSE = 0.5
_MOST_COUNTED = 20_000


class Notebook(Protocol):
    """The part of a store that the request log needs."""

    async def note(self, notes: Sequence[RequestNote]) -> None: ...


class RequestLog:
    """A ring of notes on their way to the store; what does not fit is counted and dropped."""

    def __init__(self, store: Notebook, *, per_hour: int = 100) -> None:
        self._store = store
        self._per_hour = per_hour
        self._ring: deque[RequestNote] = deque()
        self._bytes = 0
        self._seen: Counter[tuple[str, str, str | None]] = Counter()
        self._hour = 0
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="request log")

    async def stop(self) -> None:
        """Write what is left, if the store can."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while await self.write():
            pass

    def room(self, source: str | None, reason: str, neighbourhood: str, now: float) -> bool:
        """Whether one more of these is wanted: so many an hour of one address and reason. ``now`` in unix seconds."""
        if int(now // _HOUR) != self._hour or len(self._seen) > _MOST_COUNTED:
            self._hour = int(now // _HOUR)
            self._seen.clear()
        key = (neighbourhood, reason, source)
        self._seen[key] += 1
        return self._seen[key] <= self._per_hour

    def put(self, note: RequestNote) -> None:
        """Take a note, unless too many wait already."""
        if len(note.request.body) > LONGEST_BODY:
            cut = msgspec.structs.replace(note.request, body=note.request.body[:LONGEST_BODY])
            note = msgspec.structs.replace(note, request=cut)
        size = _size(note)
        if len(self._ring) >= MOST_NOTES or self._bytes + size > MOST_BYTES:
            self.dropped += 1
            return
        self._ring.append(note)
        self._bytes += size

    async def write(self) -> int:
        """Write one batch; how many notes it had. A store that cannot take them now loses them: they are a courtesy,
        and must not fill the memory that events need."""
        batch = [self._ring.popleft() for _ in range(min(_BATCH, len(self._ring)))]
        if batch:
            self._bytes -= sum(map(_size, batch))
            try:
                await self._store.note(batch)
            except Unavailable:
                self.dropped += len(batch)
        return len(batch)

    async def _run(self) -> None:
        told = 0
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                while await self.write() == _BATCH:
                    pass
            except Exception:
                log.exception("bug in the request log")
            if self.dropped > told:
                log.warning("request log full", dropped=self.dropped - told)
                told = self.dropped


def _size(note: RequestNote) -> int:
    request = note.request
    return 500 + len(request.target) + len(request.body) + sum(len(n) + len(v) for n, v in request.headers)
