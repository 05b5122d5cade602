"""What a store does. Two databases implement it; one contract suite (tests/contract) holds both to it.

The hot operations take and return batches: a batch is one transaction, and one fsync serves everybody in it.
Locks are always taken in the order destinations, ordering keys, events.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from hookline import search
from hookline.model import Arrival, Claim, NewDelivery, Receipt, Request, RequestOutcome, Settlement
from hookline.model import HandlerRoute as HandlerRoute
from hookline.pacing import Judge
from hookline.routing import Reader
from hookline.store.records import (
    AuditRow,
    DeliveryRow,
    DestinationRow,
    Dropped,
    EventRow,
    EventStory,
    Finding,
    Found,
    Keep,
    Point,
    ReplayOptions,
    ReplayPlan,
    ReplayRow,
    RequestRow,
    RequestStory,
    TokenRow,
    Totals,
    WorkerRow,
)

Route = Callable[[str, str, str, Reader], tuple[Sequence[NewDelivery], str]]
"""``Router.route``: source, environment, type and what reads the event, to deliveries and the reason for none."""


class Want(msgspec.Struct, frozen=True):
    """What a worker can take for one destination: free places, and the limits that hold for the installation."""

    slots: int
    """How many claims this worker can take now."""
    concurrency: int | None = None
    """Open leases of the destination in all workers together; None for no limit."""
    rate: float | None = None
    """Attempts a second in all workers together."""
    burst: float | None = None
    """Attempts that may come at once; None for one second's worth."""
    breaker: bool = True
    """Whether a destination that keeps failing is left alone for a while."""
    judge: Judge = Judge()
    """When it is."""


class RequestNote(msgspec.Struct, frozen=True, kw_only=True):
    """A request that became no event: for the bounded request log, written in the background."""

    source: str | None
    """None for a path that no source has."""
    outcome: RequestOutcome
    reason: str
    status: int
    request: Request
    hint: str = ""
    """The provider recognised, and ``did you mean /webhooks/stripe?``"""


class PublishedApp(msgspec.Struct, frozen=True, kw_only=True):
    """The handlers of one app, of one generation."""

    app: str
    generation: int
    handlers: tuple[HandlerRoute, ...]
    error: str = ""
    """Why the last import failed; the handlers are then those of the last good one."""


class Dictionary(msgspec.Struct, frozen=True):
    """A trained compression dictionary: immutable, kept while any row refers to it."""

    id: int
    source: str
    data: bytes


