"""Events as they arrive, over server-sent events: a page or a program follows without asking again and again.

A stream begins where ``Last-Event-ID`` (or ``after``) says, so that a reader who was away misses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from hookline import ids
from hookline.admin import auth
from hookline.admin.http import Reception
from hookline.admin.objects import Event
from hookline.admin.openapi import PREFIX
from hookline.admin.operations import OPERATIONS
from hookline.admin.operations.base import Conflict, Desk, Trouble, perform
from hookline.errors import Unavailable
from hookline.payload import safe_json

LOOK = 0.5
"""Seconds between two looks at the store while a stream is open."""
HEARTBEAT = 15.0
MOST_STREAMS = 50
BATCH = 200


def routes(reception: Reception) -> list[BaseRoute]:
    open_streams = 0

    async def follow(request: Request) -> Response:
        nonlocal open_streams
        token = auth.bearer(request.headers.get("authorization"))
        desk = await reception.desk(token)
        query = request.query_params.get("q", "")
        told = request.headers.get("last-event-id") or request.query_params.get("after")
        after = told or ids.show("evt", ids.first_at(desk.now))
        rows = await _since(desk, query, after)  # a wrong query is answered before the stream begins
        if open_streams >= MOST_STREAMS:
            raise Conflict(f"{MOST_STREAMS} streams are open already: close one")

        async def stream() -> AsyncIterator[bytes]:
            nonlocal open_streams
            open_streams += 1
            try:
                async for piece in _stream(lambda: reception.desk(token), query, after, rows):
                    yield piece
            finally:
                open_streams -= 1

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    return [Route(f"{PREFIX}/live/events", follow)]


async def _stream(
    desk: Callable[[], Awaitable[Desk]], query: str, after: str, rows: list[Event]
) -> AsyncIterator[bytes]:
    """``desk`` is asked at each look: a token that was revoked ends the stream."""
    said_at = time.monotonic()
    yield b"retry: 2000\n\n"
    while True:
        for row in rows:
            after = row.id
            said_at = time.monotonic()
            yield f"id: {row.id}\nevent: event\ndata: {safe_json(row)}\n\n".encode()
        if time.monotonic() - said_at > HEARTBEAT:
            said_at = time.monotonic()
            yield b": still here\n\n"
        if len(rows) < BATCH:
            await asyncio.sleep(LOOK)
        try:
            rows = await _since(await desk(), query, after)
        except Unavailable:
            rows = []
        except Trouble as problem:
            yield f"event: problem\ndata: {safe_json(problem.detail)}\n\n".encode()
            return


async def _since(desk: Desk, query: str, after: str) -> list[Event]:
    """What came after the event ``after``, the oldest first."""
    page = await perform(OPERATIONS["list_events"], desk, {"q": query, "after": after, "limit": BATCH}, strict=True)
    rows: list[Event] = page.data
    return rows
