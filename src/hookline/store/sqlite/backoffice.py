"""Everything that a store does beside the walk: what people look at, repeat, stop, count, keep and delete."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hookline import search
from hookline.store.base import Route
from hookline.store.compress import Codec
from hookline.store.records import (
    Cursor,
    DeliveryRow,
    DestinationRow,
    EventRow,
    EventStory,
    Found,
    Point,
    ReplayOptions,
    ReplayPlan,
    ReplayRow,
    RequestRow,
    RequestStory,
    Totals,
    WorkerRow,
)
from hookline.store.sqlite import browse, control, pick, replay, stats, story
from hookline.store.sqlite.tokens import write_audit

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

    def now(self) -> float:
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

    # -- repeating -----------------------------------------------------------------------------------------------

    async def plan_replay(self, query: str, options: ReplayOptions, route: Route | None = None) -> ReplayPlan:
        """What :meth:`create_replay` would do. Looks at everything, however long it takes. ``route`` is a router's
        ``route`` method, wanted with ``options.reroute``.

        :raises hookline.search.SearchError: for a query or an id that says nothing.
        """
        plan = ReplayPlan()
        choice = pick.choose(query, options.only, self.now())
        position = 0
        while True:
            bite = await self._bite(choice, options, route, position, pick.MOST)
            replay.add_to_plan(plan, bite, options)
            if bite.ended:
                return plan
            position = bite.position

    async def create_replay(
        self,
        query: str,
        options: ReplayOptions,
        *,
        who: str,
        route: Route | None = None,
        plan: ReplayPlan | None = None,
    ) -> ReplayRow:
        """Begin a job: :meth:`advance_replay` carries it out, a bite at a time, in whichever process calls it."""
        plan = plan or await self.plan_replay(query, options, route)
        return await self.write(replay.create_replay, query, options, plan.events, who=who)

    async def advance_replay(self, number: int, route: Route | None = None) -> ReplayRow | None:
        """The next bite of a job, no more than its rate allows. Returns how far it is; None if there is no such job.
        Several processes may call it at once: each bite is carried out once."""
        job = await self.read(replay.replay_row, number)
        if job is None or job.state != "running":
            return job
        allowed = pick.MOST
        if job.options.rate is not None:
            allowed = min(allowed, int((self.now() - job.created_at) * job.options.rate) + 1 - job.done)
        if allowed < 1:
            return job
        choice = pick.choose(job.query, job.options.only, job.created_at, below=job.id)
        bite = await self._bite(choice, job.options, route, job.position, allowed)
        await self.write(replay.advance_replay, job, bite)
        return await self.read(replay.replay_row, number)

    async def replay(self, number: int) -> ReplayRow | None:
        """A job and how far it is."""
        return await self.read(replay.replay_row, number)

    async def running_replays(self) -> list[ReplayRow]:
        """Jobs that want :meth:`advance_replay`."""
        return await self.read(replay.running_replays)

    async def list_replays(self, *, limit: int = 50, cursor: str | None = None) -> Found[ReplayRow]:
        """Jobs, the newest first."""
        return await self.read(replay.list_replays, limit, Cursor.load(cursor) if cursor is not None else None)

    async def stop_replay(self, number: int, *, who: str) -> bool:
        """End a job where it is; False where it had ended."""
        return await self.write(replay.stop_replay, number, who=who)

    async def cancel(self, query: str = "", only: Sequence[str] = (), *, who: str, dry_run: bool = False) -> int:
        """Cancel deliveries that are pending or need review, by a query or by prefixed ids. Returns how many."""
        choice = pick.choose(query, only, self.now())
        position, count = 0, 0
        while True:
            bite = await self.read(
                pick.pick_deliveries, choice, position, self._shelf, _budget(SEARCH_SECONDS), pick.MOST
            )
            if dry_run:
                count += sum(line.state in control.CANCELLABLE for line in bite.lines)
            elif bite.lines:
                count += await self.write(control.cancel, bite.lines, f"cancelled by {who}")
            if bite.ended:
                break
            position = bite.position
        if count and not dry_run:
            await self.write(write_audit, who, "deliveries cancelled", query or " ".join(only), {"count": count})
        return count

    async def _bite(
        self, choice: pick.Choice, options: ReplayOptions, route: Route | None, position: int, most: int
    ) -> pick.Bite:
        over = _budget(SEARCH_SECONDS)
        if options.reroute or options.to is not None:
            router = route if options.reroute else None
            return await self.read(pick.pick_events, choice, position, self._shelf, over, router, options.to, most)
        return await self.read(pick.pick_deliveries, choice, position, self._shelf, over, most)

    # -- destinations and workers --------------------------------------------------------------------------------

    async def pause(self, destination: str, reason: str = "", *, who: str) -> None:
        """Hold back what goes to a destination. Nothing is lost and no attempt used up."""
        await self.write(control.pause, destination, reason, who=who)

    async def resume(self, destination: str, *, who: str) -> None:
        """Let it go again, and close its breaker."""
        await self.write(control.resume, destination, who=who)

    async def list_workers(self) -> list[WorkerRow]:
        """Workers heard of in the last minute."""
        return await self.read(control.list_workers)

    async def list_destinations(self) -> list[DestinationRow]:
        """Every destination that has deliveries, a worker or a state: what waits, since when, and who takes it."""
        return await self.read(stats.list_destinations)

    # -- counting ------------------------------------------------------------------------------------------------

    async def totals(
        self, since: float, until: float, *, source: str | None = None, destination: str | None = None
    ) -> Totals:
        """Requests, events and attempts by outcome, and percentiles, between two moments (unix seconds)."""
        return await self.read(stats.totals, since, until, source, destination)

    async def totals_by_source(self, since: float, until: float) -> dict[str, Totals]:
        """Requests and events of each source; of unknown paths under an empty name."""
        return await self.read(stats.by_source, since, until)

    async def totals_by_destination(self, since: float, until: float) -> dict[str, Totals]:
        """Attempts of each destination."""
        return await self.read(stats.by_destination, since, until)

    async def series(
        self,
        metric: str,
        since: float,
        until: float,
        step: int,
        *,
        source: str | None = None,
        destination: str | None = None,
    ) -> list[Point]:
        """A line for a chart, a point every ``step`` minutes: of ``requests``, ``events`` or ``attempts`` the counts,
        of ``lag``, ``wait`` or ``took`` the percentiles."""
        return await self.read(stats.series, metric, since, until, step, source, destination)

    async def last_events(self) -> dict[str, float]:
        """When each source was heard of last (unix seconds)."""
        return await self.read(stats.last_events)

    async def fold_counters(self) -> None:
        """Upkeep, every ten minutes: counts of long ago become rows of longer steps. Stopping it loses nothing."""
        while await self.write(stats.fold):
            pass

    async def _list(
        self, listing: browse.Listing[T], query: search.Node, limit: int, cursor: str | None, seconds: float
    ) -> Found[T]:
        at = Cursor.load(cursor) if cursor is not None else None
        return await self.read(browse.listed, listing, self._shelf, query, limit, at, _budget(seconds))


def _budget(seconds: float) -> browse.Over:
    """True once that many seconds have passed since now."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until
