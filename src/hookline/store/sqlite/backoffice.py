"""Everything that a store does beside the walk: what people look at, repeat, stop, count, keep and delete."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from hookline import search
from hookline.store.compress import Codec
from hookline.store.records import (
    Cursor,
    DeliveryRow,
    EventRow,
    EventStory,
    Found,
    RequestRow,
    RequestStory,
)
from hookline.store.sqlite import browse, story

T = TypeVar("T")

SEARCH_SECONDS = 1.5
"""How long a search looks before it says how far it came; readers are cut off at two seconds."""


class BackOffice:
    """The part of :class:`hookline.store.sqlite.store.SqliteStore` that no webhook waits for."""

    _shelf: Codec
    """Dictionaries that readers have met; the writer's own are no business of other threads."""

    async def read(self, act: Callable[..., T], *values: Any, **named: Any) -> T:
        raise NotImplementedError

    async def write(self, act: Callable[..., T], *values: Any, **named: Any) -> T:
        raise NotImplementedError

    # -- looking -------------------------------------------------------------------------------------------------

    async def list_events(
        self,
        query: search.Node = search.EVERYTHING,
        *,
        limit: int = 50,
        cursor: str | None = None,
        seconds: float = SEARCH_SECONDS,
    ) -> Found[EventRow]:
        """Newest first. ``query`` comes from :func:`hookline.search.parse`.

        :raises hookline.search.SearchError: for a field that events do not have.
        :raises hookline.store.records.CursorError: for a cursor that is none.
        """
        return await self._list(browse.LIST_EVENTS, query, limit, cursor, seconds)

    async def list_deliveries(
        self,
        query: search.Node = search.EVERYTHING,
        *,
        limit: int = 50,
        cursor: str | None = None,
        seconds: float = SEARCH_SECONDS,
    ) -> Found[DeliveryRow]:
        """By their events, newest first. See :meth:`list_events`."""
        return await self._list(browse.LIST_DELIVERIES, query, limit, cursor, seconds)

    async def list_requests(
        self,
        query: search.Node = search.EVERYTHING,
        *,
        limit: int = 50,
        cursor: str | None = None,
        seconds: float = SEARCH_SECONDS,
    ) -> Found[RequestRow]:
        """Newest first. See :meth:`list_events`."""
        return await self._list(browse.LIST_REQUESTS, query, limit, cursor, seconds)

    async def find_event(self, name: str) -> int | None:
        """The event that is meant by ``evt_…``, ``dlv_…``, ``req_…``, ``latest``, ``latest TYPE`` or the provider's id;
        None if there is none."""
        return await self.read(story.find_event, name, self._shelf, _budget(SEARCH_SECONDS))

    async def event(self, number: int) -> EventStory | None:
        """An event with its bytes, deliveries and attempts."""
        return await self.read(story.event_story, number, self._shelf)

    async def request(self, number: int) -> RequestStory | None:
        """A request with its bytes, and the events that it became or repeats."""
        return await self.read(story.request_story, number, self._shelf)

    async def _list(
        self, listing: browse.Listing[T], query: search.Node, limit: int, cursor: str | None, seconds: float
    ) -> Found[T]:
        at = Cursor.load(cursor) if cursor is not None else None
        return await self.read(browse.listed, listing, self._shelf, query, limit, at, _budget(seconds))


def _budget(seconds: float) -> browse.Over:
    """True once that many seconds have passed since now."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until
