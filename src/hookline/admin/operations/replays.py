"""Replays: what they would do, doing it, and how far they are."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
from msgspec import Meta

from hookline import ids, search
from hookline.admin import dress
from hookline.admin.objects import Page, Plan, Replay
from hookline.admin.operations.base import Ask, Conflict, Desk, NotFound, Trouble, operation
from hookline.admin.operations.find import ById, Cursor, Limit, Query, event_number, number_of, parsed
from hookline.admin.operations.trigger import unknown
from hookline.routing import Router
from hookline.store.records import CursorError, ReplayOptions, ReplayRow

ADVANCE_SECONDS = 0.5
"""How long one request works on a job before it tells how far it is."""

Ids = Annotated[list[str], Meta(max_length=500, description="Events or deliveries by their ids; or a query.")]
Again = Annotated[bool, Meta(description="Repeat succeeded deliveries too, under a new idempotency key.")]
Reroute = Annotated[bool, Meta(description="Apply today's routes: the cure for `no route`.")]
To = Annotated[str, Meta(description="Only to this destination; adds a delivery where there is none.")]
Rate = Annotated[float, Meta(gt=0, description="Events a second; null for no limit.")]


class Choice(Ask):
    ids: Ids = msgspec.field(default_factory=list)
    q: Query = ""
    again: Again = False
    reroute: Reroute = False
    to: To | None = None


class Create(Choice):
    rate: Rate | None = None


class Single(Ask):
    id: Annotated[str, Meta(description="`evt_…`, the provider's own id, `latest`, or `latest TYPE`.")]
    again: Again = False
    reroute: Reroute = False
    to: To | None = None


class ReplayListing(Ask):
    limit: Limit = 50
    cursor: Cursor | None = None


@operation("POST", "/replays/plan", role="operator")
async def plan_replay(desk: Desk, ask: Choice) -> Plan:
    """What a replay would do: counts by destination and environment, and what it would leave out."""
    options = await _options(desk, ask)
    return dress.plan(await desk.store.plan_replay(ask.q, options, (await router(desk)).route))


@operation("POST", "/replays", role="operator", status=201)
async def create_replay(desk: Desk, ask: Create) -> Replay:
    """Replay events: a job that the server carries out, with progress.

    Without more it repeats, in place and under the same idempotency key, deliveries that are failed, cancelled or need
    review, and brings waiting retries forward.
    """
    options = await _options(desk, ask, ask.rate)
    row = await desk.store.create_replay(ask.q, options, who=desk.who.name, route=(await router(desk)).route)
    return dress.replay(row)


@operation("POST", "/events/{id}/replay", role="operator", status=201)
async def replay_event(desk: Desk, ask: Single) -> Replay:
    """Replay one event now."""
    choice = Create(ids=[ask.id], again=ask.again, reroute=ask.reroute, to=ask.to)
    job = await create_replay(desk, choice)
    return await advance_replay(desk, ById(id=job.id))


@operation("POST", "/replays/{id}/advance", role="operator")
async def advance_replay(desk: Desk, ask: ById) -> Replay:
    """Carry on with a job for a moment, no faster than its rate. The server does so by itself; this is for waiting."""
    number = number_of("rpl", ask.id)
    row = await _advance(desk, number, await router(desk))
    if row is None:
        raise NotFound(f"there is no replay {ask.id} (any more)")
    return dress.replay(row)


async def _advance(desk: Desk, number: int, wanted: Router) -> ReplayRow | None:
    """Bite after bite, until the job has ended, its rate holds it back, or the time for one turn is up."""
    until = time.monotonic() + ADVANCE_SECONDS
    position = -1
    while True:
        row = await desk.store.advance_replay(number, wanted.route)
        if row is None or row.state != "running" or row.position == position or time.monotonic() > until:
            return row
        position = row.position


@operation("GET", "/replays")
async def list_replays(desk: Desk, ask: ReplayListing) -> Page[Replay]:
    """List replays, the newest first."""
    try:
        found = await desk.store.list_replays(limit=ask.limit, cursor=ask.cursor)
    except CursorError as problem:
        raise Trouble(f"cursor: {problem}") from None
    return Page(data=[dress.replay(row) for row in found.data], next=found.next)


@operation("GET", "/replays/{id}")
async def show_replay(desk: Desk, ask: ById) -> Replay:
    """How far a replay is."""
    row = await desk.store.replay(number_of("rpl", ask.id))
    if row is None:
        raise NotFound(f"there is no replay {ask.id} (any more)")
    return dress.replay(row)


@operation("POST", "/replays/{id}/stop", role="operator")
async def stop_replay(desk: Desk, ask: ById) -> Replay:
    """End a replay where it is. What it has repeated stays repeated."""
    number = number_of("rpl", ask.id)
    await show_replay(desk, ask)
    if not await desk.store.stop_replay(number, who=desk.who.name):
        raise Conflict(f"{ask.id} had ended already")
    return await show_replay(desk, ask)


async def router(desk: Desk) -> Router:
    """Who wants what now, of the file and of the apps that have published."""
    apps = await desk.store.published_apps()
    handlers = tuple(handler for app in apps for handler in app.handlers)
    wanted = {source.name: source.events for source in desk.config.sources.values()}
    return Router(desk.config.routes, handlers, desk.config.server.environment, wanted=wanted)


async def carry_on(desk: Desk) -> int:
    """A turn for every running job: what the admin process does every moment. Returns how many there were."""
    running = await desk.store.running_replays()
    if running:
        wanted = await router(desk)
        for row in running:
            await _advance(desk, row.id, wanted)
    return len(running)


async def _options(desk: Desk, ask: Choice, rate: float | None = None) -> ReplayOptions:
    if bool(ask.ids) == bool(ask.q.strip()):
        raise Trouble("say which: `ids`, or a query in `q`")
    try:
        parsed(desk, ask.q)
    except search.SearchError as problem:
        raise Trouble(f"q: {problem}") from None
    if ask.to is not None and ask.to not in await destinations(desk):
        raise NotFound(unknown("destination", ask.to, await destinations(desk)))
    only = [name if ids.read(name, "dlv") else ids.show("evt", await event_number(desk, name)) for name in ask.ids]
    return ReplayOptions(again=ask.again, reroute=ask.reroute, to=ask.to, rate=rate, only=tuple(only))


async def destinations(desk: Desk) -> list[str]:
    """Every destination of the file and of the apps that have published."""
    apps = await desk.store.published_apps()
    return [*desk.config.destinations, *(handler.name for app in apps for handler in app.handlers)]