class Store(Protocol):
    """Every method may raise :class:`hookline.errors.Unavailable`: nothing was written then, as far as can be told."""

    # -- the walk ------------------------------------------------------------------------------------------------

    async def accept(self, arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        """Write events and their deliveries in one commit and return after the fsync, one receipt per arrival.

        De-duplicates on (source, key): same key and digest → ``duplicate`` (counted; failed deliveries run again with
        trigger ``redelivery`` unless ``on_duplicate`` is ``ignore``); same key, other digest → kept as
        ``key#digest``, needs_review ``same id, other body``; ``body_key`` and a known digest under a new
        key → needs_review ``replayed body``. Repetitions inside one batch count too. A data error fails only its
        own arrival.
        """
        ...

    async def claim(self, worker: str, wants: Mapping[str, Want], lease_seconds: float) -> list[Claim]:
        """Take what is due, going round the open destinations in ``wants``: paused and broken ones are skipped,
        concurrency, rate and breaker of the destination's row are reserved in the same transaction, and of an ordering
        key only the head is taken. A claim whose lease ran out writes its own attempt row (``lease ran out``) first."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Write attempts and their decisions; False where the lease was not the holder's any more (nothing changed)."""
        ...

    async def renew(self, claims: Sequence[tuple[int, int]], lease_seconds: float) -> list[bool]:
        """Prolong leases, given as (delivery, lease); False where lost."""
        ...

    def prepare(self, arrival: Arrival) -> Any:
        """The part of :meth:`accept` that needs no store (compressing, hashing), done while others are committed."""
        ...

    async def accept_prepared(self, packed: Sequence[Any]) -> list[Receipt | Exception]:
        """:meth:`accept` of what :meth:`prepare` returned."""
        ...

    def renew_now(self, claims: Sequence[tuple[int, int]], lease_seconds: float) -> list[bool]:
        """:meth:`renew` for one plain thread, which neither a busy event loop nor a busy writer delays."""
        ...

    async def bury(self, worker: str, running: Collection[tuple[int, int]]) -> int:
        """Take back at once what a dead worker held; ``running``, as (delivery, lease), count a crash. How many."""
        ...

    async def next_due(self, destinations: Sequence[str]) -> float | None:
        """Unix seconds at which one of these has something to do, maybe past; None for nothing waiting."""
        ...

    async def wait_for_work(self, seconds: float) -> bool:
        """True as soon as any process has committed work, False after ``seconds``."""
        ...

    def now(self) -> float:
        """Unix seconds, as this store counts them: a step of the wall clock moves nothing."""
        ...

    async def close(self) -> None:
        """Finish what is being written, then let go."""
        ...

    async def note(self, notes: Sequence[RequestNote]) -> None:
        """Write rejected requests and handshakes into the bounded log."""
        ...

    async def publish_app(self, app: str, generation: int, handlers: Sequence[HandlerRoute]) -> bool:
        """Write what an app handles: a newer generation replaces, the same one adds; False where a newer one was first.
        ``note_app_error`` leaves the last good handlers in place, and says why the new ones did not come."""
        ...

    async def published_apps(self) -> list[PublishedApp]:
        """Every app that has published its handlers, by name."""
        ...

    async def shared_key(self) -> bytes:
        """32 random bytes that the processes of this store share: what marks a sample of our own at the door."""
        ...

    # -- looking -------------------------------------------------------------------------------------------------

    async def list_events(
        self, query: search.Node = ..., *, limit: int = ..., cursor: str | None = ..., seconds: float = ...
    ) -> Found[EventRow]:
        """Newest first. Looks for ``seconds`` at most, then says how far it came (``scanned_to``) and where to go on.
        SearchError for a field that events do not have, CursorError for a cursor that is none."""
        ...

    async def list_deliveries(
        self, query: search.Node = ..., *, limit: int = ..., cursor: str | None = ..., seconds: float = ...
    ) -> Found[DeliveryRow]:
        """By their events, newest first; a delivery is found by its own fields and by its event's."""
        ...

    async def list_requests(
        self, query: search.Node = ..., *, limit: int = ..., cursor: str | None = ..., seconds: float = ...
    ) -> Found[RequestRow]:
        """What arrived at the door, newest first."""
        ...

    async def find_event(self, name: str) -> int | None:
        """By ``evt_…``, ``dlv_…``, ``req_…``, ``latest``, ``latest TYPE`` or the provider's own id."""
        ...

    async def event(self, number: int) -> EventStory | None:
        """An event with its bytes, deliveries and attempts."""
        ...

    async def request(self, number: int) -> RequestStory | None:
        """A request with its bytes, and the events that it became or repeats."""
        ...

    # -- repeating and holding back ------------------------------------------------------------------------------

    async def plan_replay(self, query: str, options: ReplayOptions, route: Route | None = ...) -> ReplayPlan:
        """What a replay would do; looks at everything."""
        ...

    async def create_replay(
        self,
        query: str,
        options: ReplayOptions,
        *,
        who: str,
        route: Route | None = ...,
        plan: ReplayPlan | None = ...,
    ) -> ReplayRow:
        """A job over the events of this moment: none that comes later is touched."""
        ...

    async def advance_replay(self, number: int, route: Route | None = ...) -> ReplayRow | None:
        """Carry out the next bite, in one commit with the job's position: a crash repeats nothing and forgets nothing,
        and of two that call it at once only one does it."""
        ...

    async def replay(self, number: int) -> ReplayRow | None: ...

    async def running_replays(self) -> list[ReplayRow]: ...

    async def list_replays(self, *, limit: int = ..., cursor: str | None = ...) -> Found[ReplayRow]: ...

    async def stop_replay(self, number: int, *, who: str) -> bool:
        """False where it had ended."""
        ...

    async def cancel(self, query: str = ..., only: Sequence[str] = ..., *, who: str, dry_run: bool = ...) -> int:
        """End deliveries that are pending or need review. Running attempts are fenced off."""
        ...

    async def pause(self, destination: str, reason: str = ..., *, who: str) -> None:
        """Hold back what goes to a destination: nothing is lost, and no attempt used up."""
        ...

    async def resume(self, destination: str, *, who: str) -> None:
        """Let it go again, and close its breaker."""
        ...

    async def list_destinations(self) -> list[DestinationRow]: ...

    async def list_workers(self) -> list[WorkerRow]: ...

    # -- counting: out of roll-ups, never row by row -------------------------------------------------------------

    async def totals(
        self, since: float, until: float, *, source: str | None = ..., destination: str | None = ...
    ) -> Totals:
        """Counts by outcome and percentiles between two moments."""
        ...

    async def totals_by_source(self, since: float, until: float) -> dict[str, Totals]: ...

    async def totals_by_destination(self, since: float, until: float) -> dict[str, Totals]: ...

    async def series(
        self,
        metric: str,
        since: float,
        until: float,
        step: int,
        *,
        source: str | None = ...,
        destination: str | None = ...,
    ) -> list[Point]:
        """A line for a chart, a point every ``step`` minutes."""
        ...

    async def last_events(self) -> dict[str, float]:
        """When each source was heard of last."""
        ...

    # -- upkeep --------------------------------------------------------------------------------------------------

    async def create_token(self, name: str, role: str, hashed: bytes, expires_at: float | None, *, who: str) -> int: ...

    async def find_token(self, hashed: bytes) -> TokenRow | None:
        """By its SHA-256; None for one that has expired or was revoked."""
        ...

    async def list_tokens(self) -> list[TokenRow]: ...

    async def revoke_token(self, number: int, *, who: str) -> bool: ...

    async def count_tokens(self) -> int: ...

    async def write_audit(self, who: str, action: str, target: str, detail: Mapping[str, Any]) -> None: ...

    async def list_audit(self, *, limit: int = ..., cursor: str | None = ...) -> Found[AuditRow]: ...

    async def retain(self, keep: Keep) -> Dropped | None:
        """Let go of what is old enough, never of an event with an open delivery. None where another process does it."""
        ...

    async def erase(self, events: Sequence[int], *, who: str) -> int:
        """Remove the content of these events for good; their ids and digests stay, so that a late copy stays gone."""
        ...

    async def back_up(self, target: Path, progress: Callable[[int, int], None] = ...) -> int:
        """A copy of one moment, while everything runs; returns its bytes."""
        ...

    async def check(self) -> list[Finding]:
        """What is wrong with this store; reads all of it."""
        ...
