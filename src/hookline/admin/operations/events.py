"""Events and deliveries: looking at them, following them, calling them off."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from hookline.admin import dress
from hookline.admin.objects import Delivery, Done, Event, Page, StoryEvent
from hookline.admin.operations.base import MAX_LIMIT, Ask, Bytes, Desk, NotFound, Trouble, operation
from hookline.admin.operations.find import Listing, Query, event_number, number_of, page, parsed
from hookline.store.records import EventRow

MOST_IDS = 500


class EventListing(Listing):
    after: Annotated[
        str, Meta(description="Follow: only events after this id, the oldest first; empty for a plain list.")
    ] = ""


class EventName(Ask):
    id: Annotated[str, Meta(description="`evt_…`, the provider's own id, `latest`, or `latest TYPE`.")]


@operation("GET", "/events")
async def list_events(desk: Desk, ask: EventListing) -> Page[Event]:
    """List events, the newest first.

    With `after` it lists what came since, the oldest first: ask again with the last id to follow.
    """
    if ask.after:
        return await _after(desk, ask)
    return await page(desk, desk.store.list_events, ask, partial(dress.event, desk))


async def _after(desk: Desk, ask: EventListing) -> Page[Event]:
    """The store walks back from the newest, so all that came since is looked at, and the oldest of it is answered:
    whoever follows a burst misses nothing, and asks again at once."""
    known = number_of("evt", ask.after)
    node = parsed(desk, ask.q)
    oldest: deque[EventRow] = deque(maxlen=ask.limit)
    cursor = None
    while True:
        found = await desk.store.list_events(node, limit=MAX_LIMIT, cursor=cursor)
        fresh = [row for row in found.data if row.id > known]
        oldest += fresh
        cursor = found.next
        if len(fresh) < len(found.data) or cursor is None:
            return Page(data=[dress.event(desk, row) for row in reversed(oldest)])


@operation("GET", "/events/{id}")
async def show_event(desk: Desk, ask: EventName) -> StoryEvent:
    """Show one event with its content, deliveries and attempts."""
    told = await desk.store.event(await event_number(desk, ask.id))
    if told is None:
        raise NotFound(f"there is no event {ask.id[:100]!r} any more")
    return dress.story(desk, told)


@operation("GET", "/events/{id}/raw", role="operator")
async def raw_event(desk: Desk, ask: EventName) -> Bytes:
    """The exact bytes of an event's body."""
    told = await desk.store.event(await event_number(desk, ask.id))
    own = None if told is None else told.item if told.item is not None else told.raw
    if told is None or own is None:
        raise NotFound(f"the body of {ask.id[:100]!r} was not kept, or was erased")
    return Bytes(own)


@operation("GET", "/deliveries")
async def list_deliveries(desk: Desk, ask: Listing) -> Page[Delivery]:
    """List deliveries, by their events, the newest first."""
    return await page(desk, desk.store.list_deliveries, ask, partial(dress.delivery, desk))


class Cancel(Ask):
    ids: Annotated[list[str], Meta(max_length=MOST_IDS, description="Delivery ids; either these or a query.")] = (
        msgspec.field(default_factory=list)
    )
    q: Query = ""
    dry_run: Annotated[bool, Meta(description="Only count.")] = False


@operation("POST", "/deliveries/cancel", role="operator")
async def cancel_deliveries(desk: Desk, ask: Cancel) -> Done:
    """Cancel pending deliveries.

    Nothing will be tried again; a replay brings them back. Those that have ended are left as they are.
    """
    if bool(ask.ids) == bool(ask.q.strip()):
        raise Trouble("say which: `ids`, or a query in `q`")
    parsed(desk, ask.q)
    for name in ask.ids:
        number_of("dlv", name)
    return Done(count=await desk.store.cancel(ask.q, ask.ids, who=desk.who.name, dry_run=ask.dry_run))
